// The transforms of Winograd convolution, channels in lanes. One body for all variants: with M(x) the
// product of (x - point), row p of the input's transform holds the coefficients of M(x) / (x - p), that of
// infinity those of M(x). Points +-p share their even and odd halves.
#pragma once

#include "kernels/winograd.h"

// The transforms are straight-line code in registers only if every step of them is inlined: gcc 12 left
// the horizontal one a function, and passed its rows through the stack.
#define NCONV_INLINE inline __attribute__((always_inline))

namespace nconv {

// Coefficients in x^2 of the product of (x^2 - square) over all pairs but `skip`.
struct WinogradPolynomial {
    double at[4];
};
constexpr WinogradPolynomial winograd_polynomial(const WinogradVariant& w, int skip) {
    WinogradPolynomial p = {{1.0, 0.0, 0.0, 0.0}};
    int degree = 0;
    for (int j = 0; j < w.pairs; ++j) {
        if (j == skip) continue;
        for (int i = ++degree; i > 0; --i) p.at[i] = p.at[i - 1] - w.pair[j].square * p.at[i];
        p.at[0] *= -w.pair[j].square;
    }
    return p;
}

constexpr double winograd_power(double x, int exponent) {
    double r = 1.0;
    for (int i = 0; i < exponent; ++i) r *= x;
    return r;
}

// sum + factor * x, the factor a constant once inlined.
template <class V>
NCONV_INLINE typename V::Reg add_scaled(typename V::Reg sum, double factor, typename V::Reg x) {
    if (factor == 1.0) return V::add(sum, x);
    if (factor == -1.0) return V::sub(sum, x);
    return V::fma(V::set(static_cast<float>(factor)), x, sum);
}
template <class V>
NCONV_INLINE typename V::Reg scaled(double factor, typename V::Reg x) {
    return factor == 1.0 ? x : V::mul(V::set(static_cast<float>(factor)), x);
}

template <class V, int kVariant>
struct WinogradTransform {
    using Reg = typename V::Reg;
    static constexpr WinogradVariant w = kWinograd[kVariant];
    static constexpr int kTile = w.tile, kOutput = w.output, kPairs = w.pairs;
    static constexpr int kStride = w.stride;
    static constexpr int kProducts = w.products(), kIdentities = w.identities();
    static constexpr bool kInfinity = kProducts % 2 == 0;

    // Row 0 with shift 0, row infinity with shift 1.
    template <class Load>
    static NCONV_INLINE Reg input_end(const Load& d, int shift) {
        constexpr WinogradPolynomial p = winograd_polynomial(w, -1);
        Reg sum = d(kStride * (2 * kPairs + shift));
#pragma GCC unroll 4
        for (int i = kPairs - 1; i >= 0; --i)
            sum = add_scaled<V>(sum, p.at[i], d(kStride * (2 * i + shift)));
        return sum;
    }

    template <int kPair, class Load>
    static NCONV_INLINE void input_pair(const Load& d, Reg* plus, Reg* minus) {
        constexpr WinogradPolynomial p = winograd_polynomial(w, kPair);
        Reg even = d(kStride * (2 * kPairs)), odd = d(kStride * (2 * kPairs - 1));
#pragma GCC unroll 4
        for (int i = kPairs - 2; i >= 0; --i) {
            even = add_scaled<V>(even, p.at[i], d(kStride * (2 * i + 2)));
            odd = add_scaled<V>(odd, p.at[i], d(kStride * (2 * i + 1)));
        }
        odd = scaled<V>(w.pair[kPair].point, odd);
        *plus = V::add(even, odd);
        *minus = V::sub(even, odd);
    }

    // All of one column or row.
    template <class Load, class Store>
    static NCONV_INLINE void input(const Load& d, const Store& store) {
        store(0, input_end(d, 0));
        for_each_pair([&](auto pair) __attribute__((always_inline)) {
            constexpr int kPair = decltype(pair)::value;
            Reg plus, minus;
            input_pair<kPair>(d, &plus, &minus);
            store(1 + 2 * kPair, plus);
            store(2 + 2 * kPair, minus);
        });
        if constexpr (kInfinity) store(kProducts - 1, input_end(d, 1));
#pragma GCC unroll 4
        for (int i = 0; i < kIdentities; ++i) store(kProducts + i, d(2 * i + 1));
    }

    // Calls use(kPair) for each pair as a constant.
    template <int kPair = 0, class Use>
    static NCONV_INLINE void for_each_pair(const Use& use) {
        use(Constant<kPair>{});
        if constexpr (kPair + 1 < kPairs) for_each_pair<kPair + 1>(use);
    }
    template <int kValue>
    struct Constant {
        static constexpr int value = kValue;
    };

