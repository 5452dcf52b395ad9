// Depthwise gathers of square kernels with the elements of a row in lanes, down the rows of a plane.
#pragma once

#include "kernels/depthwise_pixels-inl.h"

namespace nconv {

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
        // The last pair's second tap is none of the kernel's: its last lane may lie past the tensor.
        if (pair == kPairs - 1 && half == 1) return V::load_where(V::range(0, V::kLanes - 1), p);
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
