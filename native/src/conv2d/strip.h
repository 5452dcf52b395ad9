// Strip: the part of the source that a task of the narrow algorithm reads, padding included, and how images
// are cut so that it stays in L2.
#pragma once

#include "conv2d/gather.h"

namespace nconv {

// A region's strip stays in L2; its columns are shortened first since rows reuse more.
constexpr int64_t kRegionRows = 32;
constexpr int64_t kRegionColumns = 256, kFewestColumns = 64;
constexpr int64_t kRegionFloats = 96 * 1024;
constexpr int64_t kFewestRegionPixels = 48, kRegionsPerThread = 8;
// Groups are taken in sets of about as many channels, two lines of an NHWC pixel: one line lost 4 points
// of a strided ResNeXt layer.
constexpr int64_t kSetChannels = 32;

inline int64_t reach(const Window& axis) { return axis.highest_offset() - axis.lowest_offset(); }

// Where a strip's values are. With pixels in lanes: [channel][y mod stride][x mod stride][y][x], so that
// neighbours of the result read neighbours; with channels in lanes [y][x][channel].
struct StripLayout {
    StripLayout(const Gather& g, bool pixels_in_lanes, int64_t channels, int64_t region_rows,
                int64_t region_columns)
        : step_y(g.y.source_step()), step_x(g.x.source_step()) {
        rows = (region_rows - 1) * step_y + reach(g.y) + 1;
        columns = (region_columns - 1) * step_x + reach(g.x) + 1;
        if (pixels_in_lanes) {
            pitch = ceil_div(columns, step_x);
            sub = ceil_div(rows, step_y) * pitch;
            // An odd number of lines apart: planes must not all fall into the same sets of L1.
            plane = (sub * step_y * step_x + 15) / 32 * 32 + 16;
            floats = plane * channels;
        } else {
            pitch = columns * channels;
            floats = rows * pitch;
        }
    }
    // Of the strip's row y, column x, with pixels in lanes.
    int64_t at(int64_t y, int64_t x) const {
        return (y % step_y * step_x + x % step_x) * sub + y / step_y * pitch + x / step_x;
    }
    int64_t step_y, step_x;
    int64_t rows, columns;
    int64_t pitch, sub = 0, plane = 0;
    int64_t floats;
};

// A quarter of the lanes and more, with channels in them: 20 channels ran at 56 % of peak, and at 87 with
// pixels in them.
constexpr int64_t kMostWithEmptyLanes = 24;
inline bool leaves_lanes_empty(int64_t channels) {
    return channels <= kMostWithEmptyLanes && channels * 4 <= round_up(channels, kVirtualLanes) * 3;
}

// How images are cut: sets of groups, regions of the phases' common grid.
struct Cut {
    explicit Cut(const Gather& g)
        : pixels_in_lanes(!g.problem.channels_last() || leaves_lanes_empty(g.produced)),
          height(g.y.phase_size(0)),
          width(g.x.phase_size(0)) {
        const int64_t widest = max_of(g.reduced, g.produced);
        groups = pixels_in_lanes ? min_of(g.problem.groups, ceil_div(kSetChannels, widest)) : 1;
        rows = min_of(height, kRegionRows);
        columns = near_equal(width, kRegionColumns);
        while (strip(g).floats > kRegionFloats) {
            if (columns > kFewestColumns) {
                columns = near_equal(width, ceil_div(columns, 2));
            } else if (rows > 1) {
                rows = ceil_div(rows, 2);
            } else {
                break;
            }
        }
    }
    StripLayout strip(const Gather& g) const {
        return {g, pixels_in_lanes, g.reduced * groups, rows, columns};
    }
    int64_t sets(const Gather& g) const { return ceil_div(g.problem.groups, groups); }
    int64_t row_parts() const { return ceil_div(height, rows); }
    int64_t column_parts() const { return ceil_div(width, columns); }
    int64_t regions() const { return row_parts() * column_parts(); }
    static int64_t near_equal(int64_t size, int64_t most) {
        return ceil_div(size, ceil_div(size, most));
    }
    bool pixels_in_lanes;
    int64_t height, width, groups, rows, columns;
};

const char* narrow_declines(const Problem&, nconv_pass);
const char* narrow_yields(const Problem&, nconv_pass);

}  // namespace nconv
