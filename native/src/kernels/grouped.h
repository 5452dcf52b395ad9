// Groups of a few channels: the contract of its kernels.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace nconv {

// rows x columns results of small groups with as many channels out as in, channels in lanes. Result (i, j)
// sums over r < kernel_rows, the channels c of its group and s < kernel_columns, in this order,
//   source[(i * row_step + r) * source_row + (j * column_step + s) * source_column + c] * weight[r][s][c];
// rows i * row_step + r outside of first_row .. end_row-1 are padding, and so are columns j * column_step
// + s outside of first_column .. end_column-1, which count as zeros. Weights are in vectors of channels,
// [r][c][s][lanes], of which the last ends with the last channel; there are at least kVirtualLanes channels.
constexpr int kMaxGroupedChannels = 8;
struct GroupedArgs {
    const float* source;
    ptrdiff_t source_row, source_column;  // from one tap to the next
    const float* weights;
    ptrdiff_t weight_vector;
    int kernel_rows, first_row, end_row;
    int kernel_columns;
    int64_t first_column, end_column;
    int rows, row_step;
    int64_t columns, column_step;
    float* out;
    ptrdiff_t out_row, out_column;
    int64_t channels;
    const float* init;  // `channels` values or null
};
using GroupedKernel = void (*)(const GroupedArgs&);
struct GroupedSize {
    int channels;  // per group
    GroupedKernel any;
    struct Fixed {
        int rows, columns, step;  // of the kernel; step of both
        GroupedKernel kernel;
    } fixed[6];
};
constexpr int kGroupedSizes = 3;

struct GroupedKernels {
    int rows;  // at most in a call
    GroupedSize sizes[kGroupedSizes];
};

}  // namespace nconv
