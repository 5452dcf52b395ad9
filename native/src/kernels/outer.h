// Sums over pixels: the contract of the kernels of weight gradients of few channels and small groups.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/limits.h"

namespace nconv {

// rows x columns sums over pixels, columns in lanes; row i reads a value at offsets[i] for each pixel:
//   out[i][j] = sum over z, y, x of a[z,y,x + offsets[i]] * b[z,y,x][j], added to what is there if `add`;
//   bias[j] = sum over z, y, x of b[z,y,x][j], likewise, of tiles that have it
struct OuterTileArgs {
    const float* a;
    const ptrdiff_t* offsets;
    ptrdiff_t a_x, a_y, a_z;
    const float* b;
    ptrdiff_t b_x, b_y, b_z;
    int64_t x, y, z;
    float* out;
    ptrdiff_t out_row;
    float* bias;
    int rows;  // in tiles of the fewest: valid ones
    int columns;
    bool add;
    ptrdiff_t ahead;  // ask for a line of b so far ahead; 0: do not
    bool ahead_all;   // or for as many lines as there are vectors
    // Of tiles of groups of rows, in place of the offsets; `rows` of them are valid.
    const struct OuterGroup* groups;
    ptrdiff_t group_step;
};
// Rows `row` up of a tile that read values group_step apart, of which the first `skipped` are another group's.
struct OuterGroup {
    ptrdiff_t offset;
    int row, skipped;
};
using OuterTile = void (*)(const OuterTileArgs&);

// terms x gradients sums over pixels, kVirtualLanes chains each: pixel x of a row belongs to chain x mod
// kVirtualLanes. What is in `sums` goes on if `add`:
//   sums[i][g][x mod kVirtualLanes] = sum over z, y, x of a[z,y,x + offsets[i]] * b[z,y,x + g * b_plane]
struct DotTileArgs {
    const float* a;
    const ptrdiff_t* offsets;
    ptrdiff_t a_y, a_z;
    const float* b;
    ptrdiff_t b_plane, b_y, b_z;
    int gradients;  // valid ones
    int64_t x, y, z;
    float* sums;  // [terms][gradients of a tile][kVirtualLanes]
    bool add;
    ptrdiff_t ahead;  // ask for a line of b so far ahead; 0: do not
    bool ahead_all;   // or for one of all planes
};
using DotKernel = void (*)(const DotTileArgs&);
constexpr int kMaxDotTerms = 6;
struct DotTiles {
    int terms, gradients;          // of a tile, at most
    DotKernel tile[kMaxDotTerms];  // [terms - 1]
};

// Sums over pixels for kVirtualLanes channels of groups of kGroup, for some taps; whole vectors are read:
//   out[tap][j][i] = sum over z, y, x of a[z,y,x + offsets[tap]][i] * b[z,y,x][j of i's group]
struct GroupTileArgs {
    const float* a;
    const ptrdiff_t* offsets;
    ptrdiff_t a_x, a_y, a_z;
    const float* b;
    ptrdiff_t b_x, b_y, b_z;
    int64_t x, y, z;
    float* out;  // [taps][group][kVirtualLanes]
    bool add;
};
using GroupTile = void (*)(const GroupTileArgs&);
constexpr int kMaxGroupTaps = 9;
struct GroupTiles {
    int taps;  // at most in a call
    GroupTile tile[kMaxGroupTaps];
};
constexpr int kGroupSizes = 3;  // groups of 2, 4 and 8 channels

constexpr int kMaxOuterRows = 5;  // numbers of rows
constexpr int kMaxGroupVectors = 2, kMaxGroupCounts = 3;
// Tiles of `fewest` up to `most` groups of `each` rows, which have the bias, too.
struct OuterGroupTiles {
    int each, fewest, most;  // most 0: there are none
    OuterTile tile[kMaxGroupCounts];
};
struct OuterKernels {
    int vectors, rows[kMaxTileVectors];  // at most; [vectors - 1]
    int fewest_rows;
    // [columns fill no whole vectors][rows - fewest_rows][vectors - 1]; bias tiles have the fewest rows.
    OuterTile tile[2][kMaxOuterRows][kMaxTileVectors];
    OuterTile bias_tile[2][kMaxTileVectors];
    OuterGroupTiles grouped_rows[kMaxGroupVectors];  // [vectors - 1]
    GroupTiles group_tiles[kGroupSizes];
    DotTiles dots;
    // sums[i] = the sum over lanes of chains[i][kVirtualLanes], halves added until one is left.
    void (*add_lanes)(const float* chains, int64_t count, float* sums);
};

}  // namespace nconv
