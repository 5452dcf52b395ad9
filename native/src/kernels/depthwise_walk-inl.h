// Depthwise gathers of small kernels with channels in lanes, down the rows of a map: every source row is
// loaded once for all the results it belongs to. One loop over the rows serves any number of them and of
// rows of padding: unrolled tiles of four rows took three times the code, and 5 x 5 reached 78 % of peak so,
// not 94. Asking for the next tile's part of rows ahead lost 5 to 10 points.
#pragma once

#include "kernels/depthwise-inl.h"

namespace nconv {

// The sums in flight, a row of the source and one weight fill the registers; small kernels hold all weights.
template <class V, int kHeight, int kWidth, int kStep>
struct DepthwiseWalkShape {
    static constexpr int kLive = (kHeight + kStep - 1) / kStep;
    static constexpr bool kHold = V::kRegisters >= 32 && kHeight * kWidth <= 9;
    static constexpr int kMost =
        (V::kRegisters - (kHold ? kHeight * kWidth : 1) - kWidth + kStep) / (kLive + kStep);
    static constexpr int kColumns = kMost < 1 ? 1 : kMost > 4 ? 4 : kMost;
};

// How a tile treats source columns that may be padding, the first and the last kWidth / 2.
enum class DepthwiseBorder {
    kNone,   // there are none
    kLeft,   // the first column is
    kRight,  // the last one is
    kBoth,
    kAsks,   // asks at each of them
    kMasks,  // loads by masks, of which a partial vector of channels has some, too
};

template <class V, int kWidth, int kInputs, DepthwiseBorder kEdge>
struct DepthwiseColumns {
    using Reg = typename V::Reg;
    using Mask = typename V::Mask;
    static constexpr int kReach = kWidth / 2;
    static constexpr bool kMasks = kEdge == DepthwiseBorder::kMasks;
    static constexpr bool kLeft =
        kEdge == DepthwiseBorder::kLeft || kEdge == DepthwiseBorder::kBoth;
    static constexpr bool kRight =
        kEdge == DepthwiseBorder::kRight || kEdge == DepthwiseBorder::kBoth;
    int left, right;  // columns of padding
    int lanes;
    Mask all, first[kReach + 1], last[kReach + 1];

    void set_lanes(int count) {
        lanes = count;
        if constexpr (kMasks) {
            all = V::range(0, count);
            V::pin(all);
#pragma GCC unroll 3
            for (int i = 0; i < kReach; ++i) {
                first[i] = V::range(0, i < left ? 0 : count);
                last[i] = V::range(0, i < right ? 0 : count);
                V::pin(first[i]);
                V::pin(last[i]);
            }
        }
    }
    static constexpr bool at_edge(int c) { return c < kReach || c >= kInputs - kReach; }
    bool is_padding(int c) const {
        return (c < kReach && c < left) || (c >= kInputs - kReach && kInputs - 1 - c < right);
    }
    bool outside(int c) const {
        if ((kLeft && c == 0) || (kRight && c == kInputs - 1)) return true;
        return kEdge == DepthwiseBorder::kAsks && is_padding(c);
    }
    const Mask& mask(int c) const {
        return c < kReach ? first[c] : c >= kInputs - kReach ? last[kInputs - 1 - c] : all;
    }
    Reg load_start(const float* p) const { return kMasks ? V::load_where(all, p) : V::load(p); }
    // inside: any column that is no padding, in place of those that are. A mask without lanes keeps a load from
    // reading memory that is not there, but by microcode: 5 x 5 took 40 us for 20 where the page behind the last row
    // had never been touched.
    Reg load(int c, const float* p, const float* inside) const {
        if (kMasks) return V::load_where(mask(c), at_edge(c) && is_padding(c) ? inside : p);
        return outside(c) ? V::zero() : V::load(p);
    }
    Reg fma(int c, Reg in, Reg weight, Reg acc) const {
        if (kMasks && at_edge(c)) return V::fma_where(mask(c), in, weight, acc);
        return outside(c) ? acc : V::fma(in, weight, acc);
    }
    void store(float* p, Reg v) const {
        if (kMasks) {
            V::store_partial(p, v, lanes);
        } else {
            V::store(p, v);
        }
    }
};

template <class V, int kHeight, int kWidth, int kStep, int kColumns, DepthwiseBorder kEdge>
struct DepthwiseWalk {
    using Reg = typename V::Reg;
    using Shape = DepthwiseWalkShape<V, kHeight, kWidth, kStep>;
    static constexpr int kInputs = (kColumns - 1) * kStep + kWidth;
    static constexpr int kLive = Shape::kLive;

    DepthwiseColumns<V, kWidth, kInputs, kEdge> columns;
    Reg held[Shape::kHold ? kHeight * kWidth : 1];
    // acc[kLive - 1 - m] is the result whose tap row m * kStep + q is at source row n * kStep + q.
    Reg acc[kLive][kColumns];

