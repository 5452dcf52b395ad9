// Weight gradients of depthwise convolution with the elements of a row in lanes: pixels of a plane, or of
// interleaved channels. Lane i of a channel's sums holds the pixels whose column is i modulo kVirtualLanes,
// whatever the layout and the vector length.
#include <string.h>

#include "conv2d/depthwise.h"

namespace nconv {
namespace {

// Rows of grad_output that tiles walk down at once: 112 x 112 lost 6 points by bands of 48.
constexpr int64_t kBandRows = 128;
// Partial sums, which may run side by side, where there are few planes. 1080p lost 10 points of 3 x 3 with 34
// or 108 rows to a part.
constexpr int64_t kFewPlanes = 16, kPartRows = 72, kMostParts = 64;
// What the tiles of a kernel read one after the other stays in L2.
constexpr int64_t kBlockFloats = 128 * 1024;
// Rows split into every stride-th pixel stay in L1.
constexpr int64_t kSplitFloats = 8 * 1024, kFewestRows = 8;
// Planes whose columns are walked down in turn stay in L1.
constexpr int64_t kPlanesTogether = 8, kTogetherFloats = 8 * 1024;

// How the sums are cut. All of it follows from the shape.
struct Cut {
    explicit Cut(const Problem& p)
        : channels(p.channels_last() ? p.input_channels : 1),
          planes(p.input_channels / channels),
          sums(p.kernel_taps + 1),
          period(kVirtualLanes * channels),
          reach((p.height.kernel - 1) * p.height.dilation + 1),
          splits(p.width.stride > 1) {
        const int64_t rows = p.height.output;
        band = min_of(rows, kBandRows);
        if (splits) cut_strip(p);
        together = min_of(planes, kPlanesTogether);
        together = min_of(
            together, max_of(1, kTogetherFloats / (p.input_pixels + p.output_pixels) / channels));
        parts = planes >= kFewPlanes ? 1 : min_of(kMostParts, ceil_div(rows, kPartRows));
        const int64_t read = (band - 1) * p.height.stride + reach + band;
        block = max_of(1, kBlockFloats / (read * period)) * period;
    }

    // Between kernel rows far apart lie rows that no gradient of a band meets.
    void cut_strip(const Problem& p) {
        const int64_t step = p.width.stride, columns = ceil_div(p.width.input, step) * channels;
        const int64_t fit = kSplitFloats / (columns * step) - reach;
        band = min_of(band, max_of(kFewestRows, fit / p.height.stride));
        apart = p.height.kernel > 1 && p.height.dilation > band * p.height.stride;
        const int64_t rows = apart ? p.height.kernel * band
                                   : min_of(p.height.input, (band - 1) * p.height.stride + reach);
        flat = channels == 1 && p.width.input % step == 0 && !apart;
        phase = round_up(flat ? rows * columns : columns, kVirtualLanes);
        strip_row = flat ? columns : step * phase;
        strip = flat ? step * phase : rows * strip_row;
    }

    int64_t channels, planes;  // channels side by side, and planes of such
    int64_t sums;              // of a channel: the taps and the bias
    int64_t period;
    int64_t reach;
    bool splits;         // rows of the input into every stride-th pixel
    bool flat = false;   // at once: no row ends within a stride
    bool apart = false;  // those of each kernel row for itself, `band` rows of a strip each
    int64_t phase = 0, strip_row = 0, strip = 0;
    int64_t band, parts, block;
    int64_t together;  // planes of a task at most
};

class PixelsWeights {
public:
    PixelsWeights(const Context& context, const BackwardWeightsCall& call,
                  const Workspace& workspace)
        : context_(context), p_(context.problem), call_(call), workspace_(workspace), cut_(p_) {
        const Window x(p_.width, NCONV_PASS_FORWARD);
        const int64_t step = p_.width.stride, channels = cut_.channels;
        for (int64_t s = 0; s < p_.width.kernel; ++s) {
            const int64_t offset = x.tap(0, s).offset;
            const int64_t rest = (offset % step + step) % step;
            columns_[s].offset = rest * cut_.phase + (offset - rest) / step * channels;
            const auto inside = [&](int64_t from) {
                return min_of(p_.width.output, ceil_div(max_of(0, from - offset), step)) * channels;
            };
            columns_[s].first = inside(0);
            columns_[s].end = inside(p_.width.input);
        }
        row_period_ = p_.height.stride / gcd(p_.height.stride, p_.height.dilation);
        row_step_ = row_period_ * p_.height.dilation / p_.height.stride;
    }

