// The tiles of the sliding algorithm: what one row of the source adds to every row of the result that reads
// it. A loaded vector serves all taps of its column and all produced channels; a tile over pixels of one
// produced channel had one multiply-add for each load, and ran at 18 to 24 % of peak.
#pragma once

#include "kernels/narrow.h"
#include "kernels/tiles-inl.h"

namespace nconv {

template <class V>
struct SlidingShape {
    static constexpr int kRows = V::kLanes == 1 ? 4 : V::kRegisters >= 32 ? 9 : 6;
    static constexpr int vectors(int rows) {
        const int fit = (V::kRegisters - 1) / (rows + 1);
        return fit < kMostVectors ? fit : kMostVectors;
    }
    static constexpr int kMostVectors =
        V::kLanes == 1 ? 1 : 4;  // more gain one lane nothing: 14 KB
};

template <class V, int kRows, int kVectors>
void sliding_tile(const SlidingArgs& t, int64_t pixel) {
    Accumulators<V, kRows, kVectors> acc;
    const ptrdiff_t out_row = t.out_row;
    float* out = t.out + pixel;
#pragma GCC unroll 9
    for (int i = 0; i < kRows; ++i, out += out_row) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) acc.at[i][v] = V::load(out + v * V::kLanes);
    }
    const ptrdiff_t source_channel = t.source_channel;
    const float *weights = t.weights, *column = t.source + pixel;
    for (int64_t tap = t.taps; tap > 0; --tap, column += t.source_tap) {
        const float *source = column, *ask = t.ask->at;
        // Not into L1, which the row at work fills.
        const ptrdiff_t ask_channel = t.ask->lines > 0 ? t.ask->channel : 0;
        if (ask_channel != 0) {
            t.ask->at += t.ask->line;
            --t.ask->lines;
        }
#pragma GCC unroll 1
        for (int64_t c = t.channels; c > 0; --c, source += source_channel, weights += kRows) {
            typename V::Reg b[kVectors];
            if (ask_channel != 0) {
                __builtin_prefetch(ask, 0, 2);
                ask += ask_channel;
            }
            load_pinned<V>(b, source);
#pragma GCC unroll 9
            for (int i = 0; i < kRows; ++i) {
                const typename V::Reg a = V::broadcast(weights + i);
#pragma GCC unroll 4
                for (int v = 0; v < kVectors; ++v) acc.at[i][v] = V::fma(a, b[v], acc.at[i][v]);
            }
        }
    }
    out = t.out + pixel;
#pragma GCC unroll 9
    for (int i = 0; i < kRows; ++i, out += out_row) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) V::store(out + v * V::kLanes, acc.at[i][v]);
    }
}

template <class V, int kRows, int kVectors>
void sliding_any(const SlidingArgs& t, int64_t pixel, int64_t vectors) {
    if (vectors == kVectors) {
        sliding_tile<V, kRows, kVectors>(t, pixel);
    } else if constexpr (kVectors > 1) {
        sliding_any<V, kRows, kVectors - 1>(t, pixel, vectors);
    }
}

template <class V, int kRows>
void sliding_rows(const SlidingArgs& t) {
    constexpr int kMost = SlidingShape<V>::vectors(kRows);
    int64_t vectors = (t.pixels + V::kLanes - 1) / V::kLanes;
    int64_t tiles = (vectors + kMost - 1) / kMost;
    for (int64_t pixel = 0; tiles > 0; --tiles) {
        const int64_t count = (vectors + tiles - 1) / tiles;
        sliding_any<V, kRows, kMost>(t, pixel, count);
        vectors -= count;
        pixel += count * V::kLanes;
    }
}

}  // namespace nconv
