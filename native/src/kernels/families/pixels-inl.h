// The kernels of one channel per group, the elements of a row in lanes.
#pragma once

#include "kernels/depthwise_quad_planes-inl.h"
#include "kernels/depthwise_squares-inl.h"
#include "kernels/separable-inl.h"

namespace nconv {

template <class V>
constexpr PixelKernels make_pixels() {
    PixelKernels set = {};
    set.plane = depthwise_pixels_list<V, true>();
    set.interleaved = depthwise_pixels_list<V, false>();
    if constexpr (V::kRegisters >= 32) set.quad_planes = depthwise_quad_planes<V>;
    set.separable = {separable_columns<V>, separable_row<V>};
    return set;
}

}  // namespace nconv
