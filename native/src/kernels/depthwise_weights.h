// Weight gradients of depthwise convolution: the contract of its kernels.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/limits.h"
#include "kernels/pixels.h"

namespace nconv {

// One tap of the rows of depthwise_weights: where its first input is.
struct DepthwiseTap {
    const float* source;
};

// Weight gradients of a run of pixels, several taps at once: taps[t].source as above; sums[t * sums_tap] is a
// chain for each channel of a vector.
struct DepthwiseWeightsArgs {
    const DepthwiseTap* taps;
    int tap_count;
    int64_t pixels;
    ptrdiff_t source_step;
    const float* grad;
    ptrdiff_t grad_step;
    float* sums;
    ptrdiff_t sums_tap;
};

// Neighbouring pixels of a row, in `count` tiles of `pixels`. Of single ones the taps first_tap .. end_tap-1
// read inside. Where `left` the taps before the middle one of a tile's first pixel reach over the row's
// start as far as they can, where `right` those of its last pixel behind the middle one over its end.
struct DepthwiseRun {
    int64_t count;
    int pixels, first_tap, end_tap;
    bool left, right;
};

// Weight gradients of some rows of grad_output, whole vectors of channels. Kernel row r and tap s
// of pixel i of row n meet
//   source[n * next_source + r * source_row + (i * step + s) * pitch],
// where source row first_row + n * next_row + r * row_step is in 0 .. source_rows-1, and
// sums[(r * taps + s) * sums_tap] is a chain per channel, pixels in order.
struct DepthwiseWeightsRowArgs {
    const float* source;
    ptrdiff_t source_row, pitch;
    int rows;  // of the kernel
    int64_t first_row, next_row, row_step, source_rows;
    const float* grad;
    int64_t grad_rows;
    ptrdiff_t next_source, next_grad;
    ptrdiff_t ahead;  // for the kernel: from a row to what the next one reads first
    const DepthwiseRun* runs;
    int run_count;
    int64_t channels;
    float* sums;
    ptrdiff_t sums_tap;
    float* bias;  // a chain per channel of grad alone
    bool fresh;   // the sums begin here, not with what is there
};

// A kernel for this many taps of a row of the kernel and this distance of pixels. It takes tiles of
// `pixels`, where that is kDepthwiseWeightsPixels also of one less, and single pixels.
constexpr int kDepthwiseWeightsPixels = 4;
struct DepthwiseWeightsRow {
    int taps, step, pixels;
    void (*kernel)(const DepthwiseWeightsRowArgs&);
};
constexpr int kDepthwiseWeightsRows = 5;

// Weight gradients with the elements of a row in lanes: in step t row k of the kernel meets row t - k of
// grad_output, where there is such, and a row of the source,
//   source[t * source_step + columns[s].offset + e] * grad[(t - k) * grad_step + e],
// for elements e of first .. end-1, of tap s only those in columns[s].first .. end-1. Element e goes to
// sums[k * sums_row + s * period + (e - first) % period], columns of a vector one after the other.
struct DepthwiseWeightsPixelsArgs {
    const float* source;
    ptrdiff_t source_step;
    int64_t first_step, end_step;  // whose source row is inside
    const float* grad;
    ptrdiff_t grad_step;
    int64_t grad_rows;
    const DepthwiseColumn* columns;  // then two empty ones
    int64_t first, end;
    int64_t period;  // kVirtualLanes for each channel
    int rows, taps;
    float* sums;
    ptrdiff_t sums_row;
    float* bias;        // the sums of grad alone
    int64_t bias_rows;  // grad_rows, or 0: not wanted
    // Planes one after the other, each with sums and bias of its own.
    int64_t planes;
    ptrdiff_t source_plane, grad_plane, sums_plane;
};

struct DepthwiseWeightsKernels {
    void (*channels)(const DepthwiseWeightsArgs&);
    void (*pixels)(const DepthwiseWeightsPixelsArgs&);
    // to[i] = the sum of from[i * kVirtualLanes ..] by a fixed tree; the last whole vector of sums is read.
    void (*sum_lanes)(const float* from, int64_t count, float* to);
    DepthwiseWeightsRow rows[kDepthwiseWeightsRows];
};

}  // namespace nconv
