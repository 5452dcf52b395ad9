// Weight gradients of depthwise convolution with channels in lanes, whole vectors of them.
#pragma once

#include "kernels/depthwise_weights.h"

namespace nconv {

// The address after this one, taken in turn: gcc 12 works out all addresses of a tile ahead of its loop, and
// keeps them on the stack.
template <class Float>
Float* next_address(Float* p, ptrdiff_t step) {
    p += step;
    asm("" : "+r"(p));
    return p;
}

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
    static constexpr int kFree = V::kRegisters - 2 - kRows * kTaps;
    static constexpr int kPixels =
        kFree < kDepthwiseWeightsPixels ? kFree : kDepthwiseWeightsPixels;
};

// A chain per tap of kRows rows of the kernel. Bit r of `inside`: row r reads inside. Asking for each row costs
// little, a branch that goes the same way for all of a row of pixels.
template <class V, int kTaps, int kStep>
struct DepthwiseWeightsSums {
    using Reg = typename V::Reg;
    static constexpr int kRows = DepthwiseWeightsTile<V, kTaps>::kRows;
    Reg acc[kRows][kTaps];
    Reg bias;
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
        Reg g[kPixels];
#pragma GCC unroll 4
        for (int i = 0; i < kPixels; ++i, grad = next_address(grad, pitch)) {
            g[i] = V::load(grad);
            V::pin(g[i]);
            bias = V::add(bias, g[i]);
            __builtin_prefetch(grad + t.next_grad);
        }
        const float* ahead = x + t.ahead;
#pragma GCC unroll 8
        for (int i = 0; i < kPixels * kStep; ++i, ahead = next_address(ahead, pitch))
            __builtin_prefetch(ahead);
        const float* row = left ? x + kMiddle * pitch : x;
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r, row = next_address(row, source_row)) {
            if ((inside >> r & 1) == 0) continue;
            const float* at = row;
#pragma GCC unroll 16
            for (int c = 0; c < kInputs; ++c) {
                if (c < kMiddle && left) continue;
                if (c >= kInputs - kMiddle && right) continue;
                Reg in = V::load(at);
                at = next_address(at, pitch);
                if (kPixels > 1) V::pin(in);
#pragma GCC unroll 4
                for (int i = 0; i < kPixels; ++i) {
                    const int s = c - i * kStep;
                    if (s >= 0 && s < kTaps) acc[r][s] = V::fma(g[i], in, acc[r][s]);
                }
            }
        }
    }

    // A pixel of some of the taps.
    __attribute__((always_inline)) void add_pixel(const DepthwiseWeightsRowArgs& t,
                                                  const DepthwiseRun& run, const float* x,
                                                  const float* grad) {
        const unsigned taps = (1u << run.end_tap) - (1u << run.first_tap);
        const ptrdiff_t source_row = t.source_row, pitch = t.pitch;
        Reg g = V::load(grad);
        V::pin(g);
        bias = V::add(bias, g);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r, x = next_address(x, source_row)) {
            if ((inside >> r & 1) == 0) continue;
            const float* at = x;
#pragma GCC unroll 8
            for (int s = 0; s < kTaps; ++s, at = next_address(at, pitch)) {
                if ((taps >> s & 1) != 0) acc[r][s] = V::fma(g, V::load(at), acc[r][s]);
            }
        }
    }
};

// kRows rows of the kernel from `first` on, as far as there are.
template <class V, int kTaps, int kStep>
void depthwise_weights_row_tile(const DepthwiseWeightsRowArgs& args, int first, int64_t channel) {
    constexpr int kRows = DepthwiseWeightsTile<V, kTaps>::kRows;
    constexpr int kPixels = DepthwiseWeightsTile<V, kTaps>::kPixels;
    DepthwiseWeightsRowArgs t = args;
    t.ahead = (kRows - 1) * t.source_row + t.next_source;
    const int rows = t.rows - first < kRows ? t.rows - first : kRows;
    float* const sums = t.sums + first * kTaps * t.sums_tap + channel;
    float* const bias = t.bias != nullptr && first == 0 ? t.bias + channel : nullptr;
    DepthwiseWeightsSums<V, kTaps, kStep> all;
    const float* from = sums;
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
        for (int s = 0; s < kTaps; ++s) {
            all.acc[r][s] = r < rows && !t.fresh ? V::load(from) : V::zero();
            from = next_address(from, t.sums_tap);
        }
    }
    all.bias = bias != nullptr && !t.fresh ? V::load(bias) : V::zero();
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
    float* to = sums;
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
        if (r >= rows) break;
#pragma GCC unroll 8
        for (int s = 0; s < kTaps; ++s) {
            V::store(to, all.acc[r][s]);
            to = next_address(to, t.sums_tap);
        }
    }
    if (bias != nullptr) V::store(bias, all.bias);
}

template <class V, int kTaps, int kStep>
void depthwise_weights_row(const DepthwiseWeightsRowArgs& t) {
    for (int64_t c = 0; c < t.channels; c += V::kLanes) {
        for (int first = 0; first < t.rows; first += DepthwiseWeightsTile<V, kTaps>::kRows)
            depthwise_weights_row_tile<V, kTaps, kStep>(t, first, c);
    }
}

template <class V, int kTaps, int kStep>
constexpr DepthwiseWeightsRow depthwise_weights_rows() {
    return {kTaps, kStep, DepthwiseWeightsTile<V, kTaps>::kPixels,
            depthwise_weights_row<V, kTaps, kStep>};
}

}  // namespace nconv
