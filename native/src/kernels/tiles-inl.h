// Register tiles: their shapes, and how their sums start and end. Shapes follow from the register file: with 32
// registers 6 x 4 vectors and 12 x 2 (24 accumulators), with 16 both are 6 x 2 (12 accumulators).
// Prototypes on Zen 4: 14 x 2 was no faster, 28 x 1 fell to 85 % with the panel in L3, and prefetching the
// panel gained at most 2 % and cost 20 to 30 % in tiles of one or two rows.
#pragma once

#include "kernels/limits.h"

namespace nconv {

template <class V>
struct TileShape {
    static constexpr int kRowsTileVectors = V::kRegisters >= 32 ? 4 : 2;
    // Fewer vectors leave registers for more rows: a load of weights is used more often, and 6 x 1 waited
    // for its sums.
    static constexpr int rows_tile_rows(int vectors) {
        if (vectors == 1) return 12;
        return V::kRegisters < 32 ? 6 : vectors == 2 ? 12 : vectors == 3 ? 8 : 6;
    }
    static constexpr int kPackedTileRows = V::kRegisters >= 32 ? 12 : 6;
    static constexpr int kPackedTileVectors = 2;
};

template <class V, int kRows, int kVectors>
struct Accumulators {
    static_assert(kRows * kVectors + kVectors + 1 <= V::kRegisters,
                  "accumulators, one row of b and one broadcast must fit the register file");
    typename V::Reg at[kRows][kVectors];
};

template <class V>
typename V::Reg load_columns(const float* p, int v, int columns) {
    const int left = columns - v * V::kLanes;
    return left >= V::kLanes ? V::load(p + v * V::kLanes)
                             : V::load_partial(p + v * V::kLanes, left);
}

template <class V>
void store_columns(float* p, typename V::Reg value, int v, int columns) {
    const int left = columns - v * V::kLanes;
    if (left >= V::kLanes) {
        V::store(p + v * V::kLanes, value);
    } else if (left > 0) {
        V::store_partial(p + v * V::kLanes, value, left);
    }
}

}  // namespace nconv
