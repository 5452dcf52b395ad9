// The tile of weight gradients with pixels in lanes: products of some planes of the input, each seen from a tap,
// and some of grad_output. What planes have side by side is read as it is; with channels in lanes instead, the
// transposition of grad_output held 3 to 64 channels at 60 % of peak.
#pragma once

#include "kernels/outer.h"
#include "kernels/tiles-inl.h"

namespace nconv {

// The lanes of a sum are kVirtualLanes, in so many registers.
template <class V>
struct DotShape {
    static constexpr int kParts = kVirtualLanes / V::kLanes;
    static constexpr int kGradients = V::kLanes == 1 ? 1 : V::kLanes == kVirtualLanes ? 4 : 2;
    static constexpr int kTerms = V::kLanes == 1 ? 1 : V::kLanes == kVirtualLanes ? 6 : 3;
};

template <class V, int kTerms>
struct DotTile {
    using Reg = typename V::Reg;
    using Shape = DotShape<V>;
    static constexpr int kGradients = Shape::kGradients;

    explicit DotTile(const DotTileArgs& t) {
#pragma GCC unroll 6
        for (int i = 0; i < kTerms; ++i) offset[i] = t.offsets[i];
#pragma GCC unroll 4
        for (int g = 0; g < kGradients; ++g) plane[g] = g < t.gradients ? g * t.b_plane : 0;
    }

    template <bool kWhole>
    [[gnu::always_inline]] void add(const float* a, const float* b, int left) {
#pragma GCC unroll 16
        for (int p = 0; p < Shape::kParts; ++p) {
            const int at = p * V::kLanes;
            const auto load = [&](const float* from) __attribute__((always_inline)) {
                return kWhole ? V::load(from + at) : V::load_partial(from + at, left - at);
            };
            Reg gradient[kGradients];
#pragma GCC unroll 4
            for (int g = 0; g < kGradients; ++g) gradient[g] = load(b + plane[g]);
#pragma GCC unroll 6
            for (int i = 0; i < kTerms; ++i) {
                Reg term = load(a + offset[i]);
                V::pin(term);
#pragma GCC unroll 4
                for (int g = 0; g < kGradients; ++g)
                    acc[i][g][p] = V::fma(term, gradient[g], acc[i][g][p]);
            }
        }
    }

    Reg acc[kTerms][kGradients][Shape::kParts];
    ptrdiff_t offset[kTerms], plane[kGradients];
};

template <class V, int kTerms>
void dot_tile(const DotTileArgs& t) {
    using Shape = DotShape<V>;
    DotTile<V, kTerms> tile(t);
    const typename V::Mask kept = V::range(0, t.add ? V::kLanes : 0);
    const auto for_each_sum = [&](const auto& body) __attribute__((always_inline)) {
        float* at = t.sums;
#pragma GCC unroll 6
        for (int i = 0; i < kTerms; ++i) {
#pragma GCC unroll 4
            for (int g = 0; g < Shape::kGradients; ++g) {
#pragma GCC unroll 16
                for (int p = 0; p < Shape::kParts; ++p, at += V::kLanes)
                    body(at, tile.acc[i][g][p]);
            }
        }
    };
    for_each_sum([&](float* at, typename V::Reg& sum)
                     __attribute__((always_inline)) { sum = V::load_where(kept, at); });
    const ptrdiff_t ahead = t.ahead, a_y = t.a_y, b_y = t.b_y;
    const int64_t vectors = t.x / kVirtualLanes;
    const int left = static_cast<int>(t.x % kVirtualLanes);
    for (int64_t z = 0; z < t.z; ++z) {
        const float *a_row = t.a + z * t.a_z, *b_row = t.b + z * t.b_z;
        for (int64_t y = t.y; y > 0; --y, a_row += a_y, b_row += b_y) {
            const float *a = a_row, *b = b_row;
#pragma GCC unroll 1
            for (int64_t x = vectors; x > 0; --x) {
                if (ahead != 0) {
                    __builtin_prefetch(b + ahead);
                    if (t.ahead_all) {
#pragma GCC unroll 4
                        for (int g = 1; g < Shape::kGradients; ++g)
                            __builtin_prefetch(b + ahead + tile.plane[g]);
                    }
                }
                tile.template add<true>(a, b, kVirtualLanes);
                a += kVirtualLanes;
                b += kVirtualLanes;
            }
            if (left != 0) tile.template add<false>(a, b, left);
        }
    }
    for_each_sum([&](float* at, typename V::Reg& sum)
                     __attribute__((always_inline)) { V::store(at, sum); });
}

template <class V>
void add_lanes(const float* chains, int64_t count, float* sums) {
    constexpr int kLanes = V::kLanes;
    alignas(64) float lanes[kVirtualLanes * kLanes] = {};  // [lane][sum]
    for (; count > 0; count -= kLanes, chains += kLanes * kVirtualLanes, sums += kLanes) {
        const int some = static_cast<int>(count < kLanes ? count : kLanes);
        for (int p = 0; p < kVirtualLanes; p += kLanes)
            V::transpose(chains + p, kVirtualLanes, lanes + p * kLanes, kLanes, some, kLanes);
        for (int width = kVirtualLanes / 2; width > 0; width /= 2) {
            for (int i = 0; i < width; ++i) {
                float* at = lanes + i * kLanes;
                V::store(at, V::add(V::load(at), V::load(at + width * kLanes)));
            }
        }
        V::store_partial(sums, V::load(lanes), some);
    }
}

}  // namespace nconv
