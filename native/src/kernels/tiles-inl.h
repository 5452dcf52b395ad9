// Register tiles: their shapes, and how their sums start and end. Shapes follow from the register file: with 32
// registers 6 x 4 vectors and 12 x 2 (24 accumulators), with 16 both are 6 x 2 (12 accumulators).
// Prototypes on Zen 4: 14 x 2 was no faster, 28 x 1 fell to 85 % with the panel in L3, and prefetching the
// panel gained at most 2 % and cost 20 to 30 % in tiles of one or two rows.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/limits.h"

namespace nconv {

template <class V>
struct TileShape {
    // One lane needs no more than its sums to be right: 4 x 1.
    static constexpr bool kOneLane = V::kLanes == 1, kMany = V::kRegisters >= 32;
    static constexpr int kRowsTileVectors = kOneLane ? 1 : kMany ? 4 : 2;
    // Fewer vectors leave registers for more rows: a load of weights is used more often, and 6 x 1 waited
    // for its sums.
    static constexpr int rows_tile_rows(int vectors) {
        if (kOneLane) return 4;
        if (vectors == 1) return 12;
        return !kMany ? 6 : vectors == 2 ? 12 : vectors == 3 ? 8 : 6;
    }
    // Runs are cut into near-equal tiles of no fewer rows but for the shortest, which take tiles with pointers.
    static constexpr int rows_run_rows(int vectors) {
        const int most = rows_tile_rows(vectors);
        return most == 12 ? 10 : most == 8 ? 6 : most - 1;
    }
    static constexpr int kPackedTileRows = kOneLane ? 4 : kMany ? 12 : 6;
    static constexpr int kPackedTileVectors = kOneLane ? 1 : 2;
};

// A number as a type, for a lambda to take as an argument of a template.
template <int kNumber>
struct Constant {
    static constexpr int kValue = kNumber;
};

template <class V, int kRows, int kVectors>
struct Accumulators {
    static_assert(kRows * kVectors + kVectors + 1 <= V::kRegisters,
                  "accumulators, one row of b and one broadcast must fit the register file");
    typename V::Reg at[kRows][kVectors];
};

// Loaded once, not by each of the multiply-adds that read them.
template <class V, int kVectors>
[[gnu::always_inline]] inline void load_pinned(typename V::Reg (&b)[kVectors], const float* p) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
        b[v] = V::load(p + v * V::kLanes);
        V::pin(b[v]);
    }
}

// acc[i][v] += source value i * panel vector v for each k.
template <class V, int kRows, int kVectors, class Source>
[[gnu::always_inline]] inline void add_products(Accumulators<V, kRows, kVectors>& acc,
                                                const float* panel, int64_t depth,
                                                const Source& source) {
#pragma GCC unroll 1
    for (int64_t k = 0; k < depth; ++k, panel += kVectors * V::kLanes) {
        typename V::Reg b[kVectors];
        load_pinned<V>(b, panel);
#pragma GCC unroll 12
        for (int i = 0; i < kRows; ++i) {
            const typename V::Reg a = V::broadcast(source.at(i, k));
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) acc.at[i][v] = V::fma(a, b[v], acc.at[i][v]);
        }
        source.step();
    }
}

// Three rows share a pointer: x86 adds a register once or twice.
template <class V, int kRows>
struct RowSteps {
    static constexpr int kShare = 3, kPointers = (kRows + kShare - 1) / kShare;
    RowSteps(const float* start, ptrdiff_t row_step) : distance(row_step) {
#pragma GCC unroll 4
        for (int i = 0; i < kPointers; ++i) row[i] = start + i * kShare * distance;
    }
    const float* at(int i, int64_t) const { return row[i / kShare] + i % kShare * distance; }
    void step() const {
#pragma GCC unroll 4
        for (int i = 0; i < kPointers; ++i) ++row[i];
    }
    mutable const float* row[kPointers];
    const ptrdiff_t distance;
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
