// Small groups with as many channels out as in, pixels of a plane in lanes: NCHW as it is, no transposition. A
// loaded vector serves all channels that a group produces, whose weights are broadcast; the order of a sum is
// that of channels in lanes. Transposing channels into lanes and back took 18 of 78 points in groups of 4, 28 in
// groups of 2.
#pragma once

#include "kernels/grouped-inl.h"

namespace nconv {

template <class V, GroupedPlanesKind kKind, int kGroup>
struct PlanesShape {
    static constexpr bool kMany = V::kRegisters >= 32;
    static constexpr int kPhases = kKind == GroupedPlanesKind::kUp ? 2 : 1;
    // Vectors of a tile; two of kDown are in registers at a time.
    static constexpr int kAll = (kMany ? 16 : 8) / (kGroup * kPhases);
    static constexpr int kMost = kKind == GroupedPlanesKind::kDown ? 4 : 8;
    static constexpr int kVectors = kAll < 1 ? 1 : kAll < kMost ? kAll : kMost;
    // Of one row at most.
    static constexpr int kColumns = kMany && kVectors > 4    ? 4
                                    : !kMany && kVectors > 2 ? 2
                                                             : kVectors;
    static constexpr bool kFits = kVectors * kGroup * kPhases < V::kRegisters - 3;
};

// The lanes that lie inside of a row, of the vectors at its ends: those between are inside.
template <class V, int kLoads>
struct PlanesMasks {
    typename V::Mask first[kLoads], last[kLoads];
    // Load n of a tile's first vector reads from `at` on, of its last one from `end_at` on.
    void set(int n, int64_t at, int64_t end_at, int64_t width) {
        first[n] = inside(at, width);
        last[n] = inside(end_at, width);
    }
    [[gnu::noinline]] static typename V::Mask inside(int64_t at, int64_t width) {
        constexpr int64_t kMost = 2 * kVirtualLanes;
        const int64_t begin = at < 0 ? -at : 0, end = width - at;
        return V::range(static_cast<int>(begin < kMost ? begin : kMost),
                        static_cast<int>(end < kMost ? end : kMost));
    }
};

template <class V, GroupedPlanesKind kKind, int kGroup, int kRows, int kColumns>
struct PlanesTile {
    using Reg = typename V::Reg;
    static constexpr int kPhases = PlanesShape<V, kKind, kGroup>::kPhases;
    static constexpr int kLoads = kKind == GroupedPlanesKind::kDown ? 4 : 3;
    static constexpr int kStep = kKind == GroupedPlanesKind::kDown ? 2 : 1;
    Reg sums[kPhases][kGroup][kRows][kColumns];
    PlanesMasks<V, kLoads> masks;

    [[gnu::always_inline]] Reg load(const float* row, int n, int v) const {
        const float* at = row + v * kStep * V::kLanes;
        Reg x = v == 0              ? V::load_where(masks.first[n], at)
                : v == kColumns - 1 ? V::load_where(masks.last[n], at)
                                    : V::load(at);
        V::pin(x);
        return x;
    }

    // The next row; one pointer and no table of offsets, which would not fit the registers.
    static const float* next(const float* row, int i, ptrdiff_t distance) {
        return opaque(i == 0 ? row : row + distance);
    }

    [[gnu::always_inline]] void add(const Reg (&x)[kRows][kColumns], int phase,
                                    const float* weights) {
#pragma GCC unroll 8
        for (int g = 0; g < kGroup; ++g) {
            Reg w = V::broadcast(weights + g);
            if (kRows * kColumns > 1) V::pin(w);
#pragma GCC unroll 8
            for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
                for (int v = 0; v < kColumns; ++v)
                    sums[phase][g][i][v] = V::fma(x[i][v], w, sums[phase][g][i][v]);
            }
        }
    }

