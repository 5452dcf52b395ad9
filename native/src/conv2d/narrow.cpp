// Narrow layers: few channels to sum over, or few to produce, in each group. A task copies what its region
// of the result reads into a strip whose padding is stored as zeros, so that a tap of a channel is an offset
// that holds for every pixel, and a sum one flat loop over (tap y, tap x, channel): the order of gemm,
// where that does not reduce channels in blocks. Pixels are in lanes, which few produced channels leave full and NCHW wants as they are;
// only where NHWC has channels enough for the lanes it keeps them there.
#include <string.h>

#include "conv2d/gather_passes.h"
#include "conv2d/gemm.h"
#include "conv2d/planes.h"
#include "conv2d/strip.h"

namespace nconv {
namespace {

// The produced channels of a group in near-equal tiles of a register block.
struct Tiles {
    Tiles(const Context& context, const Gather& g, bool pixels_in_lanes)
        : produced(g.produced), unit(pixels_in_lanes ? 1 : context.kernels->lanes) {
        const int most = pixels_in_lanes ? context.kernels->narrow->strip_pixel_rows
                                         : context.kernels->narrow->strip_channel_vectors;
        units = ceil_div(produced, unit);
        count = ceil_div(units, most);
    }
    int64_t first(int64_t tile) const { return share_start(units, count, tile) * unit; }
    int64_t stored(int64_t tile) const { return first(tile + 1) - first(tile); }
    int64_t valid(int64_t tile) const { return min_of(stored(tile), produced - first(tile)); }
    int64_t all_stored() const { return units * unit; }
    int64_t produced, unit, units, count;
};

// A task's memory.
struct Slot {
    Slot(const Context& context, const Gather& g, const Cut& cut, char* memory = nullptr) {
        MemoryMap map(memory);
        const StripLayout layout = cut.strip(g);
        offsets = map.take<ptrdiff_t>(g.problem.kernel_taps * g.reduced);
        strip = map.take(layout.floats + kVirtualLanes);
        if (cut.pixels_in_lanes) {
            stage_pitch = round_up(cut.rows * layout.pitch, 32) + 16;
            const int64_t channels = g.problem.channels_last()
                                         ? g.produced * cut.groups
                                         : context.kernels->narrow->strip_pixel_rows;
            stage = map.take(CheckedSize(stage_pitch) * channels);
        }
        bytes = map.bytes();
    }
    CheckedSize bytes = 0;
    ptrdiff_t* offsets;
    float* strip;
    float* stage = nullptr;  // of all of a task's channels in NHWC, of one tile's in NCHW
    int64_t stage_pitch = 0;
};

// A region of some groups of an image.
struct Task {
    int64_t image, first_group, groups;
    Rectangle region;
};

// A phase of it.
struct Part {
    const Task& task;
    int64_t phase;
    Rectangle region;
    const Slot& slot;
};

class Narrow {
public:
    Narrow(const Context& context, const Gather& gather, const GatherCall& call, const Cut& cut)
        : k_(*context.kernels),
          g_(gather),
          call_(call),
          cut_(cut),
          layout_(cut.strip(gather)),
          tiles_(context, gather, cut.pixels_in_lanes) {}

    void run(const Task& task, const Slot& slot) const {
        const int64_t group = task.first_group;
        const float* source = call_.source + task.image * g_.source_image +
                              group * g_.reduced * (last_ ? 1 : source_plane_);
        if (cut_.pixels_in_lanes) {
            fill_planes(task, source, slot.strip);
        } else {
            fill_pixels(task, source, slot.strip);
        }
        if (by_quads_) {
            multiply_quads({task, 0, task.region, slot});
            return;
        }
        for (int64_t phase = 0; phase < g_.phases(); ++phase) {
            Rectangle region = task.region;
            region.rows = min_of(region.rows, g_.y.phase_size(phase / g_.x.phases()) - region.y);
            region.columns =
                min_of(region.columns, g_.x.phase_size(phase % g_.x.phases()) - region.x);
            if (region.rows <= 0 || region.columns <= 0) continue;
            fill_offsets(phase, slot.offsets);
            if (cut_.pixels_in_lanes) {
                multiply_pixels({task, phase, region, slot});
            } else {
                multiply_channels({task, phase, region, slot});
            }
        }
    }

private:
    // Calls zero(strip row) or copy(strip row, source row, first strip column, columns) for each row of the
    // strip that is outside or inside of the source.
    template <class Zero, class Copy>
    void for_each_strip_row(const Task& task, const Zero& zero, const Copy& copy) const {
        const int64_t y0 = task.region.y * layout_.step_y + g_.y.lowest_offset();
        const int64_t x0 = task.region.x * layout_.step_x + g_.x.lowest_offset();
        const int64_t first = min_of(max_of(0, -x0), layout_.columns);
        const int64_t end = max_of(first, min_of(layout_.columns, g_.x.source_extent() - x0));
        const int64_t rows = (task.region.rows - 1) * layout_.step_y + reach(g_.y) + 1;
        for (int64_t row = 0; row < rows; ++row) {
            const int64_t y = y0 + row;
            if (y < 0 || y >= g_.y.source_extent() || first == end) {
                zero(row);
            } else {
                copy(row, y * g_.x.source_extent() + x0 + first, first, end - first);
            }
        }
    }

