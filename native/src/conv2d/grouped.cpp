// Groups of 2, 4 or 8 channels with as many out as in, forward and backward_input. Channels are in lanes,
// several groups to a vector: in NHWC where they are; in NCHW, where planes do not serve (grouped_planes.h), in a
// strip of 16 of them that a task transposes. Both axes are cut into lines (lines.h), so that strides, dilation
// and phases use the same tiles. A sum is one chain over (tap y, channel, tap x).
#include "conv2d/gather_passes.h"
#include "conv2d/gemm.h"
#include "conv2d/grouped_planes.h"
#include "conv2d/lines.h"

namespace nconv {
namespace {

// Channels of a task come in units that are whole vectors on every instruction set; what is left of them
// goes to the last task.
constexpr int64_t kUnit = kVirtualLanes;
constexpr int64_t kMostStride = 64, kMostTaps = 4096;
// A strip of a task's source stays in L2, if that leaves more than one tile of rows.
constexpr int64_t kStripFloats = 64 * 1024, kMostStripFloats = 4 * 1024 * 1024;
constexpr int64_t kTasksPerThread = 6;
constexpr int64_t kTileRows = 4;

const char* declines(const Problem& p, nconv_pass pass) {
    const int64_t size = p.group_inputs;
    if (size != p.group_outputs || size < 2 || size > kMaxGroupedChannels ||
        (size & (size - 1)) != 0)
        return "not 2, 4 or 8 channels per group, in and out";
    if (p.input_channels < kUnit) return "fewer than 16 channels";
    if (max_of(p.height.stride, p.width.stride) > kMostStride) return "a stride above 64";
    if (p.kernel_taps > kMostTaps) return "more than 4096 taps";
    const Gather g(p, pass);
    // Rows of the source that a tile of four rows may need.
    const int64_t reach =
        g.y.highest_offset() - g.y.lowest_offset() + 4 * p.height.stride * p.height.dilation;
    const CheckedSize floats =
        (CheckedSize(min_of(reach, g.y.source_extent())) * g.x.source_extent() +
         CheckedSize(4) * g.x.result_extent()) *
        (2 * kUnit);
    if (!p.channels_last() && (!floats.valid() || floats.value() > kMostStripFloats))
        return "a strip of more than 16 MB";
    return nullptr;
}

// True if every instruction set but the scalar one has a tile for these taps.
bool has_tile(const Line& y, const Line& x) {
    if (y.taps == 0 || x.taps == 0) return true;
    const bool small = max_of(y.taps, x.taps) <= 2 && y.step == 1;
    return y.step == x.step && (small || (y.taps == 3 && x.taps == 3 && y.step <= 2));
}

// Calls run(line) for the first line of each phase, whose taps are those of the others.
template <class Run>
bool each_phase(const Window& axis, const Run& run) {
    int64_t phase = -1;
    return Lines(axis).each([&](const Line& line) {
        const bool known = line.phase == phase;
        phase = line.phase;
        return !known && run(line);
    });
}

// Without a tile 5 x 5 in groups of 4 runs at 19 % of peak, and at 66 with narrow.
const char* yields(const Problem& p, nconv_pass pass) {
    const Gather g(p, pass);
    const bool without = each_phase(g.y, [&](const Line& y) {
        return each_phase(g.x, [&](const Line& x) { return !has_tile(y, x); });
    });
    if (without) return "no tile for this kernel and stride";
    // Rows of a tile lie apart, and a strip holds all between: 4 channels at 64 x 64, dilation 2, take 74 us,
    // narrow 51. Where dilation reaches across the image narrow falls behind, at 65 x 65, 24, five times.
    const bool apart = p.height.dilation > 1 && 3 * p.height.dilation < p.height.input;
    return apart && !p.channels_last() ? "rows too far apart to be transposed" : nullptr;
}

// Some channels of one image with the channels side by side.
struct Block {
    const float* source;
    int64_t source_pitch;  // from pixel to pixel
    int64_t first_channel, channels;
    const float* bias;
};

// Where a tile's rows go.
struct Target {
    float* first;
    ptrdiff_t row;
    int64_t pitch;  // from pixel to pixel
};

class Grouped {
public:
    Grouped(const Context& context, const Gather& gather, const GatherCall& call)
        : k_(*context.kernels), g_(gather), call_(call), y_(gather.y), x_(gather.x) {
        tiles_ = count_row_tiles(y_, [](const Line&) { return most_rows(); });
    }

    int64_t row_tiles() const { return tiles_; }
    static int64_t most_rows() { return kTileRows; }
    RowTile row_tile(int64_t index) const {
        return find_row_tile(
            y_, [](const Line&) { return most_rows(); }, index);
    }
    const GatherCall& call() const { return call_; }
    const KernelSet& kernels() const { return k_; }