    // Tap s of row r of the kernel for results acc[i].
    __attribute__((always_inline)) void add_tap(int i, int r, int s, const Reg (&in)[kInputs],
                                                const float* weights) {
        Reg weight;
        if constexpr (Shape::kHold) {
            weight = held[r * kWidth + s];
        } else {
            weight = V::load(weights + (r * kWidth + s) * V::kLanes);
            if (kColumns > 1) V::pin(weight);
        }
#pragma GCC unroll 4
        for (int j = 0; j < kColumns; ++j) {
            const int c = j * kStep + s;
            acc[i][j] = columns.fma(c, in[c], weight, acc[i][j]);
        }
    }

    // All taps of a row, one after the other for results acc[kFirst] .. acc[kEnd - 1].
    template <int kPart, int kFirst, int kEnd>
    __attribute__((always_inline)) void add_taps(const Reg (&in)[kInputs]) {
#pragma GCC unroll 3
        for (int s = 0; s < kWidth; ++s) {
#pragma GCC unroll 3
            for (int i = kFirst; i < kEnd; ++i)
                add_tap(i, (kLive - 1 - i) * kStep + kPart, s, in, nullptr);
        }
    }

    // Source row kPart of step n, for those of the results n - kLive + 1 .. n that there are.
    template <int kPart>
    __attribute__((always_inline)) void add(int n, int rows, const float* row, ptrdiff_t column,
                                            const float* weights) {
        Reg in[kInputs];
        const float* const inside = row + columns.left * column;
#pragma GCC unroll 16
        for (int c = 0; c < kInputs; ++c) {
            // A pointer for three columns: gcc 12 keeps an offset for each, most of them in memory.
            if (c % 3 == 0 && c > 0) {
                row = opaque(row + 3 * column);
            }
            in[c] = columns.load(c, row + c % 3 * column, inside);
            V::pin(in[c]);
        }
        if constexpr (Shape::kHold && kLive == 3) {
            if (__builtin_expect(n > 1 && n < rows, 1)) return add_taps<kPart, 0, 3>(in);
            if (n >= rows) return n == rows ? add_taps<kPart, 0, 2>(in) : add_taps<kPart, 0, 1>(in);
            return n == 1 ? add_taps<kPart, 1, 3>(in) : add_taps<kPart, 2, 3>(in);
        }
#pragma GCC unroll 7
        for (int i = 0; i < kLive; ++i) {
            const int m = kLive - 1 - i, r = m * kStep + kPart;
            if (r >= kHeight) continue;
            if (kLive > 1 && static_cast<unsigned>(n - m) >= static_cast<unsigned>(rows)) continue;
#pragma GCC unroll 7
            for (int s = 0; s < kWidth; ++s) add_tap(i, r, s, in, weights);
        }
    }

