// The kernels of dense convolution.
#pragma once

#include "kernels/gemm-inl.h"
#include "kernels/gemm_halves-inl.h"

namespace nconv {

template <class V, int kRows, int kVectors>
constexpr void add_rows_tiles(GemmKernels& set) {
    constexpr int kMost = TileShape<V>::rows_tile_rows(kVectors);
    if (kRows == kMost) set.rows_tile_rows[kVectors - 1] = kMost;
    set.rows_tile[kRows - 1][kVectors - 1] = rows_tile<V, kRows, kVectors>;
    if constexpr (kRows >= TileShape<V>::rows_run_rows(kVectors))
        set.rows_run[kRows - 1][kVectors - 1] = rows_run<V, kRows, kVectors>;
    if constexpr (kRows > 1) {
        add_rows_tiles<V, kRows - 1, kVectors>(set);
    } else if constexpr (kVectors > 1) {
        add_rows_tiles<V, TileShape<V>::rows_tile_rows(kVectors - 1), kVectors - 1>(set);
    }
}

template <class V, int kRows, int kVectors>
constexpr void add_halves_tiles(GemmKernels& set) {
    set.halves_tile[kRows - 1][kVectors - 1] = halves_tile<V, kRows, kVectors>;
    if constexpr (kRows + 1 >= TileShape<V>::rows_run_rows(kVectors))
        set.halves_run[kRows - 1][kVectors - 1] = halves_run<V, kRows, kVectors>;
    if constexpr (kRows > 2) add_halves_tiles<V, kRows - 2, kVectors>(set);
}

template <class V, int kRows, int kVectors>
constexpr void add_packed_tiles(GemmKernels& set) {
    set.packed_tile[kRows - 1][kVectors - 1] = packed_tile<V, kRows, kVectors>;
    if constexpr (kVectors > 1) {
        add_packed_tiles<V, kRows, kVectors - 1>(set);
    } else if constexpr (kRows > 1) {
        add_packed_tiles<V, kRows - 1, TileShape<V>::kPackedTileVectors>(set);
    }
}

template <class V>
constexpr GemmKernels make_gemm() {
    using Shape = TileShape<V>;
    GemmKernels set = {};
    set.rows_tile_vectors = Shape::kRowsTileVectors;
    add_rows_tiles<V, Shape::rows_tile_rows(Shape::kRowsTileVectors), Shape::kRowsTileVectors>(set);
    if constexpr (V::kFreeMasks) {
        add_halves_tiles<V, Shape::rows_tile_rows(2), 2>(set);
        add_halves_tiles<V, Shape::rows_tile_rows(3), 3>(set);
        add_halves_tiles<V, Shape::rows_tile_rows(4), 4>(set);
    }
    set.runs_short_rows = V::kFreeMasks;
    set.packed_tile_rows = Shape::kPackedTileRows;
    set.packed_tile_vectors = Shape::kPackedTileVectors;
    add_packed_tiles<V, Shape::kPackedTileRows, Shape::kPackedTileVectors>(set);
    if constexpr (Shape::kPackedTileRows <= V::kLanes) set.packed_column = packed_column<V>;
    return set;
}

}  // namespace nconv
