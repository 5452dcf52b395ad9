// The vector vocabulary on AVX-512 (F, BW, DQ, VL). See vec_scalar.h for what each operation means.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

namespace nconv {

struct VecAvx512 {
    using Reg = __m512;
    using Mask = __mmask16;
    static constexpr int kLanes = 16;
    static constexpr int kRegisters = 32;
    // Whether a load, a store and a multiply-add under a mask cost what those without do.
    static constexpr bool kFreeMasks = true;

    static __mmask16 first(int count) {
        return count >= 16 ? 0xffff : static_cast<__mmask16>((1u << (count > 0 ? count : 0)) - 1);
    }
    static Reg zero() { return _mm512_setzero_ps(); }
    static Reg broadcast(const float* p) { return _mm512_set1_ps(*p); }
    // Eight lanes by two shuffles within halves and quarters: one across lanes needs an index each.
    template <int kGroup>
    static Reg broadcast_in_groups(const float* p, int c) {
        if (kGroup >= kLanes) return broadcast(p + c);
        Reg v = load(p);
        if (kGroup == 2) return c == 0 ? _mm512_moveldup_ps(v) : _mm512_movehdup_ps(v);
        if (kGroup == 8)
            v = c < 4 ? _mm512_shuffle_f32x4(v, v, 0xa0) : _mm512_shuffle_f32x4(v, v, 0xf5);
        c %= 4;
        return c == 0   ? _mm512_permute_ps(v, 0x00)
               : c == 1 ? _mm512_permute_ps(v, 0x55)
               : c == 2 ? _mm512_permute_ps(v, 0xaa)
                        : _mm512_permute_ps(v, 0xff);
    }
    using GroupIndex = __m512i;
    static GroupIndex group_index(int group) {
        return _mm512_and_si512(lanes_from(0), _mm512_set1_epi32(-group));
    }
    static GroupIndex next_in_groups(GroupIndex i) {
        return _mm512_add_epi32(i, _mm512_set1_epi32(1));
    }
    static Reg broadcast_in_groups(const float* p, GroupIndex i) {
        return _mm512_permutexvar_ps(i, load(p));
    }
    static Reg set(float x) { return _mm512_set1_ps(x); }
    static Reg load(const float* p) { return _mm512_loadu_ps(p); }
    static Reg load_partial(const float* p, int count) {
        return _mm512_maskz_loadu_ps(first(count), p);
    }
    // Lane i holds p[i * stride] for i < count, else 0.
    static Reg load_strided(const float* p, ptrdiff_t stride, int count) {
        if (stride == 2) {
            const Reg low = load_partial(p, 2 * count - 1),
                      high = load_partial(p + 16, 2 * count - 17);
            const __m512i even =
                _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
            return _mm512_permutex2var_ps(low, even, high);
        }
        alignas(64) float lanes[16] = {};
        for (int i = 0; i < count && i < 16; ++i) lanes[i] = p[i * stride];
        return _mm512_load_ps(lanes);
    }
    static Mask range(int begin, int end) { return static_cast<Mask>(first(end) & ~first(begin)); }
    static Mask either(Mask a, Mask b) { return static_cast<Mask>(a | b); }
    static Reg load_where(Mask m, const float* p) { return _mm512_maskz_loadu_ps(m, p); }
    // The lower lanes of a and the upper ones of b.
    static Reg halves(Reg a, Reg b) { return _mm512_mask_blend_ps(0xff00, a, b); }
    static void store_where(Mask m, float* p, Reg v) { _mm512_mask_storeu_ps(p, m, v); }
    static Reg fma_where(Mask m, Reg a, Reg b, Reg c) { return _mm512_mask3_fmadd_ps(a, b, c, m); }
    static constexpr bool kConcat = true;
    using Index = __m512i;
    static Index lanes_from(int lane) {
        const __m512i lanes =
            _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
        return _mm512_add_epi32(lanes, _mm512_set1_epi32(lane));
    }
    static Reg concat(Reg a, Reg b, Index from) { return _mm512_permutex2var_ps(a, from, b); }
    template <int kFrom>
    static Reg neighbours(Reg a, Reg b) {
        return _mm512_castsi512_ps(
            _mm512_alignr_epi32(_mm512_castps_si512(b), _mm512_castps_si512(a), kFrom));
    }
    static void interleave(Reg& a, Reg& b) {
        const __m512i low =
            _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
        const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
        const Reg first = _mm512_permutex2var_ps(a, low, b);
        b = _mm512_permutex2var_ps(a, high, b);
        a = first;
    }
    static void deinterleave(Reg& a, Reg& b) {
        const __m512i even =
            _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
        const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
        const Reg first = _mm512_permutex2var_ps(a, even, b);
        b = _mm512_permutex2var_ps(a, odd, b);
        a = first;
    }
    static Reg evens(Reg a, Reg b) { return _mm512_shuffle_ps(a, b, 0x88); }
    static Reg odds(Reg a, Reg b) { return _mm512_shuffle_ps(a, b, 0xdd); }
    static Reg from_evens(Reg v) {
        return _mm512_permutexvar_ps(
            _mm512_set_epi32(15, 14, 11, 10, 7, 6, 3, 2, 13, 12, 9, 8, 5, 4, 1, 0), v);
    }
    static void store(float* p, Reg v) { _mm512_storeu_ps(p, v); }
    static void store_partial(float* p, Reg v, int count) {
        _mm512_mask_storeu_ps(p, first(count), v);
    }
    using Doubles = __m512d;
    static constexpr int kDoubles = 8;
    static Doubles load_doubles(const float* p) { return _mm512_cvtps_pd(_mm256_loadu_ps(p)); }
    static void store_doubles(float* p, Doubles d) { _mm256_storeu_ps(p, _mm512_cvtpd_ps(d)); }
    static Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
    static Reg add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
    static Reg sub(Reg a, Reg b) { return _mm512_sub_ps(a, b); }
    static Reg mul(Reg a, Reg b) { return _mm512_mul_ps(a, b); }
    static Reg div(Reg a, Reg b) { return _mm512_div_ps(a, b); }
    static Mask less(Reg a, Reg b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
    static Reg select(Mask m, Reg a, Reg b) { return _mm512_mask_blend_ps(m, b, a); }
    static Reg round_even(Reg v) {
        return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    }
    static Reg power_of_two(Reg v) {
        const __m512i biased = _mm512_add_epi32(_mm512_cvtps_epi32(v), _mm512_set1_epi32(127));
        return _mm512_castsi512_ps(_mm512_slli_epi32(biased, 23));
    }
    // Without this gcc 12 folds the load into every multiply-add that uses it: 12 to 22 % slower.
    static void pin(Reg& v) { asm volatile("" : "+v"(v)); }
    // And a mask that it knows to be a number is copied through other registers at every use.
    static void pin(Mask& m) { asm volatile("" : "+Yk"(m)); }

    // dst[j][i] = src[i][j] for i < rows, j < cols, both at most kLanes; unread lanes count as 0.
    // A whole block, and the nine taps of a weight gradient, without asking for every row and column.
    static void transpose(const float* src, ptrdiff_t src_stride, float* dst, ptrdiff_t dst_stride,
                          int rows, int cols) {
        if (rows == 16 && cols == 16) {
            transpose_block(src, src_stride, dst, dst_stride, 16, 16);
        } else if (rows == 9 && cols == 16) {
            transpose_block(src, src_stride, dst, dst_stride, 9, 16);
        } else {
            transpose_block(src, src_stride, dst, dst_stride, rows, cols);
        }
    }

private:
    __attribute__((always_inline)) static void transpose_block(const float* src,
                                                               ptrdiff_t src_stride, float* dst,
                                                               ptrdiff_t dst_stride, int rows,
                                                               int cols) {
        Reg a[16], b[16];
        const __mmask16 columns = first(cols);
#pragma GCC unroll 16
        for (int i = 0; i < 16; ++i) {
            a[i] = i < rows ? _mm512_maskz_loadu_ps(columns, src + i * src_stride) : zero();
        }
#pragma GCC unroll 8
        for (int i = 0; i < 16; i += 2) {
            b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
            b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
        }
#pragma GCC unroll 4
        for (int i = 0; i < 16; i += 4) {
            a[i] = _mm512_shuffle_ps(b[i], b[i + 2], 0x44);
            a[i + 1] = _mm512_shuffle_ps(b[i], b[i + 2], 0xee);
            a[i + 2] = _mm512_shuffle_ps(b[i + 1], b[i + 3], 0x44);
            a[i + 3] = _mm512_shuffle_ps(b[i + 1], b[i + 3], 0xee);
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            b[i] = _mm512_shuffle_f32x4(a[i], a[i + 4], 0x88);
            b[i + 4] = _mm512_shuffle_f32x4(a[i], a[i + 4], 0xdd);
            b[i + 8] = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0x88);
            b[i + 12] = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0xdd);
        }
        const __mmask16 stored = first(rows);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            a[i] = _mm512_shuffle_f32x4(b[i], b[i + 8], 0x88);
            a[i + 4] = _mm512_shuffle_f32x4(b[i + 4], b[i + 12], 0x88);
            a[i + 8] = _mm512_shuffle_f32x4(b[i], b[i + 8], 0xdd);
            a[i + 12] = _mm512_shuffle_f32x4(b[i + 4], b[i + 12], 0xdd);
        }
#pragma GCC unroll 16
        for (int j = 0; j < 16; ++j) {
            if (j < cols) _mm512_mask_storeu_ps(dst + j * dst_stride, stored, a[j]);
        }
    }
};

}  // namespace nconv
