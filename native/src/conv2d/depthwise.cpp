// Depthwise convolution: every channel its own group and one output per input channel. All three passes
// walk rows; a row is cut where its set of taps changes, so a tap that would read padding is never
// multiplied. NHWC puts channels in lanes, NCHW pixels.
#include <string.h>

#include "conv2d/derivative.h"

namespace nconv {
namespace {

constexpr int kMaxTaps = 256;
constexpr int kMaxKernel = 32;  // taps along one axis
constexpr int kMaxStride = 4;

const char* declines(const Problem& p, nconv_pass pass) {
    if (p.group_inputs != 1 || p.group_outputs != 1)
        return "more than one input or output channel per group";
    if (p.kernel_taps > kMaxTaps || max_of(p.height.kernel, p.width.kernel) > kMaxKernel) {
        return "more than 256 taps, or 32 along one axis";
    }
    if (pass == NCONV_PASS_BACKWARD_INPUT && max_of(p.height.stride, p.width.stride) > kMaxStride) {
        return "a stride above 4";
    }
    return nullptr;
}

// A block of channels of grad_weights is summed in its thread's workspace, a chain or kVirtualLanes
// chains per tap.
constexpr int64_t kChannelBlock = kVirtualLanes;

WorkspaceSize workspace(const Context& context, nconv_pass pass) {
    const Problem& p = context.problem;
    WorkspaceSize size;
    if (pass == NCONV_PASS_FORWARD) return size;
    if (!p.linear()) size.shared = CheckedSize(p.output_image) * int64_t{sizeof(float)};
    if (pass == NCONV_PASS_BACKWARD_WEIGHTS) {
        size.per_thread = (p.kernel_taps + 1) * kChannelBlock * int64_t{sizeof(float)};
    }
    return size;
}

CheckedSize packed_count(const Context& context, nconv_pass) {
    return context.problem.weights_count;
}

// Packed: [tap][channel] for channels in lanes, [channel][tap], as given, for pixels in lanes.
void pack(const Context& context, nconv_pass, const float* weights, float* packed) {
    const Problem& p = context.problem;
    if (p.channels_last()) {
        context.kernels->transpose(weights, p.kernel_taps, packed, p.input_channels,
                                   p.input_channels, p.kernel_taps);
    } else {
        memcpy(packed, weights, static_cast<size_t>(p.weights_count) * sizeof(float));
    }
}

// The taps of one phase of an axis.
struct PhaseTaps {
    Tap at[kMaxKernel];
    int count = 0;
};

// Pixels of one phase of a row that share their taps: taps[first_tap .. end_tap-1] read inside.
struct Run {
    int phase;
    int64_t first, count;
    int first_tap, end_tap;
};

// Everything about both axes that does not change from row to row, worked out once per call: a 3 x 3 row of
// 28 pixels is 18 vector multiply-adds on AVX-512, less than a few integer divisions.
class Rows {
public:
    Rows(const Window& y, const Window& x) : x_(x) {
        for (int i = 0; i < y.phases(); ++i) fill(y, i, &y_taps[i]);
        for (int i = 0; i < x.phases(); ++i) {
            fill(x, i, &x_taps[i]);
            add_runs(i);
        }
    }

    PhaseTaps y_taps[kMaxStride], x_taps[kMaxStride];
    // The taps inside change at most twice per tap.
    Run runs[kMaxStride * (2 * kMaxKernel + 1)];
    int run_count = 0;

private:
    static void fill(const Window& axis, int phase, PhaseTaps* taps) {
        taps->count = static_cast<int>(axis.tap_count(phase));
        for (int t = 0; t < taps->count; ++t) taps->at[t] = axis.tap(phase, t);
    }

    // Offsets are monotonic in the tap, so the taps inside are a range; runs of equal ranges are merged.
    // Between the first and the last pixel that reach over an edge all taps are inside.
    void add_runs(int phase) {
        const PhaseTaps& taps = x_taps[phase];
        const int64_t size = x_.phase_size(phase), step = x_.source_step();
        int64_t low = 0, high = 0;
        for (int t = 0; t < taps.count; ++t) {
            low = min_of(low, taps.at[t].offset);
            high = max_of(high, taps.at[t].offset);
        }
        const int64_t inside_first = ceil_div(-low, step);
        const int64_t inside_end =
            min_of(size, ceil_div(max_of(0, x_.source_extent() - high), step));
        for (int64_t at = 0; at < size;) {
            int first_tap = 0, end_tap = 0;
            for (int t = 0; t < taps.count; ++t) {
                const int64_t column = at * step + taps.at[t].offset;
                if (column < 0 || column >= x_.source_extent()) continue;
                if (end_tap == 0) first_tap = t;
                end_tap = t + 1;
            }
            const int64_t count = at >= inside_first && at < inside_end ? inside_end - at : 1;
            add(phase, at, count, first_tap, end_tap);
            at += count;
        }
    }

