// The gemm algorithm: dense and grouped convolution of any geometry within its tables' limits. Forward
// and backward_input are a gather (window.h), backward_weights an outer product.
#include "conv2d/gemm.h"

#include "conv2d/derivative.h"

namespace nconv {
namespace {

// A phase's first tap is searched for, and a table has a row per tap: both stay small below these.
constexpr int64_t kMaxStride = 64;
constexpr int64_t kMaxTaps = 16384;

const char* declines(const Problem& p, nconv_pass pass) {
    if (p.kernel_taps > kMaxTaps) return "more than 16384 taps";
    if (pass == NCONV_PASS_BACKWARD_INPUT && max_of(p.height.stride, p.width.stride) > kMaxStride) {
        return "a stride above 64";
    }
    return nullptr;
}

WorkspaceSize workspace(const Context& context, nconv_pass pass) {
    if (pass == NCONV_PASS_BACKWARD_WEIGHTS) return gemm_weights_workspace(context);
    WorkspaceSize size = gemm_gather_workspace(context, Gather(context.problem, pass));
    if (pass == NCONV_PASS_BACKWARD_INPUT) size.shared = derived_bytes(context.problem);
    return size;
}

CheckedSize packed_count(const Context& context, nconv_pass pass) {
    return gemm_packed_count(context, Gather(context.problem, pass));
}

void pack(const Context& context, nconv_pass pass, const float* weights, float* packed) {
    gemm_pack(context, Gather(context.problem, pass), weights, packed);
}

void forward(const Context& context, const ForwardCall& call, const Workspace& workspace,
             const Execution& execution) {
    gemm_gather(context, Gather(context.problem, NCONV_PASS_FORWARD),
                {call.input, call.packed, call.bias, call.output}, context.problem.batch, workspace,
                execution);
}

void backward_input(const Context& context, const BackwardInputCall& call,
                    const Workspace& workspace, const Execution& execution) {
    const Gather gather(context.problem, NCONV_PASS_BACKWARD_INPUT);
    for_each_derived(context, call, workspace, execution,
                     [&](const GatherCall& part, int64_t images) {
                         gemm_gather(context, gather, part, images, workspace, execution);
                     });
}

}  // namespace

const Algorithm kGemm = {"gemm",    declines,       never_yields,
                         workspace, packed_count,   pack,
                         forward,   backward_input, gemm_backward_weights};

}  // namespace nconv