    void fill_pixels(const Task& task, const float* source, float* strip) const {
        const int64_t channels = g_.source_channels(), depth = g_.reduced;
        const size_t bytes = static_cast<size_t>(depth) * sizeof(float);
        const auto clear = [&](float* at, int64_t columns) {
            memset(at, 0, static_cast<size_t>(columns) * bytes);
        };
        for_each_strip_row(
            task, [&](int64_t row) { clear(strip + row * layout_.pitch, layout_.columns); },
            [&](int64_t row, int64_t pixel, int64_t first, int64_t count) {
                float* to = strip + row * layout_.pitch;
                const float* from = source + pixel * channels;
                clear(to, first);
                clear(to + (first + count) * depth, layout_.columns - first - count);
                to += first * depth;
                if (depth == channels) {
                    memcpy(to, from, static_cast<size_t>(count) * bytes);
                } else {
                    for (int64_t i = 0; i < count; ++i, to += depth, from += channels) {
                        memcpy(to, from, bytes);
                    }
                }
            });
    }

    void fill_planes(const Task& task, const float* source, float* strip) const {
        const int64_t step = layout_.step_x;
        StripRowsArgs args = {};
        args.source_row = source_plane_;
        args.source_step = step;
        args.to_row = layout_.plane;
        args.rows = g_.reduced * task.groups;
        const auto copy = [&](int64_t row, int64_t pixel, int64_t first, int64_t count) {
            // The strip's columns s, s + step ...
            for (int64_t s = 0; s < step; ++s) {
                const auto up_to = [&](int64_t x) { return ceil_div(max_of(0, x - s), step); };
                args.before = up_to(first);
                args.count = up_to(first + count) - args.before;
                args.after = up_to(layout_.columns) - args.before - args.count;
                args.to = strip + layout_.at(row, s);
                const int64_t from = pixel + s + args.before * step - first;
                if (last_) {
                    load_pixels(args, source + from * g_.source_channels());
                } else {
                    args.source = source + from;
                    k_.narrow->strip_rows(args);
                }
            }
        };
        for_each_strip_row(
            task, [&](int64_t row) { copy(row, 0, layout_.columns, 0); }, copy);
    }

    // As strip_rows(), from pixels with their channels side by side.
    void load_pixels(const StripRowsArgs& row, const float* source) const {
        for (int64_t i = 0; i < row.before + row.after; ++i) {
            float* to = row.to + (i < row.before ? i : i + row.count);
            for (int64_t c = 0; c < row.rows; ++c) to[c * row.to_row] = 0.0f;
        }
        if (row.count == 0) return;
        k_.transpose(source, row.source_step * g_.source_channels(), row.to + row.before,
                     row.to_row, row.count, row.rows);
    }

    void fill_offsets(int64_t phase, ptrdiff_t* offsets) const {
        const int64_t py = phase / g_.x.phases(), px = phase % g_.x.phases();
        const int64_t taps_y = g_.y.tap_count(py), taps_x = g_.x.tap_count(px);
        for (int64_t i = 0; i < taps_y * taps_x; ++i) {
            const int64_t y = g_.y.tap(py, i / taps_x).offset - g_.y.lowest_offset();
            const int64_t x = g_.x.tap(px, i % taps_x).offset - g_.x.lowest_offset();
            const int64_t at =
                cut_.pixels_in_lanes ? layout_.at(y, x) : y * layout_.pitch + x * g_.reduced;
            const int64_t step = cut_.pixels_in_lanes ? layout_.plane : 1;
            for (int64_t c = 0; c < g_.reduced; ++c) *offsets++ = at + c * step;
        }
    }

