// Depthwise backward_input of 3 x 3 with stride 2 and one row and column of padding: the phases of the
// result together. One pass for each of them reads the gradients four times and leaves every line of a
// row's result to be found again.
#include "conv2d/depthwise.h"

namespace nconv {
namespace {

// Rows and columns 2 i, which gradient i alone reaches, and 2 i + 1, which i and i + 1 reach; no others.
bool is_halved(const Axis& axis) {
    return axis.kernel == 3 && axis.stride == 2 && axis.dilation == 1 && axis.pad_before == 1 &&
           axis.input > 1 && ceil_div(axis.input, 2) == axis.output;
}

}  // namespace

bool has_depthwise_quads(const Context& context, const Gather& g) {
    return !g.forward && context.kernels->depthwise->quads != nullptr &&
           g.problem.input_channels % context.kernels->lanes == 0 && is_halved(g.problem.height) &&
           is_halved(g.problem.width);
}

void depthwise_gather_quads(const DepthwiseCall& call, const float* weights,
                            const DepthwiseBlock& block, int64_t first, int64_t end) {
    const Gather& g = call.gather;
    const int64_t channels = call.problem().input_channels;
    DepthwiseQuadsArgs args = {};
    args.source_row = g.x.source_extent() * block.source_pitch;
    args.source_column = block.source_pitch;
    args.out_row = g.x.result_extent() * block.result_pitch;
    args.out_column = block.result_pitch;
    args.columns = g.x.source_extent();
    args.channels = block.channels;
    args.init = block.bias;
    args.second_column = g.x.result_extent() % 2 == 0;
    for (int64_t phase = 0; phase < g.phases(); ++phase) {
        args.weights[phase] =
            weights + g.taps_before(phase) * channels + g.tap_count(phase) * block.first_channel;
    }
    for (int64_t i = first; i < end; ++i) {
        args.source = block.source + i * args.source_row;
        args.out = block.result + 2 * i * args.out_row;
        args.last = i + 1 == g.y.source_extent();
        args.second_row = 2 * i + 1 < g.y.result_extent();
        call.kernels().depthwise->quads(args);
    }
}

}  // namespace nconv