    void run(const float* input, const float* grad, bool overwrite, float* partials,
             const Execution& execution) const {
        const int64_t together =
            max_of(1, min_of(cut_.together, cut_.planes / (4 * execution.threads)));
        const int64_t blocks = ceil_div(cut_.planes, together);
        parallel_for(execution, blocks * cut_.parts, [&](int64_t task, int slot) {
            const int64_t part = task % cut_.parts, first = task / cut_.parts * together;
            const int64_t end = min_of(cut_.planes, first + together);
            const int64_t chains = cut_.sums * cut_.period;
            float* sums = reinterpret_cast<float*>(workspace_.slot(slot));
            float* other = sums + cut_.together * chains + kVirtualLanes * kVirtualLanes;
            memset(sums, 0, static_cast<size_t>((end - first) * chains) * sizeof(float));
            const int64_t at_once = cut_.splits ? 1 : end - first;
            for (int64_t plane = first; plane < end; plane += at_once) {
                add_part({input + plane * p_.input_pixels * cut_.channels,
                          grad + plane * p_.output_pixels * cut_.channels,
                          sums + (plane - first) * chains, other, at_once},
                         part);
            }
            const int64_t channel = first * cut_.channels;
            const int64_t count = (end - first) * cut_.channels;
            float* to = cut_.parts > 1 ? partials + (part * p_.input_channels + channel) * cut_.sums
                                       : other + chains;
            reduce(sums, count, other, to);
            if (cut_.parts == 1) finish(to, channel, count, overwrite);
        });
        if (cut_.parts > 1) finish(partials, 0, p_.input_channels, overwrite);
    }

private:
    struct Planes {
        const float* input;
        const float* grad;
        float* sums;
        float* strip;
        int64_t count;
    };

    // A part of the rows, band by band.
    void add_part(const Planes& planes, int64_t part) const {
        const int64_t rows = p_.height.output;
        int64_t first = even_start(rows, cut_.parts, part);
        const int64_t end = even_start(rows, cut_.parts, part + 1);
        for (int64_t bands = ceil_div(end - first, cut_.band); bands > 0; --bands) {
            const int64_t count = ceil_div(end - first, bands);
            add_band(planes, first, count);
            first += count;
        }
    }

    void add_band(const Planes& planes, int64_t first, int64_t rows) const {
        const Axis& y = p_.height;
        const int64_t grad_row = p_.width.output * cut_.channels;
        int64_t source_row = p_.width.input * cut_.channels;
        const float* source = planes.input;
        if (cut_.apart) {
            source_row = cut_.strip_row;
            source = planes.strip;
            split_apart(planes, first, rows);
        } else if (cut_.splits) {
            const int64_t low = max_of(0, first * y.stride - y.pad_before);
            const int64_t high =
                min_of(y.input, (first + rows - 1) * y.stride - y.pad_before + cut_.reach);
            if (low < high) split(source + low * source_row, high - low, planes.strip);
            source_row = cut_.strip_row;
            source = planes.strip - low * source_row;
        }
        DepthwiseWeightsPixelsArgs args = {};
        args.columns = columns_;
        args.period = cut_.period;
        args.taps = static_cast<int>(p_.width.kernel);
        args.sums_row = row_period_ * p_.width.kernel * cut_.period;
        args.bias = planes.sums + p_.kernel_taps * cut_.period;
        args.planes = planes.count;
        args.source_plane = p_.input_pixels * cut_.channels;
        args.grad_plane = p_.output_pixels * cut_.channels;
        args.sums_plane = cut_.sums * cut_.period;
        args.grad_step = row_step_ * grad_row;
        args.source_step =
            (cut_.apart ? row_period_ * cut_.band : row_step_ * y.stride) * source_row;
        for (int64_t e = 0; e < grad_row; e += cut_.block) {
            args.first = e;
            args.end = min_of(grad_row, e + cut_.block);
            add_block(args, source, planes, source_row, first, rows);
        }
    }

    // Rows of the kernel row_period_ apart share source rows, and meet rows of grad row_step_ apart: such
    // are walked down together.
    void add_block(DepthwiseWeightsPixelsArgs& args, const float* source, const Planes& planes,
                   int64_t source_row, int64_t first, int64_t rows) const {
        const Axis& y = p_.height;
        const int64_t step = row_step_ * y.stride;
        for (int64_t r = 0; r < min_of(row_period_, y.kernel); ++r) {
            args.rows = static_cast<int>(ceil_div(y.kernel - r, row_period_));
            args.sums = planes.sums + r * p_.width.kernel * cut_.period;
            for (int64_t b = 0; b < min_of(row_step_, rows); ++b) {
                const int64_t at = (first + b) * y.stride + r * y.dilation - y.pad_before;
                args.source = source + (cut_.apart ? r * cut_.band + b : at) * source_row;
                args.first_step = ceil_div(max_of(0, -at), step);
                args.end_step = ceil_div(max_of(0, y.input - at), step);
                args.grad = planes.grad + (first + b) * p_.width.output * cut_.channels;
                args.grad_rows = ceil_div(rows - b, row_step_);
                args.bias_rows = r == 0 ? args.grad_rows : 0;
                context_.kernels->depthwise_weights->pixels(args);
            }
        }
    }

    // Every row that kernel row r meets behind each other, from r * band on.
    void split_apart(const Planes& planes, int64_t first, int64_t rows) const {
        const Axis& y = p_.height;
        const int64_t row = p_.width.input * cut_.channels;
        for (int64_t r = 0; r < y.kernel; ++r) {
            for (int64_t b = 0; b < rows; ++b) {
                const int64_t at = (first + b) * y.stride + r * y.dilation - y.pad_before;
                if (at >= 0 && at < y.input)
                    split(planes.input + at * row, 1,
                          planes.strip + (r * cut_.band + b) * cut_.strip_row);
            }
        }
    }

