// The register tiles of dense convolution. Tile shapes follow from the register file: with 32 registers
// 6 x 4 vectors and 12 x 2 (24 accumulators), with 16 both are 6 x 2 (12 accumulators).
// Prototypes on Zen 4: 14 x 2 was no faster, 28 x 1 fell to 85 % with the panel in L3, and prefetching the
// panel gained at most 2 % and cost 20 to 30 % in tiles of one or two rows.
#pragma once

#include "kernels/kernel_set.h"

namespace nconv {

template <class V>
struct TileShape {
    static constexpr int kRowsTileVectors = V::kRegisters >= 32 ? 4 : 2;
    // Fewer vectors leave registers for more rows: a load of weights is used more often, and 6 x 1 waited
    // for its sums.
    static constexpr int rows_tile_rows(int vectors) {
        if (vectors == 1) return 12;
        return V::kRegisters < 32 ? 6 : vectors == 2 ? 12 : vectors == 3 ? 8 : 6;
    }
    static constexpr int kPackedTileRows = V::kRegisters >= 32 ? 12 : 6;
    static constexpr int kPackedTileVectors = 2;
};

template <class V, int kRows, int kVectors>
struct Accumulators {
    static_assert(kRows * kVectors + kVectors + 1 <= V::kRegisters,
                  "accumulators, one row of b and one broadcast must fit the register file");
    typename V::Reg at[kRows][kVectors];
};

template <class V>
typename V::Reg load_columns(const float* p, int v, int columns) {
    const int left = columns - v * V::kLanes;
    return left >= V::kLanes ? V::load(p + v * V::kLanes)
                             : V::load_partial(p + v * V::kLanes, left);
}

template <class V>
void store_columns(float* p, typename V::Reg value, int v, int columns) {
    const int left = columns - v * V::kLanes;
    if (left >= V::kLanes) {
        V::store(p + v * V::kLanes, value);
    } else if (left > 0) {
        V::store_partial(p + v * V::kLanes, value, left);
    }
}

template <class V, int kRows, int kVectors>
void rows_tile(const RowsTileArgs& t) {
    Accumulators<V, kRows, kVectors> acc;
    if (t.mode == TileMode::kContinue) {
#pragma GCC unroll 12
        for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v)
                acc.at[i][v] = load_columns<V>(t.outputs[i], v, t.columns);
        }
    } else {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
            const typename V::Reg start =
                t.init != nullptr ? load_columns<V>(t.init, v, t.columns) : V::zero();
#pragma GCC unroll 12
            for (int i = 0; i < kRows; ++i) acc.at[i][v] = start;
        }
    }
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
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v)
            store_columns<V>(t.outputs[i], acc.at[i][v], v, t.columns);
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

template <class V>
void transpose(const float* src, ptrdiff_t src_stride, float* dst, ptrdiff_t dst_stride,
               int64_t rows, int64_t columns) {
    constexpr int kBlock = V::kLanes;
    for (int64_t j = 0; j < columns; j += kBlock) {
        const int n = static_cast<int>(columns - j < kBlock ? columns - j : kBlock);
        for (int64_t i = 0; i < rows; i += kBlock) {
            const int m = static_cast<int>(rows - i < kBlock ? rows - i : kBlock);
            V::transpose(src + i * src_stride + j, src_stride, dst + j * dst_stride + i, dst_stride,
                         m, n);
        }
    }
}

template <class V>
void pack_columns(const float* src, ptrdiff_t src_stride, int64_t rows, int columns, float* dst) {
    if (columns % V::kLanes == 0) {
        for (int64_t i = 0; i < rows; ++i, src += src_stride, dst += columns) {
            for (int j = 0; j < columns; j += V::kLanes) V::store(dst + j, V::load(src + j));
        }
        return;
    }
    for (int64_t i = 0; i < rows; ++i, src += src_stride, dst += columns) {
        for (int j = 0; j < columns; j += V::kLanes) {
            V::store_partial(dst + j, load_columns<V>(src, j / V::kLanes, columns), columns - j);
        }
    }
}

template <class V>
void add_rows(const float* src, ptrdiff_t src_stride, int64_t rows, int64_t columns, float* sums) {
    using Reg = typename V::Reg;
    for (int64_t j = 0; j < columns; j += V::kLanes) {
        const int left = static_cast<int>(columns - j < V::kLanes ? columns - j : V::kLanes);
        const bool full = left == V::kLanes;
        const auto load = [&](const float* p) {
            return full ? V::load(p) : V::load_partial(p, left);
        };
        Reg chain[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
        const float* row = src + j;
        int64_t i = 0;
        for (; i + 4 <= rows; i += 4, row += 4 * src_stride) {
#pragma GCC unroll 4
            for (int c = 0; c < 4; ++c) chain[c] = V::add(chain[c], load(row + c * src_stride));
        }
#pragma GCC unroll 3
        for (int c = 0; c < 3; ++c) {
            if (i + c < rows) chain[c] = V::add(chain[c], load(row + c * src_stride));
        }
        const Reg sum = V::add(V::add(chain[0], chain[1]), V::add(chain[2], chain[3]));
        V::store_partial(sums + j, V::add(load(sums + j), sum), left);
    }
}

}  // namespace nconv
