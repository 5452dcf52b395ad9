// The minimal filtering algorithms F(m x m, 3 x 3) of Winograd ("Arithmetic Complexity of Computations",
// 1980; for convolution: Lavin and Gray, 2016) as data: their interpolation points. Everything else, the
// three transforms and the weights' scale, follows from the points (Toom and Cook).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/limits.h"

namespace nconv {

// Tiles of m x m outputs from n x n inputs, n = m + 2, by n points along an axis: 0, pairs +-p, and infinity if
// their number is even.
//
// With stride 2 taps 0 and 2 read every other input, an F(m, 2) by m + 1 such points, and tap 1 those
// between: another m "points", the inputs themselves, whose weights are the same. n = 2 m + 1 inputs and
// points; a tile of 4 x 4 takes 81 multiplications, by 36 different weights, where direct summation takes 144.
struct WinogradPair {
    double point, square;
};
struct WinogradVariant {
    // Along an axis: points that are inputs themselves, the others, and different weights.
    constexpr int identities() const { return stride == 1 ? 0 : output; }
    constexpr int products() const { return tile - identities(); }
    constexpr int weights() const { return products() + (stride == 1 ? 0 : 1); }

    int output, tile, stride, pairs;
    WinogradPair pair[3];
};

// Measured error against double, relative to that of direct summation, is in nativeconv.h. Points of
// 4 x 4: +-sqrt(1/2), +-sqrt(2) have half the error of +-1, +-2 at the same speed. Those of 5 x 5 were found
// by search: 0, +-1, +-2, 1/2 has twice their error. Nothing found makes 6 x 6 as good as 4 x 4.
// With stride 2 0, +-0.8125, +-2.5 are the best of a search: by the variances of the roundings 15 % below
// 0, +-1, +-2 and 19 % below those of 4 x 4; less error than direct summation.
constexpr int kWinogradVariants = 5;
constexpr WinogradVariant kWinograd[kWinogradVariants] = {
    {2, 4, 1, 1, {{1.0, 1.0}}},
    {4, 6, 1, 2, {{0.70710678118654752440, 0.5}, {1.41421356237309504880, 2.0}}},
    {5, 7, 1, 3, {{0.5625, 0.31640625}, {1.15625, 1.3369140625}, {3.375, 11.390625}}},
    {6, 8, 1, 3, {{1.0, 1.0}, {2.0, 4.0}, {0.5, 0.25}}},
    {4, 9, 2, 2, {{0.8125, 0.66015625}, {2.5, 6.25}}},
};
constexpr int kMaxWinogradOutput = 6;

// One tile's window, channels in lanes: source[y * row_pitch + x * pixel_pitch + c]. Whole vectors are stored.
//   out[(i * n + j) * out_point + c] = sum over y, x of B[i][y] B[j][x] source[y][x][c]
struct WinogradInputArgs {
    const float* source;
    ptrdiff_t row_pitch, pixel_pitch;
    int64_t channels;
    float* out;
    ptrdiff_t out_point;
};

// The inverse of one tile, channels in lanes. sums is readable up to a whole vector.
//   out[y][x][c] = init[c] + sum over i, j of A[y][i] A[x][j] sums[(i * n + j) * sums_point + c]
struct WinogradOutputArgs {
    const float* sums;
    ptrdiff_t sums_point;
    const float* init;  // `channels` values or null
    float* out;
    ptrdiff_t row_pitch, pixel_pitch;
    int rows, columns;  // of the outputs, at most m: the last tiles reach over the edge
    int64_t channels;
};

// The product of one point, produced channels in lanes, both operands walked by constant steps:
//   out[i * out_row + j] = sum over k < depth of a[i * a_row + k] * b[k][j], j < vectors * lanes
struct WinogradProductArgs {
    const float* a;
    ptrdiff_t a_row;
    const float* b;
    int64_t depth;
    float* out;
    ptrdiff_t out_row;
    // At each step of the sum a line is asked for, into L2: `ahead`, then so many bytes further.
    const char* ahead;
    ptrdiff_t ahead_step;
};
using WinogradProduct = void (*)(const WinogradProductArgs&);

// The weights of kVirtualLanes produced channels and one reduced channel, [tap][kVirtualLanes]; order[t] is
// the tap at place t of the window. Stores `channels` values of each weight, a multiple of the lanes; n is the
// number of different weights along an axis.
//   out[(i * n + j) * out_point + c] = sum over r, s of G[i][r] G[j][s] taps[order[3 r + s]][c]
struct WinogradWeightsArgs {
    const float* taps;
    int order[9];
    float* out;
    ptrdiff_t out_point;
    int channels;
};

// The weight gradient takes the tiles of this variant.
constexpr int kWinogradGradient = 1;
constexpr int kWinogradGradientPoints = 36;

// Weight gradients of some produced channels (rows) and reduced ones (in lanes), from the points of their
// grad_output and input, [point][tile][channel] both:
//   out[i * out_row + k * out_tap + j] = or += sum over points p of (G x G)[p][k], sum over tiles t, of
//       a[p * a_point + t * a_tile + i] * b[p * b_point + t * b_tile + j], k < 9
struct WinogradGradientArgs;
using WinogradGradientSums = void (*)(const WinogradGradientArgs&, const float* a, const float* b,
                                      float* sums);
struct WinogradGradientArgs {
    WinogradGradientSums sums;  // of one point: of `rows` and as many vectors as hold `columns`
    int rows, columns;
    const float* a;
    ptrdiff_t a_point, a_tile;
    const float* b;  // whole vectors
    ptrdiff_t b_point, b_tile;
    int64_t tiles;
    float* scratch;  // kWinogradGradientScratch vectors for each of the register tile
    float* out;
    ptrdiff_t out_row, out_tap;
    bool add;
};
constexpr int kWinogradGradientScratch = 24;

struct WinogradKernel {
    void (*input)(const WinogradInputArgs&);
    void (*output)(const WinogradOutputArgs&);
    void (*weights)(const WinogradWeightsArgs&);
};

struct WinogradKernels {
    WinogradKernel tiles[kWinogradVariants];
    int product_rows[kMaxTileVectors];                       // [vectors - 1]
    WinogradProduct product[kMaxTileRows][kMaxTileVectors];  // [rows - 1][vectors - 1]
    // The points of 4 x 4 of grad_output, then their sum.
    void (*gradient_points)(const WinogradInputArgs&);
    int gradient_rows, gradient_vectors;
    WinogradGradientSums gradient_sums[kMaxTileRows][kMaxTileVectors];  // [rows - 1][vectors - 1]
    void (*gradient)(const WinogradGradientArgs&);
};

}  // namespace nconv
