// Depthwise backward_input of 3 x 3 with stride 2 and one row and column of padding: the phases of the
// result together, channels or pixels of a plane in lanes. One pass for each of them reads the gradients four times and leaves every line of a
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

// A plane with half of the lanes empty or more is transposed.
bool has_depthwise_quad_planes(const Context& context, const Gather& g) {
    return !g.forward && context.kernels->pixels->quad_planes != nullptr &&
           is_halved(g.problem.height) && is_halved(g.problem.width) &&
           g.x.source_extent() * 2 > context.kernels->lanes;
}

// Tasks of some 65000 multiply-adds: planes of small images together, rows of large ones.
void depthwise_gather_quad_planes(const DepthwiseCall& call, const Execution& execution) {
    constexpr int64_t kTaskWork = 1 << 16;
    const Gather& g = call.gather;
    const int64_t planes = call.problem().input_channels, rows = g.y.source_extent();
    const int64_t work = planes * call.source_pixels() * call.problem().kernel_taps;
    const int64_t wanted = max_of(ceil_div(work, kTaskWork), 2 * fewest_tasks(execution));
    const int64_t plane_blocks = min_of(planes, wanted);
    const int64_t row_blocks = min_of(rows, max_of(1, wanted / plane_blocks));
    const int64_t tasks = plane_blocks * row_blocks;
    parallel_for(execution, call.images * tasks, [&](int64_t task, int) {
        const GatherCall& c = call.call;
        const int64_t image = task / tasks, block = task % tasks / row_blocks;
        const int64_t first = share_start(planes, plane_blocks, block);
        const int64_t row = share_start(rows, row_blocks, task % row_blocks);
        DepthwiseQuadPlanesArgs args = {};
        args.source_row = args.columns = g.x.source_extent();
        args.source_plane = call.source_pixels();
        args.rows = share_start(rows, row_blocks, task % row_blocks + 1) - row;
        args.source_rows = rows - row;
        args.source =
            c.source + image * g.source_image + first * args.source_plane + row * args.source_row;
        args.weights = c.packed + first * call.problem().kernel_taps;
        args.out_row = args.out_columns = g.x.result_extent();
        args.out_plane = call.result_pixels();
        args.out_rows = g.y.result_extent() - 2 * row;
        args.out =
            c.result + image * g.result_image + first * args.out_plane + 2 * row * args.out_row;
        args.init = c.bias != nullptr ? c.bias + first : nullptr;
        args.planes = share_start(planes, plane_blocks, block + 1) - first;
        call.kernels().pixels->quad_planes(args);
    });
}

}  // namespace nconv
