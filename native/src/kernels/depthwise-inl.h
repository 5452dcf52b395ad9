// Depthwise gathers with channels in lanes: tiles of rows x columns of results, each row of the source
// loaded once for all the results it belongs to.
#pragma once

#include "kernels/depthwise.h"

namespace nconv {

// A tile's accumulators, one row of the source and one weight fill the registers. Rows and columns come in
// near-equal parts: all numbers from 6 on are sums of 4 and 3.
template <class V>
struct DepthwiseTile {
    static constexpr int kRows = V::kRegisters >= 32 ? 4 : 2;
    static constexpr int columns(int taps, int step) {
        const int most = (V::kRegisters - 1 - taps + step) / (kRows + step);
        return most < 4 ? most : 4;
    }
};

// A kernel of kHeight x kKernel, of whose columns kTaps are taken, the rest in the padding.
// Everything is unrolled: with the taps' rows found by comparing, 3 x 3 reached half of this.
template <class V, int kHeight, int kKernel, int kTaps, int kStep, int kRows, int kColumns>
void depthwise_channels_tile(const DepthwiseArgs& t, const float* row, const float* weights,
                             typename V::Reg start, float* out) {
    using Reg = typename V::Reg;
    constexpr int kInputs = (kColumns - 1) * kStep + kTaps;
    const ptrdiff_t source_row = t.source_row, source_column = t.source_column;
    const int first_row = t.first_row, end_row = t.end_row;
    Reg acc[kRows][kColumns];
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
        for (int j = 0; j < kColumns; ++j) acc[i][j] = start;
    }
#pragma GCC unroll 16
    for (int k = 0; k < (kRows - 1) * kStep + kHeight; ++k, row += source_row) {
        if (k < first_row || k >= end_row) continue;
        Reg in[kInputs];
#pragma GCC unroll 16
        for (int j = 0; j < kInputs; ++j) {
            in[j] = V::load(row + j * source_column);
            V::pin(in[j]);
        }
#pragma GCC unroll 4
        for (int i = 0; i < kRows; ++i) {
            const int r = k - i * kStep;
            if (r < 0 || r >= kHeight) continue;
#pragma GCC unroll 7
            for (int s = 0; s < kTaps; ++s) {
                Reg weight = V::load(weights + (r * kKernel + s) * V::kLanes);
                if (kColumns > 1) V::pin(weight);
#pragma GCC unroll 4
                for (int j = 0; j < kColumns; ++j)
                    acc[i][j] = V::fma(in[j * kStep + s], weight, acc[i][j]);
            }
        }
    }
    const ptrdiff_t out_row = t.out_row, out_column = t.out_column;
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i, out += out_row) {
#pragma GCC unroll 4
        for (int j = 0; j < kColumns; ++j) V::store(out + j * out_column, acc[i][j]);
    }
}

// Channels inside columns: source and result are walked along memory, and a result is not stored right
// before a source line with the same address modulo 4096 is loaded. Whole vectors only.
template <class V, int kHeight, int kKernel, int kTaps, int kStep, int kRows, int kColumns>
void depthwise_channels_columns(const DepthwiseArgs& t, int64_t first, int64_t tiles) {
    const int64_t channels = t.channels / V::kLanes * V::kLanes;
    const float* source = t.source + (first * t.column_step + t.first_tap) * t.source_column;
    const float* weights = t.weights + t.first_tap * V::kLanes;
    float* out = t.out + first * t.out_column;
    for (int64_t tile = 0; tile < tiles; ++tile) {
        const float* w = weights;
        for (int64_t c = 0; c < channels; c += V::kLanes, w += t.weight_vector) {
            const typename V::Reg start = t.init != nullptr ? V::load(t.init + c) : V::zero();
            depthwise_channels_tile<V, kHeight, kKernel, kTaps, kStep, kRows, kColumns>(
                t, source + c, w, start, out + c);
        }
        source += kColumns * t.column_step * t.source_column;
        out += kColumns * t.out_column;
    }
}

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

// Columns of all taps in tiles of kMost and kMost - 1; what is left, and columns of fewer taps, singly.
template <class V, int kHeight, int kKernel, int kStep, int kRows, int kTaps>
void depthwise_channels_run(const DepthwiseArgs& t) {
    if (t.end_tap - t.first_tap == kTaps) {
        int64_t done = 0;
        if constexpr (kTaps == kKernel) {
            constexpr int kMost = DepthwiseTile<V>::columns(kKernel, kStep);
            constexpr int kFewer = kMost > 2 ? kMost - 1 : kMost;
            const int64_t tiles = (t.columns + kMost - 1) / kMost;
            const int64_t short_by = tiles * kMost - t.columns;
            if (kFewer < kMost && short_by <= tiles) {
                depthwise_channels_columns<V, kHeight, kKernel, kKernel, kStep, kRows, kMost>(
                    t, 0, tiles - short_by);
                done = (tiles - short_by) * kMost;
                depthwise_channels_columns<V, kHeight, kKernel, kKernel, kStep, kRows, kFewer>(
                    t, done, short_by);
                done = t.columns;
            } else {
                done = t.columns / kMost * kMost;
                depthwise_channels_columns<V, kHeight, kKernel, kKernel, kStep, kRows, kMost>(
                    t, 0, t.columns / kMost);
            }
        }
        depthwise_channels_columns<V, kHeight, kKernel, kTaps, kStep, kRows, 1>(t, done,
                                                                                t.columns - done);
    } else if constexpr (kTaps > 1) {
        depthwise_channels_run<V, kHeight, kKernel, kStep, kRows, kTaps - 1>(t);
    } else {
        depthwise_channels_any<V>(t);
    }
}

template <class V, int kHeight, int kKernel, int kStep>
void depthwise_channels(const DepthwiseArgs& t) {
    constexpr int kRows = DepthwiseTile<V>::kRows;
    if (t.rows == kRows) {
        depthwise_channels_run<V, kHeight, kKernel, kStep, kRows, kKernel>(t);
    } else if (t.rows == kRows - 1) {
        depthwise_channels_run<V, kHeight, kKernel, kStep, kRows - 1, kKernel>(t);
    } else {
        return depthwise_channels_any<V>(t);
    }
    const int64_t whole = t.channels / V::kLanes * V::kLanes;
    if (t.end_tap > t.first_tap && whole < t.channels) depthwise_channels_single<V>(t, whole);
}

}  // namespace nconv
