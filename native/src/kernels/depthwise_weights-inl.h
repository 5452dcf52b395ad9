// Weight gradients of depthwise convolution: channels in lanes (NHWC) or pixels in lanes (NCHW).
#pragma once

#include "kernels/kernel_set.h"

namespace nconv {

template <class V, bool kDense>
typename V::Reg load_pixels(const float* p, ptrdiff_t step, int count) {
    if (!kDense) return V::load_strided(p, step, count);
    return count >= V::kLanes ? V::load(p) : V::load_partial(p, count);
}

template <class V, int kTaps>
void depthwise_weights_channels_taps(const DepthwiseWeightsArgs& t, int first) {
    using Reg = typename V::Reg;
    const bool full = t.channels == V::kLanes;
    const auto load = [&](const float* p) {
        return full ? V::load(p) : V::load_partial(p, t.channels);
    };
    Reg acc[kTaps];
    const float* source[kTaps];
#pragma GCC unroll 8
    for (int k = 0; k < kTaps; ++k) {
        acc[k] = load(t.sums + (first + k) * t.sums_tap);
        source[k] = t.taps[first + k].source;
    }
    const float* grad = t.grad;
#pragma GCC unroll 1
    for (int64_t i = 0; i < t.pixels; ++i, grad += t.grad_step) {
        const Reg g = load(grad);
#pragma GCC unroll 8
        for (int k = 0; k < kTaps; ++k)
            acc[k] = V::fma(g, load(source[k] + i * t.source_step), acc[k]);
    }
#pragma GCC unroll 8
    for (int k = 0; k < kTaps; ++k)
        V::store_partial(t.sums + (first + k) * t.sums_tap, acc[k], t.channels);
}

template <class V>
void depthwise_weights_channels(const DepthwiseWeightsArgs& t) {
    int k = 0;
    for (; k + 8 <= t.tap_count; k += 8) depthwise_weights_channels_taps<V, 8>(t, k);
    for (; k + 3 <= t.tap_count; k += 3) depthwise_weights_channels_taps<V, 3>(t, k);
    for (; k < t.tap_count; ++k) depthwise_weights_channels_taps<V, 1>(t, k);
}

// Pixel i of the run goes to virtual lane i mod kVirtualLanes.
template <class V, bool kDense>
void depthwise_weights_pixels_row(const DepthwiseWeightsArgs& t) {
    using Reg = typename V::Reg;
    constexpr int kVectors = kVirtualLanes / V::kLanes;
    for (int k = 0; k < t.tap_count; ++k) {
        float* sums = t.sums + k * t.sums_tap;
        Reg acc[kVectors];
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) acc[v] = V::load(sums + v * V::kLanes);
        for (int64_t i = 0; i < t.pixels; i += kVirtualLanes) {
#pragma GCC unroll 16
            for (int v = 0; v < kVectors; ++v) {
                const int64_t left = t.pixels - i - v * V::kLanes;
                if (left <= 0) break;
                const int count = static_cast<int>(left < V::kLanes ? left : V::kLanes);
                const int64_t at = i + v * V::kLanes;
                const Reg g = load_pixels<V, true>(t.grad + at, 1, count);
                const Reg x = load_pixels<V, kDense>(t.taps[k].source + at * t.source_step,
                                                     t.source_step, count);
                acc[v] = V::fma(g, x, acc[v]);
            }
        }
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) V::store(sums + v * V::kLanes, acc[v]);
    }
}

template <class V>
void depthwise_weights_pixels(const DepthwiseWeightsArgs& t) {
    if (t.source_step == 1) {
        depthwise_weights_pixels_row<V, true>(t);
    } else {
        depthwise_weights_pixels_row<V, false>(t);
    }
}

}  // namespace nconv
