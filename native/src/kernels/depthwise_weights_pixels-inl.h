// Weight gradients of depthwise convolution with the elements of a row in lanes. A tile of sums, rows
// of the kernel by taps of each, stays in registers while it walks down a column of vectors: the source's
// vector of a step is loaded once per tap, grad_output's once for all rows of the tile.
#pragma once

#include "kernels/depthwise_weights-inl.h"

namespace nconv {

// The sizes of tiles: the masks of more than five taps do not fit seven registers. Fewer taps than kFewest are
// filled up with empty ones.
template <class V>
struct DepthwiseWeightsTiles {
    static constexpr bool kWide = V::kRegisters >= 32;
    static constexpr int kRows = V::kLanes == 1 ? 1 : kWide ? 4 : 3;
    static constexpr int kFewest = V::kLanes == 1 ? 1 : kWide ? 3 : 2;
    static constexpr int kMost = V::kLanes == 1 ? 1 : kWide ? 5 : 3;
};

template <class V>
typename V::Mask elements_between(int64_t begin, int64_t end) {
    const auto lane = [](int64_t i) {
        return static_cast<int>(i < 0 ? 0 : i < V::kLanes ? i : V::kLanes);
    };
    return V::range(lane(begin), lane(end));
}

template <class V, bool kMasked>
typename V::Reg load_elements(typename V::Mask mask, const float* p) {
    if constexpr (kMasked) return V::load_where(mask, p);
    return V::load(p);
}

template <class V, bool kMasked>
typename V::Reg fma_elements(typename V::Mask mask, typename V::Reg a, typename V::Reg b,
                             typename V::Reg c) {
    if constexpr (kMasked) return V::fma_where(mask, a, b, c);
    return V::fma(a, b, c);
}

// Which elements of a vector there are, and which read inside.
template <class V, int kTaps>
struct DepthwiseWeightsColumn {
    DepthwiseWeightsColumn(const DepthwiseWeightsPixelsArgs& t, int64_t e) {
        all = elements_between<V>(0, t.end - e);
        whole = e + V::kLanes <= t.end;
#pragma GCC unroll 1
        for (int s = 0; s < kTaps; ++s) {
            const DepthwiseColumn& c = t.columns[s];
            in[s] = elements_between<V>(c.first - e, c.end - e);
            whole = whole && c.first <= e && e + V::kLanes <= c.end;
        }
    }
    typename V::Mask in[kTaps], all;
    bool whole;
};

// The sums of a tile whose first row and tap are the first of t.
template <class V, int kRows, int kTaps>
struct DepthwiseWeightsWalk {
    using Reg = typename V::Reg;
    Reg acc[kRows][kTaps];
    Reg bias;

    __attribute__((always_inline)) void load(const DepthwiseWeightsPixelsArgs& t) {
        const float* row = t.sums;
#pragma GCC unroll 8
        for (int k = 0; k < kRows; ++k, row = opaque(row + t.sums_row)) {
            const float* at = row;
#pragma GCC unroll 8
            for (int s = 0; s < kTaps; ++s, at = opaque(at + t.period)) acc[k][s] = V::load(at);
        }
        bias = V::load(t.bias);
    }

    __attribute__((always_inline)) void store(const DepthwiseWeightsPixelsArgs& t) {
        float* row = t.sums;
#pragma GCC unroll 8
        for (int k = 0; k < kRows; ++k, row = opaque(row + t.sums_row)) {
            float* at = row;
#pragma GCC unroll 8
            for (int s = 0; s < kTaps; ++s, at = opaque(at + t.period)) V::store(at, acc[k][s]);
        }
        if (t.bias_rows > 0) V::store(t.bias, bias);
    }

