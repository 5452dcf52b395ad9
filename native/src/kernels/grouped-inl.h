// Small groups with as many channels out as in, channels in lanes: a vector holds several groups, and a
// channel of each is broadcast to its group's lanes by a shuffle. A sum's order is (tap y, channel, tap x): the
// shuffled pixels of a row serve all its taps; with (tap y, tap x, channel) each tap shuffled anew: 4 points
// less in groups of 4, 10 in groups of 2. Channels and kernel rows are loops, the channel is data of the
// shuffle, so that one tile serves all groups: unrolled over them the tiles had ten times the code.
#pragma once

#include "kernels/grouped.h"

namespace nconv {

// With two rows a shuffled pixel serves six multiply-adds; 16 registers have room for one.
template <class V>
struct GroupedShape {
    static constexpr int kRows = V::kRegisters >= 32 ? 2 : 1;
    static constexpr int kColumns = 8;
};

// A row of pixels, of which the first and the last may be zeros that are elsewhere.
struct GroupedPixels {
    const float *row, *first, *last;
};

// A tile from row `row` on. By reference: gcc 12 copies it with loads wider than the
// stores before them, which waits for those; 20 points less.
struct GroupedTileArgs {
    GroupedPixels pixels;
    ptrdiff_t first_step, last_step;  // from one row to the next
    bool first_inside, last_inside;
    int row;
    float* out;
};

// Any kernel, one result.
template <class V>
[[gnu::noinline]] void grouped_single(const GroupedArgs& t, const float* source, int i,
                                      int64_t column, const float* weights, const float* init,
                                      float* out) {
    typename V::Reg acc = init != nullptr ? V::load(init) : V::zero();
    const int64_t before = t.first_column - column, behind = t.end_column - column;
    const int first = static_cast<int>(before > 0 ? before : 0);
    const int end = static_cast<int>(behind < t.kernel_columns ? behind : t.kernel_columns);
    for (int r = 0; r < t.kernel_rows; ++r) {
        const int k = i * t.row_step + r;
        if (k < t.first_row || k >= t.end_row) continue;
        const float* row = source + k * t.source_row;
        const float* w = weights + r * t.group * t.kernel_columns * ptrdiff_t{V::kLanes};
        typename V::GroupIndex index = V::group_index(t.group);
        for (int c = 0; c < t.group; ++c, index = V::next_in_groups(index)) {
            for (int s = 0; s < t.kernel_columns; ++s, w += V::kLanes) {
                const bool inside = s >= first && s < end;
                acc = V::fma(
                    inside ? V::broadcast_in_groups(row + s * t.source_column, index) : V::zero(),
                    V::load(w), acc);
            }
        }
    }
    V::store(out, acc);
}

// Vectors of channels; the last one ends with the channels: what it has in common with the one before is computed
// twice.
template <class V>
struct GroupedVector {
    GroupedVector(const GroupedArgs& t, int64_t index) {
        const int64_t at = index * V::kLanes;
        channel = at + V::kLanes <= t.channels ? at : t.channels - V::kLanes;
        from = channel & -int64_t{t.group};
        weights = t.weights + index * t.weight_vector;
        init = t.init != nullptr ? t.init + channel : nullptr;
    }
    int64_t channel, from;  // from: the first channel that is read
    const float *weights, *init;
};

// Results first .. end-1 of some rows.
struct GroupedPart {
    int row, rows;
    int64_t first, end;
};

template <class V>
void grouped_singles(const GroupedArgs& t, const GroupedPart& part) {
    for (int64_t j = part.first; j < part.end; ++j) {
        const int64_t column = j * t.column_step;
        for (int64_t v = 0; v * V::kLanes < t.channels; ++v) {
            const GroupedVector<V> at(t, v);
            for (int i = part.row; i < part.row + part.rows; ++i)
                grouped_single<V>(t, t.source + column * t.source_column + at.from, i, column,
                                  at.weights, at.init,
                                  t.out + i * t.out_row + j * t.out_column + at.channel);
        }
    }
}

template <class V>
void grouped_any(const GroupedArgs& t) {
    grouped_singles<V>(t, {0, t.rows, 0, t.columns});
}

template <class V, int kWidth, int kStep, int kRows, int kColumns>
struct GroupedSums {
    static constexpr int kPixels = (kColumns - 1) * kStep + kWidth;
    typename V::Reg at[kRows][kColumns];

