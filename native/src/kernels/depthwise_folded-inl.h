// Depthwise gathers of 3 x 3, padded by one, of planes so narrow that a vector holds two rows of them. With a row
// in each, more than half of the lanes are empty; transposing takes longer than the sums. 7 x 7 went from 31 to 48 % of
// peak; with a load in place of one of the shifts it reached 40.
#pragma once

#include "kernels/pixels.h"

namespace nconv {

// The lanes of a pair of rows whose left or right neighbour, or that itself, reads inside.
template <class V>
struct DepthwiseFoldedLanes {
    using Mask = typename V::Mask;
    Mask left, middle, right;

    // Of the first and the second row those that are.
    DepthwiseFoldedLanes(int width, bool first, bool second) {
        const int begin = first ? 0 : width, end = second ? 2 * width : width;
        middle = V::range(begin, end);
        left = V::either(V::range(begin + 1, first ? width : end),
                         V::range(first ? width + 1 : end, end));
        right = V::either(V::range(begin, first ? width - 1 : end - 1),
                          V::range(first ? width : end, end - 1));
        V::pin(left);
        V::pin(middle);
        V::pin(right);
    }
};

// Two neighbouring rows and what is left and right of each pixel.
template <class V>
struct DepthwiseFoldedRows {
    using Reg = typename V::Reg;
    using Lanes = DepthwiseFoldedLanes<V>;
    Reg left, middle, right;

    __attribute__((always_inline)) void load(const Lanes& lanes, const float* p) {
        middle = V::load_where(lanes.middle, p);
        V::pin(middle);
        left = V::template neighbours<V::kLanes - 1>(middle, middle);
        right = V::template neighbours<1 % V::kLanes>(middle, middle);
    }
};

// kFalls: the first tap is the one on the lower right.
template <class V, bool kFalls>
struct DepthwiseFolded {
    using Reg = typename V::Reg;
    using Rows = DepthwiseFoldedRows<V>;
    using Lanes = DepthwiseFoldedLanes<V>;
    Reg weights[9], start;
    Rows above, here, below;

    // The taps of one row of the kernel, -1 to 1 from the middle one. Where all lanes have a middle tap what the
    // others make is not stored.
    template <bool kAll>
    __attribute__((always_inline)) Reg add(int row, const Lanes& lanes, const Rows& in,
                                           Reg acc) const {
        const Reg* w = weights + 3 * (kFalls ? 1 - row : 1 + row);
        acc =
            V::fma_where(kFalls ? lanes.right : lanes.left, kFalls ? in.right : in.left, w[0], acc);
        acc =
            kAll ? V::fma(in.middle, w[1], acc) : V::fma_where(lanes.middle, in.middle, w[1], acc);
        return V::fma_where(kFalls ? lanes.left : lanes.right, kFalls ? in.left : in.right, w[2],
                            acc);
    }

    // A pair of rows of results. kFirst, kLast: of the source's rows above and below there is but one.
    template <bool kFirst, bool kLast>
    __attribute__((always_inline)) Reg sum(const Lanes& both, const Lanes& one) const {
        Reg acc = start;
        acc = kFalls ? add<!kLast>(1, kLast ? one : both, below, acc)
                     : add<!kFirst>(-1, kFirst ? one : both, above, acc);
        acc = add<true>(0, both, here, acc);
        return kFalls ? add<!kFirst>(-1, kFirst ? one : both, above, acc)
                      : add<!kLast>(1, kLast ? one : both, below, acc);
    }
    // The last row alone.
    __attribute__((always_inline)) Reg sum_one(const Lanes& upper) const {
        Reg acc = start;
        if (kFalls) acc = add<true>(0, upper, here, acc);
        acc = add<true>(-1, upper, above, acc);
        return kFalls ? acc : add<true>(0, upper, here, acc);
    }
};

template <class V, bool kFalls>
void depthwise_folded_planes(const DepthwisePixelsArgs& args) {
    using Lanes = DepthwiseFoldedLanes<V>;
    const DepthwisePixelsArgs t = args;
    const int width = static_cast<int>(t.count), rows = t.rows;
    const ptrdiff_t row = width, pair = 2 * row;
    const Lanes both(width, true, true), lower(width, false, true), upper(width, true, false);
    // The first row read and stored.
    const float* source = t.source + (kFalls ? rows : 1) * t.source_row;
    float* out = t.out + (kFalls ? rows - 1 : 0) * t.out_row;
    const float* weights = t.weights;
    DepthwiseFolded<V, kFalls> f;
#pragma GCC unroll 1
    for (int64_t plane = 0; plane < t.planes; ++plane) {
#pragma GCC unroll 9
        for (int i = 0; i < 9; ++i) {
            f.weights[i] = V::broadcast(weights + i);
            V::pin(f.weights[i]);
        }
        f.start = t.init == nullptr ? V::zero() : V::broadcast(t.init + plane);
        const float* p = source;
        float* to = out;
        f.above.load(lower, p - row);
        f.here.load(both, p);
        f.below.load(both, p + row);
        V::store_where(both.middle, to, f.template sum<true, false>(both, lower));
        int left = rows - 2;
#pragma GCC unroll 1
        do {
            p += pair;
            to += pair;
            left -= 2;
            f.above = f.below;
            if (left <= 0) break;
            f.here.load(both, p);
            f.below.load(both, p + row);
            V::store_where(both.middle, to, f.template sum<false, false>(both, both));
        } while (true);
        if (left < 0) {
            f.here.load(upper, p);
            V::store_where(upper.middle, to, f.sum_one(upper));
        } else {
            f.here.load(both, p);
            f.below.load(upper, p + row);
            V::store_where(both.middle, to, f.template sum<false, true>(both, upper));
        }
        source += t.source_plane;
        out += t.out_plane;
        weights += t.weights_plane;
    }
}

template <class V>
void depthwise_folded(const DepthwisePixelsArgs& t) {
    (t.source_row < 0 ? depthwise_folded_planes<V, true> : depthwise_folded_planes<V, false>)(t);
}

}  // namespace nconv
