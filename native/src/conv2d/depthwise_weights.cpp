// Weight gradients of depthwise convolution. They walk rows; a row is cut where its set of taps
// changes, so that a tap that would read padding is never multiplied. Channels are in lanes, in
// NCHW after transposing blocks of planes, a few rows at a time; with pixels in lanes 3 x 3 reached
// 6 % of peak and less. Planes of few channels keep pixels in lanes.
#include <string.h>

#include "conv2d/depthwise.h"
#include "conv2d/derivative.h"
#include "conv2d/planes.h"
#include "conv2d/weight_chunks.h"

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

bool has_channels_in_lanes(const Problem& p) {
    constexpr int64_t kFewest = kChannelBlock / 2;
    return p.channels_last() ? p.input_channels > 1 : p.input_channels >= kFewest;
}

// Everything about both axes that does not change from row to row, worked out once per call: a 3 x 3 row of
// 28 pixels is 18 vector multiply-adds on AVX-512, less than a few integer divisions.
class Rows {
public:
    Rows(const Window& y, const Window& x) : x_(x) {
        fill(y, &y_taps);
        fill(x, &x_taps);
        add_runs();
        find_tiles();
    }

    AxisTaps y_taps, x_taps;
    // The taps inside change at most twice per tap.
    DepthwiseRun runs[2 * kMaxKernel + 1];
    int run_count = 0;

    // Whether a row is tiles of kDepthwiseWeightsPixels and one less whose taps before the middle one reach over
    // its start, if any does, and those behind it over its end.
    int64_t most_tiles = 0, fewer_tiles = 0;
    bool left = false, right = false;

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

    void find_tiles() {
        constexpr int64_t kMost = kDepthwiseWeightsPixels, kFewest = 2 * (kMost - 1);
        const int taps = x_taps.count, middle = taps / 2;
        const int64_t size = x_.phase_size(0), extent = x_.source_extent(), step = x_.source_step();
        const int64_t before = -x_taps.at[0].offset;
        const int64_t behind = (size - 1) * step + x_taps.at[taps - 1].offset - (extent - 1);
        if (size < kFewest || before > middle || behind > middle) return;
        // Less than the middle would be another tile's work.
        if ((before > 0 && before < middle) || (behind > 0 && behind < middle)) return;
        left = before > 0;
        right = behind > 0;
        const int64_t tiles = ceil_div(size, kMost);
        fewer_tiles = tiles * kMost - size;
        most_tiles = tiles - fewer_tiles;
    }

    void add(int64_t first, int64_t count, int first_tap, int end_tap) {
        DepthwiseRun* last = run_count > 0 ? &runs[run_count - 1] : nullptr;
        if (last != nullptr && last->first_tap == first_tap && last->end_tap == end_tap) {
            last->count += count;
        } else {
            runs[run_count++] = {first, count, first_tap, end_tap};
        }
    }

    const Window& x_;
};

void add_to(float* out, float value, bool overwrite) { *out = overwrite ? value : *out + value; }

// What the sums of a block of channels (one channel with pixels in lanes) are made of: rows of the
// input and of grad_output, pixels `pitch` apart.
struct Part {
    const float* input;  // row input_row
    const float* grad;   // row first
    int64_t input_row;
    int64_t first, end;  // rows of grad_output
    int64_t pitch;
    int channels;
    float* sums;
    int64_t sums_tap;  // from tap to tap
    float* bias;       // of grad alone, with channels in lanes; may be null
};

// Any kernel: a call for each row of it.
void add_row_by_taps(const Context& context, const Rows& rows, const Part& part, int64_t row) {
    const Problem& p = context.problem;
    const KernelSet& k = *context.kernels;
    const bool in_lanes = has_channels_in_lanes(p);
    const int64_t pitch = part.pitch;
    for (int i = 0; i < rows.run_count; ++i) {
        const DepthwiseRun& run = rows.runs[i];
        for (int r = 0; r < p.height.kernel; ++r) {
            const int64_t at = row * p.height.stride + rows.y_taps.at[r].offset;
            if (at < 0 || at >= p.height.input || run.first_tap == run.end_tap) continue;
            const float* source =
                part.input +
                ((at - part.input_row) * p.width.input + run.first * p.width.stride) * pitch;
            const int vector = in_lanes ? k.lanes : 1;
            for (int c = 0; c < part.channels; c += vector) {
                DepthwiseTap taps[kMaxKernel];
                for (int s = run.first_tap; s < run.end_tap; ++s)
                    taps[s - run.first_tap].source = source + rows.x_taps.at[s].offset * pitch + c;
                DepthwiseWeightsArgs args = {};
                args.taps = taps;
                args.tap_count = run.end_tap - run.first_tap;
                args.pixels = run.count;
                args.source_step = p.width.stride * pitch;
                args.grad =
                    part.grad + ((row - part.first) * p.width.output + run.first) * pitch + c;
                args.grad_step = pitch;
                args.channels = static_cast<int>(min_of(vector, part.channels - c));
                args.sums = part.sums + (r * p.width.kernel + run.first_tap) * part.sums_tap + c;
                args.sums_tap = part.sums_tap;
                (in_lanes ? k.depthwise_weights->channels : k.depthwise_weights->pixels)(args);
            }
        }
    }
}

