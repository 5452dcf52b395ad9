// Depthwise gathers of small kernels with channels in lanes, down the rows of a map: every source row is
// loaded once for all the results it belongs to, and the weights stay in registers.
#pragma once

#include "kernels/depthwise-inl.h"

namespace nconv {

// One vector of channels of kColumns results of each row. The first column lacks its first tap where kLeft,
// the last one its last tap where kRight: those read padding.
template <class V, int kHeight, int kWidth, int kStep, int kColumns, bool kLeft, bool kRight>
struct DepthwiseWalk {
    using Reg = typename V::Reg;
    static constexpr int kInputs = (kColumns - 1) * kStep + kWidth;
    static constexpr int kLive = (kHeight + kStep - 1) / kStep;

    Reg weights[kHeight * kWidth];
    // acc[kLive - 1 - m] is the result whose tap row m * kStep + q is at source row n * kStep + q.
    Reg acc[kLive][kColumns];

    // Source row kPart of a step, for the results acc[kFirst] .. acc[kEnd - 1].
    template <int kPart, int kFirst, int kEnd>
    __attribute__((always_inline)) void add(const float* row, ptrdiff_t column) {
        Reg in[kInputs];
#pragma GCC unroll 16
        for (int j = kLeft ? 1 : 0; j < kInputs - (kRight ? 1 : 0); ++j) {
            in[j] = V::load(row + j * column);
            V::pin(in[j]);
        }
#pragma GCC unroll 3
        for (int s = 0; s < kWidth; ++s) {
#pragma GCC unroll 3
            for (int i = kFirst; i < kEnd; ++i) {
                const int r = (kLive - 1 - i) * kStep + kPart;
                if (r >= kHeight) continue;
#pragma GCC unroll 4
                for (int j = 0; j < kColumns; ++j) {
                    if (kLeft && j == 0 && s == 0) continue;
                    if (kRight && j == kColumns - 1 && s == kWidth - 1) continue;
                    acc[i][j] = V::fma(in[j * kStep + s], weights[r * kWidth + s], acc[i][j]);
                }
            }
        }
    }