    // strip[i * phase + row * strip_row + j] = pixel j * stride + i of the row.
    void split(const float* input, int64_t rows, float* strip) const {
        const int64_t width = p_.width.input, step = p_.width.stride, channels = cut_.channels;
        if (channels == 1) {
            context_.kernels->split_columns(input, width, cut_.flat ? 1 : rows,
                                            cut_.flat ? rows * width : width,
                                            static_cast<int>(step), strip, cut_.phase);
            return;
        }
        for (int64_t row = 0; row < rows; ++row, strip += cut_.strip_row) {
            for (int64_t at = 0; at < width; ++at, input += channels) {
                float* to = strip + at % step * cut_.phase + at / step * channels;
                for (int64_t c = 0; c < channels; ++c) to[c] = input[c];
            }
        }
    }

    // Sums of `count` channels, [channel][tap], from their chains.
    void reduce(float* sums, int64_t count, float* other, float* to) const {
        const int64_t lanes = kVirtualLanes, channels = cut_.channels;
        if (channels > 1) {
            for (int64_t i = 0; i < cut_.sums; ++i) {
                context_.kernels->transpose(sums + i * cut_.period, channels, other + i * lanes,
                                            cut_.sums * lanes, lanes, channels);
            }
        }
        context_.kernels->depthwise_weights->sum_lanes(channels > 1 ? other : sums,
                                                       count * cut_.sums, to);
    }

    // The parts in order, to where they go.
    void finish(float* sums, int64_t first, int64_t count, bool overwrite) const {
        const int64_t part = p_.input_channels * cut_.sums, taps = p_.kernel_taps;
        for (int64_t i = 1; i < cut_.parts; ++i) {
            for (int64_t at = 0; at < count * cut_.sums; ++at) sums[at] += sums[i * part + at];
        }
        float* weights = call_.grad_weights + first * taps;
        for (int64_t c = 0; c < count; ++c, sums += cut_.sums, weights += taps) {
            for (int64_t tap = 0; tap < taps; ++tap)
                weights[tap] = overwrite ? sums[tap] : weights[tap] + sums[tap];
            if (call_.grad_bias == nullptr) continue;
            float* bias = call_.grad_bias + first + c;
            *bias = overwrite ? sums[taps] : *bias + sums[taps];
        }
    }

    const Context& context_;
    const Problem& p_;
    const BackwardWeightsCall& call_;
    const Workspace& workspace_;
    const Cut cut_;
    DepthwiseColumn columns_[kMaxKernel + 2] = {};
    int64_t row_period_, row_step_;
};

}  // namespace

// With 8 channels and more the other way, where it has a kernel for these taps, is faster for all but few taps
// on wide planes: 3 x 3 of 112 pixels 30 against 58 % of peak, of 20 pixels 34 against 27, 5 x 5 of 56 57
// against 51. A stride in which rows end does not pay either.
bool has_pixel_weights(const Problem& p) {
    constexpr int64_t kFewest = kVirtualLanes / 2, kWide = 24, kFewTaps = 9;
    if (p.channels_last()) return p.input_channels < kVirtualLanes;
    if (p.input_channels < kFewest || !has_small_weight_strips(p)) return true;
    const Axis& x = p.width;
    const bool kernel =
        x.dilation == 1 && (x.stride == 1 ? x.kernel == 3 || x.kernel == 5 || x.kernel == 7
                                          : x.stride == 2 && (x.kernel == 3 || x.kernel == 5));
    if (!kernel) return x.output >= kVirtualLanes;
    return x.input % x.stride == 0 && p.kernel_taps <= kFewTaps && x.output >= kWide;
}

WorkspaceSize depthwise_pixel_weights_workspace(const Problem& p) {
    const Cut cut(p);
    WorkspaceSize size;
    size.shared = derived_bytes(p);
    if (cut.parts > 1) {
        size.shared = size.shared +
                      CheckedSize(cut.parts) * p.input_channels * cut.sums * int64_t{sizeof(float)};
    }
    const CheckedSize chains = CheckedSize(cut.sums) * cut.period;
    size.per_thread =
        (chains * (cut.together + 2) + kVirtualLanes * kVirtualLanes * 2 + cut.strip) *
        int64_t{sizeof(float)};
    return size;
}

void depthwise_pixel_weights(const Context& context, const BackwardWeightsCall& call,
                             const Workspace& workspace, const Execution& execution) {
    const Problem& p = context.problem;
    const PixelsWeights weights(context, call, workspace);
    float* partials = workspace.shared_floats();
    if (!p.linear()) partials += derived_bytes(p).value() / int64_t{sizeof(float)};
    for_each_gradient(context, call, workspace, execution, [&](int64_t n, const float* grad) {
        weights.run(call.input + n * p.input_image, grad, n == 0 && !call.accumulate, partials,
                    execution);
    });
}

}  // namespace nconv
