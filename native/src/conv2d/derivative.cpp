#include "conv2d/derivative.h"

namespace nconv {

void derive_gradient(const Context& context, const float* grad, const float* output, float* result,
                     int64_t count, const Execution& execution) {
    constexpr int64_t kBlock = 16384;
    const Problem& p = context.problem;
    const ActivationKernel& activation = context.kernels->activations[p.activation];
    parallel_for(execution, ceil_div(count, kBlock), [&](int64_t task, int) {
        const int64_t at = task * kBlock;
        activation.derive(grad + at, output + at, result + at, min_of(kBlock, count - at), p.alpha,
                          p.beta);
    });
}

CheckedSize derived_bytes(const Problem& p) {
    if (p.linear()) return 0;
    return CheckedSize(most_derived_images(p)) * p.output_image * int64_t{sizeof(float)};
}

}  // namespace nconv
