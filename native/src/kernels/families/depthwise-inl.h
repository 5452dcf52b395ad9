// The kernels of one channel per group, channels in lanes.
#pragma once

#include "kernels/depthwise-inl.h"
#include "kernels/depthwise_quads-inl.h"
#include "kernels/depthwise_walk-inl.h"

namespace nconv {

template <class V>
constexpr DepthwiseKernels make_depthwise() {
    DepthwiseKernels set = {};
    set.rows = DepthwiseTile<V>::kRows;
    if constexpr (V::kLanes > 1) {  // one lane gains nothing by tiles of its own: 150 KB
        set.quads = depthwise_quads<V>;
        set.fixed[0] = {3, 3, 1, depthwise_channels<V, 3, 3, 1>, nullptr};
        set.fixed[1] = {3, 3, 2, depthwise_channels<V, 3, 3, 2>, nullptr};
        set.fixed[2] = {5, 5, 1, depthwise_channels<V, 5, 5, 1>, nullptr};
        set.fixed[3] = {5, 5, 2, depthwise_channels<V, 5, 5, 2>, nullptr};
        set.fixed[4] = {7, 7, 1, depthwise_channels<V, 7, 7, 1>, nullptr};
        set.fixed[5] = {7, 7, 2, depthwise_channels<V, 7, 7, 2>, nullptr};
        set.fixed[6] = {1, 1, 1, depthwise_channels<V, 1, 1, 1>, nullptr};
        set.fixed[7] = {1, 2, 1, depthwise_channels<V, 1, 2, 1>, nullptr};
        set.fixed[8] = {2, 1, 1, depthwise_channels<V, 2, 1, 1>, nullptr};
        set.fixed[9] = {2, 2, 1, depthwise_channels<V, 2, 2, 1>, nullptr};
        set.fixed[10] = {2, 3, 1, depthwise_channels<V, 2, 3, 1>, nullptr};
        set.fixed[11] = {3, 2, 1, depthwise_channels<V, 3, 2, 1>, nullptr};
    }
    if constexpr (V::kLanes > 1 && V::kRegisters >= 32) {
        set.fixed[0].walk = depthwise_walk<V, 3, 3, 1>;
        set.fixed[1].walk = depthwise_walk<V, 3, 3, 2>;
        set.fixed[6].walk = depthwise_walk<V, 1, 1, 1>;
        set.fixed[7].walk = depthwise_walk<V, 1, 2, 1>;
        set.fixed[8].walk = depthwise_walk<V, 2, 1, 1>;
        set.fixed[9].walk = depthwise_walk<V, 2, 2, 1>;
    }
    set.any = depthwise_channels_any<V>;
    return set;
}

}  // namespace nconv
