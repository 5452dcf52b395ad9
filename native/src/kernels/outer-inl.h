// The tile of weight gradients whose two operands are taken where they are: one side's channels in lanes, of
// the other side's values each row broadcasts its own. Nothing is packed for the rows, whose offsets are any:
// taps of a few channels, or channels side by side or planes apart.
#pragma once

#include "kernels/outer.h"
#include "kernels/tiles-inl.h"

namespace nconv {

// Offsets take a register each: more rows with fewer vectors would put them on the stack. Scalar tiles are
// small, as nobody waits for them.
template <class V>
struct OuterShape {
    static constexpr int kVectors = V::kLanes == 1 ? 1 : V::kRegisters >= 32 ? 4 : 2;
    static constexpr int kFewestRows = 4;
    static constexpr int rows(int vectors) {
        return V::kLanes == 1 ? kFewestRows : vectors == kVectors ? 6 : 8;
    }
};

// kBias: the columns are summed too, by additions beside the multiply-adds. In a pass of its own this read
// everything once more and took 8 to 20 % of the time. Tiles of kFewestRows may have fewer.
template <class V, int kRows, int kVectors, bool kPartial, bool kBias>
void outer_tile(const OuterTileArgs& t) {
    using Reg = typename V::Reg;
    constexpr bool kAnyRows = kRows == OuterShape<V>::kFewestRows;
    Accumulators<V, kRows, kVectors> acc;
    Reg bias[kVectors];
    ptrdiff_t offset[kRows];
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
        offset[i] = t.offsets[kAnyRows && i >= t.rows ? 0 : i];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) acc.at[i][v] = V::zero();
    }
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) bias[v] = V::zero();
    const ptrdiff_t a_x = t.a_x, b_x = t.b_x, ahead = t.ahead;
    const int left = t.columns - (kVectors - 1) * V::kLanes;
    const typename V::Mask last = V::range(0, left);
    for (int64_t z = 0; z < t.z; ++z) {
        for (int64_t y = 0; y < t.y; ++y) {
            const float* a = t.a + z * t.a_z + y * t.a_y;
            const float* row = t.b + z * t.b_z + y * t.b_y;
#pragma GCC unroll 1
            for (int64_t x = t.x; x > 0; --x, a += a_x, row += b_x) {
                Reg b[kVectors];
                if (ahead != 0) {
                    __builtin_prefetch(row + ahead);
                    if (t.ahead_all) {
#pragma GCC unroll 4
                        for (int v = 1; v < kVectors; ++v)
                            __builtin_prefetch(row + ahead + v * V::kLanes);
                    }
                }
#pragma GCC unroll 4
                for (int v = 0; v < kVectors; ++v) {
                    b[v] = kPartial && v == kVectors - 1 ? V::load_where(last, row + v * V::kLanes)
                                                         : V::load(row + v * V::kLanes);
                    V::pin(b[v]);
                    if (kBias) bias[v] = V::add(bias[v], b[v]);
                }
#pragma GCC unroll 8
                for (int i = 0; i < kRows; ++i) {
                    const Reg broadcast = V::broadcast(a + offset[i]);
#pragma GCC unroll 4
                    for (int v = 0; v < kVectors; ++v)
                        acc.at[i][v] = V::fma(broadcast, b[v], acc.at[i][v]);
                }
            }
        }
    }
    // Masks that leave out what is there, where nothing is added to it: no second copy of the stores.
    const typename V::Mask kept = V::range(0, t.add ? V::kLanes : 0);
    const typename V::Mask kept_last = V::range(0, t.add ? left : 0);
    // Partial stores that take more than a mask are in a loop of their own: they were half of a tile's code.
    constexpr bool kLater = kPartial && !V::kFreeMasks;
    Reg later[kLater ? kRows + 1 : 1];
    const auto finish = [&](float* out, const Reg* sums, int row) __attribute__((always_inline)) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
            float* to = out + v * V::kLanes;
            if (kLater && v == kVectors - 1) {
                later[row] = sums[v];
            } else if (kPartial && v == kVectors - 1) {
                V::store_partial(to, V::add(V::load_where(kept_last, to), sums[v]), left);
            } else {
                V::store(to, V::add(V::load_where(kept, to), sums[v]));
            }
        }
    };
    float* out = t.out;
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i, out += t.out_row) {
        if (kAnyRows && i >= t.rows) break;
        finish(out, acc.at[i], i);
    }
    if (kBias) finish(t.bias, bias, kRows);
    if (!kLater) return;
    constexpr int kLast = (kVectors - 1) * V::kLanes;
