// backward_weights by Winograd's F(3 x 3, 4 x 4): for each point of the transformed tiles an outer product,
// grad_output's channels in the rows of a register tile and the input's in its lanes, summed over the tiles
// of a chunk; the sums of the 36 points are transformed back to nine taps while they are in L1.
//
// The tiles are taken in chunks, and runs of chunks are summed apart where the gradient is small: these partial
// sums, fixed by the shape, are added in order at the end. A task computes part of one partial sum and
// transforms for itself what that takes, so that no points cross between cores.
#include "conv2d/winograd_gradient.h"

#include <string.h>

#include "conv2d/balance.h"
#include "conv2d/weight_chunks.h"

namespace nconv {
namespace {

constexpr int64_t kTaps = kKernel * kKernel;

// The parts of the shared workspace, in floats.
struct Layout {
    Layout(const Problem& p, const GradientChunks& chunks) : apart(chunks.count() > 1) {
        sums = map.place(apart ? CheckedSize(chunks.partials) * p.weights_count : CheckedSize(0));
        bias = map.place(CheckedSize(chunks.partials) * p.bias_count);
    }
    bool apart;  // sums are collected before they are added to grad_weights
    int64_t sums, bias;
    MemoryMap map;
};

// How a partial sum of a group is cut into tasks: a grid of register tiles of output channels by blocks of
// input channels, such that the slowest thread ends first.
struct Cut {
    // partials: those added to.
    Cut(const Context& context, const GradientChunks& chunks, int64_t width, int64_t partials,
        int threads)
        : tiles(ceil_div(context.problem.group_outputs, context.kernels->winograd->gradient_rows)),
          blocks(ceil_div(context.problem.group_inputs, width)) {
        const Problem& p = context.problem;
        const int64_t sums = partials * p.groups;
        const int64_t chunk_count = ceil_div(chunks.count(), chunks.partials);
        double best = 0;
        const int64_t most = ceil_div(kTasksEnough * threads, sums);
        // Not every cut: with 64 threads that took 36 us of a call.
        for (int64_t i = 1; i <= min_of(blocks, most); i += 1 + i / 8) {
            for (int64_t j = 1; j <= min_of(tiles, ceil_div(most, i)); j += 1 + j / 8) {
                const auto cost = [&](int64_t inputs, int64_t outputs) {
                    return winograd_gradient_cost(p, chunk_count * chunks.most_tiles, chunk_count,
                                                  inputs, outputs);
                };
                const double average =
                    cost(ceil_div(p.group_inputs, i), ceil_div(p.group_outputs, j));
                const double largest = cost(
                    min_of(p.group_inputs, ceil_div(blocks, i) * width),
                    min_of(p.group_outputs, ceil_div(tiles, j) * ceil_div(p.group_outputs, tiles)));
                const double time = slowest_thread(sums * i * j, threads, average, largest);
                if (best > 0 && time >= best) continue;
                best = time;
                block_parts = i;
                tile_parts = j;
            }
        }
    }
    int64_t tiles, blocks;
    int64_t tile_parts = 1, block_parts = 1;
};

class GradientPass {
public:
    GradientPass(const Context& context, const BackwardWeightsCall& call,
                 const Workspace& workspace, const Execution& execution)
        : p_(context.problem),
          k_(*context.kernels),
          context_(context),
          call_(call),
          workspace_(workspace),
          execution_(execution),
          chunks_(p_),
          layout_(p_, chunks_),
          width_(int64_t{k_.winograd->gradient_vectors} * k_.lanes),
          cut_(context, chunks_, width_, call.active(chunks_.partials), execution.threads) {}

    void run() const {
        const int64_t parts = cut_.tile_parts * cut_.block_parts;
        parallel_for(execution_, chunks_.partials * p_.groups * parts, [&](int64_t task, int slot) {
            const int64_t part = task % parts, sum = task / parts;
            const int64_t i = part % cut_.block_parts, j = part / cut_.block_parts;
            Share share;
            share.partial = sum / p_.groups;
            share.group = sum % p_.groups;
            share.first_block = share_start(cut_.blocks, cut_.block_parts, i);
            share.end_block = share_start(cut_.blocks, cut_.block_parts, i + 1);
            share.first_tile = share_start(cut_.tiles, cut_.tile_parts, j);
            share.end_tile = share_start(cut_.tiles, cut_.tile_parts, j + 1);
            add_chunks(share, GradientSlot(context_, chunks_, workspace_.slot(slot)));
        });
        if (!call_.finishes()) return;
        if (layout_.apart) {
            parallel_for(execution_, p_.output_channels, [&](int64_t o, int slot) {
                add_partials(o, GradientSlot(context_, chunks_, workspace_.slot(slot)));
            });
        }
        add_partial_bias(p_, call_, bias_sums(0), chunks_.partials);
    }

private:
    struct Share {
        int64_t partial, group;
        int64_t first_block, end_block;  // of input channels
        int64_t first_tile, end_tile;    // of output channels
    };

    int64_t tile_start(int64_t tile) const {
        return share_start(p_.group_outputs, cut_.tiles, tile);
    }
    float* bias_sums(int64_t partial) const {
        return workspace_.shared_floats() + layout_.bias + partial * p_.bias_count;
    }

