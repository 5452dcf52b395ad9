// Window: how one axis of a forward or backward_input pass reads its source. Both passes are the same
// gather,
//   result[at] = sum over taps of source[position(at) + tap.offset] * weight[tap.kernel],
// on one or more phases: interleaved subsets of the result that share their taps.
//
//   forward         one phase: result p, position p * stride, offset r * dilation - pad
//   backward_input  result h = phase + stride * a, position a, and of the taps only those with
//                   (phase + pad - r * dilation) divisible by stride: offset that quotient
//
// No multiplication with a zero that a strided gradient would hold is ever made. Taps are computed where they are
// needed, and so are phases past the first few: a table would grow with the kernel and the stride.
#pragma once

#include "base/checked_math.h"
#include "conv2d/problem.h"

namespace nconv {

struct Tap {
    int64_t kernel;  // index in the kernel along this axis
    int64_t offset;  // added to the position
};

// Neighbouring taps of a phase.
struct TapRange {
    int64_t first, count;
    bool operator==(const TapRange& other) const {
        return first == other.first && count == other.count;
    }
};

// A tap by phase and by its index there.
struct TapPlace {
    int64_t phase, index;
};

class Window {
public:
    // Not inlined, like make_phase(): in each of its many places that was 20 KB of code.
    [[gnu::noinline]] Window(const Axis& axis, nconv_pass pass)
        : axis_(axis), forward_(pass == NCONV_PASS_FORWARD) {
        // Taps r and r + tap_period_ have the same phase: the smallest period with
        // tap_period_ * dilation divisible by stride.
        if (!forward_) tap_period_ = axis.stride / gcd(axis.stride, axis.dilation);
        tap_step_ = forward_ ? axis.dilation : -(tap_period_ * axis.dilation / axis.stride);
        known_count_ = tap_period_ <= kKnownPeriod ? min_of(phases(), kKnownPhases) : 0;
        for (int64_t i = 0; i < known_count_; ++i) known_[i] = make_phase(i);
    }

    int64_t source_extent() const { return forward_ ? axis_.input : axis_.output; }
    int64_t result_extent() const { return forward_ ? axis_.output : axis_.input; }
    int64_t phases() const { return forward_ ? 1 : min_of(axis_.stride, axis_.input); }
    // Distance in the result between neighbours of one phase, and in the source between their positions.
    int64_t result_step() const { return forward_ ? 1 : axis_.stride; }
    int64_t source_step() const { return forward_ ? axis_.stride : 1; }

    int64_t phase_size(int64_t phase) const {
        return ceil_div(result_extent() - phase, result_step());
    }

    int64_t tap_count(int64_t phase) const { return phase_at(phase).taps; }

    Tap tap(int64_t phase, int64_t index) const {
        const Tap first = phase_at(phase).first;
        return {first.kernel + index * tap_period_, first.offset + index * tap_step_};
    }

    // From one tap of a phase to the next.
    int64_t tap_step() const { return tap_step_; }

    // The taps that read inside the source at place `at` of a phase.
    TapRange taps_inside(int64_t phase, int64_t at) const {
        const int64_t count = tap_count(phase), extent = source_extent();
        if (count == 0) return {0, 0};
        const int64_t position = at * source_step() + tap(phase, 0).offset, step = tap_step();
        const int64_t low = step > 0 ? -position : position - extent + 1;
        const int64_t high = step > 0 ? extent - position : position + 1;
        const int64_t size = step > 0 ? step : -step;
        const int64_t first = min_of(count, ceil_div(max_of(0, low), size));
        return {first, max_of(first, min_of(count, ceil_div(max_of(0, high), size))) - first};
    }

    // The inverse of tap(); phases() or more of a phase that the result does not have.
    TapPlace place(int64_t kernel) const {
        if (forward_) return {0, kernel};
        const int64_t reach = kernel * axis_.dilation - axis_.pad_before;
        const int64_t phase = (reach % axis_.stride + axis_.stride) % axis_.stride;
        return {phase, kernel / tap_period_};
    }

    // No tap of any phase has an offset outside of these.
    int64_t lowest_offset() const {
        return forward_ ? -axis_.pad_before
                        : -((kernel_reach() - axis_.pad_before) / axis_.stride + 1);
    }
    int64_t highest_offset() const {
        return forward_ ? kernel_reach() - axis_.pad_before
                        : (axis_.stride - 1 + axis_.pad_before) / axis_.stride;
    }

    // With a kernel of 1 there is one tap: forward reads only every stride-th position of the source, and
    // backward_input adds only to one phase of the result. The distance of those it touches, else 1.
    int64_t source_spacing() const { return forward_ && axis_.kernel == 1 ? axis_.stride : 1; }
    int64_t result_spacing() const { return !forward_ && axis_.kernel == 1 ? axis_.stride : 1; }

private:
    // The divisions that follow from a phase took a tenth of backward_input of 7 x 7 phases, made for each image.
    struct Phase {
        Tap first;
        int64_t taps;
    };
    static constexpr int64_t kKnownPhases = 4, kKnownPeriod = 64;

    Phase phase_at(int64_t phase) const {
        return phase < known_count_ ? known_[phase] : make_phase(phase);
    }
    [[gnu::noinline]] Phase make_phase(int64_t phase) const {
        const int64_t kernel = first_tap(phase);
        const int64_t reach = kernel * axis_.dilation - axis_.pad_before;
        return {{kernel, forward_ ? reach : (phase - reach) / axis_.stride},
                kernel >= axis_.kernel ? 0 : ceil_div(axis_.kernel - kernel, tap_period_)};
    }

    int64_t kernel_reach() const { return (axis_.kernel - 1) * axis_.dilation; }

    // The first tap of a phase; the kernel's size or more if it has none. Bounded by the stride.
    int64_t first_tap(int64_t phase) const {
        if (forward_) return 0;
        for (int64_t r = 0; r < min_of(tap_period_, axis_.kernel); ++r) {
            if ((phase + axis_.pad_before - r * axis_.dilation) % axis_.stride == 0) return r;
        }
        return axis_.kernel;
    }

    Axis axis_;
    bool forward_;
    int64_t tap_period_ = 1, tap_step_ = 1;
    int64_t known_count_ = 0;
    Phase known_[kKnownPhases] = {};
};

}  // namespace nconv
