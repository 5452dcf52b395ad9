// Depthwise backward_input of 3 x 3 with stride 2, channels in lanes: the four phases of the result at
// once, so that a gradient is loaded for all of them and the result is written along memory.
#pragma once

#include "kernels/depthwise.h"

namespace nconv {

// Pairs of a tile: 4 x 2 sums, two rows of five gradients and nine weights.
template <class V>
struct DepthwiseQuadsTile {
    static constexpr bool kHold = V::kRegisters >= 32;
    static constexpr int kColumns = V::kRegisters >= 32 ? 4 : 2;
};

// One row of results of kColumns pairs, from the gradients of kTaps source rows, each one tap of its first
// results and two of its second ones. Where kRight the last pair has no source column behind it.
template <class V, int kTaps, int kColumns, bool kRight>
__attribute__((always_inline)) inline void depthwise_quads_row(
    const typename V::Reg (&in)[2][kColumns + 1], const typename V::Reg* first,
    const typename V::Reg* second, typename V::Reg start, float* out, ptrdiff_t column,
    bool last_second) {
    using Reg = typename V::Reg;
#pragma GCC unroll 4
    for (int j = 0; j < kColumns; ++j) {
        Reg one = start, two = start;
#pragma GCC unroll 2
        for (int r = 2 - kTaps; r < 2; ++r) {
            const int tap = r - (2 - kTaps);
            one = V::fma(in[r][j], first[tap], one);
            if (!kRight || j + 1 < kColumns) two = V::fma(in[r][j + 1], second[2 * tap], two);
            two = V::fma(in[r][j], second[2 * tap + 1], two);
        }
        V::store(out + 2 * j * column, one);
        if (!kRight || j + 1 < kColumns || last_second) V::store(out + (2 * j + 1) * column, two);
    }
}

template <class V, int kColumns, bool kRight>
void depthwise_quads_tile(const DepthwiseQuadsArgs& args, const float* source, float* out) {
    using Reg = typename V::Reg;
    constexpr int kInputs = kRight ? kColumns : kColumns + 1;
    const DepthwiseQuadsArgs t = args;
    const auto load_weights = [](const float* from, int count, Reg* to) {
#pragma GCC unroll 4
        for (int i = 0; i < count; ++i) {
            to[i] = V::load(from + i * V::kLanes);
            if (DepthwiseQuadsTile<V>::kHold) V::pin(to[i]);
        }
    };
#pragma GCC unroll 1
    for (int64_t c = 0; c < t.channels; c += V::kLanes) {
        const Reg start = t.init != nullptr ? V::load(t.init + c) : V::zero();
        Reg in[2][kColumns + 1], weights[9];
        load_weights(t.weights[0] + c, 1, weights);
        load_weights(t.weights[1] + 2 * c, 2, weights + 1);
#pragma GCC unroll 5
        for (int j = 0; j < kInputs; ++j) {
            in[1][j] = V::load(source + j * t.source_column + c);
            V::pin(in[1][j]);
        }
        depthwise_quads_row<V, 1, kColumns, kRight>(in, weights, weights + 1, start, out + c,
                                                    t.out_column, t.second_column);
        if (!t.second_row) continue;
        float* below = out + t.out_row + c;
        load_weights(t.weights[2] + 2 * c, 2, weights + 3);
        load_weights(t.weights[3] + 4 * c, 4, weights + 5);
        if (t.last) {
            depthwise_quads_row<V, 1, kColumns, kRight>(in, weights + 4, weights + 7, start, below,
                                                        t.out_column, t.second_column);
            continue;
        }
#pragma GCC unroll 5
        for (int j = 0; j < kInputs; ++j) {
            in[0][j] = V::load(source + t.source_row + j * t.source_column + c);
            V::pin(in[0][j]);
        }
        depthwise_quads_row<V, 2, kColumns, kRight>(in, weights + 3, weights + 5, start, below,
                                                    t.out_column, t.second_column);
    }
}

template <class V, int kColumns>
void depthwise_quads_sized(const DepthwiseQuadsArgs& t, int64_t first, int64_t size, bool right) {
    if (size == kColumns) {
        const float* source = t.source + first * t.source_column;
        float* out = t.out + 2 * first * t.out_column;
        if (right) return depthwise_quads_tile<V, kColumns, true>(t, source, out);
        if constexpr (kColumns > 1) depthwise_quads_tile<V, kColumns, false>(t, source, out);
    } else if constexpr (kColumns > 1) {
        depthwise_quads_sized<V, kColumns - 1>(t, first, size, right);
    }
}

template <class V>
void depthwise_quads(const DepthwiseQuadsArgs& t) {
    constexpr int kMost = DepthwiseQuadsTile<V>::kColumns;
    const int64_t tiles = (t.columns + kMost - 1) / kMost;
    for (int64_t tile = 0, first = 0; tile < tiles; ++tile) {
        const int64_t size = (t.columns - first + tiles - tile - 1) / (tiles - tile);
        depthwise_quads_sized<V, kMost>(t, first, size, tile == tiles - 1);
        first += size;
    }
}

}  // namespace nconv
