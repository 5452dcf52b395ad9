#include <string.h>

#include "conv2d/planes.h"
#include "conv2d/winograd.h"

namespace nconv {
namespace {

// Where each tap lies in the window: backward_input reads it mirrored.
void place_taps(const Window& axis, int64_t* kernel_at) {
    const bool mirrored = axis.tap_step() < 0;
    for (int64_t t = 0; t < kKernel; ++t) {
        kernel_at[mirrored ? kKernel - 1 - t : t] = axis.tap(0, t).kernel;
    }
}

constexpr int64_t kTaps = kKernel * kKernel;

// Of some reduced channels the taps of sixteen produced ones, side by side.
struct TapBlock {
    float at[kPlaneBlock][kTaps][kPlaneBlock];
};

void load_taps(const KernelSet& k, const WeightSteps& steps, const float* from, int64_t depth,
               int64_t valid, TapBlock* block) {
    if (steps.tap == 1) {
        for (int64_t d = 0; d < depth; ++d)
            k.transpose(from + d * steps.reduced, steps.produced, block->at[d][0], kPlaneBlock,
                        valid, kTaps);
        return;
    }
    for (int64_t t = 0; t < kTaps; ++t, from += steps.tap) {
        if (steps.reduced == 1) {
            k.transpose(from, steps.produced, block->at[0][t], kTaps * kPlaneBlock, valid, depth);
            continue;
        }
        for (int64_t d = 0; d < depth; ++d)
            memcpy(block->at[d][t], from + d * steps.reduced,
                   static_cast<size_t>(valid) * sizeof(float));
    }
}

}  // namespace

void winograd_pack(const Winograd& w, const float* weights, float* packed) {
    const WeightSteps steps(w.g);
    int64_t kernel_y[kKernel], kernel_x[kKernel];
    place_taps(w.g.y, kernel_y);
    place_taps(w.g.x, kernel_x);
    WinogradWeightsArgs args = {};
    for (int t = 0; t < kTaps; ++t)
        args.order[t] = static_cast<int>(kernel_y[t / kKernel] * kKernel + kernel_x[t % kKernel]);
    for (int64_t group = 0; group < w.g.problem.groups; ++group) {
        for (int64_t e0 = 0; e0 < w.g.produced; e0 += w.width) {
            const int64_t columns = min_of(w.width, w.g.produced - e0);
            const int64_t stored = round_up(columns, w.k.lanes);
            args.out_point = w.g.reduced * stored;
            TapBlock blocks[kMaxTileVectors] = {};
            for (int64_t d = 0; d < w.g.reduced; d += kPlaneBlock) {
                const int64_t depth = min_of(kPlaneBlock, w.g.reduced - d);
                const float* from = weights + e0 * steps.produced + d * steps.reduced;
                for (int64_t e = 0; e < columns; e += kPlaneBlock) {
                    load_taps(w.k, steps, from + e * steps.produced, depth,
                              min_of(kPlaneBlock, columns - e), &blocks[e / kPlaneBlock]);
                }
                // A point's run is stored in one go: its lines lie far from the other points'.
                for (int64_t i = 0; i < depth * stored; i += args.channels) {
                    const int64_t e = i % stored;
                    args.channels = static_cast<int>(min_of(kPlaneBlock, stored - e));
                    args.taps = blocks[e / kPlaneBlock].at[i / stored][0];
                    args.out = packed + d * stored + i;
                    w.kernel.weights(args);
                }
            }
            packed += w.panels * w.g.reduced * stored;
        }
        weights += w.g.problem.weights_count / w.g.problem.groups;
    }
}

}  // namespace nconv
