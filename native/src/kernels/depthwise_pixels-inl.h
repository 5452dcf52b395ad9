// Depthwise gathers with the elements of a row in lanes: pixels of a plane (NCHW), or pixels with few
// interleaved channels (NHWC), whose weights then repeat every `period` vectors.
#pragma once

#include "kernels/pixels.h"

namespace nconv {

// Rows and vectors of a tile of the general kernel: a weight is loaded for each row it meets.
template <class V>
struct DepthwisePixelsTile {
    static constexpr bool kFixed = V::kRegisters >= 32;
    static constexpr int kRows = V::kLanes == 1 ? 1 : V::kRegisters >= 32 ? 6 : 4;
    static constexpr int kVectors = V::kLanes == 1 ? 1 : V::kRegisters >= 32 ? 4 : 2;
    // Accumulators, the start and the inputs fill the registers; 3 x 3 has its weights in them,
    // too.
    static constexpr int fixed_vectors(int kernel, int step) {
        const int live = (kernel + step - 1) / step;
        const int most = (V::kRegisters - (kernel == 3 ? 10 : 3)) / (live + step);
        return most < 4 ? most : 4;
    }
};

// Where a tile is: its vectors are `distance` elements apart, the last holds `left` of them.
struct DepthwiseSpot {
    int64_t element;
    int64_t vector;  // of the period
    int left;
    bool more;  // a tile of the same rows follows
};

// The lanes of the first and of the last vector of a tile that a tap reaches; between them are all.
template <class V, int kVectors, bool kEdge>
struct DepthwiseEdges {
    using Reg = typename V::Reg;
    typename V::Mask first[kEdge ? kMaxDepthwiseTaps : 1], last[kEdge ? kMaxDepthwiseTaps : 1];

    DepthwiseEdges(const DepthwisePixelsArgs& t, const DepthwiseSpot& spot) {
        if (!kEdge) return;
        for (int s = 0; s < t.taps; ++s) {
            first[s] = lanes(t, s, spot.element);
            last[s] = lanes(t, s, spot.element + (kVectors - 1) * t.distance);
        }
    }

    static typename V::Mask lanes(const DepthwisePixelsArgs& t, int s, int64_t element) {
        const auto clip = [&](int64_t at) {
            at -= element;
            return static_cast<int>(at < 0 ? 0 : at > V::kLanes ? V::kLanes : at);
        };
        const int64_t end = t.columns[s].end < t.count ? t.columns[s].end : t.count;
        return V::range(clip(t.columns[s].first), clip(end));
    }

    // Apart from the masked loads: gcc 12's address sanitizer takes a local that shares the place of their
    // results for dead.
    static Reg load_pinned(const float* p) {
        Reg in = V::load(p);
        V::pin(in);
        return in;
    }
    Reg load(int s, int v, const float* p) const {
        if (kEdge && v == 0) return V::load_where(first[s], p);
        if (kEdge && v == kVectors - 1) return V::load_where(last[s], p);
        return load_pinned(p);
    }
    Reg fma(int s, int v, Reg in, Reg weight, Reg acc) const {
        if (kEdge && v == 0) return V::fma_where(first[s], in, weight, acc);
        if (kEdge && v == kVectors - 1) return V::fma_where(last[s], in, weight, acc);
        return V::fma(in, weight, acc);
    }
};

template <class V, bool kBroadcast>
typename V::Reg load_weight(const float* p) {
    return kBroadcast ? V::broadcast(p) : V::load(p);
}

// Inlined: accumulators whose address is taken would live in memory.
template <class V, int kRows, int kVectors>
__attribute__((always_inline)) inline void store_pixels(
    const DepthwisePixelsArgs& t, const DepthwiseSpot& spot, int64_t distance, float* out,
    const typename V::Reg (&acc)[kRows][kVectors]) {
    const int left = spot.left, rows = t.rows;
    const ptrdiff_t out_row = t.out_row;
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i, out += out_row) {
        if (i >= rows) break;
#pragma GCC unroll 4
        for (int v = 0; v + 1 < kVectors; ++v) V::store(out + v * distance, acc[i][v]);
        float* last = out + (kVectors - 1) * distance;
        if (left == V::kLanes) {
            V::store(last, acc[i][kVectors - 1]);
        } else {
            V::store_partial(last, acc[i][kVectors - 1], left);
        }
    }
}

