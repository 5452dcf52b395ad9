// backward_weights of few channels in NCHW with long rows: pixels in lanes, sums of products of planes. Nothing is
// transposed, and without padding nothing is copied. A task keeps kVirtualLanes chains for each of its weights
// over all chunks of a partial sum and adds them at the end. With a stride the input does not stay in L1 beside the
// gradients (3 to 32 channels at 112 x 112: 53 % of peak, 64 by outer's transposition), rows of 28 leave an
// eighth of the lanes empty (56 and 65 %), and sums of 1 x 1 kernels are too short for their lanes' addition.
#include "conv2d/outer.h"
#include "conv2d/weight_chunks.h"

namespace nconv {
namespace {

// More rows of a filter than these, and its chains take their time from L2.
constexpr int64_t kMostFilter = 64;
constexpr int64_t kMostChains = 256 * 1024;  // floats
constexpr int64_t kDotFloats = 8192;  // in L1: a pixel of a tile's gradients and of all inputs
constexpr int64_t kShortRow = 32;
constexpr int64_t kMostDotPartials = 4;

Chunks dot_chunks(const Problem& p) {
    Chunks chunks(p, max_of(p.input_channels, kVirtualLanes), kDotFloats / (4 + p.group_inputs));
    chunks.partials = min_of(chunks.partials, kMostDotPartials);
    return chunks;
}

// Where the input's values are: in its planes, or in a strip with zeros for the padding.
struct Planes {
    Planes(const Problem& p, const Chunks& chunks)
        : copied(InputLayout::reads_outside(p.height) || InputLayout::reads_outside(p.width)),
          row(copied ? InputLayout::window(p.width, p.width.output) : p.width.input) {
        const int64_t rows = copied ? InputLayout::window(p.height, chunks.rows) : p.height.input;
        const CheckedSize plane = CheckedSize(rows) * row + 2 * kVirtualLanes;
        floats = plane * p.input_channels * chunks.images;
        if (!floats.valid()) return;
        // An odd number of lines apart: planes must not all fall into the same sets of L1.
        channel = copied ? (plane.value() - 17) / 32 * 32 + kVirtualLanes : p.input_pixels;
        image = channel * p.input_channels;
    }
    bool copied;
    int64_t row;
    CheckedSize floats = 0;  // of a chunk's strip
    int64_t channel = 0, image = 0;
};

// The matrix of all sums: units are some outputs of a group.
struct Units {
    Units(const Context& context)
        : filter(context.problem.kernel_taps * context.problem.group_inputs),
          outputs(context.problem.group_outputs),
          size(context.kernels->outer->dots.gradients),
          blocks(ceil_div(outputs, size)),
          count(blocks * context.problem.groups),
          chains(filter * size * kVirtualLanes) {}
    int64_t group(int64_t unit) const { return unit / blocks; }
    int64_t first(int64_t unit) const { return unit / blocks * outputs + unit % blocks * size; }
    int64_t valid(int64_t unit) const { return min_of(size, outputs - unit % blocks * size); }
    int64_t filter, outputs, size, blocks, count, chains;
};

struct Layout {
    Layout(const Context& context, const Chunks& c, const Units& units) {
        const Problem& p = context.problem;
        offsets = shared.place(units.filter * int64_t{sizeof(ptrdiff_t) / sizeof(float)});
        sums = shared.place(CheckedSize(c.partials) * p.weights_count);
        bias = shared.place(CheckedSize(c.partials) * p.bias_count);
        const Planes planes(p, c);
        strip = per_thread.place(planes.copied ? planes.floats : CheckedSize(0));
        derived = per_thread.place(p.linear() ? CheckedSize(0)
                                              : CheckedSize(c.images) * c.rows * p.width.output *
                                                    units.size);
        chains = per_thread.place(CheckedSize(units.count) * units.chains);
    }
    int64_t offsets, sums, bias;     // shared
    int64_t strip, derived, chains;  // per thread
    MemoryMap shared, per_thread;
};

class DotPass {
public:
    DotPass(const Context& context, const BackwardWeightsCall& call, const Workspace& workspace)
        : p_(context.problem),
          k_(*context.kernels),
          call_(call),
          workspace_(workspace),
          chunks_(dot_chunks(p_)),
          units_(context),
          layout_(context, chunks_, units_),
          planes_(p_, chunks_),
          offsets_(reinterpret_cast<ptrdiff_t*>(workspace.shared_floats() + layout_.offsets)) {}

