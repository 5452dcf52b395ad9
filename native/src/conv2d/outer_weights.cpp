// backward_weights of few channels and of 1 x 1 kernels. The rows of a tile are weights of a filter, each with
// its own offset from a pixel's first input, and the lanes output channels: no lane is left empty by few input
// channels, and nothing but padding needs a copy. Where a kernel of 1 x 1 leaves the choice, the roles may be
// the other way round. In NCHW the side in lanes is transposed.
#include <string.h>

#include "conv2d/outer.h"
#include "conv2d/outer_sums.h"
#include "conv2d/planes.h"
#include "conv2d/weight_chunks.h"

namespace nconv {

bool has_outputs_in_lanes(const Problem& p) {
    const Axis &h = p.height, &w = p.width;
    const bool either = p.kernel_taps == 1 && !InputLayout(p, 1).copied &&
                        (p.channels_last() || (h.stride == 1 && w.stride == 1));
    if (!either) return true;
    // Multiply-adds of whole vectors for a pixel, in eighths: a vector's transposition in NCHW costs about as much
    // as eight of them.
    const auto cost = [&](int64_t lanes, int64_t multiplied) {
        const int64_t vectors = ceil_div(lanes, kVirtualLanes);
        return multiplied * 8 + (p.channels_last() ? 0 : 64 * vectors);
    };
    const int64_t outputs = cost(p.group_outputs, outer_cost_outputs(p));
    // Their bias is summed apart.
    const int64_t inputs = cost(p.group_inputs, outer_cost_inputs(p)) + 3 * p.group_outputs / 2;
    if (outputs != inputs) return outputs < inputs;
    // The side in lanes is read by whole lines for every tile, of the other one six values at a time; but sums
    // with outputs in lanes are transposed at the end, which few pixels do not pay.
    return p.group_outputs >= p.group_inputs && p.batch * p.output_pixels >= kFewestPixels;
}

void copy_padded_rows(const KernelSet& k, const Problem& p, const float* source, int64_t first_row,
                      int64_t rows, int64_t columns, int64_t pixel, float* to) {
    const int64_t row = columns * pixel, source_row = p.width.input * pixel;
    const int64_t above = min_of(rows, max_of(0, -first_row));
    const int64_t end = max_of(above, min_of(rows, p.height.input - first_row));
    memset(to, 0, static_cast<size_t>(above * row) * sizeof(float));
    memset(to + end * row, 0, static_cast<size_t>((rows - end) * row) * sizeof(float));
    if (end == above) return;
    const int64_t before = min_of(columns, p.width.pad_before);
    const int64_t count = min_of(p.width.input, columns - before);
    StripRowsArgs args = {};
    args.source = source + (first_row + above) * source_row;
    args.source_row = source_row;
    args.source_step = 1;
    args.to = to + above * row;
    args.to_row = row;
    args.rows = end - above;
    args.before = before * pixel;
    args.count = count * pixel;
    args.after = (columns - before - count) * pixel;
    k.narrow->strip_rows(args);
}

namespace {

Chunks outer_chunks(const Problem& p) {
    return Chunks(p, max_of(p.input_channels, p.output_channels));
}

// The parts of the workspace, in floats.
struct Layout {
    Layout(const Context& context, const Chunks& c, const Sums& s) {
        const Problem& p = context.problem;
        offsets = shared.place(s.rows * int64_t{sizeof(ptrdiff_t) / sizeof(float)});
        // A run of fewer rows than a group has none, so there are not more groups than rows.
        groups = shared.place(s.rows * int64_t{sizeof(OuterGroup) / sizeof(float)});
        apart = c.partials > 1 || s.outputs_in_lanes;
        sums = shared.place(apart ? CheckedSize(c.partials) * p.weights_count : CheckedSize(0));
        bias = shared.place(CheckedSize(c.partials) * p.bias_count);
        const CheckedSize pixels = CheckedSize(c.images) * c.rows * p.width.output;
        derived = per_thread.place(p.linear() ? CheckedSize(0) : pixels * p.output_channels);
        lanes = per_thread.place(p.channels_last()
                                     ? CheckedSize(0)
                                     : pixels * s.lanes * context.kernels->outer->vectors);
        const InputLayout input(p, c.rows);
        strip = per_thread.place(input.copied ? input.floats * c.images : CheckedSize(0));
        if (s.outputs_in_lanes)
            filters = CheckedSize(kVirtualLanes) * p.kernel_taps * p.group_inputs;
    }
    bool apart;
    int64_t offsets, groups, sums, bias;  // shared
    int64_t derived, lanes, strip;        // per thread
    CheckedSize filters = 0;              // floats of the adding of partial sums, per thread
    MemoryMap shared, per_thread;
};

class OuterPass {
public:
    OuterPass(const Context& context, const BackwardWeightsCall& call, const Workspace& workspace,
              const Execution& execution)
        : p_(context.problem),
          k_(*context.kernels),
          call_(call),
          workspace_(workspace),
          execution_(execution),
          chunks_(outer_chunks(p_)),
          sums_(context),
          layout_(context, chunks_, sums_),
          input_(p_, chunks_.rows),
          row_groups_(context, sums_, input_.channel, gradient_channel()),
          offsets_(reinterpret_cast<ptrdiff_t*>(workspace.shared_floats() + layout_.offsets)),
          groups_(reinterpret_cast<OuterGroup*>(workspace.shared_floats() + layout_.groups)) {}