#pragma GCC unroll 1
    for (int i = 0; i < kRows + (kBias ? 1 : 0); ++i) {
        if (kAnyRows && i >= t.rows && i < kRows) continue;
        float* to = (i == kRows ? t.bias : t.out + i * t.out_row) + kLast;
        V::store_partial(to, V::add(V::load_where(kept_last, to), later[i]), left);
    }
}

// Groups of rows share a pointer, so that a tile of one or two vectors may be as high as there are registers. In tiles
// of eight rows 16 channels wait for their loads and their sums: 5 x 5 of 1 to 16 at 64 % of peak.
template <class V>
struct OuterGroupShape {
    static constexpr bool kServed =
        V::kLanes == kVirtualLanes && V::kRegisters >= 32 && V::kFreeMasks;
    static constexpr int each(int vectors) { return vectors == 1 ? 5 : 3; }
    static constexpr int most(int vectors) { return vectors == 1 ? 5 : 4; }
    static constexpr int kFewest = 3;
};

// The bias is summed in any case, beside the multiply-adds.
template <class V, int kGroups, int kVectors>
void outer_groups_tile(const OuterTileArgs& t) {
    using Reg = typename V::Reg;
    constexpr int kEach = OuterGroupShape<V>::each(kVectors);
    Accumulators<V, kGroups * kEach, kVectors> acc;
    Reg bias[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
        bias[v] = V::zero();
#pragma GCC unroll 25
        for (int i = 0; i < kGroups * kEach; ++i) acc.at[i][v] = V::zero();
    }
    const ptrdiff_t a_x = t.a_x, b_x = t.b_x, ahead = t.ahead;
    const ptrdiff_t step = t.group_step, three = 3 * step;
    const int left = t.columns - (kVectors - 1) * V::kLanes;
    const typename V::Mask last = V::range(0, left);
    for (int64_t z = 0; z < t.z; ++z) {
        for (int64_t y = 0; y < t.y; ++y) {
            const float* row = t.b + z * t.b_z + y * t.b_y;
            const float* a[kGroups];
#pragma GCC unroll 5
            for (int g = 0; g < kGroups; ++g) {
                const OuterGroup& group = t.groups[g < t.rows ? g : 0];
                a[g] = t.a + z * t.a_z + y * t.a_y + group.offset;
            }
#pragma GCC unroll 1
            for (int64_t x = t.x; x > 0; --x, row += b_x) {
                Reg b[kVectors];
                if (ahead != 0) {
                    __builtin_prefetch(row + ahead);
                    if (t.ahead_all && kVectors > 1) __builtin_prefetch(row + ahead + V::kLanes);
                }
#pragma GCC unroll 4
                for (int v = 0; v < kVectors; ++v) {
                    b[v] = v == kVectors - 1 ? V::load_where(last, row + v * V::kLanes)
                                             : V::load(row + v * V::kLanes);
                    V::pin(b[v]);
                    bias[v] = V::add(bias[v], b[v]);
                }
#pragma GCC unroll 5
                for (int g = 0; g < kGroups; ++g) {
#pragma GCC unroll 5
                    for (int i = 0; i < kEach; ++i) {
                        const Reg broadcast = V::broadcast(a[g] + (i == 3 ? three : i * step));
#pragma GCC unroll 4
                        for (int v = 0; v < kVectors; ++v) {
                            Reg& sum = acc.at[g * kEach + i][v];
                            sum = V::fma(broadcast, b[v], sum);
                        }
                    }
                    a[g] += a_x;
                }
            }
        }
    }
    const typename V::Mask kept = V::range(0, t.add ? V::kLanes : 0);
    const typename V::Mask kept_last = V::range(0, t.add ? left : 0);
    const auto finish = [&](float* to, const Reg* sums) __attribute__((always_inline)) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors - 1; ++v)
            V::store(to + v * V::kLanes, V::add(V::load_where(kept, to + v * V::kLanes), sums[v]));
        to += (kVectors - 1) * V::kLanes;
        V::store_where(last, to, V::add(V::load_where(kept_last, to), sums[kVectors - 1]));
    };
#pragma GCC unroll 5
    for (int g = 0; g < kGroups; ++g) {
        if (g >= t.rows) break;
        const int skipped = t.groups[g].skipped;
        float* to = t.out + t.groups[g].row * t.out_row;
#pragma GCC unroll 5
        for (int i = 0; i < kEach; ++i, to += t.out_row) {
            if (i >= skipped) finish(to, acc.at[g * kEach + i]);
        }
    }
    if (t.bias != nullptr) finish(t.bias, bias);
}

}  // namespace nconv
