// Filters of rank one in two passes: sums down the columns of a few source rows, then sums along the rows
// of those. Elements of a row are in lanes, as in depthwise_pixels-inl.h.
#pragma once

#include "kernels/pixels.h"

namespace nconv {

// Accumulators of kSeparableRows rows, a source vector for each column of them and a weight fill the
// registers.
template <class V>
constexpr int kSeparableVectors = V::kRegisters >= 32 ? 6 : 2;
// Of one row: enough chains for the latency of a multiply-add.
template <class V>
constexpr int kSeparableRowVectors = V::kRegisters >= 32 ? 12 : 8;

// Source row k for results kFirst .. kEnd-1, all that meet it. Inlined: accumulators whose address is
// taken would live in memory.
template <class V, bool kPartial, int kFirst, int kEnd, int kRows, int kVectors>
__attribute__((always_inline)) inline void separable_source_row(
    const SeparableColumnsArgs& t, const float* source, const float* weights, int k, int left,
    typename V::Reg (&acc)[kRows][kVectors]) {
    using Reg = typename V::Reg;
    const ptrdiff_t distance = t.distance;
    const float* p = source + k * t.source_row;
    Reg in[kVectors];
#pragma GCC unroll 6
    for (int v = 0; v < kVectors; ++v) {
        in[v] = kPartial ? V::load_partial(p, left) : V::load(p + v * distance);
        V::pin(in[v]);
        // The next tile's part of the row: hardware does not see twenty short runs coming.
        __builtin_prefetch(p + (kVectors + v) * distance);
    }
    const float* w = weights + (k - kFirst) * t.weight_step;
#pragma GCC unroll 4
    for (int i = kFirst; i < kEnd; ++i, w -= t.weight_step) {
        Reg weight = V::load(w);
        V::pin(weight);
#pragma GCC unroll 6
        for (int v = 0; v < kVectors; ++v) acc[i][v] = V::fma(in[v], weight, acc[i][v]);
    }
}

// Source rows that only the first or only the last results of a tile meet.
template <class V, bool kPartial, int kPart, bool kHead, int kRows, int kVectors>
__attribute__((always_inline)) inline void separable_ends(const SeparableColumnsArgs& t,
                                                          const float* source, const float* weights,
                                                          int left,
                                                          typename V::Reg (&acc)[kRows][kVectors]) {
    if constexpr (kPart < kRows) {
        const int k = kHead ? kPart - 1 : t.taps + kPart - 1;
        if (k >= t.first_row && k < t.end_row) {
            separable_source_row<V, kPartial, kHead ? 0 : kPart, kHead ? kPart : kRows>(
                t, source, weights, k, left, acc);
        }
        separable_ends<V, kPartial, kPart + 1, kHead>(t, source, weights, left, acc);
    }
}

template <class V, int kVectors, bool kPartial>
void separable_columns_tile(const SeparableColumnsArgs& t, int64_t element, int64_t phase,
                            int left) {
    constexpr int kRows = kSeparableRows;
    typename V::Reg acc[kRows][kVectors];
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 6
        for (int v = 0; v < kVectors; ++v) acc[i][v] = V::zero();
    }
    const float* source = t.source + element;
    const float* weights = t.weights + phase;
    separable_ends<V, kPartial, 1, true>(t, source, weights, left, acc);
    const int end = t.taps < t.end_row ? t.taps : t.end_row;
    for (int k = kRows - 1 > t.first_row ? kRows - 1 : t.first_row; k < end; ++k)
        separable_source_row<V, kPartial, 0, kRows>(t, source, weights, k, left, acc);
    separable_ends<V, kPartial, 1, false>(t, source, weights, left, acc);
    float* to = t.to + element;
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i, to += t.to_row) {
#pragma GCC unroll 6
        for (int v = 0; v < kVectors; ++v) V::store(to + v * t.distance, acc[i][v]);
    }
}

// Calls run(element, phase, vectors, left) for tiles of kMost, half as many and single vectors of a row,
// `distance` apart; phase is where in a period of the weights they are, left the valid lanes of a single one.
template <class V, int kMost, class Run>
void separable_tiles(int64_t first, int64_t end, int64_t distance, const Run& run) {
    constexpr int kHalf = kMost / 2;
    for (int64_t block = first; block < end;) {
        const int64_t whole = (end - block) / distance;
        const int size = whole >= kMost ? kMost : whole >= kHalf ? kHalf : 1;
        for (int64_t phase = 0; phase < distance && block + phase < end; phase += V::kLanes) {
            const int64_t left = end - block - phase;
            run(block + phase, phase, size, static_cast<int>(left < V::kLanes ? left : V::kLanes));
        }
        block += size * distance;
    }
}

template <class V>
void separable_columns(const SeparableColumnsArgs& t) {
    constexpr int kMost = kSeparableVectors<V>, kHalf = kMost / 2;
    separable_tiles<V, kMost>(
        t.first, t.end, t.distance, [&](int64_t element, int64_t phase, int vectors, int left) {
            if (vectors == kMost) {
                separable_columns_tile<V, kMost, false>(t, element, phase, left);
            } else if (vectors == kHalf && left == V::kLanes) {
                separable_columns_tile<V, kHalf, false>(t, element, phase, left);
            } else {
                separable_columns_tile<V, 1, true>(t, element, phase, left);
            }
        });
}

