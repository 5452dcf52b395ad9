// Image filters in fast math: a kernel that is the product of a column and a row of weights, as those of
// Gauss, Sobel and all boxes are, in R + S multiply-adds a result and not R * S. Whether the weights
// are such is seen when they are packed, from them alone; weights that are not run as depthwise.
#include <string.h>

#include "conv2d/depthwise.h"
#include "conv2d/derivative.h"

namespace nconv {
namespace {

constexpr int64_t kMostChannels =
    4;  // interleaved or in planes: beyond are layers, never of rank one
constexpr int64_t kMostRow = 1 << 18;  // pixels: a task has four rows, 16 MB of 4 channels
// How far u[r] * v[s] may be from a weight, relative to it: 8 roundings. A product of two rounded
// vectors, scaled to a sum of one, needs up to 5 for its rounding, pivots and factors.
constexpr double kTolerance = 1.0 / (1 << 21);

const char* declines(const Problem& p, nconv_pass) {
    if (p.math_mode != NCONV_MATH_MODE_FAST) return "two passes are for fast math";
    if (p.group_inputs != 1 || p.group_outputs != 1)
        return "more than one input or output channel per group";
    if (p.input_channels > kMostChannels) return "more than 4 channels";
    if (max_of(p.height.stride, p.width.stride) > 1) return "a stride above 1";
    if (max_of(p.height.dilation, p.width.dilation) > 1) return "a dilation above 1";
    if (min_of(p.height.kernel, p.width.kernel) < kSeparableRows - 1)
        return "fewer than 3 taps along one axis";
    if (max_of(p.height.kernel, p.width.kernel) > kMaxDepthwiseTaps)
        return "more than 64 taps along one axis";
    const CheckedSize row = CheckedSize(max_of(p.width.input, p.width.output)) + p.width.pad_before;
    if (!row.valid() || row.value() > kMostRow) return "rows of more than 262144 pixels";
    return nullptr;
}

// 5 x 5 runs at 77 % of peak at once and at 65 in two passes, 7 x 7 at 74 and 108.
const char* yields(const Problem& p, nconv_pass) {
    constexpr int64_t kFewestTaps = 49;
    return p.kernel_taps < kFewestTaps ? "fewer than 49 taps are faster at once" : nullptr;
}

// How a pass reads: tap i of an axis at position + lowest offset + i, in whichever order the kernel has
// them.
struct Reach {
    Reach(const Window& axis, int64_t taps)
        : lowest(min_of(axis.tap(0, 0).offset, axis.tap(0, taps - 1).offset)),
          falling(axis.tap_step() < 0),
          source(axis.source_extent()),
          result(axis.result_extent()),
          before(max_of(0, -lowest)),
          after(max_of(0, result + lowest + taps - 1 - source)) {}
    int64_t lowest;
    bool falling;
    int64_t source, result;
    int64_t before, after;  // padding that results read
};

struct Shape {
    Shape(const Context& context, nconv_pass pass)
        : problem(context.problem),
          interleaved(problem.channels_last() && problem.input_channels > 1),
          channels(interleaved ? problem.input_channels : 1),
          planes(interleaved ? 1 : problem.input_channels),
          gather(problem, pass),
          y(gather.y, problem.height.kernel),
          x(gather.x, problem.width.kernel),
          distance(context.kernels->lanes) {
        while (distance % channels != 0) distance += context.kernels->lanes;
        left = round_up(x.before * channels, kLineFloats);
    }
    // Floats of a row of a strip; whole vectors are stored and read behind its end.
    CheckedSize pitch() const {
        const CheckedSize row = CheckedSize(x.source + x.after) * channels;
        const CheckedSize floats = CheckedSize(left) + row + 3 * kLineFloats;
        return floats.valid() ? CheckedSize(floats.value() / kLineFloats * kLineFloats) : floats;
    }
    // Packed: what depthwise packs, the factors of each plane, and 1 if all weights are their products.
    CheckedSize factors() const {
        return CheckedSize(problem.height.kernel + problem.width.kernel) * planes * distance;
    }

