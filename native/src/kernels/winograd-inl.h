// The transforms of Winograd convolution, channels in lanes. One body for all variants: with M(x) the
// product of (x - point), row p of the input's transform holds the coefficients of M(x) / (x - p), that of
// infinity those of M(x). Points +-p share their even and odd halves.
#pragma once

#include "kernels/tiles-inl.h"
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
            constexpr int kPair = decltype(pair)::kValue;
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

// Lines of a tile at a constant step, or vectors that are loaded already.
template <class V>
struct WinogradColumn {
    NCONV_INLINE typename V::Reg operator()(int y) const { return V::load(p + y * pitch); }
    const float* p;
    ptrdiff_t pitch;
};
template <class V>
struct WinogradRow {
    NCONV_INLINE typename V::Reg operator()(int x) const { return values[x]; }
    const typename V::Reg* values;
};

// One vector of channels of a tile.
template <class V, int kVariant>
struct WinogradInputVector {
    using T = WinogradTransform<V, kVariant>;
    using Reg = typename V::Reg;
    using Column = WinogradColumn<V>;
    using Row = WinogradRow<V>;
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
            constexpr int kPair = decltype(pair)::kValue;
            Reg plus[kTile], minus[kTile];
            const float* p = source;
#pragma GCC unroll 9
            for (int x = 0; x < kTile; ++x, p += pixel_pitch) {
                p = opaque(p);
                T::template input_pair<kPair>(Column{p, row_pitch}, &plus[x], &minus[x]);
            }
            store_row(Row{plus}, 1 + 2 * kPair);
            store_row(Row{minus}, 2 + 2 * kPair);
        });
        end_row(0, 0);
        if constexpr (T::kInfinity) end_row(1, T::kProducts - 1);
