// Weight gradients of depthwise convolution with channels in lanes. They walk rows; a row is cut where its set
// of taps changes, so that a tap that would read padding is never multiplied. In NCHW blocks of planes are
// transposed, a few rows at a time; wide planes and few channels: depthwise_weights_pixels.cpp.
#include <string.h>

#include "conv2d/depthwise.h"
#include "conv2d/planes.h"

namespace nconv {
namespace {

// A block of channels of grad_weights is summed in its thread's workspace, a chain per tap.
constexpr int64_t kChannelBlock = kVirtualLanes;

// The taps of an axis.
struct AxisTaps {
    Tap at[kMaxKernel];
    int count = 0;
};

// The kernel for these taps, or null.
const DepthwiseWeightsRow* find_row_kernel(const Context& context) {
    const Axis& x = context.problem.width;
    for (const DepthwiseWeightsRow& k : context.kernels->depthwise_weights->rows) {
        if (k.taps == x.kernel && k.step == x.stride && x.dilation == 1) return &k;
    }
    return nullptr;
}

// Everything about both axes that does not change from row to row, worked out once per call: a 3 x 3 row of
// 28 pixels is 18 vector multiply-adds on AVX-512, less than a few integer divisions.
class Rows {
public:
    Rows(const Window& y, const Window& x, const DepthwiseWeightsRow* row_kernel)
        : kernel(row_kernel), x_(x) {
        fill(y, &y_taps);
        fill(x, &x_taps);
        if (kernel == nullptr || kernel->pixels != kDepthwiseWeightsPixels || !add_tiles())
            add_runs();
    }

    const DepthwiseWeightsRow* kernel;  // or null: a call for each row of taps
    AxisTaps y_taps, x_taps;
    // The taps inside change at most twice per tap.
    DepthwiseRun runs[2 * kMaxKernel + 2];
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
        const int64_t low = min_of(0, taps.at[0].offset);
        const int64_t high = max_of(0, taps.at[taps.count - 1].offset);
        const int64_t inside_first = ceil_div(-low, step);
        const int64_t inside_end =
            min_of(size, ceil_div(max_of(0, x_.source_extent() - high), step));
        for (int64_t at = 0; at < size;) {
            if (at >= inside_first && at < inside_end) {
                const int64_t count = inside_end - at,
                              pixels = kernel != nullptr ? kernel->pixels : 1;
                add_tile(count / pixels, static_cast<int>(pixels), false, false);
                add_tile(count % pixels, 1, false, false);
                at = inside_end;
                continue;
            }
            int first_tap = 0, end_tap = 0;
            for (int t = 0; t < taps.count; ++t) {
                const int64_t column = at * step + taps.at[t].offset;
                if (column < 0 || column >= x_.source_extent()) continue;
                if (end_tap == 0) first_tap = t;
                end_tap = t + 1;
            }
            DepthwiseRun* last = run_count > 0 ? &runs[run_count - 1] : nullptr;
            if (last != nullptr && last->pixels == 1 && last->first_tap == first_tap &&
                last->end_tap == end_tap) {
                ++last->count;
            } else {
                runs[run_count++] = {1, 1, first_tap, end_tap, false, false};
            }
            ++at;
        }
    }

    // Whether a row is tiles of kDepthwiseWeightsPixels and one less whose taps before the middle one reach over
    // its start, if any does, and those behind it over its end.
    bool add_tiles() {
        constexpr int kMost = kDepthwiseWeightsPixels, kFewest = 2 * (kMost - 1);
        const int taps = x_taps.count, middle = taps / 2;
        const int64_t size = x_.phase_size(0), extent = x_.source_extent(), step = x_.source_step();
        const int64_t before = -x_taps.at[0].offset;
        const int64_t behind = (size - 1) * step + x_taps.at[taps - 1].offset - (extent - 1);
        if (size < kFewest || before > middle || behind > middle) return false;
        // Less than the middle would be another tile's work.
        if ((before > 0 && before < middle) || (behind > 0 && behind < middle)) return false;
        const bool left = before > 0, right = behind > 0;
        const int64_t tiles = ceil_div(size, kMost);
        int64_t fewer = tiles * kMost - size, most = tiles - fewer;
        const int first = most > 0 ? kMost : kMost - 1, last = fewer > 0 ? kMost - 1 : kMost;
        (most > 0 ? most : fewer) -= left ? 1 : 0;
        (last < kMost ? fewer : most) -= right ? 1 : 0;
        if (left) add_tile(1, first, true, false);
        add_tile(most, kMost, false, false);
        add_tile(fewer, kMost - 1, false, false);
        if (right) add_tile(1, last, false, true);
        return true;
    }