    void run(const Block& block, const RowTile& tile, const Target& target) const {
        const int64_t source_row = g_.x.source_extent() * block.source_pitch;
        const int64_t lanes = k_.lanes, group = g_.reduced;
        const int64_t vectors = ceil_div(g_.result_channels(), lanes);
        GroupedArgs args = {};
        args.group = static_cast<int>(group);
        args.source_row = tile.line.tap_step * source_row;
        args.kernel_rows = static_cast<int>(tile.line.taps);
        args.first_row = static_cast<int>(min_of(tile.first_tap(), tile.end_tap()));
        args.end_row = static_cast<int>(tile.end_tap());
        args.rows = static_cast<int>(tile.rows);
        args.row_step = static_cast<int>(tile.line.step);
        args.out_row = target.row;
        args.channels = block.channels;
        args.init = block.bias;
        const float* source = block.source + tile.source_row() * source_row;
        x_.each([&](const Line& line) {
            const int64_t phase = tile.line.phase * g_.x.phases() + line.phase;
            args.weight_vector = tile.line.taps * line.taps * group * lanes;
            args.weights = call_.packed + g_.taps_before(phase) * vectors * group * lanes +
                           block.first_channel / lanes * args.weight_vector;
            args.kernel_columns = static_cast<int>(line.taps);
            args.first_column = line.inside_first;
            args.end_column = max_of(line.inside_first, line.inside_end);
            args.source_column = line.tap_step * block.source_pitch;
            args.source = source + line.source_first * block.source_pitch;
            args.columns = line.count;
            args.column_step = line.step;
            args.out = target.first + line.result_first * target.pitch;
            args.out_column = line.result_step * target.pitch;
            kernel_for(line)(args);
            return false;
        });
    }

    // The epilogue of a tile's rows where they are.
    void finish(const Block& block, const RowTile& tile, const Target& target) const {
        const int64_t pixels = g_.x.result_extent();
        const bool dense = block.channels == target.pitch;
        const int64_t runs = dense ? 1 : pixels,
                      size = dense ? pixels * target.pitch : block.channels;
        float* rows[kVirtualLanes];
        for (int64_t i = 0; i < tile.rows; ++i) {
            float* row = target.first + i * target.row;
            for (int64_t j = 0; j < runs; j += kVirtualLanes) {
                const int count = static_cast<int>(min_of(kVirtualLanes, runs - j));
                for (int r = 0; r < count; ++r) rows[r] = row + (j + r) * target.pitch;
                call_.epilogue->apply(rows, count, size);
            }
        }
    }

private:
    GroupedKernel kernel_for(const Line& x) const {
        for (const GroupedKernels::Fixed& f : k_.grouped->fixed) {
            if (f.columns == x.taps && f.step == x.step) return f.kernel;
        }
        return k_.grouped->any;
    }

