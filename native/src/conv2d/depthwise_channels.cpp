// Depthwise gathers with channels in lanes: NHWC, and NCHW by transposed blocks of planes.
#include "conv2d/depthwise.h"
#include "conv2d/lines.h"
#include "conv2d/planes.h"

namespace nconv {
namespace {

class ChannelsGather {
public:
    // walk_rows: of a call where kernels that take any number of rows serve all of the gather; 0: none.
    ChannelsGather(const DepthwiseCall& call, const float* weights, int64_t walk_rows)
        : call_(call),
          y_(call.gather.y),
          x_(call.gather.x),
          weights_(weights),
          walks_(walk_rows > 0 && find_walks()),
          most_rows_(walks_ ? walk_rows : call.kernels().depthwise->rows) {}

    bool walks() const { return walks_; }
    int64_t most_rows() const { return most_rows_; }
    int64_t row_tiles() const {
        return count_row_tiles(y_, [this](const Line&) { return most_rows(); });
    }
    RowTile row_tile(int64_t index) const {
        return find_row_tile(
            y_, [this](const Line&) { return most_rows(); }, index);
    }

    void run(const DepthwiseBlock& block, const RowTile& tile) const {
        const Gather& g = call_.gather;
        const int64_t source_row = g.x.source_extent() * block.source_pitch;
        const int64_t result_row = g.x.result_extent() * block.result_pitch;
        DepthwiseArgs args = {};
        args.source_row = tile.line.tap_step * source_row;
        args.kernel_rows = static_cast<int>(tile.line.taps);
        args.first_row = static_cast<int>(min_of(tile.first_tap(), tile.end_tap()));
        args.end_row = static_cast<int>(tile.end_tap());
        args.rows = static_cast<int>(tile.rows);
        args.row_step = static_cast<int>(tile.line.step);
        args.out_row = tile.line.result_step * result_row;
        args.channels = block.channels;
        args.init = block.bias;
        const float* source = block.source + tile.source_row() * source_row;
        float* result = block.result + tile.result_row() * result_row;
        const int64_t lanes = call_.kernels().lanes;
        const int64_t channels = round_up(call_.problem().input_channels, lanes);
        x_.each([&](const Line& line) {
            const int64_t phase = tile.line.phase * g.x.phases() + line.phase;
            args.weight_vector = line.taps * tile.line.taps * lanes;
            args.weights = weights_ + g.taps_before(phase) * channels +
                           block.first_channel / lanes * args.weight_vector;
            args.kernel_columns = static_cast<int>(line.taps);
            args.source_column = line.tap_step * block.source_pitch;
            args.column_step = line.step;
            args.out_column = line.result_step * block.result_pitch;
            args.source = source + line.source_first * block.source_pitch;
            args.out = result + line.result_first * block.result_pitch;
            run_line(tile.line, line, args);
            return false;
        });
        if (block.finishes) finish(block, tile, result);
    }

private:
    // Columns that lack up to half of their taps on each side together where there is a kernel for them.
    void run_line(const Line& y, const Line& x, const DepthwiseArgs& whole) const {
        DepthwiseArgs args = whole;
        const auto columns = [&](int64_t first, int64_t count, DepthwiseKernel kernel) {
            args.source = whole.source + first * x.step * whole.source_column;
            args.out = whole.out + first * whole.out_column;
            args.columns = count;
            args.first_tap = static_cast<int>(x.first_tap(first));
            args.end_tap = static_cast<int>(x.end_tap(first));
            kernel(args);
        };
        const DepthwiseKernel any = call_.kernels().depthwise->any;
        const DepthwiseChannels* fixed = fixed_for(y, x);
        int64_t full = x.full_first(), end = x.full_end();
        if (fixed != nullptr) {
            const int64_t most = x.taps / 2;
            const auto takes = [&](int64_t i) {
                return x.first_tap(i) <= most && x.end_tap(i) >= x.taps - most;
            };
            while (full > 0 && takes(full - 1)) --full;
            while (end < x.count && takes(end)) ++end;
        }
        for (int64_t i = 0; i < full; ++i) columns(i, 1, any);
        if (full < end) {
            args.left = static_cast<int>(x.first_tap(full));
            args.right = static_cast<int>(x.taps - x.end_tap(end - 1));
            columns(full, end - full, fixed != nullptr ? fixed->kernel : any);
        }
        for (int64_t i = end; i < x.count; ++i) columns(i, 1, any);
    }

    const DepthwiseChannels* fixed_for(const Line& y, const Line& x) const {
        for (const DepthwiseChannels& d : call_.kernels().depthwise->fixed) {
            if (d.rows == y.taps && d.columns == x.taps && d.step == x.step && d.step == y.step)
                return &d;
        }
        return nullptr;
    }

    bool find_walks() const {
        return !y_.each([this](const Line& y) {
            return x_.each([&](const Line& x) { return fixed_for(y, x) == nullptr; });
        });
    }

