// Products of dense convolution: the contract of its kernels.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/limits.h"

namespace nconv {

// What a tile does with the output it finds.
enum class TileMode {
    kStore,     // out = init + sum
    kContinue,  // the chain goes on from out: a later block of the same sum
    kAdd,       // out = out + sum: a new chain, added
};

// rows x columns outputs, columns in lanes. Every row has `depth` consecutive values per tap, which are
// broadcast; the panel holds the weights as [tap][depth][vectors * lanes], its taps panel_tap apart.
//   out[i][j] = init[j] + sum over t, k of sources[t][i][offsets[t] + k] * panel[t][k][j]
struct RowsTileArgs {
    const float* const*
        sources;  // [taps][source_pitch]; the pitch is 0 where all taps share the rows'
    ptrdiff_t source_pitch;
    const ptrdiff_t* offsets;  // [taps]
    int64_t taps;
    int64_t depth;
    const float* panel;
    ptrdiff_t panel_tap;
    const float* init;  // null: zeros
    float* const* outputs;
    int columns;  // valid ones, more than (vectors - 1) * lanes
    TileMode mode;
};
using RowsTile = void (*)(const RowsTileArgs&);

// Tiles one after the other whose rows lie at constant steps, one tap. No pointers to make and no call for
// each tile: 64 channels at 56 x 56 gained 8 points of peak.
struct RowsRunArgs {
    const float* source;
    ptrdiff_t source_step;  // from one row to the next
    int64_t depth;
    const float* panel;
    const float* init;  // null: zeros
    float* out;
    ptrdiff_t out_step;
    int64_t tiles;
    int columns;  // valid ones, more than (vectors - 1) * lanes
    TileMode mode;
    bool ahead;  // ask for the next tile's lines: 128 channels at 147 x 147 from 64 to 83 % of peak
};
using RowsRun = void (*)(const RowsRunArgs&);

// rows x columns outputs, columns in lanes, both operands walked by constant steps:
//   out[i][j] = init[i] + sum over z, y, x of a[z,y,x][i] * b[z,y,x][j]
// a is packed [..][rows] along x; b has one vector block per x, of which no more than the columns is read. Then
// the same for further tiles side by side, whole ones: a call for each cost 64 channels at 56 x 56 4 points of peak.
struct PackedTileArgs {
    const float* a;
    ptrdiff_t a_y, a_z;
    const float* b;
    ptrdiff_t b_x, b_y, b_z;
    int64_t x, y, z;
    const float* init;  // one per row; null: zeros
    float* out;
    ptrdiff_t out_row;
    int64_t tiles;
    int columns;  // of a tile: valid ones, more than (vectors - 1) * lanes
    TileMode mode;
    ptrdiff_t ahead;  // ask for b's lines so far ahead; 0: do not
};
using PackedTile = void (*)(const PackedTileArgs&);

// One column of up to kColumnTiles packed tiles at once, rows in lanes: where a block of pixels is one
// wider than its vectors, a whole vector for that pixel would cost up to a third.
//   out[t][i * out_row] = init[t][i] + sum over x of a[t][x][i] * b[x * b_x]
constexpr int kColumnTiles = 8;
struct ColumnArgs {
    const float* a[kColumnTiles];  // packed [x][rows[t]]; whole vectors are read at each x
    int rows[kColumnTiles];        // 0: no such tile
    const float* b;
    ptrdiff_t b_x;
    int64_t x;
    const float* init[kColumnTiles];  // null: zeros
    float* out[kColumnTiles];
    ptrdiff_t out_row;
    TileMode mode;  // kStore or kContinue
};
using ColumnKernel = void (*)(const ColumnArgs&);

struct GemmKernels {
    int rows_tile_vectors, rows_tile_rows[kMaxTileVectors];  // [vectors - 1]
    RowsTile rows_tile[kMaxTileRows][kMaxTileVectors];       // [rows - 1][vectors - 1]
    RowsRun rows_run[kMaxTileRows][kMaxTileVectors];  // null for fewer rows than runs are cut into
    // The same where the last vector has no more columns than half its lanes, the panel holding them twice, in
    // either half: an even number of rows, null for others and where it does not pay. AVX-512 only.
    RowsTile halves_tile[kMaxTileRows][kMaxTileVectors];
    RowsRun halves_run[kMaxTileRows][kMaxTileVectors];
    bool runs_short_rows;  // rows_run takes columns that are no whole vectors

    int packed_tile_rows, packed_tile_vectors;
    PackedTile packed_tile[kMaxTileRows][kMaxTileVectors];
    ColumnKernel packed_column;  // null where a tile's rows do not fit one vector
};

}  // namespace nconv
