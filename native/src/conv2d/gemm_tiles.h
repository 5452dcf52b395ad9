// A part of a gather in register tiles: where each of a tile's pixels reads from and writes to.
//
// The pointers of a tile are worked out just before its sums, while the processor still has multiply-adds of
// the tile before to do. In tables for all pixels of a task, written ahead, they cost 64 channels at 56 x 56
// 6 points of peak, and as much again for each further block of produced channels.
#pragma once

#include "conv2d/gather.h"
#include "conv2d/planes.h"

namespace nconv {

// Taps whose pointers a tile has at a time.
constexpr int64_t kMaxTableTaps = 64;

// Pixels with their channels side by side: an NHWC image, a strip or a stage.
template <class Float>
struct Pixels {
    Float* at(int64_t row, int64_t column) const {
        return data + (row - y) / spacing * row_pitch + (column - x) * pixel_pitch;
    }
    Float* data;
    int64_t y, x, spacing;  // the first pixel, and from one row to the next
    int64_t row_pitch, pixel_pitch;
};

// A part of a phase whose pixels are summed by the same taps.
struct Part {
    int64_t phase_y, phase_x;
    Rectangle region;
    TapRange taps_y, taps_x;
};

// The pixels of a part in order, some at a time.
class TilePixels {
public:
    TilePixels(const Gather& g, const Part& part, const Pixels<const float>& source,
               const Pixels<float>& result)
        : step_y_(g.y.source_step()),
          step_x_(g.x.source_step()),
          extent_y_(g.y.source_extent()),
          extent_x_(g.x.source_extent()),
          tap_y_(g.y.tap_step()),
          tap_x_(g.x.tap_step()),
          row_(source.row_pitch),
          pixel_(source.pixel_pitch),
          source_row_(step_y_ / source.spacing * row_),
          source_step_(step_x_ * pixel_),
          result_row_(g.y.result_step() / result.spacing * result.row_pitch),
          result_step_(g.x.result_step() * result.pixel_pitch),
          columns_(part.region.columns),
          part_(part) {
        const bool any = part.taps_y.count > 0 && part.taps_x.count > 0;
        const Rectangle& r = part.region;
        y_ = r.y * step_y_ + (any ? g.y.tap(part.phase_y, part.taps_y.first).offset : 0);
        first_x_ = r.x * step_x_ + (any ? g.x.tap(part.phase_x, part.taps_x.first).offset : 0);
        from_ = any ? source.at(y_, first_x_) : source.data;
        to_ = result.at(r.y * g.y.result_step() + part.phase_y,
                        r.x * g.x.result_step() + part.phase_x);
    }

    // If all pixels read one tap inside the source: how many of them lie at constant steps, else 0.
    int64_t run() const {
        const Rectangle& r = part_.region;
        const bool within_all = within(y_, extent_y_) && within(first_x_, extent_x_) &&
                                within(y_ + (r.rows - 1) * step_y_, extent_y_) &&
                                within(first_x_ + (columns_ - 1) * step_x_, extent_x_);
        if (part_.taps_y.count * part_.taps_x.count != 1 || !within_all) return 0;
        const bool joined =
            source_row_ == columns_ * source_step_ && result_row_ == columns_ * result_step_;
        return joined || r.rows == 1 ? r.pixels() : columns_;
    }
    // A row of the region's pixels.
    const float* source_row(int64_t row) const { return from_ + row * source_row_; }
    float* result_row(int64_t row) const { return to_ + row * result_row_; }
    ptrdiff_t source_step() const { return source_step_; }
    ptrdiff_t result_step() const { return result_step_; }

    // Takes the next `rows` pixels.
    void advance(int rows) {
        rows_ = rows;
        first_ = {y_, column_};
        for (int i = 0; i < rows; ++i) {
            sources_[i] = from_ + column_ * source_step_;
            results_[i] = to_ + column_ * result_step_;
            if (++column_ == columns_) {
                column_ = 0;
                y_ += step_y_;
                from_ += source_row_;
                to_ += result_row_;
            }
        }
    }

