// The weight gradient of Winograd convolution: forward, y = A' [(G w) . (B' x)], is linear in w, and its
// transpose is grad_w = G' [(A grad_y) . (B' x)], summed over the tiles. The input has forward's transform;
// those of grad_output and of the sums are here, rows of A and G by points as in winograd.h.
#pragma once

#include "kernels/winograd-inl.h"
#include "kernels/winograd_weights-inl.h"

namespace nconv {

template <class V>
struct WinogradGradientTransform {
    using Reg = typename V::Reg;
    using Forward = WinogradTransform<V, kWinogradGradient>;
    static constexpr WinogradVariant w = kWinograd[kWinogradGradient];
    static constexpr int kTile = w.tile, kOutput = w.output;
    static_assert(kOutput == 4 && kTile == 6, "powers up to the third, and infinity");

    // store(p, sum over k < 4 of point p to the k times d(k))
    template <class Load, class Store>
    static NCONV_INLINE void points(const Load& d, const Store& store) {
        store(0, d(0));
        Forward::for_each_pair([&](auto pair) __attribute__((always_inline)) {
            constexpr int kPair = decltype(pair)::value;
            Reg plus, minus;
            points_pair<kPair>(d, &plus, &minus);
            store(1 + 2 * kPair, plus);
            store(2 + 2 * kPair, minus);
        });
        store(kTile - 1, d(kOutput - 1));
    }
    template <int kPair, class Load>
    static NCONV_INLINE void points_pair(const Load& d, Reg* plus, Reg* minus) {
        const Reg even = add_scaled<V>(d(0), w.pair[kPair].square, d(2));
        const Reg odd =
            scaled<V>(w.pair[kPair].point, add_scaled<V>(d(1), w.pair[kPair].square, d(3)));
        *plus = V::add(even, odd);
        *minus = V::sub(even, odd);
    }

    // y[k] = sum over the points p of G[p][k] m(p)
    template <class Load>
    static NCONV_INLINE void weights(const Load& m, Reg* y) {
        using Scale = WinogradScale<kWinogradGradient>;
        y[0] = scaled<V>(1.0 / Scale::zero(), m(0));
        y[2] = m(kTile - 1);
        Forward::for_each_pair([&](auto pair) __attribute__((always_inline)) {
            constexpr int j = decltype(pair)::value;
            constexpr double kScale = 1.0 / Scale::norm(j);
            const Reg sum = V::add(m(1 + 2 * j), m(2 + 2 * j));
            const Reg difference = V::sub(m(1 + 2 * j), m(2 + 2 * j));
            y[0] = add_scaled<V>(y[0], kScale, sum);
            y[1] = j == 0 ? scaled<V>(w.pair[j].point * kScale, difference)
                          : add_scaled<V>(y[1], w.pair[j].point * kScale, difference);
            y[2] = add_scaled<V>(y[2], w.pair[j].square * kScale, sum);
        });
    }
};

// Two rows of points at a time, each transformed horizontally at once: loading the tile again for each pair
// costs loads, which are idle beside the stores.
template <class V>
NCONV_INLINE void winograd_gradient_points_vector(const WinogradInputArgs& t, int64_t channel,
                                                  int left) {
    using T = WinogradGradientTransform<V>;
    using Reg = typename V::Reg;
    constexpr int kTile = T::kTile, kOutput = T::kOutput;
    const bool full = left == V::kLanes;
    const float* source = t.source + channel;
    float* out = t.out + channel;
    const auto load = [&](int y, int x) __attribute__((always_inline)) {
        const float* p = source + y * t.row_pitch + x * t.pixel_pitch;
        return full ? V::load(p) : V::load_partial(p, left);
    };
    const auto store = [&](int point, Reg value) __attribute__((always_inline)) {
        float* to = out + point * t.out_point;
        full ? V::store(to, value) : V::store_partial(to, value, left);
    };
    const auto store_row = [&](int row, const Reg* values) __attribute__((always_inline)) {
        T::points(
            [&](int x) __attribute__((always_inline)) { return values[x]; },
            [&](int j, Reg value)
                __attribute__((always_inline)) { store(row * kTile + j, value); });
    };
    T::Forward::for_each_pair([&](auto pair) __attribute__((always_inline)) {
        constexpr int kPair = decltype(pair)::value;
        Reg plus[kOutput], minus[kOutput];
#pragma GCC unroll 4
        for (int x = 0; x < kOutput; ++x) {
            T::template points_pair<kPair>(
                [&](int y) __attribute__((always_inline)) { return load(y, x); }, &plus[x],
                &minus[x]);
        }
        store_row(1 + 2 * kPair, plus);
        store_row(2 + 2 * kPair, minus);
    });
    Reg sum = V::zero();
#pragma GCC unroll 4
    for (int y = 0; y < kOutput; ++y) {
        Reg row[kOutput];
#pragma GCC unroll 4
        for (int x = 0; x < kOutput; ++x) row[x] = load(y, x);
        const Reg total = V::add(V::add(row[0], row[1]), V::add(row[2], row[3]));
        sum = y == 0 ? total : V::add(sum, total);
        if (y == 0) store_row(0, row);
        if (y == kOutput - 1) store_row(kTile - 1, row);
    }
    store(kTile * kTile, sum);
}

template <class V>
void winograd_gradient_points(const WinogradInputArgs& t) {
    int64_t channel = 0;
    for (; channel + V::kLanes <= t.channels; channel += V::kLanes)
        winograd_gradient_points_vector<V>(t, channel, V::kLanes);
    if (channel < t.channels)
        winograd_gradient_points_vector<V>(t, channel, static_cast<int>(t.channels - channel));
}

// Tiles to a chain: longer ones had two thirds of the error in them.
constexpr int64_t kGradientChain = 32;

// The sums of one point over the tiles, in near-equal chains that are added in order.
template <class V, int kRows, int kVectors>
NCONV_INLINE void winograd_gradient_sums(const WinogradGradientArgs& t, const float* a,
                                         const float* b, float* out) {
    using Reg = typename V::Reg;
    const int64_t chains = (t.tiles + kGradientChain - 1) / kGradientChain;
    int64_t longer = t.tiles % chains;
    for (int64_t chain = 0; chain < chains; ++chain, --longer) {
        Reg acc[kRows][kVectors];
#pragma GCC unroll 12
        for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) acc[i][v] = V::zero();
        }
#pragma GCC unroll 1
        for (int64_t left = t.tiles / chains + (longer > 0 ? 1 : 0); left > 0;
             --left, a += t.a_tile, b += t.b_tile) {
            Reg row[kVectors];
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) {
                Reg whole = V::load(b + v * V::kLanes);
                V::pin(whole);  // of the array's own element gcc 12 also keeps a copy in memory
                row[v] = whole;
            }
#pragma GCC unroll 12
            for (int i = 0; i < kRows; ++i) {
                const Reg broadcast = V::broadcast(a + i);
#pragma GCC unroll 4
                for (int v = 0; v < kVectors; ++v) acc[i][v] = V::fma(broadcast, row[v], acc[i][v]);
            }
        }
