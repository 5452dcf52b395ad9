// The tiles of the narrow algorithm. A sum is one flat loop over a table of offsets into a strip whose
// padding is stored as zeros: no inner loop of one to eight channels and no pointer per pixel and tap,
// which together held layers with 3 input channels at 55 % of peak.
#pragma once

#include "kernels/narrow.h"
#include "kernels/tiles-inl.h"

namespace nconv {

// Two multiply-adds a cycle of latency 4 need eight accumulators; more than that save loads. Scalar tiles are
// small, as nobody waits for them.
template <class V>
struct StripShape {
    static constexpr int kChannelVectors = V::kLanes == 1 ? 1 : V::kRegisters >= 32 ? 4 : 2;
    static constexpr int pixels(int vectors) {
        if (V::kLanes == 1) return 4;
        constexpr int kPixels32[] = {14, 12, 8, 6}, kPixels16[] = {12, 6};
        return V::kRegisters >= 32 ? kPixels32[vectors - 1] : kPixels16[vectors - 1];
    }
    // With these most widths are whole tiles: 32 channels at 112 x 112 are 95 % of peak, 90 without.
    static constexpr int more_pixels(int vectors) {
        return V::kRegisters >= 32 && vectors == 2 ? 14 : pixels(vectors);
    }
    static constexpr int kPixelRows = V::kLanes == 1 ? 4 : V::kRegisters >= 32 ? 8 : 6;
    static constexpr int pixel_vectors(int rows) {
        const int fit = (V::kRegisters - 1) / (rows + 1);
        return fit < kMostPixelVectors ? fit : kMostPixelVectors;
    }
    static constexpr int kMostPixelVectors = V::kLanes == 1 ? 1 : 8;
};

// Inlined by force: a call would send the accumulators through memory.
template <class V, int kRows, int kVectors>
[[gnu::always_inline]] inline void store_tile(const Accumulators<V, kRows, kVectors>& acc,
                                              float* out, ptrdiff_t out_row, int columns) {
    const int left = columns - (kVectors - 1) * V::kLanes;
#pragma GCC unroll 14
    for (int i = 0; i < kRows; ++i, out += out_row) {
#pragma GCC unroll 8
        for (int v = 0; v < kVectors - 1; ++v) V::store(out + v * V::kLanes, acc.at[i][v]);
    }
    out -= kRows * out_row - (kVectors - 1) * V::kLanes;
    if (V::kFreeMasks) {
#pragma GCC unroll 14
        for (int i = 0; i < kRows; ++i, out += out_row)
            V::store_partial(out, acc.at[i][kVectors - 1], left);
    } else if (left == V::kLanes) {
#pragma GCC unroll 14
        for (int i = 0; i < kRows; ++i, out += out_row) V::store(out, acc.at[i][kVectors - 1]);
    } else {
        // By way of memory in a loop: a copy of a partial store for each row was half of a tile's code.
        float rows[kRows * V::kLanes];
#pragma GCC unroll 14
        for (int i = 0; i < kRows; ++i) V::store(rows + i * V::kLanes, acc.at[i][kVectors - 1]);
#pragma GCC unroll 1
        for (int i = 0; i < kRows; ++i, out += out_row)
            V::store_partial(out, V::load(rows + i * V::kLanes), left);
    }
}

template <class V, int kPixels, int kVectors>
void strip_channels_tile(const StripChannelsArgs& t, int64_t pixel) {
    Accumulators<V, kPixels, kVectors> acc;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
        const typename V::Reg start =
            t.init != nullptr ? load_columns<V>(t.init, v, t.columns) : V::zero();
#pragma GCC unroll 14
        for (int i = 0; i < kPixels; ++i) acc.at[i][v] = start;
    }
    const ptrdiff_t step = t.source_step;
    const float* source = t.source + pixel * step;
    const float* weights = t.weights;
#pragma GCC unroll 1
    for (int64_t tap = 0; tap < t.taps; ++tap, weights += kVectors * V::kLanes) {
        const float* at = source + t.offsets[tap];
        typename V::Reg b[kVectors];
        load_pinned<V>(b, weights);
#pragma GCC unroll 14
        for (int i = 0; i < kPixels; ++i) {
            const typename V::Reg a = V::broadcast(at + i * step);
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) acc.at[i][v] = V::fma(a, b[v], acc.at[i][v]);
        }
    }
    store_tile<V>(acc, t.out + pixel * t.out_step, t.out_step, t.columns);
}

