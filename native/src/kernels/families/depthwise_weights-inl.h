// The kernels of weight gradients of depthwise convolution.
#pragma once

#include "kernels/depthwise_weights-inl.h"

namespace nconv {

template <class V>
constexpr DepthwiseWeightsKernels make_depthwise_weights() {
    DepthwiseWeightsKernels set = {};
    set.channels = depthwise_weights_channels<V>;
    set.pixels = depthwise_weights_pixels<V>;
    if constexpr (V::kLanes > 1) {
        set.rows[0] = depthwise_weights_rows<V, 3, 1>();
        set.rows[1] = depthwise_weights_rows<V, 3, 2>();
        set.rows[2] = depthwise_weights_rows<V, 5, 1>();
        set.rows[3] = depthwise_weights_rows<V, 5, 2>();
        set.rows[4] = depthwise_weights_rows<V, 7, 1>();
    }
    return set;
}

}  // namespace nconv