    // The weights of a tile, packed [group][phase][tile of produced][tap y][tap x][reduced][stored].
    const float* weights(int64_t group, int64_t phase, int64_t tile) const {
        const int64_t before = group * g_.taps_before(g_.phases()) + g_.taps_before(phase);
        return call_.packed + g_.reduced * (before * tiles_.all_stored() +
                                            g_.tap_count(phase) * tiles_.first(tile));
    }

    // The first pixel of row y of a part.
    float* result_at(const Part& part, int64_t channel, int64_t y) const {
        const int64_t row = (part.region.y + y) * g_.y.result_step() + part.phase / g_.x.phases();
        const int64_t column = part.region.x * g_.x.result_step() + part.phase % g_.x.phases();
        const int64_t pixel = row * g_.x.result_extent() + column;
        return call_.result + part.task.image * g_.result_image +
               (last_ ? pixel * g_.result_channels() + channel : channel * result_plane_ + pixel);
    }

    void multiply_channels(const Part& part) const {
        const int64_t group = part.task.first_group;
        StripChannelsArgs args = {};
        args.source_step = layout_.step_x * g_.reduced;
        args.offsets = part.slot.offsets;
        args.taps = g_.tap_count(part.phase) * g_.reduced;
        args.out_step = g_.x.result_step() * g_.result_channels();
        args.pixels = part.region.columns;
        for (int64_t tile = 0; tile < tiles_.count; ++tile) {
            const int64_t channel = group * g_.produced + tiles_.first(tile);
            args.weights = weights(group, part.phase, tile);
            args.init = call_.bias != nullptr ? call_.bias + channel : nullptr;
            args.columns = static_cast<int>(tiles_.valid(tile));
            for (int64_t y = 0; y < part.region.rows; ++y) {
                args.source = part.slot.strip + y * layout_.step_y * layout_.pitch;
                args.out = result_at(part, channel, y);
                k_.narrow->strip_channels[tiles_.stored(tile) / k_.lanes - 1](args);
                finish(args.out, args.out_step, args.pixels, args.columns);
            }
        }
    }

    // Whether a place of the source may serve all phases at once, which then are four of the same size: each on its own
    // loads a value for every vector of products. 32 to 16 channels at 3 x 3 with stride 2: 69 % of peak.
    static bool takes_quads(const KernelSet& k, const Gather& g, const Cut& cut) {
        const auto fits = [](const Window& a) {
            return a.phases() == 2 && a.result_extent() % 2 == 0 && a.tap_count(0) > 0 &&
                   a.tap_count(1) > 0 && a.tap_step() == -1;
        };
        return k.narrow->strip_quads != nullptr && !cut.pixels_in_lanes && !g.forward &&
               g.produced <= k.lanes && fits(g.y) && fits(g.x) &&
               (reach(g.y) + 1) * (reach(g.x) + 1) <= kMaxQuadTaps;
    }

    // The places that a quad of results reads, in the order of each phase's taps, which is from the highest offset down.
    int quad_taps(int64_t group, QuadTap* taps) const {
        QuadTap* tap = taps;
        const auto index = [](const Window& a, int64_t phase, int64_t offset) {
            const int64_t i = a.tap(phase, 0).offset - offset;
            return i >= 0 && i < a.tap_count(phase) ? i : -1;
        };
        for (int64_t y = g_.y.highest_offset(); y >= g_.y.lowest_offset(); --y) {
            for (int64_t x = g_.x.highest_offset(); x >= g_.x.lowest_offset(); --x) {
                *tap = {};
                tap->offset = (y - g_.y.lowest_offset()) * layout_.pitch +
                              (x - g_.x.lowest_offset()) * g_.reduced;
                for (int phase = 0; phase < kQuad; ++phase) {
                    const int64_t r = index(g_.y, phase / 2, y), s = index(g_.x, phase % 2, x);
                    if (r < 0 || s < 0) continue;
                    tap->phases |= 1 << phase;
                    tap->weights[phase] =
                        weights(group, phase, 0) +
                        (r * g_.x.tap_count(phase % 2) + s) * g_.reduced * tiles_.all_stored();
                }
                if (tap->phases != 0) ++tap;
            }
        }
        return static_cast<int>(tap - taps);
    }

