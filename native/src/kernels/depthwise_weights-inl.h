// Weight gradients of depthwise convolution with channels in lanes, whole vectors of them.
#pragma once

#include "kernels/depthwise_weights.h"

namespace nconv {

template <class V, int kTaps>
void depthwise_weights_channels_taps(const DepthwiseWeightsArgs& t, int first) {
    using Reg = typename V::Reg;
    Reg acc[kTaps];
    const float* source[kTaps];
#pragma GCC unroll 8
    for (int k = 0; k < kTaps; ++k) {
        acc[k] = V::load(t.sums + (first + k) * t.sums_tap);
        source[k] = t.taps[first + k].source;
    }
    const float* grad = t.grad;
#pragma GCC unroll 1
    for (int64_t i = 0; i < t.pixels; ++i, grad += t.grad_step) {
        const Reg g = V::load(grad);
#pragma GCC unroll 8
        for (int k = 0; k < kTaps; ++k)
            acc[k] = V::fma(g, V::load(source[k] + i * t.source_step), acc[k]);
    }
#pragma GCC unroll 8
    for (int k = 0; k < kTaps; ++k) V::store(t.sums + (first + k) * t.sums_tap, acc[k]);
}

template <class V>
void depthwise_weights_channels(const DepthwiseWeightsArgs& t) {
    int k = 0;
    constexpr int kMost = V::kLanes > 1 ? 8 : 1, kFewer = V::kLanes > 1 ? 3 : 1;
    for (; k + kMost <= t.tap_count; k += kMost) depthwise_weights_channels_taps<V, kMost>(t, k);
    for (; k + kFewer <= t.tap_count; k += kFewer) depthwise_weights_channels_taps<V, kFewer>(t, k);
    for (; k < t.tap_count; ++k) depthwise_weights_channels_taps<V, 1>(t, k);
}

// How many rows of the kernel have their accumulators in registers, and for how many pixels a
// source vector is loaded once.
template <class V, int kTaps>
struct DepthwiseWeightsTile {
    static constexpr int kMostRows = (V::kRegisters - 4) / kTaps;
    static constexpr int kRows = kMostRows < kTaps ? kMostRows : kTaps;
    static constexpr int kFree = V::kRegisters - 2 - kRows * kTaps;
    static constexpr int kPixels =
        kFree < kDepthwiseWeightsPixels ? kFree : kDepthwiseWeightsPixels;
};

// A chain per tap of kRows rows of the kernel for kVectors of channels. Bit r of `inside`: row r reads inside.
// Asking for each row costs little, a branch that goes the same way for all of a row of pixels.
template <class V, int kTaps, int kStep, int kVectors>
struct DepthwiseWeightsSums {
    using Reg = typename V::Reg;
    static constexpr int kRows = DepthwiseWeightsTile<V, kTaps>::kRows;
    Reg acc[kVectors][kRows][kTaps];
    Reg bias[kVectors];
    unsigned inside;

    // kPixels neighbouring pixels. Where run.left the taps before the middle one of the first of them
    // reach over the row's start as far as they can, where run.right those behind it over its end.
    template <int kPixels>
    __attribute__((always_inline)) void add(const DepthwiseWeightsRowArgs& t,
                                            const DepthwiseRun& run, const float* x,
                                            const float* grad) {
        constexpr int kInputs = (kPixels - 1) * kStep + kTaps, kMiddle = kTaps / 2;
        const ptrdiff_t source_row = t.source_row, pitch = t.pitch;
        const bool left = run.left, right = run.right;
        Reg g[kVectors][kPixels];
#pragma GCC unroll 4
        for (int i = 0; i < kPixels; ++i, grad = opaque(grad + pitch)) {
#pragma GCC unroll 2
            for (int v = 0; v < kVectors; ++v) {
                g[v][i] = V::load(grad + v * V::kLanes);
                V::pin(g[v][i]);
                bias[v] = V::add(bias[v], g[v][i]);
                __builtin_prefetch(grad + v * V::kLanes + t.next_grad);
            }
        }
        const float* ahead = x + t.ahead;
#pragma GCC unroll 8
        for (int i = 0; i < kPixels * kStep; ++i, ahead = opaque(ahead + pitch)) {
#pragma GCC unroll 2
            for (int v = 0; v < kVectors; ++v) __builtin_prefetch(ahead + v * V::kLanes);
        }
        const float* row = left ? x + kMiddle * pitch : x;
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r, row = opaque(row + source_row)) {
            if ((inside >> r & 1) == 0) continue;
            const float* at = row;
#pragma GCC unroll 16
            for (int c = 0; c < kInputs; ++c) {
                if (c < kMiddle && left) continue;
                if (c >= kInputs - kMiddle && right) continue;
#pragma GCC unroll 2
                for (int v = 0; v < kVectors; ++v) {
                    Reg in = V::load(at + v * V::kLanes);
                    if (kPixels > 1) V::pin(in);
#pragma GCC unroll 4
                    for (int i = 0; i < kPixels; ++i) {
                        const int s = c - i * kStep;
                        if (s >= 0 && s < kTaps) acc[v][r][s] = V::fma(g[v][i], in, acc[v][r][s]);
                    }
                }
                at = opaque(at + pitch);
            }
        }
    }

