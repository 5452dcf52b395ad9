// Weight gradients of depthwise convolution: channels in lanes (NHWC) or pixels in lanes (NCHW).
#pragma once

#include "kernels/depthwise_weights.h"

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
    // Where all rows are alike; 0: the registers do not hold as many.
    static constexpr int kAlikePixels =
        kRows == kTaps && pixels(kRows) == kDepthwiseWeightsPixels ? kDepthwiseWeightsPixels : 0;
};

// A chain per tap of kRows rows of the kernel.
template <class V, int kTaps, int kStep, int kRows>
struct DepthwiseWeightsSums {
    using Reg = typename V::Reg;
    Reg acc[kRows][kTaps];
    Reg bias;

    // kPixels neighbouring pixels. Where kLeft the taps before the middle one of the first of them
    // reach over the row's start as far as they can, where kRight those behind it over its end.
    template <int kPixels, bool kLeft, bool kRight>
    __attribute__((always_inline)) void add(const DepthwiseWeightsRowArgs& t, const float* x,
                                            const float* grad) {
        constexpr int kInputs = (kPixels - 1) * kStep + kTaps, kMiddle = kTaps / 2;
        const ptrdiff_t source_row = t.source_row, pitch = t.pitch;
        Reg g[kPixels];
#pragma GCC unroll 4
        for (int i = 0; i < kPixels; ++i) {
            g[i] = V::load(grad + i * pitch);
            V::pin(g[i]);
            bias = V::add(bias, g[i]);
            __builtin_prefetch(grad + i * pitch + t.next_grad);
        }
#pragma GCC unroll 8
        for (int i = 0; i < kPixels * kStep; ++i)
            __builtin_prefetch(x + (kRows - 1) * source_row + i * pitch + t.next_source);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
            for (int c = kLeft ? kMiddle : 0; c < kInputs - (kRight ? kMiddle : 0); ++c) {
                Reg in = V::load(x + r * source_row + c * pitch);
                if (kPixels > 1) V::pin(in);
#pragma GCC unroll 4
                for (int i = 0; i < kPixels; ++i) {
                    const int s = c - i * kStep;
                    if (s >= 0 && s < kTaps) acc[r][s] = V::fma(g[i], in, acc[r][s]);
                }
            }
        }
    }

    // A row whose edges are alike, in tiles of kMost and kMost - 1 pixels.
    template <int kMost>
    __attribute__((always_inline)) void add_row(const DepthwiseWeightsRowArgs& t, const float* x,
                                                const float* grad) {
        constexpr int kFewer = kMost - 1;
        const ptrdiff_t pitch = t.pitch;
        int64_t most = t.most_tiles, fewer = t.fewer_tiles;
        const auto next = [&](int pixels) {
            x += pixels * kStep * pitch;
            grad += pixels * pitch;
        };
        if (t.left && most > 0) {
            add<kMost, true, false>(t, x, grad);
            next(kMost);
            --most;
        } else if (t.left) {
            add<kFewer, true, false>(t, x, grad);
            next(kFewer);
            --fewer;
        }
        const int64_t most_last = t.right && fewer == 0 ? 1 : 0;
        const int64_t fewer_last = t.right && fewer > 0 ? 1 : 0;
#pragma GCC unroll 1
        for (; most > most_last; --most, next(kMost)) add<kMost, false, false>(t, x, grad);
#pragma GCC unroll 1
        for (; fewer > fewer_last; --fewer, next(kFewer)) add<kFewer, false, false>(t, x, grad);
        if (most_last) add<kMost, false, true>(t, x, grad);
        if (fewer_last) add<kFewer, false, true>(t, x, grad);
    }

    // Any row.
    template <int kPixels>
    __attribute__((always_inline)) void add_runs(const DepthwiseWeightsRowArgs& t,
                                                 const float* source, const float* grads) {
        const ptrdiff_t pitch = t.pitch;
        for (const DepthwiseRun *run = t.runs, *end = run + t.run_count; run != end; ++run) {
            const float* x = source + run->first * kStep * pitch;
            const float* grad = grads + run->first * pitch;
            const int first_tap = run->first_tap, end_tap = run->end_tap;
            int64_t left = run->count;
            if (end_tap - first_tap == kTaps) {
#pragma GCC unroll 1
                for (; left >= kPixels; left -= kPixels) {
                    add<kPixels, false, false>(t, x, grad);
                    x += kPixels * kStep * pitch;
                    grad += kPixels * pitch;
                }
            }
#pragma GCC unroll 1
            for (; left > 0; --left, x += kStep * pitch, grad += pitch) {
                Reg g = V::load(grad);
                V::pin(g);
                bias = V::add(bias, g);
#pragma GCC unroll 8
                for (int s = 0; s < kTaps; ++s) {
                    if (s < first_tap || s >= end_tap) continue;
#pragma GCC unroll 8
                    for (int r = 0; r < kRows; ++r)
                        acc[r][s] = V::fma(g, V::load(x + r * t.source_row + s * pitch), acc[r][s]);
                }
            }
        }
    }
};

template <class V, int kTaps, int kStep, int kRows, bool kAlike>
void depthwise_weights_row_tile(const DepthwiseWeightsRowArgs& args, const float* source,
                                const float* grads, float* sums, float* bias) {
    constexpr int kPixels = DepthwiseWeightsTile<V, kTaps>::pixels(kRows);
    const DepthwiseWeightsRowArgs t = args;
    DepthwiseWeightsSums<V, kTaps, kStep, kRows> all;
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
        for (int s = 0; s < kTaps; ++s)
            all.acc[r][s] = V::load(sums + (r * kTaps + s) * t.sums_tap);
    }
    all.bias = bias != nullptr ? V::load(bias) : V::zero();
    for (int64_t n = 0; n < t.grad_rows; ++n, source += t.next_source, grads += t.next_grad) {
        if constexpr (kAlike) {
            all.template add_row<DepthwiseWeightsTile<V, kTaps>::kAlikePixels>(t, source, grads);
        } else {
            all.template add_runs<kPixels>(t, source, grads);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
        for (int s = 0; s < kTaps; ++s)
            V::store(sums + (r * kTaps + s) * t.sums_tap, all.acc[r][s]);
    }
    if (bias != nullptr) V::store(bias, all.bias);
}

template <class V, int kTaps, int kStep, int kRows>
void depthwise_weights_row_sized(const DepthwiseWeightsRowArgs& t, int first, int rows, int64_t c) {
    if (rows == kRows) {
        const float* source = t.source + first * t.source_row + c;
        float* sums = t.sums + first * kTaps * t.sums_tap + c;
        float* bias = t.bias != nullptr && first == 0 ? t.bias + c : nullptr;
        if constexpr (DepthwiseWeightsTile<V, kTaps>::kAlikePixels > 0) {
            if (t.most_tiles + t.fewer_tiles > 0) {
                return depthwise_weights_row_tile<V, kTaps, kStep, kRows, true>(
                    t, source, t.grad + c, sums, bias);
            }
        }
        depthwise_weights_row_tile<V, kTaps, kStep, kRows, false>(t, source, t.grad + c, sums,
                                                                  bias);
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

template <class V, int kTaps, int kStep>
constexpr DepthwiseWeightsRow depthwise_weights_rows() {
    return {kTaps, kStep, DepthwiseWeightsTile<V, kTaps>::kAlikePixels > 0,
            depthwise_weights_row<V, kTaps, kStep>};
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