    // y[i], i of one parity, of the inverse: even powers of a pair are equal, odd ones opposite.
    template <int kParity, class Load>
    static NCONV_INLINE void output_parity(const Load& m, Reg* y) {
        Reg half[kPairs];
#pragma GCC unroll 3
        for (int j = 0; j < kPairs; ++j) {
            half[j] = kParity == 0 ? V::add(m(1 + 2 * j), m(2 + 2 * j))
                                   : V::sub(m(1 + 2 * j), m(2 + 2 * j));
        }
#pragma GCC unroll 3
        for (int i = kParity; i < kOutput; i += 2) {
            Reg sum = scaled<V>(
                winograd_power(w.pair[0].point, i % 2) * winograd_power(w.pair[0].square, i / 2),
                half[0]);
#pragma GCC unroll 2
            for (int j = 1; j < kPairs; ++j) {
                sum = add_scaled<V>(sum,
                                    winograd_power(w.pair[j].point, i % 2) *
                                        winograd_power(w.pair[j].square, i / 2),
                                    half[j]);
            }
            if (i == 0) sum = V::add(sum, m(0));
            if (kInfinity && i == kOutput - 1) sum = V::add(sum, m(kProducts - 1));
            if (kIdentities > 0) sum = V::add(sum, m(kProducts + i));
            y[i] = sum;
        }
    }
};

// One vector of channels of a tile.
template <class V, int kVariant, bool kFull>
struct WinogradInputVector {
    using T = WinogradTransform<V, kVariant>;
    using Reg = typename V::Reg;
    static constexpr int kTile = T::kTile;

    NCONV_INLINE void run() const {
        if constexpr (T::kProducts <= 6 && V::kRegisters >= 32) {
            run_in_registers();
        } else {
            run_in_steps();
        }
    }

    // The rows of the vertical transform two by two (points +-p), each transformed horizontally at once.
    // Loading the window again for each pair costs loads, which are idle, and saves a round trip of the
    // tile through memory, whose stores are not.
    NCONV_INLINE void run_in_registers() const {
        T::for_each_pair([this](auto pair) __attribute__((always_inline)) {
            constexpr int kPair = decltype(pair)::value;
            Reg plus[kTile], minus[kTile];
#pragma GCC unroll 9
            for (int x = 0; x < kTile; ++x)
                T::template input_pair<kPair>(column(x), &plus[x], &minus[x]);
            store_row(Row{plus}, out + (1 + 2 * kPair) * kTile * out_point);
            store_row(Row{minus}, out + (2 + 2 * kPair) * kTile * out_point);
        });
        Reg row[kTile];
#pragma GCC unroll 9
        for (int x = 0; x < kTile; ++x) row[x] = T::input_end(column(x), 0);
        store_row(Row{row}, out);
        if constexpr (T::kInfinity) {
#pragma GCC unroll 9
            for (int x = 0; x < kTile; ++x) row[x] = T::input_end(column(x), 1);
            store_row(Row{row}, out + (T::kProducts - 1) * kTile * out_point);
        }
#pragma GCC unroll 1
        for (int i = 0; i < T::kIdentities; ++i) {
            store_row(Column<kFull>{source + (2 * i + 1) * row_pitch, pixel_pitch, left},
                      out + (T::kProducts + i) * kTile * out_point);
        }
    }

    // Larger tiles, and fewer registers: columns first, then rows.
    NCONV_INLINE void run_in_steps() const {
        float scratch[kTile * kTile * V::kLanes];
#pragma GCC unroll 1
        for (int x = 0; x < kTile; ++x) {
            float* to = scratch + x * V::kLanes;
            T::input(
                column(x), [&](int i, Reg value) __attribute__((always_inline)) {
                    V::store(to + i * kTile * V::kLanes, value);
                });
        }
#pragma GCC unroll 1
        for (int i = 0; i < kTile; ++i) {
            store_row(Column<true>{scratch + i * kTile * V::kLanes, V::kLanes, V::kLanes},
                      out + i * kTile * out_point);
        }
    }

    template <bool kWhole>
    struct Column {
        NCONV_INLINE Reg operator()(int y) const {
            return kWhole ? V::load(p + y * pitch) : V::load_partial(p + y * pitch, left);
        }
        const float* p;
        ptrdiff_t pitch;
        int left;
    };
    struct Row {
        NCONV_INLINE Reg operator()(int x) const { return values[x]; }
        const Reg* values;
    };

    NCONV_INLINE Column<kFull> column(int x) const {
        return {source + x * pixel_pitch, row_pitch, left};
    }