    void add(int phase, int64_t first, int64_t count, int first_tap, int end_tap) {
        Run* last = run_count > 0 ? &runs[run_count - 1] : nullptr;
        if (last != nullptr && last->phase == phase && last->first_tap == first_tap &&
            last->end_tap == end_tap) {
            last->count += count;
        } else {
            runs[run_count++] = {phase, first, count, first_tap, end_tap};
        }
    }

    const Window& x_;
};

// Both gathers. A task is one result row, of one plane in NCHW.
class RowGather {
public:
    RowGather(const Context& context, const Gather& g, const GatherCall& call)
        : context_(context), g_(g), call_(call), rows_(g.y, g.x) {}

    void run(int64_t images, const Execution& execution) const {
        const int64_t planes = channels_last_ ? 1 : p_.input_channels;
        parallel_for(execution, images * planes * g_.y.result_extent(),
                     [this](int64_t task, int) { run_row(task); });
    }

private:
    void run_row(int64_t task) const {
        const int64_t rows = g_.y.result_extent(), row = task % rows, plane = task / rows;
        const int64_t phase_y = g_.forward ? 0 : row % g_.y.result_step();
        const int64_t position = g_.forward ? row * g_.y.source_step() : row / g_.y.result_step();
        const int64_t channel = channels_last_ ? 0 : plane % p_.input_channels;
        const float* source = call_.source + plane * g_.y.source_extent() * source_row_;
        const float* weights = call_.packed + channel * p_.kernel_taps;
        float* result = call_.result + task * result_row_;
        const PhaseTaps& y_taps = rows_.y_taps[phase_y];
        for (int r = 0; r < rows_.run_count; ++r) {
            const Run& run = rows_.runs[r];
            DepthwiseTap taps[kMaxTaps];
            int tap_count = 0;
            for (int t = 0; t < y_taps.count; ++t) {
                const int64_t at = position + y_taps.at[t].offset;
                if (at < 0 || at >= g_.y.source_extent()) continue;
                const float* from =
                    source + at * source_row_ + run.first * g_.x.source_step() * lanes_;
                const float* weight = weights + y_taps.at[t].kernel * p_.width.kernel * lanes_;
                for (int u = run.first_tap; u < run.end_tap; ++u) {
                    const Tap& tap = rows_.x_taps[run.phase].at[u];
                    taps[tap_count++] = {from + tap.offset * lanes_, weight + tap.kernel * lanes_};
                }
            }
            DepthwiseArgs args = {};
            args.taps = taps;
            args.tap_count = tap_count;
            args.pixels = run.count;
            args.source_step = g_.x.source_step() * lanes_;
            args.out = result + (run.first * g_.x.result_step() + run.phase) * lanes_;
            args.out_step = g_.x.result_step() * lanes_;
            args.channels = lanes_;
            args.init = call_.bias != nullptr ? call_.bias + channel : nullptr;
            const KernelSet& k = *context_.kernels;
            (channels_last_ ? k.depthwise_channels : k.depthwise_pixels)(args);
        }
        if (g_.forward && !p_.linear()) activate(result);
    }

    void activate(float* result) const {
        constexpr int64_t kPiece = 1 << 20;
        for (int64_t at = 0; at < result_row_; at += kPiece) {
            float* piece = result + at;
            context_.kernels->activations[p_.activation].apply(
                &piece, 1, static_cast<int>(min_of(kPiece, result_row_ - at)), p_.alpha, p_.beta);
        }
    }