    void multiply_quads(const Part& part) const {
        const int64_t group = part.task.first_group, channel = group * g_.produced;
        QuadTap taps[kMaxQuadTaps];
        StripQuadsArgs args = {};
        args.source_step = g_.reduced;
        args.taps = taps;
        args.tap_count = quad_taps(group, taps);
        args.depth = g_.reduced;
        args.out_step = g_.x.result_step() * g_.result_channels();
        args.pixels = part.region.columns;
        args.columns = static_cast<int>(g_.produced);
        for (int64_t y = 0; y < part.region.rows; ++y) {
            args.source = part.slot.strip + y * layout_.pitch;
            float* out = result_at(part, channel, y);
            for (int phase = 0; phase < kQuad; ++phase)
                args.out[phase] =
                    out + (phase / 2 * g_.x.result_extent() + phase % 2) * g_.result_channels();
            k_.narrow->strip_quads(args);
        }
    }

    void multiply_pixels(const Part& part) const {
        StripPixelsArgs args = {};
        args.offsets = part.slot.offsets;
        args.taps = g_.tap_count(part.phase) * g_.reduced;
        const bool direct = writes_rows(args.taps);
        const bool late = !direct && call_.epilogue != nullptr && call_.epilogue->in_output();
        const Rectangle& region = part.region;
        args.out_row = direct ? result_plane_ : part.slot.stage_pitch;
        args.pixels = direct ? region.columns : (region.rows - 1) * layout_.pitch + region.columns;
        for (int64_t i = 0; i < part.task.groups * tiles_.count; ++i) {
            const int64_t group = i / tiles_.count, tile = i % tiles_.count;
            const int64_t rows = tiles_.stored(tile);
            const int64_t in_stage = last_ ? group * g_.produced + tiles_.first(tile) : 0;
            const int64_t channel =
                (part.task.first_group + group) * g_.produced + tiles_.first(tile);
            const float* source = part.slot.strip + group * g_.reduced * layout_.plane;
            args.weights = weights(part.task.first_group + group, part.phase, tile);
            args.init = call_.bias != nullptr ? call_.bias + channel : nullptr;
            for (int64_t y = 0; y < (direct ? region.rows : 1); ++y) {
                args.source = source + y * layout_.pitch;
                args.out = direct ? result_at(part, channel, y)
                                  : part.slot.stage + in_stage * part.slot.stage_pitch;
                k_.narrow->strip_pixels[rows - 1](args);
                if (!late) finish(args.out, args.out_row, rows, args.pixels);
            }
            if (!direct && !last_) store_planes(part, channel, rows, late);
        }
        if (last_) store_pixels(part, late);
    }

    // Rows of the result where they belong, unless that wastes more lanes than a stage costs. It holds a
    // region at once, the strip's columns between two rows included: 20 points lost for 27 products on rows
    // of 56 pixels, 5 for 36.
    bool writes_rows(int64_t taps) const {
        int64_t lanes = round_up(cut_.columns, k_.lanes);
        if (lanes == k_.lanes) lanes += lanes / 4;  // a tile of one vector waits for its loads
        return !last_ && g_.phases() == 1 && (lanes - layout_.pitch) * taps <= 8 * layout_.pitch;
    }

    // late: the epilogue follows, since it needs rows of the output.
    void store_pixels(const Part& part, bool late) const {
        const int64_t first = part.task.first_group * g_.produced;
        const int64_t pixel_step = g_.x.result_step() * g_.result_channels();
        const int64_t channels = part.task.groups * g_.produced;
        for (int64_t y = 0; y < part.region.rows; ++y) {
            float* to = result_at(part, first, y);
            k_.transpose(part.slot.stage + y * layout_.pitch, part.slot.stage_pitch, to, pixel_step,
                         channels, part.region.columns);
            if (late) finish(to, pixel_step, part.region.columns, channels);
        }
    }

    void store_planes(const Part& part, int64_t first, int64_t channels, bool late) const {
        const int64_t step = g_.x.result_step(), columns = part.region.columns;
        for (int64_t y = 0; y < part.region.rows; ++y) {
            const float* from = part.slot.stage + y * layout_.pitch;
            float* to = result_at(part, first, y);
            if (step == 1) {
                k_.narrow->strip_rows(
                    {from, part.slot.stage_pitch, 1, to, result_plane_, channels, 0, columns, 0});
                if (late) finish(to, result_plane_, channels, columns);
                continue;
            }
            for (int64_t c = 0; c < channels; ++c) {
                for (int64_t x = 0; x < columns; ++x) to[x * step] = from[x];
                from += part.slot.stage_pitch;
                to += result_plane_;
            }
        }
    }

