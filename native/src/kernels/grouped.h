// Groups of a few channels: the contract of its kernels.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/limits.h"

#include "kernels/limits.h"

namespace nconv {

// rows x columns results of small groups with as many channels out as in, channels in lanes. Result (i, j)
// sums over r < kernel_rows, the channels c of its group and s < kernel_columns, in this order,
//   source[(i * row_step + r) * source_row + (j * column_step + s) * source_column + c] * weight[r][s][c];
// rows i * row_step + r outside of first_row .. end_row-1 are padding, and so are columns j * column_step
// + s outside of first_column .. end_column-1, which count as zeros. Weights are in vectors of channels,
// [r][c][s][lanes], of which the last ends with the last channel; there are at least kVirtualLanes channels.
constexpr int kMaxGroupedChannels = 8;
struct GroupedArgs {
    int group;  // channels
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
constexpr int kGroupedWidths = 4;

// Rows of results of one group, pixels of a plane in lanes, kernels of three columns. Result e of row i sums over
// the tap rows r in first_tap .. end_tap-1, the channels c of the group and the columns s, in this order,
//   source[i * row_distance + r * source_row + c * source_channel + e * step + offset[s]]
//       * weights[r][c][s][channel]
// where columns outside of 0 .. width-1 count as zeros; of a row, at most the first four results have any on the
// left, the last one on the right.
enum class GroupedPlanesKind {
    kSame,  // step 1
    kDown,  // step 2, and neighbouring taps
    // Step 1, two results for each e: the even one of tap 0, the odd one of taps 1 and 2; or `swapped`.
    kUp,
};
constexpr int kGroupedPlanesKinds = 3;
struct GroupedPlanesArgs {
    const float* source;
    ptrdiff_t source_row, source_channel, row_distance;
    int64_t width;
    ptrdiff_t offset[3];
    const float* weights;
    int first_tap, end_tap;
    int rows;
    bool swapped;
    float* out;
    ptrdiff_t out_row, out_channel;
    int64_t count;      // results of a row
    const float* init;  // of the group, or null
};
using GroupedPlanes = void (*)(const GroupedPlanesArgs&);
constexpr int kGroupedSizes = 3;  // groups of 2, 4 and 8 channels

struct GroupedKernels {
    GroupedKernel any;
    struct Fixed {
        int columns, step;  // of the kernel; any number of rows, and any step of theirs
        GroupedKernel kernel;
    } fixed[kGroupedWidths];
    GroupedPlanes planes[kGroupedPlanesKinds][kGroupedSizes];  // may be null
};

}  // namespace nconv
