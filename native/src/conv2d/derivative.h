// The activation's derivative, taken from the saved output, multiplied into grad_output.
#pragma once

#include "conv2d/gather.h"

namespace nconv {

// result[i] = grad[i] * f'(output[i]), on all threads. result may be grad.
void derive_gradient(const Context&, const float* grad, const float* output, float* result,
                     int64_t count, const Execution&);

// What backward_input needs of the shared workspace: with a derivative to apply it goes image by image,
// so that this does not grow with the batch.
CheckedSize derived_bytes(const Problem&);

// Calls run(GatherCall, images) for the whole batch, or for each image after its derivative was applied.
template <class Run>
void for_each_derived(const Context& context, const BackwardInputCall& call,
                      const Workspace& workspace, const Execution& execution, const Run& run) {
    const Problem& p = context.problem;
    if (call.output == nullptr) {
        run(GatherCall{call.grad_output, call.packed, nullptr, call.grad_input}, p.batch);
        return;
    }
    float* derived = workspace.shared_floats();
    for (int64_t n = 0; n < p.batch; ++n) {
        const int64_t at = n * p.output_image;
        derive_gradient(context, call.grad_output + at, call.output + at, derived, p.output_image,
                        execution);
        run(GatherCall{derived, call.packed, nullptr, call.grad_input + n * p.input_image}, 1);
    }
}

}  // namespace nconv