    __attribute__((always_inline)) void shift(Reg start) {
#pragma GCC unroll 4
        for (int j = 0; j < kColumns; ++j) {
#pragma GCC unroll 7
            for (int i = 0; i + 1 < kLive; ++i) acc[i][j] = acc[i + 1][j];
            acc[kLive - 1][j] = start;
        }
    }
};

// kColumns columns from first on.
struct DepthwiseWalkSpot {
    int64_t first;
    int left, right;
    int64_t channel, end;
};

// All vectors of these channels, so that source and result are walked along memory.
template <class V, int kHeight, int kWidth, int kStep, int kColumns, DepthwiseBorder kEdge>
void depthwise_walk_tile(const DepthwiseArgs& t, const DepthwiseWalkSpot& spot) {
    using Reg = typename V::Reg;
    using Walk = DepthwiseWalk<V, kHeight, kWidth, kStep, kColumns, kEdge>;
    Walk w;
    constexpr int kLive = Walk::kLive;
    const ptrdiff_t row = t.source_row, column = t.source_column;
    const ptrdiff_t out_row = t.out_row, out_column = t.out_column;
    const int first_row = t.first_row, end_row = t.end_row, rows = t.rows;
    w.columns.left = spot.left;
    w.columns.right = spot.right;
    const float* weights = t.weights + spot.channel / V::kLanes * t.weight_vector;
    for (int64_t channel = spot.channel; channel < spot.end; channel += V::kLanes) {
        const int64_t left = spot.end - channel;
        w.columns.set_lanes(static_cast<int>(left < V::kLanes ? left : V::kLanes));
        const Reg start = t.init != nullptr ? w.columns.load_start(t.init + channel) : V::zero();
        if constexpr (Walk::Shape::kHold) {
#pragma GCC unroll 9
            for (int i = 0; i < kHeight * kWidth; ++i) {
                w.held[i] = V::load(weights + i * V::kLanes);
                V::pin(w.held[i]);
            }
        }
#pragma GCC unroll 7
        for (int i = 0; i < kLive; ++i) {
#pragma GCC unroll 4
            for (int j = 0; j < kColumns; ++j) w.acc[i][j] = start;
        }
        const float* source = t.source + spot.first * kStep * column + channel;
        float* out = t.out + spot.first * out_column + channel;
#pragma GCC unroll 1
        for (int n = 0; n < rows + kLive - 1; ++n, source += kStep * row) {
            const int k = n * kStep;
            if (k >= first_row && k < end_row) w.template add<0>(n, rows, source, column, weights);
            if constexpr (kStep > 1) {
                constexpr int kBelow = (kHeight - 2) / kStep;  // results above that the row meets
                if (k + 1 >= first_row && k + 1 < end_row && n < rows + kBelow)
                    w.template add<1>(n, rows, source + row, column, weights);
            }
            if (n >= kLive - 1) {
#pragma GCC unroll 4
                for (int j = 0; j < kColumns; ++j)
                    w.columns.store(out + j * out_column, w.acc[0][j]);
                out += out_row;
            }
            w.shift(start);
        }
        weights += t.weight_vector;
    }
}

// Whole vectors of channels where masks are not free. 3 x 3 has tiles for every border: where columns are asked
// at, 7 x 7 ran at 88 % of peak, not 100. Elsewhere only tiles of the most columns have one without.
template <class V, int kHeight, int kWidth, int kStep, int kColumns>
void depthwise_walk_whole(const DepthwiseArgs& t, const DepthwiseWalkSpot& spot) {
    using Border = DepthwiseBorder;
    constexpr bool kEach = V::kFreeMasks && kWidth == 3 && kStep == 1 && kColumns > 1;
    constexpr bool kMost =
        kColumns == DepthwiseWalkShape<V, kHeight, kWidth, kStep>::kColumns && kHeight * kWidth > 8;
    constexpr Border kInside = kEach || kMost ? Border::kNone : Border::kAsks;
    constexpr Border kLeft = kEach ? Border::kLeft : Border::kAsks;
    constexpr Border kRight = kEach ? Border::kRight : Border::kAsks;
    constexpr Border kBoth = kEach ? Border::kBoth : Border::kAsks;
    const auto run =
        spot.left > 0 && spot.right > 0
            ? depthwise_walk_tile<V, kHeight, kWidth, kStep, kColumns, kBoth>
        : spot.left > 0  ? depthwise_walk_tile<V, kHeight, kWidth, kStep, kColumns, kLeft>
        : spot.right > 0 ? depthwise_walk_tile<V, kHeight, kWidth, kStep, kColumns, kRight>
                         : depthwise_walk_tile<V, kHeight, kWidth, kStep, kColumns, kInside>;
    run(t, spot);
}

// 3 x 3 leaves too few multiply-adds for the slots that masked loads take: 72 % of peak with them, 85 without.
template <class V, int kHeight, int kWidth, int kStep, int kColumns>
void depthwise_walk_sized(const DepthwiseArgs& t, DepthwiseWalkSpot spot, int64_t size) {
    if (size == kColumns) {
        if constexpr (!V::kFreeMasks || kHeight * kWidth == 9) {
            spot.end = t.channels / V::kLanes * V::kLanes;
            depthwise_walk_whole<V, kHeight, kWidth, kStep, kColumns>(t, spot);
            spot.channel = spot.end;
            spot.end = t.channels;
        }
        if constexpr (V::kFreeMasks) {
            if (spot.channel < spot.end)
                depthwise_walk_tile<V, kHeight, kWidth, kStep, kColumns, DepthwiseBorder::kMasks>(
                    t, spot);
        }
    } else if constexpr (kColumns > 1) {
        depthwise_walk_sized<V, kHeight, kWidth, kStep, kColumns - 1>(t, spot, size);
    }
}

template <class V, int kHeight, int kWidth, int kStep>
void depthwise_walk(const DepthwiseArgs& t) {
    constexpr int kMost = DepthwiseWalkShape<V, kHeight, kWidth, kStep>::kColumns;
    const int64_t tiles = (t.columns + kMost - 1) / kMost;
    for (int64_t tile = 0, first = 0; tile < tiles; ++tile) {
        const int64_t size = (t.columns - first + tiles - tile - 1) / (tiles - tile);
        const int64_t left = t.left - first * kStep;
        const int64_t right = t.right - (t.columns - first - size) * kStep;
        const DepthwiseWalkSpot spot = {first, static_cast<int>(left > 0 ? left : 0),
                                        static_cast<int>(right > 0 ? right : 0), 0, t.channels};
        depthwise_walk_sized<V, kHeight, kWidth, kStep, kMost>(t, spot, size);
        first += size;
    }
    const int64_t whole = t.channels / V::kLanes * V::kLanes;
    if (V::kFreeMasks || whole == t.channels) return;
    DepthwiseArgs one = t;
    one.columns = 1;
    for (int64_t i = 0; i < t.columns; ++i) {
        const int64_t left = t.left - i * kStep, right = t.right - (t.columns - 1 - i) * kStep;
        one.source = t.source + i * kStep * t.source_column;
        one.out = t.out + i * t.out_column;
        one.first_tap = static_cast<int>(left > 0 ? left : 0);
        one.end_tap = kWidth - static_cast<int>(right > 0 ? right : 0);
        depthwise_channels_single<V>(one, whole);
    }
}

}  // namespace nconv
