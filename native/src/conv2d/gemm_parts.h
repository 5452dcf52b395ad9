// How gemm's gather parts an axis, so that taps that read padding are left out.
#pragma once

#include "conv2d/gemm.h"

namespace nconv {

// The taps of `at` and the end of the places up to `end` that have the same.
inline TapRange same_taps(const Window& axis, bool parted, int64_t phase, int64_t at,
                          int64_t* end) {
    if (!parted) return {0, axis.tap_count(phase)};
    const TapRange taps = axis.taps_inside(phase, at);
    int64_t next = at + 1;
    while (next < *end && axis.taps_inside(phase, next) == taps) ++next;
    *end = next;
    return taps;
}

// How an axis' places are parted by the taps that read inside the source, so that those in padding are left out.
// It follows from the descriptor alone: a tap is left out for a pixel wherever its region ends, and with infinite
// weights, too, the bits are those of any other cut.
enum class Parts {
    kOne,     // padding is read as zeros
    kBorder,  // of one, where the other axis' place has all its taps: 512 channels at 7 x 7 from 97 to 112 % of peak
    kFar,     // each place for itself: taps far apart
};

// Three sets of taps at most: wide kernels would come in parts of single columns. Where less than 1 % of the taps
// reads padding a region has a row or two, and tiles of the border's one or two pixels take what is saved. Of three
// places each would be a part: 256 to 16 channels at 3 x 3 took 8.5 us for 3.2.
class AxisParts {
public:
    explicit AxisParts(const Window& axis) : axis_(axis), parts(parts_of()) {}

    // The taps of `at` and the end of the places up to `end` that have the same.
    TapRange taps(bool parted, int64_t phase, int64_t at, int64_t* end) const {
        if (!parted || parts != Parts::kBorder || phase >= kKnownPhases)
            return same_taps(axis_, parted, phase, at, end);
        const Run* run = runs_[phase];
        while (at >= run->end) ++run;
        *end = min_of(*end, run->end);
        return run->taps;
    }

private:
    static constexpr int64_t kMostSets = 3, kKnownPhases = 4;
    struct Run {
        int64_t end;
        TapRange taps;
    };

    Parts parts_of() {
        constexpr int64_t kShare = 100, kFewest = 4;
        if (summed_taps(axis_) < 1) return Parts::kFar;
        if (axis_.phase_size(0) < kFewest) return Parts::kOne;
        // Long axes need not be walked: at most a kernel's reach is border.
        if (axis_.phase_size(0) > kShare * (axis_.highest_offset() - axis_.lowest_offset() + 1))
            return Parts::kOne;
        int64_t all = 0, inside = 0;
        for (int64_t phase = 0; phase < axis_.phases(); ++phase) {
            const int64_t size = axis_.phase_size(phase);
            int64_t sets = 0;
            for (int64_t at = 0, end; at < size; at = end, ++sets) {
                if (sets == kMostSets) return Parts::kOne;
                end = size;
                const TapRange taps = same_taps(axis_, true, phase, at, &end);
                if (phase < kKnownPhases) runs_[phase][sets] = {end, taps};
                inside += taps.count * (end - at);
            }
            all += size * axis_.tap_count(phase);
        }
        return (all - inside) * kShare > all ? Parts::kBorder : Parts::kOne;
    }

    const Window& axis_;
    // Found once: for each image of 7 x 7 phases they took a tenth of the time.
    Run runs_[kKnownPhases][kMostSets];

public:
    const Parts parts;
};

}  // namespace nconv
