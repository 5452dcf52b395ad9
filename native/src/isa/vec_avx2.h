// The vector vocabulary on AVX2 with FMA. See vec_scalar.h for what each operation means.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

namespace nconv {

struct VecAvx2 {
    using Reg = __m256;
    using Mask = __m256;
    static constexpr int kLanes = 8;
    static constexpr int kRegisters = 16;
    // Whether a load, a store and a multiply-add under a mask cost what those without do. Stores on Zen: 42 operations.
    static constexpr bool kFreeMasks = false;

    static __m256i first(int count) {
        return _mm256_cmpgt_epi32(_mm256_set1_epi32(count),
                                  _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0));
    }
    static Reg zero() { return _mm256_setzero_ps(); }
    static Reg broadcast(const float* p) { return _mm256_broadcast_ss(p); }
    template <int kGroup>
    static Reg broadcast_in_groups(const float* p, int c) {
        if (kGroup >= kLanes) return broadcast(p + c);
        const Reg v = load(p);
        if (kGroup == 2) return c == 0 ? _mm256_moveldup_ps(v) : _mm256_movehdup_ps(v);
        return c == 0   ? _mm256_permute_ps(v, 0x00)
               : c == 1 ? _mm256_permute_ps(v, 0x55)
               : c == 2 ? _mm256_permute_ps(v, 0xaa)
                        : _mm256_permute_ps(v, 0xff);
    }
    using GroupIndex = __m256i;
    static GroupIndex group_index(int group) {
        return _mm256_and_si256(_mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0),
                                _mm256_set1_epi32(-group));
    }
    static GroupIndex next_in_groups(GroupIndex i) {
        return _mm256_add_epi32(i, _mm256_set1_epi32(1));
    }
    static Reg broadcast_in_groups(const float* p, GroupIndex i) {
        return _mm256_permutevar8x32_ps(load(p), i);
    }
    static Reg set(float x) { return _mm256_set1_ps(x); }
    static Reg load(const float* p) { return _mm256_loadu_ps(p); }
    static Reg load_partial(const float* p, int count) {
        return _mm256_maskload_ps(p, first(count));
    }
    static Reg load_strided(const float* p, ptrdiff_t stride, int count) {
        if (stride == 2 && count >= 8) {
            // The sixteenth float may lie outside.
            const Reg low = load(p), high = load_partial(p + 8, 7);
            const __m256d mixed = _mm256_castps_pd(_mm256_shuffle_ps(low, high, 0x88));
            return _mm256_castpd_ps(_mm256_permute4x64_pd(mixed, 0xd8));
        }
        alignas(32) float lanes[8] = {};
        for (int i = 0; i < count && i < 8; ++i) lanes[i] = p[i * stride];
        return _mm256_load_ps(lanes);
    }
    static Mask range(int begin, int end) {
        return _mm256_castsi256_ps(_mm256_andnot_si256(first(begin), first(end)));
    }
    static Reg load_where(Mask m, const float* p) {
        return _mm256_maskload_ps(p, _mm256_castps_si256(m));
    }
    static Reg fma_where(Mask m, Reg a, Reg b, Reg c) { return select(m, fma(a, b, c), c); }
    static constexpr bool kConcat = false;
    template <int kFrom>
    static Reg neighbours(Reg a, Reg b) {
        const Reg middle = _mm256_permute2f128_ps(a, b, 0x21);
        const Reg low = kFrom < 4 ? a : middle, high = kFrom < 4 ? middle : b;
        return _mm256_castsi256_ps(
            _mm256_alignr_epi8(_mm256_castps_si256(high), _mm256_castps_si256(low), kFrom % 4 * 4));
    }
    static void interleave(Reg& a, Reg& b) {
        const Reg low = _mm256_unpacklo_ps(a, b), high = _mm256_unpackhi_ps(a, b);
        a = _mm256_permute2f128_ps(low, high, 0x20);
        b = _mm256_permute2f128_ps(low, high, 0x31);
    }
    static void deinterleave(Reg& a, Reg& b) {
        const Reg low = _mm256_permute2f128_ps(a, b, 0x20),
                  high = _mm256_permute2f128_ps(a, b, 0x31);
        const __m256d even = _mm256_castps_pd(_mm256_shuffle_ps(low, high, 0x88));
        const __m256d odd = _mm256_castps_pd(_mm256_shuffle_ps(low, high, 0xdd));
        a = _mm256_castpd_ps(even);
        b = _mm256_castpd_ps(odd);
    }
    static Reg evens(Reg a, Reg b) { return _mm256_shuffle_ps(a, b, 0x88); }
    static Reg odds(Reg a, Reg b) { return _mm256_shuffle_ps(a, b, 0xdd); }
    static Reg from_evens(Reg v) {
        return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(v), 0xd8));
    }
    static void store(float* p, Reg v) { _mm256_storeu_ps(p, v); }
    static void store_partial(float* p, Reg v, int count) {
        if (count >= 8) {
            store(p, v);
            return;
        }
        // Masked stores are microcoded on Zen (42 operations): through memory instead.
        alignas(32) float lanes[8];
        _mm256_store_ps(lanes, v);
        for (int i = 0; i < count; ++i) p[i] = lanes[i];
    }
    using Doubles = __m256d;
    static constexpr int kDoubles = 4;
    static Doubles load_doubles(const float* p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
    static void store_doubles(float* p, Doubles d) { _mm_storeu_ps(p, _mm256_cvtpd_ps(d)); }
    static Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
    static Reg add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
    static Reg sub(Reg a, Reg b) { return _mm256_sub_ps(a, b); }
    static Reg mul(Reg a, Reg b) { return _mm256_mul_ps(a, b); }
    static Reg div(Reg a, Reg b) { return _mm256_div_ps(a, b); }
    static Mask less(Reg a, Reg b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
    static Reg select(Mask m, Reg a, Reg b) { return _mm256_blendv_ps(b, a, m); }
    static Reg round_even(Reg v) {
        return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    }
    static Reg power_of_two(Reg v) {
        const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(v), _mm256_set1_epi32(127));
        return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
    }
    static void pin(Reg& v) { asm volatile("" : "+x"(v)); }

    static void transpose(const float* src, ptrdiff_t src_stride, float* dst, ptrdiff_t dst_stride,
                          int rows, int cols) {
        Reg a[8], b[8];
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) {
            a[i] = i < rows ? (cols >= 8 ? load(src + i * src_stride)
                                         : load_partial(src + i * src_stride, cols))
                            : zero();
        }
#pragma GCC unroll 4
        for (int i = 0; i < 8; i += 2) {
            b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
            b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
        }
#pragma GCC unroll 2
        for (int i = 0; i < 8; i += 4) {
            a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
            a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xee);
            a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
            a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xee);
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            b[i] = _mm256_permute2f128_ps(a[i], a[i + 4], 0x20);
            b[i + 4] = _mm256_permute2f128_ps(a[i], a[i + 4], 0x31);
        }
#pragma GCC unroll 8
        for (int j = 0; j < 8; ++j) {
            if (j < cols) store_partial(dst + j * dst_stride, b[j], rows);
        }
    }
};

}  // namespace nconv
