// The products of dense convolution, rows or pixels in registers.
#pragma once

#include "kernels/gemm.h"
#include "kernels/tiles-inl.h"

namespace nconv {

// Of a row of kVectors vectors only the last may be short of columns.
template <class V, int kVectors>
typename V::Reg load_of_row(const float* p, int v, int columns) {
    return v + 1 < kVectors ? V::load(p + v * V::kLanes) : load_columns<V>(p, v, columns);
}

template <class V, int kRows, int kVectors, class Row>
__attribute__((always_inline)) inline void start_rows(Accumulators<V, kRows, kVectors>& acc,
                                                      TileMode mode, const float* init, int columns,
                                                      const Row& row) {
    if (mode == TileMode::kContinue) {
#pragma GCC unroll 12
        for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v)
                acc.at[i][v] = load_of_row<V, kVectors>(row(i), v, columns);
        }
    } else {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
            const typename V::Reg start =
                init != nullptr ? load_of_row<V, kVectors>(init, v, columns) : V::zero();
#pragma GCC unroll 12
            for (int i = 0; i < kRows; ++i) acc.at[i][v] = start;
        }
    }
}

template <class V, int kRows, int kVectors, class Row>
__attribute__((always_inline)) inline void store_rows(const Accumulators<V, kRows, kVectors>& acc,
                                                      int columns, const Row& row) {
    constexpr int kLast = kVectors - 1;
    const bool whole = columns == kVectors * V::kLanes;
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
        float* out = row(i);
#pragma GCC unroll 4
        for (int v = 0; v < kLast; ++v) V::store(out + v * V::kLanes, acc.at[i][v]);
        if (whole) {
            V::store(out + kLast * V::kLanes, acc.at[i][kLast]);
        } else {
            V::store_partial(out + kLast * V::kLanes, acc.at[i][kLast],
                             columns - kLast * V::kLanes);
        }
    }
}

template <class V, int kRows, int kVectors>
void rows_tile(const RowsTileArgs& t) {
    Accumulators<V, kRows, kVectors> acc;
    const auto row = [&](int i) { return t.outputs[i]; };
    start_rows(acc, t.mode, t.init, t.columns, row);
    const float* tap_panel = t.panel;
    const float* const* sources = t.sources;
    for (int64_t tap = 0; tap < t.taps;
         ++tap, sources += t.source_pitch, tap_panel += t.panel_tap) {
        const float* panel = tap_panel;
        const float* source[kRows];
#pragma GCC unroll 12
        for (int i = 0; i < kRows; ++i) source[i] = sources[i];
#pragma GCC unroll 1
        for (int64_t k = 0; k < t.depth; ++k, panel += kVectors * V::kLanes) {
            typename V::Reg b[kVectors];
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) {
                b[v] = V::load(panel + v * V::kLanes);
                V::pin(b[v]);
            }
#pragma GCC unroll 12
            for (int i = 0; i < kRows; ++i) {
                const typename V::Reg a = V::broadcast(source[i] + k);
#pragma GCC unroll 4
                for (int v = 0; v < kVectors; ++v) acc.at[i][v] = V::fma(a, b[v], acc.at[i][v]);
            }
        }
    }
    store_rows(acc, t.columns, row);
}

template <class V, int kRows, int kVectors>
void rows_run(const RowsRunArgs& t) {
    // Three rows share a pointer: x86 adds a register once or twice.
    constexpr int kShare = 3, kPointers = (kRows + kShare - 1) / kShare;
    const ptrdiff_t source_step = t.source_step, out_step = t.out_step;
    const float *start = t.source, *init = t.init;
    float* out = t.out;
    const int64_t depth = t.depth;
    const int columns = t.columns;
    const bool ahead = t.ahead;
    const TileMode mode = t.mode;
    for (int64_t tile = t.tiles; tile > 0;
         --tile, start += kRows * source_step, out += kRows * out_step) {
        Accumulators<V, kRows, kVectors> acc;
        const auto row = [&](int i) { return out + i * out_step; };
        start_rows(acc, mode, init, columns, row);
        const float* source[kPointers];
#pragma GCC unroll 4
        for (int i = 0; i < kPointers; ++i) source[i] = start + i * kShare * source_step;
        if (ahead && tile > 1) {
            for (int64_t k = 0; k < depth; k += kVirtualLanes) {
#pragma GCC unroll 12
                for (int i = 0; i < kRows; ++i)
                    __builtin_prefetch(start + (kRows + i) * source_step + k);
            }
#pragma GCC unroll 12
            for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
                for (int v = 0; v < kVectors; ++v)
                    __builtin_prefetch(out + (kRows + i) * out_step + v * V::kLanes, 1);
            }
        }
        const float* panel = t.panel;
#pragma GCC unroll 1
        for (int64_t k = 0; k < depth; ++k, panel += kVectors * V::kLanes) {
            typename V::Reg b[kVectors];
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) {
                b[v] = V::load(panel + v * V::kLanes);
                V::pin(b[v]);
            }
#pragma GCC unroll 12
            for (int i = 0; i < kRows; ++i) {
                const typename V::Reg a =
                    V::broadcast(source[i / kShare] + i % kShare * source_step);
#pragma GCC unroll 4
                for (int v = 0; v < kVectors; ++v) acc.at[i][v] = V::fma(a, b[v], acc.at[i][v]);
            }
#pragma GCC unroll 4
            for (int i = 0; i < kPointers; ++i) ++source[i];
        }
        store_rows(acc, columns, row);
    }
}