    // A tap at a time, each with loads of its own.
    [[gnu::always_inline]] void add_taps(const float* source, ptrdiff_t distance,
                                         const ptrdiff_t (&offset)[3], const float* weights) {
#pragma GCC unroll 3
        for (int s = 0; s < 3; ++s) {
            Reg x[kRows][kColumns];
            const float* row = source + offset[s];
#pragma GCC unroll 8
            for (int i = 0; i < kRows; ++i) {
                row = next(row, i, distance);
#pragma GCC unroll 4
                for (int v = 0; v < kColumns; ++v) x[i][v] = load(row, s, v);
            }
            add(x, kPhases > 1 && s > 0 ? 1 : 0, weights + s * kGroup);
        }
    }

    // Every other element: those of taps 0 and 1 come of the same loads.
    [[gnu::always_inline]] void add_down(const float* source, ptrdiff_t distance,
                                         const ptrdiff_t (&offset)[3], const float* weights) {
        Reg x[kRows][kColumns], y[kRows][kColumns];
        const float* row = source + offset[0];
#pragma GCC unroll 8
        for (int i = 0; i < kRows; ++i) {
            row = next(row, i, distance);
#pragma GCC unroll 4
            for (int v = 0; v < kColumns; ++v) {
                const Reg a = load(row, 0, v), b = load(row + V::kLanes, 1, v);
                x[i][v] = V::evens(a, b);
                y[i][v] = V::odds(a, b);
            }
        }
        add(x, 0, weights);
        add(y, 0, weights + kGroup);
        row = source + offset[2];
#pragma GCC unroll 8
        for (int i = 0; i < kRows; ++i) {
            row = next(row, i, distance);
#pragma GCC unroll 4
            for (int v = 0; v < kColumns; ++v)
                x[i][v] = V::evens(load(row, 2, v), load(row + V::kLanes, 3, v));
        }
        add(x, 0, weights + 2 * kGroup);
    }

    [[gnu::always_inline]] void swap_phases() {
#pragma GCC unroll 8
        for (int g = 0; g < kGroup; ++g) {
#pragma GCC unroll 8
            for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
                for (int v = 0; v < kColumns; ++v) {
                    const Reg x = sums[0][g][i][v];
                    sums[0][g][i][v] = sums[kPhases - 1][g][i][v];
                    sums[kPhases - 1][g][i][v] = x;
                }
            }
        }
    }

    [[gnu::always_inline]] void store(const GroupedPlanesArgs& t, float* out, int64_t count) {
        if (kPhases > 1 && t.swapped) swap_phases();
#pragma GCC unroll 8
        for (int g = 0; g < kGroup; ++g, out += t.out_channel) {
#pragma GCC unroll 8
            for (int i = 0; i < kRows; ++i) {
                float* to = out + i * t.out_row;
#pragma GCC unroll 4
                for (int v = 0; v < kColumns; ++v) {
                    Reg a = sums[0][g][i][v];
                    if (kKind == GroupedPlanesKind::kDown) a = V::from_evens(a);
                    int64_t left = count;
                    if (kPhases > 1) {
                        Reg b = sums[kPhases - 1][g][i][v];
                        V::interleave(a, b);
                        left -= 2 * v * V::kLanes;
                        keep(to + (2 * v + 1) * V::kLanes, b, left - V::kLanes);
                        keep(to + 2 * v * V::kLanes, a, left);
                    } else {
                        left -= v * V::kLanes;
                        if (v < kColumns - 1) {
                            V::store(to + v * V::kLanes, a);
                        } else {
                            keep(to + v * V::kLanes, a, left);
                        }
                    }
                }
            }
        }
    }
    static void keep(float* to, Reg v, int64_t count) {
        V::store_partial(to, v, static_cast<int>(count < V::kLanes ? count : V::kLanes));
    }
};

