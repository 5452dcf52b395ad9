// Row tiles whose last vector has no more channels than half its lanes: two rows share it, one in each half, so that
// 24 channels take three multiply-adds for two pixels and not four. The panel holds those channels twice.
#pragma once

#include "kernels/gemm-inl.h"

namespace nconv {

template <class V, int kRows, int kVectors>
class HalvesTile {
public:
    static_assert(kRows % 2 == 0 && kVectors > 1, "pairs of rows of a vector and a half at least");

    explicit HalvesTile(int columns)
        : low_(V::range(0, columns - kLast)), high_(V::range(kHalf, kHalf + columns - kLast)) {}

    // next_row() returns the rows of the result in turn.
    template <class NextRow>
    [[gnu::always_inline]] void start(TileMode mode, const float* init, NextRow next_row) {
        if (mode == TileMode::kContinue) {
#pragma GCC unroll 6
            for (int i = 0; i < kRows; i += 2) {
                const float *first = next_row(), *second = next_row();
                start_pair(i, first, second);
            }
        } else {
            if (init == nullptr) init = Zeros<V>::kValues;
#pragma GCC unroll 6
            for (int i = 0; i < kRows; i += 2) start_pair(i, init, init);
        }
    }

    template <class Source>
    [[gnu::always_inline]] void add(const float* panel, int64_t depth, const Source& source) {
#pragma GCC unroll 1
        for (int64_t k = 0; k < depth; ++k, panel += kVectors * V::kLanes) {
            typename V::Reg b[kVectors];
            load_pinned<V>(b, panel);
#pragma GCC unroll 6
            for (int i = 0; i < kRows; i += 2) {
                const typename V::Reg a0 = V::broadcast(source.at(i, k)),
                                      a1 = V::broadcast(source.at(i + 1, k));
#pragma GCC unroll 3
                for (int v = 0; v + 1 < kVectors; ++v) {
                    whole_[i][v] = V::fma(a0, b[v], whole_[i][v]);
                    whole_[i + 1][v] = V::fma(a1, b[v], whole_[i + 1][v]);
                }
                shared_[i / 2] = V::fma(V::halves(a0, a1), b[kVectors - 1], shared_[i / 2]);
            }
            source.step();
        }
    }

    template <class NextRow>
    [[gnu::always_inline]] void store(NextRow next_row) const {
#pragma GCC unroll 6
        for (int i = 0; i < kRows; i += 2) {
            float *first = next_row(), *second = next_row();
#pragma GCC unroll 3
            for (int v = 0; v + 1 < kVectors; ++v) {
                V::store(first + v * V::kLanes, whole_[i][v]);
                V::store(second + v * V::kLanes, whole_[i + 1][v]);
            }
            V::store_where(low_, first + kLast, shared_[i / 2]);
            V::store_where(high_, second + kLast - kHalf, shared_[i / 2]);
        }
    }

private:
    static constexpr int kLast = (kVectors - 1) * V::kLanes, kHalf = V::kLanes / 2;

    [[gnu::always_inline]] void start_pair(int i, const float* first, const float* second) {
#pragma GCC unroll 3
        for (int v = 0; v + 1 < kVectors; ++v) {
            whole_[i][v] = V::load(first + v * V::kLanes);
            whole_[i + 1][v] = V::load(second + v * V::kLanes);
        }
        shared_[i / 2] = V::halves(V::load_where(low_, first + kLast),
                                   V::load_where(high_, second + kLast - kHalf));
    }

    const typename V::Mask low_, high_;
    typename V::Reg whole_[kRows][kVectors - 1], shared_[kRows / 2];
};

template <class V, int kRows, int kVectors>
void halves_tile(const RowsTileArgs& t) {
    const auto rows = [outputs = t.outputs]() mutable { return *outputs++; };
    HalvesTile<V, kRows, kVectors> tile(t.columns);
    tile.start(t.mode, t.init, rows);
    const float* panel = t.panel;
    const float* const* sources = t.sources;
    for (int64_t tap = 0; tap < t.taps; ++tap, sources += t.source_pitch, panel += t.panel_tap)
        tile.add(panel, t.depth, RowPointers<V, kRows>(sources, t.offsets[tap]));
    tile.store(rows);
}

template <class V, int kRows, int kVectors>
void halves_run(const RowsRunArgs& t) {
    const ptrdiff_t source_step = t.source_step, out_step = t.out_step;
    const float* start = t.source;
    float* out = t.out;
    for (int64_t tiles = t.tiles; tiles > 0;
         --tiles, start += kRows * source_step, out += kRows * out_step) {
        const auto rows = [row = out, out_step]() mutable {
            float* const at = row;
            row = opaque(row + out_step);
            return at;
        };
        HalvesTile<V, kRows, kVectors> tile(t.columns);
        tile.start(t.mode, t.init, rows);
        if (t.ahead && tiles > 1) ask_for_tile<V, kRows, kVectors>(t, start, out);
        tile.add(t.panel, t.depth, RowSteps<V, kRows>(start, source_step));
        tile.store(rows);
    }
}

}  // namespace nconv
