// backward_weights as an outer product: for each tap, grad_weights[o][c] is the sum over pixels of
// grad_output[pixel][o] * input[what the tap reads there][c], with o in the rows of a register tile and c
// in its lanes. Taps are moved over the input by pointer; pixels whose tap falls outside are skipped.
//
// The pixels are taken in chunks, and runs of chunks are summed apart where the gradient is small: these
// partial sums, fixed by the shape, are added in order at the end. A task computes part of one partial
// sum, some tiles of o by some blocks of c, and packs for itself what that takes: packing shared between
// threads had every line read from the other core's cache and a barrier per chunk, 43 % of peak on two
// threads where one reached 76.
#include <string.h>

#include "conv2d/gemm.h"
#include "conv2d/planes.h"
#include "conv2d/weight_chunks.h"

namespace nconv {
namespace {

constexpr int64_t kStripAlignment =
    32;  // floats: the lanes of the widest tile, so no load is partial

constexpr int64_t kStageFloats = 64 * 1024;
// More than L2 holds: asked for ahead of the stores, which a tile has all at once.
constexpr int64_t kFarWeights = 256 * 1024;

bool needs_staging(const Problem& p) { return !p.channels_last() && p.kernel_taps > 1; }

// The sums of a tile of filters and a block of channels, [filter][tap][channel] on their way to [filter][channel][tap].
CheckedSize stage_floats(const Context& context) {
    const GemmKernels& k = *context.kernels->gemm;
    return CheckedSize(context.problem.kernel_taps) * k.packed_tile_rows * k.packed_tile_vectors *
           context.kernels->lanes;
}

// Whether all chunks are one sum, which a task then finishes tile by tile: 512 channels at 7 x 7 are written 9 MB to
// be read and written again, and took twice as long as in NHWC.
bool finishes_tiles(const Context& context, const Chunks& c) {
    const CheckedSize stage = stage_floats(context);
    return needs_staging(context.problem) && c.partials == 1 && stage.valid() &&
           stage.value() <= kStageFloats;
}

int64_t strip_pitch(int64_t channels) {
    return round_up(channels, kStripAlignment) + kStripAlignment;
}

// The parts of the workspace, in floats.
struct Layout {
    explicit Layout(const Context& context) {
        const Problem& p = context.problem;
        const Chunks c(p, p.input_channels);
        const bool by_tiles = finishes_tiles(context, c);
        const bool apart = c.partials > 1 || (needs_staging(p) && !(by_tiles && c.count <= 1));
        sums = shared.place(apart ? CheckedSize(c.partials) * p.weights_count : CheckedSize(0));
        bias = shared.place(CheckedSize(c.partials) * p.bias_count);
        const CheckedSize tile = CheckedSize(c.images) * c.rows * p.width.output *
                                 context.kernels->gemm->packed_tile_rows;
        packed = per_thread.place(tile);
        output = per_thread.place(p.linear() ? CheckedSize(0) : tile);
        strip =
            per_thread.place(p.channels_last() ? CheckedSize(0)
                                               : CheckedSize(c.images) * c.input_rows *
                                                     p.width.input * strip_pitch(p.input_channels));
        stage = per_thread.place(by_tiles ? stage_floats(context) : CheckedSize(0));
        ordered = per_thread.place(by_tiles ? CheckedSize(p.kernel_taps) * p.group_inputs
                                            : CheckedSize(0));
        if (needs_staging(p)) filter = p.kernel_taps * p.group_inputs;
    }
    int64_t sums, bias;                             // shared
    int64_t packed, output, strip, stage, ordered;  // per thread
    int64_t filter = 0;  // floats of the adding of partial sums, per thread
    MemoryMap shared, per_thread;
};

// Output positions whose tap reads inside the input: first .. end-1, cut to low .. high-1.
struct Range {
    int64_t first, end;
    int64_t count() const { return end - first; }
};
Range reading_inside(const Axis& a, int64_t tap, int64_t low, int64_t high) {
    const int64_t shift = a.pad_before - tap * a.dilation;
    const int64_t first = shift > 0 ? ceil_div(shift, a.stride) : 0;
    const int64_t past = a.input + shift;  // positions * stride must stay below
    const int64_t end = past > 0 ? ceil_div(past, a.stride) : 0;
    Range r = {max_of(first, low), min_of(end, high)};
    if (r.end < r.first) r.end = r.first;
    return r;
}

// Near-equal tiles of each group's output channels, groups one after the other.
struct Tile {
    int64_t from, rows;  // of all output channels
};
struct Tiles {
    explicit Tiles(const Context& context)
        : p(context.problem),
          per_group(ceil_div(p.group_outputs, context.kernels->gemm->packed_tile_rows)) {}
    int64_t count() const { return per_group * p.groups; }
    Tile at(int64_t index) const {
        const int64_t base = index / per_group * p.group_outputs, tile = index % per_group;
        const int64_t from = share_start(p.group_outputs, per_group, tile);
        return {base + from, share_start(p.group_outputs, per_group, tile + 1) - from};
    }
    const Problem& p;
    int64_t per_group;
};

// How a partial sum is cut into tasks: a grid of tiles by blocks of channels, such that least is packed
// twice. With several groups each tile has channels of its own.
struct Cut {
    // wanted: tasks of a partial sum.
    Cut(const Context& context, int64_t wanted)
        : tiles(Tiles(context).count()),
          blocks(ceil_div(context.problem.group_inputs, block_width(context))) {
        const Problem& p = context.problem;
        const int64_t most = p.groups == 1 ? min_of(blocks, wanted) : 1;
        int64_t least = INT64_MAX;
        for (int64_t i = 1; i <= most; ++i) {
            const int64_t j = min_of(tiles, ceil_div(wanted, i));
            const int64_t packed = i * p.output_channels + j * p.input_channels;
            if (i * j < min_of(wanted, most * tiles) || packed >= least) continue;
            least = packed;
            block_parts = i;
            tile_parts = j;
        }
    }
    static int64_t block_width(const Context& context) {
        return static_cast<int64_t>(context.kernels->gemm->packed_tile_vectors) *
               context.kernels->lanes;
    }
    Range tile_range(int64_t part) const {
        return {share_start(tiles, tile_parts, part), share_start(tiles, tile_parts, part + 1)};
    }
    Range block_range(int64_t part) const {
        return {share_start(blocks, block_parts, part), share_start(blocks, block_parts, part + 1)};
    }
    int64_t tiles, blocks;
    int64_t tile_parts = 1, block_parts = 1;
};

class WeightsPass {
public:
    WeightsPass(const Context& context, const BackwardWeightsCall& call, const Workspace& workspace,
                const Execution& execution)
        : p_(context.problem),
          k_(*context.kernels),
          context_(context),
          call_(call),
          workspace_(workspace),
          execution_(execution),
          chunks_(p_, p_.input_channels),
          layout_(context),
          tiles_(context),
          cut_(context, ceil_div(fewest_tasks(execution), call.active(chunks_.partials))),
          by_tiles_(finishes_tiles(context, chunks_)),
          apart_(chunks_.partials > 1 || needs_staging(p_)) {}

