// Copies in another order, and sums over rows.
#pragma once

#include <stdint.h>
#include <string.h>

#include "kernels/tiles-inl.h"

namespace nconv {

template <class V>
void transpose(const float* src, ptrdiff_t src_stride, float* dst, ptrdiff_t dst_stride,
               int64_t rows, int64_t columns) {
    constexpr int kBlock = V::kLanes;
    for (int64_t j = 0; j < columns; j += kBlock) {
        const int n = static_cast<int>(columns - j < kBlock ? columns - j : kBlock);
        for (int64_t i = 0; i < rows; i += kBlock) {
            const int m = static_cast<int>(rows - i < kBlock ? rows - i : kBlock);
            V::transpose(src + i * src_stride + j, src_stride, dst + j * dst_stride + i, dst_stride,
                         m, n);
        }
    }
}

template <class V>
void pack_columns(const float* src, ptrdiff_t src_stride, int64_t rows, int columns, float* dst) {
    if (columns % V::kLanes == 0) {
        for (int64_t i = 0; i < rows; ++i, src += src_stride, dst += columns) {
            for (int j = 0; j < columns; j += V::kLanes) V::store(dst + j, V::load(src + j));
        }
        return;
    }
    for (int64_t i = 0; i < rows; ++i, src += src_stride, dst += columns) {
        for (int j = 0; j < columns; j += V::kLanes) {
            V::store_partial(dst + j, load_columns<V>(src, j / V::kLanes, columns), columns - j);
        }
    }
}

template <class V>
void add_rows(const float* src, ptrdiff_t src_stride, int64_t rows, int64_t columns, float* sums) {
    using Reg = typename V::Reg;
    for (int64_t j = 0; j < columns; j += V::kLanes) {
        const int left = static_cast<int>(columns - j < V::kLanes ? columns - j : V::kLanes);
        const bool full = left == V::kLanes;
        const auto load = [&](const float* p) {
            return full ? V::load(p) : V::load_partial(p, left);
        };
        Reg chain[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
        const float* row = src + j;
        int64_t i = 0;
        for (; i + 4 <= rows; i += 4, row += 4 * src_stride) {
#pragma GCC unroll 4
            for (int c = 0; c < 4; ++c) chain[c] = V::add(chain[c], load(row + c * src_stride));
        }
#pragma GCC unroll 3
        for (int c = 0; c < 3; ++c) {
            if (i + c < rows) chain[c] = V::add(chain[c], load(row + c * src_stride));
        }
        const Reg sum = V::add(V::add(chain[0], chain[1]), V::add(chain[2], chain[3]));
        V::store_partial(sums + j, V::add(load(sums + j), sum), left);
    }
}

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
