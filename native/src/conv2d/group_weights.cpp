// backward_weights of small groups: kVirtualLanes channels of several groups are in lanes, and each lane's input
// meets every output of its own group. gemm left 12 lanes of 16 empty with 4 channels per group.
#include <string.h>

#include "conv2d/outer.h"
#include "conv2d/planes.h"
#include "conv2d/weight_chunks.h"

namespace nconv {
namespace {

constexpr int64_t kLanes = kVirtualLanes;

int group_index(const Problem& p) {
    if (p.group_inputs != p.group_outputs || p.input_channels < kLanes / 2) return -1;
    return p.group_inputs == 2 ? 0 : p.group_inputs == 4 ? 1 : p.group_inputs == 8 ? 2 : -1;
}

Chunks group_chunks(const Problem& p) { return Chunks(p, kLanes); }

// The parts of the workspace, in floats.
struct Layout {
    Layout(const Problem& p, const Chunks& c) {
        blocks = ceil_div(p.input_channels, kLanes);
        block_sums = p.kernel_taps * p.group_inputs * kLanes;
        sums = shared.place(CheckedSize(c.partials) * blocks * block_sums);
        bias = shared.place(CheckedSize(c.partials) * p.bias_count);
        columns = InputLayout::window(p.width, p.width.output);
        rows = InputLayout::window(p.height, c.rows);
        // Whole vectors are read behind the last pixel.
        strip = per_thread.place(CheckedSize(c.images) * rows * columns * kLanes + kLanes);
        const CheckedSize pixels = CheckedSize(c.images) * c.rows * p.width.output;
        gradient = per_thread.place(pixels * kLanes + kLanes);
        output = per_thread.place(p.linear() ? CheckedSize(0) : pixels * kLanes);
    }
    int64_t blocks, block_sums;
    int64_t rows, columns;            // of the strip
    int64_t sums, bias;               // shared
    int64_t strip, gradient, output;  // per thread
    MemoryMap shared, per_thread;
};

class GroupPass {
public:
    GroupPass(const Context& context, const BackwardWeightsCall& call, const Workspace& workspace)
        : p_(context.problem),
          k_(*context.kernels),
          tiles_(k_.outer->group_tiles[group_index(p_)]),
          call_(call),
          workspace_(workspace),
          chunks_(group_chunks(p_)),
          layout_(p_, chunks_) {}

    void run(const Execution& execution) const {
        parallel_for(execution, chunks_.partials * layout_.blocks, [&](int64_t task, int slot) {
            add_chunks(task % chunks_.partials, task / chunks_.partials,
                       reinterpret_cast<float*>(workspace_.slot(slot)));
        });
        if (!call_.finishes()) return;
        parallel_for(execution, layout_.blocks, [&](int64_t block, int) { finish(block); });
        add_partial_bias(p_, call_, workspace_.shared_floats() + layout_.bias, chunks_.partials);
    }

private:
    int64_t channels(int64_t block) const {
        return min_of(kLanes, p_.input_channels - block * kLanes);
    }
    float* sums(int64_t partial, int64_t block) const {
        return workspace_.shared_floats() + layout_.sums +
               (partial * layout_.blocks + block) * layout_.block_sums;
    }
    float* bias(int64_t partial, int64_t block) const {
        return workspace_.shared_floats() + layout_.bias + partial * p_.bias_count + block * kLanes;
    }

    // The chunks of one partial sum, for one block of channels.
    void add_chunks(int64_t partial, int64_t block, float* memory) const {
        const int64_t count = channels(block);
        const ChunkRange range(call_, chunks_.cut(), partial);
        float* strip = memory + layout_.strip;
        for (int64_t i = range.first; i < range.end; ++i) {
            const Chunk chunk = make_chunk(p_, chunks_, range, i);
            for (int64_t n = 0; n < chunk.images; ++n)
                fill_strip(chunk, block, n, strip + n * layout_.rows * layout_.columns * count);
            const PixelView gradient = gradient_view(chunk, block, memory);
            if (call_.grad_bias != nullptr) {
                float* at = bias(partial, block);
                if (i == range.begin) memset(at, 0, static_cast<size_t>(count) * sizeof(float));
                for (int64_t n = 0; n < chunk.images; ++n)
                    k_.add_rows(gradient.at + n * gradient.z, gradient.x,
                                chunk.rows * p_.width.output, count, at);
            }
            multiply(chunk, strip, count, gradient, sums(partial, block), i > range.begin);
        }
    }

    // What the windows of an image's part of the chunk read, [row][column][channel], padding as zeros.
    void fill_strip(const Chunk& chunk, int64_t block, int64_t n, float* to) const {
        const int64_t count = channels(block), pitch = layout_.columns * count;
        const int64_t first_row = chunk.first_row * p_.height.stride - p_.height.pad_before;
        const int64_t before = min_of(layout_.columns, p_.width.pad_before);
        const int64_t copied = min_of(p_.width.input, layout_.columns - before);
        const bool last = p_.channels_last();
        const float* image = call_.input + (chunk.first_image + n) * p_.input_image +
                             block * kLanes * (last ? 1 : p_.input_pixels);
        const int64_t rows = InputLayout::window(p_.height, chunk.rows);
        for (int64_t y = 0; y < rows; ++y, to += pitch) {
            const int64_t row = first_row + y;
            if (row < 0 || row >= p_.height.input) {
                memset(to, 0, static_cast<size_t>(pitch) * sizeof(float));
                continue;
            }
            memset(to, 0, static_cast<size_t>(before * count) * sizeof(float));
            memset(
                to + (before + copied) * count, 0,
                static_cast<size_t>((layout_.columns - before - copied) * count) * sizeof(float));
            if (copied <= 0) continue;
            if (last) {
                k_.pack_columns(image + row * p_.width.input * p_.input_channels, p_.input_channels,
                                copied, static_cast<int>(count), to + before * count);
            } else {
                k_.transpose(image + row * p_.width.input, p_.input_pixels, to + before * count,
                             count, count, copied);
            }
        }
    }