    void finish(float* first, int64_t step, int64_t count, int64_t columns) const {
        if (call_.epilogue == nullptr) return;
        float* rows[kVirtualLanes];
        for (int64_t i = 0; i < count; i += kVirtualLanes) {
            const int n = static_cast<int>(min_of(kVirtualLanes, count - i));
            for (int r = 0; r < n; ++r) rows[r] = first + (i + r) * step;
            call_.epilogue->apply(rows, n, columns);
        }
    }

    const KernelSet& k_;
    const Gather& g_;
    const GatherCall& call_;
    const Cut& cut_;
    const StripLayout layout_;
    const Tiles tiles_;
    const bool last_ = g_.problem.channels_last();
    const bool by_quads_ = takes_quads(k_, g_, cut_);
    const int64_t source_plane_ = g_.y.source_extent() * g_.x.source_extent();
    const int64_t result_plane_ = g_.y.result_extent() * g_.x.result_extent();
};

WorkspaceSize workspace(const Context& context, nconv_pass pass) {
    const Gather g(context.problem, pass);
    WorkspaceSize size;
    size.per_thread = Slot(context, g, Cut(g)).bytes;
    if (pass == NCONV_PASS_BACKWARD_INPUT) size.shared = derived_bytes(context.problem);
    return size;
}

CheckedSize packed_count(const Context& context, nconv_pass pass) {
    const Gather g(context.problem, pass);
    const Tiles tiles(context, g, Cut(g).pixels_in_lanes);
    return CheckedSize(g.taps_before(g.phases())) * g.reduced * tiles.all_stored() *
           g.problem.groups;
}

void pack(const Context& context, nconv_pass pass, const float* weights, float* packed) {
    const Gather g(context.problem, pass);
    const Tiles tiles(context, g, Cut(g).pixels_in_lanes);
    for (int64_t i = 0; i < g.problem.groups * g.phases() * tiles.count; ++i) {
        const int64_t tile = i % tiles.count, phase = i / tiles.count % g.phases(),
                      group = i / tiles.count / g.phases();
        const int64_t py = phase / g.x.phases(), px = phase % g.x.phases();
        const int64_t taps_x = g.x.tap_count(px), taps = g.y.tap_count(py) * taps_x;
        const int64_t first = tiles.first(tile), stored = tiles.stored(tile),
                      valid = tiles.valid(tile);
        for (int64_t t = 0; t < taps * g.reduced; ++t, packed += stored) {
            const int64_t tap = t / g.reduced, d = t % g.reduced;
            const int64_t r = g.y.tap(py, tap / taps_x).kernel,
                          s = g.x.tap(px, tap % taps_x).kernel;
            for (int64_t e = 0; e < stored; ++e) {
                packed[e] = e < valid ? weights[g.weight_at(group, first + e, d, r, s)] : 0.0f;
            }
        }
    }
}

void gather(const Context& context, const Gather& g, const GatherCall& call, int64_t images,
            const Workspace& workspace, const Execution& execution) {
    Cut cut(g);
    // Seven regions on two threads took 8/7 of the time of eight.
    const int64_t others = images * cut.sets(g) * cut.column_parts();
    const int64_t wanted = execution.threads == 1 ? 1 : kRegionsPerThread * execution.threads;
    const int64_t fewest_rows = ceil_div(kFewestRegionPixels, cut.columns);
    cut.rows =
        min_of(cut.rows, max_of(fewest_rows, cut.height / ceil_div(wanted, max_of(1, others))));
    const Narrow narrow(context, g, call, cut);
    const int64_t parts = cut.column_parts(), regions = cut.regions(), sets = cut.sets(g);
    parallel_for(execution, images * sets * regions, [&](int64_t index, int slot) {
        const int64_t region = index % regions, set = index / regions % sets;
        Task task;
        task.image = index / regions / sets;
        task.first_group = set * cut.groups;
        task.groups = min_of(cut.groups, g.problem.groups - task.first_group);
        const int64_t y = region / parts, x = region % parts, row_parts = cut.row_parts();
        task.region.y = share_start(cut.height, row_parts, y);
        task.region.rows = share_start(cut.height, row_parts, y + 1) - task.region.y;
        task.region.x = share_start(cut.width, parts, x);
        task.region.columns = share_start(cut.width, parts, x + 1) - task.region.x;
        narrow.run(task, Slot(context, g, cut, workspace.slot(slot)));
    });
}

}  // namespace

const Algorithm kNarrow = {"narrow",
                           narrow_declines,
                           narrow_yields,
                           workspace,
                           packed_count,
                           pack,
                           gather_forward<gather>,
                           gather_backward_input<gather>,
                           nullptr};

}  // namespace nconv
