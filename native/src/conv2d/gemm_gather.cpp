// Forward and backward_input of the gemm algorithm, as an implicit GEMM: pixels of the result are the
// rows of a register tile, produced channels its lanes. A table of row pointers, one per tap and pixel,
// takes the place of im2col: padding points at a row of zeros, stride and dilation are in the pointers
// (Dukhan, "The Indirect Convolution Algorithm", 2019).
//
// In NCHW a task first transposes the part of the image it reads into a strip of its own and its results
// on the way out: 2 to 7 % of the layers it serves, and the bits are those of NHWC. Panels of pixels with
// pixels in lanes, im2col by another name, took 15 to 60 %: they copy every value once per tap.
#include <string.h>

#include "conv2d/gemm.h"
#include "conv2d/planes.h"

namespace nconv {
namespace {

// Pixels of a task and phase: a panel of weights is used about 20 times per row of the tile. In NCHW more,
// since neighbouring regions read the same rows: 64 channels at 56 x 56 gain 2 %.
constexpr int64_t kRegionPixels = 128;
constexpr int64_t kPlaneRegionPixels = 256;
constexpr int64_t kRegionColumns = 128;
constexpr int64_t kFewestRegionPixels = 48;
// Of all phases together: their results wait in a stage that should stay in L2.
constexpr int64_t kStagePixels = 1024;

// Taps whose panel is kept in L2 while the pixels of a task pass by.
constexpr int64_t kPanelBytes = 512 * 1024;
constexpr int64_t kMaxTableTaps = 64;

// Channels are reduced in blocks if a strip of all of them would be larger: wide kernels and dilations.
constexpr int64_t kStripFloats = 256 * 1024;

int64_t table_taps(const Context& context, const Gather& g) {
    const int64_t bytes = g.reduced * block_width(context) * static_cast<int64_t>(sizeof(float));
    return min_of(kMaxTableTaps, max_of(1, kPanelBytes / bytes));
}

// The phases' common grid in near-equal rectangles of at most that many pixels.
struct Regions {
    Regions(const Gather& g, int64_t most) {
        const int64_t height = g.y.phase_size(0), width = g.x.phase_size(0);
        const int64_t pixels = min_of(most, max_of(1, kStagePixels / g.phases()));
        column_parts = ceil_div(width, kRegionColumns);
        columns = ceil_div(width, column_parts);
        row_parts = ceil_div(height, max_of(1, pixels / columns));
        rows = ceil_div(height, row_parts);
    }
    int64_t count() const { return row_parts * column_parts; }
    Rectangle at(const Gather& g, int64_t index) const {
        const int64_t row = index / column_parts, column = index % column_parts;
        const int64_t height = g.y.phase_size(0), width = g.x.phase_size(0);
        const int64_t y = share_start(height, row_parts, row);
        const int64_t x = share_start(width, column_parts, column);
        return {y, share_start(height, row_parts, row + 1) - y, x,
                share_start(width, column_parts, column + 1) - x};
    }
    int64_t row_parts, column_parts;
    int64_t rows, columns;  // of the largest
};

Regions largest_regions(const Gather& g) {
    return Regions(g, g.problem.channels_last() ? kRegionPixels : kPlaneRegionPixels);
}

// The part of the source that a region reads.
Rectangle source_of(const Gather& g, const Rectangle& r) {
    const auto cut = [](const Window& axis, int64_t from, int64_t count, int64_t spacing,
                        int64_t* start) {
        const int64_t low = from * axis.source_step() + axis.lowest_offset();
        const int64_t high = (from + count - 1) * axis.source_step() + axis.highest_offset();
        *start = low >= 0 ? low : low + ceil_div(-low, spacing) * spacing;
        return max_of(0, ceil_div(min_of(high + 1, axis.source_extent()) - *start, spacing));
    };
    Rectangle s;
    s.spacing = g.y.source_spacing();
    s.rows = cut(g.y, r.y, r.rows, s.spacing, &s.y);
    s.columns = cut(g.x, r.x, r.columns, 1, &s.x);
    return s;
}

// The part of the result that a region writes to: with a kernel of 1 only the rows of the phase that has
// the tap, the others are zero.
Rectangle result_of(const Gather& g, const Rectangle& r) {
    const int64_t step_y = g.y.result_step(), step_x = g.x.result_step();
    Rectangle result;
    result.x = r.x * step_x;
    result.columns = min_of(r.columns * step_x, g.x.result_extent() - result.x);
    result.spacing = g.y.result_spacing();
    result.y = r.y * step_y;
    if (result.spacing > 1) {
        while (g.y.tap_count(result.y % step_y) == 0) ++result.y;
    }
    const int64_t end = min_of((r.y + r.rows) * step_y, g.y.result_extent());
    result.rows = max_of(0, ceil_div(end - result.y, result.spacing));
    return result;
}

// No region's source has more pixels.
int64_t strip_pixels(const Gather& g) {
    const Regions regions(g, kPlaneRegionPixels);
    const auto most = [](const Window& axis, int64_t count) {
        return min_of(axis.source_extent(), (count - 1) * axis.source_step() +
                                                axis.highest_offset() - axis.lowest_offset() + 1);
    };
    return most(g.y, regions.rows) * most(g.x, regions.columns);
}

// The same in both layouts, on every instruction set and for any number of threads: it orders the sums.
int64_t depth_block(const Gather& g) {
    const int64_t most =
        max_of(kPlaneBlock, kStripFloats / strip_pixels(g) / kPlaneBlock * kPlaneBlock);
    return g.reduced <= most
               ? g.reduced
               : round_up(ceil_div(g.reduced, ceil_div(g.reduced, most)), kPlaneBlock);
}

// Pixels of a strip must not all fall into the same few sets of a cache: 512 channels side by side, a
// pitch of 2048 bytes, took backward_input of a strided 1 x 1 layer from 87 to 79 % of peak.
int64_t strip_pitch(const Gather& g) {
    const int64_t depth = depth_block(g);
    return depth % 64 == 0 ? depth + 16 : depth;
}

// A task's memory: the zero row, the table of sources, the results' pointers, and in NCHW the strip and
// the stage.
struct Slot {
    Slot(const Context& context, const Gather& g, char* memory = nullptr) {
        const Regions regions = largest_regions(g);
        const int64_t pixels = regions.rows * regions.columns, depth = depth_block(g);
        const auto take = [&](CheckedSize count, int64_t size) {
            char* at = memory != nullptr ? memory + bytes.value() : nullptr;
            bytes = bytes + count * size + 64;
            if (bytes.valid()) bytes = bytes.value() / 64 * 64;
            return at;
        };
        zeros = reinterpret_cast<float*>(take(depth, sizeof(float)));
        sources = reinterpret_cast<const float**>(
            take(CheckedSize(table_taps(context, g)) * pixels, sizeof(float*)));
        results = reinterpret_cast<float**>(take(pixels, sizeof(float*)));
        table_pitch = pixels;
        if (g.problem.channels_last()) return;
        strip = reinterpret_cast<float*>(
            take(CheckedSize(strip_pixels(g)) * strip_pitch(g), sizeof(float)));
        stage = reinterpret_cast<float*>(
            take(CheckedSize(pixels) * g.phases() * block_width(context), sizeof(float)));
    }
    CheckedSize bytes = 0;
    float* zeros;
    const float** sources;
    float** results;
    int64_t table_pitch;
    float *strip = nullptr, *stage = nullptr;
};

// Pixels with their channels side by side: an NHWC image, a strip or a stage.
template <class Float>
struct Pixels {
    Float* at(int64_t row, int64_t column) const {
        return data + (row - y) / spacing * row_pitch + (column - x) * pixel_pitch;
    }
    Float* data;
    int64_t y, x, spacing;  // the first pixel, and from one row to the next
    int64_t row_pitch, pixel_pitch;
};

// One block of produced and one of reduced channels of a task.
struct Block {
    Rectangle region;  // of the phases' grid
    Pixels<const float> source;
    Pixels<float> result;
    const float* packed;       // of the group
    const float* bias;         // of the block, or null
    const Epilogue* epilogue;  // null: nothing follows, or not before the planes are stored
    int64_t e0, columns;       // produced channels
    int64_t from, depth;       // reduced channels
};

// Calls body(i, y, x) for the first pixel of each row of the region, its i-th.
template <class Body>
void for_each_row(const Rectangle& region, const Body& body) {
    for (int64_t row = 0; row < region.rows; ++row)
        body(row * region.columns, region.y + row, region.x);
}

void fill_results(const Gather& g, const Block& block, const Rectangle& region, int64_t phase_y,
                  int64_t phase_x, float** results) {
    const int64_t step = g.x.result_step() * block.result.pixel_pitch;
    for_each_row(region, [&](int64_t i, int64_t y, int64_t x) {
        float* p =
            block.result.at(y * g.y.result_step() + phase_y, x * g.x.result_step() + phase_x);
        for (int64_t k = 0; k < region.columns; ++k, p += step) results[i + k] = p;
    });
}

void fill_sources(const Gather& g, const Block& block, const Rectangle& region, Tap ty, Tap tx,
                  const float* zeros, const float** sources) {
    const int64_t columns = region.columns, step = g.x.source_step();
    for_each_row(region, [&](int64_t i, int64_t y, int64_t x) {
        const int64_t row = y * g.y.source_step() + ty.offset;
        const bool row_inside = row >= 0 && row < g.y.source_extent();
        int64_t column = x * step + tx.offset;
        const float* p = block.source.at(row, column);
        for (int64_t k = 0; k < columns;
             ++k, column += step, p += step * block.source.pixel_pitch) {
            const bool inside = row_inside && column >= 0 && column < g.x.source_extent();
            sources[i + k] = inside ? p : zeros;
        }
    });
}

void multiply_phase(const Context& context, const Gather& g, const Block& block, int64_t phase,
                    const Slot& slot) {
    const KernelSet& k = *context.kernels;
    const int64_t phase_y = phase / g.x.phases(), phase_x = phase % g.x.phases();
    Rectangle region = block.region;
    region.rows = min_of(region.rows, g.y.phase_size(phase_y) - region.y);
    region.columns = min_of(region.columns, g.x.phase_size(phase_x) - region.x);
    if (region.rows <= 0 || region.columns <= 0) return;
    fill_results(g, block, region, phase_y, phase_x, slot.results);

    const int64_t taps_x = g.x.tap_count(phase_x), taps = g.y.tap_count(phase_y) * taps_x;
    const int64_t step = table_taps(context, g), stored = round_up(block.columns, k.lanes);
    const int vectors = static_cast<int>(stored / k.lanes);
    const int64_t padded = round_up(g.produced, k.lanes);
    const float* panel = block.packed +
                         g.reduced * (g.taps_before(phase) * padded + taps * block.e0) +
                         block.from * stored;
    const int64_t tiles = ceil_div(region.pixels(), k.rows_tile_rows[vectors - 1]);
    const bool whole = block.from + block.depth == g.reduced;
    int64_t first = 0;
    do {
        const int64_t count = min_of(step, taps - first);
        for (int64_t t = 0; t < count; ++t) {
            fill_sources(g, block, region, g.y.tap(phase_y, (first + t) / taps_x),
                         g.x.tap(phase_x, (first + t) % taps_x), slot.zeros,
                         slot.sources + t * slot.table_pitch);
        }
        const bool last = first + count >= taps;
        for (int64_t tile = 0; tile < tiles; ++tile) {
            const int64_t from = share_start(region.pixels(), tiles, tile);
            const int rows = static_cast<int>(share_start(region.pixels(), tiles, tile + 1) - from);
            const RowsTileArgs args = {
                slot.sources + from,
                slot.table_pitch,
                count,
                block.depth,
                panel,
                g.reduced * stored,
                block.bias,
                slot.results + from,
                static_cast<int>(block.columns),
                first == 0 && block.from == 0 ? TileMode::kStore : TileMode::kContinue};
            k.rows_tile[rows - 1][vectors - 1](args);
            if (last && whole && block.epilogue != nullptr) {
                block.epilogue->apply(slot.results + from, rows, block.columns);
            }
        }
        first += count;
        panel += count * g.reduced * stored;
    } while (first < taps);
}

// How a call is cut into tasks: images, groups, regions and runs of blocks of produced channels. It may
// depend on the threads, since every output has one chain of sums wherever it is computed.
struct Cut {
    Cut(const Context& context, const Gather& g, int64_t images, int64_t wanted)
        : regions(largest_regions(g)), channel_blocks(ceil_div(g.produced, block_width(context))) {
        const int64_t others = images * g.problem.groups;
        int64_t pixels = regions.rows * regions.columns;
        while (others * channel_blocks * regions.count() < wanted &&
               pixels / 2 >= kFewestRegionPixels) {
            pixels /= 2;
            regions = Regions(g, pixels);
        }
        // A strip serves all of a task's channels; without one, neighbouring tasks share a panel.
        const bool apart = g.problem.channels_last() || depth_block(g) < g.reduced;
        channel_parts = apart ? channel_blocks
                              : min_of(channel_blocks, ceil_div(wanted, others * regions.count()));
    }
    Regions regions;
    int64_t channel_blocks, channel_parts;
};

struct Task {
    const float* source;       // the image, at the group's first reduced channel
    float* result;             // the image, at the group's first produced channel
    const float* packed;       // of the group
    const float* bias;         // of the group, or null
    const Epilogue* epilogue;  // or null
    Rectangle region;
    int64_t first_block, end_block;
};

// Phases without a row in result_of(): zeros.
bool skipped(const Gather& g, int64_t phase) {
    return g.y.result_spacing() > 1 && g.y.tap_count(phase / g.x.phases()) == 0;
}

void clear_skipped(const Gather& g, const Rectangle& region, int64_t channels, float* planes,
                   int64_t plane_size) {
    if (g.y.result_spacing() == 1) return;
    const Rectangle result = result_of(g, region);
    const int64_t step = g.y.result_step();
    const int64_t end = min_of((region.y + region.rows) * step, g.y.result_extent());
    for (int64_t y = region.y * step; y < end; ++y) {
        if (g.y.tap_count(y % step) > 0) continue;
        float* row = planes + y * g.x.result_extent() + result.x;
        for (int64_t c = 0; c < channels; ++c, row += plane_size) {
            memset(row, 0, static_cast<size_t>(result.columns) * sizeof(float));
        }
    }
}

void run_task(const Context& context, const Gather& g, const Task& task, const Slot& slot) {
    const KernelSet& k = *context.kernels;
    const int64_t width = block_width(context), depth = depth_block(g), pitch = strip_pitch(g);
    const bool planes = !g.problem.channels_last();
    const int64_t source_plane = g.y.source_extent() * g.x.source_extent();
    const int64_t result_plane = g.y.result_extent() * g.x.result_extent();
    memset(slot.zeros, 0, static_cast<size_t>(depth) * sizeof(float));

    Block block;
    block.region = task.region;
    block.packed = task.packed;
    // A residual in NCHW is added to the planes, not transposed into a stage.
    const bool planes_epilogue = planes && task.epilogue != nullptr && task.epilogue->in_output();
    block.epilogue = planes_epilogue ? nullptr : task.epilogue;
    const Rectangle source = source_of(g, task.region), result = result_of(g, task.region);
    for (int64_t b = task.first_block; b < task.end_block; ++b) {
        block.e0 = b * width;
        block.columns = min_of(width, g.produced - block.e0);
        block.bias = task.bias != nullptr ? task.bias + block.e0 : nullptr;
        if (planes) {
            block.result = {slot.stage, result.y, result.x, result.spacing, result.columns * width,
                            width};
        } else {
            const int64_t channels = g.result_channels();
            block.result = {task.result + block.e0,         0,       0, 1,
                            g.x.result_extent() * channels, channels};
        }
        for (block.from = 0; block.from < g.reduced; block.from += depth) {
            block.depth = min_of(depth, g.reduced - block.from);
            if (planes) {
                block.source = {
                    slot.strip, source.y, source.x, source.spacing, source.columns * pitch, pitch};
                if (b == task.first_block || depth < g.reduced) {
                    load_strip(k, task.source + block.from * source_plane, source_plane,
                               g.x.source_extent(), source, block.depth, slot.strip, pitch);
                }
            } else {
                const int64_t channels = g.source_channels();
                block.source = {task.source + block.from,       0,       0, 1,
                                g.x.source_extent() * channels, channels};
            }
            for (int64_t phase = 0; phase < g.phases(); ++phase) {
                if (planes && skipped(g, phase)) continue;
                multiply_phase(context, g, block, phase, slot);
            }
        }
        if (planes) {
            float* to = task.result + block.e0 * result_plane;
            store_strip(k, slot.stage, width, result, block.columns, to, result_plane,
                        g.x.result_extent());
            clear_skipped(g, task.region, block.columns, to, result_plane);
            if (planes_epilogue) {
                finish_planes(*task.epilogue, result, block.columns, to, result_plane,
                              g.x.result_extent());
            }
        }
    }
}

}  // namespace

WorkspaceSize gemm_gather_workspace(const Context& context, const Gather& g) {
    WorkspaceSize size;
    size.per_thread = Slot(context, g).bytes;
    return size;
}

void gemm_gather(const Context& context, const Gather& g, const GatherCall& call, int64_t images,
                 const Workspace& workspace, const Execution& execution) {
    const Cut cut(context, g, images, fewest_tasks(execution));
    const int64_t regions = cut.regions.count(), groups = g.problem.groups,
                  parts = cut.channel_parts;
    const int64_t group_packed =
        g.taps_before(g.phases()) * g.reduced * round_up(g.produced, context.kernels->lanes);
    const bool planes = !g.problem.channels_last();
    const int64_t source_plane = planes ? g.y.source_extent() * g.x.source_extent() : 1;
    const int64_t result_plane = planes ? g.y.result_extent() * g.x.result_extent() : 1;
    parallel_for(execution, images * groups * parts * regions, [&](int64_t index, int slot) {
        const int64_t part = index / regions % parts;
        const int64_t group = index / (regions * parts) % groups;
        const int64_t image = index / (regions * parts * groups);
        Task task;
        task.region = cut.regions.at(g, index % regions);
        task.first_block = share_start(cut.channel_blocks, parts, part);
        task.end_block = share_start(cut.channel_blocks, parts, part + 1);
        task.source = call.source + image * g.source_image + group * g.reduced * source_plane;
        task.result = call.result + image * g.result_image + group * g.produced * result_plane;
        task.packed = call.packed + group * group_packed;
        task.bias = call.bias != nullptr ? call.bias + group * g.produced : nullptr;
        task.epilogue = call.epilogue;
        run_task(context, g, task, Slot(context, g, workspace.slot(slot)));
    });
}

}  // namespace nconv
