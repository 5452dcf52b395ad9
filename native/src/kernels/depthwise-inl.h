// Depthwise kernels: channels in lanes (NHWC) or pixels in lanes (NCHW).
#pragma once

#include "kernels/kernel_set.h"

namespace nconv {

// kPixels output pixels of one block of channels, a chain each.
template <class V, int kPixels>
void depthwise_channels_tile(const DepthwiseArgs& t, int64_t pixel, int64_t channel) {
    using Reg = typename V::Reg;
    const int left =
        static_cast<int>(t.channels - channel < V::kLanes ? t.channels - channel : V::kLanes);
    const bool full = left == V::kLanes;
    const auto load = [&](const float* p) { return full ? V::load(p) : V::load_partial(p, left); };
    Reg acc[kPixels];
    const Reg start = t.init != nullptr ? load(t.init + channel) : V::zero();
#pragma GCC unroll 8
    for (int i = 0; i < kPixels; ++i) acc[i] = start;
    for (int k = 0; k < t.tap_count; ++k) {
        const Reg weight = load(t.taps[k].weight + channel);
        const float* source = t.taps[k].source + pixel * t.source_step + channel;
#pragma GCC unroll 8
        for (int i = 0; i < kPixels; ++i) {
            acc[i] = V::fma(load(source + i * t.source_step), weight, acc[i]);
        }
    }
    float* out = t.out + pixel * t.out_step + channel;
#pragma GCC unroll 8
    for (int i = 0; i < kPixels; ++i) V::store_partial(out + i * t.out_step, acc[i], left);
}

template <class V>
void depthwise_channels(const DepthwiseArgs& t) {
    for (int64_t channel = 0; channel < t.channels; channel += V::kLanes) {
        int64_t pixel = 0;
        for (; pixel + 8 <= t.pixels; pixel += 8) depthwise_channels_tile<V, 8>(t, pixel, channel);
        for (; pixel + 2 <= t.pixels; pixel += 2) depthwise_channels_tile<V, 2>(t, pixel, channel);
        for (; pixel < t.pixels; ++pixel) depthwise_channels_tile<V, 1>(t, pixel, channel);
    }
}

template <class V, bool kDense>
typename V::Reg load_pixels(const float* p, ptrdiff_t step, int count) {
    if (!kDense) return V::load_strided(p, step, count);
    return count >= V::kLanes ? V::load(p) : V::load_partial(p, count);
}

// kVectors vectors of output pixels of one channel; `left` of them in the last vector.
template <class V, int kVectors, bool kDense>
void depthwise_pixels_tile(const DepthwiseArgs& t, int64_t pixel, int left) {
    using Reg = typename V::Reg;
    Reg acc[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v)
        acc[v] = t.init != nullptr ? V::broadcast(t.init) : V::zero();
    for (int k = 0; k < t.tap_count; ++k) {
        const Reg weight = V::broadcast(t.taps[k].weight);
        const float* source = t.taps[k].source + pixel * t.source_step;
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
            const int count = v + 1 < kVectors ? V::kLanes : left;
            const float* p = source + v * V::kLanes * t.source_step;
            acc[v] = V::fma(load_pixels<V, kDense>(p, t.source_step, count), weight, acc[v]);
        }
    }
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
        const int count = v + 1 < kVectors ? V::kLanes : left;
        float* out = t.out + (pixel + v * V::kLanes) * t.out_step;
        if (t.out_step == 1) {
            V::store_partial(out, acc[v], count);
        } else {
            float lanes[V::kLanes];
            V::store(lanes, acc[v]);
            for (int i = 0; i < count; ++i) out[i * t.out_step] = lanes[i];
        }
    }
}

template <class V, bool kDense>
void depthwise_pixels_row(const DepthwiseArgs& t) {
    int64_t pixel = 0;
    for (; t.pixels - pixel > 3 * V::kLanes; pixel += 4 * V::kLanes) {
        const int64_t left = t.pixels - pixel - 3 * V::kLanes;
        depthwise_pixels_tile<V, 4, kDense>(t, pixel,
                                            static_cast<int>(left < V::kLanes ? left : V::kLanes));
    }
    for (; pixel < t.pixels; pixel += V::kLanes) {
        const int64_t left = t.pixels - pixel;
        depthwise_pixels_tile<V, 1, kDense>(t, pixel,
                                            static_cast<int>(left < V::kLanes ? left : V::kLanes));
    }
}

template <class V>
void depthwise_pixels(const DepthwiseArgs& t) {
    if (t.source_step == 1) {
        depthwise_pixels_row<V, true>(t);
    } else {
        depthwise_pixels_row<V, false>(t);
    }
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