    const KernelSet& k_;
    const Gather& g_;
    const GatherCall& call_;
    const Lines y_, x_;
    int64_t tiles_;
};

// Tasks' shares of the channels: whole units, and what is left over in the last one.
struct Blocks {
    Blocks(int64_t channels, int64_t wanted)
        : all(channels), units(channels / kUnit), count(max_of(1, min_of(units, wanted))) {}
    int64_t first(int64_t i) const { return share_start(units, count, i) * kUnit; }
    int64_t end(int64_t i) const { return i + 1 == count ? all : first(i + 1); }
    int64_t all, units, count;
};

void gather_pixels(const Grouped& grouped, const Gather& g, int64_t images,
                   const Execution& execution) {
    const GatherCall& call = grouped.call();
    const int64_t tiles = grouped.row_tiles(), channels = g.result_channels();
    const int64_t wanted = execution.threads == 1 ? 1 : kTasksPerThread * execution.threads;
    const Blocks blocks(channels, ceil_div(wanted, max_of(1, images * tiles)));
    const int64_t row = g.x.result_extent() * channels;
    parallel_for(execution, images * blocks.count * tiles, [&](int64_t task, int) {
        const int64_t at = task / tiles % blocks.count, image = task / tiles / blocks.count;
        const int64_t first = blocks.first(at);
        const RowTile tile = grouped.row_tile(task % tiles);
        const Block block = {call.source + image * g.source_image + first, channels, first,
                             blocks.end(at) - first,
                             call.bias != nullptr ? call.bias + first : nullptr};
        const Target target = {
            call.result + image * g.result_image + tile.result_row() * row + first,
            tile.line.result_step * row, channels};
        grouped.run(block, tile, target);
        if (call.epilogue != nullptr) grouped.finish(block, tile, target);
    });
}

// Source rows first .. end-1.
struct Rows {
    int64_t first, end;
};

// How NCHW is cut: runs of row tiles whose source rows a strip holds. One tile is such a run where lines
// interleave, unless the strip has room for the image.
struct Bands {
    Bands(const Lines& lines, const Gather& gather, int64_t most_rows)
        : g(gather), tiles(count_row_tiles(lines, [=](const Line&) { return most_rows; })) {
        int64_t count = 0;
        lines.each([&](const Line&) { return ++count > 1; });
        rows = g.y.source_extent();
        if (fits(rows)) {
            size = tiles;
            return;
        }
        while (count == 1 && size < tiles && fits(span(lines, (size + 1) * most_rows))) ++size;
        rows = span(lines, size * most_rows);
    }
    // The source rows of a run.
    template <class RowTileAt>
    Rows needs(int64_t first, int64_t end, const RowTileAt& row_tile) const {
        Rows r = {g.y.source_extent(), 0};
        for (int64_t i = first; i < end; ++i) {
            const RowTile tile = row_tile(i);
            if (tile.end_tap() <= tile.first_tap()) continue;
            const int64_t step = tile.line.tap_step, at = tile.source_row();
            const int64_t a = at + tile.first_tap() * step, b = at + (tile.end_tap() - 1) * step;
            r.first = min_of(r.first, min_of(a, b));
            r.end = max_of(r.end, max_of(a, b) + 1);
        }
        return r.first < r.end ? r : Rows{0, 0};
    }
    const Gather& g;
    int64_t tiles;
    int64_t size = 1;  // row tiles at most
    int64_t rows;      // of the source, at most

private:
    bool fits(int64_t count) const { return count * g.x.source_extent() * kUnit <= kStripFloats; }
    // Of so many neighbouring rows of a line.
    int64_t span(const Lines& lines, int64_t count) const {
        int64_t most = 0;
        lines.each([&](const Line& line) {
            const int64_t taps = line.taps == 0 ? 0 : (count - 1) * line.step + line.taps;
            const int64_t step = line.tap_step < 0 ? -line.tap_step : line.tap_step;
            most = max_of(most, (taps - 1) * step + 1);
            return false;
        });
        return min_of(most, g.y.source_extent());
    }
};

// A task of NCHW.
struct StripTask {
    int64_t image, first_channel, end_channel;
    Rows source;
    int64_t first_tile, end_tile;
};

class Strips {
public:
    Strips(const Grouped& grouped, const Gather& g) : grouped_(grouped), g_(g) {}

    // memory: the strips of the source and of one tile of rows.
    static CheckedSize floats(const Gather& g, int64_t source_rows, int64_t tile_rows) {
        return (CheckedSize(source_rows) * g.x.source_extent() +
                CheckedSize(tile_rows) * g.x.result_extent()) *
               kWidestBlock;
    }

    void run(const StripTask& task, float* memory) const {
        const GatherCall& call = grouped_.call();
        const int64_t channel = task.first_channel, channels = task.end_channel - channel;
        const int64_t pitch = channels <= kUnit ? kUnit : kWidestBlock;
        const int64_t width = g_.x.source_extent(), plane = g_.y.source_extent() * width;
        const Rectangle source = {task.source.first, task.source.end - task.source.first, 0, width};
        float* sums = memory + source.pixels() * pitch;
        load_strip(grouped_.kernels(), call.source + task.image * g_.source_image + channel * plane,
                   plane, width, source, channels, memory, pitch);
        const Block block = {memory - source.y * width * pitch, pitch, channel, channels,
                             call.bias != nullptr ? call.bias + channel : nullptr};
        const Target target = {sums, static_cast<ptrdiff_t>(g_.x.result_extent() * pitch), pitch};
        float* planes = call.result + task.image * g_.result_image +
                        channel * g_.y.result_extent() * g_.x.result_extent();
        for (int64_t i = task.first_tile; i < task.end_tile; ++i) {
            const RowTile tile = grouped_.row_tile(i);
            grouped_.run(block, tile, target);
            leave(block, tile, target, planes);
        }
    }

private:
    static constexpr int64_t kWidestBlock = 2 * kUnit;

    // A residual is added to the planes, not transposed into a strip.
    void leave(const Block& block, const RowTile& tile, const Target& target, float* planes) const {
        const int64_t width = g_.x.result_extent(), plane = g_.y.result_extent() * width;
        const Epilogue* epilogue = grouped_.call().epilogue;
        const bool late = epilogue != nullptr && epilogue->in_output();
        if (epilogue != nullptr && !late) grouped_.finish(block, tile, target);
        const bool dense = tile.line.result_step == 1;
        for (int64_t i = 0; i < (dense ? 1 : tile.rows); ++i) {
            const Rectangle rows = {tile.result_row() + i * tile.line.result_step,
                                    dense ? tile.rows : 1, 0, width};
            store_strip(grouped_.kernels(), target.first + i * target.row, target.pitch, rows,
                        block.channels, planes, plane, width);
            if (late) finish_planes(*epilogue, rows, block.channels, planes, plane, width);
        }
    }

