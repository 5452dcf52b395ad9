// Depthwise gathers of square kernels with the elements of a row in lanes, down the rows of a plane.
#pragma once

#include "kernels/depthwise_folded-inl.h"
#include "kernels/depthwise_pixels-inl.h"

namespace nconv {

// The taps of a source row, each loaded where it is: any order of them, weights and source of any distance.
// Their loop is one, so that 5 x 5 and 7 x 7 take a fifth of the code.
template <class V, bool kBroadcast, int kKernel, int kVectors>
struct DepthwiseEachTap {
    using Reg = typename V::Reg;
    static constexpr bool kLoops = true;
    const DepthwiseEdges<V, kVectors, true> edges;
    const int64_t distance;
    ptrdiff_t columns[kKernel];
    const float* row;

    DepthwiseEachTap(const DepthwisePixelsArgs& t, const DepthwiseSpot& spot)
        : edges(t, spot), distance(kBroadcast ? V::kLanes : t.distance) {
        for (int s = 0; s < kKernel; ++s) columns[s] = t.columns[s].offset;
    }
    void set_row(const float* to) { row = to; }
    Reg get(int s, int v) const { return edges.load(s, v, row + columns[s] + v * distance); }
    Reg fma(int s, int v, Reg in, Reg weight, Reg acc) const {
        return edges.fma(s, v, in, weight, acc);
    }
};

// The lanes of the first and of the last vector of a tile that the taps on the left and on the right of the
// middle one reach, and those of the last vector that there are. Taps rise, or fall from right to left.
template <class V, int kKernel, int kVectors, bool kFalls>
struct DepthwiseSideEdges {
    using Reg = typename V::Reg;
    using Lanes = DepthwiseEdges<V, kVectors, false>;
    static constexpr int kMiddle = kKernel / 2;
    typename V::Mask first[kMiddle], last[kMiddle], tail;

    DepthwiseSideEdges(const DepthwisePixelsArgs& t, const DepthwiseSpot& spot) {
        const int64_t end = spot.element + (kVectors - 1) * V::kLanes;
        for (int i = 0; i < kMiddle; ++i) {
            const int before = kFalls ? kKernel - 1 - i : i;
            first[i] = Lanes::lanes(t, before, spot.element);
            last[i] = Lanes::lanes(t, kKernel - 1 - before, end);
        }
        tail = V::range(0, spot.left);
    }
    // Taps from the left: their places.
    static constexpr int place(int s) { return kFalls ? kKernel - 1 - s : s; }
    Reg fma(int s, int v, Reg in, Reg weight, Reg acc) const {
        const int at = place(s);
        if (v == 0 && at < kMiddle) return V::fma_where(first[at], in, weight, acc);
        if (v == kVectors - 1 && at > kMiddle)
            return V::fma_where(last[kKernel - 1 - at], in, weight, acc);
        return V::fma(in, weight, acc);
    }
};

// 3 x 3 in a plane, padded by one: the middle tap's vectors, and both others by shuffles of neighbours. With a
// load for each tap, of which two cross cache lines, 28 x 28 reached 58 % of peak, so 68.
template <class V, int kVectors, bool kFalls>
struct DepthwiseJoinedTaps {
    using Reg = typename V::Reg;
    static constexpr bool kLoops = false;
    const DepthwiseSideEdges<V, 3, kVectors, kFalls> edges;
    const float* row;
    Reg in[kVectors];

