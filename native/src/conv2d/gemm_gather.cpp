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
#include "conv2d/gemm_parts.h"
#include "conv2d/gemm_regions.h"
#include "conv2d/gemm_tiles.h"

namespace nconv {
namespace {

// Taps whose panel is kept in L2 while the pixels of a task pass by.
constexpr int64_t kPanelBytes = 512 * 1024;
// Tiles of a run before an epilogue finishes them in L1.
constexpr int64_t kTilesFinished = 4;

// Whether any tap of any phase may read padding.
bool reaches_out(const Window& axis) {
    const int64_t last = (axis.phase_size(0) - 1) * axis.source_step();
    return axis.lowest_offset() < 0 || last + axis.highest_offset() >= axis.source_extent();
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

// A task's memory: the zero row, and in NCHW the strip and the stage.
struct Slot {
    Slot(const Context& context, const Gather& g) {
        map.place(depth_block(g));
        if (g.problem.channels_last()) return;
        const Regions regions = largest_regions(g);
        strip_at = map.place(CheckedSize(strip_pixels(g)) * strip_pitch(g));
        stage_at = map.place(CheckedSize(regions.rows * regions.columns) * g.phases() *
                             block_width(context));
    }
    MemoryMap map;
    int64_t strip_at = 0, stage_at = 0;  // in floats
};

struct Task {
    const float* source;  // the image, at the group's first reduced channel
    float* result;        // the image, at the group's first produced channel
    const float* packed;  // of the group
    const float* bias;    // of the group, or null
    Rectangle region;     // of the phases' grid
    int64_t first_block, end_block;
    float *zeros, *strip, *stage;
};

// One block of produced and one of reduced channels of a task.
struct Block {
    Pixels<const float> source;
    Pixels<float> result;
    const float* packed;       // of the group
    const float* bias;         // of the block, or null
    const float* zeros;        // what taps in padding read
    const Epilogue* epilogue;  // null: nothing follows, or not before the planes are stored
    int64_t e0, columns;       // produced channels
    int64_t from, depth;       // reduced channels
};

class GemmGather {
public:
    GemmGather(const Context& context, const Gather& gather, const GatherCall& call)
        : context_(context),
          k_(*context.kernels),
          g_(gather),
          call_(call),
          blocks_(context, gather),
          slot_(context, gather),
          planes_(!gather.problem.channels_last()),
          // A residual in NCHW is added to the planes, not transposed into a stage.
          planes_epilogue_(planes_ && call.epilogue != nullptr && call.epilogue->in_output()),
          parts_y_(gather.y),
          parts_x_(gather.x) {}

    void run(int64_t images, const Workspace& workspace, const Execution& execution) const {
        const Cut cut(context_, g_, images, execution.threads);
        const int64_t regions = cut.regions.count(), groups = g_.problem.groups,
                      parts = cut.channel_parts;
        const int64_t group_packed = g_.taps_before(g_.phases()) * g_.reduced * stored_channels_;
        const int64_t source_group = g_.reduced * (planes_ ? source_plane_ : 1);
        const int64_t result_group = g_.produced * (planes_ ? result_plane_ : 1);
        // Weights that stay in L2 pass for each region, larger ones for all regions; a thread's run of tasks
        // then reads part of the source or part of the weights.
        const bool near = group_packed * int64_t{sizeof(float)} <= kPanelBytes;
        parallel_for(execution, images * groups * parts * regions, [&](int64_t index, int slot) {
            const int64_t part = near ? index % parts : index / regions % parts;
            const int64_t region = near ? index / parts % regions : index % regions;
            const int64_t group = index / (regions * parts) % groups;
            const int64_t image = index / (regions * parts * groups);
            Task task;
            task.region = cut.regions.at(g_, region);
            task.first_block = share_start(cut.channel_blocks, parts, part);
            task.end_block = share_start(cut.channel_blocks, parts, part + 1);
            task.source = call_.source + image * g_.source_image + group * source_group;
            task.result = call_.result + image * g_.result_image + group * result_group;
            task.packed = call_.packed + group * group_packed;
            task.bias = call_.bias != nullptr ? call_.bias + group * g_.produced : nullptr;
            char* memory = workspace.slot(slot);
            task.zeros = reinterpret_cast<float*>(memory);
            task.strip = reinterpret_cast<float*>(memory) + slot_.strip_at;
            task.stage = reinterpret_cast<float*>(memory) + slot_.stage_at;
            run_task(task);
        });
    }

private:
    void run_task(const Task& task) const {
        if (reads_padding_) memset(task.zeros, 0, static_cast<size_t>(depth_) * sizeof(float));
        Block block;
        block.packed = task.packed;
        block.zeros = task.zeros;
        block.epilogue = planes_epilogue_ ? nullptr : call_.epilogue;
        Rectangle source = {}, result = {};
        if (planes_) {
            source = source_of(g_, task.region);
            result = result_of(g_, task.region);
            block.source = {task.strip, source.y, source.x, source.spacing, source.columns * pitch_,
                            pitch_};
            block.result = {task.stage, result.y, result.x, result.spacing, result.columns * width_,
                            width_};
        } else {
            const int64_t read = g_.source_channels(), written = g_.result_channels();
            block.source = {task.source, 0, 0, 1, g_.x.source_extent() * read, read};
            block.result = {task.result, 0, 0, 1, g_.x.result_extent() * written, written};
        }
        for (int64_t b = task.first_block; b < task.end_block; ++b) {
            block.e0 = blocks_.first(b);
            block.columns = blocks_.columns(b);
            block.bias = task.bias != nullptr ? task.bias + block.e0 : nullptr;
            if (!planes_) block.result.data = task.result + block.e0;
            for (block.from = 0; block.from < g_.reduced; block.from += depth_) {
                block.depth = min_of(depth_, g_.reduced - block.from);
                if (!planes_) {
                    block.source.data = task.source + block.from;
                } else if (b == task.first_block || depth_ < g_.reduced) {
                    load_strip(k_, task.source + block.from * source_plane_, source_plane_,
                               g_.x.source_extent(), source, block.depth, task.strip, pitch_);
                }
                for (int64_t phase = 0; phase < g_.phases(); ++phase) {
                    if (planes_ && skipped(g_, phase)) continue;
                    multiply_phase(task.region, block, phase);
                }
            }
            if (planes_) store_planes(task, block, result, task.stage);
        }
    }

    void store_planes(const Task& task, const Block& block, const Rectangle& result,
                      const float* stage) const {
        float* to = task.result + block.e0 * result_plane_;
        const int64_t row = g_.x.result_extent();
        store_strip(k_, stage, width_, result, block.columns, to, result_plane_, row);
        clear_skipped(g_, task.region, block.columns, to, result_plane_);
        if (planes_epilogue_)
            finish_planes(*call_.epilogue, result, block.columns, to, result_plane_, row);
    }

    void multiply_phase(const Rectangle& r, const Block& block, int64_t phase) const {
        Part part;
        part.phase_y = phase / g_.x.phases();
        part.phase_x = phase % g_.x.phases();
        const float* panel = block.packed +
                             g_.reduced * (g_.taps_before(phase) * stored_channels_ +
                                           g_.tap_count(phase) * block.e0) +
                             block.from * round_up(block.columns, k_.lanes);
        const int64_t end_y = min_of(r.y + r.rows, g_.y.phase_size(part.phase_y));
        const int64_t end_x = min_of(r.x + r.columns, g_.x.phase_size(part.phase_x));
        for (int64_t y = r.y, next_y; y < end_y; y = next_y) {
            next_y = end_y;
            part.taps_y = parts_y_.taps(parts_y_.parts != Parts::kOne, part.phase_y, y, &next_y);
            // Corners of one pixel would take half the time of a tile.
            const bool parted_x = parts_x_.parts == Parts::kFar ||
                                  (parts_x_.parts == Parts::kBorder &&
                                   part.taps_y.count == g_.y.tap_count(part.phase_y));
            for (int64_t x = r.x, next_x; x < end_x; x = next_x) {
                next_x = end_x;
                part.taps_x = parts_x_.taps(parted_x, part.phase_x, x, &next_x);
                part.region = {y, next_y - y, x, next_x - x};
                multiply_part(block, part, panel);
            }
        }
    }

    // A part of one tap without padding, as a 1 x 1 kernel has: false if it is something else, or too short.
    bool multiply_run(const Block& block, const Part& part, const float* panel) const {
        const TilePixels pixels(g_, part, block.source, block.result);
        const int64_t run = pixels.run();
        const int64_t stored = round_up(block.columns, k_.lanes);
        if (run == 0 || (block.columns < stored && !k_.gemm->runs_short_rows)) return false;
        const int64_t vectors = stored / k_.lanes, most = k_.gemm->rows_tile_rows[vectors - 1];
        const bool halves = shares_vector(k_, block.columns);
        const auto& kernels = halves ? k_.gemm->halves_run : k_.gemm->rows_run;
        const int64_t unit = halves ? 2 : 1, tiles = ceil_div(run, most);
        const int64_t fewest = run / unit / tiles * unit, larger = run / unit % tiles;
        if (run % unit != 0 || kernels[fewest - 1][vectors - 1] == nullptr) return false;
        const int64_t tap = part.taps_y.first * g_.x.tap_count(part.phase_x) + part.taps_x.first;
        const bool whole = block.from + block.depth == g_.reduced;
        const Epilogue* epilogue = whole ? block.epilogue : nullptr;
        RowsRunArgs args;
        args.source_step = pixels.source_step();
        args.depth = block.depth;
        args.panel = panel + tap * g_.reduced * stored;
        args.init = block.bias;
        args.out_step = pixels.result_step();
        args.columns = static_cast<int>(block.columns);
        args.mode = block.from > 0 ? TileMode::kContinue : TileMode::kStore;
        args.ahead = far_;
        for (int64_t row = 0; row < part.region.pixels() / run; ++row) {
            args.source = pixels.source_row(row);
            args.out = pixels.result_row(row);
            const int64_t at_once = epilogue != nullptr ? kTilesFinished : tiles;
            for (int64_t tile = 0, end; tile < tiles; tile = end) {
                // Larger tiles come first.
                const int64_t rows = fewest + (tile < larger ? unit : 0);
                end = min_of(tile < larger ? larger : tiles, tile + at_once);
                args.tiles = end - tile;
                kernels[rows - 1][vectors - 1](args);
                if (epilogue != nullptr) finish_run(*epilogue, args, rows * args.tiles);
                args.source += rows * args.tiles * args.source_step;
                args.out += rows * args.tiles * args.out_step;
            }
        }
        return true;
    }

    static void finish_run(const Epilogue& epilogue, const RowsRunArgs& args, int64_t rows) {
        float* results[kTilesFinished * kMaxTileRows];
        for (int64_t i = 0; i < rows; ++i) results[i] = args.out + i * args.out_step;
        epilogue.apply(results, static_cast<int>(rows), args.columns);
    }

    void multiply_part(const Block& block, const Part& part, const float* panel) const {
        const int64_t stored = round_up(block.columns, k_.lanes);
        if (multiply_run(block, part, panel)) return;
        static constexpr ptrdiff_t kNoOffsets[kMaxTableTaps] = {};
        const float* table[kMaxTableTaps * kMaxTileRows];
        ptrdiff_t offsets[kMaxTableTaps];
        RowsTileArgs args;
        args.depth = block.depth;
        args.panel_tap = g_.reduced * stored;
        args.init = block.bias;
        args.columns = static_cast<int>(block.columns);
        args.mode = block.from > 0 ? TileMode::kContinue : TileMode::kStore;
        const int vectors = static_cast<int>(stored / k_.lanes);

        const bool halves = shares_vector(k_, block.columns);
        const int64_t pixels = part.region.pixels(), unit = halves ? 2 : 1;
        const int64_t units = pixels / unit,
                      rest = pixels % unit;  // an odd pixel is the last tile's
        const int64_t tiles = ceil_div(pixels + rest, k_.gemm->rows_tile_rows[vectors - 1]);
        // A row of taps follows the one before; a part of each is a run of its own.
        const int64_t row_taps = g_.x.tap_count(part.phase_x), columns = part.taps_x.count;
        const int64_t taps = part.taps_y.count * columns;
        int64_t first = 0;
        do {
            const int64_t row = columns > 0 ? first / columns : 0;
            const int64_t end = columns == row_taps ? taps : min_of(taps, (row + 1) * columns);
            args.taps = min_of(table_taps_, end - first);
            args.panel = panel + ((part.taps_y.first + row) * row_taps + part.taps_x.first + first -
                                  row * columns) *
                                     args.panel_tap;
            const bool last = first + args.taps >= taps && block.from + block.depth == g_.reduced;
            const Epilogue* epilogue = last ? block.epilogue : nullptr;
            TilePixels tile(g_, part, block.source, block.result);
            args.outputs = tile.results();
            if (args.taps > 0) tile.tap_offsets(first, args.taps, offsets);
            for_each_share(units, tiles, [&](int64_t start, int64_t count) {
                const int64_t rows = count * unit + (start + count == units ? rest : 0);
                const bool paired = halves && rows % 2 == 0;
                tile.advance(static_cast<int>(rows));
                if (far_ && first == 0) tile.ask_ahead(block.depth, block.columns);
                const bool inside = args.taps == 0 || tile.inside();
                args.sources = inside ? tile.sources() : table;
                args.source_pitch = inside ? 0 : kMaxTileRows;
                args.offsets = inside ? offsets : kNoOffsets;
                if (!inside) tile.fill(first, args.taps, block.zeros, table);
                (paired ? k_.gemm->halves_tile : k_.gemm->rows_tile)[rows - 1][vectors - 1](args);
                if (epilogue != nullptr) {
                    epilogue->apply(tile.results(), static_cast<int>(rows), block.columns);
                }
            });
            args.mode = TileMode::kContinue;
            first += args.taps;
        } while (first < taps);
    }

    const Context& context_;
    const KernelSet& k_;
    const Gather& g_;
    const GatherCall& call_;
    const ProducedBlocks blocks_;
    const Slot slot_;
    const bool planes_, planes_epilogue_;
    const AxisParts parts_y_, parts_x_;
    // Images that L2 does not hold and the hardware alone does not fetch in time.
    const bool far_ = !planes_ && g_.source_image + g_.result_image > kFarFloats;
    const bool reads_padding_ = reaches_out(g_.y) || reaches_out(g_.x);
    const int64_t depth_ = depth_block(g_), pitch_ = strip_pitch(g_);
    const int64_t width_ = block_width(context_),
                  stored_channels_ = round_up(g_.produced, k_.lanes);
    const int64_t table_taps_ = min_of(
        kMaxTableTaps, max_of(1, kPanelBytes / (g_.reduced * width_ * int64_t{sizeof(float)})));
    const int64_t source_plane_ = g_.y.source_extent() * g_.x.source_extent();
    const int64_t result_plane_ = g_.y.result_extent() * g_.x.result_extent();
};

}  // namespace

// Below 1 where so much of an axis' taps reads padding that each place is a part of its own: fc6 of SSD, dilation 6
// on 19 x 19, reads padding by 38 % of its taps. Winograd's choice goes by it.
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
    for (int64_t i = 0; i < taps; ++i) {
        const int64_t offset = axis.tap(0, i).offset, each = axis.source_step();
        const int64_t first = ceil_div(max_of(0, -offset), each);
        const int64_t end = ceil_div(max_of(0, axis.source_extent() - offset), each);
        inside += max_of(0, min_of(size, end) - first);
    }
    if ((size * taps - inside) * kShare < size * taps) return 1;
    return static_cast<double>(inside) / static_cast<double>(size * taps);
}

WorkspaceSize gemm_gather_workspace(const Context& context, const Gather& g) {
    WorkspaceSize size;
    size.per_thread = Slot(context, g).map.bytes();
    return size;
}

void gemm_gather(const Context& context, const Gather& g, const GatherCall& call, int64_t images,
                 const Workspace& workspace, const Execution& execution) {
    GemmGather(context, g, call).run(images, workspace, execution);
}

}  // namespace nconv
