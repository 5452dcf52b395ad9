// The tiles of the narrow algorithm. A sum is one flat loop over a table of offsets into a strip whose
// padding is stored as zeros: no inner loop of one to eight channels and no pointer per pixel and tap,
// which together held layers with 3 input channels at 55 % of peak.
#pragma once

#include "kernels/gemm-inl.h"

namespace nconv {

// Two multiply-adds a cycle of latency 4 need eight accumulators; more than that save loads.
template <class V>
struct StripShape {
    static constexpr int kChannelVectors = V::kRegisters >= 32 ? 4 : 2;
    static constexpr int pixels(int vectors) {
        constexpr int kPixels32[] = {14, 12, 8, 6}, kPixels16[] = {12, 6};
        return V::kRegisters >= 32 ? kPixels32[vectors - 1] : kPixels16[vectors - 1];
    }
    static constexpr int kPixelRows = V::kRegisters >= 32 ? 8 : 6;
    static constexpr int pixel_vectors(int rows) {
        const int fit = (V::kRegisters - 1) / (rows + 1);
        return fit < kMostPixelVectors ? fit : kMostPixelVectors;
    }
    static constexpr int kMostPixelVectors = 8;
};

template <class V, int kPixels, int kVectors>
void strip_channels_tile(const StripChannelsArgs& t, int64_t pixel) {
    Accumulators<V, kPixels, kVectors> acc;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
        const typename V::Reg start =
            t.init != nullptr ? load_columns<V>(t.init, v, t.columns) : V::zero();
#pragma GCC unroll 14
        for (int i = 0; i < kPixels; ++i) acc.at[i][v] = start;
    }
    const ptrdiff_t step = t.source_step;
    const float* source = t.source + pixel * step;
    const float* weights = t.weights;
#pragma GCC unroll 1
    for (int64_t tap = 0; tap < t.taps; ++tap, weights += kVectors * V::kLanes) {
        const float* at = source + t.offsets[tap];
        typename V::Reg b[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
            b[v] = V::load(weights + v * V::kLanes);
            V::pin(b[v]);
        }
#pragma GCC unroll 14
        for (int i = 0; i < kPixels; ++i) {
            const typename V::Reg a = V::broadcast(at + i * step);
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) acc.at[i][v] = V::fma(a, b[v], acc.at[i][v]);
        }
    }
    float* out = t.out + pixel * t.out_step;
#pragma GCC unroll 14
    for (int i = 0; i < kPixels; ++i, out += t.out_step) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) store_columns<V>(out, acc.at[i][v], v, t.columns);
    }
}

// What is left after whole tiles is a whole or half tile again that starts earlier: pixels computed twice
// get the same value twice.
template <class V, int kVectors>
void strip_channels(const StripChannelsArgs& t) {
    constexpr int kMost = StripShape<V>::pixels(kVectors), kHalf = kMost / 2;
    int64_t pixel = 0;
    for (; pixel + kMost <= t.pixels; pixel += kMost)
        strip_channels_tile<V, kMost, kVectors>(t, pixel);
    if (t.pixels - pixel > kHalf && t.pixels >= kMost) {
        strip_channels_tile<V, kMost, kVectors>(t, t.pixels - kMost);
        return;
    }
    for (; pixel + kHalf <= t.pixels; pixel += kHalf)
        strip_channels_tile<V, kHalf, kVectors>(t, pixel);
    if (pixel < t.pixels && t.pixels >= kHalf) {
        strip_channels_tile<V, kHalf, kVectors>(t, t.pixels - kHalf);
        return;
    }
    for (; pixel < t.pixels; ++pixel) strip_channels_tile<V, 1, kVectors>(t, pixel);
}

template <class V, int kRows, int kVectors>
void strip_pixels_tile(const StripPixelsArgs& t, int64_t pixel) {
    const int64_t left = t.pixels - pixel;
    const int columns = static_cast<int>(left < kVectors * V::kLanes ? left : kVectors * V::kLanes);
    Accumulators<V, kRows, kVectors> acc;
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
        const typename V::Reg start = t.init != nullptr ? V::broadcast(t.init + i) : V::zero();
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) acc.at[i][v] = start;
    }
    const float* source = t.source + pixel;
    const float* weights = t.weights;
#pragma GCC unroll 1
    for (int64_t tap = 0; tap < t.taps; ++tap, weights += kRows) {
        const float* at = source + t.offsets[tap];
        typename V::Reg b[kVectors];
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) {
            b[v] = V::load(at + v * V::kLanes);
            V::pin(b[v]);
        }
#pragma GCC unroll 8
        for (int i = 0; i < kRows; ++i) {
            const typename V::Reg a = V::broadcast(weights + i);
#pragma GCC unroll 8
            for (int v = 0; v < kVectors; ++v) acc.at[i][v] = V::fma(a, b[v], acc.at[i][v]);
        }
    }
    float* out = t.out + pixel;
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i, out += t.out_row) {
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) store_columns<V>(out, acc.at[i][v], v, columns);
    }
}

template <class V, int kRows, int kVectors>
void strip_pixels_any(const StripPixelsArgs& t, int64_t pixel, int64_t vectors) {
    if (vectors == kVectors) {
        strip_pixels_tile<V, kRows, kVectors>(t, pixel);
    } else if constexpr (kVectors > 1) {
        strip_pixels_any<V, kRows, kVectors - 1>(t, pixel, vectors);
    }
}

// Near-equal tiles: a last one of a single vector would wait for its few chains.
template <class V, int kRows>
void strip_pixels(const StripPixelsArgs& t) {
    constexpr int kMost = StripShape<V>::pixel_vectors(kRows);
    int64_t vectors = (t.pixels + V::kLanes - 1) / V::kLanes;
    int64_t tiles = (vectors + kMost - 1) / kMost;
    for (int64_t pixel = 0; tiles > 0; --tiles) {
        const int64_t count = (vectors + tiles - 1) / tiles;
        strip_pixels_any<V, kRows, kMost>(t, pixel, count);
        vectors -= count;
        pixel += count * V::kLanes;
    }
}

}  // namespace nconv
