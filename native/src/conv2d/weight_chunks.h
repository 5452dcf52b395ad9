// How the sums of weight gradients are cut over the pixels: chunks, each one chain, and runs of chunks that are
// summed apart. Both follow from the shape.
#pragma once

#include <string.h>

#include "conv2d/algorithm.h"

namespace nconv {

// Pixels of a chunk: a packed tile (48 KB) and a block of channels (128 KB) stay in L2 together. Fewer
// where that gives every partial sum pixels to work on.
constexpr int64_t kChunkPixels = 1024;
constexpr int64_t kFewestPixels = 512;
constexpr int64_t kWantedChunks = 4;
constexpr int64_t kStripFloats = 512 * 1024;
constexpr int64_t kPartialFloats = 512 * 1024;  // of all partial sums
constexpr int64_t kMostPartials = 8;

// How the pixels are cut: whole images where they are small, rows of one image where they are large.
struct Chunks {
    // channels: of a pixel of what a task copies.
    Chunks(const Problem& p, int64_t channels, int64_t most_pixels = kChunkPixels) {
        const int64_t total = (CheckedSize(max_of(1, p.batch)) * p.output_pixels).value();
        const int64_t fair = max_of(kFewestPixels, ceil_div(total, kWantedChunks));
        const int64_t pixels =
            max_of(1, min_of(min_of(most_pixels, fair), kStripFloats / channels));
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
        count = ceil_div(p.batch, images) * row_chunks;
        const int64_t most_partials =
            min_of(kMostPartials, kPartialFloats / max_of(1, p.weights_count));
        partials = max_of(1, min_of(count, most_partials));
        // The input rows a chunk's windows touch, at most.
        const Axis& h = p.height;
        input_rows = min_of(h.input, (rows - 1) * h.stride + (h.kernel - 1) * h.dilation + 1);
    }
    WeightsCut cut() const { return {count / row_chunks, row_chunks, partials, images}; }

    int64_t images, rows, row_chunks, count, partials, input_rows;
};

// The chunks of a partial sum that a call takes: first .. end-1, and where their gradients are.
struct ChunkRange {
    ChunkRange(const BackwardWeightsCall& from, const WeightsCut& cut, int64_t partial)
        : call(from),
          begin(cut.partial_start(partial)),
          first(begin),
          end(cut.partial_start(partial + 1)),
          image(0),
          gradient(call.grad_output) {
        if (call.part == nullptr) return;
        const int64_t all = end;
        end = begin;
        for (int i = 0; i < call.part->run_count; ++i) {
            const UnitRun& run = call.part->runs[i];
            const int64_t low = max_of(begin, run.first_unit * cut.chunks);
            const int64_t high = min_of(all, run.end_unit * cut.chunks);
            if (low >= high) continue;
            first = low;
            end = high;
            image = run.first_image;
            gradient = run.gradient;
        }
    }
    const float* gradient_of(const Problem& p, int64_t n) const {
        return gradient + (n - image) * p.output_image;
    }

    const BackwardWeightsCall& call;
    int64_t begin;  // of the partial sum
    int64_t first, end;
    int64_t image;  // that of gradient
    const float* gradient;
};

// One chunk at work. In NCHW the input is transposed into a strip [image][row][x][channel] first.
struct Chunk {
    int64_t first_image, images;
    int64_t first_row, rows;              // of the output
    int64_t first_input_row, input_rows;  // of the strip
    const float* gradient;                // of the first image
    const float* strip;                   // at the first channel of the task
    int64_t pitch, strip_image;
};

inline Chunk make_chunk(const Problem& p, const Chunks& chunks, const ChunkRange& range,
                        int64_t index) {
    const int64_t image_chunk = index / chunks.row_chunks, row_chunk = index % chunks.row_chunks;
    const Axis& h = p.height;
    Chunk c = {};
    c.first_image = image_chunk * chunks.images;
    c.images = min_of(chunks.images, p.batch - c.first_image);
    c.gradient = range.gradient_of(p, c.first_image);
    c.first_row = share_start(h.output, chunks.row_chunks, row_chunk);
    c.rows = share_start(h.output, chunks.row_chunks, row_chunk + 1) - c.first_row;
    const int64_t low = c.first_row * h.stride - h.pad_before;
    const int64_t high = low + (c.rows - 1) * h.stride + (h.kernel - 1) * h.dilation + 1;
    c.first_input_row = min_of(max_of(low, 0), h.input);
    c.input_rows = max_of(0, min_of(high, h.input) - c.first_input_row);
    return c;
}

// The sum of kVirtualLanes chains in a fixed tree; what they were is lost.
inline float sum_of_lanes(float* chains) {
    for (int width = kVirtualLanes / 2; width > 0; width /= 2) {
        for (int i = 0; i < width; ++i) chains[i] += chains[i + width];
    }
    return chains[0];
}

// Finished sums to where they go, if they are not there; added to what is there where gradients accumulate.
inline void store_sums(const BackwardWeightsCall& call, const float* sums, int64_t count,
                       float* out) {
    if (call.accumulate) {
        for (int64_t i = 0; i < count; ++i) out[i] += sums[i];
    } else if (sums != out) {
        memcpy(out, sums, static_cast<size_t>(count) * sizeof(float));
    }
}

// The gradient by the bias from its partial sums, [partial][o], in order.
inline void add_partial_bias(const Problem& p, const BackwardWeightsCall& call, const float* bias,
                             int64_t partials) {
    if (call.grad_bias == nullptr) return;
    for (int64_t o = 0; o < p.bias_count; ++o) {
        float sum = bias[o];
        for (int64_t i = 1; i < partials; ++i) sum += bias[i * p.bias_count + o];
        call.grad_bias[o] = call.accumulate ? call.grad_bias[o] + sum : sum;
    }
}

}  // namespace nconv
