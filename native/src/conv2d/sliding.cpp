// Few produced channels under a kernel of several rows: the source goes by row by row, and each row is added
// to all rows of the result that read it, a window that slides along. A vector of a source row is loaded once
// for every tap of a column of the kernel and every produced channel. Rows are taken in the order in which a
// result's taps come, so that its sum has narrow's order; rows of padding are left out.
#include <string.h>

#include "conv2d/gather_passes.h"
#include "conv2d/gemm.h"

namespace nconv {
namespace {

// With more narrow's tiles use a loaded vector as often: 4 channels from 32 ran at 62 % of peak here and at 71
// there. A row must bring sums enough for the window's loads: 3 from 8 at 52 and 70.
constexpr int64_t kMostProduced = 3, kReducedForEach = 8;
constexpr int64_t kMostKernel = 64;
// A row of the source stays in L1 beside the window.
constexpr int64_t kRowFloats = 8 * 1024, kFewestColumns = 64;
constexpr int64_t kMostRowFloats = 1024 * 1024;

// One row of a region of the source, [channel][column], padding stored as zeros.
struct Row {
    Row(const Gather& g, int64_t region_columns)
        : columns(region_columns + g.x.highest_offset() - g.x.lowest_offset()),
          stored(round_up(region_columns, kVirtualLanes)) {
        // An odd number of lines apart: channels must not all fall into the same sets of L1.
        const int64_t read = stored + columns - region_columns;
        pitch = (read + 15) / 32 * 32 + 16;
        floats = CheckedSize(pitch) * g.reduced;
    }
    int64_t columns, stored, pitch;
    CheckedSize floats = 0;
};

// How images are cut: rows of the result, columns of the phases' common grid.
struct Cut {
    explicit Cut(const Gather& g) : height(g.y.result_extent()), width(g.x.phase_size(0)) {
        rows = height;
        int64_t parts = 1;
        do {
            columns = ceil_div(width, parts++);
        } while (columns > kFewestColumns && Row(g, columns).floats.value() > kRowFloats);
        if (columns < width) columns = min_of(width, round_up(columns, kVirtualLanes));
    }
    int64_t row_parts() const { return ceil_div(height, rows); }
    int64_t column_parts() const { return ceil_div(width, columns); }
    int64_t height, width, rows, columns;
};

const char* declines(const Problem& p, nconv_pass pass) {
    const Gather g(p, pass);
    if (p.groups > 1) return "several groups";
    if (p.height.dilation > 1) return "rows of the kernel that lie apart";
    if (max_of(p.height.kernel, p.width.kernel) > kMostKernel || p.width.dilation > kMostKernel) {
        return "a kernel of more than 64 rows or columns";
    }
    if (g.y.source_step() > 1 || g.x.source_step() > 1) return "a stride";
    if (max_of(p.height.stride, p.width.stride) > kMostKernel ||
        p.height.stride > p.height.kernel) {
        return "a stride that passes over rows";
    }
    const CheckedSize floats = Row(g, min_of(g.x.phase_size(0), kFewestColumns)).floats;
    if (!floats.valid() || floats.value() > kMostRowFloats) return "a row of more than 4 MB";
    return nullptr;
}

const char* yields(const Problem& p, nconv_pass pass) {
    const Gather g(p, pass);
    if (g.produced > kMostProduced) return "channels enough to produce";
    if (g.reduced < kReducedForEach * g.produced) return "few channels to sum over";
    if (p.height.kernel == 1) return "no second tap in a column of the kernel";
    const int64_t width = g.x.phase_size(0);
    if (width * 4 < round_up(width, kVirtualLanes) * 3) return "rows too short for the lanes";
    return nullptr;
}

// The window's rows for one phase of columns, [row of the kernel][produced], in near-equal tiles.
struct Tiles {
    Tiles(const Context& context, const Gather& g)
        : rows(g.problem.height.kernel * g.produced),
          count(ceil_div(rows, context.kernels->narrow->sliding_row_count)) {}
    int64_t first(int64_t tile) const { return share_start(rows, count, tile); }
    int64_t rows, count;
};

// A task's memory.
struct Slot {
    Slot(const Gather& g, const Cut& cut, char* memory = nullptr) {
        const Row layout(g, cut.columns);
        window_pitch = (layout.stored + 15) / 32 * 32 + 16;
        MemoryMap map(memory);
        row = map.take(layout.floats);
        window = map.take(CheckedSize(window_pitch) * g.produced * g.problem.height.kernel *
                          g.x.phases());
        bytes = map.bytes();
    }
    CheckedSize bytes = 0;
    float *row, *window;
    int64_t window_pitch;
};

struct Task {
    int64_t image, y, rows, x, columns;
};

// Result rows are counted in the direction in which the window slides: forward upwards, so that either
// pass goes through its source rows j downwards, and row j is read by rows j * stride - pad + r of the result.
class Sliding {
public:
    Sliding(const Context& context, const Gather& gather, const GatherCall& call, const Cut& cut)
        : k_(*context.kernels),
          g_(gather),
          call_(call),
          layout_(gather, cut.columns),
          tiles_(context, gather) {}

