// The products of dense convolution, rows or pixels in registers.
#pragma once

#include "kernels/gemm.h"
#include "kernels/tiles-inl.h"

namespace nconv {

// Rows of which only the last vector may be short of columns. Where masked stores cost what others do there is one
// way for short and whole ones: a tile of 12 x 2 had four times the code. Elsewhere short rows pass through a stage.
template <class V, int kVectors>
struct TileColumns {
    static constexpr int kWidth = kVectors * V::kLanes, kLast = kVectors - 1;
    explicit TileColumns(int count)
        : mask(V::range(0, count - kLast * V::kLanes)), columns(count) {}
    bool staged() const { return V::kLanes > 1 && !V::kFreeMasks && columns < kWidth; }
    // Of what must not be read past its columns. Asking costs less than a mask does, even with AVX-512: 512 to
    // 128 channels in NCHW lost 2.6 %.
    typename V::Reg load_exact(const float* p, int v) const {
        p += v * V::kLanes;
        const bool whole = v < kLast || V::kLanes == 1 || columns == kWidth;
        return whole ? V::load(p) : V::load_where(mask, p);
    }
    // Of results: they are whole where they are staged.
    typename V::Reg load(const float* p, int v) const {
        p += v * V::kLanes;
        return v < kLast || !V::kFreeMasks ? V::load(p) : V::load_where(mask, p);
    }
    void store(float* p, int v, typename V::Reg value) const {
        p += v * V::kLanes;
        if constexpr (V::kFreeMasks) {
            v < kLast ? V::store(p, value) : V::store_where(mask, p, value);
        } else {
            V::store(p, value);
        }
    }
    const typename V::Mask mask;
    const int columns;
};

template <class V>
[[gnu::noinline]] void copy_columns(const float* from, ptrdiff_t from_row, float* to,
                                    ptrdiff_t to_row, int rows, int columns) {
    for (int i = 0; i < rows; ++i, from += from_row, to += to_row) {
        for (int j = 0; j < columns; ++j) to[j] = from[j];
    }
}

template <class V, int kRows, int kVectors>
[[gnu::always_inline]] inline void load_tile(Accumulators<V, kRows, kVectors>& acc,
                                             const TileColumns<V, kVectors>& columns,
                                             const float* row, ptrdiff_t step) {
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i, row = opaque(row + step)) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) acc.at[i][v] = columns.load(row, v);
    }
}

template <class V, int kRows, int kVectors>
[[gnu::always_inline]] inline void store_tile(const Accumulators<V, kRows, kVectors>& acc,
                                              const TileColumns<V, kVectors>& columns, float* row,
                                              ptrdiff_t step) {
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i, row = opaque(row + step)) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) columns.store(row, v, acc.at[i][v]);
    }
}

template <class V>
struct Zeros {
    static constexpr float kValues[kMaxTileVectors * V::kLanes + kMaxTileRows] = {};
};

template <class V, int kRows>
struct RowPointers {
    RowPointers(const float* const* rows, ptrdiff_t offset) {
#pragma GCC unroll 12
        for (int i = 0; i < kRows; ++i) row[i] = rows[i] + offset;
    }
    const float* at(int i, int64_t k) const { return row[i] + k; }
    void step() const {}
    const float* row[kRows];
};

template <class V, int kRows, int kVectors>
void rows_tile(const RowsTileArgs& t) {
    const TileColumns<V, kVectors> columns(t.columns);
    constexpr int kWidth = columns.kWidth;
    float stage[V::kFreeMasks ? 1 : kRows * kWidth];
    float* const* outputs = t.outputs;
    float* rows[kRows];
    if (columns.staged()) {
        for (int i = 0; i < kRows; ++i) {
            rows[i] = stage + i * kWidth;
            if (t.mode == TileMode::kContinue)
                copy_columns<V>(outputs[i], 0, rows[i], 0, 1, t.columns);
        }
        outputs = rows;
    }
    Accumulators<V, kRows, kVectors> acc;
    if (t.mode == TileMode::kContinue) {
#pragma GCC unroll 12
        for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) acc.at[i][v] = columns.load(outputs[i], v);
        }
    } else {
        const float* init = t.init != nullptr ? t.init : Zeros<V>::kValues;
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
            const typename V::Reg start = columns.load_exact(init, v);
#pragma GCC unroll 12
            for (int i = 0; i < kRows; ++i) acc.at[i][v] = start;
        }
    }
    const float* panel = t.panel;
    const float* const* sources = t.sources;
    for (int64_t tap = 0; tap < t.taps; ++tap, sources += t.source_pitch, panel += t.panel_tap)
        add_products(acc, panel, t.depth, RowPointers<V, kRows>(sources, t.offsets[tap]));
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
        float* out = outputs[i];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) columns.store(out, v, acc.at[i][v]);
    }
    if (columns.staged()) {
        for (int i = 0; i < kRows; ++i) copy_columns<V>(rows[i], 0, t.outputs[i], 0, 1, t.columns);
    }
}

// The lines of the tile behind this one.
template <class V, int kRows, int kVectors>
[[gnu::always_inline]] inline void ask_for_tile(const RowsRunArgs& t, const float* source,
                                                float* out) {
#pragma GCC unroll 1
    for (int i = 0; i < kRows; ++i) {
        const float* row = source + (kRows + i) * t.source_step;
        for (int64_t k = 0; k < t.depth; k += kVirtualLanes) __builtin_prefetch(row + k);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v)
            __builtin_prefetch(out + (kRows + i) * t.out_step + v * V::kLanes, 1);
    }
}

