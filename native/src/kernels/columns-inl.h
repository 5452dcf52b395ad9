// Rows split into every step-th element, and joined from such.
#pragma once

#include "kernels/kernel_set.h"

namespace nconv {

template <class V>
void split_columns(const float* src, ptrdiff_t src_row, int64_t rows, int64_t width, int step,
                   float* dst, ptrdiff_t pitch) {
    constexpr int64_t kLanes = V::kLanes;
    for (int64_t row = 0; row < rows; ++row, src += src_row, dst += step * pitch) {
        if (step == 2 && kLanes > 1) {
            int64_t i = 0;
            for (; (i + kLanes) * 2 <= width; i += kLanes) {
                typename V::Reg a = V::load(src + 2 * i), b = V::load(src + 2 * i + kLanes);
                V::deinterleave(a, b);
                V::store(dst + i, a);
                V::store(dst + pitch + i, b);
            }
            const int left = static_cast<int>(width - 2 * i);
            if (left == 0) continue;
            typename V::Reg a = V::load_partial(src + 2 * i, left), b = V::zero();
            if (left > kLanes)
                b = V::load_partial(src + 2 * i + kLanes, left - static_cast<int>(kLanes));
            V::deinterleave(a, b);
            V::store(dst + i, a);
            V::store(dst + pitch + i, b);
        } else {
            for (int j = 0; j < step && j < width; ++j) {
                for (int64_t i = 0; i * step + j < width; i += kLanes) {
                    const int64_t left = (width - j + step - 1) / step - i;
                    V::store(dst + j * pitch + i,
                             V::load_strided(src + i * step + j, step,
                                             static_cast<int>(left < kLanes ? left : kLanes)));
                }
            }
        }
    }
}

template <class V>
void join_columns(const float* src, ptrdiff_t src_pitch, int step, int64_t count, float* dst) {
    int64_t i = 0;
    if (step == 2) {
        for (; (i + V::kLanes) * 2 <= count; i += V::kLanes) {
            typename V::Reg a = V::load(src + i), b = V::load(src + src_pitch + i);
            if (V::kLanes > 1) V::interleave(a, b);
            V::store(dst + 2 * i, a);
            V::store(dst + 2 * i + V::kLanes, b);
        }
    }
    for (; i * step < count; ++i) {
        for (int j = 0; j < step && i * step + j < count; ++j)
            dst[i * step + j] = src[j * src_pitch + i];
    }
}

}  // namespace nconv
