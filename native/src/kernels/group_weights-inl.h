// Weight gradients of small groups, as many channels in as out: the lanes hold the input channels of several
// groups, and every lane is multiplied by the same output channel of its own group.
#pragma once

#include "kernels/outer-inl.h"

namespace nconv {

template <class V>
struct GroupShape {
    static constexpr int taps(int group) {
        const int fit = ((V::kRegisters >= 32 ? 24 : 9) / group);
        return fit > kMaxGroupTaps ? kMaxGroupTaps : fit;
    }
};

template <class V, int kGroup, int kTaps, int J>
[[gnu::always_inline]] inline void add_group(Accumulators<V, kGroup, kTaps>& acc,
                                             const typename V::Reg (&a)[kTaps],
                                             const float* gradient) {
    const typename V::Reg b = V::template broadcast_in_groups<kGroup>(gradient, J);
#pragma GCC unroll 9
    for (int t = 0; t < kTaps; ++t) acc.at[J][t] = V::fma(a[t], b, acc.at[J][t]);
    if constexpr (J + 1 < kGroup) add_group<V, kGroup, kTaps, J + 1>(acc, a, gradient);
}

template <class V, int kGroup, int kTaps>
void group_tile(const GroupTileArgs& t) {
    ptrdiff_t offset[kTaps];
#pragma GCC unroll 9
    for (int i = 0; i < kTaps; ++i) offset[i] = t.offsets[i];
    const ptrdiff_t a_x = t.a_x, b_x = t.b_x;
    for (int c = 0; c < kVirtualLanes; c += V::kLanes) {
        Accumulators<V, kGroup, kTaps> acc;
#pragma GCC unroll 8
        for (int j = 0; j < kGroup; ++j) {
#pragma GCC unroll 9
            for (int i = 0; i < kTaps; ++i) acc.at[j][i] = V::zero();
        }
        for (int64_t z = 0; z < t.z; ++z) {
            for (int64_t y = 0; y < t.y; ++y) {
                const float* at = t.a + z * t.a_z + y * t.a_y + c;
                // A group as wide as the vector or wider has one value for all lanes.
                const float* gradient =
                    t.b + z * t.b_z + y * t.b_y + (kGroup < V::kLanes ? c : c / kGroup * kGroup);
#pragma GCC unroll 1
                for (int64_t x = t.x; x > 0; --x, at += a_x, gradient += b_x) {
                    typename V::Reg a[kTaps];
#pragma GCC unroll 9
                    for (int i = 0; i < kTaps; ++i) {
                        a[i] = V::load(at + offset[i]);
                        V::pin(a[i]);
                    }
                    add_group<V, kGroup, kTaps, 0>(acc, a, gradient);
                }
            }
        }
        float* out = t.out + c;
#pragma GCC unroll 9
        for (int i = 0; i < kTaps; ++i) {
#pragma GCC unroll 8
            for (int j = 0; j < kGroup; ++j, out += kVirtualLanes) {
                V::store(out, t.add ? V::add(V::load(out), acc.at[j][i]) : acc.at[j][i]);
            }
        }
    }
}

}  // namespace nconv