    void run(const Task& task, const Slot& slot) const {
        const int64_t first = g_.forward ? 1 - task.y - task.rows : task.y;
        const int64_t end = first + task.rows, pad = g_.problem.height.pad_before;
        memset(slot.row, 0, static_cast<size_t>(layout_.floats.value()) * sizeof(float));
        start_rows(slot, 0, kernel_);
        // The last j whose first row lies within the region.
        for (int64_t j = (end - 1 + pad) / stride_;; --j) {
            const int64_t base = j * stride_ - pad, y = g_.forward ? -j : j;
            if (y >= 0 && y < g_.y.source_extent()) add_row(task, slot, y);
            for (int64_t k = kernel_ - stride_; k < kernel_; ++k) {
                const int64_t at = base + k;
                if (at >= first && at < end) store_row(task, slot, g_.forward ? -at : at, k);
            }
            if (base + kernel_ - stride_ <= first) return;
            slide(slot);
        }
    }

private:
    float* window_at(const Slot& slot, int64_t phase, int64_t row) const {
        return slot.window + (phase * kernel_ + row) * g_.produced * slot.window_pitch;
    }

    void start_rows(const Slot& slot, int64_t from, int64_t to) const {
        for (int64_t phase = 0; phase < g_.x.phases(); ++phase) {
            float* at = window_at(slot, phase, from);
            for (int64_t i = 0; i < (to - from) * g_.produced; ++i, at += slot.window_pitch) {
                if (call_.bias == nullptr) {
                    memset(at, 0, static_cast<size_t>(layout_.stored) * sizeof(float));
                    continue;
                }
                const float start = call_.bias[i % g_.produced];
                for (int64_t x = 0; x < layout_.stored; ++x) at[x] = start;
            }
        }
    }

    void slide(const Slot& slot) const {
        const int64_t kept = (kernel_ - stride_) * g_.produced * slot.window_pitch;
        for (int64_t phase = 0; phase < g_.x.phases(); ++phase) {
            memmove(window_at(slot, phase, stride_), window_at(slot, phase, 0),
                    static_cast<size_t>(kept) * sizeof(float));
        }
        start_rows(slot, 0, stride_);
    }

    void add_row(const Task& task, const Slot& slot, int64_t y) const {
        const int64_t x0 = task.x + g_.x.lowest_offset(), extent = g_.x.source_extent();
        const int64_t first = max_of(0, -x0);
        const int64_t count = min_of(layout_.columns, extent - x0) - first;
        SlidingAsk ask = {};
        if (count > 0) {
            const int64_t pixel = y * extent + x0 + first;
            const float* source = call_.source + task.image * g_.source_image;
            load_row(source, pixel, count, slot.row + first);
            const int64_t next = pixel + (g_.forward ? extent : -extent);
            if (next >= 0 && next < source_plane_) ask = ask_for_row(source, next, count);
        }
        SlidingArgs args = {};
        args.source_tap = g_.x.tap_step();
        args.source_channel = layout_.pitch;
        args.channels = g_.reduced;
        args.weights = call_.packed;
        args.out_row = slot.window_pitch;
        args.ask = &ask;
        for (int64_t phase = 0; phase < g_.x.phases(); ++phase) {
            args.taps = g_.x.tap_count(phase);
            args.pixels = min_of(task.columns, g_.x.phase_size(phase) - task.x);
            if (args.taps == 0) continue;
            args.source = slot.row + g_.x.tap(phase, 0).offset - g_.x.lowest_offset();
            args.out = window_at(slot, phase, 0);
            for (int64_t tile = 0; tile < tiles_.count; ++tile) {
                const int64_t rows = tiles_.first(tile + 1) - tiles_.first(tile);
                if (args.pixels > 0) k_.narrow->sliding_rows[rows - 1](args);
                args.weights += args.taps * args.channels * rows;
                args.out += rows * args.out_row;
            }
        }
    }

    // Asked for at once, a row came no sooner than the tiles wanted it.
    SlidingAsk ask_for_row(const float* source, int64_t pixel, int64_t count) const {
        const int64_t lines = ceil_div(count, kVirtualLanes);
        if (last_)
            return {source + pixel * g_.reduced, kVirtualLanes * g_.reduced, kVirtualLanes, lines};
        return {source + pixel, kVirtualLanes, source_plane_, lines};
    }