    void run() const {
        fill_offsets();
        for (int64_t i = 0; i < row_groups_.count; ++i) {
            const int64_t first = row_groups_.first(i);
            groups_[i] = {offsets_[first], static_cast<int>(first),
                          static_cast<int>(row_groups_.skipped(i))};
        }
        // Rows, or groups of them.
        const bool grouped = row_groups_.tiles != nullptr;
        const int64_t rows = grouped ? row_groups_.count : sums_.rows;
        const int64_t most = grouped ? row_groups_.tiles->most : k_.outer->rows[0];
        const int64_t wanted = ceil_div(fewest_tasks(execution_), call_.active(chunks_.partials));
        const int64_t unit_parts = min_of(sums_.units, wanted);
        const int64_t row_parts = min_of(ceil_div(rows, most), ceil_div(wanted, unit_parts));
        const int64_t parts = unit_parts * row_parts;
        parallel_for(execution_, chunks_.partials * parts, [&](int64_t task, int slot) {
            const int64_t unit = task % parts / row_parts, row = task % row_parts;
            add_chunks(task / parts,
                       {share_start(sums_.units, unit_parts, unit),
                        share_start(sums_.units, unit_parts, unit + 1)},
                       {share_start(rows, row_parts, row), share_start(rows, row_parts, row + 1)},
                       reinterpret_cast<float*>(workspace_.slot(slot)));
        });
        if (!call_.finishes()) return;
        if (layout_.apart) {
            const int64_t blocks = ceil_div(p_.group_outputs, kVirtualLanes);
            parallel_for(execution_, p_.groups * blocks, [&](int64_t task, int slot) {
                const int64_t first = task % blocks * kVirtualLanes;
                finish(task / blocks, first, min_of(kVirtualLanes, p_.group_outputs - first),
                       reinterpret_cast<float*>(workspace_.slot(slot)));
            });
        }
        add_partial_bias(p_, call_, workspace_.shared_floats() + layout_.bias, chunks_.partials);
    }

private:
    // Where each row's value is, seen from a pixel's first: in the order of a filter's weights.
    void fill_offsets() const {
        ptrdiff_t* to = offsets_;
        if (!sums_.outputs_in_lanes) {
            for (int64_t o = 0; o < sums_.rows; ++o) *to++ = o * gradient_channel();
            return;
        }
        const bool last = p_.channels_last();
        for (int64_t i = 0; i < (last ? 1 : p_.group_inputs); ++i) {
            for (int64_t r = 0; r < p_.height.kernel; ++r) {
                for (int64_t s = 0; s < p_.width.kernel; ++s) {
                    const ptrdiff_t tap =
                        r * p_.height.dilation * input_.row + s * p_.width.dilation * input_.pixel;
                    for (int64_t j = 0; j < (last ? p_.group_inputs : 1); ++j)
                        *to++ = tap + (i + j) * input_.channel;
                }
            }
        }
    }

