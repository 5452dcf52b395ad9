// Groups of 2, 4 or 8 channels in NCHW, kernels of three columns: every plane is read where it is, a task being
// some rows of a group. A sum is one chain over (tap y, channel, tap x), as with channels in lanes.
#include "conv2d/grouped_planes.h"

#include "conv2d/lines.h"

namespace nconv {
namespace {

constexpr int64_t kTaps = 3;
// Of vectors with fewer lanes in use the transposition makes less than the empty ones: in percent.
constexpr int64_t kFewestLanes = 50;
constexpr int64_t kMostLeft = 4, kMostRight = 1;  // taps outside of a row
constexpr int64_t kTasksPerThread = 6;
constexpr int64_t kRowsOfTask = 16, kMostRows = 1 << 20;

// How a kernel takes the columns of a kernel.
struct Columns {
    Columns(const Context& context, const Gather& g) {
        const Axis& axis = g.problem.width;
        if (g.problem.channels_last() || axis.kernel != kTaps) return;
        if (axis.stride == 1) {
            kind = GroupedPlanesKind::kSame;
        } else if (axis.stride == 2 && g.forward && axis.dilation == 1) {
            kind = GroupedPlanesKind::kDown;
        } else if (axis.stride == 2 && !g.forward && g.x.phases() == 2 &&
                   g.x.tap_count(0) % 3 > 0) {
            kind = GroupedPlanesKind::kUp;
        } else {
            return;
        }
        if (kind == GroupedPlanesKind::kUp) {
            swapped = g.x.tap_count(0) == 2;
            phase[0] = swapped ? 1 : 0;
            phase[1] = phase[2] = 1 - phase[0];
            index[2] = 1;
        } else {
            for (int i = 0; i < kTaps; ++i) index[i] = i;
        }
        for (int i = 0; i < kTaps; ++i) offset[i] = g.x.tap(phase[i], index[i]).offset;
        const int size = g.reduced == 2 ? 0 : g.reduced == 4 ? 1 : 2;
        kernel = context.kernels->grouped->planes[static_cast<int>(kind)][size];
    }
    int64_t tap(const Gather& g, int i) const { return g.x.tap(phase[i], index[i]).kernel; }

    // Whether the image's width and padding let the kernel serve it, and fill its vectors.
    bool fits(const Gather& g, int64_t lanes) const {
        return kernel != nullptr && inside(g) && filled(g, lanes);
    }

    GroupedPlanes kernel = nullptr;  // null: there is none
    GroupedPlanesKind kind = GroupedPlanesKind::kSame;
    int64_t phase[kTaps] = {}, index[kTaps] = {};
    ptrdiff_t offset[kTaps] = {};
    bool swapped = false;

private:
    bool inside(const Gather& g) const {
        const int64_t last = (g.x.phase_size(0) - 1) * g.x.source_step() - g.x.source_extent() + 1;
        for (const ptrdiff_t at : offset) {
            if (at < -kMostLeft || last + at > kMostRight) return false;
        }
        return true;
    }
    static bool filled(const Gather& g, int64_t lanes) {
        const int64_t places = g.x.phase_size(0);
        return places * 100 >= round_up(places, lanes) * kFewestLanes;
    }
};

class GroupPlanes {
public:
    GroupPlanes(const Gather& g, const GatherCall& call, const Columns& columns)
        : g_(g), call_(call), columns_(columns) {}

    void run(int64_t image, int64_t group, const RowTile& tile) const {
        const int64_t end = tile.first + tile.rows;
        for (int64_t i = tile.first; i < end;) {
            const Line& line = tile.line;
            const bool whole = line.taps == 0 || (i >= line.full_first() && i < line.full_end());
            const int64_t rows = !whole           ? 1
                                 : line.taps == 0 ? end - i
                                                  : min_of(end, line.full_end()) - i;
            run_rows(image, group, line, i, rows);
            i += rows;
        }
        if (call_.epilogue == nullptr) return;
        const int64_t width = g_.x.result_extent();
        finish_planes(*call_.epilogue,
                      {tile.result_row(), tile.rows, 0, width, tile.line.result_step}, g_.produced,
                      result(image, group), g_.y.result_extent() * width, width);
    }

private:
    float* result(int64_t image, int64_t group) const {
        return call_.result + image * g_.result_image +
               group * g_.produced * g_.y.result_extent() * g_.x.result_extent();
    }

