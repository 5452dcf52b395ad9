// Dense convolution in NCHW as an implicit GEMM: result pixels are the lanes of a register tile, produced
// channels its rows. What a block of pixels reads is copied once into a panel [reduced][tap][pixel], which
// all produced channels share; stride, dilation and padding end there.
#include "conv2d/gather.h"

namespace nconv {
namespace {

constexpr int64_t kMaxLanes = 32;
// Panel rows kept in L2 at a time; one reduced channel's taps are never split.
constexpr int64_t kPanelRows = 1024;
// A task has at least this many register tiles of produced channels to spread the panel's cost over.
constexpr int64_t kTaskTiles = 8;
constexpr int64_t kFewPixelBlocks = 16;
// Panels of a task: the weights come from L3 when they are large, so several panels share a pass over
// them. 512 channels at 7 x 7 read their 9.4 MB once instead of twice.
constexpr int kMaxPanels = 4;
constexpr int64_t kLargeWeights = 64 * 1024;  // floats

int64_t full_lanes(const Context& context) {
    return static_cast<int64_t>(context.kernels->packed_tile_vectors) * context.kernels->lanes;
}

int64_t max_taps(const Gather& g) { return g.problem.kernel_taps; }

int64_t depth_block(const Gather& g) { return min_of(g.reduced, max_of(1, kPanelRows / max_taps(g))); }

int64_t tile_count(const Context& context, const Gather& g) {
    return ceil_div(g.produced, context.kernels->packed_tile_rows);
}

bool scattered(const Gather& g) { return g.y.result_step() != 1 || g.x.result_step() != 1; }

int64_t task_panels(const Gather& g) {
    return g.reduced * g.produced * max_taps(g) > kLargeWeights ? kMaxPanels : 1;
}

// Bytes of a panel's parts in a slot: taps, values, and where results wait that are not contiguous.
struct PanelBytes {
    PanelBytes(const Context& context, const Gather& g)
        : taps(round_up(max_taps(g) * int64_t{sizeof(PanelTap)}, 64)),
          values(CheckedSize(depth_block(g)) * max_taps(g) * full_lanes(context) * int64_t{sizeof(float)}),
          staged(scattered(g) ? CheckedSize(g.produced) * full_lanes(context) * int64_t{sizeof(float)}
                              : CheckedSize(0)) {}
    CheckedSize all() const { return CheckedSize(taps) + values + staged; }
    int64_t taps;
    CheckedSize values, staged;
};

WorkspaceSize workspace(const Context& context, const Gather& g) {
    WorkspaceSize size;
    size.per_thread = PanelBytes(context, g).all() * task_panels(g);
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
            const int64_t taps_x = g.x.tap_count(px), taps = g.y.tap_count(py) * taps_x;
            for (int64_t tile = 0; tile < tiles; ++tile) {
                const int64_t from = share_start(g.produced, tiles, tile);
                const int64_t rows = share_start(g.produced, tiles, tile + 1) - from;
                for (int64_t t = 0; t < taps; ++t) {
                    const int64_t r = g.y.tap(py, t / taps_x).kernel, s = g.x.tap(px, t % taps_x).kernel;
                    for (int64_t d = 0; d < g.reduced; ++d) {
                        float* out = packed + (d * taps + t) * rows;
                        for (int64_t i = 0; i < rows; ++i) {
                            out[i] = weights[g.weight_at(group, from + i, d, r, s)];
                        }
                    }
                }
                packed += g.reduced * taps * rows;
            }
        }
    }
}

// A task: some panels of pixels of one phase, some tiles of produced channels of one group.
struct Block {
    const float* source;   // the image, at the group's first reduced channel
    float* result;         // the image, at the group's first produced channel
    const float* weights;  // of the group and phase
    const float* bias;     // of the group, or null
    int64_t phase_y, phase_x, taps;
    int64_t first_panel, panels;
    int64_t first_tile, end_tile;
};

struct Output {
    float* at;
    ptrdiff_t row;  // from one produced channel to the next
};

