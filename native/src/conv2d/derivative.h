// The activation's derivative, taken from the saved output, multiplied into grad_output.
#pragma once

#include "conv2d/gather.h"

namespace nconv {

// result[i] = grad[i] * f'(output[i]), on all threads. result may be grad.
void derive_gradient(const Context&, const float* grad, const float* output, float* result,
                     int64_t count, const Execution&);

// The product is made of some images at a time: while it is in the threads' L2 what follows reads it, and it
// does not grow with the batch. Of one image at a time small ones left threads idle: 64 of 32 channels at
// 14 x 14 took two threads as long as one.
constexpr int64_t kDerivedFloats = 64 * 1024;            // a thread
constexpr int64_t kMostDerivedFloats = 4 * 1024 * 1024;  // in the workspace, or one image

inline int64_t most_derived_images(const Problem& p) {
    return max_of(1, min_of(p.batch, kMostDerivedFloats / p.output_image));
}
inline int64_t derived_images(const Problem& p, int threads) {
    return max_of(1, min_of(most_derived_images(p), threads * kDerivedFloats / p.output_image));
}

// What a pass needs of the shared workspace for that.
CheckedSize derived_bytes(const Problem&);

// Calls run(GatherCall, images) for all images, or for some after the other, their derivative applied.
template <class Run>
void for_each_derived(const Context& context, const BackwardInputCall& call,
                      const Workspace& workspace, const Execution& execution, const Run& run) {
    const Problem& p = context.problem;
    if (call.output == nullptr) {
        run(GatherCall{call.grad_output, call.packed, nullptr, call.grad_input}, call.images);
        return;
    }
    float* derived = workspace.shared_floats();
    const int64_t most = derived_images(p, execution.threads);
    for_each_share(call.images, ceil_div(call.images, most), [&](int64_t n, int64_t images) {
        const int64_t at = n * p.output_image;
        derive_gradient(context, call.grad_output + at, call.output + at, derived,
                        images * p.output_image, execution);
        run(GatherCall{derived, call.packed, nullptr, call.grad_input + n * p.input_image}, images);
    });
}

}  // namespace nconv
