// The gemm algorithm: dense and grouped convolution of any geometry within its tables' limits. Forward
// and backward_input are a gather (window.h), backward_weights an outer product.
#include "conv2d/gemm.h"

#include "conv2d/gather_passes.h"

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

}  // namespace

const Algorithm kGemm = {"gemm",
                         declines,
                         never_yields,
                         workspace,
                         packed_count,
                         pack,
                         gather_forward<gemm_gather>,
                         gather_backward_input<gemm_gather>,
                         gemm_backward_weights,
                         gemm_weights_cut};

}  // namespace nconv
