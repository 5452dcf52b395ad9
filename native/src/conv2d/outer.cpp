// The choice of the outer algorithm, which has weight gradients only.
#include "conv2d/outer.h"

namespace nconv {
namespace {

constexpr int64_t kMostRows = 16384;  // a table of offsets has an entry for each
constexpr int64_t kMostTaskBytes = 16 << 20;
// Kernels of 1 x 1: pixels this many channels apart fall into one set of L1, and planes of fewer pixels cost
// more by their transposition. gemm packs both: 512 to 2048 channels at 7 x 7 at 84 % of peak, here 78.
constexpr int64_t kFarChannels = 2048;
constexpr int64_t kFewestPlanePixels = 512;
// Where both algorithms fill as many lanes, gemm's single vector waits for loads: 71 % of peak with 16
// channels to 64, here 89; but not with a single vector here too.
constexpr int64_t kOneVector = kVirtualLanes;

// The ways to sum.
struct Way {
    CheckedSize (*task_bytes)(const Problem&);
    WorkspaceSize (*workspace)(const Context&);
    void (*run)(const Context&, const BackwardWeightsCall&, const Workspace&, const Execution&);
    WeightsCut (*cut)(const Context&);
};
const Way& way_of(const Problem& p) {
    static constexpr Way kGroups = {group_task_bytes, group_weights_workspace,
                                    group_backward_weights, group_weights_cut};
    // Its chains stay in a task: it does not come in parts.
    static constexpr Way kDots = {dot_task_bytes, dot_weights_workspace, dot_backward_weights,
                                  [](const Context&) { return WeightsCut{}; }};
    static constexpr Way kProducts = {outer_task_bytes, outer_workspace, outer_backward_weights,
                                      outer_weights_cut};
    return shares_lanes(p) ? kGroups : takes_dots(p) ? kDots : kProducts;
}

const char* declines(const Problem& p, nconv_pass) {
    if (p.kernel_taps * p.group_inputs > kMostRows || p.group_outputs > kMostRows)
        return "more than 16384 products per output";
    const CheckedSize bytes = way_of(p).task_bytes(p);
    if (!bytes.valid() || bytes.value() > kMostTaskBytes)
        return "more than 16 MB for a row of pixels";
    return nullptr;
}

const char* yields(const Problem& p, nconv_pass) {
    if (shares_lanes(p)) return nullptr;
    if (p.kernel_taps == 1) {
        if (max_of(p.input_channels, p.output_channels) >= kFarChannels)
            return "pixels too far apart";
        if (!p.channels_last() && p.output_pixels < kFewestPlanePixels)
            return "planes too small to transpose";
        return nullptr;
    }
    const int64_t gemm = p.kernel_taps * p.group_outputs * ceil_div(p.group_inputs, kVirtualLanes);
    const int64_t cost = outer_cost_outputs(p);
    const bool waits = p.group_inputs <= kOneVector && p.group_outputs > kOneVector;
    if (waits ? cost > gemm : cost * 10 > gemm * 9) return "channels enough per group for gemm";
    return nullptr;
}

WorkspaceSize workspace(const Context& context, nconv_pass) {
    return way_of(context.problem).workspace(context);
}

void backward_weights(const Context& context, const BackwardWeightsCall& call,
                      const Workspace& workspace, const Execution& execution) {
    way_of(context.problem).run(context, call, workspace, execution);
}

WeightsCut weights_cut(const Context& context) { return way_of(context.problem).cut(context); }

}  // namespace

const Algorithm kOuter = {"outer", declines, yields,  workspace,        nullptr,
                          nullptr, nullptr,  nullptr, backward_weights, weights_cut};

}  // namespace nconv