    // What a row of pixels adds to result rows kFirst .. kEnd-1; a row's weights lie `next` behind those of the
    // row before.
    template <int kFirst, int kEnd>
    [[gnu::always_inline]] void add(const GroupedPixels& source, ptrdiff_t column,
                                    const float* weights, ptrdiff_t next, int group,
                                    typename V::GroupIndex index) {
#pragma GCC unroll 1
        for (int c = group; c > 0; --c, weights += kWidth * V::kLanes) {
            typename V::Reg w[kEnd - kFirst][kWidth];
#pragma GCC unroll 2
            for (int i = 0; i < kEnd - kFirst; ++i) {
#pragma GCC unroll 3
                for (int s = 0; s < kWidth; ++s) {
                    w[i][s] = V::load(weights + i * next + s * V::kLanes);
                    V::pin(w[i][s]);
                }
            }
            const float *first = opaque(source.first), *last = opaque(source.last);
            const float* row = source.row;
#pragma GCC unroll 17
            for (int p = 0; p < kPixels; ++p) {
                if (p % 4 == 0) row = opaque(p == 0 ? row : row + 4 * column);
                const typename V::Reg x =
                    V::broadcast_in_groups(p == 0             ? first
                                           : p == kPixels - 1 ? last
                                                              : row + p % 4 * column,
                                           index);
#pragma GCC unroll 3
                for (int s = 0; s < kWidth; ++s) {
                    const int j = (p - s) / kStep;
                    if (p < s || (p - s) % kStep != 0 || j >= kColumns) continue;
#pragma GCC unroll 2
                    for (int i = kFirst; i < kEnd; ++i)
                        at[i][j] = V::fma(x, w[i - kFirst][s], at[i][j]);
                }
            }
            index = V::next_in_groups(index);
        }
    }
};

template <class V, int kWidth, int kStep, int kRows, int kColumns>
void grouped_tile(const GroupedArgs& t, const GroupedTileArgs& tile) {
    const int group = t.group, height = t.kernel_rows, step = t.row_step;
    const ptrdiff_t weight_row = group * ptrdiff_t{kWidth * V::kLanes}, next = -step * weight_row;
    const int first = t.first_row - tile.row * step, behind = t.end_row - tile.row * step;
    const int last = (kRows - 1) * step + height, end = behind < last ? behind : last;
    const int begin = first > 0 ? first : 0;
    const ptrdiff_t row_step = t.source_row, first_step = tile.first_step,
                    last_step = tile.last_step, column = t.source_column;
    const typename V::GroupIndex index = V::group_index(group);
    for (int64_t v = 0; v * V::kLanes < t.channels; ++v) {
        const GroupedVector<V> at(t, v);
        GroupedSums<V, kWidth, kStep, kRows, kColumns> sums;
        const typename V::Reg start = at.init != nullptr ? V::load(at.init) : V::zero();
#pragma GCC unroll 2
        for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
            for (int j = 0; j < kColumns; ++j) sums.at[i][j] = start;
        }
        GroupedPixels p = {
            tile.pixels.row + at.from + begin * row_step,
            tile.pixels.first + (tile.first_inside ? at.from : 0) + begin * first_step,
            tile.pixels.last + (tile.last_inside ? at.from : 0) + begin * last_step};
        const float* weights = at.weights + begin * weight_row;
#pragma GCC unroll 1
        for (int k = begin; k < end; ++k, weights += weight_row) {
            if (kRows == 1 || (k < height && k < step)) {
                sums.template add<0, 1>(p, column, weights, 0, group, index);
            } else if (k < height) {
                sums.template add<0, kRows>(p, column, weights, next, group, index);
            } else if (k >= step) {
                sums.template add<kRows - 1, kRows>(p, column, weights + next, 0, group, index);
            }
            p.row += row_step;
            p.first += first_step;
            p.last += last_step;
        }
        const ptrdiff_t out_row = t.out_row, out_column = t.out_column;
        float* out = tile.out + at.channel;
#pragma GCC unroll 2
        for (int i = 0; i < kRows; ++i, out += out_row) {
#pragma GCC unroll 8
            for (int j = 0; j < kColumns; ++j) V::store(out + j * out_column, sums.at[i][j]);
        }
    }
}