#pragma GCC unroll 12
        for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) {
                float* to = out + (i * kVectors + v) * V::kLanes;
                V::store(to, chain > 0 ? V::add(V::load(to), acc[i][v]) : acc[i][v]);
            }
        }
    }
}

// Point by point along a row of the tile, whose sums are transformed while they are in L1: all 36 points of
// a register tile do not fit it.
template <class V, int kRows, int kVectors>
void winograd_gradient(const WinogradGradientArgs& t) {
    using T = WinogradGradientTransform<V>;
    using Reg = typename V::Reg;
    constexpr int kTile = T::kTile, kSums = kRows * kVectors;
    constexpr ptrdiff_t kPoint = kSums * V::kLanes;
    float* sums = t.scratch;
    float* columns = sums + kTile * kPoint;  // [3][kTile][sums]
    const float *a = t.a, *b = t.b;
#pragma GCC unroll 1
    for (int i = 0; i < kTile; ++i) {
#pragma GCC unroll 1
        for (int j = 0; j < kTile; ++j, a += t.a_point, b += t.b_point)
            winograd_gradient_sums<V, kRows, kVectors>(t, a, b, sums + j * kPoint);
#pragma GCC unroll 1
        for (ptrdiff_t s = 0; s < kPoint; s += V::kLanes) {
            Reg y[3];
            T::weights([&](int j) { return V::load(sums + j * kPoint + s); }, y);
#pragma GCC unroll 3
            for (int k = 0; k < 3; ++k) V::store(columns + (k * kTile + i) * kPoint + s, y[k]);
        }
    }
#pragma GCC unroll 1
    for (int k = 0; k < 3; ++k) {
        const float* column = columns + k * kTile * kPoint;
        float* out = t.out + k * t.out_tap;
#pragma GCC unroll 1
        for (int i = 0; i < kRows; ++i, out += t.out_row) {
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) {
                const int left = t.columns - v * V::kLanes;
                Reg y[3];
                T::weights(
                    [&](int point) {
                        return V::load(column + point * kPoint + (i * kVectors + v) * V::kLanes);
                    },
                    y);
#pragma GCC unroll 3
                for (int s = 0; s < 3; ++s) {
                    float* to = out + 3 * s * t.out_tap + v * V::kLanes;
                    if (left >= V::kLanes) {
                        V::store(to, t.add ? V::add(V::load(to), y[s]) : y[s]);
                    } else {
                        const Reg value = t.add ? V::add(V::load_partial(to, left), y[s]) : y[s];
                        V::store_partial(to, value, left);
                    }
                }
            }
        }
    }
}

}  // namespace nconv