template <class V, int kRows, int kVectors, bool kPartial>
void packed_tile(const PackedTileArgs& t) {
    Accumulators<V, kRows, kVectors> acc;
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
            acc.at[i][v] = t.mode == TileMode::kContinue
                               ? load_columns<V>(t.out + i * t.out_row, v, t.columns)
                           : t.init != nullptr ? V::broadcast(t.init + i)
                                               : V::zero();
        }
    }
    for (int64_t z = 0; z < t.z; ++z) {
        for (int64_t y = 0; y < t.y; ++y) {
            const float* a = t.a + z * t.a_z + y * t.a_y;
            const float* row = t.b + z * t.b_z + y * t.b_y;
#pragma GCC unroll 1
            for (int64_t x = 0; x < t.x; ++x, a += kRows, row += t.b_x) {
                typename V::Reg b[kVectors];
#pragma GCC unroll 4
                for (int v = 0; v < kVectors; ++v) {
                    b[v] = kPartial
                               ? V::load_partial(row + v * V::kLanes, t.columns - v * V::kLanes)
                               : V::load(row + v * V::kLanes);
                    V::pin(b[v]);
                }
#pragma GCC unroll 12
                for (int i = 0; i < kRows; ++i) {
                    const typename V::Reg broadcast = V::broadcast(a + i);
#pragma GCC unroll 4
                    for (int v = 0; v < kVectors; ++v) {
                        acc.at[i][v] = V::fma(broadcast, b[v], acc.at[i][v]);
                    }
                }
            }
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
        float* out = t.out + i * t.out_row;
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
            typename V::Reg value = acc.at[i][v];
            if (t.mode == TileMode::kAdd) value = V::add(load_columns<V>(out, v, t.columns), value);
            store_columns<V>(out, value, v, t.columns);
        }
    }
}

template <class V, int kRows, int kVectors>
void packed_run(const PackedRunArgs& t) {
    const ptrdiff_t b_x = t.b_x, out_row = t.out_row, ahead = t.ahead;
    const float *init = t.init, *start = t.b;
    float* out = t.out;
    const int64_t depth = t.x;
    const TileMode mode = t.mode;
    for (int64_t tile = t.tiles; tile > 0;
         --tile, start += kVectors * V::kLanes, out += kVectors * V::kLanes) {
        Accumulators<V, kRows, kVectors> acc;
#pragma GCC unroll 12
        for (int i = 0; i < kRows; ++i) {
            if (mode == TileMode::kContinue) {
#pragma GCC unroll 4
                for (int v = 0; v < kVectors; ++v)
                    acc.at[i][v] = V::load(out + i * out_row + v * V::kLanes);
            } else {
                const typename V::Reg value = init != nullptr ? V::broadcast(init + i) : V::zero();
#pragma GCC unroll 4
                for (int v = 0; v < kVectors; ++v) acc.at[i][v] = value;
            }
        }
        const float *a = t.a, *row = start;
#pragma GCC unroll 1
        for (int64_t x = 0; x < depth; ++x, a += kRows, row += b_x) {
            typename V::Reg b[kVectors];
            if (ahead != 0) {
#pragma GCC unroll 4
                for (int v = 0; v < kVectors; ++v) __builtin_prefetch(row + ahead + v * V::kLanes);
            }
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) {
                b[v] = V::load(row + v * V::kLanes);
                V::pin(b[v]);
            }
#pragma GCC unroll 12
            for (int i = 0; i < kRows; ++i) {
                const typename V::Reg broadcast = V::broadcast(a + i);
#pragma GCC unroll 4
                for (int v = 0; v < kVectors; ++v)
                    acc.at[i][v] = V::fma(broadcast, b[v], acc.at[i][v]);
            }
        }
#pragma GCC unroll 12
        for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v)
                V::store(out + i * out_row + v * V::kLanes, acc.at[i][v]);
        }
    }
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
