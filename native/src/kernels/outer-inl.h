// The tile of weight gradients whose two operands are taken where they are: one side's channels in lanes, of
// the other side's values each row broadcasts its own. Nothing is packed for the rows, whose offsets are any:
// taps of a few channels, or channels side by side or planes apart.
#pragma once

#include "kernels/outer.h"
#include "kernels/tiles-inl.h"

namespace nconv {

// Offsets take a register each: more rows with fewer vectors would put them on the stack.
template <class V>
struct OuterShape {
    static constexpr int kVectors = V::kRegisters >= 32 ? 4 : 2;
    static constexpr int rows(int vectors) { return vectors == kVectors ? 6 : 8; }
};

template <class V, int kRows, int kVectors, bool kPartial>
void outer_tile(const OuterTileArgs& t) {
    Accumulators<V, kRows, kVectors> acc;
    ptrdiff_t offset[kRows];
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
        offset[i] = t.offsets[i];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) acc.at[i][v] = V::zero();
    }
    const ptrdiff_t a_x = t.a_x, b_x = t.b_x;
    const int left = t.columns - (kVectors - 1) * V::kLanes;
    for (int64_t z = 0; z < t.z; ++z) {
        for (int64_t y = 0; y < t.y; ++y) {
            const float* a = t.a + z * t.a_z + y * t.a_y;
            const float* row = t.b + z * t.b_z + y * t.b_y;
#pragma GCC unroll 1
            for (int64_t x = t.x; x > 0; --x, a += a_x, row += b_x) {
                typename V::Reg b[kVectors];
#pragma GCC unroll 4
                for (int v = 0; v < kVectors; ++v) {
                    b[v] = kPartial && v == kVectors - 1
                               ? V::load_partial(row + v * V::kLanes, left)
                               : V::load(row + v * V::kLanes);
                    V::pin(b[v]);
                }
#pragma GCC unroll 8
                for (int i = 0; i < kRows; ++i) {
                    const typename V::Reg broadcast = V::broadcast(a + offset[i]);
#pragma GCC unroll 4
                    for (int v = 0; v < kVectors; ++v)
                        acc.at[i][v] = V::fma(broadcast, b[v], acc.at[i][v]);
                }
            }
        }
    }
    float* out = t.out;
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i, out += t.out_row) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
            typename V::Reg value = acc.at[i][v];
            if (t.add) value = V::add(load_columns<V>(out, v, t.columns), value);
            store_columns<V>(out, value, v, t.columns);
        }
    }
}

}  // namespace nconv