    void finish(const DepthwiseBlock& block, const RowTile& tile, float* result) const {
        const int64_t pixels = call_.gather.x.result_extent();
        const bool dense = block.channels == block.result_pitch;
        for (int64_t i = 0; i < tile.rows; ++i) {
            float* row = result + i * tile.line.result_step * pixels * block.result_pitch;
            for (int64_t j = 0; j < (dense ? 1 : pixels); ++j)
                call_.finish(row + j * block.result_pitch,
                             dense ? pixels * block.channels : block.channels);
        }
    }

    const DepthwiseCall& call_;
    const Lines y_, x_;
    const float* weights_;
    const bool walks_;
    const int64_t most_rows_;
};

// Rows of a task where a kernel walks down them: 56 gained 5 to 10 points over 16, but all phases of a
// strided result should find their source in L2. Pixels a multiple of 1024 bytes apart share four sets of
// L1, in which a walk down the rows keeps nothing: 512 channels at 14 x 14 fell from 56 % of peak to 41.
// Asking for the next vector of channels ahead lost up to 14 points elsewhere. Vectors of half a line read it twice,
// which of strided rows should still be in L1: AVX2, 96 channels at 112 x 112 from 33 to 41 % of peak on two threads.
int64_t walk_rows(const DepthwiseCall& call) {
    constexpr int64_t kRows = 56, kStridedRows = 14, kFewest = 8, kPhasesFloats = 1 << 15;
    constexpr int64_t kConflict = 1024 / sizeof(float);
    const bool halves = call.kernels().lanes < kLineFloats;
    const int64_t channels = call.problem().input_channels;
    if (channels % kConflict == 0) return 0;
    if (call.gather.phases() == 1)
        return halves && call.gather.y.source_step() > 1 ? kStridedRows : kRows;
    const int64_t rows = kPhasesFloats / (channels * call.gather.x.source_extent());
    return rows < kFewest ? 0 : min_of(kRows, rows);
}

// Blocks of near-equal numbers of whole vectors of channels: one where a kernel walks, else of up to 256
// channels; more where threads would be short of tasks, but of not less than four vectors where runs of them are
// read along memory. A task costs 0.1 us before its sums: of 960 channels at 7 x 7, which take a thread
// 3.2 us, two threads made 55 % of peak in eight tasks and 64 in two.
int64_t channel_blocks(const DepthwiseCall& call, const ChannelsGather& gather,
                       const Execution& execution) {
    constexpr int64_t kTaskWork = 1 << 18;
    const int64_t channels = call.problem().input_channels, lanes = call.kernels().lanes;
    const int64_t most = gather.walks() ? channels : 256, fewest = gather.walks() ? 1 : 4;
    const int64_t work = call.images * call.result_pixels() * channels * call.problem().kernel_taps;
    const int64_t threads = execution.threads, most_each = gather.walks() ? 4 : 6;
    const int64_t each = max_of(1, min_of(most_each, work / kTaskWork / threads));
    const int64_t wanted = threads == 1 ? 1 : each * threads;
    const int64_t blocks = max_of(ceil_div(channels, most),
                                  ceil_div(wanted, max_of(1, gather.row_tiles() * call.images)));
    return max_of(1, min_of(blocks, ceil_div(channels, lanes) / fewest));
}

// Tasks of some 65000 multiply-adds: as far apart in the result as its lines stay in L2.
void gather_quads(const DepthwiseCall& call, const Execution& execution) {
    constexpr int64_t kTaskWork = 1 << 16;
    const Gather& g = call.gather;
    const int64_t rows = g.y.source_extent(), channels = call.problem().input_channels;
    const int64_t row_work = g.x.source_extent() * channels * call.problem().kernel_taps;
    const int64_t tiles = min_of(rows, ceil_div(rows * row_work, kTaskWork));
    parallel_for(execution, call.images * tiles, [&](int64_t task, int) {
        const GatherCall& c = call.call;
        const int64_t image = task / tiles, tile = task % tiles;
        const DepthwiseBlock block = {c.source + image * g.source_image,
                                      channels,
                                      c.result + image * g.result_image,
                                      channels,
                                      c.bias,
                                      0,
                                      channels,
                                      false};
        depthwise_gather_quads(call, c.packed, block, share_start(rows, tiles, tile),
                               share_start(rows, tiles, tile + 1));
    });
}

}  // namespace

void depthwise_gather_channels(const DepthwiseCall& call, const Execution& execution) {
    if (has_depthwise_quads(call.context, call.gather)) return gather_quads(call, execution);
    const ChannelsGather gather(call, call.call.packed, walk_rows(call));
    const int64_t channels = call.problem().input_channels;
    const int64_t tiles = gather.row_tiles();
    const int64_t lanes = call.kernels().lanes, vectors = ceil_div(channels, lanes);
    const int64_t blocks = channel_blocks(call, gather, execution);
    parallel_for(execution, call.images * blocks * tiles, [&](int64_t task, int) {
        const int64_t tile = task % tiles, index = task / tiles % blocks;
        const int64_t at = even_start(vectors, blocks, index) * lanes;
        const int64_t end = min_of(channels, even_start(vectors, blocks, index + 1) * lanes);
        const int64_t image = task / tiles / blocks;
        const GatherCall& c = call.call;
        const DepthwiseBlock block = {c.source + image * call.gather.source_image + at,
                                      channels,
                                      c.result + image * call.gather.result_image + at,
                                      channels,
                                      c.bias != nullptr ? c.bias + at : nullptr,
                                      at,
                                      end - at,
                                      c.epilogue != nullptr};
        gather.run(block, gather.row_tile(tile));
    });
}

namespace {

// One vector of channels, four where they are small.
int64_t strip_channels(const Context& context) {
    const Problem& p = context.problem;
    constexpr int64_t kSmall = 1024;
    return (p.input_pixels + p.output_pixels <= kSmall ? 4 : 1) * int64_t{context.kernels->lanes};
}

// Results of large images leave for their planes tile by tile, while they are in L1, else all
// together.
bool leaves_by_tiles(const Problem& p) {
    constexpr int64_t kLarge = 2048;
    return p.input_pixels + p.output_pixels > kLarge;
}

// Rows of a line, and of results that a strip has at a time.
constexpr int64_t kStripRows = 16;
int64_t strip_rows(const Context& context, const Gather& g) {
    const int64_t most = (kStripRows - 1) * g.y.result_step() + 1;
    return leaves_by_tiles(context.problem) && g.problem.height.dilation == 1
               ? min_of(most, g.y.result_extent())
               : g.y.result_extent();
}

}  // namespace

CheckedSize depthwise_strips_workspace(const Context& context, const Gather& g) {
    const CheckedSize source = CheckedSize(g.y.source_extent()) * g.x.source_extent();
    const CheckedSize result = CheckedSize(strip_rows(context, g)) * g.x.result_extent();
    return (source + result) * strip_channels(context) * int64_t{sizeof(float)};
}

void depthwise_gather_strips(const DepthwiseCall& call, const Execution& execution) {
    const Problem& p = call.problem();
    const int64_t width = call.gather.x.result_extent(), height = call.gather.y.result_extent();
    const bool by_tiles = strip_rows(call.context, call.gather) < height;
    const ChannelsGather gather(call, call.call.packed + p.weights_count,
                                by_tiles ? kStripRows : height);
    const int64_t size = strip_channels(call.context), blocks = ceil_div(p.input_channels, size);
    const int64_t source_pixels = call.source_pixels(), result_pixels = call.result_pixels();
    const Rectangle source = {0, call.gather.y.source_extent(), 0, call.gather.x.source_extent()};
    const int64_t tiles = gather.row_tiles();
    const bool paired = has_depthwise_quads(call.context, call.gather);
    const int64_t pairs = paired ? source.rows : 0;
    const int64_t tile_pairs = by_tiles ? strip_rows(call.context, call.gather) / 2 : pairs;
    parallel_for(execution, call.images * blocks, [&](int64_t task, int slot) {
        const GatherCall& c = call.call;
        const int64_t at = task % blocks * size, image = task / blocks;
        const int64_t channels = min_of(size, p.input_channels - at);
        float* strip = reinterpret_cast<float*>(call.workspace.slot(slot));
        float* sums = strip + source_pixels * size;
        load_strip(call.kernels(), c.source + image * call.gather.source_image + at * source_pixels,
                   source_pixels, source.columns, source, channels, strip, size);
        // A residual is added to the planes, not transposed into a strip.
        const bool late = c.epilogue != nullptr && c.epilogue->in_output();
        DepthwiseBlock block = {strip,
                                size,
                                sums,
                                size,
                                c.bias != nullptr ? c.bias + at : nullptr,
                                at,
                                channels,
                                c.epilogue != nullptr && !late};
        float* planes = c.result + image * call.gather.result_image + at * result_pixels;
        const auto leave = [&](const float* from, const Rectangle& rows) {
            store_strip(call.kernels(), from, size, rows, channels, planes, result_pixels, width);
            if (late) finish_planes(*c.epilogue, rows, channels, planes, result_pixels, width);
        };
        for (int64_t i = 0, end; i < pairs; i = end) {
            end = min_of(pairs, i + tile_pairs);
            const int64_t low = 2 * i, rows = min_of(2 * end, height) - low;
            block.result = sums - low * width * size;
            depthwise_gather_quads(call, c.packed + p.weights_count, block, i, end);
            leave(sums, {low, rows, 0, width});
        }
        if (pairs > 0) return;
        for (int64_t t = 0; t < tiles; ++t) {
            const RowTile tile = gather.row_tile(t);
            const int64_t step = tile.line.result_step, last = (tile.rows - 1) * step;
            const int64_t low = min_of(tile.result_row(), tile.result_row() + last);
            if (by_tiles) block.result = sums - low * width * size;
            gather.run(block, tile);
            if (!by_tiles) continue;
            const int64_t spacing = step < 0 ? -step : step;
            if (spacing == 1) {
                leave(sums, {low, tile.rows, 0, width});
            } else {
                for (int64_t i = 0; i < tile.rows; ++i)
                    leave(sums + i * spacing * width * size, {low + i * spacing, 1, 0, width});
            }
        }
        if (!by_tiles) leave(sums, {0, height, 0, width});
    });
}

}  // namespace nconv