    void run() const {
        const int64_t parts = cut_.tile_parts * cut_.block_parts;
        parallel_for(execution_, chunks_.partials * parts, [&](int64_t task, int slot) {
            const int64_t part = task % parts;
            add_chunks(task / parts, cut_.tile_range(part / cut_.block_parts),
                       cut_.block_range(part % cut_.block_parts),
                       reinterpret_cast<float*>(workspace_.slot(slot)));
        });
        if (!call_.finishes()) return;
        if (apart_ && !by_tiles_) {
            parallel_for(execution_, p_.output_channels, [&](int64_t o, int slot) {
                add_partials(o, reinterpret_cast<float*>(workspace_.slot(slot)));
            });
        }
        add_partial_bias(p_, call_, workspace_.shared_floats() + layout_.bias, chunks_.partials);
    }

private:
    // The chunks of one partial sum, for some tiles and blocks of channels.
    void add_chunks(int64_t partial, Range tiles, Range blocks, float* memory) const {
        const int64_t width = Cut::block_width(context_), filter = p_.kernel_taps * p_.group_inputs;
        const int64_t from =
            p_.groups > 1 ? tiles.first / tiles_.per_group * p_.group_inputs : blocks.first * width;
        const int64_t end = p_.groups > 1 ? ceil_div(tiles.end, tiles_.per_group) * p_.group_inputs
                                          : min_of(blocks.end * width, p_.input_channels);
        float* sums = apart_
                          ? workspace_.shared_floats() + layout_.sums + partial * p_.weights_count
                          : call_.grad_weights;
        float* bias = workspace_.shared_floats() + layout_.bias + partial * p_.bias_count;
        const ChunkRange range(call_, chunks_.cut(), partial);
        for (int64_t i = range.first; i < range.end; ++i) {
            Chunk chunk = make_chunk(p_, chunks_, range, i);
            take_input(chunk, from, end - from, memory + layout_.strip);
            const bool add = i > range.begin || (call_.accumulate && !apart_);
            for (int64_t t = tiles.first; t < tiles.end; ++t) {
                const Tile tile = tiles_.at(t);
                const float* packed = pack_gradient(chunk, tile, memory);
                if (call_.grad_bias != nullptr && blocks.first == 0) {
                    if (i == range.begin)
                        memset(bias + tile.from, 0, static_cast<size_t>(tile.rows) * sizeof(float));
                    k_.add_rows(packed, tile.rows, chunk.images * chunk.rows * p_.width.output,
                                tile.rows, bias + tile.from);
                }
                const int64_t group = tile.from / p_.group_outputs * p_.group_inputs;
                for (int64_t b = blocks.first; b < blocks.end; ++b) {
                    const int64_t c = b * width, columns = min_of(width, p_.group_inputs - c);
                    float* out = sums + tile.from * filter + c;
                    int64_t tap_step = p_.group_inputs;
                    // Sums of a single chunk need no memory but the task's.
                    if (by_tiles_ && chunks_.count == 1) {
                        out = memory + layout_.stage;
                        tap_step = columns;
                    }
                    const int64_t row = tap_step * p_.kernel_taps;
                    const bool far = p_.weights_count > kFarWeights;
                    const bool ends = by_tiles_ && i + 1 == chunks_.count;
                    float* to = call_.grad_weights + tile.from * filter + c * p_.kernel_taps;
                    for (int64_t tap = 0; tap < p_.kernel_taps; ++tap) {
                        for (int64_t o = 0; ends && far && o < tile.rows; ++o)
                            prefetch(to + o * filter + tap * columns, columns);
                        multiply(
                            chunk, tile, packed, tap, group + c - from, columns,
                            {out + tap * tap_step, row, add ? TileMode::kAdd : TileMode::kStore});
                    }
                    for (int64_t o = 0; ends && o < tile.rows; ++o) {
                        store_filter(out + o * row, tap_step, columns, memory + layout_.ordered,
                                     to + o * filter);
                    }
                }
            }
        }
    }