    // The chunks of one partial sum, for some blocks of columns and some rows.
    void add_chunks(int64_t partial, Range units, Range rows, float* memory) const {
        float* sums = layout_.apart
                          ? workspace_.shared_floats() + layout_.sums + partial * p_.weights_count
                          : call_.grad_weights;
        float* bias = workspace_.shared_floats() + layout_.bias + partial * p_.bias_count;
        const Range groups = {units.first / sums_.blocks, ceil_div(units.end, sums_.blocks)};
        const ChunkRange range(call_, chunks_.cut(), partial);
        for (int64_t i = range.first; i < range.end; ++i) {
            const Chunk chunk = make_chunk(p_, chunks_, range, i);
            const bool starts = i == range.begin;
            const PixelView gradient = gradient_view(chunk, groups, memory + layout_.derived);
            const PixelView input = input_view(chunk, groups, memory + layout_.strip);
            for (int64_t unit = units.first; unit < units.end; ++unit) {
                const int64_t group = unit / sums_.blocks;
                const Range columns = sums_.block(unit % sums_.blocks);
                PixelView a = input, b = gradient;
                if (!sums_.outputs_in_lanes) a = gradient, b = input;
                a.at += group * (sums_.outputs_in_lanes ? p_.group_inputs : p_.group_outputs) *
                        a.channel;
                b.at += (group * sums_.columns + columns.first) * b.channel;
                b = in_lanes(chunk, b, columns.count(), memory + layout_.lanes);
                float* at = bias + group * p_.group_outputs;
                OuterTileArgs args = pixels(chunk, a, b);
                const bool has_bias = call_.grad_bias != nullptr;
                if (has_bias && sums_.outputs_in_lanes && rows.first == 0)
                    args.bias = at + columns.first;
                args.columns = static_cast<int>(columns.count());
                args.out = sums + group * sums_.rows * sums_.columns + columns.first;
                args.add = !starts || (call_.accumulate && !layout_.apart);
                multiply(args, rows, distance(units, unit, range, i));
                // After the products, which wait less for what is not in cache yet.
                if (has_bias && !sums_.outputs_in_lanes && columns.first == 0)
                    add_bias_rows(chunk, a, row_groups_.rows(rows, sums_.rows), starts, at);
            }
        }
    }

    int64_t chunk_pixels(const Chunk& chunk) const { return chunk.rows * p_.width.output; }
    int64_t gradient_channel() const {
        if (p_.channels_last()) return 1;
        return p_.linear() ? p_.output_pixels : chunks_.rows * p_.width.output;
    }

    // The chunk's part of grad_output, or a copy of it times the activation's derivative.
    PixelView gradient_view(const Chunk& chunk, Range groups, float* derived) const {
        const bool last = p_.channels_last();
        const int64_t x = last ? p_.output_channels : 1, width = p_.width.output;
        const float* from = chunk.gradient + chunk.first_row * width * x;
        PixelView view = {from, gradient_channel(), x, width * x, p_.output_image};
        if (call_.output == nullptr) return view;
        const int64_t runs = last ? 1 : groups.count() * p_.group_outputs;
        const int64_t first = last ? 0 : groups.first * p_.group_outputs;
        const int64_t count = chunk_pixels(chunk) * x;
        view.z = view.channel * (last ? chunk_pixels(chunk) * x : p_.output_channels);
        const float* output =
            call_.output + chunk.first_image * p_.output_image + chunk.first_row * width * x;
        for (int64_t n = 0; n < chunk.images; ++n) {
            for (int64_t i = first; i < first + runs; ++i) {
                const int64_t source = n * p_.output_image + i * p_.output_pixels;
                k_.activations[p_.activation].derive(from + source, output + source,
                                                     derived + n * view.z + i * view.channel, count,
                                                     p_.alpha, p_.beta);
            }
        }
        view.at = derived;
        return view;
    }

    // The input at the first tap of the chunk's pixels.
    PixelView input_view(const Chunk& chunk, Range groups, float* strip) const {
        PixelView view = {};
        view.channel = input_.channel;
        view.x = p_.width.stride * input_.pixel;
        view.y = p_.height.stride * input_.row;
        view.z = input_.copied ? input_.floats.value() : p_.input_image;
        const float* images = call_.input + chunk.first_image * p_.input_image;
        const int64_t first_row = chunk.first_row * p_.height.stride - p_.height.pad_before;
        if (!input_.copied) {
            view.at = images + first_row * input_.row;
            return view;
        }
        view.at = strip;
        const int64_t rows = InputLayout::window(p_.height, chunk.rows);
        const int64_t planes = p_.channels_last() ? 1 : groups.count() * p_.group_inputs;
        const int64_t first = p_.channels_last() ? 0 : groups.first * p_.group_inputs;
        for (int64_t n = 0; n < chunk.images; ++n) {
            for (int64_t i = first; i < first + planes; ++i) {
                copy_padded_rows(k_, p_, images + n * p_.input_image + i * p_.input_pixels,
                                 first_row, rows, input_.columns, input_.pixel,
                                 strip + n * view.z + i * input_.channel);
            }
        }
        return view;
    }

