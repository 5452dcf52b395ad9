// Forward and backward_input of the gemm algorithm, as an implicit GEMM: pixels of the result are the
// rows of a register tile, produced channels its lanes. A table of row pointers, one per tap and pixel,
// takes the place of im2col: padding points at a row of zeros, stride and dilation are in the pointers
// (Dukhan, "The Indirect Convolution Algorithm", 2019).
//
// In NCHW a task first transposes the part of the image it reads into a strip of its own and its results
// on the way out: 2 to 7 % of the layers it serves, and the bits are those of NHWC. Panels of pixels with
// pixels in lanes, im2col by another name, took 15 to 60 %: they copy every value once per tap.
#include <string.h>

#include "conv2d/balance.h"
#include "conv2d/gemm.h"
#include "conv2d/gemm_regions.h"

namespace nconv {
namespace {

// Taps whose panel is kept in L2 while the pixels of a task pass by.
constexpr int64_t kPanelBytes = 512 * 1024;
constexpr int64_t kMaxTableTaps = 64;

int64_t table_taps(const Context& context, const Gather& g) {
    const int64_t bytes = g.reduced * block_width(context) * static_cast<int64_t>(sizeof(float));
    return min_of(kMaxTableTaps, max_of(1, kPanelBytes / bytes));
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
    bool parted_y, parted_x;   // by the taps that read inside the source
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

// A part of a phase whose pixels all read inside the source by the same taps.
struct Part {
    int64_t phase;
    Rectangle region;
    TapRange taps_y, taps_x;
};

void multiply_part(const Context& context, const Gather& g, const Block& block, const Part& part,
                   const Slot& slot) {
    const KernelSet& k = *context.kernels;
    const int64_t phase_y = part.phase / g.x.phases(), phase_x = part.phase % g.x.phases();
    fill_results(g, block, part.region, phase_y, phase_x, slot.results);

    const int64_t taps_x = g.x.tap_count(phase_x), taps = g.tap_count(part.phase);
    const int64_t step = table_taps(context, g), stored = round_up(block.columns, k.lanes);
    const int vectors = static_cast<int>(stored / k.lanes);
    const int64_t padded = round_up(g.produced, k.lanes), pixels = part.region.pixels();
    const float* panel = block.packed +
                         g.reduced * (g.taps_before(part.phase) * padded + taps * block.e0) +
                         block.from * stored;
    const int64_t tiles = ceil_div(pixels, k.rows_tile_rows[vectors - 1]);
    const bool whole = block.from + block.depth == g.reduced;
    // Rows of taps lie one after the other; a part of each is a run of its own.
    const bool rows_whole = part.taps_x.count == taps_x;
    const int64_t runs = rows_whole ? 1 : max_of(1, part.taps_y.count);
    const int64_t run_taps = part.taps_x.count * (rows_whole ? part.taps_y.count : 1);
    bool started = block.from > 0;
    for (int64_t run = 0; run < runs; ++run) {
        int64_t first = (part.taps_y.first + run) * taps_x + part.taps_x.first;
        const int64_t end = part.taps_y.count > 0 ? first + run_taps : first;
        do {
            const int64_t count = min_of(step, end - first);
            for (int64_t t = 0; t < count; ++t) {
                fill_sources(g, block, part.region, g.y.tap(phase_y, (first + t) / taps_x),
                             g.x.tap(phase_x, (first + t) % taps_x), slot.zeros,
                             slot.sources + t * slot.table_pitch);
            }
            const bool last = run + 1 == runs && first + count >= end;
            for_each_share(pixels, tiles, [&](int64_t from, int64_t rows) {
                const RowsTileArgs args = {slot.sources + from,
                                           slot.table_pitch,
                                           count,
                                           block.depth,
                                           panel + first * g.reduced * stored,
                                           g.reduced * stored,
                                           block.bias,
                                           slot.results + from,
                                           static_cast<int>(block.columns),
                                           started ? TileMode::kContinue : TileMode::kStore};
                k.rows_tile[rows - 1][vectors - 1](args);
                if (last && whole && block.epilogue != nullptr) {
                    block.epilogue->apply(slot.results + from, static_cast<int>(rows),
                                          block.columns);
                }
            });
            started = true;
            first += count;
        } while (first < end);
    }
}

// The taps of `at` and the end of the places up to `end` that have the same.
TapRange same_taps(const Window& axis, bool parted, int64_t phase, int64_t at, int64_t* end) {
    if (!parted) return {0, axis.tap_count(phase)};
    const TapRange taps = axis.taps_inside(phase, at);
    int64_t next = at + 1;
    while (next < *end && axis.taps_inside(phase, next) == taps) ++next;
    *end = next;
    return taps;
}

void multiply_phase(const Context& context, const Gather& g, const Block& block, int64_t phase,
                    const Slot& slot) {
    const int64_t phase_y = phase / g.x.phases(), phase_x = phase % g.x.phases();
    const Rectangle& r = block.region;
    const int64_t end_y = min_of(r.y + r.rows, g.y.phase_size(phase_y));
    const int64_t end_x = min_of(r.x + r.columns, g.x.phase_size(phase_x));
    Part part;
    part.phase = phase;
    for (int64_t y = r.y, next_y; y < end_y; y = next_y) {
        next_y = end_y;
        part.taps_y = same_taps(g.y, block.parted_y, phase_y, y, &next_y);
        for (int64_t x = r.x, next_x; x < end_x; x = next_x) {
            next_x = end_x;
            part.taps_x = same_taps(g.x, block.parted_x, phase_x, x, &next_x);
            part.region = {y, next_y - y, x, next_x - x};
            multiply_part(context, g, block, part, slot);
        }
    }
}

// How a call is cut into tasks: images, groups, regions and runs of blocks of produced channels. It may
// depend on the threads, since every output has one chain of sums wherever it is computed. Of all cuts that
// of the earliest end is taken: 64 channels at 14 x 14 in five regions for two threads, 3 and 2, took a fifth
// longer than in four.
class Cut {
public:
    Cut(const Context& context, const Gather& g, int64_t images, int threads)
        : regions(largest_regions(g)),
          channel_blocks(ProducedBlocks(context, g).count),
          g_(g),
          blocks_(context, g) {
        // A strip serves all of a task's channels; without one, neighbouring tasks share a panel.
        const bool apart = g.problem.channels_last() || depth_block(g) < g.reduced;
        const int64_t others = images * g.problem.groups;
        const int64_t fewest = apart ? channel_blocks : 1;
        const int64_t fewest_pixels =
            g.problem.channels_last() ? kFewestRegionPixels : kFewestPlanePixels;
        channel_parts = fewest;
        if (threads == 1 || others * fewest * regions.count() >= kTasksEnough * threads) return;
        const Regions largest = regions;
        const int64_t height = g.y.phase_size(0), width = g.x.phase_size(0);
        double best = 0;
        for (int64_t x = largest.column_parts; x <= width; x *= 2) {
            for (int64_t y = largest.row_parts; y <= height; y += 1 + y / 8) {
                const Regions tried(g, y, x);
                const bool small = tried.rows * tried.columns < fewest_pixels;
                if (small && tried.count() > largest.count()) break;
                for (int64_t parts = fewest; parts <= channel_blocks; parts += 1 + parts / 4) {
                    const int64_t tasks = others * tried.count() * parts;
                    const double cost = time(tried, tasks, parts, threads);
                    if (best == 0 || cost < best) {
                        best = cost;
                        regions = tried;
                        channel_parts = parts;
                    }
                    if (tasks >= kTasksEnough * threads) break;
                }
                if (others * fewest * tried.count() >= kTasksEnough * threads) break;
            }
        }
    }
    Regions regions;
    int64_t channel_blocks, channel_parts;

private:
    // Cycles per reduced channel: two multiply-adds a cycle, in NCHW the transposes (short of a vector at the
    // end of a run), the tables. The panel's passing costs as much as a pixel.
    double time(const Regions& r, int64_t tasks, int64_t parts, int threads) const {
        constexpr double kTransposed = 1.5, kTask = 3000;
        const double pixels = static_cast<double>(r.rows * r.columns);
        const int64_t padded = blocks_.vectors * blocks_.lanes;
        const int64_t most = ceil_div(blocks_.vectors, blocks_.count) * blocks_.lanes *
                             ceil_div(channel_blocks, parts);
        const auto task = [&](double size, int64_t columns) {
            double cycles = (size + 1) * static_cast<double>(g_.problem.kernel_taps) *
                            static_cast<double>(columns) / static_cast<double>(2 * blocks_.lanes);
            if (!g_.problem.channels_last()) {
                const Rectangle source = source_of(g_, {0, r.rows, 0, r.columns});
                cycles += kTransposed *
                          (static_cast<double>(source.pixels()) +
                           (size + kVirtualLanes) * static_cast<double>(g_.phases() * columns) /
                               static_cast<double>(g_.reduced));
            }
            return cycles + kTask / static_cast<double>(g_.reduced);
        };
        const double average = static_cast<double>(g_.y.phase_size(0) * g_.x.phase_size(0)) /
                               static_cast<double>(r.count());
        return slowest_thread(tasks, threads, task(average, ceil_div(padded, parts)),
                              task(pixels, min_of(padded, most)));
    }

    const Gather& g_;
    const ProducedBlocks blocks_;
};

struct Task {
    const float* source;       // the image, at the group's first reduced channel
    float* result;             // the image, at the group's first produced channel
    const float* packed;       // of the group
    const float* bias;         // of the group, or null
    const Epilogue* epilogue;  // or null
    Rectangle region;
    int64_t first_block, end_block;
    bool parted_y, parted_x;
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
    const ProducedBlocks blocks(context, g);
    const int64_t width = block_width(context), depth = depth_block(g), pitch = strip_pitch(g);
    const bool planes = !g.problem.channels_last();
    const int64_t source_plane = g.y.source_extent() * g.x.source_extent();
    const int64_t result_plane = g.y.result_extent() * g.x.result_extent();
    memset(slot.zeros, 0, static_cast<size_t>(depth) * sizeof(float));

    Block block;
    block.region = task.region;
    block.packed = task.packed;
    block.parted_y = task.parted_y;
    block.parted_x = task.parted_x;
    // A residual in NCHW is added to the planes, not transposed into a stage.
    const bool planes_epilogue = planes && task.epilogue != nullptr && task.epilogue->in_output();
    block.epilogue = planes_epilogue ? nullptr : task.epilogue;
    const Rectangle source = source_of(g, task.region), result = result_of(g, task.region);
    for (int64_t b = task.first_block; b < task.end_block; ++b) {
        block.e0 = blocks.first(b);
        block.columns = blocks.columns(b);
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

// Pixels are parted by the taps that read inside the source where so much of an axis' taps reads padding. It follows
// from the descriptor alone, and a tap is left out for a pixel wherever its region ends: with infinite weights,
// too, the bits are those of any other cut. fc6 of SSD, dilation 6 on 19 x 19, reads padding by 38 % of its
// taps; dense kernels would come in parts of one row or column.
double summed_taps(const Window& axis) {
    constexpr int64_t kShare = 8, kLeastStep = 4, kMostTaps = 64;
    const int64_t taps = axis.tap_count(0), size = axis.phase_size(0);
    const int64_t step = axis.tap_step() > 0 ? axis.tap_step() : -axis.tap_step();
    const int64_t reach = axis.highest_offset() - axis.lowest_offset();
    if (taps < 2 || taps > kMostTaps || step < kLeastStep * axis.source_step() ||
        size > kShare * (reach + 1)) {
        return 1;
    }
    int64_t inside = 0;
    for (int64_t at = 0; at < size; ++at) inside += axis.taps_inside(0, at).count;
    if ((size * taps - inside) * kShare < size * taps) return 1;
    return static_cast<double>(inside) / static_cast<double>(size * taps);
}

WorkspaceSize gemm_gather_workspace(const Context& context, const Gather& g) {
    WorkspaceSize size;
    size.per_thread = Slot(context, g).bytes;
    return size;
}

void gemm_gather(const Context& context, const Gather& g, const GatherCall& call, int64_t images,
                 const Workspace& workspace, const Execution& execution) {
    const Cut cut(context, g, images, execution.threads);
    const int64_t regions = cut.regions.count(), groups = g.problem.groups,
                  parts = cut.channel_parts;
    const int64_t group_packed =
        g.taps_before(g.phases()) * g.reduced * round_up(g.produced, context.kernels->lanes);
    const bool planes = !g.problem.channels_last();
    const int64_t source_plane = planes ? g.y.source_extent() * g.x.source_extent() : 1;
    const int64_t result_plane = planes ? g.y.result_extent() * g.x.result_extent() : 1;
    // Weights that stay in L2 pass for each region, larger ones for all regions; a thread's run of tasks then
    // reads part of the source or part of the weights.
    const bool near = group_packed * int64_t{sizeof(float)} <= kPanelBytes;
    const bool parted_y = summed_taps(g.y) < 1, parted_x = summed_taps(g.x) < 1;
    parallel_for(execution, images * groups * parts * regions, [&](int64_t index, int slot) {
        const int64_t part = near ? index % parts : index / regions % parts;
        const int64_t region = near ? index / parts % regions : index % regions;
        const int64_t group = index / (regions * parts) % groups;
        const int64_t image = index / (regions * parts * groups);
        Task task;
        task.region = cut.regions.at(g, region);
        task.first_block = share_start(cut.channel_blocks, parts, part);
        task.end_block = share_start(cut.channel_blocks, parts, part + 1);
        task.source = call.source + image * g.source_image + group * g.reduced * source_plane;
        task.result = call.result + image * g.result_image + group * g.produced * result_plane;
        task.packed = call.packed + group * group_packed;
        task.bias = call.bias != nullptr ? call.bias + group * g.produced : nullptr;
        task.epilogue = call.epilogue;
        task.parted_y = parted_y;
        task.parted_x = parted_x;
        run_task(context, g, task, Slot(context, g, workspace.slot(slot)));
    });
}

}  // namespace nconv