    // Of pixels with channels side by side so many at a time as stay in L1 until all are read.
    void load_row(const float* source, int64_t pixel, int64_t count, float* to) const {
        constexpr int64_t kPixels = 64;
        if (!last_) {
            k_.narrow->strip_rows(
                {source + pixel, source_plane_, 1, to, layout_.pitch, g_.reduced, 0, count, 0});
            return;
        }
        for (int64_t i = 0; i < count; i += kPixels) {
            k_.transpose(source + (pixel + i) * g_.reduced, g_.reduced, to + i, layout_.pitch,
                         min_of(kPixels, count - i), g_.reduced);
        }
    }

    void store_row(const Task& task, const Slot& slot, int64_t y, int64_t row) const {
        const int64_t step = g_.x.result_step(), x = task.x * step;
        const int64_t pixel = y * g_.x.result_extent() + x;
        const int64_t columns = min_of(task.columns * step, g_.x.result_extent() - x);
        const int64_t phase_pitch = kernel_ * g_.produced * slot.window_pitch;
        const float* from = window_at(slot, 0, row);
        float* to = call_.result + task.image * g_.result_image;
        if (last_) {
            to += pixel * g_.produced;
            for (int64_t phase = 0; phase < g_.x.phases(); ++phase, from += phase_pitch) {
                k_.transpose(from, slot.window_pitch, to + phase * g_.produced, step * g_.produced,
                             g_.produced, ceil_div(columns - phase, step));
            }
            finish(to, g_.produced, columns, g_.produced);
            return;
        }
        to += pixel;
        if (step == 1) {
            k_.narrow->strip_rows(
                {from, slot.window_pitch, 1, to, result_plane_, g_.produced, 0, columns, 0});
        } else {
            for (int64_t c = 0; c < g_.produced; ++c) {
                k_.join_columns(from + c * slot.window_pitch, phase_pitch, static_cast<int>(step),
                                columns, to + c * result_plane_);
            }
        }
        finish(to, result_plane_, g_.produced, columns);
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
    const Row layout_;
    const Tiles tiles_;
    const bool last_ = g_.problem.channels_last();
    const int64_t kernel_ = g_.problem.height.kernel, stride_ = g_.y.result_step();
    const int64_t source_plane_ = g_.y.source_extent() * g_.x.source_extent();
    const int64_t result_plane_ = g_.y.result_extent() * g_.x.result_extent();
};

WorkspaceSize workspace(const Context& context, nconv_pass pass) {
    const Gather g(context.problem, pass);
    WorkspaceSize size;
    size.per_thread = Slot(g, Cut(g)).bytes;
    if (pass == NCONV_PASS_BACKWARD_INPUT) size.shared = derived_bytes(context.problem);
    return size;
}

CheckedSize packed_count(const Context& context, nconv_pass) {
    return context.problem.weights_count;
}

// Packed: [phase of columns][tile of the window's rows][tap of a row][reduced][row of the tile].
void pack(const Context& context, nconv_pass pass, const float* weights, float* packed) {
    const Gather g(context.problem, pass);
    const Tiles tiles(context, g);
    for (int64_t i = 0; i < g.x.phases() * tiles.count; ++i) {
        const int64_t phase = i / tiles.count, tile = i % tiles.count;
        for (int64_t t = 0; t < g.x.tap_count(phase) * g.reduced; ++t) {
            const int64_t s = g.x.tap(phase, t / g.reduced).kernel, d = t % g.reduced;
            for (int64_t row = tiles.first(tile); row < tiles.first(tile + 1); ++row) {
                const int64_t r = row / g.produced, e = row % g.produced;
                *packed++ = weights[g.weight_at(0, e, d, r, s)];
            }
        }
    }
}

void gather(const Context& context, const Gather& g, const GatherCall& call, int64_t images,
            const Workspace& workspace, const Execution& execution) {
    Cut cut(g);
    // A region's first rows are added to as many that belong to the one before: few, tall regions.
    const int64_t fewest_rows = 8 * g.problem.height.kernel;
    const int64_t parts = cut.column_parts();
    const int64_t wanted = execution.threads == 1 ? 1 : 4 * int64_t{execution.threads};
    cut.rows = min_of(cut.rows, max_of(fewest_rows, cut.height / ceil_div(wanted, images * parts)));
    const Sliding sliding(context, g, call, cut);
    const int64_t row_parts = cut.row_parts(), regions = parts * row_parts;
    parallel_for(execution, images * regions, [&](int64_t index, int slot) {
        const int64_t y = index % regions / parts, x = index % parts;
        Task task;
        task.image = index / regions;
        task.y = share_start(cut.height, row_parts, y);
        task.rows = share_start(cut.height, row_parts, y + 1) - task.y;
        task.x = x * cut.columns;
        task.columns = min_of(cut.columns, cut.width - task.x);
        sliding.run(task, Slot(g, cut, workspace.slot(slot)));
    });
}

}  // namespace

const Algorithm kSliding = {"sliding",
                            declines,
                            yields,
                            workspace,
                            packed_count,
                            pack,
                            gather_forward<gather>,
                            gather_backward_input<gather>,
                            nullptr};

}  // namespace nconv