    // Steps in which all rows of the tile meet one of grad_output; where the row before moves one on.
    template <bool kMasked>
    __attribute__((always_inline)) void full_steps(const DepthwiseWeightsColumn<V, kTaps>& column,
                                                   const ptrdiff_t* at, ptrdiff_t source_step,
                                                   ptrdiff_t grad_step, ptrdiff_t ahead,
                                                   int64_t steps, const float* x, const float* g) {
        Reg grad[kRows];
        const float* before = g;
#pragma GCC unroll 8
        for (int k = 1; k < kRows; ++k) {
            before = opaque(before - grad_step);
            grad[k - 1] = load_elements<V, kMasked>(column.all, before);
        }
#pragma GCC unroll 1
        for (; steps > 0; --steps, x += source_step, g += grad_step) {
#pragma GCC unroll 8
            for (int k = kRows - 1; k > 0; --k) grad[k] = grad[k - 1];
            grad[0] = load_elements<V, kMasked>(column.all, g);
            bias = V::add(bias, grad[0]);
            __builtin_prefetch(g + ahead);
            __builtin_prefetch(x + ahead);
#pragma GCC unroll 8
            for (int s = 0; s < kTaps; ++s) {
                Reg source = load_elements<V, kMasked>(column.in[s], x + at[s]);
                V::pin(source);
#pragma GCC unroll 8
                for (int k = 0; k < kRows; ++k)
                    acc[k][s] = fma_elements<V, kMasked>(column.in[s], grad[k], source, acc[k][s]);
            }
        }
    }

    // A step in which only some do.
    __attribute__((always_inline)) void partial_step(const DepthwiseWeightsColumn<V, kTaps>& column,
                                                     const ptrdiff_t* at, ptrdiff_t grad_step,
                                                     unsigned inside, const float* x,
                                                     const float* g) {
#pragma GCC unroll 8
        for (int k = 0; k < kRows; ++k, g = opaque(g - grad_step)) {
            if ((inside >> k & 1) == 0) continue;
            const Reg grad = V::load_where(column.all, g);
            if (k == 0) bias = V::add(bias, grad);
#pragma GCC unroll 8
            for (int s = 0; s < kTaps; ++s) {
                acc[k][s] = V::fma_where(column.in[s], grad, V::load_where(column.in[s], x + at[s]),
                                         acc[k][s]);
            }
        }
    }

