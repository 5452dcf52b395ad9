// The kernels of Winograd convolution.
#pragma once

#include "kernels/tiles-inl.h"
#include "kernels/winograd-inl.h"
#include "kernels/winograd_gradient-inl.h"
#include "kernels/winograd_weights-inl.h"

namespace nconv {

template <class V, int kRows, int kVectors>
constexpr void add_winograd_products(WinogradKernels& set) {
    set.product[kRows - 1][kVectors - 1] = winograd_product<V, kRows, kVectors>;
    if constexpr (kRows > 1) {
        add_winograd_products<V, kRows - 1, kVectors>(set);
    } else if constexpr (kVectors > 1) {
        add_winograd_products<V, winograd_product_rows<V>(kVectors - 1), kVectors - 1>(set);
    }
}

template <class V, int kRows, int kVectors>
constexpr void add_winograd_gradient(WinogradKernels& set) {
    set.gradient_sums[kRows - 1][kVectors - 1] = winograd_gradient_sums<V, kRows, kVectors>;
    if constexpr (kVectors > 1) {
        add_winograd_gradient<V, kRows, kVectors - 1>(set);
    } else if constexpr (kRows > 1) {
        add_winograd_gradient<V, kRows - 1, WinogradGradientShape<V>::kVectors>(set);
    }
}

template <class V, int kVariant = 0>
constexpr void add_winograd(WinogradKernels& set) {
    set.tiles[kVariant] = {winograd_input<V, kVariant>, winograd_output<V, kVariant>,
                           winograd_weights<V, kVariant>};
    if constexpr (kVariant + 1 < kWinogradVariants) add_winograd<V, kVariant + 1>(set);
}

template <class V>
constexpr WinogradKernels make_winograd() {
    using Shape = TileShape<V>;
    WinogradKernels set = {};
    add_winograd<V>(set);
    for (int v = 1; v <= Shape::kRowsTileVectors; ++v)
        set.product_rows[v - 1] = winograd_product_rows<V>(v);
    add_winograd_products<V, winograd_product_rows<V>(Shape::kRowsTileVectors),
                          Shape::kRowsTileVectors>(set);
    set.gradient_points = winograd_gradient_points<V>;
    using Gradient = WinogradGradientShape<V>;
    set.gradient_rows = Gradient::kRows;
    set.gradient_vectors = Gradient::kVectors;
    add_winograd_gradient<V, Gradient::kRows, Gradient::kVectors>(set);
    set.gradient = winograd_gradient<V>;
    return set;
}

}  // namespace nconv
