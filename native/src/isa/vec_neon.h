// The vector vocabulary on arm64 NEON. See vec_scalar.h for what each operation means.
#pragma once

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

namespace nconv {

struct VecNeon {
    using Reg = float32x4_t;
    using Mask = uint32x4_t;
    static constexpr int kLanes = 4;
    static constexpr int kRegisters = 32;
    // Whether a load, a store and a multiply-add under a mask cost what those without do.
    static constexpr bool kFreeMasks = false;

    static Reg zero() { return vdupq_n_f32(0.0f); }
    static Reg broadcast(const float* p) { return vld1q_dup_f32(p); }
    template <int kGroup>
    static Reg broadcast_in_groups(const float* p, int c) {
        if (kGroup >= kLanes) return broadcast(p + c);
        static_assert(kGroup >= 2, "lanes without a group");
        const Reg v = load(p);
        return c == 0 ? vtrn1q_f32(v, v) : vtrn2q_f32(v, v);
    }
    // Groups of eight: the half of them that channel is in, then a lane of it.
    struct GroupIndex {
        uint8x16_t table;
        ptrdiff_t channel;
    };
    static GroupIndex group_index(int group) {
        const uint8x16_t byte = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
        const uint8x16_t in_float = vdupq_n_u8(3);
        const uint8x16_t mask = vorrq_u8(vdupq_n_u8(static_cast<uint8_t>(-4 * group)), in_float);
        return {vandq_u8(byte, mask), 0};
    }
    static GroupIndex next_in_groups(GroupIndex i) {
        const ptrdiff_t next = i.channel + 1;
        const uint8_t moved = next % kLanes == 0 ? static_cast<uint8_t>(4 - 4 * kLanes) : 4;
        return {vaddq_u8(i.table, vdupq_n_u8(moved)), next};
    }
    static Reg broadcast_in_groups(const float* p, const GroupIndex& i) {
        const float* half = p + (i.channel & -ptrdiff_t{kLanes});
        return vreinterpretq_f32_u8(vqtbl1q_u8(vreinterpretq_u8_f32(load(half)), i.table));
    }
    static Reg set(float x) { return vdupq_n_f32(x); }
    static Reg load(const float* p) { return vld1q_f32(p); }
    static Reg load_partial(const float* p, int count) { return load_strided(p, 1, count); }
    static Reg load_strided(const float* p, ptrdiff_t stride, int count) {
        float lanes[4] = {};
        for (int i = 0; i < count && i < 4; ++i) lanes[i] = p[i * stride];
        return vld1q_f32(lanes);
    }
    static Mask range(int begin, int end) {
        const int32x4_t lane = {0, 1, 2, 3};
        return vandq_u32(vcgeq_s32(lane, vdupq_n_s32(begin)), vcltq_s32(lane, vdupq_n_s32(end)));
    }
    static Reg load_where(Mask m, const float* p) {
        float lanes[4] = {};
        uint32_t wanted[4];
        vst1q_u32(wanted, m);
        for (int i = 0; i < 4; ++i) {
            if (wanted[i] != 0) lanes[i] = p[i];
        }
        return vld1q_f32(lanes);
    }
    static Reg fma_where(Mask m, Reg a, Reg b, Reg c) {
        return vbslq_f32(m, vfmaq_f32(c, a, b), c);
    }
    static constexpr bool kConcat = false;
    template <int kFrom>
    static Reg neighbours(Reg a, Reg b) {
        return vextq_f32(a, b, kFrom);
    }
    static void interleave(Reg& a, Reg& b) {
        const float32x4x2_t both = vzipq_f32(a, b);
        a = both.val[0];
        b = both.val[1];
    }
    static void deinterleave(Reg& a, Reg& b) {
        const float32x4x2_t both = vuzpq_f32(a, b);
        a = both.val[0];
        b = both.val[1];
    }
    static Reg evens(Reg a, Reg b) { return vuzp1q_f32(a, b); }
    static Reg odds(Reg a, Reg b) { return vuzp2q_f32(a, b); }
    static Reg from_evens(Reg v) { return v; }
    static void store(float* p, Reg v) { vst1q_f32(p, v); }
    static void store_partial(float* p, Reg v, int count) {
        if (count >= 4) {
            store(p, v);
            return;
        }
        float lanes[4];
        vst1q_f32(lanes, v);
        for (int i = 0; i < count; ++i) p[i] = lanes[i];
    }
    using Doubles = float64x2_t;
    static constexpr int kDoubles = 2;
    static Doubles load_doubles(const float* p) { return vcvt_f64_f32(vld1_f32(p)); }
    static void store_doubles(float* p, Doubles d) { vst1_f32(p, vcvt_f32_f64(d)); }
    static Reg fma(Reg a, Reg b, Reg c) { return vfmaq_f32(c, a, b); }
    static Reg add(Reg a, Reg b) { return vaddq_f32(a, b); }
    static Reg sub(Reg a, Reg b) { return vsubq_f32(a, b); }
    static Reg mul(Reg a, Reg b) { return vmulq_f32(a, b); }
    static Reg div(Reg a, Reg b) { return vdivq_f32(a, b); }
    static Mask less(Reg a, Reg b) { return vcltq_f32(a, b); }
    static Reg select(Mask m, Reg a, Reg b) { return vbslq_f32(m, a, b); }
    static Reg round_even(Reg v) { return vrndnq_f32(v); }
    static Reg power_of_two(Reg v) {
        const int32x4_t biased = vaddq_s32(vcvtnq_s32_f32(v), vdupq_n_s32(127));
        return vreinterpretq_f32_s32(vshlq_n_s32(biased, 23));
    }
    static void pin(Reg&) {}

    static void transpose(const float* src, ptrdiff_t src_stride, float* dst, ptrdiff_t dst_stride,
                          int rows, int cols) {
        Reg a[4];
        for (int i = 0; i < 4; ++i) {
            a[i] = i < rows ? (cols >= 4 ? load(src + i * src_stride)
                                         : load_partial(src + i * src_stride, cols))
                            : zero();
        }
        const float32x4x2_t low = vtrnq_f32(a[0], a[1]), high = vtrnq_f32(a[2], a[3]);
        const Reg t[4] = {vcombine_f32(vget_low_f32(low.val[0]), vget_low_f32(high.val[0])),
                          vcombine_f32(vget_low_f32(low.val[1]), vget_low_f32(high.val[1])),
                          vcombine_f32(vget_high_f32(low.val[0]), vget_high_f32(high.val[0])),
                          vcombine_f32(vget_high_f32(low.val[1]), vget_high_f32(high.val[1]))};
        for (int j = 0; j < 4 && j < cols; ++j) store_partial(dst + j * dst_stride, t[j], rows);
    }
};

}  // namespace nconv
