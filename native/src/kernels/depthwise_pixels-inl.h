// Depthwise gathers with the elements of a row in lanes: pixels of a plane (NCHW), or pixels with few
// interleaved channels (NHWC), whose weights then repeat every `period` vectors.
#pragma once

#include "kernels/kernel_set.h"

namespace nconv {

// Rows and vectors of a tile of the general kernel: a weight is loaded for each row it meets.
template <class V>
struct DepthwisePixelsTile {
    static constexpr bool kFixed = V::kRegisters >= 32;
    static constexpr int kRows = V::kRegisters >= 32 ? 6 : 4;
    static constexpr int kVectors = V::kRegisters >= 32 ? 4 : 2;
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

// Where taps reach over an edge in an unrolled tile: those before the middle one at the row's start, those
// behind it at its end, or the other way round where offsets fall. Fewer masks than registers for them, and
// the lanes behind the row's end, which are not stored, only kept from being read.
enum class DepthwiseEdge { kNone, kRising, kFalling };

template <class V, int kKernel, int kVectors, DepthwiseEdge kEdge>
struct DepthwiseSameEdges {
    using Reg = typename V::Reg;
    using Lanes = DepthwiseEdges<V, kVectors, false>;
    static constexpr int kMiddle = kKernel / 2;
    typename V::Mask first[kMiddle], last[kMiddle], tail;

    DepthwiseSameEdges(const DepthwisePixelsArgs& t, const DepthwiseSpot& spot) {
        if (kEdge == DepthwiseEdge::kNone) return;
        const int64_t end = spot.element + (kVectors - 1) * t.distance;
        for (int i = 0; i < kMiddle; ++i) {
            const int before = kEdge == DepthwiseEdge::kRising ? i : kKernel - 1 - i;
            first[i] = Lanes::lanes(t, before, spot.element);
            last[i] = Lanes::lanes(t, kKernel - 1 - before, end);
        }
        tail = V::range(0, spot.left);
    }

    // Which taps those of first and last are.
    static constexpr int distance(int s) {
        return kEdge == DepthwiseEdge::kRising ? s : kKernel - 1 - s;
    }
    static constexpr bool masks_first(int s, int v) {
        return kEdge != DepthwiseEdge::kNone && v == 0 && distance(s) < kMiddle;
    }
    static constexpr bool masks_last(int s, int v) {
        return kEdge != DepthwiseEdge::kNone && v == kVectors - 1 && distance(s) > kMiddle;
    }

