// make_kernel_set<V>: every kernel of one instruction set. Included by isa/<isa>.cpp only.
#pragma once

#include "kernels/activation-inl.h"
#include "kernels/columns-inl.h"
#include "kernels/depthwise-inl.h"
#include "kernels/depthwise_quads-inl.h"
#include "kernels/depthwise_squares-inl.h"
#include "kernels/depthwise_walk-inl.h"
#include "kernels/depthwise_weights-inl.h"
#include "kernels/gemm-inl.h"
#include "kernels/group_weights-inl.h"
#include "kernels/grouped-inl.h"
#include "kernels/kernel_set.h"
#include "kernels/outer-inl.h"
#include "kernels/separable-inl.h"
#include "kernels/sliding-inl.h"
#include "kernels/strip-inl.h"
#include "kernels/winograd-inl.h"
#include "kernels/winograd_gradient-inl.h"
#include "kernels/winograd_weights-inl.h"

namespace nconv {

template <class V, int kRows, int kVectors>
constexpr void add_rows_tiles(KernelSet& set) {
    constexpr int kMost = TileShape<V>::rows_tile_rows(kVectors);
    if (kRows == kMost) set.rows_tile_rows[kVectors - 1] = kMost;
    set.rows_tile[kRows - 1][kVectors - 1] = rows_tile<V, kRows, kVectors>;
    set.rows_run[kRows - 1][kVectors - 1] = rows_run<V, kRows, kVectors>;
    if constexpr (kRows > 1) {
        add_rows_tiles<V, kRows - 1, kVectors>(set);
    } else if constexpr (kVectors > 1) {
        add_rows_tiles<V, TileShape<V>::rows_tile_rows(kVectors - 1), kVectors - 1>(set);
    }
}

template <class V, int kRows, int kVectors>
constexpr void add_packed_tiles(KernelSet& set) {
    set.packed_tile[kRows - 1][kVectors - 1] = packed_tile<V, kRows, kVectors, false>;
    set.packed_run[kRows - 1][kVectors - 1] = packed_run<V, kRows, kVectors>;
    set.packed_tile_partial[kRows - 1][kVectors - 1] = packed_tile<V, kRows, kVectors, true>;
    if constexpr (kVectors > 1) {
        add_packed_tiles<V, kRows, kVectors - 1>(set);
    } else if constexpr (kRows > 1) {
        add_packed_tiles<V, kRows - 1, TileShape<V>::kPackedTileVectors>(set);
    }
}

template <class V, int kRows, int kVectors>
constexpr void add_outer_tiles(KernelSet& set) {
    constexpr int kMost = OuterShape<V>::rows(kVectors);
    if (kRows == kMost) set.outer_rows[kVectors - 1] = kMost;
    set.outer_tile[kRows - 1][kVectors - 1] = outer_tile<V, kRows, kVectors, false>;
    set.outer_tile_partial[kRows - 1][kVectors - 1] = outer_tile<V, kRows, kVectors, true>;
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

template <class V, int kVectors, int kRows>
constexpr void add_strip_tiles(KernelSet& set) {
    set.strip_channels[kVectors - 1] = strip_channels<V, kVectors>;
    set.strip_pixels[kRows - 1] = strip_pixels<V, kRows>;
    if constexpr (kVectors > 1 || kRows > 1) {
        add_strip_tiles<V, (kVectors > 1 ? kVectors - 1 : 1), (kRows > 1 ? kRows - 1 : 1)>(set);
    }
}

template <class V, int kRows>
constexpr void add_sliding_rows(KernelSet& set) {
    set.sliding_rows[kRows - 1] = sliding_rows<V, kRows>;
    if constexpr (kRows > 1) add_sliding_rows<V, kRows - 1>(set);
}

template <class V, int kRows, int kVectors>
constexpr void add_winograd_products(KernelSet& set) {
    set.winograd_product[kRows - 1][kVectors - 1] = winograd_product<V, kRows, kVectors>;
    if constexpr (kRows > 1) {
        add_winograd_products<V, kRows - 1, kVectors>(set);
    } else if constexpr (kVectors > 1) {
        add_winograd_products<V, winograd_product_rows<V>(kVectors - 1), kVectors - 1>(set);
    }
}

template <class V, int kRows, int kVectors>
constexpr void add_winograd_gradient(KernelSet& set) {
    set.winograd_gradient[kRows - 1][kVectors - 1] = winograd_gradient<V, kRows, kVectors>;
    if constexpr (kVectors > 1) {
        add_winograd_gradient<V, kRows, kVectors - 1>(set);
    } else if constexpr (kRows > 1) {
        add_winograd_gradient<V, kRows - 1, TileShape<V>::kPackedTileVectors>(set);
    }
}

template <class V, int kVariant = 0>
constexpr void add_winograd(KernelSet& set) {
    set.winograd[kVariant] = {winograd_input<V, kVariant>, winograd_output<V, kVariant>,
                              winograd_weights<V, kVariant>};
    if constexpr (kVariant + 1 < kWinogradVariants) add_winograd<V, kVariant + 1>(set);
}

template <class V>
constexpr KernelSet make_kernel_set(nconv_isa isa) {
    using Shape = TileShape<V>;
    KernelSet set = {};
    set.isa = isa;
    set.lanes = V::kLanes;
    set.rows_tile_vectors = Shape::kRowsTileVectors;
    add_rows_tiles<V, Shape::rows_tile_rows(Shape::kRowsTileVectors), Shape::kRowsTileVectors>(set);
    set.packed_tile_rows = Shape::kPackedTileRows;
    set.packed_tile_vectors = Shape::kPackedTileVectors;
    add_packed_tiles<V, Shape::kPackedTileRows, Shape::kPackedTileVectors>(set);
    set.outer_vectors = OuterShape<V>::kVectors;
    add_outer_tiles<V, OuterShape<V>::rows(OuterShape<V>::kVectors), OuterShape<V>::kVectors>(set);
    add_group_tiles<V, 2>(set.group_tiles[0]);
    add_group_tiles<V, 4>(set.group_tiles[1]);
    add_group_tiles<V, 8>(set.group_tiles[2]);
    if constexpr (Shape::kPackedTileRows <= V::kLanes) set.packed_column = packed_column<V>;
    set.strip_channel_vectors = StripShape<V>::kChannelVectors;
    set.strip_pixel_rows = StripShape<V>::kPixelRows;
    add_strip_tiles<V, StripShape<V>::kChannelVectors, StripShape<V>::kPixelRows>(set);
    set.strip_rows = strip_rows<V>;
    set.sliding_row_count = SlidingShape<V>::kRows;
    add_sliding_rows<V, SlidingShape<V>::kRows>(set);
    add_winograd<V>(set);
    for (int v = 1; v <= Shape::kRowsTileVectors; ++v)
        set.winograd_product_rows[v - 1] = winograd_product_rows<V>(v);
    add_winograd_products<V, winograd_product_rows<V>(Shape::kRowsTileVectors),
                          Shape::kRowsTileVectors>(set);
    set.winograd_gradient_points = winograd_gradient_points<V>;
    add_winograd_gradient<V, Shape::kPackedTileRows, Shape::kPackedTileVectors>(set);
    set.depthwise_channels_rows = DepthwiseTile<V>::kRows;
    if constexpr (V::kLanes > 1) {  // one lane gains nothing by tiles of its own: 150 KB
        set.depthwise_quads = depthwise_quads<V>;
        set.depthwise_channels[0] = {3, 3, 1, depthwise_channels<V, 3, 3, 1>, nullptr};
        set.depthwise_channels[1] = {3, 3, 2, depthwise_channels<V, 3, 3, 2>, nullptr};
        set.depthwise_channels[2] = {5, 5, 1, depthwise_channels<V, 5, 5, 1>, nullptr};
        set.depthwise_channels[3] = {5, 5, 2, depthwise_channels<V, 5, 5, 2>, nullptr};
        set.depthwise_channels[4] = {7, 7, 1, depthwise_channels<V, 7, 7, 1>, nullptr};
        set.depthwise_channels[5] = {7, 7, 2, depthwise_channels<V, 7, 7, 2>, nullptr};
        set.depthwise_channels[6] = {1, 1, 1, depthwise_channels<V, 1, 1, 1>, nullptr};
        set.depthwise_channels[7] = {1, 2, 1, depthwise_channels<V, 1, 2, 1>, nullptr};
        set.depthwise_channels[8] = {2, 1, 1, depthwise_channels<V, 2, 1, 1>, nullptr};
        set.depthwise_channels[9] = {2, 2, 1, depthwise_channels<V, 2, 2, 1>, nullptr};
        set.depthwise_channels[10] = {2, 3, 1, depthwise_channels<V, 2, 3, 1>, nullptr};
        set.depthwise_channels[11] = {3, 2, 1, depthwise_channels<V, 3, 2, 1>, nullptr};
    }
    if constexpr (V::kLanes > 1 && V::kRegisters >= 32) {
        set.depthwise_channels[0].walk = depthwise_walk<V, 3, 3, 1>;
        set.depthwise_channels[1].walk = depthwise_walk<V, 3, 3, 2>;
        set.depthwise_channels[6].walk = depthwise_walk<V, 1, 1, 1>;
        set.depthwise_channels[7].walk = depthwise_walk<V, 1, 2, 1>;
        set.depthwise_channels[8].walk = depthwise_walk<V, 2, 1, 1>;
        set.depthwise_channels[9].walk = depthwise_walk<V, 2, 2, 1>;
    }
    set.depthwise_channels_any = depthwise_channels_any<V>;
    set.depthwise_plane = depthwise_pixels_list<V, true>();
    set.depthwise_interleaved = depthwise_pixels_list<V, false>();
    set.separable_plane = {separable_columns<V, true>, separable_row<V, true>};
    set.separable_interleaved = {separable_columns<V, false>, separable_row<V, false>};
    set.split_columns = split_columns<V>;
    set.join_columns = join_columns<V>;
    set.depthwise_weights_channels = depthwise_weights_channels<V>;
    set.depthwise_weights_pixels = depthwise_weights_pixels<V>;
    if constexpr (V::kLanes > 1) {
        set.depthwise_weights_row[0] = depthwise_weights_rows<V, 3, 1>();
        set.depthwise_weights_row[1] = depthwise_weights_rows<V, 3, 2>();
        set.depthwise_weights_row[2] = depthwise_weights_rows<V, 5, 1>();
        set.depthwise_weights_row[3] = depthwise_weights_rows<V, 5, 2>();
        set.depthwise_weights_row[4] = depthwise_weights_rows<V, 7, 1>();
    }
    set.grouped_rows = GroupedTile<V>::kRows;
    set.grouped[0] = grouped_kernels<V, 2>();
    set.grouped[1] = grouped_kernels<V, 4>();
    set.grouped[2] = grouped_kernels<V, 8>();
    set.transpose = transpose<V>;
    set.pack_columns = pack_columns<V>;
    set.add_rows = add_rows<V>;
    set.activations[NCONV_ACTIVATION_LINEAR] = activation_kernel<V, Linear>();
    set.activations[NCONV_ACTIVATION_RELU] = activation_kernel<V, Relu>();
    set.activations[NCONV_ACTIVATION_LEAKY_RELU] = activation_kernel<V, LeakyRelu>();
    set.activations[NCONV_ACTIVATION_CLIP] = activation_kernel<V, Clip>();
    set.activations[NCONV_ACTIVATION_SIGMOID] = activation_kernel<V, Sigmoid>();
    set.activations[NCONV_ACTIVATION_TANH] = activation_kernel<V, Tanh>();
    set.activations[NCONV_ACTIVATION_ELU] = activation_kernel<V, Elu>();
    return set;
}

static_assert(kActivations == 7, "a new activation needs its line in make_kernel_set");

}  // namespace nconv