template <class V, int kVectors>
void separable_row_tile(const SeparableRowArgs& t, int64_t element, int64_t phase, int left) {
    using Reg = typename V::Reg;
    const ptrdiff_t distance = t.distance, step = t.step, weight_step = t.weight_step;
    const Reg start = t.init == nullptr ? V::zero() : V::load(t.init + phase);
    Reg acc[kVectors];
#pragma GCC unroll 12
    for (int v = 0; v < kVectors; ++v) acc[v] = start;
    const float* p = t.source + element;
    const float* w = t.weights + phase;
    for (int s = 0; s < t.taps; ++s, p += step, w += weight_step) {
        Reg weight = V::load(w);
        V::pin(weight);
#pragma GCC unroll 12
        for (int v = 0; v < kVectors; ++v)
            acc[v] = V::fma(V::load(p + v * distance), weight, acc[v]);
    }
    float* out = t.out + element;
    if (left < V::kLanes) {
        V::store_partial(out, acc[0], left);
        return;
    }
#pragma GCC unroll 12
    for (int v = 0; v < kVectors; ++v) V::store(out + v * distance, acc[v]);
}

// Neighbouring vectors of a row, whose weights repeat every kPeriod of them, from aligned loads: those of a
// tap from each pair of them.
template <class V, int kPeriod, int kVectors>
void separable_row_concat(const SeparableRowArgs& t, int64_t element, int left) {
    using Reg = typename V::Reg;
    constexpr int kWeights = kVectors < kPeriod ? kVectors : kPeriod;
    const int64_t phase = kPeriod == 1 ? 0 : element % (kPeriod * V::kLanes);
    const ptrdiff_t weight_step = t.weight_step;
    Reg acc[kVectors], in[kVectors + 1];
#pragma GCC unroll 12
    for (int v = 0; v < kVectors; ++v) {
        const float* init = t.init + phase + v % kPeriod * V::kLanes;
        acc[v] = t.init == nullptr ? V::zero() : V::load(init);
    }
    const float* p = t.source + element - t.shift;
    const float* w = t.weights + phase;
    const int taps = t.taps, step = static_cast<int>(t.step);
    int lane = t.shift;
    for (int s = 0; s < taps;) {
#pragma GCC unroll 13
        for (int v = 0; v <= kVectors; ++v) in[v] = V::load(p + v * V::kLanes);
        for (; s < taps && lane < V::kLanes; ++s, lane += step, w += weight_step) {
            const auto from = V::lanes_from(lane);
            Reg weights[kWeights];
#pragma GCC unroll 3
            for (int i = 0; i < kWeights; ++i) {
                weights[i] = V::load(w + i * V::kLanes);
                V::pin(weights[i]);
            }
#pragma GCC unroll 12
            for (int v = 0; v < kVectors; ++v)
                acc[v] = V::fma(V::concat(in[v], in[v + 1], from), weights[v % kPeriod], acc[v]);
        }
        lane -= V::kLanes;
        p += V::kLanes;
    }
    float* out = t.out + element;
#pragma GCC unroll 12
    for (int v = 0; v + 1 < kVectors; ++v) V::store(out + v * V::kLanes, acc[v]);
    if (left < V::kLanes) {
        V::store_partial(out, acc[0], left);
    } else {
        V::store(out + (kVectors - 1) * V::kLanes, acc[kVectors - 1]);
    }
}

template <class V, int kPeriod>
void separable_row_concats(const SeparableRowArgs& t) {
    constexpr int kMost = kSeparableRowVectors<V>, kHalf = kMost / 2;
    separable_tiles<V, kMost>(t.first, t.end, V::kLanes,
                              [&](int64_t element, int64_t, int vectors, int left) {
                                  if (vectors == kMost) {
                                      separable_row_concat<V, kPeriod, kMost>(t, element, left);
                                  } else if (vectors == kHalf) {
                                      separable_row_concat<V, kPeriod, kHalf>(t, element, left);
                                  } else {
                                      separable_row_concat<V, kPeriod, 1>(t, element, left);
                                  }
                              });
}

template <class V>
void separable_row(const SeparableRowArgs& t) {
    if constexpr (V::kConcat) {
        t.distance == V::kLanes ? separable_row_concats<V, 1>(t) : separable_row_concats<V, 3>(t);
    } else {
        constexpr int kMost = kSeparableRowVectors<V>, kHalf = kMost / 2;
        separable_tiles<V, kMost>(t.first, t.end, t.distance,
                                  [&](int64_t element, int64_t phase, int vectors, int left) {
                                      if (vectors == kMost) {
                                          separable_row_tile<V, kMost>(t, element, phase, left);
                                      } else if (vectors == kHalf) {
                                          separable_row_tile<V, kHalf>(t, element, phase, left);
                                      } else {
                                          separable_row_tile<V, 1>(t, element, phase, left);
                                      }
                                  });
    }
}

}  // namespace nconv
