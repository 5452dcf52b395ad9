// One channel per group, channels in lanes: the contract of its kernels.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/limits.h"

namespace nconv {

// rows x columns results of a depthwise gather, channels in lanes. Result (i, j) sums, for its rows r of
// the kernel and taps s in first_tap .. end_tap-1 of each,
//   source[(i * row_step + r) * source_row + (j * column_step + s) * source_column] * weights[r][s];
// source rows i * row_step + r outside of first_row .. end_row-1 are padding. Weights are in vectors of
// channels, each [kernel_rows][kernel_columns][lanes], zeros behind the last channel.
struct DepthwiseArgs {
    const float* source;
    ptrdiff_t source_row, source_column;  // from one tap to the next
    const float* weights;
    ptrdiff_t weight_vector;
    int kernel_rows, first_row, end_row;
    int kernel_columns, first_tap, end_tap;
    int rows, row_step;
    int64_t columns, column_step;
    float* out;
    ptrdiff_t out_row, out_column;
    int64_t channels;
    const float* init;  // `channels` values or null
    // fixed only, instead of first_tap and end_tap: taps that the first column lacks on its left and the last
    // one on its right, where they read padding; at most half of kernel_columns.
    int left, right;
};
using DepthwiseKernel = void (*)(const DepthwiseArgs&);

// A kernel for this many rows and columns of taps and this step of both: square kernels, and the
// phases of strided backward_input of 5 x 5.
struct DepthwiseChannels {
    int rows, columns, step;
    DepthwiseKernel kernel;  // any number of rows
};
constexpr int kDepthwiseChannels = 9;

// One row of source pixels' results of backward_input of 3 x 3 with stride 2, channels in lanes, whole
// vectors: result (0, 2 j) has one tap, of source (0, j); result (0, 2 j + 1) two, of (0, j + 1) and then
// (0, j); and in row 1 the same taps of source row 1, then of source row 0.
struct DepthwiseQuadsArgs {
    const float* source;
    ptrdiff_t source_row, source_column;
    const float*
        weights[4];  // of row 0 even and odd, row 1 even and odd: [channels / lanes][taps][lanes]
    float* out;
    ptrdiff_t out_row, out_column;
    int64_t columns, channels;
    const float* init;               // `channels` values or null
    bool last;                       // source row 1 is outside
    bool second_row, second_column;  // the results have row 1; the last pair of columns is whole
};
using DepthwiseQuadsKernel = void (*)(const DepthwiseQuadsArgs&);

struct DepthwiseKernels {
    int rows;  // at most in a call of `any`
    DepthwiseChannels fixed[kDepthwiseChannels];
    DepthwiseKernel any;         // any taps and steps
    DepthwiseQuadsKernel quads;  // may be null
};

}  // namespace nconv
