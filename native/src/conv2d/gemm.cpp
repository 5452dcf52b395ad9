// The gemm algorithm: dense and grouped convolution of any geometry within its tables' limits. Forward
// and backward_input are a gather (window.h) in either layout, backward_weights an outer product.
#include "conv2d/gather.h"

namespace nconv {
namespace {

// A phase's first tap is searched for, and a panel has a row per tap: both stay small below these.
constexpr int64_t kMaxStride = 64;
constexpr int64_t kMaxTaps = 16384;
// Positions relative to a block's first pixel are 32-bit.
constexpr int64_t kMaxPlane = INT32_MAX;

const char* declines(const Problem& p, nconv_pass pass) {
    if (p.kernel_taps > kMaxTaps) return "more than 16384 taps";
    if (pass == NCONV_PASS_BACKWARD_INPUT && max_of(p.height.stride, p.width.stride) > kMaxStride) {
        return "a stride above 64";
    }
    if (max_of(p.input_pixels, p.output_pixels) > kMaxPlane) return "an image of 2^31 pixels or more";
    return nullptr;
}

const GatherKernels& kernels_for(const Problem& p) { return p.channels_last() ? kGemmRows : kGemmLanes; }

CheckedSize derived_bytes(const Problem& p) {
    return p.linear() ? CheckedSize(0) : CheckedSize(p.output_image) * int64_t{sizeof(float)};
}

WorkspaceSize workspace(const Context& context, nconv_pass pass) {
    if (pass == NCONV_PASS_BACKWARD_WEIGHTS) return gemm_weights_workspace(context);
    const Problem& p = context.problem;
    WorkspaceSize size = kernels_for(p).workspace(context, Gather(p, pass));
    if (pass == NCONV_PASS_BACKWARD_INPUT) size.shared = derived_bytes(p);
    return size;
}

CheckedSize packed_count(const Context& context, nconv_pass pass) {
    return kernels_for(context.problem).packed_count(context, Gather(context.problem, pass));
}

void pack(const Context& context, nconv_pass pass, const float* weights, float* packed) {
    kernels_for(context.problem).pack(context, Gather(context.problem, pass), weights, packed);
}

void forward(const Context& context, const ForwardCall& call, const Workspace& workspace,
             const Execution& execution) {
    const Problem& p = context.problem;
    kernels_for(p).run(context, Gather(p, NCONV_PASS_FORWARD),
                       {call.input, call.packed, call.bias, call.output}, p.batch, workspace, execution);
}

// With a derivative to apply, image by image through the workspace: it does not grow with the batch.
void backward_input(const Context& context, const BackwardInputCall& call, const Workspace& workspace,
                    const Execution& execution) {
    const Problem& p = context.problem;
    const Gather gather(p, NCONV_PASS_BACKWARD_INPUT);
    GatherCall gather_call = {call.grad_output, call.packed, nullptr, call.grad_input};
    if (call.output == nullptr) {
        kernels_for(p).run(context, gather, gather_call, p.batch, workspace, execution);
        return;
    }
    for (int64_t n = 0; n < p.batch; ++n) {
        const int64_t at = n * p.output_image;
        derive_gradient(context, call.grad_output + at, call.output + at, workspace.shared_floats(),
                        p.output_image, execution);
        gather_call.source = workspace.shared_floats();
        gather_call.result = call.grad_input + n * p.input_image;
        kernels_for(p).run(context, gather, gather_call, 1, workspace, execution);
    }
}

}  // namespace

void derive_gradient(const Context& context, const float* grad, const float* output, float* result,
                     int64_t count, const Execution& execution) {
    constexpr int64_t kBlock = 16384;
    const Problem& p = context.problem;
    const ActivationKernel& activation = context.kernels->activations[p.activation];
    parallel_for(execution, ceil_div(count, kBlock), [&](int64_t task, int) {
        const int64_t at = task * kBlock;
        activation.derive(grad + at, output + at, result + at, min_of(kBlock, count - at), p.alpha, p.beta);
    });
}

const Algorithm kGemm = {"gemm", declines, workspace,      packed_count,
                         pack,   forward,  backward_input, gemm_backward_weights};

}  // namespace nconv