    // How far `count` taps from the part's `tap`-th on read from the first.
    void tap_offsets(int64_t tap, int64_t count, ptrdiff_t* offsets) const {
        const TapRange& x = part_.taps_x;
        for (int64_t t = tap; t < tap + count; ++t)
            *offsets++ = t / x.count * tap_y_ * row_ + t % x.count * tap_x_ * pixel_;
    }

    // Whether none of the pixels taken reads padding: sources() and tap_offsets() are all there is to it. A table
    // of all taps held 16 to 32 channels at 85 % of peak, so 90.
    bool inside() const {
        const int64_t reach_y = (part_.taps_y.count - 1) * tap_y_,
                      reach_x = (part_.taps_x.count - 1) * tap_x_;
        const int64_t last_y = column_ == 0 ? y_ - step_y_ : y_;
        const bool one_row = last_y == first_.y;
        const int64_t left = first_x_ + (one_row ? first_.column : 0) * step_x_;
        const int64_t right =
            first_x_ + (one_row ? first_.column + rows_ - 1 : columns_ - 1) * step_x_;
        return within(first_.y + min_of(0, reach_y), extent_y_) &&
               within(last_y + max_of(0, reach_y), extent_y_) &&
               within(left + min_of(0, reach_x), extent_x_) &&
               within(right + max_of(0, reach_x), extent_x_);
    }
    const float* const* sources() const { return sources_; }

    // The sources of the pixels taken by `count` taps from the part's `tap`-th on, kMaxTileRows apart.
    // Taps in padding read `zeros`.
    void fill(int64_t tap, int64_t count, const float* zeros, const float** table) const {
        for (int64_t t = tap; t < tap + count; ++t, table += kMaxTileRows) {
            const int64_t dy = t / part_.taps_x.count * tap_y_,
                          dx = t % part_.taps_x.count * tap_x_;
            const ptrdiff_t distance = dy * row_ + dx * pixel_;
            for_each_pixel([&](int i, int64_t y, int64_t x) {
                const bool read = within(y + dy, extent_y_) && within(x + dx, extent_x_);
                table[i] = read ? sources_[i] + distance : zeros;
            });
        }
    }

    // Asks for the lines that the tile will write, and of its last tap, since rows of taps before that were read by
    // the pixels above.
    void ask_ahead(int64_t depth, int64_t columns) const {
        const int64_t dy = (part_.taps_y.count - 1) * tap_y_,
                      dx = (part_.taps_x.count - 1) * tap_x_;
        for_each_pixel([&](int i, int64_t y, int64_t x) {
            prefetch(results_[i], columns);
            if (within(y + dy, extent_y_) && within(x + dx, extent_x_))
                prefetch(sources_[i] + dy * row_ + dx * pixel_, depth);
        });
    }

    float* const* results() const { return results_; }

private:
    // The positions that the first taps of the pixels taken read.
    template <class Body>
    void for_each_pixel(const Body& body) const {
        int64_t y = first_.y, column = first_.column;
        for (int i = 0; i < rows_; ++i) {
            body(i, y, first_x_ + column * step_x_);
            if (++column == columns_) {
                column = 0;
                y += step_y_;
            }
        }
    }

    static bool within(int64_t at, int64_t extent) {
        return static_cast<uint64_t>(at) < static_cast<uint64_t>(extent);
    }

    const int64_t step_y_, step_x_, extent_y_, extent_x_;
    const int64_t tap_y_, tap_x_;
    const ptrdiff_t row_, pixel_;  // of the source
    const ptrdiff_t source_row_, source_step_, result_row_, result_step_;
    const int64_t columns_;
    const Part& part_;
    // Of the next pixel's row: the position its first tap reads, and the row's first pixel.
    int64_t y_, first_x_, column_ = 0;
    const float* from_;
    float* to_;
    // The pixels taken: how many, and the first.
    int rows_ = 0;
    struct {
        int64_t y, column;
    } first_ = {};
    const float* sources_[kMaxTileRows];
    float* results_[kMaxTileRows];
};

}  // namespace nconv
