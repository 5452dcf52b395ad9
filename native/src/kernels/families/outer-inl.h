// The kernels of weight gradients of few channels and small groups.
#pragma once

#include "kernels/group_weights-inl.h"
#include "kernels/outer-inl.h"

namespace nconv {

template <class V, int kRows, int kVectors>
constexpr void add_outer_tiles(OuterKernels& set) {
    constexpr int kMost = OuterShape<V>::rows(kVectors);
    if (kRows == kMost) set.rows[kVectors - 1] = kMost;
    set.tile[kRows - 1][kVectors - 1] = outer_tile<V, kRows, kVectors, false>;
    set.tile_partial[kRows - 1][kVectors - 1] = outer_tile<V, kRows, kVectors, true>;
    if constexpr (kRows > 1) {
        add_outer_tiles<V, kRows - 1, kVectors>(set);
    } else if constexpr (kVectors > 1) {
        add_outer_tiles<V, OuterShape<V>::rows(kVectors - 1), kVectors - 1>(set);
    }
}

template <class V, int kGroup, int kTaps = GroupShape<V>::taps(kGroup)>
constexpr void add_group_tiles(GroupTiles& tiles) {
    if (kTaps > tiles.taps) tiles.taps = kTaps;
    tiles.tile[kTaps - 1] = group_tile<V, kGroup, kTaps>;
    if constexpr (kTaps > 1) add_group_tiles<V, kGroup, kTaps - 1>(tiles);
}

template <class V>
constexpr OuterKernels make_outer() {
    using Shape = OuterShape<V>;
    OuterKernels set = {};
    set.vectors = Shape::kVectors;
    add_outer_tiles<V, Shape::rows(Shape::kVectors), Shape::kVectors>(set);
    add_group_tiles<V, 2>(set.group_tiles[0]);
    add_group_tiles<V, 4>(set.group_tiles[1]);
    add_group_tiles<V, 8>(set.group_tiles[2]);
    return set;
}

}  // namespace nconv
