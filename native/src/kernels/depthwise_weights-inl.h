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

// How many rows of the kernel have their accumulators in registers, and for how many pixels a
// source vector is loaded once.
template <class V, int kTaps>
struct DepthwiseWeightsTile {
    static constexpr int kMostRows = (V::kRegisters - 4) / kTaps;
    static constexpr int kRows = kMostRows < kTaps ? kMostRows : kTaps;
    static constexpr int pixels(int rows) {
        const int most = V::kRegisters - 2 - rows * kTaps;
        return most < 4 ? most : 4;
    }
};

template <class V, int kTaps, int kStep, int kRows>
void depthwise_weights_row_tile(const DepthwiseWeightsRowArgs& t, const float* source,
                                const float* grads, float* sums) {
    using Reg = typename V::Reg;
    constexpr int kPixels = DepthwiseWeightsTile<V, kTaps>::pixels(kRows);
    const ptrdiff_t source_row = t.source_row, pitch = t.pitch, sums_tap = t.sums_tap;
    const ptrdiff_t next_source = t.next_source, next_grad = t.next_grad;
    Reg acc[kRows][kTaps];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
        for (int s = 0; s < kTaps; ++s) acc[r][s] = V::load(sums + (r * kTaps + s) * sums_tap);
    }
    for (int64_t n = 0; n < t.grad_rows; ++n, source += next_source, grads += next_grad) {
        for (const DepthwiseRun *run = t.runs, *end = run + t.run_count; run != end; ++run) {
            const float* x = source + run->first * kStep * pitch;
            const float* grad = grads + run->first * pitch;
            const int first_tap = run->first_tap, end_tap = run->end_tap;
            int64_t left = run->count;
            if (end_tap - first_tap == kTaps) {
#pragma GCC unroll 1
                for (; left >= kPixels; left -= kPixels) {
                    Reg g[kPixels];
#pragma GCC unroll 4
                    for (int i = 0; i < kPixels; ++i) {
                        g[i] = V::load(grad + i * pitch);
                        V::pin(g[i]);
                        __builtin_prefetch(grad + i * pitch + next_grad);
                    }
#pragma GCC unroll 8
                    for (int i = 0; i < kPixels * kStep; ++i)
                        __builtin_prefetch(x + (kRows - 1) * source_row + i * pitch + next_source);
#pragma GCC unroll 8
                    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
                        for (int c = 0; c < (kPixels - 1) * kStep + kTaps; ++c) {
                            Reg in = V::load(x + r * source_row + c * pitch);
                            if (kPixels > 1) V::pin(in);
#pragma GCC unroll 4
                            for (int i = 0; i < kPixels; ++i) {
                                const int s = c - i * kStep;
                                if (s < 0 || s >= kTaps) continue;
                                acc[r][s] = V::fma(g[i], in, acc[r][s]);
                            }
                        }
                    }
                    x += kPixels * kStep * pitch;
                    grad += kPixels * pitch;
                }
            }
#pragma GCC unroll 1
            for (; left > 0; --left, x += kStep * pitch, grad += pitch) {
                Reg g = V::load(grad);
                V::pin(g);
#pragma GCC unroll 8
                for (int s = 0; s < kTaps; ++s) {
                    if (s < first_tap || s >= end_tap) continue;
#pragma GCC unroll 8
                    for (int r = 0; r < kRows; ++r)
                        acc[r][s] = V::fma(g, V::load(x + r * source_row + s * pitch), acc[r][s]);
                }
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
        for (int s = 0; s < kTaps; ++s) V::store(sums + (r * kTaps + s) * sums_tap, acc[r][s]);
    }
}

template <class V, int kTaps, int kStep, int kRows>
void depthwise_weights_row_sized(const DepthwiseWeightsRowArgs& t, int first, int rows, int64_t c) {
    if (rows == kRows) {
        depthwise_weights_row_tile<V, kTaps, kStep, kRows>(t, t.source + first * t.source_row + c,
                                                           t.grad + c,
                                                           t.sums + first * kTaps * t.sums_tap + c);
    } else if constexpr (kRows > 1) {
        depthwise_weights_row_sized<V, kTaps, kStep, kRows - 1>(t, first, rows, c);
    }
}

template <class V, int kTaps, int kStep>
void depthwise_weights_row(const DepthwiseWeightsRowArgs& t) {
    constexpr int kMost = DepthwiseWeightsTile<V, kTaps>::kRows;
    const int parts = (t.rows + kMost - 1) / kMost;
    for (int64_t c = 0; c < t.channels; c += V::kLanes) {
        for (int first = 0, part = 0; part < parts; ++part) {
            const int rows = (t.rows - first + parts - part - 1) / (parts - part);
            depthwise_weights_row_sized<V, kTaps, kStep, kMost>(t, first, rows, c);
            first += rows;
        }
    }
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
