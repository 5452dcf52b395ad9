// backward_weights as an outer product: for each tap, grad_weights[o][c] is the sum over pixels of
// grad_output[pixel][o] * input[what the tap reads there][c], with o in the rows of a register tile and c
// in its lanes. Taps are moved over the input by pointer; pixels whose tap falls outside are skipped.
//
// The pixels are taken in chunks, whose extent follows from the shape alone. A chunk's grad_output is
// packed once, [tile][image][row][x][o of the tile]; then every (tile, channel block, tap) is a task with
// its accumulators in registers. Chunks are added one after the other, so no task ever shares an output.
#include <string.h>

#include "conv2d/derivative.h"
#include "conv2d/gemm.h"
#include "conv2d/planes.h"

namespace nconv {
namespace {

// Pixels of a chunk: a tile's share (48 KB) and a channel block's (128 KB) stay in L2 together.
constexpr int64_t kChunkPixels = 1024;
constexpr int64_t kChunkFloats = 1 << 20;
constexpr int64_t kStripAlignment = 32;  // floats: the lanes of the widest tile, so no load is partial

// How the pixels are cut: whole images where they are small, rows of one image where they are large.
struct Chunks {
    explicit Chunks(const Problem& p) {
        const int64_t pixels = max_of(1, min_of(kChunkPixels, kChunkFloats / p.output_channels));
        if (p.output_pixels <= pixels) {
            rows = p.height.output;
            row_chunks = 1;
            images = min_of(max_of(1, p.batch), pixels / p.output_pixels);
        } else {
            images = 1;
            const int64_t most = max_of(1, pixels / p.width.output);
            row_chunks = ceil_div(p.height.output, most);
            rows = ceil_div(p.height.output, row_chunks);
        }
        image_chunks = ceil_div(p.batch, images);
        // The input rows a chunk's windows touch, at most.
        const Axis& h = p.height;
        input_rows = min_of(h.input, (rows - 1) * h.stride + (h.kernel - 1) * h.dilation + 1);
    }
    int64_t images, rows, row_chunks, image_chunks, input_rows;
};

// One chunk at work. In NCHW the input is transposed into a strip [image][row][x][channel] first.
struct Chunk {
    int64_t first_image, images;
    int64_t first_row, rows;              // of the output
    int64_t first_input_row, input_rows;  // of the strip
    const float* grad;                    // derived or as given, at first_image
    int64_t grad_image;
    const float* strip;
    int64_t pitch, strip_image;
    bool first;
};

bool needs_staging(const Problem& p) { return !p.channels_last() && p.kernel_taps > 1; }

int64_t strip_pitch(const Problem& p) { return round_up(p.input_channels, kStripAlignment) + kStripAlignment; }

// The parts of the shared workspace, in floats.
struct Layout {
    explicit Layout(const Problem& p) {
        const Chunks c(p);
        const auto take = [this](CheckedSize floats) {
            const CheckedSize start = total;
            if ((floats + 16).valid()) floats = round_up(floats.value(), 16);
            total = total + floats;
            return start.valid() ? start.value() : 0;
        };
        packed = take(CheckedSize(c.images) * c.rows * p.width.output * p.output_channels);
        derived = take(p.linear() ? CheckedSize(0) : CheckedSize(c.images) * p.output_image);
        strip = take(p.channels_last() ? CheckedSize(0)
                                       : CheckedSize(c.images) * c.input_rows * p.width.input * strip_pitch(p));
        staged = take(needs_staging(p) ? CheckedSize(p.weights_count) : CheckedSize(0));
        bias = take(p.bias_count);
    }
    int64_t packed, derived, strip, staged, bias;
    CheckedSize total = 0;
};

// Output positions whose tap reads inside the input: first .. end-1, cut to low .. high-1.
struct Range {
    int64_t first, end;
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

struct Tile {
    int64_t from, rows;  // of all output channels
};

// Near-equal tiles of each group's output channels, groups one after the other.
struct Tiles {
    Tiles(const Context& context)
        : p(context.problem), per_group(ceil_div(p.group_outputs, context.kernels->packed_tile_rows)) {}
    int64_t count() const { return per_group * p.groups; }
    Tile at(int64_t index) const {
        const int64_t base = index / per_group * p.group_outputs, tile = index % per_group;
        const int64_t from = share_start(p.group_outputs, per_group, tile);
        return {base + from, share_start(p.group_outputs, per_group, tile + 1) - from};
    }
    const Problem& p;
    int64_t per_group;
};

void pack_gradient(const Context& context, const Chunk& chunk, Tile tile, float* packed, float* bias) {
    const Problem& p = context.problem;
    const int64_t pixels = chunk.rows * p.width.output, first = chunk.first_row * p.width.output;
    for (int64_t n = 0; n < chunk.images; ++n) {
        const float* grad = chunk.grad + n * chunk.grad_image;
        float* out = packed + n * pixels * tile.rows;
        if (p.channels_last()) {
            context.kernels->pack_columns(grad + first * p.output_channels + tile.from, p.output_channels,
                                          pixels, static_cast<int>(tile.rows), out);
        } else {
            context.kernels->transpose(grad + tile.from * p.output_pixels + first, p.output_pixels, out,
                                       tile.rows, tile.rows, pixels);
        }
    }
    if (bias != nullptr) {
        context.kernels->add_rows(packed, tile.rows, chunk.images * pixels, tile.rows, bias + tile.from);
    }
}

void fill_strip(const Context& context, const float* input, const Chunk& chunk, float* strip,
                const Execution& execution) {
    constexpr int64_t kChannels = 16;
    const Problem& p = context.problem;
    const int64_t blocks = ceil_div(p.input_channels, kChannels);
    const int64_t pixels = chunk.input_rows * p.width.input;
    parallel_for(execution, chunk.images * blocks, [&](int64_t task, int) {
        const int64_t n = task / blocks, c = task % blocks * kChannels;
        context.kernels->transpose(
            input + (chunk.first_image + n) * p.input_image + c * p.input_pixels +
                chunk.first_input_row * p.width.input,
            p.input_pixels, strip + n * chunk.strip_image + c, chunk.pitch,
            min_of(kChannels, p.input_channels - c), pixels);
    });
}

// One task: all pixels of the chunk, one tile of output channels, one block of input channels, one tap.
void multiply(const Context& context, const Chunk& chunk, Tile tile, const float* packed, int64_t channel,
              int64_t columns, int64_t tap, float* out, int64_t out_row, TileMode mode) {
    const Problem& p = context.problem;
    const KernelSet& k = *context.kernels;
    const int64_t r = tap / p.width.kernel, s = tap % p.width.kernel;
    const Range ys = reading_inside(p.height, r, chunk.first_row, chunk.first_row + chunk.rows);
    const Range xs = reading_inside(p.width, s, 0, p.width.output);
    const int64_t row = ys.first * p.height.stride + r * p.height.dilation - p.height.pad_before;
    const int64_t column = xs.first * p.width.stride + s * p.width.dilation - p.width.pad_before;
    const int64_t group = tile.from / p.group_outputs;

    PackedTileArgs args = {};
    args.x = xs.end - xs.first;
    args.y = args.x > 0 ? ys.end - ys.first : 0;
    args.z = chunk.images;
    args.a = packed + ((ys.first - chunk.first_row) * p.width.output + xs.first) * tile.rows;
    args.a_y = p.width.output * tile.rows;
    args.a_z = chunk.rows * args.a_y;
    args.b = chunk.strip + ((row - chunk.first_input_row) * p.width.input + column) * chunk.pitch +
             group * p.group_inputs + channel;
    args.b_x = p.width.stride * chunk.pitch;
    args.b_y = p.height.stride * p.width.input * chunk.pitch;
    args.b_z = chunk.strip_image;
    args.out = out;
    args.out_row = out_row;
    args.columns = static_cast<int>(columns);
    args.mode = mode;
    const int vectors = static_cast<int>(ceil_div(columns, k.lanes));
    // A strip of our own is wide enough for whole vectors, the caller's tensor is not.
    const bool whole = columns % k.lanes == 0 || (!p.channels_last() && p.groups == 1);
    (whole ? k.packed_tile : k.packed_tile_partial)[tile.rows - 1][vectors - 1](args);
}

void run_chunk(const Context& context, const BackwardWeightsCall& call, const Chunk& chunk, float* packed,
               float* bias, float* out, const Execution& execution) {
    const Problem& p = context.problem;
    const Tiles tiles(context);
    const int64_t pixels = chunk.images * chunk.rows * p.width.output;
    parallel_for(execution, tiles.count(), [&](int64_t i, int) {
        const Tile tile = tiles.at(i);
        pack_gradient(context, chunk, tile, packed + tile.from * pixels, bias);
    });
    const int64_t width = static_cast<int64_t>(context.kernels->packed_tile_vectors) * context.kernels->lanes;
    const int64_t blocks = ceil_div(p.group_inputs, width), taps = p.kernel_taps;
    const bool add = !chunk.first || (call.accumulate && out == call.grad_weights);
    const int64_t out_row = taps * p.group_inputs;
    // Neighbouring tasks share a block of channels and a tile: the L2 holds both.
    parallel_for(execution, tiles.count() * blocks * taps, [&](int64_t task, int) {
        const int64_t tap = task % taps, block = task / taps % blocks;
        const Tile tile = tiles.at(task / (taps * blocks));
        const int64_t c = block * width;
        multiply(context, chunk, tile, packed + tile.from * pixels, c, min_of(width, p.group_inputs - c), tap,
                 out + tile.from * out_row + tap * p.group_inputs + c, out_row,
                 add ? TileMode::kAdd : TileMode::kStore);
    });
}

// From [o][tap][c] to the caller's [o][c][tap].
void unstage(const Context& context, const float* staged, float* grad_weights, bool accumulate,
             const Workspace& workspace, const Execution& execution) {
    const Problem& p = context.problem;
    const int64_t filter = p.kernel_taps * p.group_inputs;
    parallel_for(execution, p.output_channels, [&](int64_t o, int slot) {
        float* out = grad_weights + o * filter;
        float* ordered = accumulate ? reinterpret_cast<float*>(workspace.slot(slot)) : out;
        context.kernels->transpose(staged + o * filter, p.group_inputs, ordered, p.kernel_taps,
                                   p.kernel_taps, p.group_inputs);
        if (accumulate) {
            for (int64_t i = 0; i < filter; ++i) out[i] += ordered[i];
        }
    });
}

Chunk make_chunk(const Problem& p, const Chunks& chunks, int64_t index) {
    const int64_t image_chunk = index / chunks.row_chunks, row_chunk = index % chunks.row_chunks;
    const Axis& h = p.height;
    Chunk c = {};
    c.first_image = image_chunk * chunks.images;
    c.images = min_of(chunks.images, p.batch - c.first_image);
    c.first_row = share_start(h.output, chunks.row_chunks, row_chunk);
    c.rows = share_start(h.output, chunks.row_chunks, row_chunk + 1) - c.first_row;
    const int64_t low = c.first_row * h.stride - h.pad_before;
    const int64_t high = low + (c.rows - 1) * h.stride + (h.kernel - 1) * h.dilation + 1;
    c.first_input_row = min_of(max_of(low, 0), h.input);
    c.input_rows = max_of(0, min_of(high, h.input) - c.first_input_row);
    c.first = index == 0;
    return c;
}

}  // namespace

WorkspaceSize gemm_weights_workspace(const Context& context) {
    const Problem& p = context.problem;
    WorkspaceSize size;
    size.shared = Layout(p).total * int64_t{sizeof(float)};
    if (needs_staging(p)) {
        size.per_thread = CheckedSize(p.kernel_taps) * p.group_inputs * int64_t{sizeof(float)};
    }
    return size;
}

void gemm_backward_weights(const Context& context, const BackwardWeightsCall& call,
                           const Workspace& workspace, const Execution& execution) {
    const Problem& p = context.problem;
    const Chunks chunks(p);
    const Layout layout(p);
    float* shared = workspace.shared_floats();
    float* out = needs_staging(p) ? shared + layout.staged : call.grad_weights;
    float* bias = call.grad_bias != nullptr ? shared + layout.bias : nullptr;
    if (bias != nullptr) memset(bias, 0, static_cast<size_t>(p.bias_count) * sizeof(float));

    for (int64_t i = 0; i < chunks.image_chunks * chunks.row_chunks; ++i) {
        Chunk chunk = make_chunk(p, chunks, i);
        chunk.grad_image = p.output_image;
        chunk.grad = call.grad_output + chunk.first_image * p.output_image;
        if (call.output != nullptr) {
            float* derived = shared + layout.derived;
            if (i % chunks.row_chunks == 0) {
                derive_gradient(context, chunk.grad, call.output + chunk.first_image * p.output_image,
                                derived, chunk.images * p.output_image, execution);
            }
            chunk.grad = derived;
        }
        if (p.channels_last()) {
            chunk.pitch = p.input_channels;
            chunk.strip_image = p.input_image;
            chunk.strip = call.input + chunk.first_image * p.input_image;
            chunk.first_input_row = 0;
        } else {
            chunk.pitch = strip_pitch(p);
            chunk.strip_image = chunk.input_rows * p.width.input * chunk.pitch;
            chunk.strip = shared + layout.strip;
            fill_strip(context, call.input, chunk, shared + layout.strip, execution);
        }
        run_chunk(context, call, chunk, shared + layout.packed, bias, out, execution);
    }
    if (needs_staging(p)) {
        unstage(context, out, call.grad_weights, call.accumulate, workspace, execution);
    }
    for (int64_t o = 0; o < p.bias_count; ++o) {
        call.grad_bias[o] = call.accumulate ? call.grad_bias[o] + bias[o] : bias[o];
    }
}

}  // namespace nconv