    DepthwiseJoinedTaps(const DepthwisePixelsArgs& t, const DepthwiseSpot& spot) : edges(t, spot) {}
    void set_row(const float* to) {
        row = to;
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
            const float* p = row + v * V::kLanes;
            in[v] = v == kVectors - 1 ? V::load_where(edges.tail, p) : V::load(p);
            V::pin(in[v]);
        }
    }
    // A lone vector is a whole row, of the source too: what its neighbours would give is padding.
    Reg get(int s, int v) const {
        const int at = edges.place(s);
        if (at == 1) return in[v];
        if (at == 0) {
            if (v > 0 || kVectors == 1)
                return V::template neighbours<V::kLanes - 1>(in[v > 0 ? v - 1 : 0], in[v]);
            return V::load_where(edges.first[0], row - 1);
        }
        if (v + 1 < kVectors || kVectors == 1)
            return V::template neighbours<1 % V::kLanes>(in[v], in[v + 1 < kVectors ? v + 1 : v]);
        return V::load_where(edges.last[0], row + 1 + v * V::kLanes);
    }
    Reg fma(int s, int v, Reg x, Reg weight, Reg acc) const {
        return edges.fma(s, v, x, weight, acc);
    }
};

// Every second element of a row: even and odd taps are the halves of twice as many vectors, and those behind
// the first two shuffles of their neighbours.
template <class V, int kKernel, int kVectors>
struct DepthwiseStridedTaps {
    using Reg = typename V::Reg;
    using Mask = typename V::Mask;
    static constexpr bool kLoops = false;
    const DepthwiseSideEdges<V, kKernel, kVectors, false> edges;
    const ptrdiff_t offset;
    // Lanes inside the source row: of the first vector, of the last two, and of that behind them.
    Mask first, last[2], behind;
    Reg even[kVectors + 1], odd[kVectors + 1];

    DepthwiseStridedTaps(const DepthwisePixelsArgs& t, const DepthwiseSpot& spot)
        : edges(t, spot), offset(t.columns[0].offset) {
        const auto inside = [&](int vector, int most) {
            const int64_t at = 2 * spot.element + offset + vector * V::kLanes;
            const int64_t end = t.source_count - at < most ? t.source_count - at : most;
            return V::range(static_cast<int>(at < 0 ? -at : 0),
                            static_cast<int>(end < 0 ? 0 : end));
        };
        first = inside(0, V::kLanes);
        last[0] = inside(2 * kVectors - 2, V::kLanes);
        last[1] = inside(2 * kVectors - 1, V::kLanes);
        behind = inside(2 * kVectors, kKernel - 2);
    }
    void set_row(const float* to) {
        const float* p = to + offset;
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v, p += 2 * V::kLanes) {
            const bool at_end = v == kVectors - 1;
            even[v] = at_end   ? V::load_where(last[0], p)
                      : v == 0 ? V::load_where(first, p)
                               : V::load(p);
            odd[v] = at_end ? V::load_where(last[1], p + V::kLanes) : V::load(p + V::kLanes);
            V::deinterleave(even[v], odd[v]);
        }
        even[kVectors] = V::load_where(behind, p);
        odd[kVectors] = V::zero();
        if (kKernel > 3) V::deinterleave(even[kVectors], odd[kVectors]);
    }
    Reg get(int s, int v) const {
        const Reg(&from)[kVectors + 1] = s % 2 == 0 ? even : odd;
        return s < 2   ? from[v]
               : s < 4 ? V::template neighbours<1 % V::kLanes>(from[v], from[v + 1])
                       : V::template neighbours<2 % V::kLanes>(from[v], from[v + 1]);
    }
    Reg fma(int s, int v, Reg in, Reg weight, Reg acc) const {
        return edges.fma(s, v, in, weight, acc);
    }
};

// The sums of the results that a source row belongs to. 3 x 3 has its weights in registers.
template <class V, bool kBroadcast, int kKernel, int kStep, int kVectors, class Taps>
struct DepthwiseSquare {
    using Reg = typename V::Reg;
    static constexpr int kLive = (kKernel + kStep - 1) / kStep;
    static constexpr bool kHold = kKernel == 3 && !Taps::kLoops;
    static constexpr bool kCopy = !kBroadcast;
    // acc[kLive - 1 - m] is the result whose tap row m * kStep is at row n * kStep.
    Reg acc[kLive][kVectors];
    Reg held[kHold ? kKernel * kKernel : 1];
    const float* weights;