// A row of the bias's gradient: a chain per channel, like those of the weights.
void add_bias_row(const Context& context, const Part& part, int64_t row) {
    const int64_t pixels = context.problem.width.output;
    const float* grad = part.grad + (row - part.first) * pixels * part.pitch;
    for (int64_t i = 0; part.bias != nullptr && part.channels > 0 && i < pixels; ++i)
        context.kernels->add_rows(grad + i * part.pitch, part.pitch, 1, part.channels, part.bias);
}

// The kernel for these taps, or null.
const DepthwiseWeightsRow* find_row_kernel(const Context& context) {
    const Axis& x = context.problem.width;
    if (!has_channels_in_lanes(context.problem)) return nullptr;
    for (const DepthwiseWeightsRow& k : context.kernels->depthwise_weights->rows) {
        if (k.taps == x.kernel && k.step == x.stride && x.dilation == 1) return &k;
    }
    return nullptr;
}

void add_rows(const Context& context, const Rows& rows, const Part& part) {
    const Problem& p = context.problem;
    const DepthwiseWeightsRow* kernel = find_row_kernel(context);
    const int64_t whole =
        kernel == nullptr ? 0 : part.channels / context.kernels->lanes * context.kernels->lanes;
    Part rest = part;
    rest.input += whole;
    rest.grad += whole;
    rest.sums += whole;
    if (rest.bias != nullptr) rest.bias += whole;
    rest.channels -= static_cast<int>(whole);
    const int64_t source_row = p.width.input * part.pitch, taps = p.height.kernel;
    const int64_t dilation = p.height.dilation;
    const auto first_tap = [&](int64_t row) {
        const int64_t at = row * p.height.stride + rows.y_taps.at[0].offset;
        return min_of(taps, at < 0 ? ceil_div(-at, dilation) : 0);
    };
    const auto end_tap = [&](int64_t row) {
        const int64_t at = row * p.height.stride + rows.y_taps.at[0].offset;
        return min_of(taps, ceil_div(max_of(0, p.height.input - at), dilation));
    };
    for (int64_t row = part.first; rest.channels > 0 && row < part.end; ++row) {
        add_row_by_taps(context, rows, rest, row);
        add_bias_row(context, rest, row);
    }
    Part outside = part;
    outside.channels = static_cast<int>(whole);
    constexpr int64_t kMostRows = 8;
    for (int64_t row = part.first, next = 0; whole > 0 && row < part.end; row = next) {
        const int64_t first = first_tap(row), end = end_tap(row);
        next = row + 1;
        while (next < part.end && next - row < kMostRows && first_tap(next) == first &&
               end_tap(next) == end) {
            ++next;
        }
        if (first >= end) {
            for (int64_t i = row; i < next; ++i) add_bias_row(context, outside, i);
            continue;
        }
        const int64_t at = row * p.height.stride + rows.y_taps.at[first].offset;
        DepthwiseWeightsRowArgs args = {};
        args.source =
            part.input + (at - part.input_row) * source_row + rows.x_taps.at[0].offset * part.pitch;
        args.source_row = dilation * source_row;
        args.pitch = part.pitch;
        args.rows = static_cast<int>(end - first);
        args.grad = part.grad + (row - part.first) * p.width.output * part.pitch;
        args.grad_rows = next - row;
        args.next_source = p.height.stride * source_row;
        args.next_grad = p.width.output * part.pitch;
        args.runs = rows.runs;
        args.run_count = rows.run_count;
        if (kernel->takes_tiles) {
            args.most_tiles = rows.most_tiles;
            args.fewer_tiles = rows.fewer_tiles;
            args.left = rows.left;
            args.right = rows.right;
        }
        args.channels = whole;
        args.sums = part.sums + first * p.width.kernel * part.sums_tap;
        args.sums_tap = part.sums_tap;
        args.bias = part.bias;
        kernel->kernel(args);
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
    int64_t output, input;
};

// Whether rows are read from strips, kChannelBlock channels side by side. Copying NHWC to such, where pixels a
// multiple of 1024 bytes apart share four sets of L1, gained on one thread and lost on two.
bool takes_strips(const Problem& p) { return has_channels_in_lanes(p) && !p.channels_last(); }

// The most channels of a task: four vectors of small maps, which are so read along memory. 3 x 3 of 960
// channels at 7 x 7 went from 35 to 42 % of peak, 5 x 5 of 480 at 14 x 14 from 63 to 80; 192 at 28 x 28 lost 5.
int64_t most_channels(const Context& context) {
    constexpr int64_t kSmall = 256;
    const Problem& p = context.problem;
    if (!has_channels_in_lanes(p)) return 1;
    const bool along = p.channels_last() && find_row_kernel(context) != nullptr;
    return along && p.output_pixels <= kSmall ? 4 * kChannelBlock : kChannelBlock;
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
                 {strip, grad_strip, input_first, first, end, kChannelBlock, kChannelBlock, sums,
                  kChannelBlock, bias});
    }
}

}  // namespace