    // Where the chunk's input is: in NHWC where it was, in NCHW the channels from .. in the strip.
    void take_input(Chunk& chunk, int64_t from, int64_t channels, float* strip) const {
        if (p_.channels_last()) {
            chunk.pitch = p_.input_channels;
            chunk.strip_image = p_.input_image;
            chunk.strip = call_.input + chunk.first_image * p_.input_image + from;
            chunk.first_input_row = 0;
            return;
        }
        chunk.pitch = strip_pitch(channels);
        chunk.strip_image = chunk.input_rows * p_.width.input * chunk.pitch;
        chunk.strip = strip;
        for (int64_t n = 0; n < chunk.images; ++n) {
            load_strip(
                k_, call_.input + (chunk.first_image + n) * p_.input_image + from * p_.input_pixels,
                p_.input_pixels, p_.width.input,
                {chunk.first_input_row, chunk.input_rows, 0, p_.width.input}, channels,
                strip + n * chunk.strip_image, chunk.pitch);
        }
    }

    // The tile's part of grad_output, [image][row][x][o of the tile], times the activation's derivative.
    const float* pack_gradient(const Chunk& chunk, const Tile& tile, float* memory) const {
        float* packed = memory + layout_.packed;
        pack_tile(chunk, tile, chunk.gradient, packed);
        if (call_.output != nullptr) {
            float* output = memory + layout_.output;
            pack_tile(chunk, tile, call_.output + chunk.first_image * p_.output_image, output);
            k_.activations[p_.activation].derive(
                packed, output, packed, chunk.images * chunk.rows * p_.width.output * tile.rows,
                p_.alpha, p_.beta);
        }
        return packed;
    }

    // images: of the output or its gradient, from the chunk's first one on.
    void pack_tile(const Chunk& chunk, const Tile& tile, const float* images, float* packed) const {
        const int64_t pixels = chunk.rows * p_.width.output,
                      first = chunk.first_row * p_.width.output;
        for (int64_t n = 0; n < chunk.images; ++n) {
            const float* image = images + n * p_.output_image;
            float* out = packed + n * pixels * tile.rows;
            if (p_.channels_last()) {
                k_.pack_columns(image + first * p_.output_channels + tile.from, p_.output_channels,
                                pixels, static_cast<int>(tile.rows), out);
            } else {
                k_.transpose(image + tile.from * p_.output_pixels + first, p_.output_pixels, out,
                             tile.rows, tile.rows, pixels);
            }
        }
    }

