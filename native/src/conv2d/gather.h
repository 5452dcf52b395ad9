// Gather: forward and backward_input seen as one operation (see window.h), with the roles of the
// channels settled. "reduced" channels are summed over, "produced" ones are written; both per group.
#pragma once

#include "conv2d/epilogue.h"
#include "conv2d/window.h"

namespace nconv {

struct Gather {
    Gather(const Problem& p, nconv_pass pass)
        : problem(p),
          forward(pass == NCONV_PASS_FORWARD),
          y(p.height, pass),
          x(p.width, pass),
          reduced(forward ? p.group_inputs : p.group_outputs),
          produced(forward ? p.group_outputs : p.group_inputs),
          source_image(forward ? p.input_image : p.output_image),
          result_image(forward ? p.output_image : p.input_image) {}

    int64_t source_channels() const { return reduced * problem.groups; }
    int64_t result_channels() const { return produced * problem.groups; }
    int64_t phases() const { return y.phases() * x.phases(); }

    // Taps of all phases before this one, in the order phases are packed; all taps for phases().
    int64_t taps_before(int64_t phase) const {
        const int64_t columns = x.phases(), row = phase / columns;
        const int64_t whole_rows = taps_before(y, row) * taps_before(x, columns);
        return phase % columns == 0
                   ? whole_rows
                   : whole_rows + y.tap_count(row) * taps_before(x, phase % columns);
    }
    int64_t tap_count(int64_t phase) const {
        return y.tap_count(phase / x.phases()) * x.tap_count(phase % x.phases());
    }

    // The weight of produced channel e and reduced channel d of a group at tap (r, s).
    int64_t weight_at(int64_t group, int64_t e, int64_t d, int64_t r, int64_t s) const {
        const int64_t o = group * problem.group_outputs + (forward ? e : d), c = forward ? d : e;
        const int64_t height = problem.height.kernel, width = problem.width.kernel;
        return problem.channels_last() ? ((o * height + r) * width + s) * problem.group_inputs + c
                                       : ((o * problem.group_inputs + c) * height + r) * width + s;
    }

    static int64_t taps_before(const Window& axis, int64_t phase) {
        int64_t taps = 0;
        for (int64_t i = 0; i < phase; ++i) taps += axis.tap_count(i);
        return taps;
    }

    Problem problem;
    bool forward;
    Window y, x;
    int64_t reduced, produced;
    int64_t source_image, result_image;
};

// Floats of the weights from one produced or reduced channel or tap of a group to the next.
struct WeightSteps {
    explicit WeightSteps(const Gather& g) {
        const int64_t taps = g.problem.kernel_taps, inputs = g.problem.group_inputs;
        const bool last = g.problem.channels_last();
        const int64_t input = last ? 1 : taps, output = inputs * taps;
        produced = g.forward ? output : input;
        reduced = g.forward ? input : output;
        tap = last ? inputs : 1;
    }
    int64_t produced, reduced, tap;
};

// One call of either pass.
struct GatherCall {
    const float* source;
    const float* packed;
    const float* bias;
    float* result;
    const Epilogue* epilogue = nullptr;  // null: nothing follows the sums
};

}  // namespace nconv