    Reg load(int s, int v, const float* p) const {
        if (masks_first(s, v)) return V::load_where(first[distance(s)], p);
        if (masks_last(s, v)) return V::load_where(last[kKernel - 1 - distance(s)], p);
        if (kEdge != DepthwiseEdge::kNone && v == kVectors - 1) return V::load_where(tail, p);
        Reg in = V::load(p);
        V::pin(in);
        return in;
    }
    Reg fma(int s, int v, Reg in, Reg weight, Reg acc) const {
        if (masks_first(s, v)) return V::fma_where(first[distance(s)], in, weight, acc);
        if (masks_last(s, v)) return V::fma_where(last[kKernel - 1 - distance(s)], in, weight, acc);
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

// The lanes inside the source row of the two vectors whose every second element taps 2 * pair and 2
// * pair + 1 read, for the first and the last vector of results of a tile.
template <class V, int kPairs, int kVectors>
struct DepthwisePairs {
    typename V::Mask masks[2][kPairs > 0 ? kPairs : 1][2];

    DepthwisePairs(const DepthwisePixelsArgs& t, const DepthwiseSpot& spot) {
        for (int i = 0; i < 4 * kPairs; ++i) {
            const int edge = i / (2 * kPairs), pair = i / 2 % kPairs, half = i % 2;
            const int64_t element = spot.element + edge * (kVectors - 1) * V::kLanes;
            const int64_t at = 2 * element + t.columns[0].offset + 2 * pair + half * V::kLanes;
            const auto clip = [&](int64_t to) {
                to -= at;
                return static_cast<int>(to < 0 ? 0 : to > V::kLanes ? V::kLanes : to);
            };
            masks[edge][pair][half] = V::range(clip(0), clip(t.source_count));
        }
    }
    typename V::Reg load(int pair, int v, int half, const float* p) const {
        if (v == 0) return V::load_where(masks[0][pair][half], p);
        if (v == kVectors - 1) return V::load_where(masks[1][pair][half], p);
        return V::load(p);
    }
};

// A square kernel: walks down the rows with the accumulators of the results a source row belongs
// to, so that every source row is loaded once and any number of rows costs one call. In tiles of
// seven rows calls and their setting up took more than half of the time. 3 x 3 has its weights in
// registers where they are enough.
template <class V, bool kBroadcast, int kKernel, int kStep, int kVectors, DepthwiseEdge kEdge>
void depthwise_pixels_fixed_tile(const DepthwisePixelsArgs& t, const DepthwiseSpot& spot) {
    using Reg = typename V::Reg;
    constexpr bool kHold = kKernel == 3 && V::kRegisters >= 32;
    constexpr bool kCopy = !kHold && !kBroadcast;
    constexpr int kLive = (kKernel + kStep - 1) / kStep;
    const DepthwiseSameEdges<V, kKernel, kVectors, kEdge> edges(t, spot);
    const DepthwisePairs<V, kStep == 1 ? 0 : (kKernel + 1) / 2, kVectors> pairs(t, spot);
    const int64_t phase = spot.vector * V::kLanes;
    const int64_t distance = kBroadcast ? V::kLanes : t.distance;
    const ptrdiff_t source_row = t.source_row, out_row = t.out_row;
    const int first_row = t.first_row, end_row = t.end_row, rows = t.rows, left = spot.left;
    ptrdiff_t columns[kKernel];
#pragma GCC unroll 8
    for (int s = 0; s < kKernel; ++s) columns[s] = t.columns[s].offset;
    for (int64_t plane = 0; plane < t.planes; ++plane) {
        const float* weights = t.weights + plane * t.weights_plane + phase;
        Reg held[kHold ? kKernel * kKernel : 1];
        if constexpr (kHold) {
#pragma GCC unroll 9
            for (int i = 0; i < kKernel * kKernel; ++i) {
                held[i] = load_weight<V, kBroadcast>(weights + i / kKernel * t.weight_row +
                                                     i % kKernel * t.weight_column);
                V::pin(held[i]);
            }
        }
        // Weights of a lane each at constant distances: forty-nine pointers would be loaded, too.
        alignas(64) float copied[kCopy ? kKernel * kKernel * V::kLanes : 1];
        for (int i = 0; kCopy && i < kKernel * kKernel; ++i) {
            V::store(copied + i * V::kLanes,
                     V::load(weights + i / kKernel * t.weight_row + i % kKernel * t.weight_column));
        }
        // acc[kLive - 1 - m] is the result whose tap row m * kStep is at row n * kStep.
        Reg acc[kLive][kVectors];
        const float* init = t.init == nullptr ? nullptr : t.init + plane + phase;
        const Reg start = init == nullptr ? V::zero() : load_weight<V, kBroadcast>(init);
#pragma GCC unroll 8
        for (int i = 0; i < kLive; ++i) {
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) acc[i][v] = start;
        }
        const float* row = t.source + plane * t.source_plane + kStep * spot.element;
        float* out = t.out + plane * t.out_plane + spot.element;
#pragma GCC unroll 1
        for (int n = 0; n < rows + kLive - 1; ++n) {
#pragma GCC unroll 2
            for (int q = 0; q < kStep; ++q, row += source_row) {
                const int k = n * kStep + q;
                if (k < first_row || k >= end_row) continue;
                    // The next tile's part of the row: hardware does not see it coming, a page
                    // being shorter than a row of 1080p. 3 x 3 of such an image took 0.31 ms
                    // without, 0.21 so.
#pragma GCC unroll 8
                for (int v = 0; v < kStep * kVectors; ++v)
                    __builtin_prefetch(row + (kStep * kVectors + v) * distance);
#pragma GCC unroll 8
                for (int s = 0; s < kKernel; s += kStep) {
                    Reg in[kStep][kVectors];
#pragma GCC unroll 4
                    for (int v = 0; v < kVectors; ++v) {
                        if constexpr (kStep == 1) {
                            in[0][v] = edges.load(s, v, row + columns[s] + v * distance);
                        } else {
                            const float* p = row + columns[0] + s + 2 * v * distance;
                            in[0][v] = pairs.load(s / 2, v, 0, p);
                            in[1][v] = pairs.load(s / 2, v, 1, p + V::kLanes);
                            V::deinterleave(in[0][v], in[1][v]);
                        }
                    }
#pragma GCC unroll 16
                    for (int i = 0; i < kStep * kLive; ++i) {
                        const int tap = s + i / kLive, to = i % kLive;
                        const int r = (kLive - 1 - to) * kStep + q;
                        if (r >= kKernel || tap >= kKernel) continue;
                        Reg weight;
                        if constexpr (kHold) {
                            weight = held[r * kKernel + tap];
                        } else {
                            weight = kCopy ? V::load(copied + (r * kKernel + tap) * V::kLanes)
                                           : V::broadcast(weights + r * kKernel + tap);
                            if (kVectors > 1) V::pin(weight);
                        }
#pragma GCC unroll 4
                        for (int v = 0; v < kVectors; ++v) {
                            acc[to][v] = edges.fma(tap, v, in[i / kLive][v], weight, acc[to][v]);
                        }
                    }
                }
            }
            if (n >= kLive - 1) {
#pragma GCC unroll 4
                for (int v = 0; v + 1 < kVectors; ++v) V::store(out + v * distance, acc[0][v]);
                float* last = out + (kVectors - 1) * distance;
                if (left == V::kLanes) {
                    V::store(last, acc[0][kVectors - 1]);
                } else {
                    V::store_partial(last, acc[0][kVectors - 1], left);
                }
                out += out_row;
            }
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) {
#pragma GCC unroll 8
                for (int i = 0; i + 1 < kLive; ++i) acc[i][v] = acc[i + 1][v];
                acc[kLive - 1][v] = start;
            }
        }
    }
}

// Cuts the rows into tiles: of at most kMost vectors, only the first and the last of them with lanes that a
// tap does not reach. The run function is called with the tile's size and whether it has such lanes.
template <class V, int kMost, class Run>
void depthwise_pixels_row(const DepthwisePixelsArgs& t, const Run& run) {
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
            int64_t size = (rest + (rest + kMost - 1) / kMost - 1) / ((rest + kMost - 1) / kMost);
            for (int64_t v = 1; v + 1 < size; ++v) {
                if (!inside(at + v * period)) size = v + 1;
            }
            const int64_t last = at + (size - 1) * period;
            const int64_t left = t.count - last * V::kLanes;
            const DepthwiseSpot spot = {at * V::kLanes, phase,
                                        static_cast<int>(left < V::kLanes ? left : V::kLanes)};
            run(spot, static_cast<int>(size), !inside(at) || !inside(last));
            next[phase] = last + period;
        }
    }
}