    // copied: room for weights of a lane each at constant distances, forty-nine pointers would be loaded, too. Were it
    // a member, gcc 12 would keep the sums in memory beside it: 7 x 7 interleaved ran at 12 % of peak, so at 49.
    static constexpr int kCopied = kCopy ? kKernel * kKernel * V::kLanes : 1;
    void load_weights(const DepthwisePixelsArgs& t, const float* from, float* copied) {
        weights = kCopy ? copied : from;
#pragma GCC unroll 9
        for (int i = 0; kHold && i < kKernel * kKernel; ++i) {
            held[i] = V::broadcast(from + i / kKernel * t.weight_row + i % kKernel);
            V::pin(held[i]);
        }
        for (int i = 0; kCopy && i < kKernel * kKernel; ++i) {
            V::store(copied + i * V::kLanes,
                     V::load(from + i / kKernel * t.weight_row + i % kKernel * t.weight_column));
        }
    }
    void set_start(Reg start) {
#pragma GCC unroll 8
        for (int i = 0; i < kLive; ++i) {
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) acc[i][v] = start;
        }
    }
    template <int kPart>
    __attribute__((always_inline)) void add_tap(const Taps& taps, int s) {
        Reg in[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) in[v] = taps.get(s, v);
#pragma GCC unroll 8
        for (int i = 0; i < kLive; ++i) {
            const int r = (kLive - 1 - i) * kStep + kPart;
            if (r >= kKernel) continue;
            Reg weight;
            if constexpr (kHold) {
                weight = held[r * kKernel + s];
            } else {
                const ptrdiff_t at = r * kKernel + s;
                weight = kCopy ? V::load(weights + at * V::kLanes) : V::broadcast(weights + at);
                if (kVectors > 1) V::pin(weight);
            }
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) acc[i][v] = taps.fma(s, v, in[v], weight, acc[i][v]);
        }
    }
    // Source row kPart of a step.
    template <int kPart>
    __attribute__((always_inline)) void add(Taps& taps, const float* row) {
        taps.set_row(row);
        if constexpr (Taps::kLoops) {
#pragma GCC unroll 1
            for (int s = 0; s < kKernel; ++s) add_tap<kPart>(taps, s);
        } else {
#pragma GCC unroll 5
            for (int s = 0; s < kKernel; ++s) add_tap<kPart>(taps, s);
        }
    }
    __attribute__((always_inline)) void shift(Reg start) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
#pragma GCC unroll 8
            for (int i = 0; i + 1 < kLive; ++i) acc[i][v] = acc[i + 1][v];
            acc[kLive - 1][v] = start;
        }
    }
};

// Walks down the rows with the accumulators of the results a source row belongs to, so that every source row
// is loaded once and any number of rows costs one call. In tiles of seven rows calls and their setting up took
// more than half of the time.
template <class V, bool kBroadcast, int kKernel, int kStep, int kVectors, class Taps>
void depthwise_pixels_fixed_tile(const DepthwisePixelsArgs& t, const DepthwiseSpot& spot) {
    using Reg = typename V::Reg;
    DepthwiseSquare<V, kBroadcast, kKernel, kStep, kVectors, Taps> square;
    constexpr int kLive = decltype(square)::kLive;
    Taps taps(t, spot);
    const int64_t phase = spot.vector * V::kLanes;
    const int64_t distance = kBroadcast ? V::kLanes : t.distance;
    const ptrdiff_t source_row = t.source_row, out_row = t.out_row;
    const int first_row = t.first_row, end_row = t.end_row, rows = t.rows, left = spot.left;
    const bool more = spot.more;
    for (int64_t plane = 0; plane < t.planes; ++plane) {
        alignas(64) float copied[decltype(square)::kCopied];
        square.load_weights(t, t.weights + plane * t.weights_plane + phase, copied);
        const float* init = t.init == nullptr ? nullptr : t.init + plane + phase;
        const Reg start = init == nullptr ? V::zero() : load_weight<V, kBroadcast>(init);
        square.set_start(start);
        const float* row = t.source + plane * t.source_plane + kStep * spot.element;
        float* out = t.out + plane * t.out_plane + spot.element;
#pragma GCC unroll 1
        for (int n = 0; n < rows + kLive - 1; ++n) {
            const auto inside = [&](int k) { return k >= first_row && k < end_row; };
            // The next tile's part of the row: hardware does not see it coming, a page being shorter than a
            // row of 1080p. 3 x 3 of such an image took 0.31 ms without, 0.21 so.
            if (more && inside(n * kStep)) {
#pragma GCC unroll 8
                for (int v = 0; v < kStep * kVectors; ++v)
                    __builtin_prefetch(row + (kStep * kVectors + v) * distance);
            }
            if (inside(n * kStep)) square.template add<0>(taps, row);
            row += source_row;
            if constexpr (kStep > 1) {
                if (inside(n * kStep + 1)) square.template add<1>(taps, row);
                row += source_row;
            }
            if (n >= kLive - 1) {
#pragma GCC unroll 4
                for (int v = 0; v + 1 < kVectors; ++v)
                    V::store(out + v * distance, square.acc[0][v]);
                V::store_partial(out + (kVectors - 1) * distance, square.acc[0][kVectors - 1],
                                 left);
                out += out_row;
            }
            square.shift(start);
        }
    }
}

