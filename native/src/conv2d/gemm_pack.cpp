// The arrangement of the gather's weights: [group][phase][block of produced][tap y][tap x][reduced][width],
// width the vectors of the block. Once per training step, so it goes through the transpose kernel where the
// produced channels are not side by side: value by value, 512 x 512 x 3 x 3 took as long as its convolution.
#include <string.h>

#include "conv2d/gemm.h"
#include "conv2d/planes.h"

namespace nconv {
namespace {

// One block of produced channels of a group.
class Packing {
public:
    Packing(const Context& context, const Gather& g, int64_t e0, int64_t columns)
        : k_(*context.kernels),
          g_(g),
          e0_(e0),
          columns_(columns),
          stored_(round_up(columns_, context.kernels->lanes)),
          padded_(round_up(g.produced, context.kernels->lanes)) {}

    void run(const float* weights, float* packed) const {
        arrange(weights, packed);
        if (shares_vector(k_, columns_)) repeat_last(packed);
    }

private:
    void arrange(const float* weights, float* packed) const {
        weights += e0_ * steps_.produced;
        if (steps_.tap == 1 && g_.problem.kernel_taps > 1) {
            run_taps(weights, packed);
            return;
        }
        for (int64_t tap = 0; tap < g_.problem.kernel_taps; ++tap) {
            float* to = packed_at(tap, packed);
            if (to == nullptr) continue;
            const float* from = weights + tap * steps_.tap;
            if (steps_.produced == 1) {
                for (int64_t d = 0; d < g_.reduced; ++d)
                    copy_row(from + d * steps_.reduced, to + d * stored_);
            } else {
                if (columns_ < stored_) memset(to, 0, bytes(g_.reduced * stored_));
                k_.transpose(from, steps_.produced, to, stored_, columns_, g_.reduced);
            }
        }
    }

    // What the last vector holds, in its upper half again.
    void repeat_last(float* packed) const {
        const int64_t last = stored_ - k_.lanes, half = k_.lanes / 2;
        for (int64_t tap = 0; tap < g_.problem.kernel_taps; ++tap) {
            float* row = packed_at(tap, packed);
            for (int64_t d = 0; row != nullptr && d < g_.reduced; ++d, row += stored_)
                memcpy(row + last + half, row + last, bytes(columns_ - last));
        }
    }

    static size_t bytes(int64_t floats) { return static_cast<size_t>(floats) * sizeof(float); }

    // Where a tap of the kernel is stored, or null if no result reads it.
    float* packed_at(int64_t tap, float* packed) const {
        const int64_t width = g_.problem.width.kernel;
        const TapPlace y = g_.y.place(tap / width), x = g_.x.place(tap % width);
        if (y.phase >= g_.y.phases() || x.phase >= g_.x.phases()) return nullptr;
        const int64_t phase = y.phase * g_.x.phases() + x.phase;
        const int64_t index = y.index * g_.x.tap_count(x.phase) + x.index;
        return packed + g_.reduced * (g_.taps_before(phase) * padded_ + g_.tap_count(phase) * e0_ +
                                      index * stored_);
    }

    void copy_row(const float* from, float* to) const {
        memcpy(to, from, bytes(columns_));
        if (columns_ < stored_) memset(to + columns_, 0, bytes(stored_ - columns_));
    }

    // Taps side by side, sixteen channels at a time. What lies closer in the weights comes first: all produced
    // channels of a reduced one, or all reduced ones of sixteen rows, since more of them would not fit the
    // few sets of a cache that their pitch falls into.
    void run_taps(const float* weights, float* packed) const {
        const int64_t taps = g_.problem.kernel_taps;
        const bool near = steps_.produced < steps_.reduced;
        float tiles[2][kPlaneBlock][kPlaneBlock] = {};  // the second's last lanes stay zero
        for (int64_t t = 0; t < taps; t += kPlaneBlock) {
            const int64_t n = min_of(kPlaneBlock, taps - t);
            float* to[kPlaneBlock];
            for (int64_t i = 0; i < n; ++i) to[i] = packed_at(t + i, packed);
            const auto pack = [&](int64_t e, int64_t d) {
                const int64_t valid = min_of(kPlaneBlock, columns_ - e);
                const size_t size = bytes(min_of(kPlaneBlock, stored_ - e));
                float(*tile)[kPlaneBlock] = tiles[valid < kPlaneBlock];
                k_.transpose(weights + e * steps_.produced + d * steps_.reduced + t,
                             steps_.produced, tile[0], kPlaneBlock, valid, n);
                for (int64_t i = 0; i < n; ++i)
                    if (to[i] != nullptr) memcpy(to[i] + d * stored_ + e, tile[i], size);
            };
            for (int64_t outer = 0; outer < (near ? g_.reduced : columns_);
                 outer += near ? 1 : kPlaneBlock)
                for (int64_t inner = 0; inner < (near ? columns_ : g_.reduced);
                     inner += near ? kPlaneBlock : 1)
                    near ? pack(inner, outer) : pack(outer, inner);
        }
    }

    const KernelSet& k_;
    const Gather& g_;
    const WeightSteps steps_{g_};
    const int64_t e0_, columns_, stored_, padded_;
};

}  // namespace

CheckedSize gemm_packed_count(const Context& context, const Gather& g) {
    return CheckedSize(g.taps_before(g.phases())) * g.reduced *
           round_up(g.produced, context.kernels->lanes) * g.problem.groups;
}

void gemm_pack(const Context& context, const Gather& g, const float* weights, float* packed) {
    const ProducedBlocks blocks(context, g);
    const int64_t group_weights = g.problem.weights_count / g.problem.groups;
    const int64_t group_packed = gemm_packed_count(context, g).value() / g.problem.groups;
    for (int64_t group = 0; group < g.problem.groups; ++group) {
        for (int64_t b = 0; b < blocks.count; ++b) {
            Packing(context, g, blocks.first(b), blocks.columns(b))
                .run(weights + group * group_weights, packed + group * group_packed);
        }
    }
}

}  // namespace nconv