    const Problem& problem;
    bool interleaved;
    int64_t channels, planes;
    Gather gather;
    Reach y, x;
    int64_t distance;  // elements after which weights repeat in whole vectors
    int64_t left;      // floats of a strip's row before the first element
};

WorkspaceSize workspace(const Context& context, nconv_pass pass) {
    WorkspaceSize size = kDepthwise.workspace(context, pass);
    const CheckedSize strip =
        Shape(context, pass).pitch() * kSeparableRows * int64_t{sizeof(float)};
    size.per_thread = larger_of(size.per_thread, strip);
    return size;
}

CheckedSize packed_count(const Context& context, nconv_pass pass) {
    return kDepthwise.packed_count(context, pass) + Shape(context, pass).factors() + 1;
}

// The column and the row of the largest weight, the row divided by it: sums down a column then never exceed
// what direct summation meets. False if a product is not its weight; also for Inf, NaN and zeros only.
bool split(const float* weights, int64_t rows, int64_t columns, float* column, float* row) {
    int64_t largest = 0;
    for (int64_t i = 1; i < rows * columns; ++i) {
        if (__builtin_fabsf(weights[i]) > __builtin_fabsf(weights[largest])) largest = i;
    }
    const double pivot = weights[largest];
    const float* pivots = weights + largest / columns * columns;
    for (int64_t s = 0; s < columns; ++s)
        row[s] = static_cast<float>(static_cast<double>(pivots[s]) / pivot);
    for (int64_t r = 0; r < rows; ++r) {
        column[r] = weights[r * columns + largest % columns];
        for (int64_t s = 0; s < columns; ++s) {
            const double weight = weights[r * columns + s];
            const double off =
                static_cast<double>(column[r]) * static_cast<double>(row[s]) - weight;
            if (!(__builtin_fabs(off) <= kTolerance * __builtin_fabs(weight))) return false;
        }
    }
    return true;
}

void pack(const Context& context, nconv_pass pass, const float* weights, float* packed) {
    kDepthwise.pack(context, pass, weights, packed);
    const Shape shape(context, pass);
    const Problem& p = context.problem;
    const int64_t rows = p.height.kernel, columns = p.width.kernel;
    float* factors = packed + kDepthwise.packed_count(context, pass).value();
    float* verdict = factors + shape.factors().value();
    memset(factors, 0, static_cast<size_t>(verdict + 1 - factors) * sizeof(float));
    float u[kMaxDepthwiseTaps], v[kMaxDepthwiseTaps];
    for (int64_t c = 0; c < p.input_channels; ++c) {
        if (!split(weights + c * p.kernel_taps, rows, columns, u, v)) return;
        // Plane by plane, or channel c of every pixel of a period.
        float* to = factors + (shape.interleaved ? 0 : c * (rows + columns) * shape.distance);
        const int64_t first = shape.interleaved ? c : 0;
        for (int64_t i = 0; i < rows + columns; ++i, to += shape.distance) {
            const bool down = i < rows;
            const int64_t tap = down ? i : i - rows, last = (down ? rows : columns) - 1;
            const bool falling = down ? shape.y.falling : shape.x.falling;
            const float value = (down ? u : v)[falling ? last - tap : tap];
            for (int64_t e = first; e < shape.distance; e += shape.channels) to[e] = value;
        }
    }
    *verdict = 1;
}

// One call whose weights are products.
class Passes {
public:
    Passes(const Context& context, const Shape& shape, const GatherCall& call, const float* factors)
        : shape_(shape),
          call_(call),
          factors_(factors),
          kernels_(context.kernels->pixels->separable),
          pitch_(shape.pitch().value()) {}

    void run(int64_t images, const Workspace& workspace, const Execution& execution) const {
        const int64_t strips = ceil_div(shape_.y.result, kSeparableRows);
        parallel_for(execution, images * shape_.planes * strips, [&](int64_t task, int slot) {
            float* strip = reinterpret_cast<float*>(workspace.slot(slot));
            const int64_t plane = task / strips % shape_.planes;
            run_strip(task / strips / shape_.planes, plane, task % strips * kSeparableRows, strip);
        });
    }

private:
    // Both passes go along the rows together, so that the sums are in L1 when they are read.
    void run_strip(int64_t image, int64_t plane, int64_t first, float* strip) const {
        const Reach &y = shape_.y, &x = shape_.x;
        const int64_t elements = x.source * shape_.channels, results = x.result * shape_.channels;
        const int64_t rows = shape_.problem.height.kernel, columns = shape_.problem.width.kernel;
        const int64_t last_tap = (x.lowest + columns - 1) * shape_.channels;
        const float* factors = factors_ + plane * (rows + columns) * shape_.distance;
        SeparableColumnsArgs down = {};
        down.source = call_.source + image * shape_.gather.source_image +
                      (plane * y.source + first + y.lowest) * elements;
        down.source_row = elements;
        down.taps = static_cast<int>(rows);
        // The kernel sums four rows in any case.
        const int64_t valid = min_of(kSeparableRows, y.result - first);
        const int64_t reach = valid + rows - 1, above = -(first + y.lowest);
        down.first_row = static_cast<int>(max_of(0, min_of(reach, above)));
        down.end_row = static_cast<int>(max_of(0, min_of(reach, above + y.source)));
        down.weights = factors;
        down.weight_step = shape_.distance;
        down.distance = shape_.distance;
        down.to = strip + shape_.left;
        down.to_row = pitch_;
        SeparableRowArgs along = {};
        along.step = shape_.channels;
        along.shift = static_cast<int>((shape_.left + x.lowest * shape_.channels) % kLineFloats);
        along.taps = static_cast<int>(columns);
        along.weights = factors + rows * shape_.distance;
        along.weight_step = shape_.distance;
        along.distance = shape_.distance;
        float bias[kMostChannels * kVirtualLanes];
        if (call_.bias != nullptr) {
            for (int64_t i = 0; i < shape_.distance; ++i)
                bias[i] = call_.bias[plane + i % shape_.channels];
            along.init = bias;
        }
        clear_padding(down, elements);
        // Whole tiles of both kernels.
        const int64_t chunk = kChunkVectors * shape_.distance;
        while (along.end < results) {
            down.first = down.end;
            down.end = min_of(elements, down.end + chunk);
            along.first = along.end;
            along.end =
                down.end == elements
                    ? results
                    : max_of(along.first, min_of(results, down.end - last_tap) / chunk * chunk);
            fetch_ahead(down, along, first + valid, image, plane);
            kernels_.columns(down);
            for (int64_t i = 0; i < valid; ++i) {
                along.source = down.to + i * pitch_ + x.lowest * shape_.channels;
                along.out = result_row(image, plane, first + i);
                kernels_.row(along);
                if (call_.epilogue == nullptr || along.end < results) continue;
                call_.epilogue->apply(&along.out, 1, results);
            }
        }
    }