// kColumns vectors from place `first` of a row on, of rows row .. end-1 by kRows. Returns the first that is left.
template <class V, GroupedPlanesKind kKind, int kGroup, int kRows, int kColumns>
int planes_tiles(const GroupedPlanesArgs& t, int row, int end, int64_t first) {
    using Tile = PlanesTile<V, kKind, kGroup, kRows, kColumns>;
    Tile tile;
    const ptrdiff_t offset[3] = {t.offset[0], t.offset[1], t.offset[2]};
    const int64_t at = first * Tile::kStep, end_at = at + (kColumns - 1) * Tile::kStep * V::kLanes;
#pragma GCC unroll 4
    for (int n = 0; n < Tile::kLoads; ++n) {
        const ptrdiff_t shift = kKind == GroupedPlanesKind::kDown
                                    ? offset[n / 2 * 2] + n % 2 * V::kLanes
                                    : offset[n < 3 ? n : 0];
        tile.masks.set(n, at + shift, end_at + shift, t.width);
    }
    const ptrdiff_t distance = t.row_distance, channel = t.source_channel;
    static constexpr float kZeros[kGroup] = {};
    const float* init = t.init != nullptr ? t.init : kZeros;
    const int first_tap = t.first_tap, end_tap = t.end_tap;
    int group = kGroup;
    asm volatile("" : "+r"(group));  // else gcc 12 unrolls two channels
#pragma GCC unroll 1
    for (; row + kRows <= end; row += kRows) {
#pragma GCC unroll 8
        for (int g = 0; g < kGroup; ++g) {
            const typename V::Reg start = V::broadcast(init + g);
#pragma GCC unroll 2
            for (int phase = 0; phase < Tile::kPhases; ++phase) {
#pragma GCC unroll 8
                for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
                    for (int v = 0; v < kColumns; ++v) tile.sums[phase][g][i][v] = start;
                }
            }
        }
        const float* weights = t.weights + first_tap * (3 * kGroup * kGroup);
        const float* source = t.source + row * distance + first_tap * t.source_row + at;
#pragma GCC unroll 1
        for (int r = first_tap; r < end_tap; ++r, source += t.source_row) {
            const float* plane = source;
#pragma GCC unroll 1
            for (int c = group; c > 0; --c, plane += channel, weights += 3 * kGroup) {
                if (kKind == GroupedPlanesKind::kDown) {
                    tile.add_down(plane, distance, offset, weights);
                } else {
                    tile.add_taps(plane, distance, offset, weights);
                }
            }
        }
        tile.store(t, t.out + row * t.out_row + first * Tile::kPhases,
                   t.count - first * Tile::kPhases);
    }
    return row;
}

// Rows in tiles as high as the registers allow, what is left one by one.
template <class V, GroupedPlanesKind kKind, int kGroup, int kColumns>
void planes_columns(const GroupedPlanesArgs& t, int64_t first) {
    constexpr int kRows = PlanesShape<V, kKind, kGroup>::kVectors / kColumns;
    const int row = planes_tiles<V, kKind, kGroup, kRows, kColumns>(t, 0, t.rows, first);
    if constexpr (kRows > 1) {
        if (row < t.rows) planes_tiles<V, kKind, kGroup, 1, kColumns>(t, row, t.rows, first);
    }
}

template <class V, GroupedPlanesKind kKind, int kGroup>
void planes(const GroupedPlanesArgs& t) {
    using Shape = PlanesShape<V, kKind, kGroup>;
    constexpr int64_t kMost = Shape::kColumns;
    const int64_t lanes = Shape::kPhases * V::kLanes;
    const int64_t vectors = (t.count + lanes - 1) / lanes;
    for (int64_t v = 0, count = 1; v < vectors; v += count) {
        const int64_t first = v * V::kLanes, left = vectors - v;
        count = left < kMost ? left : kMost;
        if (count == 3) count = 2;
        if (count == 1) planes_columns<V, kKind, kGroup, 1>(t, first);
        if constexpr (kMost >= 2) {
            if (count == 2) planes_columns<V, kKind, kGroup, 2>(t, first);
        }
        if constexpr (kMost >= 4) {
            if (count == 4) planes_columns<V, kKind, kGroup, 4>(t, first);
        }
    }
}

template <class V, GroupedPlanesKind kKind, int kGroup>
constexpr GroupedPlanes planes_kernel() {
    if constexpr (V::kLanes > 1 && PlanesShape<V, kKind, kGroup>::kFits) {
        return planes<V, kKind, kGroup>;
    } else {
        return nullptr;
    }
}

}  // namespace nconv