    void add_tile(int64_t count, int pixels, bool left, bool right) {
        if (count > 0) runs[run_count++] = {count, pixels, 0, x_taps.count, left, right};
    }

    const Window& x_;
};

// What the sums of some channels, whole vectors of them, are made of: rows of the input and of grad_output,
// pixels `pitch` apart.
struct Part {
    const float* input;  // row input_row
    const float* grad;   // row first
    int64_t input_row, input_end;
    int64_t first, end;  // rows of grad_output
    int64_t pitch;
    int64_t channels;
    float* sums;
    int64_t sums_tap;  // from tap to tap
    float* bias;       // of grad alone
};

// Any kernel: a call for each row of it.
void add_row_by_taps(const Context& context, const Rows& rows, const Part& part, int64_t row) {
    const Problem& p = context.problem;
    const KernelSet& k = *context.kernels;
    const int64_t pitch = part.pitch;
    const float* grad = part.grad + (row - part.first) * p.width.output * pitch;
    int64_t pixel = 0;
    for (int i = 0; i < rows.run_count; pixel += rows.runs[i++].count) {
        const DepthwiseRun& run = rows.runs[i];
        for (int r = 0; r < p.height.kernel; ++r) {
            const int64_t at = row * p.height.stride + rows.y_taps.at[r].offset;
            if (at < 0 || at >= p.height.input || run.first_tap == run.end_tap) continue;
            const float* source =
                part.input +
                ((at - part.input_row) * p.width.input + pixel * p.width.stride) * pitch;
            for (int64_t c = 0; c < part.channels; c += k.lanes) {
                DepthwiseTap taps[kMaxKernel];
                for (int s = run.first_tap; s < run.end_tap; ++s)
                    taps[s - run.first_tap].source = source + rows.x_taps.at[s].offset * pitch + c;
                DepthwiseWeightsArgs args = {};
                args.taps = taps;
                args.tap_count = run.end_tap - run.first_tap;
                args.pixels = run.count;
                args.source_step = p.width.stride * pitch;
                args.grad = grad + pixel * pitch + c;
                args.grad_step = pitch;
                args.sums = part.sums + (r * p.width.kernel + run.first_tap) * part.sums_tap + c;
                args.sums_tap = part.sums_tap;
                k.depthwise_weights->channels(args);
            }
        }
    }
    // A chain per channel, like those of the weights.
    for (int64_t i = 0; i < p.width.output; ++i)
        k.add_rows(grad + i * pitch, pitch, 1, part.channels, part.bias);
}

void add_rows(const Context& context, const Rows& rows, const Part& part) {
    // Of a kernel whose rows do not fit the registers at once these stay in L1.
    constexpr int64_t kMostRows = 8;
    const Problem& p = context.problem;
    for (int64_t row = part.first; rows.kernel == nullptr && row < part.end; ++row)
        add_row_by_taps(context, rows, part, row);
    const int64_t source_row = p.width.input * part.pitch;
    DepthwiseWeightsRowArgs args = {};
    args.source_row = p.height.dilation * source_row;
    args.pitch = part.pitch;
    args.rows = static_cast<int>(p.height.kernel);
    args.next_row = p.height.stride;
    args.row_step = p.height.dilation;
    args.source_rows = part.input_end - part.input_row;
    args.next_source = p.height.stride * source_row;
    args.next_grad = p.width.output * part.pitch;
    args.runs = rows.runs;
    args.run_count = rows.run_count;
    args.channels = part.channels;
    args.sums = part.sums;
    args.sums_tap = part.sums_tap;
    args.bias = part.bias;
    for (int64_t row = part.first; rows.kernel != nullptr && row < part.end; row += kMostRows) {
        args.first_row = row * p.height.stride + rows.y_taps.at[0].offset - part.input_row;
        args.source =
            part.input + args.first_row * source_row + rows.x_taps.at[0].offset * part.pitch;
        args.grad = part.grad + (row - part.first) * args.next_grad;
        args.grad_rows = min_of(kMostRows, part.end - row);
        args.fresh = row == 0;
        rows.kernel->kernel(args);
    }
}

// Rows of grad_output that a strip takes together with the rows of the input they meet, in L2.
struct StripExtent {
    explicit StripExtent(const Problem& p) {
        constexpr int64_t kFloats = 64 * 1024;
        const int64_t reach = (p.height.kernel - 1) * p.height.dilation + 1;
        const int64_t wanted = kFloats / kChannelBlock - reach * p.width.input;
        const int64_t each = p.height.stride * p.width.input + p.width.output;
        output = min_of(p.height.output, max_of(4, wanted / each));
        input = min_of(p.height.input, (output - 1) * p.height.stride + reach);
    }
    CheckedSize floats(const Problem& p) const {
        return (CheckedSize(input) * p.width.input + CheckedSize(output) * p.width.output) *
               kChannelBlock;
    }
    int64_t output, input;
};

// Whether rows are read from strips, kChannelBlock channels side by side. Copying NHWC to such, where pixels a
// multiple of 1024 bytes apart share four sets of L1, gained on one thread and lost on two.
bool takes_strips(const Problem& p) { return !p.channels_last(); }

// The most channels of a task: four vectors of small maps, which are so read along memory, and two of larger
// ones. 5 x 5 of 480 at 14 x 14 went from 63 to 80 % of peak; 3 x 3 of 192 at 28 x 28 lost 5 by four.
int64_t most_channels(const Context& context) {
    constexpr int64_t kSmall = 256, kLarger = 1024;
    const Problem& p = context.problem;
    if (!p.channels_last() || find_row_kernel(context) == nullptr) return kChannelBlock;
    return p.output_pixels <= kSmall    ? 4 * kChannelBlock
           : p.output_pixels <= kLarger ? 2 * kChannelBlock
                                        : kChannelBlock;
}

int64_t task_channels(const Context& context, const Execution& execution) {
    const int64_t most = most_channels(context);
    if (most <= kChannelBlock || execution.threads == 1) return most;
    const int64_t blocks = context.problem.input_channels / kChannelBlock;
    return max_of(1, min_of(most / kChannelBlock, blocks / (3 * execution.threads))) *
           kChannelBlock;
}

// One image's share of the sums of a block of channels, by strips.
void add_strips(const Context& context, const Rows& rows, const float* input, const float* grad,
                int channels, float* sums, float* bias, float* strip) {
    const Problem& p = context.problem;
    const StripExtent most(p);
    float* grad_strip = strip + most.input * p.width.input * kChannelBlock;
    if (channels < kChannelBlock) {
        memset(strip, 0,
               static_cast<size_t>((most.input * p.width.input + most.output * p.width.output) *
                                   kChannelBlock) *
                   sizeof(float));
    }
    for (int64_t first = 0; first < p.height.output; first += most.output) {
        const int64_t end = min_of(p.height.output, first + most.output);
        load_strip(*context.kernels, grad, p.output_pixels, p.width.output,
                   {first, end - first, 0, p.width.output}, channels, grad_strip, kChannelBlock);
        const int64_t low = first * p.height.stride + rows.y_taps.at[0].offset;
        const int64_t high =
            (end - 1) * p.height.stride + rows.y_taps.at[rows.y_taps.count - 1].offset + 1;
        const int64_t input_first = max_of(0, low), input_end = min_of(p.height.input, high);
        if (input_first < input_end)
            load_strip(*context.kernels, input, p.input_pixels, p.width.input,
                       {input_first, input_end - input_first, 0, p.width.input}, channels, strip,
                       kChannelBlock);
        add_rows(context, rows,
                 {strip, grad_strip, input_first, max_of(input_first, input_end), first, end,
                  kChannelBlock, kChannelBlock, sums, kChannelBlock, bias});
    }
}

// Sums of `channels` channels, from tap to tap sums_tap apart, to where they go.
void store_block(const Context& context, const BackwardWeightsCall& call, const float* sums,
                 int64_t sums_tap, int64_t first, int64_t channels, bool overwrite) {
    const Problem& p = context.problem;
    float* weights = call.grad_weights + first * p.kernel_taps;
    if (overwrite) {
        context.kernels->transpose(sums, sums_tap, weights, p.kernel_taps, p.kernel_taps, channels);
    } else {
        for (int64_t c = 0; c < channels; ++c) {
            for (int64_t tap = 0; tap < p.kernel_taps; ++tap)
                *weights++ += sums[tap * sums_tap + c];
        }
    }
    const float* bias = sums + p.kernel_taps * sums_tap;
    if (call.grad_bias == nullptr) return;
    if (overwrite) {
        memcpy(call.grad_bias + first, bias, static_cast<size_t>(channels) * sizeof(float));
    } else {
        for (int64_t c = 0; c < channels; ++c) call.grad_bias[first + c] += bias[c];
    }
}

}  // namespace