// The taps of a source row for results kFirst .. kEnd-1 of a tile, all that meet it. Inlined like
// store_pixels.
template <class V, bool kBroadcast, int kFirst, int kEnd, class Edges, int kRows, int kVectors>
__attribute__((always_inline)) inline void depthwise_pixels_taps(
    const DepthwisePixelsArgs& t, const Edges& edges, const float* row, const float* weights,
    typename V::Reg (&acc)[kRows][kVectors]) {
    using Reg = typename V::Reg;
    const ptrdiff_t weight_step = t.row_step * t.weight_row, weight_column = t.weight_column;
    const ptrdiff_t distance = t.distance;
    weights -= kFirst * weight_step;
    for (int s = 0; s < t.taps; ++s, weights += weight_column) {
        const float* p = row + t.columns[s].offset;
        Reg in[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) in[v] = edges.load(s, v, p + v * distance);
#pragma GCC unroll 8
        for (int i = kFirst; i < kEnd; ++i) {
            Reg weight = load_weight<V, kBroadcast>(weights - (i - kFirst) * weight_step);
            V::pin(weight);
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v)
                acc[i][v] = edges.fma(s, v, in[v], weight, acc[i][v]);
        }
    }
}

// The same for results first .. end-1. Asked for once a source row, not at every tap: a 7 x 7 kernel,
// whose source rows mostly meet a part of the tile, ran at 29 % of peak so, 11 x 11 at 62.
template <class V, bool kBroadcast, int kPart, class Edges, int kRows, int kVectors>
__attribute__((always_inline)) inline void depthwise_pixels_part(
    const DepthwisePixelsArgs& t, int first, int end, const Edges& edges, const float* row,
    const float* weights, typename V::Reg (&acc)[kRows][kVectors]) {
    if (end == kRows && first == kPart) {
        depthwise_pixels_taps<V, kBroadcast, kPart, kRows>(t, edges, row, weights, acc);
    } else if (kPart > 0 && first == 0 && end == kPart) {
        depthwise_pixels_taps<V, kBroadcast, 0, kPart>(t, edges, row, weights, acc);
    } else if constexpr (kPart + 1 < kRows) {
        depthwise_pixels_part<V, kBroadcast, kPart + 1>(t, first, end, edges, row, weights, acc);
    } else {
        const ptrdiff_t weight_step = t.row_step * t.weight_row;
        for (int s = 0; s < t.taps; ++s, weights += t.weight_column) {
            const float* p = row + t.columns[s].offset;
            typename V::Reg in[kVectors];
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) in[v] = edges.load(s, v, p + v * t.distance);
#pragma GCC unroll 8
            for (int i = 0; i < kRows; ++i) {
                if (i < first || i >= end) continue;
                const typename V::Reg weight =
                    load_weight<V, kBroadcast>(weights - i * weight_step);
#pragma GCC unroll 4
                for (int v = 0; v < kVectors; ++v)
                    acc[i][v] = edges.fma(s, v, in[v], weight, acc[i][v]);
            }
        }
    }
}

// Any kernel: source rows outside, taps inside, and a weight for each row of results a source row meets.
// Taps joined from neighbouring vectors in registers, as in separable-inl.h, leave room for 6 x 3: 11 x 11 ran
// at 71 % of peak so, at 82 with loads across lines.
template <class V, bool kBroadcast, int kVectors, bool kEdge>
void depthwise_pixels_tile(const DepthwisePixelsArgs& t, const DepthwiseSpot& spot) {
    using Reg = typename V::Reg;
    constexpr int kRows = DepthwisePixelsTile<V>::kRows;
    const DepthwiseEdges<V, kVectors, kEdge> edges(t, spot);
    const int64_t phase = spot.vector * V::kLanes;
    for (int64_t plane = 0; plane < t.planes; ++plane) {
        Reg acc[kRows][kVectors];
        const float* init = t.init == nullptr ? nullptr : t.init + plane + phase;
        const Reg start = init == nullptr ? V::zero() : load_weight<V, kBroadcast>(init);
#pragma GCC unroll 8
        for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) acc[i][v] = start;
        }
        const float* source = t.source + plane * t.source_plane + spot.element;
        const float* weights = t.weights + plane * t.weights_plane + phase;
        float* out = t.out + plane * t.out_plane + spot.element;
        int first = 0, end = 0;  // the results that source row k meets
        // A tile that reads padding only may lie as far from the image as its padding reaches.
        const int rows = t.first_row < t.end_row ? t.end_row : 0;
        for (int k = 0; k < rows; ++k) {
            if (end < t.rows && k == end * t.row_step) ++end;
            if (k == first * t.row_step + t.kernel_rows) ++first;
            if (k < t.first_row || first == end) continue;
            const float* row = source + k * t.source_row;
            const float* out_line = out + (k - t.first_row) * t.out_row;
            // The next tile's part of the row, and the lines to be written: interleaved 7 x 7 ran at 30 %
            // of peak without, 49 so; a kernel of one row loses by it.
            const bool ahead = t.kernel_rows > 1;
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) {
                if (ahead) __builtin_prefetch(row + (kVectors + v) * t.distance);
                if (ahead && k - t.first_row < t.rows)
                    __builtin_prefetch(out_line + v * t.distance, 1);
            }
            depthwise_pixels_part<V, kBroadcast, 0>(t, first, end, edges, row,
                                                    weights + k * t.weight_row, acc);
        }
        store_pixels<V, kRows, kVectors>(t, spot, t.distance, out, acc);
    }
}