    template <class Load>
    NCONV_INLINE void store_row(const Load& row, float* to) const {
        T::input(
            row, [&](int j, Reg value)
                     __attribute__((always_inline)) { store(to + j * out_point, value); });
    }

    NCONV_INLINE void store(float* to, Reg value) const {
        if (kFull) {
            V::store(to, value);
        } else {
            V::store_partial(to, value, left);
        }
    }

    const float* source;
    ptrdiff_t row_pitch, pixel_pitch;
    float* out;
    ptrdiff_t out_point;
    int left;
};

template <class V, int kVariant>
void winograd_input(const WinogradInputArgs& t) {
    int64_t channel = 0;
    for (; channel + V::kLanes <= t.channels; channel += V::kLanes)
        WinogradInputVector<V, kVariant, true>{t.source + channel, t.row_pitch, t.pixel_pitch,
                                               t.out + channel,    t.out_point, V::kLanes}
            .run();
    if (channel == t.channels) return;
    const int left = static_cast<int>(t.channels - channel);
    WinogradInputVector<V, kVariant, false>{t.source + channel, t.row_pitch, t.pixel_pitch,
                                            t.out + channel,    t.out_point, left}
        .run();
}

// Output rows of one parity: they need only the sums or only the differences of each pair, so that nothing
// is computed twice and half of the rows fit the registers.
template <class V, int kVariant, int kParity>
void winograd_output_rows(const WinogradOutputArgs& t, int64_t channel, typename V::Reg init,
                          int left) {
    using T = WinogradTransform<V, kVariant>;
    using Reg = typename V::Reg;
    constexpr int kTile = T::kTile, kOutput = T::kOutput;
    const float* sums = t.sums + channel;
    Reg rows[kOutput][kTile];
#pragma GCC unroll 9
    for (int x = 0; x < kTile; ++x) {
        Reg y[kOutput];
        T::template output_parity<kParity>(
            [&](int i) { return V::load(sums + (i * kTile + x) * t.sums_point); }, y);
#pragma GCC unroll 3
        for (int i = kParity; i < kOutput; i += 2) rows[i][x] = y[i];
    }
    float* out = t.out + channel;
#pragma GCC unroll 3
    for (int i = kParity; i < kOutput; i += 2) {
        if (i >= t.rows) break;
        Reg y[kOutput];
        const auto load = [&](int x) { return rows[i][x]; };
        T::template output_parity<0>(load, y);
        T::template output_parity<1>(load, y);
#pragma GCC unroll 6
        for (int x = 0; x < kOutput; ++x) {
            if (x >= t.columns) break;
            float* to = out + i * t.row_pitch + x * t.pixel_pitch;
            if (left == V::kLanes) {
                V::store(to, V::add(y[x], init));
            } else {
                V::store_partial(to, V::add(y[x], init), left);
            }
        }
    }
}

template <class V, int kVariant>
void winograd_output(const WinogradOutputArgs& t) {
    for (int64_t channel = 0; channel < t.channels; channel += V::kLanes) {
        const int left =
            static_cast<int>(t.channels - channel < V::kLanes ? t.channels - channel : V::kLanes);
        const typename V::Reg init =
            t.init != nullptr ? V::load_partial(t.init + channel, left) : V::zero();
        winograd_output_rows<V, kVariant, 0>(t, channel, init, left);
        winograd_output_rows<V, kVariant, 1>(t, channel, init, left);
    }
}

// Rows of a product tile by its vectors: as many accumulators as the registers hold, and enough rows in
// narrow tiles that the latency of a multiply-add does not show.
template <class V>
constexpr int winograd_product_rows(int vectors) {
    constexpr int kAccumulators = V::kRegisters >= 32 ? 24 : 12;
    const int rows = kAccumulators / vectors;
    return rows < kMaxTileRows ? rows : kMaxTileRows;
}

template <class V, int kRows, int kVectors>
void winograd_product(const WinogradProductArgs& t) {
    using Reg = typename V::Reg;
    Reg acc[kRows][kVectors];
    const float* a[kRows];
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
        a[i] = t.a + i * t.a_row;
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) acc[i][v] = V::zero();
    }
    const float* panel = t.b;
#pragma GCC unroll 1
    for (int64_t k = 0; k < t.depth; ++k, panel += kVectors * V::kLanes) {
        Reg b[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
            b[v] = V::load(panel + v * V::kLanes);
            V::pin(b[v]);
        }
#pragma GCC unroll 12
        for (int i = 0; i < kRows; ++i) {
            const Reg broadcast = V::broadcast(a[i] + k);
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) acc[i][v] = V::fma(broadcast, b[v], acc[i][v]);
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v)
            V::store(t.out + i * t.out_row + v * V::kLanes, acc[i][v]);
    }
}

}  // namespace nconv