#pragma GCC unroll 1
        for (int i = 0; i < T::kIdentities; ++i)
            store_row(Column{source + (2 * i + 1) * row_pitch, pixel_pitch}, T::kProducts + i);
    }
    NCONV_INLINE void end_row(int shift, int to) const {
        Reg row[kTile];
        const float* p = source;
#pragma GCC unroll 9
        for (int x = 0; x < kTile; ++x, p += pixel_pitch) {
            p = opaque(p);
            row[x] = T::input_end(Column{p, row_pitch}, shift);
        }
        store_row(Row{row}, to);
    }

    // Larger tiles, and fewer registers: columns first, then rows.
    NCONV_INLINE void run_in_steps() const {
        float scratch[kTile * kTile * V::kLanes];
        const float* p = source;
#pragma GCC unroll 1
        for (int x = 0; x < kTile; ++x, p += pixel_pitch) {
            float* to = scratch + x * V::kLanes;
            T::input(
                Column{p, row_pitch}, [&](int i, Reg value) __attribute__((always_inline)) {
                    V::store(to + i * kTile * V::kLanes, value);
                });
        }
#pragma GCC unroll 1
        for (int i = 0; i < kTile; ++i)
            store_row(Column{scratch + i * kTile * V::kLanes, V::kLanes}, i);
    }

    template <class Load>
    NCONV_INLINE void store_row(const Load& row, int i) const {
        float* to = out + i * kTile * out_point;
        T::input(
            row, [&](int, Reg value) __attribute__((always_inline)) {
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

// All channels of a window of kSize x kSize pixels, a vector at a time; the last one, if it is not whole, from
// a copy.
template <class V, int kSize, class Tile>
NCONV_INLINE void winograd_tile_vectors(const WinogradInputArgs& t, Tile tile) {
    tile.source = t.source;
    tile.row_pitch = t.row_pitch;
    tile.pixel_pitch = t.pixel_pitch;
    tile.out = t.out;
    tile.out_point = t.out_point;
    float window[V::kLanes > 1 ? kSize * kSize * V::kLanes : 1];
    for (int64_t left = t.channels; left > 0; left -= V::kLanes) {
        if (left < V::kLanes) {
            float* to = window;
            for (int y = 0; y < kSize; ++y) {
                const float* from = tile.source + y * t.row_pitch;
                for (int x = 0; x < kSize; ++x, from += t.pixel_pitch, to += V::kLanes)
                    V::store(to, V::load_partial(from, static_cast<int>(left)));
            }
            tile.source = window;
            tile.row_pitch = kSize * V::kLanes;
            tile.pixel_pitch = V::kLanes;
        }
        tile.run();
        tile.source += V::kLanes;
        tile.out += V::kLanes;
    }
}

template <class V, int kVariant>
void winograd_input(const WinogradInputArgs& t) {
    winograd_tile_vectors<V, kWinograd[kVariant].tile>(t, WinogradInputVector<V, kVariant>{});
}

template <class V, int kVariant>
struct WinogradOutputVector {
    using T = WinogradTransform<V, kVariant>;
    using Reg = typename V::Reg;
    using Column = WinogradColumn<V>;
    using Row = WinogradRow<V>;
    static constexpr int kTile = T::kTile, kOutput = T::kOutput;

    NCONV_INLINE void run() const {
        if constexpr (T::kTile <= 6 && V::kRegisters >= 32) {
            run_parity<0>();
            run_parity<1>();
        } else {
            run_in_steps();
        }
    }

    // Output rows of one parity: they need only the sums or only the differences of each pair, so that nothing
    // but them has to stay in registers.
    template <int kParity>
    NCONV_INLINE void run_parity() const {
        constexpr int kRows = (kOutput - kParity + 1) / 2;
        Reg row[kRows][kTile];
        const float* p = sums;
#pragma GCC unroll 9
        for (int x = 0; x < kTile; ++x, p += sums_point) {
            Reg y[kOutput];
            p = opaque(p);
            T::template output_parity<kParity>(Column{p, kTile * sums_point}, y);
#pragma GCC unroll 3
            for (int i = 0; i < kRows; ++i) row[i][x] = y[2 * i + kParity];
        }
        float* to = out + kParity * row_pitch;
#pragma GCC unroll 3
        for (int i = 0; i < kRows; ++i, to += 2 * row_pitch) {
            if (2 * i + kParity >= rows) break;
            store_row(Row{row[i]}, to);
        }
    }

    NCONV_INLINE void run_in_steps() const {
        float scratch[kOutput * kTile * V::kLanes];
        const float* p = sums;
#pragma GCC unroll 1
        for (int x = 0; x < kTile; ++x, p += sums_point) {
            Reg y[kOutput];
            const Column column = {p, kTile * sums_point};
            T::template output_parity<0>(column, y);
            T::template output_parity<1>(column, y);
#pragma GCC unroll 6
            for (int i = 0; i < kOutput; ++i) V::store(scratch + (i * kTile + x) * V::kLanes, y[i]);
        }
        const float* row = scratch;
        float* to = out;
#pragma GCC unroll 1
        for (int i = 0; i < rows; ++i, row += kTile * V::kLanes, to += row_pitch)
            store_row(Column{row, V::kLanes}, to);
    }

    template <class Load>
    NCONV_INLINE void store_row(const Load& row, float* to) const {
        Reg y[kOutput];
        T::template output_parity<0>(row, y);
        T::template output_parity<1>(row, y);
#pragma GCC unroll 6
        for (int x = 0; x < kOutput; ++x) {
            if (x >= columns) break;
            to = opaque(to);
            V::store(to, V::add(y[x], init));
            to += pixel_pitch;
        }
    }

    const float* sums;
    ptrdiff_t sums_point;
    float* out;
    ptrdiff_t row_pitch, pixel_pitch;
    int rows, columns;
    Reg init;
};

template <class V, int kVariant>
void winograd_output(const WinogradOutputArgs& t) {
    constexpr int kOutput = kWinograd[kVariant].output;
    WinogradOutputVector<V, kVariant> tile = {t.sums,        t.sums_point, t.out,     t.row_pitch,
                                              t.pixel_pitch, t.rows,       t.columns, V::zero()};
    const float* init = t.init;
    float results[V::kLanes > 1 ? kOutput * kOutput * V::kLanes : 1];
    for (int64_t left = t.channels; left > 0; left -= V::kLanes) {
        const int valid = static_cast<int>(left < V::kLanes ? left : V::kLanes);
        if (init != nullptr) {
            tile.init = V::load_partial(init, valid);
            init += V::kLanes;
        }
        float* out = tile.out;
        if (valid < V::kLanes) {
            tile.out = results;
            tile.row_pitch = kOutput * V::kLanes;
            tile.pixel_pitch = V::kLanes;
        }
        tile.run();
        tile.sums += V::kLanes;
        tile.out += V::kLanes;
        for (int i = 0; i < t.rows && valid < V::kLanes; ++i) {
            for (int j = 0; j < t.columns; ++j) {
                V::store_partial(out + i * t.row_pitch + j * t.pixel_pitch,
                                 V::load(results + (i * kOutput + j) * V::kLanes), valid);
            }
        }
    }
}

// Rows of a product tile by its vectors: as many accumulators as the registers hold, and enough rows in
// narrow tiles that the latency of a multiply-add does not show. With one lane small code matters more.
template <class V>
constexpr int winograd_product_rows(int vectors) {
    constexpr int kAccumulators = V::kRegisters >= 32 ? 24 : V::kLanes > 1 ? 12 : 4;
    const int rows = kAccumulators / vectors;
    return rows < kMaxTileRows ? rows : kMaxTileRows;
}

// A step asks for a line of memory. Without the shared pointers 12 x 2 tiles reloaded four distances from the stack at
// each: 32 channels at 112 x 112 lost 7 % by 6 x 6.
template <class V, int kRows>
struct AskingSteps : RowSteps<V, kRows> {
    explicit AskingSteps(const WinogradProductArgs& t)
        : RowSteps<V, kRows>(t.a, t.a_row), ahead(t.ahead), ahead_step(t.ahead_step) {}
    void step() const {
        RowSteps<V, kRows>::step();
        __builtin_prefetch(ahead, 0, 2);
        ahead += ahead_step;
    }
    mutable const char* ahead;
    const ptrdiff_t ahead_step;
};

template <class V, int kRows, int kVectors>
void winograd_product(const WinogradProductArgs& t) {
    Accumulators<V, kRows, kVectors> acc;
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) acc.at[i][v] = V::zero();
    }
    add_products(acc, t.b, t.depth, AskingSteps<V, kRows>(t));
    float* out = t.out;
    const ptrdiff_t out_row = t.out_row;
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i, out = opaque(out + out_row)) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) V::store(out + v * V::kLanes, acc.at[i][v]);
    }
}

}  // namespace nconv