// Cuts the rows into tiles: of at most `most` vectors, only the first and the last of them with lanes that a
// tap does not reach. The run function is called with the tile's size and whether it has such lanes.
using DepthwisePixelsRun = void (*)(const DepthwisePixelsArgs&, const DepthwiseSpot&, int vectors,
                                    bool edge);
template <class V>
__attribute__((noinline)) void depthwise_pixels_row(const DepthwisePixelsArgs& t, int most,
                                                    DepthwisePixelsRun run) {
    int64_t inside_first = 0, inside_end = t.count;
    for (int s = 0; s < t.taps; ++s) {
        if (t.columns[s].first > inside_first) inside_first = t.columns[s].first;
        if (t.columns[s].end < inside_end) inside_end = t.columns[s].end;
    }
    const int64_t vectors = (t.count + V::kLanes - 1) / V::kLanes;
    const auto inside = [&](int64_t vector) {
        return vector * V::kLanes >= inside_first && (vector + 1) * V::kLanes <= inside_end;
    };
    // Phases inside: they read the same lines.
    const int64_t period = t.distance / V::kLanes;
    int64_t next[kMaxDepthwisePeriod];
    for (int64_t phase = 0; phase < period; ++phase) next[phase] = phase;
    for (bool more = true; more;) {
        more = false;
        for (int64_t phase = 0; phase < period; ++phase) {
            const int64_t at = next[phase];
            if (at >= vectors) continue;
            more = true;
            const int64_t rest = (vectors - at + period - 1) / period;
            // Near-equal tiles: 7 vectors as 4 + 3.
            int64_t size = (rest + (rest + most - 1) / most - 1) / ((rest + most - 1) / most);
            for (int64_t v = 1; v + 1 < size; ++v) {
                if (!inside(at + v * period)) size = v + 1;
            }
            const int64_t last = at + (size - 1) * period;
            const int64_t left = t.count - last * V::kLanes;
            const DepthwiseSpot spot = {at * V::kLanes, phase,
                                        static_cast<int>(left < V::kLanes ? left : V::kLanes),
                                        size < rest};
            run(t, spot, static_cast<int>(size), !inside(at) || !inside(last));
            next[phase] = last + period;
        }
    }
}

// Tiles of fewer than the most vectors count as having such lanes.
template <class V, bool kBroadcast, int kVectors>
void depthwise_pixels_sized(const DepthwisePixelsArgs& t, const DepthwiseSpot& spot, int vectors,
                            bool edge) {
    constexpr bool kMost = V::kLanes > 1 && kVectors == DepthwisePixelsTile<V>::kVectors;
    if (vectors == kVectors) {
        if (kMost && !edge) return depthwise_pixels_tile<V, kBroadcast, kVectors, !kMost>(t, spot);
        depthwise_pixels_tile<V, kBroadcast, kVectors, true>(t, spot);
    } else if constexpr (kVectors > 1) {
        depthwise_pixels_sized<V, kBroadcast, kVectors - 1>(t, spot, vectors, edge);
    }
}

template <class V, bool kBroadcast>
void depthwise_pixels(const DepthwisePixelsArgs& t) {
    constexpr int kMost = DepthwisePixelsTile<V>::kVectors;
    depthwise_pixels_row<V>(t, kMost, depthwise_pixels_sized<V, kBroadcast, kMost>);
}

}  // namespace nconv