    __attribute__((always_inline)) void shift(Reg start) {
#pragma GCC unroll 4
        for (int j = 0; j < kColumns; ++j) {
#pragma GCC unroll 3
            for (int i = 0; i + 1 < kLive; ++i) acc[i][j] = acc[i + 1][j];
            acc[kLive - 1][j] = start;
        }
    }
};

template <class V, int kHeight, int kWidth, int kStep, int kColumns, bool kLeft, bool kRight>
void depthwise_walk_tile(const DepthwiseArgs& t, const float* source, const float* weights,
                         typename V::Reg start, float* out) {
    DepthwiseWalk<V, kHeight, kWidth, kStep, kColumns, kLeft, kRight> w;
    constexpr int kLive = decltype(w)::kLive;
    const ptrdiff_t row = t.source_row, column = t.source_column;
    const ptrdiff_t out_row = t.out_row, out_column = t.out_column;
    const int first_row = t.first_row, end_row = t.end_row, rows = t.rows;
#pragma GCC unroll 9
    for (int i = 0; i < kHeight * kWidth; ++i) {
        w.weights[i] = V::load(weights + i * V::kLanes);
        V::pin(w.weights[i]);
    }
#pragma GCC unroll 3
    for (int i = 0; i < kLive; ++i) {
#pragma GCC unroll 4
        for (int j = 0; j < kColumns; ++j) w.acc[i][j] = start;
    }
    const int last = rows + kLive - 2;  // step whose row meets the last result only
#pragma GCC unroll 1
    for (int n = 0; n <= last; ++n, source += kStep * row) {
        const bool first_inside = n * kStep >= first_row && n * kStep < end_row;
        if (first_inside) {
            if (kLive > 1 && n == 0) {
                w.template add<0, kLive - 1, kLive>(source, column);
            } else if (kLive > 2 && n == 1) {
                w.template add<0, 1, kLive>(source, column);
            } else if (n < rows) {
                w.template add<0, 0, kLive>(source, column);
            } else if (kLive > 2 && n < last) {
                w.template add<0, 0, 2>(source, column);
            } else {
                w.template add<0, 0, 1>(source, column);
            }
        }
        if constexpr (kStep > 1) {
            const int k = n * kStep + 1;
            if (k >= first_row && k < end_row && n < rows)
                w.template add<1, 0, kLive>(source + row, column);
        }
        if (n >= kLive - 1) {
#pragma GCC unroll 4
            for (int j = 0; j < kColumns; ++j) V::store(out + j * out_column, w.acc[0][j]);
            out += out_row;
        }
        w.shift(start);
    }
}

// All vectors of channels of columns first .. first + kColumns - 1.
template <class V, int kHeight, int kWidth, int kStep, int kColumns, bool kLeft, bool kRight>
void depthwise_walk_columns(const DepthwiseArgs& t, int64_t first) {
    const int64_t channels = t.channels / V::kLanes * V::kLanes;
    const float* source = t.source + first * t.column_step * t.source_column;
    const float* weights = t.weights;
    float* out = t.out + first * t.out_column;
    for (int64_t c = 0; c < channels; c += V::kLanes, weights += t.weight_vector) {
        const typename V::Reg start = t.init != nullptr ? V::load(t.init + c) : V::zero();
        depthwise_walk_tile<V, kHeight, kWidth, kStep, kColumns, kLeft, kRight>(
            t, source + c, weights, start, out + c);
    }
}

template <class V, int kHeight, int kWidth, int kStep, int kColumns>
void depthwise_walk_edges(const DepthwiseArgs& t, int64_t first, bool left, bool right) {
    if constexpr (kColumns > 1 && kWidth > 1) {
        if (left && right)
            return depthwise_walk_columns<V, kHeight, kWidth, kStep, kColumns, true, true>(t,
                                                                                           first);
        if (left)
            return depthwise_walk_columns<V, kHeight, kWidth, kStep, kColumns, true, false>(t,
                                                                                            first);
        if (right)
            return depthwise_walk_columns<V, kHeight, kWidth, kStep, kColumns, false, true>(t,
                                                                                            first);
    }
    depthwise_walk_columns<V, kHeight, kWidth, kStep, kColumns, false, false>(t, first);
}

template <class V, int kHeight, int kWidth, int kStep>
void depthwise_walk(const DepthwiseArgs& t) {
    const int64_t tiles = (t.columns + 3) / 4;
    for (int64_t tile = 0, first = 0; tile < tiles; ++tile) {
        const int64_t size = (t.columns - first + tiles - tile - 1) / (tiles - tile);
        const bool left = t.left && tile == 0, right = t.right && tile == tiles - 1;
        switch (size) {
            case 4:
                depthwise_walk_edges<V, kHeight, kWidth, kStep, 4>(t, first, left, right);
                break;
            case 3:
                depthwise_walk_edges<V, kHeight, kWidth, kStep, 3>(t, first, left, right);
                break;
            case 2:
                depthwise_walk_edges<V, kHeight, kWidth, kStep, 2>(t, first, left, right);
                break;
            default:
                depthwise_walk_edges<V, kHeight, kWidth, kStep, 1>(t, first, left, right);
        }
        first += size;
    }
    const int64_t whole = t.channels / V::kLanes * V::kLanes;
    if (whole == t.channels) return;
    // Columns of equal taps together.
    DepthwiseArgs rest = t;
    const int64_t left = t.left ? 1 : 0, right = t.right ? 1 : 0;
    const int64_t ends[] = {left, t.columns - right, t.columns};
    for (int64_t i = 0, first = 0; i < 3; first = ends[i++]) {
        rest.columns = ends[i] - first;
        rest.source = t.source + first * t.column_step * t.source_column;
        rest.out = t.out + first * t.out_column;
        rest.first_tap = i == 0 ? 1 : 0;
        rest.end_tap = i == 2 ? kWidth - 1 : kWidth;
        depthwise_channels_single<V>(rest, whole);
    }
}

}  // namespace nconv
