// Small groups with as many channels out as in, channels in lanes: a vector holds several groups, and a
// channel of each is broadcast to its group's lanes by one shuffle that every result reading the pixel
// shares. Tiles of rows x columns as in depthwise; no strip, no table, no lane empty.
#pragma once

#include "kernels/kernel_set.h"

namespace nconv {

// Accumulators, a row's broadcasts and one weight fill the registers; all numbers from 6 on are sums of 4
// and 3, all from 2 on of 3 and 2. 6 x 4 was no faster than 4 x 4, 4 x 3 lost five points.
template <class V>
struct GroupedTile {
    static constexpr int kRows = V::kRegisters >= 32 ? 4 : 3;
    static constexpr int kColumns = kRows;
    static constexpr int kChannelsAtOnce = 4;
    alignas(64) static constexpr float kPadding[kMaxGroupedChannels] = {};
};
template <class V>
constexpr float GroupedTile<V>::kPadding[];

// One source row's part of a tile; k is its place among the rows the tile reads. The channel is broadcast
// by a shuffle of memory: held in registers the source cost copies and six points.
template <class V, int kGroup, int kRows, int kColumns>
[[gnu::always_inline]] inline void grouped_row(typename V::Reg (&acc)[kRows][kColumns],
                                               const GroupedArgs& t, const float* row,
                                               int64_t column, const float* weights, int k,
                                               int height, int step, int rows) {
    using Reg = typename V::Reg;
    constexpr int kAtOnce = kGroup < V::kLanes || kGroup < GroupedTile<V>::kChannelsAtOnce
                                ? kGroup
                                : GroupedTile<V>::kChannelsAtOnce;
    const ptrdiff_t next = t.column_step * t.source_column, weight_row = t.weight_row;
    const int64_t column_step = t.column_step;
    const uint64_t inside = static_cast<uint64_t>(t.end_column - t.first_column);
    column -= t.first_column;
#pragma GCC unroll 1
    for (int s = 0; s < t.kernel_columns; ++s, ++column) {
        const float* source[kColumns];
#pragma GCC unroll 4
        for (int j = 0; j < kColumns; ++j) {
            source[j] = static_cast<uint64_t>(column + j * column_step) < inside
                            ? row + j * next
                            : GroupedTile<V>::kPadding;
        }
#pragma GCC unroll 1
        for (int first = 0; first < kGroup; first += kAtOnce, weights += kAtOnce * V::kLanes) {
#pragma GCC unroll 8
            for (int c = 0; c < kAtOnce; ++c) {
                Reg x[kColumns];
#pragma GCC unroll 4
                for (int j = 0; j < kColumns; ++j)
                    x[j] = V::template broadcast_in_groups<kGroup>(source[j] + first, c);
#pragma GCC unroll 4
                for (int i = 0; i < kRows; ++i) {
                    const int r = k - i * step;
                    if (r < 0 || r >= height || i >= rows) continue;
                    Reg weight = V::load(weights + r * weight_row + c * V::kLanes);
                    V::pin(weight);
#pragma GCC unroll 4
                    for (int j = 0; j < kColumns; ++j) acc[i][j] = V::fma(x[j], weight, acc[i][j]);
                }
            }
        }
        row += t.source_column;
    }
}

// A kernel of kHeight rows, or of any number if that is 0; then up to kRows rows.
template <class V, int kGroup, int kHeight, int kStep, int kRows, int kColumns>
void grouped_tile(const GroupedArgs& t, const float* row, int64_t column, const float* weights,
                  const float* init, float* out) {
    using Reg = typename V::Reg;
    Reg acc[kRows][kColumns];
    const Reg start = init != nullptr ? V::load(init) : V::zero();
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
        for (int j = 0; j < kColumns; ++j) acc[i][j] = start;
    }
    const int first_row = t.first_row, end_row = t.end_row;
    const ptrdiff_t source_row = t.source_row;
    if constexpr (kHeight > 0) {
#pragma GCC unroll 16
        for (int k = 0; k < (kRows - 1) * kStep + kHeight; ++k, row += source_row) {
            if (k < first_row || k >= end_row) continue;
            grouped_row<V, kGroup>(acc, t, row, column, weights, k, kHeight, kStep, kRows);
        }
    } else {
        row += first_row * source_row;
#pragma GCC unroll 1
        for (int k = first_row; k < end_row; ++k, row += source_row) {
            grouped_row<V, kGroup>(acc, t, row, column, weights, k, t.kernel_rows, t.row_step,
                                   t.rows);
        }
    }
    const ptrdiff_t out_row = t.out_row, out_column = t.out_column;
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i, out += out_row) {
        if (kHeight == 0 && i >= t.rows) break;
#pragma GCC unroll 4
        for (int j = 0; j < kColumns; ++j) V::store(out + j * out_column, acc[i][j]);
    }
}

