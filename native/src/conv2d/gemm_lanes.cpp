// Dense convolution in NCHW as an implicit GEMM: result pixels are the lanes of a register tile, produced
// channels its rows. What a block of pixels reads is copied once into a panel [reduced][tap][pixel], which
// all produced channels share; stride, dilation and padding end there.
#include <string.h>

#include "conv2d/gather.h"

namespace nconv {
namespace {

constexpr int64_t kMaxLanes = 32;
// Panel rows kept in L2 at a time; one reduced channel's taps are never split.
constexpr int64_t kPanelRows = 1024;
// A task has at least this many register tiles of produced channels to spread the panel's cost over.
constexpr int64_t kTaskTiles = 8;
constexpr int64_t kFewPixelBlocks = 16;

int64_t full_lanes(const Context& context) {
    return static_cast<int64_t>(context.kernels->packed_tile_vectors) * context.kernels->lanes;
}

int64_t max_taps(const Gather& g) { return g.problem.kernel_taps; }

int64_t depth_block(const Gather& g) { return min_of(g.reduced, max_of(1, kPanelRows / max_taps(g))); }

int64_t tile_count(const Context& context, const Gather& g) {
    return ceil_div(g.produced, context.kernels->packed_tile_rows);
}

// The parts of a slot: taps, the panel, and where results wait that are not contiguous in memory.
struct Slot {
    Slot(char* memory, const Context& context, const Gather& g)
        : taps(reinterpret_cast<PanelTap*>(memory)),
          panel(reinterpret_cast<float*>(memory + round_up(max_taps(g) * int64_t{sizeof(PanelTap)}, 64))),
          staged(panel + depth_block(g) * max_taps(g) * full_lanes(context)) {}
    PanelTap* taps;
    float* panel;
    float* staged;
};

bool scattered(const Gather& g) { return g.y.result_step() != 1 || g.x.result_step() != 1; }

WorkspaceSize workspace(const Context& context, const Gather& g) {
    WorkspaceSize size;
    size.per_thread = CheckedSize(round_up(max_taps(g) * int64_t{sizeof(PanelTap)}, 64)) +
                      CheckedSize(depth_block(g)) * max_taps(g) * full_lanes(context) * 4 +
                      (scattered(g) ? CheckedSize(g.produced) * full_lanes(context) * 4 : CheckedSize(0));
    return size;
}

CheckedSize packed_count(const Context&, const Gather& g) {
    return CheckedSize(g.taps_before(g.phases())) * g.reduced * g.produced * g.problem.groups;
}

// Packed: [group][phase][tile][reduced][tap y][tap x][row]; the tiles are near-equal shares of produced.
void pack(const Context& context, const Gather& g, const float* weights, float* packed) {
    const int64_t tiles = tile_count(context, g);
    for (int64_t group = 0; group < g.problem.groups; ++group) {
        for (int64_t phase = 0; phase < g.phases(); ++phase) {
            const int64_t py = phase / g.x.phases(), px = phase % g.x.phases();
            const int64_t taps_y = g.y.tap_count(py), taps_x = g.x.tap_count(px);
            for (int64_t tile = 0; tile < tiles; ++tile) {
                const int64_t from = share_start(g.produced, tiles, tile);
                const int64_t rows = share_start(g.produced, tiles, tile + 1) - from;
                for (int64_t d = 0; d < g.reduced; ++d) {
                    for (int64_t t = 0; t < taps_y * taps_x; ++t, packed += rows) {
                        const int64_t r = g.y.tap(py, t / taps_x).kernel;
                        const int64_t s = g.x.tap(px, t % taps_x).kernel;
                        for (int64_t i = 0; i < rows; ++i) {
                            packed[i] = weights[g.weight_at(group, from + i, d, r, s)];
                        }
                    }
                }
            }
        }
    }
}

// A task: up to full_lanes pixels of one phase, some tiles of produced channels of one group.
struct Block {
    const float* source;  // the image, at the group's first reduced channel
    float* result;        // the image, at the group's first produced channel
    const float* weights; // of the group and phase
    const float* bias;    // of the group, or null
    int64_t phase_y, phase_x;
    int64_t first_pixel;
    int pixels;
    int64_t first_tile, end_tile;
};

// Where the block's pixels are, relative to the first one, and which of them each tap finds inside.
struct Pixels {
    int32_t index[kMaxLanes];
    ptrdiff_t base;
    bool contiguous;
};

// Bit i: pixel i's position on this axis plus the tap's offset is inside the source.
uint32_t inside_bits(const Window& axis, const int64_t* position, int pixels, Tap tap) {
    uint32_t bits = 0;
    for (int i = 0; i < pixels; ++i) {
        const int64_t at = position[i] + tap.offset;
        bits |= static_cast<uint32_t>(at >= 0 && at < axis.source_extent()) << i;
    }
    return bits;
}

Pixels find_pixels(const Gather& g, const Block& block, PanelTap* taps) {
    Pixels found = {};
    int64_t y[kMaxLanes], x[kMaxLanes];
    const int64_t width = g.x.phase_size(block.phase_x), row = g.x.source_extent();
    int64_t at_y = block.first_pixel / width, at_x = block.first_pixel % width;
    found.contiguous = true;
    for (int i = 0; i < block.pixels; ++i) {
        y[i] = at_y * g.y.source_step();
        x[i] = at_x * g.x.source_step();
        const ptrdiff_t at = y[i] * row + x[i];
        if (i == 0) found.base = at;
        found.index[i] = static_cast<int32_t>(at - found.base);
        found.contiguous = found.contiguous && found.index[i] == i;
        if (++at_x == width) {
            at_x = 0;
            ++at_y;
        }
    }
    const int64_t taps_y = g.y.tap_count(block.phase_y), taps_x = g.x.tap_count(block.phase_x);
    for (int64_t ty = 0; ty < taps_y; ++ty) {
        const Tap tap_y = g.y.tap(block.phase_y, ty);
        const uint32_t rows = inside_bits(g.y, y, block.pixels, tap_y);
        for (int64_t tx = 0; tx < taps_x; ++tx) {
            const Tap tap_x = g.x.tap(block.phase_x, tx);
            *taps++ = {tap_y.offset * row + tap_x.offset, rows & inside_bits(g.x, x, block.pixels, tap_x)};
        }
    }
    return found;
}

// Writes what waits in `staged` ([channel][lanes]) to its places in the result.
void scatter(const Gather& g, const Block& block, const float* staged, int64_t lanes, int64_t from,
             int64_t rows) {
    const int64_t width = g.x.phase_size(block.phase_x), row = g.x.result_extent();
    const int64_t plane = g.y.result_extent() * row;
    for (int64_t i = 0; i < rows; ++i) {
        float* result = block.result + (from + i) * plane;
        int64_t y = block.first_pixel / width, x = block.first_pixel % width;
        for (int k = 0; k < block.pixels; ++k) {
            result[(y * g.y.result_step() + block.phase_y) * row + x * g.x.result_step() + block.phase_x] =
                staged[i * lanes + k];
            if (++x == width) {
                x = 0;
                ++y;
            }
        }
    }
}

// The block's panel for some depth, and how the tiles use it: `whole` pixels by vectors, the rest one
// column at a time.
struct Step {
    int64_t depth_from, depth, taps;
    const float* panel;
    int64_t panel_lanes;
    int whole, vectors;
};

struct TileRange {
    TileRange(const Context& context, const Gather& g, int64_t tile)
        : from(share_start(g.produced, tile_count(context, g), tile)),
          rows(static_cast<int>(share_start(g.produced, tile_count(context, g), tile + 1) - from)) {}
    int64_t from;
    int rows;
};

// The first element of a tile's weights for the step, [depth][tap][row].
const float* tile_weights(const Gather& g, const Block& block, const Step& step, TileRange tile) {
    return block.weights + (tile.from * g.reduced + step.depth_from * tile.rows) * step.taps;
}

struct Output {
    float* at;
    ptrdiff_t row;  // from one produced channel to the next
};

void multiply_tiles(const Context& context, const Gather& g, const Block& block, const Step& step,
                    Output out) {
    const KernelSet& k = *context.kernels;
    for (int64_t i = block.first_tile; i < block.end_tile; ++i) {
        const TileRange tile(context, g, i);
        PackedTileArgs args = {};
        args.a = tile_weights(g, block, step, tile);
        args.b = step.panel;
        args.b_x = step.panel_lanes;
        args.x = step.depth * step.taps;
        args.y = args.z = 1;
        args.init = block.bias != nullptr ? block.bias + tile.from : nullptr;
        args.out = out.at + tile.from * out.row;
        args.out_row = out.row;
        args.columns = step.whole;
        args.mode = step.depth_from == 0 ? TileMode::kStore : TileMode::kContinue;
        k.packed_tile[tile.rows - 1][step.vectors - 1](args);
    }
}

void multiply_columns(const Context& context, const Gather& g, const Block& block, const Step& step,
                      Output out) {
    for (int64_t first = block.first_tile; first < block.end_tile; first += kColumnTiles) {
        for (int column = step.whole; column < block.pixels; ++column) {
            ColumnArgs args = {};
            for (int i = 0; i < kColumnTiles; ++i) {
                const TileRange tile(context, g, min_of(first + i, block.end_tile - 1));
                args.a[i] = tile_weights(g, block, step, tile);
                args.rows[i] = first + i < block.end_tile ? tile.rows : 0;
                args.init[i] = block.bias != nullptr ? block.bias + tile.from : nullptr;
                args.out[i] = out.at + tile.from * out.row + column;
            }
            args.b = step.panel + column;
            args.b_x = step.panel_lanes;
            args.x = step.depth * step.taps;
            args.out_row = out.row;
            args.mode = step.depth_from == 0 ? TileMode::kStore : TileMode::kContinue;
            context.kernels->packed_column(args);
        }
    }
}

void finish_tiles(const Context& context, const Gather& g, const Block& block, Output out, bool staged) {
    for (int64_t i = block.first_tile; i < block.end_tile; ++i) {
        const TileRange tile(context, g, i);
        float* at = out.at + tile.from * out.row;
        if (g.forward && !g.problem.linear()) {
            float* rows[kMaxTileRows];
            for (int r = 0; r < tile.rows; ++r) rows[r] = at + r * out.row;
            context.kernels->activations[g.problem.activation].apply(rows, tile.rows, block.pixels,
                                                                     g.problem.alpha, g.problem.beta);
        }
        if (staged) scatter(g, block, at, out.row, tile.from, tile.rows);
    }
}

void run_block(const Context& context, const Gather& g, const Block& block, char* memory) {
    const KernelSet& k = *context.kernels;
    const Slot slot(memory, context, g);
    const Pixels pixels = find_pixels(g, block, slot.taps);
    const int64_t source_plane = g.y.source_extent() * g.x.source_extent();
    const int64_t result_plane = g.y.result_extent() * g.x.result_extent();
    const int panel_vectors = static_cast<int>(ceil_div(block.pixels, k.lanes));
    const int rest = block.pixels % k.lanes;
    const bool columns = k.packed_column != nullptr && block.pixels > k.lanes && rest > 0 && rest <= 2;
    const bool staged = scattered(g);
    const Output out = staged ? Output{slot.staged, full_lanes(context)}
                              : Output{block.result + block.first_pixel, result_plane};
    Step step = {};
    step.taps = g.y.tap_count(block.phase_y) * g.x.tap_count(block.phase_x);
    step.panel = slot.panel;
    step.panel_lanes = static_cast<int64_t>(panel_vectors) * k.lanes;
    step.whole = columns ? block.pixels - rest : block.pixels;
    step.vectors = columns ? panel_vectors - 1 : panel_vectors;
    for (; step.depth_from < g.reduced; step.depth_from += step.depth) {
        step.depth = min_of(depth_block(g), g.reduced - step.depth_from);
        k.pack_panel({block.source + step.depth_from * source_plane + pixels.base, source_plane, step.depth,
                      slot.taps, static_cast<int>(step.taps), pixels.index, pixels.contiguous, panel_vectors,
                      slot.panel});
        multiply_tiles(context, g, block, step, out);
        if (columns) multiply_columns(context, g, block, step, out);
    }
    finish_tiles(context, g, block, out, staged);
}

void run(const Context& context, const Gather& g, const GatherCall& call, int64_t first_image,
         int64_t images, const Workspace& workspace, const Execution& execution) {
    const int64_t lanes = full_lanes(context), tiles = tile_count(context, g);
    const int64_t phases = g.phases(), groups = g.problem.groups;
    const int64_t pixel_blocks = ceil_div(g.y.phase_size(0) * g.x.phase_size(0), lanes);
    const int64_t tile_blocks = pixel_blocks < kFewPixelBlocks ? max_of(1, tiles / kTaskTiles) : 1;
    const int64_t source_plane = g.y.source_extent() * g.x.source_extent();
    const int64_t result_plane = g.y.result_extent() * g.x.result_extent();
    const int64_t group_packed = g.taps_before(phases) * g.reduced * g.produced;
    const int64_t tasks = images * groups * phases * pixel_blocks * tile_blocks;
    parallel_for(execution, tasks, [&](int64_t task, int slot) {
        const int64_t pixel_block = task % pixel_blocks;
        const int64_t tile_block = task / pixel_blocks % tile_blocks;
        const int64_t phase = task / (pixel_blocks * tile_blocks) % phases;
        const int64_t group = task / (pixel_blocks * tile_blocks * phases) % groups;
        const int64_t image = first_image + task / (pixel_blocks * tile_blocks * phases * groups);

        Block block;
        block.phase_y = phase / g.x.phases();
        block.phase_x = phase % g.x.phases();
        block.first_pixel = pixel_block * lanes;
        const int64_t pixels = g.y.phase_size(block.phase_y) * g.x.phase_size(block.phase_x);
        block.pixels = static_cast<int>(min_of(lanes, pixels - block.first_pixel));
        if (block.pixels <= 0) return;
        block.first_tile = share_start(tiles, tile_blocks, tile_block);
        block.end_tile = share_start(tiles, tile_blocks, tile_block + 1);
        block.source = call.source + image * g.source_image + group * g.reduced * source_plane;
        block.result = call.result + image * g.result_image + group * g.produced * result_plane;
        block.weights = call.packed + group * group_packed + g.taps_before(phase) * g.reduced * g.produced;
        block.bias = call.bias != nullptr ? call.bias + group * g.produced : nullptr;
        run_block(context, g, block, workspace.slot(slot));
    });
}

}  // namespace

const GatherKernels kGemmLanes = {workspace, packed_count, pack, run};

}  // namespace nconv
