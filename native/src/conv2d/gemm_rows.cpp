// Dense convolution in NHWC as an implicit GEMM: result pixels are the rows of a register tile,
// produced channels its lanes. A table of row pointers, one per tap and pixel, takes the place of im2col:
// padding points at a row of zeros, stride and dilation are in the pointers (Dukhan, "The Indirect
// Convolution Algorithm", 2019).
#include <string.h>

#include "conv2d/gather.h"

namespace nconv {
namespace {

// Pixels of a task: enough that a panel of weights is reused about 20 times per row tile, few enough
// that 14 x 14 maps still give 8 tasks.
constexpr int64_t kBlockPixels = 128;
// Taps whose panel is kept in L2 while the pixels of a task pass by.
constexpr int64_t kPanelBytes = 512 * 1024;
constexpr int64_t kMaxBlockTaps = 64;

int64_t full_width(const Context& context) {
    return static_cast<int64_t>(context.kernels->rows_tile_vectors) * context.kernels->lanes;
}

int64_t tap_block(const Context& context, const Gather& g) {
    const int64_t bytes = g.reduced * full_width(context) * static_cast<int64_t>(sizeof(float));
    return min_of(kMaxBlockTaps, max_of(1, kPanelBytes / bytes));
}

// The zero row, the table of sources, and the results' pointers of one task.
struct Slot {
    Slot(char* memory, const Context& context, const Gather& g)
        : zeros(reinterpret_cast<float*>(memory)),
          sources(reinterpret_cast<const float**>(memory + round_up(g.reduced * 4, 64))),
          results(const_cast<float**>(sources + tap_block(context, g) * kBlockPixels)) {
        memset(zeros, 0, static_cast<size_t>(g.reduced) * sizeof(float));
    }
    float* zeros;
    const float** sources;
    float** results;
};

WorkspaceSize workspace(const Context& context, const Gather& g) {
    WorkspaceSize size;
    size.per_thread = CheckedSize(round_up(g.reduced * 4, 64)) +
                      CheckedSize(sizeof(void*)) * kBlockPixels * (tap_block(context, g) + 1);
    return size;
}

int64_t padded_produced(const Context& context, const Gather& g) {
    return round_up(g.produced, context.kernels->lanes);
}

CheckedSize packed_count(const Context& context, const Gather& g) {
    return CheckedSize(g.taps_before(g.phases())) * g.reduced * padded_produced(context, g) *
           g.problem.groups;
}

// Packed: [group][phase][block of produced][tap y][tap x][reduced][width], width the vectors of the block.
void pack(const Context& context, const Gather& g, const float* weights, float* packed) {
    const int64_t width = full_width(context), lanes = context.kernels->lanes;
    for (int64_t group = 0; group < g.problem.groups; ++group) {
        for (int64_t phase = 0; phase < g.phases(); ++phase) {
            const int64_t py = phase / g.x.phases(), px = phase % g.x.phases();
            const int64_t taps_y = g.y.tap_count(py), taps_x = g.x.tap_count(px);
            for (int64_t e0 = 0; e0 < g.produced; e0 += width) {
                const int64_t valid = min_of(width, g.produced - e0), stored = round_up(valid, lanes);
                for (int64_t t = 0; t < taps_y * taps_x; ++t) {
                    const int64_t r = g.y.tap(py, t / taps_x).kernel, s = g.x.tap(px, t % taps_x).kernel;
                    for (int64_t d = 0; d < g.reduced; ++d, packed += stored) {
                        for (int64_t e = 0; e < valid; ++e) {
                            packed[e] = weights[g.weight_at(group, e0 + e, d, r, s)];
                        }
                        for (int64_t e = valid; e < stored; ++e) packed[e] = 0.0f;
                    }
                }
            }
        }
    }
}

// A task: some consecutive pixels of one phase, one block of produced channels of one group.
struct Block {
    const float* source;  // the image, at the group's first reduced channel
    float* result;        // the image, at the block's first produced channel
    int64_t phase_y, phase_x;
    int64_t first_pixel, pixels;
    int64_t phase_width;
};

// Calls body(i, y, x, count) for each run of the block's pixels in one row: pixels i .. i+count-1 of the
// block are at (y, x), (y, x+1) ... of the phase.
template <class Body>
void for_each_run(const Block& block, const Body& body) {
    for (int64_t i = 0; i < block.pixels;) {
        const int64_t at = block.first_pixel + i, y = at / block.phase_width, x = at % block.phase_width;
        const int64_t count = min_of(block.pixels - i, block.phase_width - x);
        body(i, y, x, count);
        i += count;
    }
}

void fill_results(const Gather& g, const Block& block, const Slot& slot) {
    const int64_t channels = g.result_channels(), step = g.x.result_step() * channels;
    for_each_run(block, [&](int64_t i, int64_t y, int64_t x, int64_t count) {
        const int64_t row = y * g.y.result_step() + block.phase_y;
        float* p = block.result + (row * g.x.result_extent() + block.phase_x) * channels + x * step;
        for (int64_t k = 0; k < count; ++k, p += step) slot.results[i + k] = p;
    });
}

void fill_sources(const Gather& g, const Block& block, Tap ty, Tap tx, const float* zeros,
                  const float** sources) {
    const int64_t channels = g.source_channels(), step = g.x.source_step();
    for_each_run(block, [&](int64_t i, int64_t y, int64_t x, int64_t count) {
        const int64_t row = y * g.y.source_step() + ty.offset;
        const bool row_inside = row >= 0 && row < g.y.source_extent();
        int64_t column = x * step + tx.offset;
        const float* p = block.source + (row * g.x.source_extent() + column) * channels;
        for (int64_t k = 0; k < count; ++k, column += step, p += step * channels) {
            const bool inside = row_inside && column >= 0 && column < g.x.source_extent();
            sources[i + k] = inside ? p : zeros;
        }
    });
}

void run_block(const Context& context, const Gather& g, const Block& block, const float* panel,
               const float* bias, int64_t columns, char* memory) {
    const KernelSet& k = *context.kernels;
    const ActivationKernel& activation = k.activations[g.problem.activation];
    const Slot slot(memory, context, g);
    fill_results(g, block, slot);
    const int64_t taps_x = g.x.tap_count(block.phase_x);
    const int64_t taps = g.y.tap_count(block.phase_y) * taps_x, step = tap_block(context, g);
    const int vectors = static_cast<int>(ceil_div(columns, k.lanes));
    const int64_t tiles = ceil_div(block.pixels, k.rows_tile_rows);
    const bool activate = g.forward && !g.problem.linear();
    int64_t first = 0;
    do {
        const int64_t count = min_of(step, taps - first);
        for (int64_t t = 0; t < count; ++t) {
            fill_sources(g, block, g.y.tap(block.phase_y, (first + t) / taps_x),
                         g.x.tap(block.phase_x, (first + t) % taps_x), slot.zeros,
                         slot.sources + t * kBlockPixels);
        }
        const bool last = first + count >= taps;
        for (int64_t tile = 0; tile < tiles; ++tile) {
            const int64_t from = share_start(block.pixels, tiles, tile);
            const int rows = static_cast<int>(share_start(block.pixels, tiles, tile + 1) - from);
            const RowsTileArgs args = {slot.sources + from, kBlockPixels, count, g.reduced,
                                       panel, bias, slot.results + from, static_cast<int>(columns),
                                       first == 0 ? TileMode::kStore : TileMode::kContinue};
            k.rows_tile[rows - 1][vectors - 1](args);
            if (last && activate) {
                activation.apply(slot.results + from, rows, static_cast<int>(columns), g.problem.alpha,
                                 g.problem.beta);
            }
        }
        first += count;
        panel += count * g.reduced * vectors * k.lanes;
    } while (first < taps);
}

void run(const Context& context, const Gather& g, const GatherCall& call, int64_t images,
         const Workspace& workspace, const Execution& execution) {
    const int64_t width = full_width(context), lanes = context.kernels->lanes;
    const int64_t channel_blocks = ceil_div(g.produced, width);
    const int64_t largest_phase = g.y.phase_size(0) * g.x.phase_size(0);
    const int64_t pixel_blocks = ceil_div(largest_phase, kBlockPixels);
    const int64_t phases = g.phases(), groups = g.problem.groups;
    const int64_t group_packed = g.taps_before(phases) * g.reduced * round_up(g.produced, lanes);
    const int64_t tasks = images * groups * channel_blocks * phases * pixel_blocks;
    parallel_for(execution, tasks, [&](int64_t task, int slot) {
        const int64_t pixel_block = task % pixel_blocks;
        const int64_t phase = task / pixel_blocks % phases;
        const int64_t channel_block = task / (pixel_blocks * phases) % channel_blocks;
        const int64_t group = task / (pixel_blocks * phases * channel_blocks) % groups;
        const int64_t image = task / (pixel_blocks * phases * channel_blocks * groups);

        Block block;
        block.phase_y = phase / g.x.phases();
        block.phase_x = phase % g.x.phases();
        block.phase_width = g.x.phase_size(block.phase_x);
        const int64_t pixels = g.y.phase_size(block.phase_y) * block.phase_width;
        block.first_pixel = share_start(pixels, pixel_blocks, pixel_block);
        block.pixels = share_start(pixels, pixel_blocks, pixel_block + 1) - block.first_pixel;
        if (block.pixels == 0) return;
        const int64_t e0 = channel_block * width;
        block.source = call.source + image * g.source_image + group * g.reduced;
        block.result = call.result + image * g.result_image + group * g.produced + e0;
        const int64_t taps = g.tap_count(phase);
        const float* panel = call.packed + group * group_packed +
                             g.reduced * (g.taps_before(phase) * round_up(g.produced, lanes) + taps * e0);
        const float* bias = call.bias != nullptr ? call.bias + group * g.produced + e0 : nullptr;
        run_block(context, g, block, panel, bias, min_of(width, g.produced - e0), workspace.slot(slot));
    });
}

}  // namespace

const GatherKernels kGemmRows = {workspace, packed_count, pack, run};

}  // namespace nconv