    // images: of the output or its gradient, from the chunk's first one on.
    void take_gradient(const Chunk& chunk, int64_t block, const float* images, float* to) const {
        const int64_t count = channels(block), pixels = chunk.rows * p_.width.output;
        const int64_t first = chunk.first_row * p_.width.output;
        for (int64_t n = 0; n < chunk.images; ++n, to += pixels * count) {
            const float* image = images + n * p_.output_image;
            if (p_.channels_last()) {
                k_.pack_columns(image + first * p_.output_channels + block * kLanes,
                                p_.output_channels, pixels, static_cast<int>(count), to);
            } else {
                load_strip(k_, image + block * kLanes * p_.output_pixels, p_.output_pixels,
                           p_.width.output, {chunk.first_row, chunk.rows, 0, p_.width.output},
                           count, to, count);
            }
        }
    }

    // The block's part of grad_output times the activation's derivative; where it was if it can be read so.
    PixelView gradient_view(const Chunk& chunk, int64_t block, float* memory) const {
        const int64_t count = channels(block), width = p_.width.output;
        if (p_.channels_last() && p_.linear() && count == kLanes) {
            const int64_t x = p_.output_channels;
            return {chunk.gradient + chunk.first_row * width * x + block * kLanes, 1, x, width * x,
                    p_.output_image};
        }
        float* gradient = memory + layout_.gradient;
        take_gradient(chunk, block, chunk.gradient, gradient);
        const int64_t pixels = chunk.rows * width;
        if (call_.output != nullptr) {
            float* output = memory + layout_.output;
            take_gradient(chunk, block, call_.output + chunk.first_image * p_.output_image, output);
            k_.activations[p_.activation].derive(gradient, output, gradient,
                                                 chunk.images * pixels * count, p_.alpha, p_.beta);
        }
        return {gradient, 1, count, width * count, pixels * count};
    }

    void multiply(const Chunk& chunk, const float* strip, int64_t count, const PixelView& gradient,
                  float* sums, bool add) const {
        const int64_t pitch = layout_.columns * count;
        ptrdiff_t offsets[kMaxGroupTaps];
        GroupTileArgs args = {};
        args.a = strip;
        args.offsets = offsets;
        args.a_x = p_.width.stride * count;
        args.a_y = p_.height.stride * pitch;
        args.a_z = layout_.rows * pitch;
        args.b = gradient.at;
        args.b_x = gradient.x;
        args.b_y = gradient.y;
        args.b_z = gradient.z;
        args.x = p_.width.output;
        args.y = chunk.rows;
        args.z = chunk.images;
        args.add = add;
        for_each_share(p_.kernel_taps, ceil_div(p_.kernel_taps, tiles_.taps),
                       [&](int64_t first, int64_t taps) {
                           for (int64_t i = 0; i < taps; ++i) {
                               const int64_t r = (first + i) / p_.width.kernel;
                               const int64_t s = (first + i) % p_.width.kernel;
                               offsets[i] =
                                   r * p_.height.dilation * pitch + s * p_.width.dilation * count;
                           }
                           args.out = sums + first * p_.group_inputs * kLanes;
                           tiles_.tile[taps - 1](args);
                       });
    }

    // The partial sums of a block in order, and from [tap][output][lane] to the order of the weights.
    void finish(int64_t block) const {
        float* total = sums(0, block);
        for (int64_t i = 1; i < chunks_.partials; ++i)
            k_.add_rows(sums(i, block), 0, 1, layout_.block_sums, total);
        const int64_t size = p_.group_inputs;
        const int64_t tap_step = p_.channels_last() ? size : 1;
        const int64_t input_step = p_.channels_last() ? 1 : p_.kernel_taps;
        for (int64_t tap = 0; tap < p_.kernel_taps; ++tap) {
            for (int64_t j = 0; j < size; ++j, total += kLanes) {
                for (int64_t c = 0; c < channels(block); ++c) {
                    const int64_t output = block * kLanes + c / size * size + j;
                    float* out = call_.grad_weights + output * p_.kernel_taps * size +
                                 tap * tap_step + c % size * input_step;
                    *out = call_.accumulate ? *out + total[c] : total[c];
                }
            }
        }
    }

    const Problem& p_;
    const KernelSet& k_;
    const GroupTiles& tiles_;
    const BackwardWeightsCall& call_;
    const Workspace& workspace_;
    const Chunks chunks_;
    const Layout layout_;
};

}  // namespace

bool shares_lanes(const Problem& p) { return group_index(p) >= 0; }

CheckedSize group_task_bytes(const Problem& p) {
    return Layout(p, group_chunks(p)).per_thread.bytes();
}

WorkspaceSize group_weights_workspace(const Context& context) {
    const Layout layout(context.problem, group_chunks(context.problem));
    WorkspaceSize size;
    size.shared = layout.shared.bytes();
    size.per_thread = layout.per_thread.bytes();
    return size;
}

void group_backward_weights(const Context& context, const BackwardWeightsCall& call,
                            const Workspace& workspace, const Execution& execution) {
    GroupPass(context, call, workspace).run(execution);
}

WeightsCut group_weights_cut(const Context& context) { return group_chunks(context.problem).cut(); }

}  // namespace nconv