// As few tiles as there can be where the two sizes hold all pixels. What is left after whole tiles is a whole or half
// tile again that starts earlier: pixels computed twice get the same value twice.
template <class V, int kVectors>
void strip_channels(const StripChannelsArgs& t) {
    constexpr int kMost = StripShape<V>::pixels(kVectors), kHalf = kMost / 2;
    constexpr int kMore = StripShape<V>::more_pixels(kVectors);
    int64_t pixel = 0;
    if constexpr (kMore > kMost) {
        const int64_t tiles = (t.pixels + kMore - 1) / kMore, last = t.pixels - kMore;
        const int64_t over = last < 0 ? 0 : t.pixels - tiles * kMost;
        for (int64_t i = 0; i < over; i += kMore - kMost, pixel += kMore)
            strip_channels_tile<V, kMore, kVectors>(t, pixel < last ? pixel : last);
    }
    for (; pixel + kMost <= t.pixels; pixel += kMost)
        strip_channels_tile<V, kMost, kVectors>(t, pixel);
    if (t.pixels - pixel > kHalf && t.pixels >= kMost) {
        strip_channels_tile<V, kMost, kVectors>(t, t.pixels - kMost);
        return;
    }
    for (; pixel + kHalf <= t.pixels; pixel += kHalf)
        strip_channels_tile<V, kHalf, kVectors>(t, pixel);
    if (pixel < t.pixels && t.pixels >= kHalf) {
        strip_channels_tile<V, kHalf, kVectors>(t, t.pixels - kHalf);
        return;
    }
    for (; pixel < t.pixels; ++pixel) strip_channels_tile<V, 1, kVectors>(t, pixel);
}

// One place of the source for the phases of a set.
template <class V, int kPixels, int kSet>
[[gnu::always_inline]] inline void add_to_quads(Accumulators<V, kPixels, kQuad>& acc,
                                                const float* source, ptrdiff_t step,
                                                const QuadTap& tap, int64_t depth) {
    const float* weights[kQuad];
#pragma GCC unroll 4
    for (int v = 0; v < kQuad; ++v) weights[v] = tap.weights[v];
#pragma GCC unroll 1
    for (int64_t d = 0; d < depth; ++d, ++source) {
        typename V::Reg b[kQuad];
#pragma GCC unroll 4
        for (int v = 0; v < kQuad; ++v) {
            if ((kSet >> v & 1) == 0) continue;
            b[v] = V::load(weights[v] + d * V::kLanes);
            V::pin(b[v]);
        }
#pragma GCC unroll 6
        for (int i = 0; i < kPixels; ++i) {
            const typename V::Reg a = V::broadcast(source + i * step);
#pragma GCC unroll 4
            for (int v = 0; v < kQuad; ++v) {
                if ((kSet >> v & 1) != 0) acc.at[i][v] = V::fma(a, b[v], acc.at[i][v]);
            }
        }
    }
}

// Calls add(set) for that of the sets that is `phases`.
template <int... kSets, class Add>
[[gnu::always_inline]] inline void for_set(int phases, const Add& add) {
    (void)((phases == kSets && (add(Constant<kSets>()), true)) || ...);
}

template <class V, int kPixels>
void strip_quads_tile(const StripQuadsArgs& t, int64_t pixel) {
    Accumulators<V, kPixels, kQuad> acc;
#pragma GCC unroll 4
    for (int v = 0; v < kQuad; ++v) {
#pragma GCC unroll 6
        for (int i = 0; i < kPixels; ++i) acc.at[i][v] = V::zero();
    }
    const ptrdiff_t step = t.source_step;
    const float* source = t.source + pixel * step;
    const QuadTap* tap = t.taps;
    for (int left = t.tap_count; left > 0; --left, ++tap) {
        const float* at = source + tap->offset;
        const auto add = [&](auto set) __attribute__((always_inline)) {
            add_to_quads<V, kPixels, decltype(set)::kValue>(acc, at, step, *tap, t.depth);
        };
        // A tap of each axis belongs to one phase of it or to both.
        for_set<15, 5, 10, 3, 12, 1, 2, 4, 8>(tap->phases, add);
    }
    const typename V::Mask mask = V::range(0, t.columns);
#pragma GCC unroll 4
    for (int v = 0; v < kQuad; ++v) {
        float* out = t.out[v] + pixel * t.out_step;
#pragma GCC unroll 6
        for (int i = 0; i < kPixels; ++i, out += t.out_step)
            V::store_where(mask, out, acc.at[i][v]);
    }
}

// Near-equal tiles; fewer pixels than the smallest has one by one.
template <class V>
void strip_quads(const StripQuadsArgs& t) {
    constexpr int kMost = 6, kFewest = 4;
    int64_t tiles = (t.pixels + kMost - 1) / kMost;
    for (int64_t pixel = 0; pixel < t.pixels; --tiles) {
        const int64_t count = (t.pixels - pixel + tiles - 1) / tiles;
        if (count == kMost) {
            strip_quads_tile<V, kMost>(t, pixel);
        } else if (count == kMost - 1) {
            strip_quads_tile<V, kMost - 1>(t, pixel);
        } else if (t.pixels >= kFewest) {
            // Pixels computed twice get the same value twice.
            const int64_t last = t.pixels - kFewest;
            strip_quads_tile<V, kFewest>(t, pixel < last ? pixel : last);
        } else {
            for (int64_t i = 0; i < count; ++i) strip_quads_tile<V, 1>(t, pixel + i);
        }
        pixel += count;
    }
}

