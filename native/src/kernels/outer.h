// Sums over pixels: the contract of the kernels of weight gradients of few channels and small groups.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/limits.h"

namespace nconv {

// rows x columns sums over pixels, columns in lanes; row i reads a value at offsets[i] for each pixel:
//   out[i][j] = sum over z, y, x of a[z,y,x + offsets[i]] * b[z,y,x][j], added to what is there if `add`
struct OuterTileArgs {
    const float* a;
    const ptrdiff_t* offsets;
    ptrdiff_t a_x, a_y, a_z;
    const float* b;
    ptrdiff_t b_x, b_y, b_z;
    int64_t x, y, z;
    float* out;
    ptrdiff_t out_row;
    int columns;
    bool add;
};
using OuterTile = void (*)(const OuterTileArgs&);

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

struct OuterKernels {
    int vectors, rows[kMaxTileVectors];  // at most; [vectors - 1]
    OuterTile tile[kMaxTileRows][kMaxTileVectors];
    OuterTile tile_partial[kMaxTileRows][kMaxTileVectors];  // `columns` fill no whole vectors
    GroupTiles group_tiles[kGroupSizes];
};

}  // namespace nconv