// Up to full_lanes pixels. `whole` of them are taken by vectors, the rest one column at a time.
struct Panel {
    int64_t first_pixel;
    int pixels, whole;
    int vectors;        // of the whole pixels
    int panel_vectors;  // of all
    // Where the pixels are in a source plane: the first one, and the others relative to it.
    ptrdiff_t base;
    int32_t index[kMaxLanes];
    bool contiguous;
    PanelTap* taps;
    float* values;
    Output out;
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

void find_pixels(const Gather& g, const Block& block, Panel* panel) {
    int64_t y[kMaxLanes], x[kMaxLanes];
    const int64_t width = g.x.phase_size(block.phase_x), row = g.x.source_extent();
    int64_t at_y = panel->first_pixel / width, at_x = panel->first_pixel % width;
    panel->contiguous = true;
    for (int i = 0; i < panel->pixels; ++i) {
        y[i] = at_y * g.y.source_step();
        x[i] = at_x * g.x.source_step();
        const ptrdiff_t at = y[i] * row + x[i];
        if (i == 0) panel->base = at;
        panel->index[i] = static_cast<int32_t>(at - panel->base);
        panel->contiguous = panel->contiguous && panel->index[i] == i;
        if (++at_x == width) {
            at_x = 0;
            ++at_y;
        }
    }
    PanelTap* taps = panel->taps;
    const int64_t taps_y = g.y.tap_count(block.phase_y), taps_x = g.x.tap_count(block.phase_x);
    for (int64_t ty = 0; ty < taps_y; ++ty) {
        const Tap tap_y = g.y.tap(block.phase_y, ty);
        const uint32_t rows = inside_bits(g.y, y, panel->pixels, tap_y);
        for (int64_t tx = 0; tx < taps_x; ++tx) {
            const Tap tap_x = g.x.tap(block.phase_x, tx);
            *taps++ = {tap_y.offset * row + tap_x.offset, rows & inside_bits(g.x, x, panel->pixels, tap_x)};
        }
    }
}

// Writes what waits in the panel's output, [channel][lanes], to its places in the result.
void scatter(const Gather& g, const Block& block, const Panel& panel, int64_t channel) {
    const int64_t width = g.x.phase_size(block.phase_x), row = g.x.result_extent();
    const float* staged = panel.out.at + channel * panel.out.row;
    float* result = block.result + channel * g.y.result_extent() * row;
    int64_t y = panel.first_pixel / width, x = panel.first_pixel % width;
    for (int k = 0; k < panel.pixels; ++k) {
        result[(y * g.y.result_step() + block.phase_y) * row + x * g.x.result_step() + block.phase_x] =
            staged[k];
        if (++x == width) {
            x = 0;
            ++y;
        }
    }
}

Panel make_panel(const Context& context, const Gather& g, const Block& block, int64_t index, char* memory) {
    const KernelSet& k = *context.kernels;
    const PanelBytes bytes(context, g);
    const int64_t lanes = full_lanes(context);
    const int64_t pixels = g.y.phase_size(block.phase_y) * g.x.phase_size(block.phase_x);
    Panel panel = {};
    panel.first_pixel = (block.first_panel + index) * lanes;
    panel.pixels = static_cast<int>(min_of(lanes, pixels - panel.first_pixel));
    panel.panel_vectors = static_cast<int>(ceil_div(panel.pixels, k.lanes));
    const int rest = panel.pixels % k.lanes;
    const bool columns = k.packed_column != nullptr && panel.pixels > k.lanes && rest > 0 && rest <= 2;
    panel.whole = columns ? panel.pixels - rest : panel.pixels;
    panel.vectors = columns ? panel.panel_vectors - 1 : panel.panel_vectors;
    memory += index * bytes.all().value();
    panel.taps = reinterpret_cast<PanelTap*>(memory);
    panel.values = reinterpret_cast<float*>(memory + bytes.taps);
    panel.out = scattered(g) ? Output{reinterpret_cast<float*>(memory + bytes.taps + bytes.values.value()), lanes}
                             : Output{block.result + panel.first_pixel,
                                      g.y.result_extent() * g.x.result_extent()};
    find_pixels(g, block, &panel);
    return panel;
}

// One tile of produced channels and the part of the reduced ones a step takes.
struct TileStep {
    TileStep(const Context& context, const Gather& g, const Block& block, int64_t tile, int64_t depth_from,
             int64_t depth)
        : from(share_start(g.produced, tile_count(context, g), tile)),
          rows(static_cast<int>(share_start(g.produced, tile_count(context, g), tile + 1) - from)),
          weights(block.weights + (from * g.reduced + depth_from * rows) * block.taps),
          bias(block.bias != nullptr ? block.bias + from : nullptr),
          count(depth * block.taps),
          mode(depth_from == 0 ? TileMode::kStore : TileMode::kContinue) {}
    int64_t from;
    int rows;
    const float* weights;
    const float* bias;
    int64_t count;
    TileMode mode;
};

void multiply_tile(const KernelSet& k, const Panel& panel, const TileStep& tile) {
    PackedTileArgs args = {};
    args.a = tile.weights;
    args.b = panel.values;
    args.b_x = static_cast<ptrdiff_t>(panel.panel_vectors) * k.lanes;
    args.x = tile.count;
    args.y = args.z = 1;
    args.init = tile.bias;
    args.out = panel.out.at + tile.from * panel.out.row;
    args.out_row = panel.out.row;
    args.columns = panel.whole;
    args.mode = tile.mode;
    k.packed_tile[tile.rows - 1][panel.vectors - 1](args);
}

// The pixels past the last whole vector; tiles are taken kColumnTiles at a time.
void multiply_columns(const KernelSet& k, const Panel& panel, const TileStep* tiles, int tile_count) {
    for (int column = panel.whole; column < panel.pixels; ++column) {
        ColumnArgs args = {};
        for (int i = 0; i < kColumnTiles; ++i) {
            const TileStep& tile = tiles[i < tile_count ? i : 0];
            args.a[i] = tile.weights;
            args.rows[i] = i < tile_count ? tile.rows : 0;
            args.init[i] = tile.bias;
            args.out[i] = panel.out.at + tile.from * panel.out.row + column;
        }
        args.b = panel.values + column;
        args.b_x = static_cast<ptrdiff_t>(panel.panel_vectors) * k.lanes;
        args.x = tiles[0].count;
        args.out_row = panel.out.row;
        args.mode = tiles[0].mode;
        k.packed_column(args);
    }
}

void finish_tile(const Context& context, const Gather& g, const Block& block, const Panel& panel,
                 const TileStep& tile) {
    if (g.forward && !g.problem.linear()) {
        float* rows[kMaxTileRows];
        for (int r = 0; r < tile.rows; ++r) rows[r] = panel.out.at + (tile.from + r) * panel.out.row;
        context.kernels->activations[g.problem.activation].apply(rows, tile.rows, panel.pixels,
                                                                 g.problem.alpha, g.problem.beta);
    }
    if (!scattered(g)) return;
    for (int r = 0; r < tile.rows; ++r) scatter(g, block, panel, tile.from + r);
}

void run_block(const Context& context, const Gather& g, const Block& block, char* memory) {
    const KernelSet& k = *context.kernels;
    const int64_t source_plane = g.y.source_extent() * g.x.source_extent();
    Panel panels[kMaxPanels];
    for (int64_t i = 0; i < block.panels; ++i) panels[i] = make_panel(context, g, block, i, memory);
    int64_t depth = 0;
    for (int64_t d = 0; d < g.reduced; d += depth) {
        depth = min_of(depth_block(g), g.reduced - d);
        for (int64_t i = 0; i < block.panels; ++i) {
            const Panel& panel = panels[i];
            k.pack_panel({block.source + d * source_plane + panel.base, source_plane, depth, panel.taps,
                          static_cast<int>(block.taps), panel.index, panel.contiguous, panel.panel_vectors,
                          panel.values});
        }
        for (int64_t first = block.first_tile; first < block.end_tile; first += kColumnTiles) {
            const auto step = [&](int64_t i) {
                return TileStep(context, g, block, min_of(first + i, block.end_tile - 1), d, depth);
            };
            const TileStep tiles[kColumnTiles] = {step(0), step(1), step(2), step(3)};
            const int count = static_cast<int>(min_of(kColumnTiles, block.end_tile - first));
            for (int t = 0; t < count; ++t) {
                for (int64_t i = 0; i < block.panels; ++i) multiply_tile(k, panels[i], tiles[t]);
            }
            for (int64_t i = 0; i < block.panels; ++i) {
                multiply_columns(k, panels[i], tiles, count);
                if (d + depth < g.reduced) continue;
                for (int t = 0; t < count; ++t) finish_tile(context, g, block, panels[i], tiles[t]);
            }
        }
    }
}

void run(const Context& context, const Gather& g, const GatherCall& call, int64_t images,
         const Workspace& workspace, const Execution& execution) {
    const int64_t lanes = full_lanes(context), tiles = tile_count(context, g);
    const int64_t phases = g.phases(), groups = g.problem.groups;
    const int64_t panels = ceil_div(g.y.phase_size(0) * g.x.phase_size(0), lanes);
    const int64_t pixel_blocks = ceil_div(panels, task_panels(g));
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
        const int64_t image = task / (pixel_blocks * tile_blocks * phases * groups);

        Block block;
        block.phase_y = phase / g.x.phases();
        block.phase_x = phase % g.x.phases();
        // Phases differ by a row or a column at most; a smaller one may need fewer panels.
        const int64_t own = ceil_div(g.y.phase_size(block.phase_y) * g.x.phase_size(block.phase_x), lanes);
        block.first_panel = share_start(own, pixel_blocks, pixel_block);
        block.panels = share_start(own, pixel_blocks, pixel_block + 1) - block.first_panel;
        if (block.panels == 0) return;
        block.taps = g.y.tap_count(block.phase_y) * g.x.tap_count(block.phase_x);
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
