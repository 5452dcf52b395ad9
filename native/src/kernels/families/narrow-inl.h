// The kernels of few channels.
#pragma once

#include "kernels/sliding-inl.h"
#include "kernels/strip-inl.h"

namespace nconv {

template <class V, int kVectors, int kRows>
constexpr void add_strip_tiles(NarrowKernels& set) {
    set.strip_channels[kVectors - 1] = strip_channels<V, kVectors>;
    set.strip_pixels[kRows - 1] = strip_pixels<V, kRows>;
    if constexpr (kVectors > 1 || kRows > 1) {
        add_strip_tiles<V, (kVectors > 1 ? kVectors - 1 : 1), (kRows > 1 ? kRows - 1 : 1)>(set);
    }
}

template <class V, int kRows>
constexpr void add_sliding_rows(NarrowKernels& set) {
    set.sliding_rows[kRows - 1] = sliding_rows<V, kRows>;
    if constexpr (kRows > 1) add_sliding_rows<V, kRows - 1>(set);
}

template <class V>
constexpr NarrowKernels make_narrow() {
    using Strip = StripShape<V>;
    NarrowKernels set = {};
    set.strip_channel_vectors = Strip::kChannelVectors;
    set.strip_pixel_rows = Strip::kPixelRows;
    add_strip_tiles<V, Strip::kChannelVectors, Strip::kPixelRows>(set);
    // Four phases of a vector each need its registers.
    if constexpr (V::kLanes == kVirtualLanes && V::kFreeMasks) set.strip_quads = strip_quads<V>;
    set.strip_rows = strip_rows<V>;
    set.sliding_row_count = SlidingShape<V>::kRows;
    add_sliding_rows<V, SlidingShape<V>::kRows>(set);
    return set;
}

}  // namespace nconv
