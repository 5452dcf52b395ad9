// Depthwise convolution: every channel its own group and one output per input channel. A tap that would
// read padding is never multiplied.
#include "conv2d/depthwise.h"

#include <string.h>

#include "conv2d/gather_passes.h"

namespace nconv {

namespace {

// True if the registers hold a tile for this size of kernel and stride.
bool has_plane_kernel(const Context& context) {
    const DepthwisePixels& planes = context.kernels->pixels->plane;
    const Axis& x = context.problem.width;
    if (x.stride == 1) return planes.fixed[0].kernel != nullptr;
    for (const DepthwisePixels::Fixed& f : planes.fixed) {
        if (f.kernel != nullptr && f.taps == x.kernel && f.step == x.stride) return true;
    }
    return false;
}

}  // namespace

bool depthwise_folds(const Context& context, const Gather& g) {
    const Problem& p = context.problem;
    const int64_t width = g.x.result_extent(), lanes = context.kernels->lanes;
    const auto same = [](const Axis& a) {
        return a.kernel == 3 && a.stride == 1 && a.dilation == 1 && a.pad_before == 1 &&
               a.input == a.output;
    };
    return context.kernels->pixels->plane.folded != nullptr && same(p.height) && same(p.width) &&
           p.height.input >= kFewestFoldedRows && p.height.input <= kMostFoldedRows &&
           width * 2 <= lanes && width * 2 > lanes / 2;
}

DepthwiseWay depthwise_way(const Context& context, const Gather& g) {
    const Problem& p = context.problem;
    const int lanes = context.kernels->lanes;
    // One channel is the same in both layouts.
    if (p.channels_last() && p.input_channels > 1) {
        const bool dense = p.width.stride == 1 && p.input_channels % lanes != 0;
        return dense && p.input_channels < 2 * lanes &&
                       interleaved_period(context) <= kMaxDepthwisePeriod * lanes
                   ? DepthwiseWay::kInterleaved
                   : DepthwiseWay::kChannels;
    }
    if (has_depthwise_quad_planes(context, g)) return DepthwiseWay::kPlanes;
    // A vector of channels of a whole image, source and result: 1 MB on AVX-512.
    constexpr int64_t kStripPixels = 1 << 14;
    const bool small =
        p.input_pixels + p.output_pixels <= kStripPixels && p.input_channels >= lanes;
    // Transposing costs less than empty lanes, than splitting rows, and than the waiting for one
    // chain a row where there are many taps: 5 x 5 of 14 pixels 54 % of peak by strips, 45 by
    // planes, of 28 pixels 51 and 65. It costs less everywhere if there is no kernel for planes.
    constexpr int64_t kManyTaps = 25;
    const bool narrow = g.x.result_extent() * 2 <= lanes && !depthwise_folds(context, g);
    const bool transposes = narrow || g.x.result_step() > 1 ||
                            (p.kernel_taps >= kManyTaps && g.x.result_extent() <= lanes) ||
                            !has_plane_kernel(context);
    return small && transposes ? DepthwiseWay::kStrips : DepthwiseWay::kPlanes;
}

int64_t interleaved_period(const Context& context) {
    int64_t period = context.problem.input_channels;
    while (period % context.kernels->lanes != 0) period += context.problem.input_channels;
    return period;
}

CheckedSize depthwise_workspace(const Context& context, const Gather& gather) {
    switch (depthwise_way(context, gather)) {
        case DepthwiseWay::kStrips:
            return depthwise_strips_workspace(context, gather);
        case DepthwiseWay::kPlanes:
            return depthwise_pixels_workspace(context, gather);
        default:
            return 0;
    }
}

void depthwise_gather(const Context& context, const Gather& gather, const GatherCall& call,
                      int64_t images, const Workspace& workspace, const Execution& execution) {
    const DepthwiseCall whole = {context, gather, call, workspace, images};
    switch (depthwise_way(context, gather)) {
        case DepthwiseWay::kChannels:
            return depthwise_gather_channels(whole, execution);
        case DepthwiseWay::kStrips:
            return depthwise_gather_strips(whole, execution);
        default:
            return depthwise_gather_pixels(whole, execution);
    }
}

namespace {

const char* declines(const Problem& p, nconv_pass pass) {
    constexpr int kMaxStride = 64, kMaxPhases = 4;
    if (p.group_inputs != 1 || p.group_outputs != 1)
        return "more than one input or output channel per group";
    if (max_of(p.height.kernel, p.width.kernel) > kMaxKernel)
        return "more than 64 taps along one axis";
    const int64_t stride = max_of(p.height.stride, p.width.stride);
    if (stride > kMaxStride) return "a stride above 64";
    if (pass == NCONV_PASS_BACKWARD_INPUT && stride > kMaxPhases) return "a stride above 4";
    return nullptr;
}

WorkspaceSize workspace(const Context& context, nconv_pass pass) {
    if (pass == NCONV_PASS_BACKWARD_WEIGHTS) return depthwise_weights_workspace(context);
    WorkspaceSize size;
    if (pass == NCONV_PASS_BACKWARD_INPUT) size.shared = derived_bytes(context.problem);
    size.per_thread = depthwise_workspace(context, Gather(context.problem, pass));
    return size;
}

// Packed for channels in lanes: for each phase a block of [taps][lanes] for each vector of channels, zeros
// behind the last. For interleaved channels [tap][channel], repeated to whole vectors. In NCHW first as
// given, then for channels in lanes: which of them is used follows from the image.
CheckedSize packed_count(const Context& context, nconv_pass pass) {
    const Problem& p = context.problem;
    const Gather gather(p, pass);
    const DepthwiseWay way = depthwise_way(context, gather);
    if (way == DepthwiseWay::kInterleaved)
        return CheckedSize(p.kernel_taps) * interleaved_period(context);
    const CheckedSize vectors = round_up(p.input_channels, context.kernels->lanes);
    const CheckedSize blocks = CheckedSize(gather.taps_before(gather.phases())) * vectors;
    return way == DepthwiseWay::kChannels ? blocks : blocks + CheckedSize(p.weights_count);
}

void pack_channels(const Context& context, const Gather& g, const float* weights, float* packed) {
    const Problem& p = context.problem;
    const int64_t lanes = context.kernels->lanes;
    for (int64_t phase = 0; phase < g.phases(); ++phase) {
        const int64_t y = phase / g.x.phases(), x = phase % g.x.phases();
        for (int64_t c = 0; c < p.input_channels; c += lanes) {
            for (int64_t r = 0; r < g.y.tap_count(y); ++r) {
                for (int64_t s = 0; s < g.x.tap_count(x); ++s, packed += lanes) {
                    const int64_t tap =
                        g.y.tap(y, r).kernel * p.width.kernel + g.x.tap(x, s).kernel;
                    for (int64_t i = 0; i < lanes; ++i) {
                        packed[i] = c + i < p.input_channels
                                        ? weights[(c + i) * p.kernel_taps + tap]
                                        : 0.0f;
                    }
                }
            }
        }
    }
}

void pack(const Context& context, nconv_pass pass, const float* weights, float* packed) {
    const Problem& p = context.problem;
    const Gather gather(p, pass);
    const DepthwiseWay way = depthwise_way(context, gather);
    if (way == DepthwiseWay::kInterleaved) {
        const int64_t period = interleaved_period(context);
        for (int64_t t = 0; t < p.kernel_taps; ++t) {
            for (int64_t i = 0; i < period; ++i)
                packed[t * period + i] = weights[i % p.input_channels * p.kernel_taps + t];
        }
        return;
    }
    if (way != DepthwiseWay::kChannels) {
        memcpy(packed, weights, static_cast<size_t>(p.weights_count) * sizeof(float));
        packed += p.weights_count;
    }
    pack_channels(context, gather, weights, packed);
}

}  // namespace

const Algorithm kDepthwise = {"depthwise",
                              declines,
                              never_yields,
                              workspace,
                              packed_count,
                              pack,
                              gather_forward<depthwise_gather>,
                              gather_backward_input<depthwise_gather>,
                              depthwise_backward_weights,
                              depthwise_weights_cut};

}  // namespace nconv
