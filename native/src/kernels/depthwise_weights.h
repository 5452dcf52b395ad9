// Weight gradients of depthwise convolution: the contract of its kernels.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/limits.h"

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

struct DepthwiseWeightsKernels {
    DepthwiseWeightsKernel channels, pixels;
    DepthwiseWeightsRow rows[kDepthwiseWeightsRows];
};

}  // namespace nconv
