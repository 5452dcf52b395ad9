// Activations and their derivatives. exp and tanh are our own so that every instruction set performs
// the same operations in the same order.
#pragma once

#include "kernels/kernel_set.h"

namespace nconv {

// x = n ln 2 + r with |r| <= ln 2 / 2, and e^r - 1 = r + r^2 q(r) by the Taylor series through r^7,
// whose first omitted term is 5e-9 of e^r: a tenth of an ulp.
template <class V>
struct ExpParts {
    typename V::Reg expm1_r, low_scale, high_scale;  // 2^n = low_scale * high_scale

    explicit ExpParts(typename V::Reg x) {
        using Reg = typename V::Reg;
        const Reg n = V::round_even(V::mul(x, V::set(1.44269504f)));
        // ln 2 in two parts; the first has 15 significant bits, so n times it is exact.
        Reg r = V::fma(n, V::set(-0.693145751953125f), x);
        r = V::fma(n, V::set(-1.42860682e-6f), r);
        Reg q = V::set(1.0f / 5040.0f);
        q = V::fma(q, r, V::set(1.0f / 720.0f));
        q = V::fma(q, r, V::set(1.0f / 120.0f));
        q = V::fma(q, r, V::set(1.0f / 24.0f));
        q = V::fma(q, r, V::set(1.0f / 6.0f));
        q = V::fma(q, r, V::set(0.5f));
        expm1_r = V::fma(V::mul(r, r), q, r);
        const Reg half = V::round_even(V::mul(n, V::set(0.5f)));
        low_scale = V::power_of_two(half);
        high_scale = V::power_of_two(V::sub(n, half));
    }
};

// Between the bounds n stays in -152 .. 129; beyond them e^x is 0 or infinite all the same.
template <class V>
typename V::Reg clamp_exponent(typename V::Reg x) {
    const typename V::Reg low = V::set(-105.0f), high = V::set(89.0f);
    x = V::select(V::less(x, low), low, x);
    return V::select(V::less(high, x), high, x);
}

template <class V>
typename V::Reg exp(typename V::Reg x) {
    const ExpParts<V> parts(clamp_exponent<V>(x));
    const typename V::Reg e = V::add(V::set(1.0f), parts.expm1_r);
    return V::mul(V::mul(e, parts.low_scale), parts.high_scale);
}

template <class V>
typename V::Reg expm1(typename V::Reg x) {
    const ExpParts<V> parts(clamp_exponent<V>(x));
    const typename V::Reg scale = V::mul(parts.low_scale, parts.high_scale);
    return V::fma(scale, parts.expm1_r, V::sub(scale, V::set(1.0f)));
}

template <class V>
struct ActivationParameters {
    typename V::Reg alpha, beta, one, zero;
};

// Each activation: value(z) and slope(y) = f'(z) from y = f(z). A comparison with NaN is false, so
// NaN takes the branch that keeps it.
template <class V>
struct Linear {
    using Reg = typename V::Reg;
    using P = ActivationParameters<V>;
    static Reg value(Reg z, const P&) { return z; }
    static Reg slope(Reg, const P& p) { return p.one; }
};

template <class V>
struct Relu : Linear<V> {
    using Reg = typename V::Reg;
    using P = ActivationParameters<V>;
    static Reg value(Reg z, const P& p) { return V::select(V::less(z, p.zero), p.zero, z); }
    static Reg slope(Reg y, const P& p) { return V::select(V::less(p.zero, y), p.one, p.zero); }
};

template <class V>
struct LeakyRelu : Linear<V> {
    using Reg = typename V::Reg;
    using P = ActivationParameters<V>;
    static Reg value(Reg z, const P& p) {
        return V::select(V::less(z, p.zero), V::mul(z, p.alpha), z);
    }
    static Reg slope(Reg y, const P& p) { return V::select(V::less(p.zero, y), p.one, p.alpha); }
};

template <class V>
struct Clip : Linear<V> {
    using Reg = typename V::Reg;
    using P = ActivationParameters<V>;
    static Reg value(Reg z, const P& p) {
        const Reg above = V::select(V::less(z, p.alpha), p.alpha, z);
        return V::select(V::less(p.beta, above), p.beta, above);
    }
    static Reg slope(Reg y, const P& p) {
        const Reg above = V::select(V::less(p.alpha, y), p.one, p.zero);
        return V::select(V::less(y, p.beta), above, p.zero);
    }
};

template <class V>
struct Sigmoid : Linear<V> {
    using Reg = typename V::Reg;
    using P = ActivationParameters<V>;
    static Reg value(Reg z, const P& p) {
        return V::div(p.one, V::add(p.one, exp<V>(V::sub(p.zero, z))));
    }
    static Reg slope(Reg y, const P& p) { return V::mul(y, V::sub(p.one, y)); }
};

template <class V>
struct Tanh : Linear<V> {
    using Reg = typename V::Reg;
    using P = ActivationParameters<V>;
    // tanh |z| = t / (t + 2) with t = e^(2|z|) - 1: no cancellation near 0; 1 from 2|z| = 40 on.
    static Reg value(Reg z, const P& p) {
        const auto negative = V::less(z, p.zero);
        const Reg size = V::select(negative, V::sub(p.zero, z), z);
        const Reg twice = V::add(size, size), limit = V::set(40.0f);
        const Reg t = expm1<V>(V::select(V::less(limit, twice), limit, twice));
        const Reg result = V::div(t, V::add(t, V::set(2.0f)));
        return V::select(negative, V::sub(p.zero, result), result);
    }
    static Reg slope(Reg y, const P& p) { return V::fma(V::sub(p.zero, y), y, p.one); }
};

template <class V>
struct Elu : Linear<V> {
    using Reg = typename V::Reg;
    using P = ActivationParameters<V>;
    static Reg value(Reg z, const P& p) {
        return V::select(V::less(z, p.zero), V::mul(p.alpha, expm1<V>(z)), z);
    }
    static Reg slope(Reg y, const P& p) {
        return V::select(V::less(p.zero, y), p.one, V::add(y, p.alpha));
    }
};

template <class V>
ActivationParameters<V> make_parameters(float alpha, float beta) {
    return {V::set(alpha), V::set(beta), V::set(1.0f), V::zero()};
}

template <class V, class Activation, bool kResidual>
void finish_rows(const EpilogueArgs& args) {
    const ActivationParameters<V> p = make_parameters<V>(args.alpha, args.beta);
    for (int i = 0; i < args.row_count; ++i) {
        float* row = args.rows[i];
        const float* residual = kResidual ? args.residual + (row - args.output) : nullptr;
        int64_t j = 0;
        for (; j + V::kLanes <= args.columns; j += V::kLanes) {
            typename V::Reg z = V::load(row + j);
            if constexpr (kResidual) z = V::add(z, V::load(residual + j));
            V::store(row + j, Activation::value(z, p));
        }
        if (j < args.columns) {
            const int left = static_cast<int>(args.columns - j);
            typename V::Reg z = V::load_partial(row + j, left);
            if constexpr (kResidual) z = V::add(z, V::load_partial(residual + j, left));
            V::store_partial(row + j, Activation::value(z, p), left);
        }
    }
}

template <class V, class Activation>
void apply_activation(const EpilogueArgs& args) {
    args.residual != nullptr ? finish_rows<V, Activation, true>(args)
                             : finish_rows<V, Activation, false>(args);
}

template <class V, class Activation>
void derive_activation(const float* grad, const float* output, float* result, int64_t count,
                       float alpha, float beta) {
    const ActivationParameters<V> p = make_parameters<V>(alpha, beta);
    int64_t i = 0;
    for (; i + V::kLanes <= count; i += V::kLanes) {
        V::store(result + i, V::mul(V::load(grad + i), Activation::slope(V::load(output + i), p)));
    }
    if (i < count) {
        const int left = static_cast<int>(count - i);
        const typename V::Reg slope = Activation::slope(V::load_partial(output + i, left), p);
        V::store_partial(result + i, V::mul(V::load_partial(grad + i, left), slope), left);
    }
}

template <class V, template <class> class Activation>
constexpr ActivationKernel activation_kernel() {
    return {apply_activation<V, Activation<V>>, derive_activation<V, Activation<V>>};
}

}  // namespace nconv