// 16 MB a thread; only kernel rows far apart or very long rows need more.
bool has_small_weight_strips(const Problem& p) {
    constexpr int64_t kMostFloats = 1 << 22;
    const CheckedSize floats = StripExtent(p).floats(p);
    return floats.valid() && floats.value() <= kMostFloats;
}

WorkspaceSize depthwise_weights_workspace(const Context& context) {
    const Problem& p = context.problem;
    if (has_pixel_weights(p)) return depthwise_pixel_weights_workspace(p);
    WorkspaceSize size;
    size.shared = derived_bytes(p);
    const int64_t channels = max_of(kChannelBlock, most_channels(context));
    CheckedSize floats = CheckedSize(p.kernel_taps + 1) * channels;
    if (takes_strips(p)) {
        floats = floats + StripExtent(p).floats(p);
    }
    size.per_thread = floats * int64_t{sizeof(float)};
    return size;
}

WeightsCut depthwise_weights_cut(const Context& context) {
    return {max_of(1, context.problem.batch), 1, 1, 1};
}

void depthwise_backward_weights(const Context& context, const BackwardWeightsCall& call,
                                const Workspace& workspace, const Execution& execution) {
    const Problem& p = context.problem;
    if (has_pixel_weights(p)) return depthwise_pixel_weights(context, call, workspace, execution);
    const int64_t block = task_channels(context, execution), sums_tap = block;
    const int64_t lanes = context.kernels->lanes;
    const Window y(p.height, NCONV_PASS_FORWARD), x(p.width, NCONV_PASS_FORWARD);
    const Rows rows(y, x, find_row_kernel(context));
    for_each_gradient(context, call, workspace, execution, [&](int64_t n, const float* grad) {
        const bool overwrite = n == 0 && !call.accumulate;
        const float* input = call.input + n * p.input_image;
        parallel_for(execution, ceil_div(p.input_channels, block), [&](int64_t task, int slot) {
            const int64_t first = task * block;
            const int64_t channels = min_of(block, p.input_channels - first);
            float* sums = reinterpret_cast<float*>(workspace.slot(slot));
            float* bias = sums + p.kernel_taps * sums_tap;
            if (rows.kernel == nullptr)
                memset(sums, 0,
                       static_cast<size_t>((p.kernel_taps + 1) * sums_tap) * sizeof(float));
            if (takes_strips(p)) {
                add_strips(context, rows, input + first * p.input_pixels,
                           grad + first * p.output_pixels, static_cast<int>(channels), sums, bias,
                           bias + sums_tap);
                store_block(context, call, sums, sums_tap, first, channels, overwrite);
                return;
            }
            // The last vector may begin with channels of the one before it: those are summed twice.
            const int64_t rest = channels % lanes, whole = channels - rest;
            const auto add = [&](int64_t from, int64_t at, int64_t count) {
                add_rows(context, rows,
                         {input + from, grad + from, 0, p.height.input, 0, p.height.output,
                          p.input_channels, count, sums + at, sums_tap, bias + at});
            };
            if (whole > 0) add(first, 0, whole);
            if (rest > 0) add(first + channels - lanes, whole, lanes);
            store_block(context, call, sums, sums_tap, first, whole, overwrite);
            store_block(context, call, sums + whole + lanes - rest, sums_tap, first + whole, rest,
                        overwrite);
        });
    });
}

}  // namespace nconv
