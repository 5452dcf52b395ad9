// Depthwise convolution: every channel its own group and one output per input channel. All three passes
// walk rows; a row is cut where its set of taps changes, so a tap that would read padding is never
// multiplied. NHWC puts channels in lanes, NCHW pixels.
#include <string.h>

#include "conv2d/gather.h"

namespace nconv {
namespace {

constexpr int kMaxTaps = 256;
constexpr int64_t kMaxStride = 64;
constexpr int64_t kMaxKernelWidth = 64;

const char* declines(const Problem& p, nconv_pass pass) {
    if (p.group_inputs != 1 || p.group_outputs != 1) return "more than one channel per group";
    if (p.kernel_taps > kMaxTaps || p.width.kernel > kMaxKernelWidth) return "more than 256 taps, or 64 in a row";
    if (pass == NCONV_PASS_BACKWARD_INPUT && max_of(p.height.stride, p.width.stride) > kMaxStride) {
        return "a stride above 64";
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

CheckedSize packed_count(const Context& context, nconv_pass) { return context.problem.weights_count; }

// Packed: [tap][channel] for channels in lanes, [channel][tap], as given, for pixels in lanes.
void pack(const Context& context, nconv_pass, const float* weights, float* packed) {
    const Problem& p = context.problem;
    if (p.channels_last()) {
        context.kernels->transpose(weights, p.kernel_taps, packed, p.input_channels, p.input_channels,
                                   p.kernel_taps);
    } else {
        memcpy(packed, weights, static_cast<size_t>(p.weights_count) * sizeof(float));
    }
}

// Taps along x that read inside, as a range: offsets are monotonic in the tap, so they are contiguous.
struct TapRange {
    int64_t first, end;
    bool operator==(const TapRange& other) const { return first == other.first && end == other.end; }
};

TapRange taps_inside(const Window& axis, int64_t phase, int64_t taps, int64_t position) {
    TapRange range = {0, 0};
    bool any = false;
    for (int64_t t = 0; t < taps; ++t) {
        const int64_t at = position + axis.tap(phase, t).offset;
        if (at < 0 || at >= axis.source_extent()) continue;
        if (!any) range.first = t;
        any = true;
        range.end = t + 1;
    }
    return range;
}

// Calls body(first, count, range) for the runs of a phase's pixels along x that share their taps. In the
// middle every tap is inside; that stretch is found by arithmetic, the border pixel by pixel.
template <class Body>
void for_each_run(const Window& axis, int64_t phase, const Body& body) {
    const int64_t size = axis.phase_size(phase), taps = axis.tap_count(phase), step = axis.source_step();
    if (taps == 0) {
        body(0, size, TapRange{0, 0});
        return;
    }
    int64_t low = axis.tap(phase, 0).offset, high = low;
    for (int64_t t = 1; t < taps; ++t) {
        low = min_of(low, axis.tap(phase, t).offset);
        high = max_of(high, axis.tap(phase, t).offset);
    }
    const int64_t full_first = low < 0 ? ceil_div(-low, step) : 0;
    const int64_t room = axis.source_extent() - high;
    const int64_t full_end = min_of(size, room > 0 ? ceil_div(room, step) : 0);
    for (int64_t at = 0; at < size;) {
        if (at == full_first && full_first < full_end) {
            body(at, full_end - at, TapRange{0, taps});
            at = full_end;
            continue;
        }
        body(at, 1, taps_inside(axis, phase, taps, at * step));
        ++at;
    }
}

// Both gathers. A task is one result row, of one plane in NCHW.
void run(const Context& context, const Gather& g, const GatherCall& call, int64_t images,
         const Execution& execution) {
    const Problem& p = context.problem;
    const KernelSet& k = *context.kernels;
    const bool channels_last = p.channels_last();
    const int64_t channels = p.input_channels, planes = channels_last ? 1 : channels;
    const int64_t lanes = channels_last ? channels : 1;
    const int64_t rows = g.y.result_extent(), columns = g.x.result_extent();
    const int64_t source_row = g.x.source_extent() * lanes;
    const ActivationKernel& activation = k.activations[p.activation];
    parallel_for(execution, images * planes * rows, [&](int64_t task, int) {
        const int64_t row = task % rows, plane = task / rows;
        const int64_t phase_y = g.forward ? 0 : row % g.y.result_step();
        const int64_t position = g.forward ? row * g.y.source_step() : row / g.y.result_step();
        const float* source = call.source + plane * g.y.source_extent() * source_row;
        float* result = call.result + (plane * rows + row) * columns * lanes;
        const int64_t channel = plane % planes;
        const float* weights = call.packed + (channels_last ? 0 : channel * p.kernel_taps);
        const int64_t weight_step = channels_last ? channels : 1;
        for (int64_t phase = 0; phase < g.x.phases(); ++phase) {
            for_each_run(g.x, phase, [&](int64_t first, int64_t count, TapRange range) {
                DepthwiseTap taps[kMaxTaps];
                int tap_count = 0;
                const int64_t taps_y = g.y.tap_count(phase_y);
                for (int64_t t = 0; t < taps_y; ++t) {
                    const Tap ty = g.y.tap(phase_y, t);
                    const int64_t at = position + ty.offset;
                    if (at < 0 || at >= g.y.source_extent()) continue;
                    for (int64_t u = range.first; u < range.end; ++u) {
                        const Tap tx = g.x.tap(phase, u);
                        const int64_t column = first * g.x.source_step() + tx.offset;
                        taps[tap_count++] = {source + at * source_row + column * lanes,
                                             weights + (ty.kernel * p.width.kernel + tx.kernel) * weight_step};
                    }
                }
                DepthwiseArgs args = {};
                args.taps = taps;
                args.tap_count = tap_count;
                args.pixels = count;
                args.source_step = g.x.source_step() * lanes;
                args.out = result + (first * g.x.result_step() + phase) * lanes;
                args.out_step = g.x.result_step() * lanes;
                args.channels = lanes;
                args.init = call.bias != nullptr ? call.bias + (channels_last ? 0 : channel) : nullptr;
                (channels_last ? k.depthwise_channels : k.depthwise_pixels)(args);
            });
        }
        if (g.forward && !p.linear()) {
            constexpr int64_t kPiece = 1 << 20;
            for (int64_t at = 0; at < columns * lanes; at += kPiece) {
                float* piece = result + at;
                activation.apply(&piece, 1, static_cast<int>(min_of(kPiece, columns * lanes - at)), p.alpha,
                                 p.beta);
            }
        }
    });
}

void forward(const Context& context, const ForwardCall& call, const Workspace&, const Execution& execution) {
    const Problem& p = context.problem;
    run(context, Gather(p, NCONV_PASS_FORWARD), {call.input, call.packed, call.bias, call.output}, p.batch,
        execution);
}

void backward_input(const Context& context, const BackwardInputCall& call, const Workspace& workspace,
                    const Execution& execution) {
    const Problem& p = context.problem;
    const Gather gather(p, NCONV_PASS_BACKWARD_INPUT);
    if (call.output == nullptr) {
        run(context, gather, {call.grad_output, call.packed, nullptr, call.grad_input}, p.batch, execution);
        return;
    }
    for (int64_t n = 0; n < p.batch; ++n) {
        const int64_t at = n * p.output_image;
        derive_gradient(context, call.grad_output + at, call.output + at, workspace.shared_floats(),
                        p.output_image, execution);
        run(context, gather, {workspace.shared_floats(), call.packed, nullptr, call.grad_input + n * p.input_image},
            1, execution);
    }
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
void add_image(const Context& context, const float* input, const float* grad, int64_t channel, int channels,
               float* sums) {
    const Problem& p = context.problem;
    const Window y(p.height, NCONV_PASS_FORWARD), x(p.width, NCONV_PASS_FORWARD);
    const int64_t lanes = p.channels_last() ? p.input_channels : 1;
    const float* plane = p.channels_last() ? input + channel : input + channel * p.input_pixels;
    const float* grads = p.channels_last() ? grad + channel : grad + channel * p.output_pixels;
    for (int64_t row = 0; row < p.height.output; ++row) {
        for_each_run(x, 0, [&](int64_t first, int64_t count, TapRange range) {
            for (int64_t r = 0; r < p.height.kernel; ++r) {
                const int64_t at = row * p.height.stride + y.tap(0, r).offset;
                if (at < 0 || at >= p.height.input || range.first == range.end) continue;
                DepthwiseTap taps[kMaxKernelWidth];
                int tap_count = 0;
                for (int64_t s = range.first; s < range.end; ++s) {
                    const int64_t column = first * p.width.stride + x.tap(0, s).offset;
                    taps[tap_count++].source = plane + (at * p.width.input + column) * lanes;
                }
                DepthwiseWeightsArgs args = {};
                args.taps = taps;
                args.tap_count = tap_count;
                args.pixels = count;
                args.source_step = p.width.stride * lanes;
                args.grad = grads + (row * p.width.output + first) * lanes;
                args.grad_step = lanes;
                args.channels = channels;
                args.sums = sums + (r * p.width.kernel + range.first) * kChannelBlock;
                args.sums_tap = kChannelBlock;
                const KernelSet& k = *context.kernels;
                if (!p.channels_last()) {
                    k.depthwise_weights_pixels(args);
                    continue;
                }
                // Lanes are at most kChannelBlock: a block is one or more vectors of channels.
                for (int c = 0; c < channels; c += k.lanes) {
                    DepthwiseTap shifted[kMaxKernelWidth];
                    for (int t = 0; t < tap_count; ++t) shifted[t].source = taps[t].source + c;
                    DepthwiseWeightsArgs part = args;
                    part.taps = shifted;
                    part.grad = args.grad + c;
                    part.sums = args.sums + c;
                    part.channels = static_cast<int>(min_of(k.lanes, channels - c));
                    k.depthwise_weights_channels(part);
                }
            }
        });
    }
}

void backward_weights(const Context& context, const BackwardWeightsCall& call, const Workspace& workspace,
                      const Execution& execution) {
    const Problem& p = context.problem;
    const KernelSet& k = *context.kernels;
    const bool channels_last = p.channels_last();
    const int64_t block = channels_last ? kChannelBlock : 1;
    // Image by image, each added to the result: sums stay short and the derived gradient one image long.
    for (int64_t n = 0; n < p.batch; ++n) {
        const bool overwrite = n == 0 && !call.accumulate;
        const float* grad = call.grad_output + n * p.output_image;
        if (call.output != nullptr) {
            derive_gradient(context, grad, call.output + n * p.output_image, workspace.shared_floats(),
                            p.output_image, execution);
            grad = workspace.shared_floats();
        }
        parallel_for(execution, ceil_div(p.input_channels, block), [&](int64_t task, int slot) {
            const int64_t first = task * block;
            const int channels = static_cast<int>(min_of(block, p.input_channels - first));
            float* sums = reinterpret_cast<float*>(workspace.slot(slot));
            float* bias = sums + p.kernel_taps * kChannelBlock;
            memset(sums, 0, static_cast<size_t>((p.kernel_taps + 1) * kChannelBlock) * sizeof(float));
            add_image(context, call.input + n * p.input_image, grad, first, channels, sums);
            for (int64_t t = 0; t < p.kernel_taps; ++t) {
                for (int c = 0; c < channels; ++c) {
                    add_to(call.grad_weights + (first + c) * p.kernel_taps + t,
                           channels_last ? sums[t * kChannelBlock + c] : reduce(sums + t * kChannelBlock),
                           overwrite);
                }
            }
            if (call.grad_bias == nullptr) return;
            if (channels_last) {
                k.add_rows(grad + first, p.input_channels, p.output_pixels, channels, bias);
                for (int c = 0; c < channels; ++c) add_to(call.grad_bias + first + c, bias[c], overwrite);
            } else {
                const float* plane = grad + first * p.output_pixels;
                const int64_t whole = p.output_pixels / kVirtualLanes, rest = p.output_pixels % kVirtualLanes;
                k.add_rows(plane, kVirtualLanes, whole, kVirtualLanes, bias);
                k.add_rows(plane + whole * kVirtualLanes, kVirtualLanes, 1, rest, bias);
                add_to(call.grad_bias + first, reduce(bias), overwrite);
            }
        });
    }
}

}  // namespace

const Algorithm kDepthwise = {"depthwise", declines, workspace,      packed_count,
                              pack,        forward,  backward_input, backward_weights};

}  // namespace nconv
