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
            constexpr int kPair = decltype(pair)::kValue;
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
            constexpr int j = decltype(pair)::kValue;
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
struct WinogradGradientVector {
    using T = WinogradGradientTransform<V>;
    using Reg = typename V::Reg;
    using Column = WinogradColumn<V>;
    using Row = WinogradRow<V>;
    static constexpr int kTile = T::kTile, kOutput = T::kOutput;

    NCONV_INLINE void run() const {
        T::Forward::for_each_pair([this](auto pair) __attribute__((always_inline)) {
            constexpr int kPair = decltype(pair)::kValue;
            Reg plus[kOutput], minus[kOutput];
            const float* p = source;
#pragma GCC unroll 4
            for (int x = 0; x < kOutput; ++x, p += pixel_pitch) {
                p = opaque(p);
                T::template points_pair<kPair>(Column{p, row_pitch}, &plus[x], &minus[x]);
            }
            store_row(1 + 2 * kPair, plus);
            store_row(2 + 2 * kPair, minus);
        });
        Reg sum = V::zero();
#pragma GCC unroll 1
        for (int y = 0; y < kOutput; ++y) {
            const Column column = {source + y * row_pitch, pixel_pitch};
            const Reg row[kOutput] = {column(0), column(1), column(2), column(3)};
            const Reg total = V::add(V::add(row[0], row[1]), V::add(row[2], row[3]));
            sum = y == 0 ? total : V::add(sum, total);
            if (y == 0) store_row(0, row);
            if (y == kOutput - 1) store_row(kTile - 1, row);
        }
        V::store(out + kTile * kTile * out_point, sum);
    }

    NCONV_INLINE void store_row(int i, const Reg* values) const {
        float* to = out + i * kTile * out_point;
        T::points(
            Row{values}, [&](int, Reg value) __attribute__((always_inline)) {
                to = opaque(to);
                V::store(to, value);
                to += out_point;
            });
    }

    const float* source;
    ptrdiff_t row_pitch, pixel_pitch;
    float* out;
    ptrdiff_t out_point;
};

template <class V>
void winograd_gradient_points(const WinogradInputArgs& t) {
    winograd_tile_vectors<V, kWinograd[kWinogradGradient].output>(t, WinogradGradientVector<V>{});
}

// Tiles to a chain: longer ones had two thirds of the error in them.
constexpr int64_t kGradientChain = 32;

// The register tile: with one lane small code matters more.
template <class V>
struct WinogradGradientShape {
    static constexpr int kRows = V::kLanes == 1 ? 2 : V::kRegisters >= 32 ? 12 : 6;
    static constexpr int kVectors = 2;
};

// The sums of one point over the tiles, in near-equal chains that are added in order.
template <class V, int kRows, int kVectors>
void winograd_gradient_sums(const WinogradGradientArgs& t, const float* a, const float* b,
                            float* out) {
    using Reg = typename V::Reg;
    const int64_t chains = (t.tiles + kGradientChain - 1) / kGradientChain;
    // No division where there is one chain: this is called for each point.
    const int64_t shorter = chains > 1 ? t.tiles / chains : t.tiles;
    int64_t longer = t.tiles - shorter * chains;
    for (int64_t chain = 0; chain < chains; ++chain, --longer) {
        Reg acc[kRows][kVectors];
#pragma GCC unroll 12
        for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) acc[i][v] = V::zero();
        }
#pragma GCC unroll 1
        for (int64_t left = shorter + (longer > 0 ? 1 : 0); left > 0;
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
template <class V>
void winograd_gradient(const WinogradGradientArgs& t) {
    using T = WinogradGradientTransform<V>;
    using Reg = typename V::Reg;
    constexpr int kTile = T::kTile;
    const int vectors = (t.columns + V::kLanes - 1) / V::kLanes;
    const ptrdiff_t point = t.rows * vectors * V::kLanes;
    float* sums = t.scratch;
    float* columns = sums + kTile * point;  // [3][kTile][sums]
    const float *a = t.a, *b = t.b;
    for (int i = 0; i < kTile; ++i) {
        for (int j = 0; j < kTile; ++j, a += t.a_point, b += t.b_point)
            t.sums(t, a, b, sums + j * point);
        for (ptrdiff_t s = 0; s < point; s += V::kLanes) {
            Reg y[3];
            T::weights(WinogradColumn<V>{sums + s, point}, y);
#pragma GCC unroll 3
            for (int k = 0; k < 3; ++k) V::store(columns + (k * kTile + i) * point + s, y[k]);
        }
    }
    const ptrdiff_t out_tap = 3 * t.out_tap;
    const int rows = t.rows, valid = t.columns;
    const bool add = t.add;
    const float* column = columns;
    for (int k = 0; k < 3; ++k, column += (kTile - 1) * point) {
        float* row = t.out + k * t.out_tap;
        for (int i = 0; i < rows; ++i, row += t.out_row) {
            float* out = row;
            for (int left = valid; left > 0;
                 left -= V::kLanes, column += V::kLanes, out += V::kLanes) {
                Reg y[3];
                T::weights(WinogradColumn<V>{column, point}, y);
#pragma GCC unroll 3
                for (int s = 0; s < 3; ++s) {
                    float* to = out + s * out_tap;
                    if (left >= V::kLanes) {
                        V::store(to, add ? V::add(V::load(to), y[s]) : y[s]);
                    } else {
                        const Reg value = add ? V::add(V::load_partial(to, left), y[s]) : y[s];
                        V::store_partial(to, value, left);
                    }
                }
            }
        }
    }
}

}  // namespace nconv
