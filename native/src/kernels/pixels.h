// One channel per group, the elements of a row in lanes: the contract of its kernels.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace nconv {

// rows x columns results of a depthwise gather as in depthwise.h, the elements of a row in lanes: `count`
// pixels of one channel, or interleaved channels. Element e of tap s is source[.. + columns[s].offset + e]
// for e in first .. end-1, else padding.
constexpr int kMaxDepthwiseTaps = 64;    // of one row of the kernel
constexpr int kMaxDepthwisePeriod = 16;  // vectors after which interleaved weights repeat
struct DepthwiseColumn {
    ptrdiff_t offset;
    int64_t first, end;
};
struct DepthwisePixelsArgs {
    const float* source;
    ptrdiff_t source_row;
    const DepthwiseColumn* columns;
    int taps;
    const float* weights;
    ptrdiff_t weight_row, weight_column;
    int64_t distance;  // elements after which weights repeat: whole vectors
    int kernel_rows, first_row, end_row;
    int rows, row_step;
    int64_t count;
    int64_t source_count;  // elements of a source row
    float* out;
    ptrdiff_t out_row;
    const float* init;  // null: zeros
    // Planes done one after the other; each has its own init.
    int64_t planes;
    ptrdiff_t source_plane, weights_plane, out_plane;
};
using DepthwisePixelsKernel = void (*)(const DepthwisePixelsArgs&);

constexpr int kDepthwisePixels = 5;
constexpr int kFewestFoldedRows = 4, kMostFoldedRows = 32;
struct DepthwisePixels {
    int rows;  // at most in a call of any
    DepthwisePixelsKernel any;
    struct Fixed {
        // Any number of rows, taps x taps, with weight_row and weight_column of a dense kernel.
        // Only taps on the middle one's left reach over a row's start, and not beyond its first
        // vector of each phase; the same holds for its right and the last vector. With a step of 2
        // rows and columns are strided, element e of tap s is source[.. + columns[0].offset + s + 2
        // * e], and all taps rise.
        int taps, step;
        DepthwisePixelsKernel kernel;
    } fixed[kDepthwisePixels];
    // Whole planes of 3 x 3 with stride 1, padded by one, of kFewestFoldedRows to kMostFoldedRows rows, two of which
    // fill up to a vector and more than half of one. Null: there is none.
    DepthwisePixelsKernel folded;
};

// Planes of backward_input of 3 x 3 with stride 2 and padding of one, weights as in forward: gradient (i, j)
// belongs to results (2 i, 2 j) to (2 i + 1, 2 j + 1), of which those of an odd row or column have taps of the
// gradients behind it, too, and first. Results of gradient rows 0 .. rows-1, of source_rows that there are.
struct DepthwiseQuadPlanesArgs {
    const float* source;
    ptrdiff_t source_row, source_plane;
    int64_t rows, source_rows, columns;
    const float* weights;
    float* out;
    ptrdiff_t out_row, out_plane;
    int64_t out_rows, out_columns;
    const float* init;  // one per plane; null: zeros
    int64_t planes;
};

// A depthwise filter that is the product of a column and a row of weights, in two passes; elements as in
// DepthwisePixelsArgs, weights `distance` elements long for each tap. Sums down the columns for elements
// first .. end-1 of kSeparableRows rows, whole vectors stored:
//   to[i * to_row + e] = sum over r of source[(i + r) * source_row + e] * weights[r]
// with rows i + r outside of first_row .. end_row-1 left out; at least kSeparableRows - 1 taps.
constexpr int kSeparableRows = 4;
struct SeparableColumnsArgs {
    const float* source;
    ptrdiff_t source_row;
    int taps, first_row, end_row;
    const float* weights;
    ptrdiff_t weight_step;
    int64_t distance;
    int64_t first, end;
    float* to;
    ptrdiff_t to_row;
};
// Sums along a row: out[e] = init + sum over s of source[e + s * step] * weights[s], whole vectors of the
// source read, and what lies around them in aligned ones: source is `shift` floats behind such a vector.
struct SeparableRowArgs {
    const float* source;
    int shift;
    ptrdiff_t step;
    int taps;
    const float* weights;
    ptrdiff_t weight_step;
    int64_t distance;   // of one or three vectors
    const float* init;  // as long as a tap's weights; null: zeros
    int64_t first, end;
    float* out;
};
struct Separable {
    void (*columns)(const SeparableColumnsArgs&);
    void (*row)(const SeparableRowArgs&);
};

struct PixelKernels {
    DepthwisePixels plane;                                // a weight for all lanes
    DepthwisePixels interleaved;                          // a weight for each lane
    void (*quad_planes)(const DepthwiseQuadPlanesArgs&);  // may be null
    Separable separable;
};

}  // namespace nconv
