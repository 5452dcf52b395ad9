// The lines of memory that a block of tiles will want, asked for while its products run.
#pragma once

#include "conv2d/winograd.h"

namespace nconv {

// A block's part of a tensor.
struct WinogradPart {
    int64_t row_count() const { return images * rows.total(); }
    // Cache lines of a row; in NCHW, of each channel's.
    int64_t row_lines() const {
        const int64_t pixels = min_of(columns.end(), width) - max_of(0, columns.start);
        return columns.joined() ? ceil_div(max_of(0, pixels) * pixel, kLineFloats) : 0;
    }
    // Null if the row is outside of the image.
    const float* row(int64_t index) const {
        const int64_t y = rows.at(index % rows.total());
        if (y < 0 || y >= height) return nullptr;
        return tensor + index / rows.total() * image +
               (y * width + max_of(0, columns.start)) * pixel;
    }

    const float* tensor;   // at the first image, of NCHW at the first channel
    int64_t image, pixel;  // floats from one to the next
    int64_t images;
    Runs rows, columns;
    int64_t height, width;
};

// The kernels of a block's products ask for the next block's part of the source, then for the lines of their own
// block's results, one at each step of a sum, so that few are on their way at a time. All at once they fill the
// queue in which the products' own loads wait for L2: of 64 channels of 224 x 224 6 x 6 reached 322 % of peak
// this way, 300 with the lines before each kernel, 290 before each point, and 270 without those of the results,
// whose stores then wait for memory.
class WinogradAhead {
public:
    WinogradAhead() = default;  // asks for nothing

    // calls: of kernels, which have the lines in near-equal shares.
    WinogradAhead(const Winograd& w, const WinogradPart& source, const WinogradPart& results,
                  int64_t calls)
        : planes_(!w.g.problem.channels_last()),
          steps_(w.g.reduced),
          parts_{source, results},
          part_(0) {
        int64_t lines = 0;
        for (const WinogradPart& part : parts_) lines += part.row_count() * part.row_lines();
        share_ = lines / calls;
        larger_ = lines % calls;
        enter_row();
    }

    // Sets what the next call asks for: in NCHW one line of each channel at most; if nothing, what is in L1.
    void next(WinogradProductArgs* args) {
        constexpr int64_t kBytes = sizeof(float);
        args->ahead = reinterpret_cast<const char*>(args->b);
        args->ahead_step = 0;
        const int64_t lines = share_ + (larger_-- > 0 ? 1 : 0);
        if (lines == 0 || part_ == kParts) return;
        if (row_ != nullptr) {
            const WinogradPart& part = parts_[part_];
            args->ahead = reinterpret_cast<const char*>(row_ + line_ * kLineFloats);
            args->ahead_step =
                planes_ ? part.height * part.width * kBytes : lines * kLineFloats * kBytes / steps_;
        }
        line_ += lines;
        enter_row();
    }

private:
    // Goes on to the row that line_ is in.
    void enter_row() {
        for (; part_ < kParts; ++part_, index_ = 0) {
            const int64_t count = parts_[part_].row_count(), lines = parts_[part_].row_lines();
            for (; lines != 0 && index_ < count && line_ >= lines; ++index_) line_ -= lines;
            if (lines == 0 || index_ == count) continue;
            row_ = parts_[part_].row(index_);
            return;
        }
    }

    static constexpr int kParts = 2;
    bool planes_ = false;
    int64_t steps_ = 0;
    WinogradPart parts_[kParts] = {};
    int64_t share_ = 0, larger_ = 0;  // lines of a call, calls that have one more
    int part_ = kParts;
    int64_t index_ = 0, line_ = 0;  // the next line
    const float* row_ = nullptr;
};

}  // namespace nconv
