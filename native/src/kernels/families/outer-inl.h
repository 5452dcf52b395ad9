// The kernels of weight gradients of few channels and small groups.
#pragma once

#include "kernels/dots-inl.h"
#include "kernels/group_weights-inl.h"
#include "kernels/outer-inl.h"

namespace nconv {

// Where masks cost nothing, tiles with them serve whole vectors too.
template <class V, int kVectors, bool kPartial, int kRows>
constexpr void add_outer_tiles(OuterKernels& set) {
    constexpr int kFewest = OuterShape<V>::kFewestRows;
    constexpr bool kMasked = kPartial || V::kFreeMasks;
    set.tile[kPartial][kRows - kFewest][kVectors - 1] =
        outer_tile<V, kRows, kVectors, kMasked, false>;
    if constexpr (kRows > kFewest) {
        add_outer_tiles<V, kVectors, kPartial, kRows - 1>(set);
    } else {
        set.bias_tile[kPartial][kVectors - 1] = outer_tile<V, kRows, kVectors, kMasked, true>;
    }
}

template <class V, int kVectors>
constexpr void add_outer_vectors(OuterKernels& set) {
    constexpr int kRows = OuterShape<V>::rows(kVectors);
    set.rows[kVectors - 1] = kRows;
    add_outer_tiles<V, kVectors, false, kRows>(set);
    if constexpr (V::kLanes > 1) add_outer_tiles<V, kVectors, true, kRows>(set);
    if constexpr (kVectors > 1) add_outer_vectors<V, kVectors - 1>(set);
}

template <class V, int kVectors, int kGroups = OuterGroupShape<V>::most(kVectors)>
constexpr void add_outer_groups(OuterGroupTiles& tiles) {
    constexpr int kFewest = OuterGroupShape<V>::kFewest;
    if (kGroups > tiles.most) tiles.most = kGroups;
    tiles.each = OuterGroupShape<V>::each(kVectors);
    tiles.fewest = kFewest;
    tiles.tile[kGroups - kFewest] = outer_groups_tile<V, kGroups, kVectors>;
    if constexpr (kGroups > kFewest) add_outer_groups<V, kVectors, kGroups - 1>(tiles);
}

template <class V, int kGroup, int kTaps = GroupShape<V>::taps(kGroup)>
constexpr void add_group_tiles(GroupTiles& tiles) {
    if (kTaps > tiles.taps) tiles.taps = kTaps;
    tiles.tile[kTaps - 1] = group_tile<V, kGroup, kTaps>;
    if constexpr (kTaps > 1) add_group_tiles<V, kGroup, kTaps - 1>(tiles);
}

template <class V, int kTerms = DotShape<V>::kTerms>
constexpr void add_dot_tiles(DotTiles& tiles) {
    tiles.tile[kTerms - 1] = dot_tile<V, kTerms>;
    if constexpr (kTerms > 1) add_dot_tiles<V, kTerms - 1>(tiles);
}

template <class V>
constexpr OuterKernels make_outer() {
    using Shape = OuterShape<V>;
    OuterKernels set = {};
    set.vectors = Shape::kVectors;
    set.fewest_rows = Shape::kFewestRows;
    add_outer_vectors<V, Shape::kVectors>(set);
    if constexpr (OuterGroupShape<V>::kServed) {
        add_outer_groups<V, 1>(set.grouped_rows[0]);
        add_outer_groups<V, 2>(set.grouped_rows[1]);
    }
    add_group_tiles<V, 2>(set.group_tiles[0]);
    add_group_tiles<V, 4>(set.group_tiles[1]);
    add_group_tiles<V, 8>(set.group_tiles[2]);
    set.dots.terms = DotShape<V>::kTerms;
    set.dots.gradients = DotShape<V>::kGradients;
    add_dot_tiles<V>(set.dots);
    set.add_lanes = add_lanes<V>;
    return set;
}

}  // namespace nconv
