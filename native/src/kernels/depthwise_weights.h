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

// Weight gradients of a run of pixels, several taps at once: taps[t].source as above; sums[t] is a
// chain per channel (channels kernel), or kVirtualLanes chains (pixels kernel).
struct DepthwiseWeightsArgs {
    const DepthwiseTap* taps;
    int tap_count;
    int64_t pixels;
    ptrdiff_t source_step;
    const float* grad;  // dense along pixels in the pixels kernel
    ptrdiff_t grad_step;
    int channels;  // at most lanes (channels kernel)
    float* sums;
    ptrdiff_t sums_tap;
};
using DepthwiseWeightsKernel = void (*)(const DepthwiseWeightsArgs&);

// Pixels of a row that share their taps: first_tap .. end_tap-1 read inside.
struct DepthwiseRun {
    int64_t first, count;
    int first_tap, end_tap;
};

// Weight gradients of some rows of grad_output, whole vectors of channels. Kernel row r and tap s
// of pixel i of row n meet
//   source[n * next_source + r * source_row + (i * step + s) * pitch],
// and sums[(r * taps + s) * sums_tap] is a chain per channel, pixels in order.
struct DepthwiseWeightsRowArgs {
    const float* source;
    ptrdiff_t source_row, pitch;
    int rows;  // of the kernel
    const float* grad;
    int64_t grad_rows;
    ptrdiff_t next_source, next_grad;
    const DepthwiseRun* runs;
    int run_count;
    // Instead of runs, where not 0 and the kernel says that it takes them: a row in so many tiles of
    // kDepthwiseWeightsPixels pixels and then so many of one less, with what reaches over its edges.
    int64_t most_tiles, fewer_tiles;
    bool left, right;
    int64_t channels;
    float* sums;
    ptrdiff_t sums_tap;
    float* bias;  // a chain per channel of grad alone; may be null
};

// A kernel for this many taps of a row of the kernel and this distance of pixels.
constexpr int kDepthwiseWeightsPixels = 4;
struct DepthwiseWeightsRow {
    int taps, step;
    bool takes_tiles;
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
    const DepthwiseColumn* columns;
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
    DepthwiseWeightsKernel channels;
    void (*pixels)(const DepthwiseWeightsPixelsArgs&);
    // to[i] = the sum of from[i * kVirtualLanes ..] by a fixed tree; the last whole vector of sums is read.
    void (*sum_lanes)(const float* from, int64_t count, float* to);
    DepthwiseWeightsRow rows[kDepthwiseWeightsRows];
};

}  // namespace nconv
