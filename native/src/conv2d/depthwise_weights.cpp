// Weight gradients of depthwise convolution. They walk rows; a row is cut where its set of taps changes, so
// that a tap that would read padding is never multiplied. NHWC puts channels in lanes, NCHW pixels.
#include <string.h>

#include "conv2d/depthwise.h"
#include "conv2d/derivative.h"

namespace nconv {
namespace {

// A block of channels of grad_weights is summed in its thread's workspace, a chain or kVirtualLanes
// chains per tap.
constexpr int64_t kChannelBlock = kVirtualLanes;

// The taps of an axis.
struct AxisTaps {
    Tap at[kMaxKernel];
    int count = 0;
};

// Pixels of a row that share their taps: taps[first_tap .. end_tap-1] read inside.
struct Run {
    int64_t first, count;
    int first_tap, end_tap;
};

// Everything about both axes that does not change from row to row, worked out once per call: a 3 x 3 row of
// 28 pixels is 18 vector multiply-adds on AVX-512, less than a few integer divisions.
class Rows {
public:
    Rows(const Window& y, const Window& x) : x_(x) {
        fill(y, &y_taps);
        fill(x, &x_taps);
        add_runs();
    }

    AxisTaps y_taps, x_taps;
    // The taps inside change at most twice per tap.
    Run runs[2 * kMaxKernel + 1];
    int run_count = 0;

private:
    static void fill(const Window& axis, AxisTaps* taps) {
        taps->count = static_cast<int>(axis.tap_count(0));
        for (int t = 0; t < taps->count; ++t) taps->at[t] = axis.tap(0, t);
    }

    // Offsets are monotonic in the tap, so the taps inside are a range; runs of equal ranges are merged.
    // Between the first and the last pixel that reach over an edge all taps are inside.
    void add_runs() {
        const AxisTaps& taps = x_taps;
        const int64_t size = x_.phase_size(0), step = x_.source_step();
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
            add(at, count, first_tap, end_tap);
            at += count;
        }
    }

    void add(int64_t first, int64_t count, int first_tap, int end_tap) {
        Run* last = run_count > 0 ? &runs[run_count - 1] : nullptr;
        if (last != nullptr && last->first_tap == first_tap && last->end_tap == end_tap) {
            last->count += count;
        } else {
            runs[run_count++] = {first, count, first_tap, end_tap};
        }
    }

    const Window& x_;
};

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
                const int64_t at = row * p.height.stride + rows.y_taps.at[r].offset;
                if (at < 0 || at >= p.height.input || run.first_tap == run.end_tap) continue;
                const float* source =
                    plane + (at * p.width.input + run.first * p.width.stride) * lanes;
                // A block is one or more vectors of channels; with pixels in lanes it is one channel.
                const int vector = channels_last ? k.lanes : 1;
                for (int c = 0; c < channels; c += vector) {
                    DepthwiseTap taps[kMaxKernel];
                    for (int s = run.first_tap; s < run.end_tap; ++s) {
                        taps[s - run.first_tap].source =
                            source + rows.x_taps.at[s].offset * lanes + c;
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

}  // namespace

WorkspaceSize depthwise_weights_workspace(const Context& context) {
    const Problem& p = context.problem;
    WorkspaceSize size;
    size.shared = derived_bytes(p);
    size.per_thread = CheckedSize(p.kernel_taps + 1) * kChannelBlock * int64_t{sizeof(float)};
    return size;
}

void depthwise_backward_weights(const Context& context, const BackwardWeightsCall& call,
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

}  // namespace nconv