    // Some channels with the channels side by side: as they are in NHWC, else transposed.
    PixelView in_lanes(const Chunk& chunk, const PixelView& from, int64_t channels,
                       float* memory) const {
        if (p_.channels_last()) return from;
        const int64_t width = p_.width.output, pixels = chunk_pixels(chunk);
        for (int64_t n = 0; n < chunk.images; ++n) {
            load_strip(k_, from.at + n * from.z, from.channel, width, {0, chunk.rows, 0, width},
                       channels, memory + n * pixels * channels, channels);
        }
        return {memory, 1, channels, width * channels, pixels * channels};
    }

    // How far ahead what the next unit, or the first one of the next chunk, has in lanes lies, where it is read
    // where it is; 0: nowhere.
    ptrdiff_t distance(Range units, int64_t unit, const ChunkRange& range, int64_t index) const {
        const bool outputs = sums_.outputs_in_lanes;
        if (!p_.channels_last() || (outputs && call_.output != nullptr)) return 0;
        const auto column = [&](int64_t u) {
            return u / sums_.blocks * sums_.columns + sums_.block(u % sums_.blocks).first;
        };
        if (unit + 1 < units.end) return column(unit + 1) - column(unit);
        if (index + 1 == range.end) return 0;
        const auto start = [&](int64_t i) {
            const Chunk chunk = make_chunk(p_, chunks_, range, i);
            return outputs ? chunk.first_image * p_.output_image +
                                 chunk.first_row * p_.width.output * p_.output_channels
                           : chunk.first_image * p_.input_image +
                                 chunk.first_row * p_.height.stride * input_.row;
        };
        return start(index + 1) + column(units.first) - start(index) - column(unit);
    }

    OuterTileArgs pixels(const Chunk& chunk, const PixelView& a, const PixelView& b) const {
        OuterTileArgs args = {};
        args.a = a.at;
        args.a_x = a.x;
        args.a_y = a.y;
        args.a_z = a.z;
        args.b = b.at;
        args.b_x = b.x;
        args.b_y = b.y;
        args.b_z = b.z;
        args.x = p_.width.output;
        args.y = chunk.rows;
        args.z = chunk.images;
        if (a.y == args.x * a.x && b.y == args.x * b.x) {
            args.x *= args.y;
            args.y = 1;
        }
        args.out_row = sums_.columns;
        return args;
    }

    // Every tile asks for another line of what is next, while its multiply-adds hide that: memory took a fifth
    // of 3 to 64 channels at 224 x 224.
    void multiply(OuterTileArgs& args, Range rows, ptrdiff_t next) const {
        const OuterKernels& k = *k_.outer;
        if (row_groups_.tiles != nullptr) {
            multiply_groups(args, rows, next);
            return;
        }
        float* const out = args.out;
        const int64_t vectors = ceil_div(args.columns, k_.lanes),
                      partial = args.columns % k_.lanes != 0;
        const int64_t lines = ceil_div(args.columns, kVirtualLanes);
        args.ahead_all = rows.count() < lines * k.fewest_rows;
        int64_t line = 0;
        const auto call = [&](OuterTile tile, int64_t first, int64_t count) {
            args.rows = static_cast<int>(count);
            args.offsets = offsets_ + first;
            args.out = out + first * sums_.columns;
            args.ahead =
                next == 0 || line >= (args.ahead_all ? 1 : lines) ? 0 : next + line * kVirtualLanes;
            ++line;
            tile(args);
        };
        if (args.bias != nullptr) {
            const int64_t count = min_of(rows.count(), k.fewest_rows);
            call(k.bias_tile[partial][vectors - 1], rows.first, count);
            rows.first += count;
            if (rows.count() == 0) return;
        }
        for_each_share(rows.count(), ceil_div(rows.count(), k.rows[vectors - 1]),
                       [&](int64_t first, int64_t count) {
                           const int64_t size = max_of(count, k.fewest_rows);
                           call(k.tile[partial][size - k.fewest_rows][vectors - 1],
                                rows.first + first, count);
                       });
    }

    void multiply_groups(OuterTileArgs& args, Range groups, ptrdiff_t next) const {
        const OuterGroupTiles& k = *row_groups_.tiles;
        const int64_t lines = ceil_div(args.columns, kVirtualLanes);
        const int64_t tiles = ceil_div(groups.count(), k.most);
        args.ahead_all = tiles < lines;
        args.group_step = row_groups_.step;
        int64_t line = 0;
        for_each_share(groups.count(), tiles, [&](int64_t first, int64_t count) {
            args.rows = static_cast<int>(count);
            args.groups = groups_ + groups.first + first;
            args.ahead =
                next == 0 || line >= (args.ahead_all ? 1 : lines) ? 0 : next + line * kVirtualLanes;
            ++line;
            k.tile[max_of(count, k.fewest) - k.fewest](args);
            args.bias = nullptr;
        });
    }