WorkspaceSize depthwise_weights_workspace(const Context& context) {
    const Problem& p = context.problem;
    WorkspaceSize size;
    size.shared = derived_bytes(p);
    const int64_t channels = max_of(kChannelBlock, most_channels(context));
    CheckedSize floats = CheckedSize(p.kernel_taps + 1) * channels;
    if (takes_strips(p)) {
        const StripExtent rows(p);
        floats = floats + (CheckedSize(rows.input) * p.width.input +
                           CheckedSize(rows.output) * p.width.output) *
                              kChannelBlock;
    }
    size.per_thread = floats * int64_t{sizeof(float)};
    return size;
}

void depthwise_backward_weights(const Context& context, const BackwardWeightsCall& call,
                                const Workspace& workspace, const Execution& execution) {
    const Problem& p = context.problem;
    const KernelSet& k = *context.kernels;
    const bool in_lanes = has_channels_in_lanes(p);
    const int64_t block = task_channels(context, execution);
    const int64_t sums_tap = max_of(kChannelBlock, block);
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
            float* bias = sums + p.kernel_taps * sums_tap;
            memset(sums, 0, static_cast<size_t>((p.kernel_taps + 1) * sums_tap) * sizeof(float));
            float* chains = call.grad_bias != nullptr ? bias : nullptr;
            const float* input = call.input + n * p.input_image;
            if (takes_strips(p)) {
                add_strips(context, rows, input + first * p.input_pixels,
                           grad + first * p.output_pixels, channels, sums, chains, bias + sums_tap);
            } else if (in_lanes) {
                add_rows(context, rows,
                         {input + first, grad + first, 0, 0, p.height.output, p.input_channels,
                          channels, sums, sums_tap, chains});
            } else {
                add_rows(context, rows,
                         {input + first * p.input_pixels, grad + first * p.output_pixels, 0, 0,
                          p.height.output, 1, channels, sums, sums_tap, nullptr});
            }
            float* result = call.grad_weights + first * p.kernel_taps;
            if (in_lanes && overwrite) {
                k.transpose(sums, sums_tap, result, p.kernel_taps, p.kernel_taps, channels);
            } else {
                for (int c = 0; c < channels; ++c) {
                    for (int64_t tap = 0; tap < p.kernel_taps; ++tap, ++result) {
                        float* sum = sums + tap * sums_tap;
                        add_to(result, in_lanes ? sum[c] : sum_of_lanes(sum), overwrite);
                    }
                }
            }
            if (call.grad_bias == nullptr) return;
            if (!in_lanes) {
                const float* plane = grad + first * p.output_pixels;
                const int64_t whole = p.output_pixels / kVirtualLanes,
                              rest = p.output_pixels % kVirtualLanes;
                k.add_rows(plane, kVirtualLanes, whole, kVirtualLanes, bias);
                k.add_rows(plane + whole * kVirtualLanes, kVirtualLanes, 1, rest, bias);
                bias[0] = sum_of_lanes(bias);
            }
            for (int c = 0; c < channels; ++c)
                add_to(call.grad_bias + first + c, bias[c], overwrite);
        });
    }
}

}  // namespace nconv