template <class V, int kRows, int kVectors>
void rows_run(const RowsRunArgs& t) {
    const TileColumns<V, kVectors> columns(t.columns);
    const ptrdiff_t source_step = t.source_step, out_step = t.out_step;
    const float* start = t.source;
    float* out = t.out;
    const float* init = t.init != nullptr ? t.init : Zeros<V>::kValues;
    for (int64_t tile = t.tiles; tile > 0;
         --tile, start += kRows * source_step, out += kRows * out_step) {
        Accumulators<V, kRows, kVectors> acc;
        if (t.mode == TileMode::kContinue) {
            load_tile(acc, columns, out, out_step);
        } else {
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) {
                const typename V::Reg first = columns.load_exact(init, v);
#pragma GCC unroll 12
                for (int i = 0; i < kRows; ++i) acc.at[i][v] = first;
            }
        }
        if (t.ahead && tile > 1) ask_for_tile<V, kRows, kVectors>(t, start, out);
        add_products(acc, t.panel, t.depth, RowSteps<V, kRows>(start, source_step));
        store_tile(acc, columns, out, out_step);
    }
}

template <class V, int kRows, int kVectors>
void packed_tile(const PackedTileArgs& t) {
    const TileColumns<V, kVectors> columns(t.columns);
    constexpr int kWidth = columns.kWidth;
    float stage[V::kFreeMasks ? 1 : kRows * kWidth];
    const bool staged = columns.staged();
    const ptrdiff_t out_row = staged ? kWidth : t.out_row;
    float* out = staged ? stage : t.out;
    if (staged && t.mode != TileMode::kStore)
        copy_columns<V>(t.out, t.out_row, stage, kWidth, kRows, t.columns);
    const float* start = t.b;
    for (int64_t tile = t.tiles; tile > 0; --tile, start += kWidth, out += kWidth) {
        Accumulators<V, kRows, kVectors> acc;
        if (t.mode == TileMode::kContinue) {
            load_tile(acc, columns, out, out_row);
        } else {
            const float* init = t.init != nullptr ? t.init : Zeros<V>::kValues;
#pragma GCC unroll 12
            for (int i = 0; i < kRows; ++i) {
                const typename V::Reg value = V::broadcast(init + i);
#pragma GCC unroll 4
                for (int v = 0; v < kVectors; ++v) acc.at[i][v] = value;
            }
        }
        const ptrdiff_t ahead = t.ahead;
        for (int64_t z = 0; z < t.z; ++z) {
            for (int64_t y = 0; y < t.y; ++y) {
                const float* a = t.a + z * t.a_z + y * t.a_y;
                const float* row = start + z * t.b_z + y * t.b_y;
#pragma GCC unroll 1
                for (int64_t x = t.x; x > 0; --x, a += kRows, row += t.b_x) {
                    typename V::Reg b[kVectors];
                    if (ahead != 0) {
#pragma GCC unroll 4
                        for (int v = 0; v < kVectors; ++v)
                            __builtin_prefetch(row + ahead + v * V::kLanes);
                    }
#pragma GCC unroll 4
                    for (int v = 0; v < kVectors; ++v) {
                        b[v] = columns.load_exact(row, v);
                        V::pin(b[v]);
                    }
#pragma GCC unroll 12
                    for (int i = 0; i < kRows; ++i) {
                        const typename V::Reg value = V::broadcast(a + i);
#pragma GCC unroll 4
                        for (int v = 0; v < kVectors; ++v)
                            acc.at[i][v] = V::fma(value, b[v], acc.at[i][v]);
                    }
                }
            }
        }
        if (t.mode == TileMode::kAdd) {
            const float* row = out;
#pragma GCC unroll 12
            for (int i = 0; i < kRows; ++i, row = opaque(row + out_row)) {
#pragma GCC unroll 4
                for (int v = 0; v < kVectors; ++v)
                    acc.at[i][v] = V::add(columns.load(row, v), acc.at[i][v]);
            }
        }
        store_tile(acc, columns, out, out_row);
    }
    if (staged) copy_columns<V>(stage, kWidth, t.out, t.out_row, kRows, t.columns);
}

// Eight chains, one per tile, hide the latency that a single column would wait for.
template <class V>
void packed_column(const ColumnArgs& t) {
    using Reg = typename V::Reg;
    Reg acc[kColumnTiles];
    const float* a[kColumnTiles];
    ptrdiff_t rows[kColumnTiles];
#pragma GCC unroll 8
    for (int i = 0; i < kColumnTiles; ++i) {
        float start[V::kLanes] = {};
        for (int r = 0; r < t.rows[i]; ++r) {
            start[r] = t.mode == TileMode::kContinue ? t.out[i][r * t.out_row]
                       : t.init[i] != nullptr        ? t.init[i][r]
                                                     : 0.0f;
        }
        acc[i] = V::load(start);
        a[i] = t.a[i];
        rows[i] = t.rows[i];
    }
    const float* b = t.b;
#pragma GCC unroll 1
    for (int64_t x = 0; x < t.x; ++x, b += t.b_x) {
        const Reg column = V::broadcast(b);
#pragma GCC unroll 8
        for (int i = 0; i < kColumnTiles; ++i) {
            acc[i] = V::fma(V::load(a[i]), column, acc[i]);
            a[i] += rows[i];
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < kColumnTiles; ++i) {
        float result[V::kLanes];
        V::store(result, acc[i]);
        for (int r = 0; r < t.rows[i]; ++r) t.out[i][r * t.out_row] = result[r];
    }
}

}  // namespace nconv