    void run(const Execution& execution) const {
        fill_offsets();
        const int64_t parts =
            min_of(units_.count, ceil_div(fewest_tasks(execution), chunks_.partials));
        parallel_for(execution, chunks_.partials * parts, [&](int64_t task, int slot) {
            const int64_t part = task % parts;
            add_chunks(task / parts, share_start(units_.count, parts, part),
                       share_start(units_.count, parts, part + 1),
                       reinterpret_cast<float*>(workspace_.slot(slot)));
        });
        float* sums = workspace_.shared_floats() + layout_.sums;
        for (int64_t i = 1; i < chunks_.partials; ++i)
            k_.add_rows(sums + i * p_.weights_count, 0, 1, p_.weights_count, sums);
        store_sums(call_, sums, p_.weights_count, call_.grad_weights);
        add_partial_bias(p_, call_, workspace_.shared_floats() + layout_.bias, chunks_.partials);
    }

private:
    void fill_offsets() const {
        ptrdiff_t* to = offsets_;
        for (int64_t i = 0; i < p_.group_inputs; ++i) {
            for (int64_t r = 0; r < p_.height.kernel; ++r) {
                for (int64_t s = 0; s < p_.width.kernel; ++s)
                    *to++ = i * planes_.channel + r * p_.height.dilation * planes_.row +
                            s * p_.width.dilation;
            }
        }
    }

    // The chunks of one partial sum, for some units.
    void add_chunks(int64_t partial, int64_t first_unit, int64_t end_unit, float* memory) const {
        float* bias = workspace_.shared_floats() + layout_.bias + partial * p_.bias_count;
        float* chains = memory + layout_.chains;
        // All its chunks: a call in parts would have to keep the chains.
        const ChunkRange range(call_, chunks_.cut(), partial);
        const int64_t first_group = units_.group(first_unit);
        for (int64_t i = range.begin; i < range.end; ++i) {
            const Chunk chunk = make_chunk(p_, chunks_, range, i);
            const float* input = input_at(chunk, first_group, units_.group(end_unit - 1) + 1,
                                          memory + layout_.strip);
            for (int64_t unit = first_unit; unit < end_unit; ++unit) {
                DotTileArgs args = gradients(chunk, unit, memory + layout_.derived);
                args.a =
                    input + (units_.group(unit) - first_group) * p_.group_inputs * planes_.channel;
                args.add = i > range.begin;
                if (call_.grad_bias != nullptr) {
                    for (int64_t g = 0; g < args.gradients; ++g) {
                        const float sum = sum_of_plane(k_, args.b + g * args.b_plane, args.b_z,
                                                       chunk.images, chunk.rows * p_.width.output);
                        float* at = bias + units_.first(unit) + g;
                        *at = i == range.begin ? sum : *at + sum;
                    }
                }
                multiply(args, distance(chunk, unit, first_unit, end_unit, range, i),
                         chains + (unit - first_unit) * units_.chains);
            }
        }
        float* sums = workspace_.shared_floats() + layout_.sums + partial * p_.weights_count;
        for (int64_t unit = first_unit; unit < end_unit; ++unit)
            add_lanes(unit, chains + (unit - first_unit) * units_.chains, sums);
    }

    // The first value that the chunk's first pixel reads of the first of some groups.
    const float* input_at(const Chunk& chunk, int64_t group, int64_t end_group,
                          float* strip) const {
        const int64_t first_row = chunk.first_row - p_.height.pad_before;
        const float* planes = call_.input + chunk.first_image * p_.input_image +
                              group * p_.group_inputs * p_.input_pixels;
        if (!planes_.copied) return planes + first_row * p_.width.input;
        const int64_t channels = (end_group - group) * p_.group_inputs;
        for (int64_t i = 0; i < chunk.images * channels; ++i) {
            const int64_t n = i / channels, c = i % channels;
            copy_padded_rows(k_, p_, planes + n * p_.input_image + c * p_.input_pixels, first_row,
                             InputLayout::window(p_.height, chunk.rows), planes_.row, 1,
                             strip + n * planes_.image + c * planes_.channel);
        }
        return strip;
    }

    // The chunk's part of a unit's planes of grad_output, or of a copy of them times the activation's derivative.
    DotTileArgs gradients(const Chunk& chunk, int64_t unit, float* derived) const {
        const int64_t width = p_.width.output, pixels = chunk.rows * width;
        const int64_t from = chunk.first_image * p_.output_image +
                             units_.first(unit) * p_.output_pixels + chunk.first_row * width;
        DotTileArgs args = {};
        args.gradients = static_cast<int>(units_.valid(unit));
        args.a_y = planes_.row;
        args.a_z = planes_.image;
        args.b = call_.grad_output + from;
        args.b_plane = p_.output_pixels;
        args.b_y = width;
        args.b_z = p_.output_image;
        args.x = width;
        args.y = chunk.rows;
        args.z = chunk.images;
        if (call_.output == nullptr) return args;
        args.b = derived;
        args.b_plane = pixels;
        args.b_z = units_.size * pixels;
        for (int64_t n = 0; n < chunk.images; ++n) {
            for (int64_t g = 0; g < args.gradients; ++g) {
                const int64_t source = from + n * p_.output_image + g * p_.output_pixels;
                k_.activations[p_.activation].derive(
                    call_.grad_output + source, call_.output + source,
                    derived + n * args.b_z + g * pixels, pixels, p_.alpha, p_.beta);
            }
        }
        return args;
    }