    // A pixel of some of the taps.
    __attribute__((always_inline)) void add_pixel(const DepthwiseWeightsRowArgs& t,
                                                  const DepthwiseRun& run, const float* x,
                                                  const float* grad) {
        const unsigned taps = (1u << run.end_tap) - (1u << run.first_tap);
        const ptrdiff_t source_row = t.source_row, pitch = t.pitch;
        Reg g[kVectors];
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) {
            g[v] = V::load(grad + v * V::kLanes);
            V::pin(g[v]);
            bias[v] = V::add(bias[v], g[v]);
        }
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r, x = opaque(x + source_row)) {
            if ((inside >> r & 1) == 0) continue;
            const float* at = x;
#pragma GCC unroll 8
            for (int s = 0; s < kTaps; ++s, at = opaque(at + pitch)) {
                if ((taps >> s & 1) == 0) continue;
#pragma GCC unroll 2
                for (int v = 0; v < kVectors; ++v)
                    acc[v][r][s] = V::fma(g[v], V::load(at + v * V::kLanes), acc[v][r][s]);
            }
        }
    }
};

// kRows rows of the kernel from `first` on, as far as there are.
template <class V, int kTaps, int kStep, int kVectors>
void depthwise_weights_row_tile(const DepthwiseWeightsRowArgs& args, int first, int64_t channel) {
    constexpr int kRows = DepthwiseWeightsTile<V, kTaps>::kRows;
    constexpr int kPixels = DepthwiseWeightsTile<V, kTaps>::kPixels;
    DepthwiseWeightsRowArgs t = args;
    t.ahead = (kRows - 1) * t.source_row + t.next_source;
    const int rows = t.rows - first < kRows ? t.rows - first : kRows;
    float* const sums = t.sums + first * kTaps * t.sums_tap + channel;
    float* const bias = first == 0 ? t.bias + channel : nullptr;
    DepthwiseWeightsSums<V, kTaps, kStep, kVectors> all;
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
        const float* from = sums + v * V::kLanes;
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
            for (int s = 0; s < kTaps; ++s) {
                all.acc[v][r][s] = r < rows && !t.fresh ? V::load(from) : V::zero();
                from = opaque(from + t.sums_tap);
            }
        }
        all.bias[v] = bias != nullptr && !t.fresh ? V::load(bias + v * V::kLanes) : V::zero();
    }
    const float* source = t.source + first * t.source_row + channel;
    const float* grads = t.grad + channel;
    int64_t at = t.first_row + first * t.row_step;
    for (int64_t n = 0; n < t.grad_rows; ++n, at += t.next_row, source += t.next_source) {
        all.inside = 0;
        for (int r = 0; r < rows; ++r) {
            const int64_t row = at + r * t.row_step;
            if (row >= 0 && row < t.source_rows) all.inside |= 1u << r;
        }
        const float* x = source;
        const float* grad = grads;
        const auto next = [&](int pixels) {
            x += pixels * kStep * t.pitch;
            grad += pixels * t.pitch;
        };
        for (const DepthwiseRun *run = t.runs, *end = run + t.run_count; run != end; ++run) {
            if (run->pixels == kPixels) {
#pragma GCC unroll 1
                for (int64_t i = run->count; i > 0; --i, next(kPixels))
                    all.template add<kPixels>(t, *run, x, grad);
            } else if (kPixels > 2 && run->pixels == kPixels - 1) {
#pragma GCC unroll 1
                for (int64_t i = run->count; i > 0; --i, next(kPixels - 1))
                    all.template add<kPixels - 1>(t, *run, x, grad);
            } else {
#pragma GCC unroll 1
                for (int64_t i = run->count; i > 0; --i, next(1)) all.add_pixel(t, *run, x, grad);
            }
        }
        grads += t.next_grad;
    }
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
        float* to = sums + v * V::kLanes;
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
            if (r >= rows) break;
#pragma GCC unroll 8
            for (int s = 0; s < kTaps; ++s) {
                V::store(to, all.acc[v][r][s]);
                to = opaque(to + t.sums_tap);
            }
        }
        if (bias != nullptr) V::store(bias + v * V::kLanes, all.bias[v]);
    }
}

template <class V, int kTaps, int kStep, int kVectors>
int64_t depthwise_weights_row_from(const DepthwiseWeightsRowArgs& t, int64_t c) {
    for (; c + kVectors * V::kLanes <= t.channels; c += kVectors * V::kLanes) {
        for (int first = 0; first < t.rows; first += DepthwiseWeightsTile<V, kTaps>::kRows)
            depthwise_weights_row_tile<V, kTaps, kStep, kVectors>(t, first, c);
    }
    return c;
}

// 3 x 3 by two vectors where the registers hold them: the chains of one take as long as its multiply-adds, and
// addresses and branches serve both. 960 channels at 7 x 7 went from 46 to 63 % of peak.
template <class V, int kTaps, int kStep>
void depthwise_weights_row(const DepthwiseWeightsRowArgs& t) {
    int64_t c = 0;
    if constexpr (V::kRegisters >= 32 && kTaps == 3 && kStep == 1)
        c = depthwise_weights_row_from<V, kTaps, kStep, 2>(t, c);
    depthwise_weights_row_from<V, kTaps, kStep, 1>(t, c);
}

template <class V, int kTaps, int kStep>
constexpr DepthwiseWeightsRow depthwise_weights_rows() {
    return {kTaps, kStep, DepthwiseWeightsTile<V, kTaps>::kPixels,
            depthwise_weights_row<V, kTaps, kStep>};
}

}  // namespace nconv
