// Small groups with as many channels out as in, channels in lanes: a vector holds several groups, and a
// channel of each is broadcast to its group's lanes by a shuffle. Tiles of rows x columns as in depthwise; no
// strip, no table, no lane empty. A sum's order is (tap y, channel, tap x): the shuffled pixels of a row serve
// all its taps. With (tap y, tap x, channel) each tap shuffled anew: 4 points less in groups of 4, 10 in
// groups of 2 and with a stride of 2.
#pragma once

#include "kernels/grouped.h"

namespace nconv {

// Accumulators, a row's pixels and one weight fill the registers. Rows and columns come in near-equal parts:
// all numbers from 6 on are sums of 4 and 3, all from 2 on of 3 and 2. Broader tiles gained nothing, 4 x 3
// lost five points.
template <class V>
struct GroupedTile {
    static constexpr int kRows = V::kRegisters >= 32 ? 4 : 3;
    static constexpr int kColumns = kRows;
};

// gcc 12 keeps loads of the same weights from row to row, in memory: without this 20 points less.
inline const float* read_again(const float* p) {
    asm volatile("" : "+r"(p));
    return p;
}

// A kernel of kHeight x kWidth none of whose columns is in the padding.
template <class V, int kGroup, int kHeight, int kWidth, int kStep, int kRows, int kColumns>
void grouped_tile(const GroupedArgs& t, const float* row, ptrdiff_t source_row,
                  ptrdiff_t source_column, const float* weights, const float* init, float* out) {
    using Reg = typename V::Reg;
    constexpr int kPixels = (kColumns - 1) * kStep + kWidth;
    Reg acc[kRows][kColumns];
    const Reg start = init != nullptr ? V::load(init) : V::zero();
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
        for (int j = 0; j < kColumns; ++j) acc[i][j] = start;
    }
    const int first_row = t.first_row, end_row = t.end_row;
#pragma GCC unroll 16
    for (int k = 0; k < (kRows - 1) * kStep + kHeight; ++k, row += source_row) {
        if (k < first_row || k >= end_row) continue;
        const float* w = read_again(weights);
#pragma GCC unroll 8
        for (int c = 0; c < kGroup; ++c) {
            Reg x[kPixels];
#pragma GCC unroll 16
            for (int j = 0; j < kPixels; ++j)
                x[j] = V::template broadcast_in_groups<kGroup>(row + j * source_column, c);
#pragma GCC unroll 4
            for (int i = 0; i < kRows; ++i) {
                const int r = k - i * kStep;
                if (r < 0 || r >= kHeight) continue;
#pragma GCC unroll 3
                for (int s = 0; s < kWidth; ++s) {
                    Reg weight = V::load(w + ((r * kGroup + c) * kWidth + s) * V::kLanes);
                    V::pin(weight);
#pragma GCC unroll 4
                    for (int j = 0; j < kColumns; ++j)
                        acc[i][j] = V::fma(x[j * kStep + s], weight, acc[i][j]);
                }
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

// Any kernel, one result.
template <class V, int kGroup>
void grouped_single(const GroupedArgs& t, const float* source, int i, int64_t column,
                    const float* weights, const float* init, float* out) {
    typename V::Reg acc = init != nullptr ? V::load(init) : V::zero();
    const int64_t before = t.first_column - column, behind = t.end_column - column;
    const int first = static_cast<int>(before > 0 ? before : 0);
    const int end = static_cast<int>(behind < t.kernel_columns ? behind : t.kernel_columns);
    const ptrdiff_t weight_channel = t.kernel_columns * ptrdiff_t{V::kLanes};
    for (int r = 0; r < t.kernel_rows; ++r) {
        const int k = i * t.row_step + r;
        if (k < t.first_row || k >= t.end_row) continue;
        const float* row = source + k * t.source_row;
        const float* w = weights + r * kGroup * weight_channel;
#pragma GCC unroll 8
        for (int c = 0; c < kGroup; ++c, w += weight_channel) {
            for (int s = 0; s < t.kernel_columns; ++s) {
                const bool inside = s >= first && s < end;
                acc = V::fma(
                    inside ? V::template broadcast_in_groups<kGroup>(row + s * t.source_column, c)
                           : V::zero(),
                    V::load(w + s * V::kLanes), acc);
            }
        }
    }
    V::store(out, acc);
}

// Calls body(channel, first channel that is read, weights, init) for each vector. The last one ends with the
// channels: what it has in common with the one before is computed twice.
template <class V, int kGroup, class Body>
void for_each_grouped_vector(const GroupedArgs& t, const Body& body) {
    const float* weights = t.weights;
    for (int64_t v = 0; v < t.channels; v += V::kLanes, weights += t.weight_vector) {
        const int64_t c = v + V::kLanes <= t.channels ? v : t.channels - V::kLanes;
        body(c, c / kGroup * kGroup, weights, t.init != nullptr ? t.init + c : nullptr);
    }
}

template <class V, int kGroup>
void grouped_any(const GroupedArgs& t) {
    for (int64_t j = 0; j < t.columns; ++j) {
        const int64_t column = j * t.column_step;
        const float* source = t.source + column * t.source_column;
        for_each_grouped_vector<V, kGroup>(
            t, [&](int64_t c, int64_t from, const float* weights, const float* init) {
                float* out = t.out + j * t.out_column + c;
                for (int i = 0; i < t.rows; ++i) {
                    grouped_single<V, kGroup>(t, source + from, i, column, weights, init,
                                              out + i * t.out_row);
                }
            });
    }
}

// Tiles at the border read a copy with zeros around it.
template <class V, int kGroup, int kHeight, int kWidth, int kStep, int kRows, int kColumns>
struct GroupedPatch {
    static constexpr int kRowCount = (kRows - 1) * kStep + kHeight;
    static constexpr int kPixels = (kColumns - 1) * kStep + kWidth;
    static constexpr int kPitch = kGroup > V::kLanes ? kGroup : V::kLanes;
    static constexpr int kRowPitch = kPixels * kPitch;

    void fill(const GroupedArgs& t, const float* source, int64_t column) {
        const int64_t first = t.first_column - column, end = t.end_column - column;
        for (int k = 0; k < kRowCount; ++k) {
            if (k < t.first_row || k >= t.end_row) continue;
            for (int j = 0; j < kPixels; ++j) {
                const float* from = source + k * t.source_row + j * t.source_column;
                for (int c = 0; c < kPitch; c += V::kLanes) {
                    V::store(at + k * kRowPitch + j * kPitch + c,
                             j >= first && j < end ? V::load(from + c) : V::zero());
                }
            }
        }
    }
    alignas(64) float at[kRowCount * kRowPitch];
};

template <class V, int kGroup, int kHeight, int kWidth, int kStep, int kRows, int kColumns>
void grouped_columns(const GroupedArgs& t, int64_t first, int64_t tiles) {
    using Patch = GroupedPatch<V, kGroup, kHeight, kWidth, kStep, kRows, kColumns>;
    const float* source = t.source + first * kStep * t.source_column;
    float* out = t.out + first * t.out_column;
    int64_t column = first * kStep;
    for (; tiles > 0; --tiles, column += kColumns * kStep) {
        const bool edge = column < t.first_column || column + Patch::kPixels > t.end_column;
        for_each_grouped_vector<V, kGroup>(
            t, [&](int64_t c, int64_t from, const float* weights, const float* init) {
                if (edge) {
                    Patch patch;
                    patch.fill(t, source + from, column);
                    grouped_tile<V, kGroup, kHeight, kWidth, kStep, kRows, kColumns>(
                        t, patch.at, Patch::kRowPitch, Patch::kPitch, weights, init, out + c);
                } else {
                    grouped_tile<V, kGroup, kHeight, kWidth, kStep, kRows, kColumns>(
                        t, source + from, t.source_row, t.source_column, weights, init, out + c);
                }
            });
        source += kColumns * kStep * t.source_column;
        out += kColumns * t.out_column;
    }
}

template <class V, int kGroup, int kHeight, int kWidth, int kStep, int kRows>
void grouped_run(const GroupedArgs& t) {
    constexpr int kMost = GroupedTile<V>::kColumns, kFewer = kMost - 1;
    int64_t tiles = (t.columns + kMost - 1) / kMost, fewer = tiles * kMost - t.columns;
    if (fewer <= tiles) {
        tiles -= fewer;
    } else {
        tiles = t.columns / kMost;
        fewer = 0;
    }
    grouped_columns<V, kGroup, kHeight, kWidth, kStep, kRows, kMost>(t, 0, tiles);
    grouped_columns<V, kGroup, kHeight, kWidth, kStep, kRows, kFewer>(t, tiles * kMost, fewer);
    const int64_t done = tiles * kMost + fewer * kFewer;
    if (done == t.columns) return;
    GroupedArgs rest = t;
    rest.source += done * kStep * t.source_column;
    rest.first_column -= done * kStep;
    rest.end_column -= done * kStep;
    rest.out += done * t.out_column;
    rest.columns -= done;
    grouped_any<V, kGroup>(rest);
}

template <class V, int kGroup, int kHeight, int kWidth, int kStep>
void grouped(const GroupedArgs& t) {
    constexpr int kRows = GroupedTile<V>::kRows;
    if (t.rows == kRows) {
        grouped_run<V, kGroup, kHeight, kWidth, kStep, kRows>(t);
    } else if (t.rows == kRows - 1) {
        grouped_run<V, kGroup, kHeight, kWidth, kStep, kRows - 1>(t);
    } else {
        grouped_any<V, kGroup>(t);
    }
}

}  // namespace nconv
