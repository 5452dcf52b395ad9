// The transform of Winograd's weights, U = G w G', in double: rounded step by step its error would be the
// largest part of that of 6 x 6. Points +-p share their even and odd halves.
#pragma once

#include "kernels/winograd-inl.h"

namespace nconv {

template <int kVariant>
struct WinogradScale {
    static constexpr WinogradVariant w = kWinograd[kVariant];
    // The product of p - q over all other finite points q.
    static constexpr double norm(int pair) {
        double product = 2.0 * w.pair[pair].square;
        for (int i = 0; i < w.pairs; ++i)
            if (i != pair) product *= w.pair[pair].square - w.pair[i].square;
        return product;
    }
    static constexpr double zero() {
        double product = 1.0;
        for (int i = 0; i < w.pairs; ++i) product *= -w.pair[i].square;
        return product;
    }
    // u[p] = sum over r of G[p][r] x[r]
    template <class Doubles>
    static NCONV_INLINE void apply(Doubles x0, Doubles x1, Doubles x2, Doubles* u) {
        constexpr double kZero = 1.0 / zero();
        u[0] = kZero * x0;
#pragma GCC unroll 3
        for (int j = 0; j < w.pairs; ++j) {
            const double n = norm(j);
            // With stride 2 taps 0 and 2 are those of one phase, its first and second.
            const Doubles even =
                w.stride == 1 ? (1.0 / n) * x0 + (w.pair[j].square / n) * x2 : (1.0 / n) * x0;
            const Doubles odd = (w.pair[j].point / n) * (w.stride == 1 ? x1 : x2);
            u[1 + 2 * j] = even + odd;
            u[2 + 2 * j] = even - odd;
        }
        if (w.products() % 2 == 0) u[w.products() - 1] = x2;
        if (w.stride == 2) u[w.products()] = x1;
    }
};

// Every point's kVirtualLanes values are stored one after the other: their lines lie a power of two apart
// and would not stay in L1 until a second half came.
template <class V, int kVariant>
void winograd_weights(const WinogradWeightsArgs& t) {
    using Doubles = typename V::Doubles;
    using Scale = WinogradScale<kVariant>;
    constexpr int n = kWinograd[kVariant].weights(), kVectors = kVirtualLanes / V::kDoubles;
    Doubles rows[n][3][kVectors], columns[n];
    for (int s = 0; s < 3; ++s) {
        for (int v = 0; v < kVectors; ++v) {
            const auto tap = [&](int r) {
                return V::load_doubles(t.taps + t.order[3 * r + s] * kVirtualLanes +
                                       v * V::kDoubles);
            };
            Scale::apply(tap(0), tap(1), tap(2), columns);
#pragma GCC unroll 8
            for (int y = 0; y < n; ++y) rows[y][s][v] = columns[y];
        }
    }
    float* out = t.out;
    for (int y = 0; y < n; ++y) {
        float points[n][kVirtualLanes];
        for (int v = 0; v < kVectors; ++v) {
            Scale::apply(rows[y][0][v], rows[y][1][v], rows[y][2][v], columns);
#pragma GCC unroll 8
            for (int x = 0; x < n; ++x) V::store_doubles(points[x] + v * V::kDoubles, columns[x]);
        }
        for (int x = 0; x < n; ++x, out += t.out_point)
            for (int i = 0; i < t.channels; i += V::kLanes)
                V::store(out + i, V::load(points[x] + i));
    }
}

}  // namespace nconv