    // Where a tile's sums go.
    struct TileSums {
        float* at;
        int64_t row;
        TileMode mode;
    };

    // All pixels of the chunk, one tile of output channels, one block of input channels, one tap.
    void multiply(const Chunk& chunk, const Tile& tile, const float* packed, int64_t tap,
                  int64_t channel, int64_t columns, const TileSums& to) const {
        const int64_t r = tap / p_.width.kernel, s = tap % p_.width.kernel;
        const Range ys =
            reading_inside(p_.height, r, chunk.first_row, chunk.first_row + chunk.rows);
        const Range xs = reading_inside(p_.width, s, 0, p_.width.output);
        const int64_t row =
            ys.first * p_.height.stride + r * p_.height.dilation - p_.height.pad_before;
        const int64_t column =
            xs.first * p_.width.stride + s * p_.width.dilation - p_.width.pad_before;

        PackedTileArgs args = {};
        args.x = xs.count();
        args.y = args.x > 0 ? ys.count() : 0;
        args.z = chunk.images;
        args.a = packed + ((ys.first - chunk.first_row) * p_.width.output + xs.first) * tile.rows;
        args.a_y = p_.width.output * tile.rows;
        args.a_z = chunk.rows * args.a_y;
        args.b = chunk.strip +
                 ((row - chunk.first_input_row) * p_.width.input + column) * chunk.pitch + channel;
        args.b_x = p_.width.stride * chunk.pitch;
        args.b_y = p_.height.stride * p_.width.input * chunk.pitch;
        args.b_z = chunk.strip_image;
        args.out = to.at;
        args.out_row = to.row;
        args.tiles = 1;
        args.columns = static_cast<int>(columns);
        args.mode = to.mode;
        const int vectors = static_cast<int>(ceil_div(columns, k_.lanes));
        k_.gemm->packed_tile[tile.rows - 1][vectors - 1](args);
    }

    // The gradient of one output channel: its partial sums in order, from [tap][c] to [c][tap] in NCHW.
    void add_partials(int64_t o, float* memory) const {
        const int64_t filter = p_.kernel_taps * p_.group_inputs;
        float* sums = workspace_.shared_floats() + layout_.sums + o * filter;
        for (int64_t i = 1; i < chunks_.partials; ++i)
            k_.add_rows(sums + i * p_.weights_count, 0, 1, filter, sums);
        float* out = call_.grad_weights + o * filter;
        if (needs_staging(p_)) {
            store_filter(sums, p_.group_inputs, p_.group_inputs, memory, out);
        } else {
            store_sums(call_, sums, filter, out);
        }
    }

    // Some channels of a filter from [tap][c] to [c][tap].
    void store_filter(const float* sums, int64_t tap_step, int64_t channels, float* memory,
                      float* out) const {
        float* ordered = call_.accumulate ? memory : out;
        k_.transpose(sums, tap_step, ordered, p_.kernel_taps, p_.kernel_taps, channels);
        store_sums(call_, ordered, channels * p_.kernel_taps, out);
    }

    const Problem& p_;
    const KernelSet& k_;
    const Context& context_;
    const BackwardWeightsCall& call_;
    const Workspace& workspace_;
    const Execution& execution_;
    const Chunks chunks_;
    const Layout layout_;
    const Tiles tiles_;
    const Cut cut_;
    const bool by_tiles_, apart_;
};

}  // namespace

WorkspaceSize gemm_weights_workspace(const Context& context) {
    const Layout layout(context);
    WorkspaceSize size;
    size.shared = layout.shared.bytes();
    size.per_thread =
        larger_of(layout.per_thread.bytes(), CheckedSize(layout.filter) * int64_t{sizeof(float)});
    return size;
}

void gemm_backward_weights(const Context& context, const BackwardWeightsCall& call,
                           const Workspace& workspace, const Execution& execution) {
    WeightsPass(context, call, workspace, execution).run();
}

WeightsCut gemm_weights_cut(const Context& context) {
    return Chunks(context.problem, context.problem.input_channels).cut();
}

}  // namespace nconv