    const Grouped& grouped_;
    const Gather& g_;
};

void gather_planes(const Grouped& grouped, const Gather& g, int64_t images,
                   const Workspace& workspace, const Execution& execution) {
    const Strips strips(grouped, g);
    const Blocks blocks(g.result_channels(), g.result_channels());
    const Bands bands(Lines(g.y), g, grouped.most_rows());
    const int64_t wanted = execution.threads == 1 ? 1 : kTasksPerThread * execution.threads;
    const int64_t fewest = ceil_div(wanted, max_of(1, images * blocks.count));
    const int64_t parts = max_of(ceil_div(bands.tiles, bands.size), min_of(bands.tiles, fewest));
    parallel_for(execution, images * blocks.count * parts, [&](int64_t task, int slot) {
        const int64_t part = task % parts, at = task / parts % blocks.count;
        const int64_t first = share_start(bands.tiles, parts, part),
                      end = share_start(bands.tiles, parts, part + 1);
        const Rows rows = bands.needs(first, end, [&](int64_t i) { return grouped.row_tile(i); });
        strips.run(
            {task / parts / blocks.count, blocks.first(at), blocks.end(at), rows, first, end},
            reinterpret_cast<float*>(workspace.slot(slot)));
    });
}

void gather(const Context& context, const Gather& g, const GatherCall& call, int64_t images,
            const Workspace& workspace, const Execution& execution) {
    if (fits_planes(context, g)) {
        gather_group_planes(context, g, call, images, execution);
        return;
    }
    GatherCall lanes = call;
    lanes.packed += planes_packed_count(context, g).value();
    const Grouped grouped(context, g, lanes);
    if (g.problem.channels_last()) {
        gather_pixels(grouped, g, images, execution);
    } else {
        gather_planes(grouped, g, images, workspace, execution);
    }
}

WorkspaceSize workspace(const Context& context, nconv_pass pass) {
    const Gather g(context.problem, pass);
    WorkspaceSize size;
    if (!context.problem.channels_last() && !fits_planes(context, g)) {
        const Bands bands(Lines(g.y), g, kTileRows);
        size.per_thread = Strips::floats(g, bands.rows, kTileRows) * int64_t{sizeof(float)};
    }
    if (pass == NCONV_PASS_BACKWARD_INPUT) size.shared = derived_bytes(context.problem);
    return size;
}

CheckedSize packed_count(const Context& context, nconv_pass pass) {
    const Gather g(context.problem, pass);
    return planes_packed_count(context, g) +
           CheckedSize(g.taps_before(g.phases())) * g.reduced *
               round_up(g.result_channels(), context.kernels->lanes);
}

// [phase][vector][tap y][reduced][tap x][lanes]; the last vector ends with the last channel.
void pack(const Context& context, nconv_pass pass, const float* weights, float* packed) {
    const Gather g(context.problem, pass);
    pack_planes(context, g, weights, packed);
    packed += planes_packed_count(context, g).value();
    const int64_t lanes = context.kernels->lanes, channels = g.result_channels();
    const int64_t vectors = ceil_div(channels, lanes);
    for (int64_t i = 0; i < g.phases() * vectors; ++i) {
        const int64_t phase = i / vectors, py = phase / g.x.phases(), px = phase % g.x.phases();
        const int64_t first = min_of(i % vectors * lanes, channels - lanes);
        const int64_t taps_x = g.x.tap_count(px), taps = g.y.tap_count(py) * taps_x;
        for (int64_t t = 0; t < taps * g.reduced; ++t, packed += lanes) {
            const int64_t d = t / taps_x % g.reduced;
            const int64_t r = g.y.tap(py, t / taps_x / g.reduced).kernel,
                          s = g.x.tap(px, t % taps_x).kernel;
            for (int64_t e = 0; e < lanes; ++e) {
                const int64_t channel = first + e;
                packed[e] =
                    weights[g.weight_at(channel / g.produced, channel % g.produced, d, r, s)];
            }
        }
    }
}

}  // namespace

const Algorithm kGrouped = {"grouped",
                            declines,
                            yields,
                            workspace,
                            packed_count,
                            pack,
                            gather_forward<gather>,
                            gather_backward_input<gather>,
                            nullptr};

}  // namespace nconv
