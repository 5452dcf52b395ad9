// Few channels: the contract of the kernels of narrow and sliding.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/limits.h"

namespace nconv {

// A run of outputs of the narrow algorithm: every one is a sum over a table of offsets from its first
// source, in the table's order. Channels in lanes, pixels source_step apart:
//   out[i * out_step + j] = init[j] + sum over t of source[i * source_step + offsets[t]] * weights[t][j]
struct StripChannelsArgs {
    const float* source;
    ptrdiff_t source_step;
    const ptrdiff_t* offsets;
    int64_t taps;
    const float* weights;  // [taps][vectors * lanes]
    const float* init;     // null: zeros
    float* out;
    ptrdiff_t out_step;
    int64_t pixels;
    int columns;  // valid ones; at most vectors * lanes
};
using StripChannels = void (*)(const StripChannelsArgs&);

// Pixels in lanes, channels in rows; whole vectors of the source are read:
//   out[i * out_row + j] = init[i] + sum over t of weights[t][i] * source[offsets[t] + j]
struct StripPixelsArgs {
    const float* source;
    const ptrdiff_t* offsets;
    int64_t taps;
    const float* weights;  // [taps][rows]
    const float* init;     // null: zeros
    float* out;
    ptrdiff_t out_row;
    int64_t pixels;
};
using StripPixels = void (*)(const StripPixelsArgs&);

// The four phases of a strided backward_input that are neighbours in the result, for a run of pixels of one strip row:
// what a place of the source adds to any of them is added at once. Channels in lanes, `columns` of them:
//   out[phase][i * out_step + j] = sum over t with weights[phase], d of
//       source[i * source_step + taps[t].offset + d] * taps[t].weights[phase][d][j]
constexpr int kQuad = 4, kMaxQuadTaps = 16;
struct QuadTap {
    ptrdiff_t offset;
    const float* weights[kQuad];  // [depth][lanes]; null: it adds nothing to that phase
    int phases;                   // a bit for each that it adds to
};
struct StripQuadsArgs {
    const float* source;
    ptrdiff_t source_step;
    const QuadTap* taps;
    int tap_count;
    int64_t depth;
    float* out[kQuad];
    ptrdiff_t out_step;
    int64_t pixels;
    int columns;
};
using StripQuads = void (*)(const StripQuadsArgs&);

// Lines of the next row of the source to ask for while one is worked on: [line][channel].
struct SlidingAsk {
    const float* at;
    ptrdiff_t line, channel;
    int64_t lines;  // left; a call takes some of them
};

// What one row of the source adds to rows of the result, in whole vectors of pixels:
//   out[i * out_row + j] += sum over s, c of
//       weights[s][c][i] * source[s * source_tap + c * source_channel + j]
struct SlidingArgs {
    const float* source;
    ptrdiff_t source_tap, source_channel;
    int64_t taps, channels;
    const float* weights;  // [taps][channels][rows]
    float* out;
    ptrdiff_t out_row;
    int64_t pixels;
    SlidingAsk* ask;
};
using SlidingRows = void (*)(const SlidingArgs&);

// Rows of planes with zeros around: `before` of them, then count values source_step apart, then `after`.
struct StripRowsArgs {
    const float* source;
    ptrdiff_t source_row, source_step;
    float* to;
    ptrdiff_t to_row;
    int64_t rows;
    int64_t before, count, after;
};
using StripRows = void (*)(const StripRowsArgs&);

struct NarrowKernels {
    int strip_channel_vectors, strip_pixel_rows;
    StripChannels strip_channels[kMaxTileVectors];  // [vectors - 1]
    StripPixels strip_pixels[kMaxTileRows];         // [rows - 1]
    StripQuads strip_quads;                         // null: phase by phase
    StripRows strip_rows;
    int sliding_row_count;                   // at most in a call
    SlidingRows sliding_rows[kMaxTileRows];  // [rows - 1]
};

}  // namespace nconv