template <class V, int kRows, int kVectors>
void strip_pixels_tile(const StripPixelsArgs& t, int64_t pixel) {
    const int64_t left = t.pixels - pixel;
    const int columns = static_cast<int>(left < kVectors * V::kLanes ? left : kVectors * V::kLanes);
    Accumulators<V, kRows, kVectors> acc;
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
        const typename V::Reg start = t.init != nullptr ? V::broadcast(t.init + i) : V::zero();
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) acc.at[i][v] = start;
    }
    const float* source = t.source + pixel;
    const float* weights = t.weights;
#pragma GCC unroll 1
    for (int64_t tap = 0; tap < t.taps; ++tap, weights += kRows) {
        const float* at = source + t.offsets[tap];
        typename V::Reg b[kVectors];
        load_pinned<V>(b, at);
#pragma GCC unroll 8
        for (int i = 0; i < kRows; ++i) {
            const typename V::Reg a = V::broadcast(weights + i);
#pragma GCC unroll 8
            for (int v = 0; v < kVectors; ++v) acc.at[i][v] = V::fma(a, b[v], acc.at[i][v]);
        }
    }
    store_tile<V>(acc, t.out + pixel, t.out_row, columns);
}

template <class V, int kRows, int kVectors>
void strip_pixels_any(const StripPixelsArgs& t, int64_t pixel, int64_t vectors) {
    if (vectors == kVectors) {
        strip_pixels_tile<V, kRows, kVectors>(t, pixel);
    } else if constexpr (kVectors > 1) {
        strip_pixels_any<V, kRows, kVectors - 1>(t, pixel, vectors);
    }
}

template <class V>
void zero_fill(float* to, int64_t count) {
    for (; count >= V::kLanes; count -= V::kLanes, to += V::kLanes) V::store(to, V::zero());
    if (count > 0) V::store_partial(to, V::zero(), static_cast<int>(count));
}

template <class V, bool kDense>
typename V::Reg load_row(const float* p, ptrdiff_t step, int count) {
    if (!kDense) return V::load_strided(p, step, count);
    return count == V::kLanes ? V::load(p) : V::load_partial(p, count);
}

// The zeros in loops of their own: with them in the copying loop its counters went through memory.
template <class V, bool kDense>
void strip_rows_by(const StripRowsArgs& t) {
    for (int64_t row = 0; row < t.rows && t.before > 0; ++row)
        zero_fill<V>(t.to + row * t.to_row, t.before);
    float* to = t.to + t.before;
    for (int64_t row = 0; row < t.rows && t.after > 0; ++row)
        zero_fill<V>(to + row * t.to_row + t.count, t.after);
    const int left = static_cast<int>(t.count % V::kLanes);
    const ptrdiff_t step = kDense ? 1 : t.source_step, to_row = t.to_row;
    const ptrdiff_t source_row = t.source_row;
    const int64_t whole = t.count - left;
    const float* source = t.source;
    for (int64_t rows = t.rows; rows > 0; --rows, source += source_row, to += to_row) {
        const float* from = source;
        float* at = to;
        for (const float* const end = to + whole; at != end; at += V::kLanes) {
            V::store(at, load_row<V, kDense>(from, step, V::kLanes));
            from += V::kLanes * step;
        }
        if (left > 0) V::store_partial(at, load_row<V, kDense>(from, step, left), left);
    }
}

template <class V>
void strip_rows(const StripRowsArgs& t) {
    if (t.source_step == 1) {
        strip_rows_by<V, true>(t);
    } else {
        strip_rows_by<V, false>(t);
    }
}

// Near-equal tiles: a last one of a single vector would wait for its few chains.
template <class V, int kRows>
void strip_pixels(const StripPixelsArgs& t) {
    constexpr int kMost = StripShape<V>::pixel_vectors(kRows);
    int64_t vectors = (t.pixels + V::kLanes - 1) / V::kLanes;
    int64_t tiles = (vectors + kMost - 1) / kMost;
    for (int64_t pixel = 0; tiles > 0; --tiles) {
        const int64_t count = (vectors + tiles - 1) / tiles;
        strip_pixels_any<V, kRows, kMost>(t, pixel, count);
        vectors -= count;
        pixel += count * V::kLanes;
    }
}

}  // namespace nconv
