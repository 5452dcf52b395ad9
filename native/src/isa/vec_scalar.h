// The vector vocabulary with one lane: plain C, the meaning of the other files of this name.
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace nconv {

// a * b + c, rounded once. Without an instruction for it not by the C library: MinGW's fmaf rounds twice, and
// glibc's costs a call. The product is exact in double; the sum is rounded to odd there (its last bit is set
// if anything was lost), so that rounding it to float is right (Boldo and Melquiond, "Emulation of a FMA and
// Correctly Rounded Sums", 2008).
template <class Float>
Float multiply_add_scalar(Float a, Float b, Float c) {
#if defined(__FP_FAST_FMAF)
    return fmaf(a, b, c);
#else
    const double product = static_cast<double>(a) * b, term = c;
    double sum = product + term;
    const double rest = sum - product;
    const double lost = (product - (sum - rest)) + (term - rest);
    if (lost < 0 || lost > 0) {  // false also where the sum is infinite or NaN
        int64_t bits;
        memcpy(&bits, &sum, sizeof bits);
        if ((bits & 1) == 0) bits += (lost > 0) == (sum > 0) ? 1 : -1;
        memcpy(&sum, &bits, sizeof bits);
    }
    return static_cast<Float>(sum);
#endif
}

struct VecScalar {
    using Reg = float;
    using Mask = bool;
    static constexpr int kLanes = 1;
    static constexpr int kRegisters = 16;
    // Whether a load, a store and a multiply-add under a mask cost what those without do.
    static constexpr bool kFreeMasks = false;

    static Reg zero() { return 0.0f; }
    static Reg broadcast(const float* p) { return *p; }
    // Lane i holds p[i / kGroup * kGroup + c]: channel c of its group of kGroup lanes, or of the one group.
    template <int kGroup>
    static Reg broadcast_in_groups(const float* p, int c) {
        return p[c];
    }
    // The same with the channel as data: channel 0 of groups of so many lanes, then the next ones.
    using GroupIndex = int;
    static GroupIndex group_index(int) { return 0; }
    static GroupIndex next_in_groups(GroupIndex i) { return i + 1; }
    static Reg broadcast_in_groups(const float* p, GroupIndex i) { return p[i]; }
    static Reg set(float x) { return x; }
    static Reg load(const float* p) { return *p; }
    static Reg load_partial(const float* p, int count) { return count > 0 ? *p : 0.0f; }
    static Reg load_strided(const float* p, ptrdiff_t, int count) { return load_partial(p, count); }
    // Lanes begin .. end-1, those outside of the vector left out.
    static Mask range(int begin, int end) { return begin <= 0 && end > 0; }
    // Lanes outside of the mask are not read, and are zero.
    static Reg load_where(Mask m, const float* p) { return m ? *p : 0.0f; }
    // a * b + c, and c outside of the mask.
    static Reg fma_where(Mask m, Reg a, Reg b, Reg c) {
        return m ? multiply_add_scalar(a, b, c) : c;
    }
    // Whether lanes_from(lane) and concat(a, b, lanes_from(lane)) give lanes lane .. lane + kLanes - 1 of a
    // and b side by side, lane < kLanes, faster than a load across two cache lines: 2 cycles on Zen 5.
    static constexpr bool kConcat = false;
    // Lanes kFrom .. kFrom + kLanes - 1 of a and b side by side, kFrom < kLanes.
    template <int kFrom>
    static Reg neighbours(Reg a, Reg) {
        return a;
    }
    // a and b become the halves of a[0], b[0], a[1], b[1] ...
    static void interleave(Reg&, Reg&) {}
    // The opposite.
    static void deinterleave(Reg&, Reg&) {}
    // Every other element of a and b side by side, in an order of the vocabulary's; from_evens: in order.
    static Reg evens(Reg a, Reg) { return a; }
    static Reg odds(Reg, Reg b) { return b; }
    static Reg from_evens(Reg v) { return v; }
    static void store(float* p, Reg v) { *p = v; }
    static void store_partial(float* p, Reg v, int count) {
        if (count > 0) *p = v;
    }
    // Doubles take + - * as they are; from and to floats.
    using Doubles = double;
    static constexpr int kDoubles = 1;
    static Doubles load_doubles(const float* p) { return *p; }
    static void store_doubles(float* p, Doubles d) { *p = static_cast<float>(d); }
    static Reg fma(Reg a, Reg b, Reg c) { return multiply_add_scalar(a, b, c); }
    static Reg add(Reg a, Reg b) { return a + b; }
    static Reg sub(Reg a, Reg b) { return a - b; }
    static Reg mul(Reg a, Reg b) { return a * b; }
    static Reg div(Reg a, Reg b) { return a / b; }
    static Mask less(Reg a, Reg b) { return a < b; }
    static Reg select(Mask m, Reg a, Reg b) { return m ? a : b; }
    static Reg round_even(Reg v) { return nearbyintf(v); }
    // 2^v for integral v in -126 .. 127, exactly; anything for NaN.
    static Reg power_of_two(Reg v) {
        const int32_t bits = (static_cast<int32_t>(v == v ? v : 0.0f) + 127) * (1 << 23);
        float r;
        memcpy(&r, &bits, sizeof r);
        return r;
    }
    // Keeps a loaded register a register: see vec_avx512.h.
    static void pin(Reg&) {}
    static void transpose(const float* src, ptrdiff_t, float* dst, ptrdiff_t, int, int) {
        *dst = *src;
    }
};

}  // namespace nconv