    float* result_row(int64_t image, int64_t plane, int64_t row) const {
        return call_.result + image * shape_.gather.result_image +
               (plane * shape_.y.result + row) * shape_.x.result * shape_.channels;
    }

    // The next strip's new source rows and its results at these elements, which hardware does not see coming:
    // 15 x 15 of 1080p RGB took 5.0 ms without, 4.0 so.
    void fetch_ahead(const SeparableColumnsArgs& down, const SeparableRowArgs& along, int64_t next,
                     int64_t image, int64_t plane) const {
        const int64_t rows = min_of(kSeparableRows, shape_.y.result - next);
        const int64_t below = kSeparableRows + shape_.problem.height.kernel - 1;
        for (int64_t i = 0; i < rows; ++i) {
            prefetch(down.source + (below + i) * down.source_row + down.first,
                     down.end - down.first);
            prefetch(result_row(image, plane, next + i) + along.first, along.end - along.first);
        }
    }

    // The sums' last vector is stored whole, so the zeros behind it stay.
    void clear_padding(const SeparableColumnsArgs& down, int64_t elements) const {
        const int64_t behind = pitch_ - shape_.left - elements;
        for (int i = 0; i < kSeparableRows; ++i) {
            float* row = down.to + i * pitch_;
            memset(row - shape_.left, 0, static_cast<size_t>(shape_.left) * sizeof(float));
            memset(row + elements, 0, static_cast<size_t>(behind) * sizeof(float));
        }
    }

    static constexpr int64_t kChunkVectors = 12;
    const Shape& shape_;
    const GatherCall& call_;
    const float* factors_;
    const Separable& kernels_;
    const int64_t pitch_;
};

bool is_product(const Context& context, nconv_pass pass, const Shape& shape, const float* packed,
                const float** factors) {
    *factors = packed + kDepthwise.packed_count(context, pass).value();
    return (*factors)[shape.factors().value()] > 0;
}

void forward(const Context& context, const ForwardCall& call, const Workspace& workspace,
             const Execution& execution) {
    const Shape shape(context, NCONV_PASS_FORWARD);
    const float* factors;
    if (!is_product(context, NCONV_PASS_FORWARD, shape, call.packed, &factors))
        return kDepthwise.forward(context, call, workspace, execution);
    const Epilogue epilogue(context, call);
    const GatherCall gather = {call.input, call.packed, call.bias, call.output,
                               epilogue.needed() ? &epilogue : nullptr};
    Passes(context, shape, gather, factors).run(context.problem.batch, workspace, execution);
}

void backward_input(const Context& context, const BackwardInputCall& call,
                    const Workspace& workspace, const Execution& execution) {
    const Shape shape(context, NCONV_PASS_BACKWARD_INPUT);
    const float* factors;
    if (!is_product(context, NCONV_PASS_BACKWARD_INPUT, shape, call.packed, &factors))
        return kDepthwise.backward_input(context, call, workspace, execution);
    for_each_derived(context, call, workspace, execution,
                     [&](const GatherCall& part, int64_t images) {
                         Passes(context, shape, part, factors).run(images, workspace, execution);
                     });
}

}  // namespace

const Algorithm kSeparable = {"separable",
                              declines,
                              yields,
                              workspace,
                              packed_count,
                              pack,
                              forward,
                              backward_input,
                              nullptr,
                              nullptr,
                              "weights of rank one in two passes, others as depthwise"};

}  // namespace nconv
