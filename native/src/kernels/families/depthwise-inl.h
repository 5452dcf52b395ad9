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
    if constexpr (V::kLanes > 1) {  // one lane gains nothing by kernels of its own
        set.quads = depthwise_quads<V>;
        set.fixed[0] = {3, 3, 1, depthwise_walk<V, 3, 3, 1>};
        set.fixed[1] = {3, 3, 2, depthwise_walk<V, 3, 3, 2>};
        set.fixed[2] = {5, 5, 1, depthwise_walk<V, 5, 5, 1>};
        set.fixed[3] = {5, 5, 2, depthwise_walk<V, 5, 5, 2>};
        set.fixed[4] = {7, 7, 1, depthwise_walk<V, 7, 7, 1>};
        set.fixed[5] = {7, 7, 2, depthwise_walk<V, 7, 7, 2>};
        set.fixed[6] = {2, 2, 1, depthwise_walk<V, 2, 2, 1>};
        set.fixed[7] = {2, 3, 1, depthwise_walk<V, 2, 3, 1>};
        set.fixed[8] = {3, 2, 1, depthwise_walk<V, 3, 2, 1>};
    }
    set.any = depthwise_channels_any<V>;
    return set;
}

}  // namespace nconv