using GroupedTile = void (*)(const GroupedArgs&, const GroupedTileArgs&);

// Kernels of three columns have tiles of 4 to 8 results, so that near-equal parts fill every row; others, and
// single rows, 4 and 8, of which the last may compute again what the one before did.
template <class V, int kWidth, int kStep>
struct GroupedTiles {
    static constexpr int kRows = GroupedShape<V>::kRows, kColumns = GroupedShape<V>::kColumns;
    static constexpr bool all(int rows) { return kWidth == 3 && rows == kRows; }
    template <int kRow = kRows, int kColumn = kColumns>
    constexpr void add() {
        if constexpr (kColumn % 4 == 0 || kColumn == 1 || (kColumn > 4 && all(kRow)))
            at[kRow - 1][kColumn - 1] = grouped_tile<V, kWidth, kStep, kRow, kColumn>;
        if constexpr (kColumn > 1) {
            add<kRow, kColumn - 1>();
        } else if constexpr (kRow > 1) {
            add<kRow - 1, kColumns>();
        }
    }
    constexpr GroupedTiles() { add(); }
    GroupedTile at[kRows][kColumns] = {};

    // The columns of the next tile where so many are left of so many.
    static int64_t next(int rows, int64_t left, int64_t columns) {
        if (columns < 4) return 1;
        if (all(rows)) return left / ((left + kColumns - 1) / kColumns);
        return columns >= kColumns && left > 4 ? kColumns : 4;
    }
};

// Tiles none of which has more than one pixel of a row outside at either end.
template <class V, int kWidth, int kStep>
void grouped_tiles(const GroupedArgs& t, const GroupedPart& part) {
    static constexpr GroupedTiles<V, kWidth, kStep> kTiles;
    alignas(64) static constexpr float kZeros[kVirtualLanes] = {};
    using Tiles = GroupedTiles<V, kWidth, kStep>;
    const int64_t columns = part.end - part.first;
    for (int64_t left = columns, count = 0; left > 0; left -= count) {
        count = Tiles::next(part.rows, left, columns);
        const int64_t first = part.end - (left > count ? left : count);
        const int64_t column = first * kStep, last = (count - 1) * kStep + kWidth - 1;
        const bool behind = column + last >= t.end_column;
        const bool before = column < t.first_column || (last == 0 && behind);
        const float* row =
            t.source + part.row * t.row_step * t.source_row + column * t.source_column;
        GroupedTileArgs tile;
        tile.pixels.row = row;
        tile.pixels.first = before ? kZeros : row;
        tile.pixels.last = behind ? kZeros : row + last * t.source_column;
        tile.first_inside = !before;
        tile.last_inside = !behind;
        tile.first_step = before ? 0 : t.source_row;
        tile.last_step = behind ? 0 : t.source_row;
        tile.row = part.row;
        tile.out = t.out + part.row * t.out_row + first * t.out_column;
        kTiles.at[part.rows - 1][count - 1](t, tile);
    }
}

template <class V, int kWidth, int kStep>
void grouped(const GroupedArgs& t) {
    constexpr int kRows = GroupedShape<V>::kRows;
    // Results before low and from high on have more than one tap outside.
    int64_t low = t.first_column > 1 ? (t.first_column - 1 + kStep - 1) / kStep : 0;
    int64_t high = t.end_column + 1 < kWidth ? 0 : (t.end_column + 1 - kWidth) / kStep + 1;
    low = low < t.columns ? low : t.columns;
    high = high < t.columns ? high : t.columns;
    if (high < low) high = low;
    for (int i = 0; i < t.rows; i += kRows) {
        const int rows = t.rows - i < kRows ? t.rows - i : kRows;
        grouped_singles<V>(t, {i, rows, 0, low});
        grouped_tiles<V, kWidth, kStep>(t, {i, rows, low, high});
        grouped_singles<V>(t, {i, rows, high, t.columns});
    }
}

}  // namespace nconv