template <class V, bool kBroadcast, bool kEdge, int kVectors>
void depthwise_pixels_sized(const DepthwisePixelsArgs& t, const DepthwiseSpot& spot, int vectors) {
    if (vectors == kVectors) {
        depthwise_pixels_tile<V, kBroadcast, kVectors, kEdge>(t, spot);
    } else if constexpr (kVectors > 1) {
        depthwise_pixels_sized<V, kBroadcast, kEdge, kVectors - 1>(t, spot, vectors);
    }
}

template <class V, bool kBroadcast>
void depthwise_pixels(const DepthwisePixelsArgs& t) {
    constexpr int kMost = DepthwisePixelsTile<V>::kVectors;
    depthwise_pixels_row<V, kMost>(t, [&](const DepthwiseSpot& spot, int vectors, bool edge) {
        if (edge) {
            depthwise_pixels_sized<V, kBroadcast, true, kMost>(t, spot, vectors);
        } else {
            depthwise_pixels_sized<V, kBroadcast, false, kMost>(t, spot, vectors);
        }
    });
}

template <class V, bool kBroadcast, int kKernel, int kStep, DepthwiseEdge kEdge, int kVectors>
void depthwise_pixels_fixed_sized(const DepthwisePixelsArgs& t, const DepthwiseSpot& spot,
                                  int vectors) {
    if (vectors == kVectors) {
        depthwise_pixels_fixed_tile<V, kBroadcast, kKernel, kStep, kVectors, kEdge>(t, spot);
    } else if constexpr (kVectors > 1) {
        depthwise_pixels_fixed_sized<V, kBroadcast, kKernel, kStep, kEdge, kVectors - 1>(t, spot,
                                                                                         vectors);
    }
}

// Interior tiles too: masks cost nothing on AVX-512, and 100 KB of code less.
template <class V, bool kBroadcast, int kKernel, int kStep, DepthwiseEdge kEdge>
void depthwise_pixels_fixed_row(const DepthwisePixelsArgs& t) {
    constexpr int kMost = DepthwisePixelsTile<V>::fixed_vectors(kKernel, kStep);
    depthwise_pixels_row<V, kMost>(t, [&](const DepthwiseSpot& spot, int vectors, bool) {
        depthwise_pixels_fixed_sized<V, kBroadcast, kKernel, kStep, kEdge, kMost>(t, spot, vectors);
    });
}

template <class V, bool kBroadcast, int kKernel, int kStep>
void depthwise_pixels_fixed(const DepthwisePixelsArgs& t) {
    if constexpr (kStep == 1) {
        if (t.falling) {
            return depthwise_pixels_fixed_row<V, kBroadcast, kKernel, kStep,
                                              DepthwiseEdge::kFalling>(t);
        }
    }
    depthwise_pixels_fixed_row<V, kBroadcast, kKernel, kStep, DepthwiseEdge::kRising>(t);
}

template <class V, bool kBroadcast>
constexpr DepthwisePixels depthwise_pixels_list() {
    using Tile = DepthwisePixelsTile<V>;
    DepthwisePixels list = {Tile::kRows, depthwise_pixels<V, kBroadcast>, {}};
    if constexpr (Tile::kFixed) {
        list.fixed[0] = {3, 1, depthwise_pixels_fixed<V, kBroadcast, 3, 1>};
    }
    if constexpr (Tile::kFixed) {
        list.fixed[1] = {5, 1, depthwise_pixels_fixed<V, kBroadcast, 5, 1>};
        list.fixed[2] = {7, 1, depthwise_pixels_fixed<V, kBroadcast, 7, 1>};
    }
    if constexpr (Tile::kFixed && kBroadcast) {
        list.fixed[3] = {3, 2, depthwise_pixels_fixed<V, kBroadcast, 3, 2>};
        list.fixed[4] = {5, 2, depthwise_pixels_fixed<V, kBroadcast, 5, 2>};
    }
    return list;
}

}  // namespace nconv
