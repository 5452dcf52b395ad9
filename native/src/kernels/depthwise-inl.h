// Depthwise gathers of any kernel with channels in lanes.
#pragma once

#include "kernels/depthwise.h"

namespace nconv {

// Rows of a call of the kernel for any size.
template <class V>
struct DepthwiseTile {
    static constexpr int kRows = V::kLanes == 1 ? 1 : V::kRegisters >= 32 ? 4 : 2;
};

// Any kernel, one result at a time from channel t.channels - left on, the last vector partial.
template <class V>
void depthwise_channels_single(const DepthwiseArgs& t, int64_t first_channel) {
    using Reg = typename V::Reg;
    for (int64_t c = first_channel; c < t.channels; c += V::kLanes) {
        const int left = static_cast<int>(t.channels - c < V::kLanes ? t.channels - c : V::kLanes);
        const float* weights = t.weights + c / V::kLanes * t.weight_vector;
        const Reg start = t.init != nullptr ? V::load_partial(t.init + c, left) : V::zero();
        for (int i = 0; i < t.rows; ++i) {
            for (int64_t j = 0; j < t.columns; ++j) {
                Reg acc = start;
                for (int r = 0; r < t.kernel_rows; ++r) {
                    const int k = i * t.row_step + r;
                    if (k < t.first_row || k >= t.end_row) continue;
                    const float* source =
                        t.source + k * t.source_row + j * t.column_step * t.source_column + c;
                    for (int s = t.first_tap; s < t.end_tap; ++s) {
                        acc =
                            V::fma(V::load_partial(source + s * t.source_column, left),
                                   V::load(weights + (r * t.kernel_columns + s) * V::kLanes), acc);
                    }
                }
                V::store_partial(t.out + i * t.out_row + j * t.out_column + c, acc, left);
            }
        }
    }
}

// kColumns results of each row, any kernel: a source row is loaded once per tap.
template <class V, int kColumns>
void depthwise_channels_any_tile(const DepthwiseArgs& t, const float* row, const float* weights,
                                 typename V::Reg start, float* out) {
    using Reg = typename V::Reg;
    constexpr int kRows = DepthwiseTile<V>::kRows;
    Reg acc[kRows][kColumns];
    int end[kRows];
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) {
        end[i] = i < t.rows ? t.kernel_rows : 0;
#pragma GCC unroll 4
        for (int j = 0; j < kColumns; ++j) acc[i][j] = start;
    }
    const int row_step = t.row_step;
    const ptrdiff_t weight_row = t.kernel_columns * ptrdiff_t{V::kLanes};
    const ptrdiff_t column = t.column_step * t.source_column;
    for (int k = t.first_row; k < t.end_row; ++k) {
        const float* source = row + k * t.source_row + t.first_tap * t.source_column;
        const float* w = weights + k * weight_row + t.first_tap * V::kLanes;
        for (int s = t.first_tap; s < t.end_tap; ++s, source += t.source_column, w += V::kLanes) {
            Reg in[kColumns];
#pragma GCC unroll 4
            for (int j = 0; j < kColumns; ++j) {
                in[j] = V::load(source + j * column);
                V::pin(in[j]);
            }
#pragma GCC unroll 4
            for (int i = 0; i < kRows; ++i) {
                const int r = k - i * row_step;
                if (r < 0 || r >= end[i]) continue;
                Reg weight = V::load(w - i * row_step * weight_row);
                V::pin(weight);
#pragma GCC unroll 4
                for (int j = 0; j < kColumns; ++j) acc[i][j] = V::fma(in[j], weight, acc[i][j]);
            }
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) {
        if (i >= t.rows) break;
#pragma GCC unroll 4
        for (int j = 0; j < kColumns; ++j)
            V::store(out + i * t.out_row + j * t.out_column, acc[i][j]);
    }
}

template <class V>
void depthwise_channels_any(const DepthwiseArgs& t) {
    constexpr int kColumns = 4;
    const int64_t whole = t.channels / V::kLanes * V::kLanes;
    DepthwiseArgs rest = t;
    for (; rest.columns >= kColumns; rest.columns -= kColumns) {
        for (int64_t c = 0; c < whole; c += V::kLanes) {
            const typename V::Reg start = t.init != nullptr ? V::load(t.init + c) : V::zero();
            depthwise_channels_any_tile<V, kColumns>(t, rest.source + c,
                                                     t.weights + c / V::kLanes * t.weight_vector,
                                                     start, rest.out + c);
        }
        rest.source += kColumns * t.column_step * t.source_column;
        rest.out += kColumns * t.out_column;
    }
    rest.channels = whole;
    depthwise_channels_single<V>(rest, 0);
    depthwise_channels_single<V>(t, whole);
}

}  // namespace nconv