    // Rows of a line that have the same taps inside.
    void run_rows(int64_t image, int64_t group, const Line& line, int64_t first,
                  int64_t rows) const {
        const int64_t width = g_.x.source_extent(), size = g_.reduced;
        GroupedPlanesArgs args = {};
        args.source_channel = g_.y.source_extent() * width;
        args.source = call_.source + image * g_.source_image + group * size * args.source_channel +
                      (line.source_first + first * line.step * line.tap_step) * width;
        args.source_row = line.tap_step * width;
        args.row_distance = line.step * args.source_row;
        args.width = width;
        for (int i = 0; i < kTaps; ++i) args.offset[i] = columns_.offset[i];
        const int64_t taps_y = Gather::taps_before(g_.y, g_.y.phases());
        args.weights = call_.packed + (group * taps_y + Gather::taps_before(g_.y, line.phase)) *
                                          (kTaps * size * size);
        args.first_tap = static_cast<int>(line.first_tap(first));
        args.end_tap = static_cast<int>(line.end_tap(first));
        args.rows = static_cast<int>(rows);
        args.swapped = columns_.swapped;
        args.count = g_.x.result_extent();
        args.out =
            result(image, group) + (line.result_first + first * line.result_step) * args.count;
        args.out_row = line.result_step * args.count;
        args.out_channel = g_.y.result_extent() * args.count;
        args.init = call_.bias != nullptr ? call_.bias + group * g_.produced : nullptr;
        columns_.kernel(args);
    }

    const Gather& g_;
    const GatherCall& call_;
    const Columns& columns_;
};

}  // namespace

bool fits_planes(const Context& context, const Gather& g) {
    return Columns(context, g).fits(g, context.kernels->lanes);
}

CheckedSize planes_packed_count(const Context& context, const Gather& g) {
    if (Columns(context, g).kernel == nullptr) return 0;
    return CheckedSize(Gather::taps_before(g.y, g.y.phases())) * kTaps * g.reduced *
           g.result_channels();
}

// [group][tap y of all phases][reduced][tap x][produced].
void pack_planes(const Context& context, const Gather& g, const float* weights, float* packed) {
    const Columns columns(context, g);
    if (columns.kernel == nullptr) return;
    for (int64_t group = 0; group < g.problem.groups; ++group) {
        for (int64_t py = 0; py < g.y.phases(); ++py) {
            for (int64_t t = 0; t < g.y.tap_count(py) * g.reduced * kTaps; ++t) {
                const int64_t s = columns.tap(g, static_cast<int>(t % kTaps));
                const int64_t d = t / kTaps % g.reduced;
                const int64_t r = g.y.tap(py, t / kTaps / g.reduced).kernel;
                for (int64_t e = 0; e < g.produced; ++e)
                    *packed++ = weights[g.weight_at(group, e, d, r, s)];
            }
        }
    }
}

void gather_group_planes(const Context& context, const Gather& g, const GatherCall& call,
                         int64_t images, const Execution& execution) {
    const Columns columns(context, g);
    const GroupPlanes planes(g, call, columns);
    const Lines lines(g.y);
    const int64_t groups = g.problem.groups;
    const bool enough =
        execution.threads == 1 || images * groups >= kTasksPerThread * execution.threads;
    const auto most = [=](const Line&) { return enough ? kMostRows : kRowsOfTask; };
    const int64_t tiles = count_row_tiles(lines, most);
    parallel_for(execution, images * groups * tiles, [&](int64_t task, int) {
        planes.run(task / tiles / groups, task / tiles % groups,
                   find_row_tile(lines, most, task % tiles));
    });
}

}  // namespace nconv