// The last vector of channels ends with them: what it has in common with the one before is computed twice.
template <class V, int kGroup, int kHeight, int kStep, int kRows, int kColumns>
void grouped_columns(const GroupedArgs& t, int64_t first, int64_t tiles) {
    const ptrdiff_t next = kColumns * t.column_step * t.source_column;
    const float* source = t.source + first * t.column_step * t.source_column;
    float* out = t.out + first * t.out_column;
    int64_t column = first * t.column_step;
    for (; tiles > 0; --tiles, source += next, column += kColumns * t.column_step) {
        const float* weights = t.weights;
        for (int64_t v = 0; v < t.channels; v += V::kLanes, weights += t.weight_vector) {
            const int64_t c = v + V::kLanes <= t.channels ? v : t.channels - V::kLanes;
            grouped_tile<V, kGroup, kHeight, kStep, kRows, kColumns>(
                t, source + c / kGroup * kGroup, column, weights,
                t.init != nullptr ? t.init + c : nullptr, out + c);
        }
        out += kColumns * t.out_column;
    }
}

template <class V, int kGroup, int kHeight, int kStep, int kRows>
void grouped_run(const GroupedArgs& t) {
    constexpr int kMost = GroupedTile<V>::kColumns, kFewer = kMost - 1;
    int64_t tiles = (t.columns + kMost - 1) / kMost, fewer = tiles * kMost - t.columns;
    if (fewer <= tiles) {
        tiles -= fewer;
    } else {
        tiles = t.columns / kMost;
        fewer = 0;
    }
    grouped_columns<V, kGroup, kHeight, kStep, kRows, kMost>(t, 0, tiles);
    grouped_columns<V, kGroup, kHeight, kStep, kRows, kFewer>(t, tiles * kMost, fewer);
    const int64_t done = tiles * kMost + fewer * kFewer;
    GroupedArgs rest = t;
    rest.kernel_rows = kHeight > 0 ? kHeight : t.kernel_rows;
    grouped_columns<V, kGroup, 0, 0, GroupedTile<V>::kRows, 1>(rest, done, t.columns - done);
}

template <class V, int kGroup>
void grouped_any(const GroupedArgs& t) {
    grouped_run<V, kGroup, 0, 0, GroupedTile<V>::kRows>(t);
}

template <class V, int kGroup, int kHeight, int kStep>
void grouped(const GroupedArgs& t) {
    constexpr int kRows = GroupedTile<V>::kRows;
    if (t.rows == kRows) {
        grouped_run<V, kGroup, kHeight, kStep, kRows>(t);
    } else if (t.rows == kRows - 1) {
        grouped_run<V, kGroup, kHeight, kStep, kRows - 1>(t);
    } else {
        grouped_any<V, kGroup>(t);
    }
}

template <class V, int kGroup>
constexpr GroupedKernels grouped_kernels() {
    GroupedKernels kernels = {kGroup, grouped_any<V, kGroup>, {}};
    if constexpr (V::kLanes > 1) {  // one lane gains nothing by tiles of its own
        kernels.fixed[0] = {3, 1, grouped<V, kGroup, 3, 1>};
        kernels.fixed[1] = {3, 2, grouped<V, kGroup, 3, 2>};
    }
    return kernels;
}

}  // namespace nconv