    // The chunks of one partial sum, for some tiles and blocks of channels.
    void add_chunks(const Share& s, const GradientSlot& slot) const {
        const int64_t o = tile_start(s.first_tile), o_count = tile_start(s.end_tile) - o;
        const int64_t c = s.first_block * width_;
        const int64_t c_count = min_of(s.end_block * width_, p_.group_inputs) - c;
        const ChannelRun outputs = {s.group * p_.group_outputs + o, o_count};
        const ChannelRun inputs = {s.group * p_.group_inputs + c, c_count};
        const ChunkRange range(call_, chunks_.cut(), s.partial);
        for (int64_t i = range.first; i < range.end; ++i) {
            const TileBlock chunk = chunks_.at(i);
            winograd_transform_gradient(context_, range, chunk, outputs, slot);
            if (call_.grad_bias != nullptr && s.first_block == 0) {
                float* bias = bias_sums(s.partial) + outputs.first;
                if (i == range.begin) memset(bias, 0, static_cast<size_t>(o_count) * sizeof(float));
                k_.add_rows(slot.gradient + kWinogradGradientPoints * slot.gradient_point,
                            slot.gradient_tile, chunk.tiles(), o_count, bias);
            }
            winograd_transform_input(context_, range, chunk, inputs, slot);
            multiply(s, slot, chunk.tiles(), i > range.begin);
        }
    }

    void multiply(const Share& s, const GradientSlot& slot, int64_t tiles, bool add) const {
        WinogradGradientArgs args = {};
        args.a_tile = slot.gradient_tile;
        args.a_point = slot.gradient_point;
        args.b_tile = width_;
        args.b_point = slot.input_point;
        args.tiles = tiles;
        args.scratch = slot.scratch;
        const int64_t start = tile_start(s.first_tile);
        for (int64_t b = s.first_block; b < s.end_block; ++b) {
            args.b = slot.input + (b - s.first_block) * slot.input_block;
            args.columns = static_cast<int>(min_of(width_, p_.group_inputs - b * width_));
            const int64_t vectors = ceil_div(args.columns, k_.lanes);
            for (int64_t t = s.first_tile; t < s.end_tile; ++t) {
                const int64_t from = tile_start(t), rows = tile_start(t + 1) - from;
                args.a = slot.gradient + from - start;
                args.rows = static_cast<int>(rows);
                args.sums = k_.winograd->gradient_sums[rows - 1][vectors - 1];
                const int64_t o = s.group * p_.group_outputs + from;
                if (layout_.apart || p_.channels_last()) {
                    float* to = layout_.apart ? workspace_.shared_floats() + layout_.sums +
                                                    s.partial * p_.weights_count
                                              : call_.grad_weights;
                    args.out = to + o * kTaps * p_.group_inputs + b * width_;
                    args.out_row = kTaps * p_.group_inputs;
                    args.out_tap = p_.group_inputs;
                    args.add = add || (call_.accumulate && !layout_.apart);
                    k_.winograd->gradient(args);
                    continue;
                }
                args.out = slot.stage;
                args.out_row = kTaps * width_;
                args.out_tap = width_;
                args.add = false;
                k_.winograd->gradient(args);
                for (int64_t i = 0; i < rows; ++i) {
                    store_filter(
                        slot.stage + i * args.out_row, width_, args.columns, slot,
                        call_.grad_weights + ((o + i) * p_.group_inputs + b * width_) * kTaps);
                }
            }
        }
    }

    // Some channels' gradients of one output channel, from [tap][channel] to NCHW's [channel][tap].
    void store_filter(const float* sums, int64_t pitch, int64_t columns, const GradientSlot& slot,
                      float* out) const {
        if (!call_.accumulate) {
            k_.transpose(sums, pitch, out, kTaps, kTaps, columns);
            return;
        }
        float* ordered = slot.stage + kTaps * k_.winograd->gradient_rows * width_;
        k_.transpose(sums, pitch, ordered, kTaps, kTaps, columns);
        k_.add_rows(ordered, 0, 1, kTaps * columns, out);
    }

    // The gradient of one output channel: its partial sums in order.
    void add_partials(int64_t o, const GradientSlot& slot) const {
        const int64_t filter = kTaps * p_.group_inputs;
        float* sums = workspace_.shared_floats() + layout_.sums + o * filter;
        k_.add_rows(sums + p_.weights_count, p_.weights_count, chunks_.partials - 1, filter, sums);
        float* out = call_.grad_weights + o * filter;
        if (!p_.channels_last()) {
            for (int64_t c = 0; c < p_.group_inputs; c += width_)
                store_filter(sums + c, p_.group_inputs, min_of(width_, p_.group_inputs - c), slot,
                             out + c * kTaps);
        } else {
            store_sums(call_, sums, filter, out);
        }
    }

    const Problem& p_;
    const KernelSet& k_;
    const Context& context_;
    const BackwardWeightsCall& call_;
    const Workspace& workspace_;
    const Execution& execution_;
    const GradientChunks chunks_;
    const Layout layout_;
    const int64_t width_;
    const Cut cut_;
};

}  // namespace

WorkspaceSize winograd_gradient_workspace(const Context& context) {
    const GradientChunks chunks(context.problem);
    WorkspaceSize size;
    size.shared = Layout(context.problem, chunks).map.bytes();
    size.per_thread = GradientSlot(context, chunks).bytes;
    return size;
}

void winograd_backward_weights(const Context& context, const BackwardWeightsCall& call,
                               const Workspace& workspace, const Execution& execution) {
    GradientPass(context, call, workspace, execution).run();
}

WeightsCut winograd_gradient_cut(const Context& context) {
    return GradientChunks(context.problem).cut();
}

}  // namespace nconv