    __attribute__((always_inline)) void column(const DepthwiseWeightsPixelsArgs& t,
                                               const DepthwiseWeightsColumn<V, kTaps>& column,
                                               const float* x, const float* g) {
        ptrdiff_t at[kTaps];
#pragma GCC unroll 8
        for (int s = 0; s < kTaps; ++s) at[s] = t.columns[s].offset;
        const ptrdiff_t source_step = t.source_step, grad_step = t.grad_step;
        const ptrdiff_t ahead = t.bias_rows > 0 ? 2 * t.period : 0;
        const int64_t rows = t.grad_rows, most = rows + kRows - 1;
        const int64_t last = t.end_step < most ? t.end_step : most,
                      whole = last < rows ? last : rows;
        int64_t step = 0;
        for (; step < t.first_step && step < t.bias_rows; ++step)
            bias = V::add(bias, V::load_where(column.all, g + step * grad_step));
        step = t.first_step;
        while (step < last) {
            const float *source = x + step * source_step, *grad = g + step * grad_step;
            if (step >= kRows - 1 && step < whole) {
                if (!V::kFreeMasks && column.whole) {
                    full_steps<false>(column, at, source_step, grad_step, ahead, whole - step,
                                      source, grad);
                } else {
                    full_steps<true>(column, at, source_step, grad_step, ahead, whole - step,
                                     source, grad);
                }
                step = whole;
            } else {
                const int64_t above = step - rows + 1;
                const unsigned inside =
                    (2u << (step < kRows ? step : kRows - 1)) - (1u << (above > 0 ? above : 0));
                partial_step(column, at, grad_step, inside, source, grad);
                ++step;
            }
        }
        for (; step < t.bias_rows; ++step)
            bias = V::add(bias, V::load_where(column.all, g + step * grad_step));
    }
};

template <class V, int kRows, int kTaps>
void depthwise_weights_walk(const DepthwiseWeightsPixelsArgs& args) {
    DepthwiseWeightsPixelsArgs t = args;
    DepthwiseWeightsWalk<V, kRows, kTaps> walk = {};
    const bool alone = t.period > V::kLanes || t.planes > 1;
    for (int64_t e = t.first, lane = 0; e < t.end; e += V::kLanes) {
        const DepthwiseWeightsColumn<V, kTaps> column(t, e);
        t.sums = args.sums + lane;
        t.bias = args.bias + lane;
        const float *x = t.source + e, *g = t.grad + e;
        for (int64_t plane = 0; plane < t.planes; ++plane) {
            if (alone || e == t.first) walk.load(t);
            walk.column(t, column, x, g);
            if (alone || e + V::kLanes >= t.end) walk.store(t);
            x += t.source_plane;
            g += t.grad_plane;
            t.sums += t.sums_plane;
            t.bias += t.sums_plane;
        }
        if (alone) lane = lane + V::kLanes < t.period ? lane + V::kLanes : 0;
    }
}

template <class V, int kRows, int kTaps>
void depthwise_weights_walk_any(const DepthwiseWeightsPixelsArgs& t) {
    using Tiles = DepthwiseWeightsTiles<V>;
    if (t.rows < kRows) {
        if constexpr (kRows > 1) depthwise_weights_walk_any<V, kRows - 1, Tiles::kMost>(t);
    } else if (t.taps < kTaps && kTaps > Tiles::kFewest) {
        if constexpr (kTaps > Tiles::kFewest) depthwise_weights_walk_any<V, kRows, kTaps - 1>(t);
    } else {
        depthwise_weights_walk<V, kRows, kTaps>(t);
    }
}

// Cuts the kernel into near-equal tiles.
template <class V>
void depthwise_weights_pixels(const DepthwiseWeightsPixelsArgs& args) {
    using Tiles = DepthwiseWeightsTiles<V>;
    const int row_parts = (args.rows + Tiles::kRows - 1) / Tiles::kRows;
    const int tap_parts = (args.taps + Tiles::kMost - 1) / Tiles::kMost;
    for (int row = 0, i = row_parts; i > 0; --i) {
        DepthwiseWeightsPixelsArgs t = args;
        t.rows = (args.rows - row + i - 1) / i;
        t.source += row * args.source_step;
        t.first_step = args.first_step > row ? args.first_step - row : 0;
        t.end_step -= row;
        for (int tap = 0, j = tap_parts; j > 0; --j) {
            t.taps = (args.taps - tap + j - 1) / j;
            t.columns = args.columns + tap;
            t.sums = args.sums + row * args.sums_row + tap * args.period;
            t.bias_rows = row == 0 && tap == 0 ? args.bias_rows : 0;
            depthwise_weights_walk_any<V, Tiles::kRows, Tiles::kMost>(t);
            tap += t.taps;
        }
        row += t.rows;
    }
}

template <class V>
typename V::Reg add_pairs(typename V::Reg a, typename V::Reg b) {
    V::deinterleave(a, b);
    return V::add(a, b);
}

// Lane i of the result is the sum of kVirtualLanes values of row i, neighbours first, then pairs of such.
template <class V, int kVectors>
__attribute__((always_inline)) inline typename V::Reg sum_lanes(const float* from) {
    if constexpr (kVectors == 1) {
        return V::load(from);
    } else {
        constexpr int kHalf = kVectors / 2;
        return add_pairs<V>(sum_lanes<V, kHalf>(from),
                            sum_lanes<V, kHalf>(from + kHalf * V::kLanes));
    }
}

template <class V>
void depthwise_weights_sums(const float* from, int64_t count, float* to) {
    for (int64_t i = 0; i < count; i += V::kLanes) {
        const int64_t left = count - i;
        V::store_partial(to + i, sum_lanes<V, kVirtualLanes>(from + i * kVirtualLanes),
                         static_cast<int>(left < V::kLanes ? left : V::kLanes));
    }
}

}  // namespace nconv