template <class V, bool kBroadcast, int kKernel, int kStep, int kVectors>
void depthwise_pixels_fixed_sized(const DepthwisePixelsArgs& t, const DepthwiseSpot& spot,
                                  int vectors) {
    if (vectors == kVectors) {
        if constexpr (kStep > 1) {
            using Taps = DepthwiseStridedTaps<V, kKernel, kVectors>;
            depthwise_pixels_fixed_tile<V, true, kKernel, kStep, kVectors, Taps>(t, spot);
        } else {
            if constexpr (kBroadcast && kKernel == 3) {
                const ptrdiff_t before = t.columns[0].offset, behind = t.columns[2].offset;
                const bool joins = kVectors > 1 || t.source_count == t.count;
                if (joins && before == -1 && behind == 1) {
                    using Taps = DepthwiseJoinedTaps<V, kVectors, false>;
                    return depthwise_pixels_fixed_tile<V, true, 3, 1, kVectors, Taps>(t, spot);
                }
                if (joins && before == 1 && behind == -1) {
                    using Taps = DepthwiseJoinedTaps<V, kVectors, true>;
                    return depthwise_pixels_fixed_tile<V, true, 3, 1, kVectors, Taps>(t, spot);
                }
            }
            using Taps = DepthwiseEachTap<V, kBroadcast, kKernel, kVectors>;
            depthwise_pixels_fixed_tile<V, kBroadcast, kKernel, 1, kVectors, Taps>(t, spot);
        }
    } else if constexpr (kVectors > 1) {
        depthwise_pixels_fixed_sized<V, kBroadcast, kKernel, kStep, kVectors - 1>(t, spot, vectors);
    }
}

template <class V, bool kBroadcast, int kKernel, int kStep>
void depthwise_pixels_fixed(const DepthwisePixelsArgs& t) {
    constexpr int kMost = DepthwisePixelsTile<V>::fixed_vectors(kKernel, kStep);
    depthwise_pixels_row<V>(
        t, kMost,
        [](const DepthwisePixelsArgs& args, const DepthwiseSpot& spot, int vectors, bool) {
            depthwise_pixels_fixed_sized<V, kBroadcast, kKernel, kStep, kMost>(args, spot, vectors);
        });
}

template <class V, bool kBroadcast>
constexpr DepthwisePixels depthwise_pixels_list() {
    using Tile = DepthwisePixelsTile<V>;
    DepthwisePixels list = {Tile::kRows, depthwise_pixels<V, kBroadcast>, {}, nullptr};
    if constexpr (V::kFreeMasks && kBroadcast) list.folded = depthwise_folded<V>;
    if constexpr (Tile::kFixed) {
        list.fixed[0] = {3, 1, depthwise_pixels_fixed<V, kBroadcast, 3, 1>};
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