    void add_bias_columns(const Chunk& chunk, const PixelView& b, int64_t columns, bool first,
                          float* bias) const {
        if (first) memset(bias, 0, static_cast<size_t>(columns) * sizeof(float));
        for (int64_t n = 0; n < chunk.images; ++n)
            k_.add_rows(b.at + n * b.z, b.x, chunk_pixels(chunk), columns, bias);
    }

    void add_bias_rows(const Chunk& chunk, const PixelView& a, Range rows, bool first,
                       float* bias) const {
        if (p_.channels_last()) {
            PixelView some = a;
            some.at += rows.first;
            add_bias_columns(chunk, some, rows.count(), first, bias + rows.first);
            return;
        }
        // The planes' chains are added together: apart that took as long as the chains.
        for (int64_t o = rows.first; o < rows.end; o += kVirtualLanes) {
            const int64_t planes = min_of(kVirtualLanes, rows.end - o);
            float chains[kVirtualLanes * kVirtualLanes] = {}, sums[kVirtualLanes];
            for (int64_t i = 0; i < planes; ++i)
                add_plane(k_, a.at + (o + i) * a.channel, a.z, chunk.images, chunk_pixels(chunk),
                          chains + i * kVirtualLanes);
            k_.outer->add_lanes(chains, planes, sums);
            for (int64_t i = 0; i < planes; ++i)
                bias[o + i] = first ? sums[i] : bias[o + i] + sums[i];
        }
    }

    // The gradient of some output channels of a group: their partial sums in order.
    void finish(int64_t group, int64_t first, int64_t count, float* memory) const {
        const int64_t filter = p_.kernel_taps * p_.group_inputs;
        const int64_t start = group * p_.group_outputs * filter;
        float* sums = workspace_.shared_floats() + layout_.sums + start;
        float* out = call_.grad_weights + start + first * filter;
        const int64_t runs = sums_.outputs_in_lanes ? filter : 1;
        const int64_t length = sums_.outputs_in_lanes ? count : count * filter;
        sums += sums_.outputs_in_lanes ? first : first * filter;
        for (int64_t i = 1; i < chunks_.partials; ++i) {
            const float* next = sums + i * p_.weights_count;
            for (int64_t run = 0; run < runs * sums_.columns; run += sums_.columns)
                k_.add_rows(next + run, 0, 1, length, sums + run);
        }
        if (sums_.outputs_in_lanes) {
            float* ordered = call_.accumulate ? memory : out;
            k_.transpose(sums, sums_.columns, ordered, filter, filter, count);
            sums = ordered;
        }
        store_sums(call_, sums, count * filter, out);
    }

    const Problem& p_;
    const KernelSet& k_;
    const BackwardWeightsCall& call_;
    const Workspace& workspace_;
    const Execution& execution_;
    const Chunks chunks_;
    const Sums sums_;
    const Layout layout_;
    const InputLayout input_;
    const RowGroups row_groups_;
    ptrdiff_t* const offsets_;
    OuterGroup* const groups_;
};

}  // namespace

CheckedSize outer_task_bytes(const Problem& p) {
    const Chunks chunks = outer_chunks(p);
    const InputLayout input(p, chunks.rows);
    const CheckedSize pixels = CheckedSize(chunks.images) * chunks.rows * p.width.output;
    // At most 64 lanes are transposed at a time.
    const int64_t lanes = p.channels_last() ? 0 : 64, derived = p.linear() ? 0 : p.output_channels;
    return (pixels * (lanes + derived) +
            (input.copied ? input.floats * chunks.images : CheckedSize(0))) *
           int64_t{sizeof(float)};
}

WorkspaceSize outer_workspace(const Context& context) {
    const Layout layout(context, outer_chunks(context.problem), Sums(context));
    WorkspaceSize size;
    size.shared = layout.shared.bytes();
    size.per_thread = larger_of(layout.per_thread.bytes(), layout.filters * int64_t{sizeof(float)});
    return size;
}

void outer_backward_weights(const Context& context, const BackwardWeightsCall& call,
                            const Workspace& workspace, const Execution& execution) {
    OuterPass(context, call, workspace, execution).run();
}

WeightsCut outer_weights_cut(const Context& context) { return outer_chunks(context.problem).cut(); }

}  // namespace nconv