    // From a unit's planes to the next ones that will be read; 0: to none.
    ptrdiff_t distance(const Chunk& chunk, int64_t unit, int64_t first_unit, int64_t end_unit,
                       const ChunkRange& range, int64_t index) const {
        if (call_.output != nullptr) return 0;
        if (unit + 1 < end_unit)
            return (units_.first(unit + 1) - units_.first(unit)) * p_.output_pixels;
        if (index + 1 == range.end) return 0;
        const Chunk next = make_chunk(p_, chunks_, range, index + 1);
        return (next.first_image - chunk.first_image) * p_.output_image +
               (next.first_row - chunk.first_row) * p_.width.output +
               (units_.first(first_unit) - units_.first(unit)) * p_.output_pixels;
    }

    void multiply(DotTileArgs& args, ptrdiff_t next, float* chains) const {
        const DotTiles& dots = k_.outer->dots;
        const int64_t tiles = ceil_div(units_.filter, dots.terms);
        int64_t tile = 0;
        for_each_share(units_.filter, tiles, [&](int64_t first, int64_t count) {
            args.offsets = offsets_ + first;
            args.sums = chains + first * units_.size * kVirtualLanes;
            args.ahead_all = tiles < units_.size;
            args.ahead = next == 0 || tile >= (args.ahead_all ? 1 : units_.size)
                             ? 0
                             : next + tile * args.b_plane;
            ++tile;
            dots.tile[count - 1](args);
        });
    }

    // Adds the chains of a unit's sums.
    void add_lanes(int64_t unit, const float* chains, float* sums) const {
        constexpr int64_t kSome = 64;
        const int64_t size = units_.size, valid = units_.valid(unit), count = units_.filter * size;
        float* const to = sums + units_.first(unit) * units_.filter;
        int64_t row = 0, g = 0;
        for (int64_t first = 0; first < count; first += kSome) {
            float totals[kSome];
            const int64_t some = min_of(kSome, count - first);
            k_.outer->add_lanes(chains + first * kVirtualLanes, some, totals);
            for (int64_t i = 0; i < some; ++i) {
                if (g < valid) to[g * units_.filter + row] = totals[i];
                if (++g == size) {
                    g = 0;
                    ++row;
                }
            }
        }
    }

    const Problem& p_;
    const KernelSet& k_;
    const BackwardWeightsCall& call_;
    const Workspace& workspace_;
    const Chunks chunks_;
    const Units units_;
    const Layout layout_;
    const Planes planes_;
    ptrdiff_t* const offsets_;
};

}  // namespace

bool takes_dots(const Problem& p) {
    const int64_t filter = p.kernel_taps * p.group_inputs, width = p.width.output;
    if (p.channels_last() || p.kernel_taps == 1 || filter > kMostFilter) return false;
    if (p.height.stride > 1 || p.width.stride > 1) return false;
    if (p.groups * round_up(p.group_outputs, 4) * filter * kVirtualLanes > kMostChains)
        return false;
    return width >= kShortRow && width * 10 >= round_up(width, kVirtualLanes) * 9;
}

CheckedSize dot_task_bytes(const Problem& p) {
    const Chunks chunks = dot_chunks(p);
    const Planes planes(p, chunks);
    const CheckedSize derived = CheckedSize(chunks.images) * chunks.rows * p.width.output * 4;
    return ((planes.copied ? planes.floats : CheckedSize(0)) +
            (p.linear() ? CheckedSize(0) : derived)) *
           int64_t{sizeof(float)};
}

WorkspaceSize dot_weights_workspace(const Context& context) {
    const Layout layout(context, dot_chunks(context.problem), Units(context));
    WorkspaceSize size;
    size.shared = layout.shared.bytes();
    size.per_thread = layout.per_thread.bytes();
    return size;
}

void dot_backward_weights(const Context& context, const BackwardWeightsCall& call,
                          const Workspace& workspace, const Execution& execution) {
    DotPass(context, call, workspace).run(execution);
}

}  // namespace nconv
