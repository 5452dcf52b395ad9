// When a Winograd algorithm applies and when it pays.
#include "conv2d/gemm.h"
#include "conv2d/winograd_gradient.h"

namespace nconv {
namespace {

// Cycles, measured on Zen 5 with 64 channels at 56 x 56 and 512 at 28 x 28 and 7 x 7. A point of a vector of
// channels of a tile: its transforms, mostly stores that miss L1 and loads that hit L2; in NCHW a pixel is
// transposed too.
constexpr double kInputPoint = 5.1, kOutputPoint = 3.4, kPlanePixel = 5.0;
// The same of grad_output, and of a vector of weight gradients of a chunk what follows its sums.
constexpr double kGradientPoint = 4.0, kGradientEnd = 80;
constexpr double kDirectShare =
    2 * 0.9;  // multiply-adds a cycle of directly summed weight gradients
// Sums over fewer pixels than these would have more than three times the error of direct ones.
constexpr double kExactPixels = 128;
constexpr double kMultiplyAdds = 2 * 0.97, kLatency = 4;
constexpr double kTileEnds = 20;  // entry, exit and stores of a register tile
constexpr int64_t kTileVectors = 4;
constexpr double kNarrowShare =
    0.5;  // of the multiply-adds narrow reaches where few channels are produced
// Bytes of weights a cycle, from L2, L3 and memory.
constexpr double kNearBytes = 400, kFarBytes = 90, kFarthestBytes = 10;
constexpr double kNear = 1 << 20, kFar = 20 << 20;

// With stride 2 the most is 1.78; where the model promised less than this, 256 to 512 channels at 19 x 19
// and 14 x 14 took up to 12 % longer than direct summation.
constexpr double kStridedGain = 1.15;

double vectors(int64_t channels) { return static_cast<double>(ceil_div(channels, kVirtualLanes)); }

// rows x depth times depth x columns in register tiles of up to four vectors: a step takes its multiply-adds,
// two a cycle, or its loads, two a cycle, or the latency of a multiply-add.
double products_cost(int64_t rows, int64_t depth, int64_t columns) {
    double cost = 0;
    int64_t left = ceil_div(columns, kVirtualLanes);
    for (int64_t v = kTileVectors; v > 0; --v) {
        const int64_t blocks = left / v;
        left -= blocks * v;
        const int64_t tiles = ceil_div(rows, min_of(12, 24 / v));
        const double height = static_cast<double>(rows) / static_cast<double>(tiles);
        const double width = static_cast<double>(v);
        double step = height * width / kMultiplyAdds;
        if (step < (height + width) / 2) step = (height + width) / 2;
        if (step < kLatency) step = kLatency;
        cost +=
            static_cast<double>(blocks * tiles) * (static_cast<double>(depth) * step + kTileEnds);
    }
    return cost;
}

// Per image, and the same in both layouts, so that neither the batch nor the layout changes the bits; only
// where the weights come from memory does it count how many images share a pass over them.
double pass_cost(const Problem& p, nconv_pass pass, int variant) {
    const WinogradVariant& w = kWinograd[variant];
    const bool forward = pass == NCONV_PASS_FORWARD;
    const int64_t reduced = forward ? p.group_inputs : p.group_outputs;
    const int64_t produced = forward ? p.group_outputs : p.group_inputs;
    const int64_t tiles =
        TileAxis(Window(p.height, pass), w).count * TileAxis(Window(p.width, pass), w).count;
    const int64_t images =
        winograd_weights_bytes(w, reduced, produced) > kFar ? max_of(1, p.batch) : 1;
    const int64_t together = winograd_block_tiles(w, reduced, produced);
    const double passes = static_cast<double>(ceil_div(images * tiles, together));
    return winograd_block_cost(w, tiles, reduced, produced, false) +
           passes / static_cast<double>(images) *
               winograd_weights_cost(w, reduced, produced, produced);
}

// In tiles with channels in lanes, or by the narrow algorithm, which fills its lanes whatever the channels.
double direct_cost(const Problem& p, nconv_pass pass) {
    const bool forward = pass == NCONV_PASS_FORWARD;
    const int64_t pixels = forward ? p.output_pixels : p.input_pixels;
    const int64_t depth = kKernel * kKernel * (forward ? p.group_inputs : p.group_outputs);
    const int64_t produced = forward ? p.group_outputs : p.group_inputs;
    const double tiles = products_cost(pixels, depth, produced) *
                         summed_taps(Window(p.height, pass)) * summed_taps(Window(p.width, pass));
    const double narrow = static_cast<double>(pixels) * static_cast<double>(depth * produced) /
                          (kVirtualLanes * kMultiplyAdds * kNarrowShare);
    return produced <= kVirtualLanes / 2 && narrow < tiles ? narrow : tiles;
}

}  // namespace

double winograd_weights_bytes(const WinogradVariant& w, int64_t reduced, int64_t produced) {
    return sizeof(float) * w.weights() * w.weights() * static_cast<double>(reduced) *
           static_cast<double>(produced);
}

double winograd_block_cost(const WinogradVariant& w, int64_t tiles, int64_t reduced,
                           int64_t produced, bool planes) {
    const double points = w.tile * w.tile, t = static_cast<double>(tiles);
    const double transposed = planes ? kPlanePixel * w.output * w.output : 0;
    const double source = transposed * w.stride * w.stride;
    const double products = points * products_cost(tiles, reduced, produced);
    return products + t * (vectors(reduced) * (kInputPoint * points + source) +
                           vectors(produced) * (kOutputPoint * points + transposed));
}

double winograd_weights_cost(const WinogradVariant& w, int64_t reduced, int64_t all_produced,
                             int64_t produced) {
    const double all = winograd_weights_bytes(w, reduced, all_produced);
    const double rate = all <= kNear ? kNearBytes : all <= kFar ? kFarBytes : kFarthestBytes;
    return winograd_weights_bytes(w, reduced, produced) / rate;
}

double winograd_gradient_cost(const Problem& p, int64_t tiles, int64_t chunks, int64_t inputs,
                              int64_t outputs) {
    const WinogradVariant& w = kWinograd[kWinogradGradient];
    const double points = w.tile * w.tile, t = static_cast<double>(tiles);
    const double transposed = p.channels_last() ? 0 : kPlanePixel * w.output * w.output;
    const double sums = points * products_cost(outputs, ceil_div(tiles, chunks), inputs) +
                        kGradientEnd * static_cast<double>(outputs) * vectors(inputs);
    return static_cast<double>(chunks) * sums +
           t * (vectors(inputs) * (kInputPoint * points + transposed) +
                vectors(outputs) * (kGradientPoint * points + transposed));
}

// The same in both layouts. Direct summation is taken to fill its lanes whatever the channels.
const char* winograd_gradient_yields(const Problem& p) {
    const double pixels = static_cast<double>(p.batch) * static_cast<double>(p.output_pixels);
    if (pixels < kExactPixels && p.math_mode != NCONV_MATH_MODE_FAST)
        return "of so few pixels direct summation is more exact";
    Problem last = p;
    last.layout = NCONV_LAYOUT_NHWC;
    const GradientChunks chunks(p);
    const double cost =
        winograd_gradient_cost(last, max_of(1, p.batch) * chunks.rows * chunks.columns,
                               chunks.count(), p.group_inputs, p.group_outputs);
    const double direct = pixels * static_cast<double>(p.kernel_taps * p.group_inputs) *
                          static_cast<double>(p.group_outputs) / (kVirtualLanes * kDirectShare);
    return cost < direct ? nullptr : "direct summation is faster";
}

const char* winograd_declines(const Problem& p, nconv_pass pass, int variant) {
    const int stride = kWinograd[variant].stride;
    if (pass == NCONV_PASS_BACKWARD_INPUT && stride != 1) return "forward only";
    if (pass == NCONV_PASS_BACKWARD_WEIGHTS) {
        if (variant != kWinogradGradient) return "weight gradients take tiles of 4";
        if (p.height.dilation > 1 || p.width.dilation > 1) return "a dilation above 1";
    }
    const auto fits = [&](const Axis& a) {
        return a.kernel == kKernel && a.stride == stride && (stride == 1 || a.dilation == 1);
    };
    if (!fits(p.height) || !fits(p.width)) {
        return stride == 1 ? "not a 3 x 3 kernel of stride 1"
                           : "not a 3 x 3 kernel of stride 2 and dilation 1";
    }
    if (p.math_mode == NCONV_MATH_MODE_STRICT) return "strict math sums directly";
    if (kWinograd[variant].output > 4 && p.math_mode != NCONV_MATH_MODE_FAST)
        return "its error needs fast math";
    return nullptr;
}

// Of two that cost the same the one with smaller tiles is more exact.
const char* winograd_yields(const Problem& p, nconv_pass pass, int variant) {
    if (pass == NCONV_PASS_BACKWARD_WEIGHTS) return winograd_gradient_yields(p);
    const double cost = pass_cost(p, pass, variant);
    const double gain = kWinograd[variant].stride == 1 ? 1 : kStridedGain;
    if (cost * gain >= direct_cost(p, pass)) return "direct summation is faster";
    for (int other = 0; other < kWinogradVariants; ++other) {
        if (other == variant || winograd_declines(p, pass, other) != nullptr) continue;
        const double least = pass_cost(p, pass, other);
        if (least < cost || (least == cost && other < variant))
            return "tiles of another size are faster";
    }
    return nullptr;
}

}  // namespace nconv