    const Context& context_;
    const Gather& g_;
    const GatherCall call_;
    const Problem& p_ = context_.problem;
    const bool channels_last_ = p_.channels_last();
    const int64_t lanes_ = channels_last_ ? p_.input_channels : 1;
    const int64_t source_row_ = g_.x.source_extent() * lanes_;
    const int64_t result_row_ = g_.x.result_extent() * lanes_;
    const Rows rows_;
};

void forward(const Context& context, const ForwardCall& call, const Workspace&,
             const Execution& execution) {
    const Problem& p = context.problem;
    const Gather gather(p, NCONV_PASS_FORWARD);
    RowGather(context, gather, {call.input, call.packed, call.bias, call.output})
        .run(p.batch, execution);
}

void backward_input(const Context& context, const BackwardInputCall& call,
                    const Workspace& workspace, const Execution& execution) {
    const Problem& p = context.problem;
    const Gather gather(p, NCONV_PASS_BACKWARD_INPUT);
    for_each_derived(context, call, workspace, execution,
                     [&](const GatherCall& part, int64_t images) {
                         RowGather(context, gather, part).run(images, execution);
                     });
}

// The sum of kVirtualLanes chains in a fixed tree.
float reduce(const float* chains) {
    float sum[kVirtualLanes];
    memcpy(sum, chains, sizeof sum);
    for (int width = kVirtualLanes / 2; width > 0; width /= 2) {
        for (int i = 0; i < width; ++i) sum[i] += sum[i + width];
    }
    return sum[0];
}

void add_to(float* out, float value, bool overwrite) { *out = overwrite ? value : *out + value; }

// One image's share of the sums of one block of channels (NHWC) or one channel (NCHW): every output row,
// cut where its taps change.
void add_image(const Context& context, const Rows& rows, const float* input, const float* grad,
               int64_t channel, int channels, float* sums) {
    const Problem& p = context.problem;
    const KernelSet& k = *context.kernels;
    const bool channels_last = p.channels_last();
    const int64_t lanes = channels_last ? p.input_channels : 1;
    const float* plane = channels_last ? input + channel : input + channel * p.input_pixels;
    const float* grads = channels_last ? grad + channel : grad + channel * p.output_pixels;
    for (int64_t row = 0; row < p.height.output; ++row) {
        for (int i = 0; i < rows.run_count; ++i) {
            const Run& run = rows.runs[i];
            for (int r = 0; r < p.height.kernel; ++r) {
                const int64_t at = row * p.height.stride + rows.y_taps[0].at[r].offset;
                if (at < 0 || at >= p.height.input || run.first_tap == run.end_tap) continue;
                const float* source =
                    plane + (at * p.width.input + run.first * p.width.stride) * lanes;
                // A block is one or more vectors of channels; with pixels in lanes it is one channel.
                const int vector = channels_last ? k.lanes : 1;
                for (int c = 0; c < channels; c += vector) {
                    DepthwiseTap taps[kMaxKernel];
                    for (int s = run.first_tap; s < run.end_tap; ++s) {
                        taps[s - run.first_tap].source =
                            source + rows.x_taps[0].at[s].offset * lanes + c;
                    }
                    DepthwiseWeightsArgs args = {};
                    args.taps = taps;
                    args.tap_count = run.end_tap - run.first_tap;
                    args.pixels = run.count;
                    args.source_step = p.width.stride * lanes;
                    args.grad = grads + (row * p.width.output + run.first) * lanes + c;
                    args.grad_step = lanes;
                    args.channels = static_cast<int>(min_of(vector, channels - c));
                    args.sums = sums + (r * p.width.kernel + run.first_tap) * kChannelBlock + c;
                    args.sums_tap = kChannelBlock;
                    (channels_last ? k.depthwise_weights_channels
                                   : k.depthwise_weights_pixels)(args);
                }
            }
        }
    }
}

void backward_weights(const Context& context, const BackwardWeightsCall& call,
                      const Workspace& workspace, const Execution& execution) {
    const Problem& p = context.problem;
    const KernelSet& k = *context.kernels;
    const bool channels_last = p.channels_last();
    const int64_t block = channels_last ? kChannelBlock : 1;
    const Window y(p.height, NCONV_PASS_FORWARD), x(p.width, NCONV_PASS_FORWARD);
    const Rows rows(y, x);
    // Image by image, each added to the result: sums stay short and the derived gradient one image long.
    for (int64_t n = 0; n < p.batch; ++n) {
        const bool overwrite = n == 0 && !call.accumulate;
        const float* grad = call.grad_output + n * p.output_image;
        if (call.output != nullptr) {
            derive_gradient(context, grad, call.output + n * p.output_image,
                            workspace.shared_floats(), p.output_image, execution);
            grad = workspace.shared_floats();
        }
        parallel_for(execution, ceil_div(p.input_channels, block), [&](int64_t task, int slot) {
            const int64_t first = task * block;
            const int channels = static_cast<int>(min_of(block, p.input_channels - first));
            float* sums = reinterpret_cast<float*>(workspace.slot(slot));
            float* bias = sums + p.kernel_taps * kChannelBlock;
            memset(sums, 0,
                   static_cast<size_t>((p.kernel_taps + 1) * kChannelBlock) * sizeof(float));
            add_image(context, rows, call.input + n * p.input_image, grad, first, channels, sums);
            for (int64_t t = 0; t < p.kernel_taps; ++t) {
                for (int c = 0; c < channels; ++c) {
                    add_to(call.grad_weights + (first + c) * p.kernel_taps + t,
                           channels_last ? sums[t * kChannelBlock + c]
                                         : reduce(sums + t * kChannelBlock),
                           overwrite);
                }
            }
            if (call.grad_bias == nullptr) return;
            if (channels_last) {
                k.add_rows(grad + first, p.input_channels, p.output_pixels, channels, bias);
                for (int c = 0; c < channels; ++c)
                    add_to(call.grad_bias + first + c, bias[c], overwrite);
            } else {
                const float* plane = grad + first * p.output_pixels;
                const int64_t whole = p.output_pixels / kVirtualLanes,
                              rest = p.output_pixels % kVirtualLanes;
                k.add_rows(plane, kVirtualLanes, whole, kVirtualLanes, bias);
                k.add_rows(plane + whole * kVirtualLanes, kVirtualLanes, 1, rest, bias);
                add_to(call.grad_bias + first, reduce(bias), overwrite);
            }
        });
    }
}

}  // namespace

const Algorithm kDepthwise = {"depthwise", declines, never_yields,   workspace,       packed_count,
                              pack,        forward,  backward_input, backward_weights};

}  // namespace nconv
