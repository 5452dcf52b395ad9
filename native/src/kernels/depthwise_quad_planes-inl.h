// Depthwise backward_input of 3 x 3 with stride 2, pixels of a plane in lanes: the four phases of the result at
// once, so that a gradient is loaded for all of them and the result is written along memory.
#pragma once

#include "kernels/pixels.h"

namespace nconv {

// A row of gradients and the same one to the right, with what lies behind the last column left out.
template <class V, int kVectors>
struct DepthwiseQuadRow {
    using Reg = typename V::Reg;
    Reg at[kVectors], behind[kVectors];

    __attribute__((always_inline)) void load(const float* p, typename V::Mask lanes,
                                             typename V::Mask right) {
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v, p += V::kLanes) {
            const bool last = v == kVectors - 1;
            at[v] = last ? V::load_where(lanes, p) : V::load(p);
            V::pin(at[v]);
            if (last) behind[v] = V::load_where(right, p + 1);
        }
#pragma GCC unroll 2
        for (int v = 0; v + 1 < kVectors; ++v)
            behind[v] = V::template neighbours<1 % V::kLanes>(at[v], at[v + 1]);
    }
};

template <class V, int kVectors>
struct DepthwiseQuadPlane {
    using Reg = typename V::Reg;
    using Row = DepthwiseQuadRow<V, kVectors>;
    Reg weights[9], start;
    typename V::Mask right;
    int pairs;  // results of the last two vectors of a row

    Reg add_behind(int v, Reg in, int weight, Reg sum) const {
        return v == kVectors - 1 ? V::fma_where(right, in, weights[weight], sum)
                                 : V::fma(in, weights[weight], sum);
    }
    // One row of results: of the gradients below, weights r and r + 2, and of those beside it, kTap onwards.
    template <int kTap, bool kBelow>
    __attribute__((always_inline)) void store_row(const Row& beside, const Row& below,
                                                  float* out) const {
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v, out += 2 * V::kLanes) {
            Reg one = start, two = start;
            if (kBelow) {
                one = V::fma(below.at[v], weights[1], one);
                two = add_behind(v, below.behind[v], 0, two);
                two = V::fma(below.at[v], weights[2], two);
            }
            one = V::fma(beside.at[v], weights[kTap + 1], one);
            two = add_behind(v, beside.behind[v], kTap, two);
            two = V::fma(beside.at[v], weights[kTap + 2], two);
            V::interleave(one, two);
            if (v == kVectors - 1) {
                V::store_partial(out, one, pairs);
                V::store_partial(out + V::kLanes, two, pairs - V::kLanes);
            } else {
                V::store(out, one);
                V::store(out + V::kLanes, two);
            }
        }
    }
};

// kVectors vectors of gradients from column `first` on, all rows of all planes.
template <class V, int kVectors>
void depthwise_quad_planes_tile(const DepthwiseQuadPlanesArgs& t, int64_t first) {
    DepthwiseQuadPlane<V, kVectors> quad;
    using Row = typename DepthwiseQuadPlane<V, kVectors>::Row;
    const auto most = [](int64_t count, int lanes) {
        return static_cast<int>(count < lanes ? count : lanes);
    };
    const int64_t last = first + (kVectors - 1) * V::kLanes;
    const auto lanes = V::range(0, most(t.columns - last, V::kLanes));
    quad.right = V::range(0, most(t.columns - last - 1, V::kLanes));
    quad.pairs = most(t.out_columns - 2 * last, 2 * V::kLanes);
    const ptrdiff_t source_row = t.source_row, out_row = t.out_row;
    const int64_t rows = t.rows, source_rows = t.source_rows, out_rows = t.out_rows;
    for (int64_t plane = 0; plane < t.planes; ++plane) {
#pragma GCC unroll 9
        for (int i = 0; i < 9; ++i) {
            quad.weights[i] = V::broadcast(t.weights + 9 * plane + i);
            V::pin(quad.weights[i]);
        }
        quad.start = t.init != nullptr ? V::broadcast(t.init + plane) : V::zero();
        const float* source = t.source + plane * t.source_plane + first;
        float* out = t.out + plane * t.out_plane + 2 * first;
        Row beside, below;
        beside.load(source, lanes, quad.right);
#pragma GCC unroll 1
        for (int64_t i = 0; i < rows; ++i, out += 2 * out_row) {
            source += source_row;
            quad.template store_row<3, false>(beside, beside, out);
            if (i + 1 < source_rows) {
                below.load(source, lanes, quad.right);
                quad.template store_row<6, true>(beside, below, out + out_row);
                beside = below;
            } else if (2 * i + 1 < out_rows) {
                quad.template store_row<6, false>(beside, beside, out + out_row);
            }
        }
    }
}

template <class V>
void depthwise_quad_planes(const DepthwiseQuadPlanesArgs& t) {
    for (int64_t first = 0; first < t.columns;) {
        if (t.columns - first > V::kLanes) {
            depthwise_quad_planes_tile<V, 2>(t, first);
            first += 2 * V::kLanes;
        } else {
            depthwise_quad_planes_tile<V, 1>(t, first);
            first += V::kLanes;
        }
    }
}

}  // namespace nconv
