// Regions of a gather's result, what of the source they read, and how deep a strip of it is.
#pragma once

#include "conv2d/balance.h"
#include "conv2d/gather.h"
#include "conv2d/planes.h"

namespace nconv {

// Pixels of a task and phase: a panel of weights is used about 20 times per row of the tile. More where few
// channels make a task short, 64 channels of 1 x 1 gain 1.5 %, and in NCHW, since neighbouring regions read
// the same rows: 64 channels at 56 x 56 gain 2 %.
constexpr int64_t kRegionPixels = 128, kRegionFloats = 64 * 1024;
constexpr int64_t kPlaneRegionPixels = 256;
constexpr int64_t kRegionColumns = 128;
constexpr int64_t kFewestRegionPixels = 20, kFewestPlanePixels = 32;
// Of all phases together: their results wait in a stage that should stay in L2.
constexpr int64_t kStagePixels = 1024;

// Channels are reduced in blocks if a strip of all of them would be larger: wide kernels and dilations.
constexpr int64_t kStripFloats = 256 * 1024;

// The phases' common grid in near-equal rectangles of at most that many pixels.
struct Regions {
    Regions(const Gather& g, int64_t most) {
        const int64_t height = g.y.phase_size(0), width = g.x.phase_size(0);
        const int64_t pixels = min_of(most, max_of(1, kStagePixels / g.phases()));
        column_parts = ceil_div(width, kRegionColumns);
        columns = ceil_div(width, column_parts);
        row_parts = ceil_div(height, max_of(1, pixels / columns));
        rows = ceil_div(height, row_parts);
    }
    Regions(const Gather& g, int64_t height_parts, int64_t width_parts)
        : row_parts(height_parts),
          column_parts(width_parts),
          rows(ceil_div(g.y.phase_size(0), row_parts)),
          columns(ceil_div(g.x.phase_size(0), column_parts)) {}
    int64_t count() const { return row_parts * column_parts; }
    Rectangle at(const Gather& g, int64_t index) const {
        const int64_t row = index / column_parts, column = index % column_parts;
        const int64_t height = g.y.phase_size(0), width = g.x.phase_size(0);
        const int64_t y = even_start(height, row_parts, row);
        const int64_t x = even_start(width, column_parts, column);
        return {y, even_start(height, row_parts, row + 1) - y, x,
                even_start(width, column_parts, column + 1) - x};
    }
    int64_t row_parts, column_parts;
    int64_t rows, columns;  // of the largest
};

inline Regions largest_regions(const Gather& g) {
    const int64_t few = g.problem.channels_last() ? kRegionPixels : kPlaneRegionPixels;
    return Regions(g, max_of(few, min_of(kPlaneRegionPixels, kRegionFloats / g.reduced)));
}

// The part of the source that a region reads.
inline Rectangle source_of(const Gather& g, const Rectangle& r) {
    const auto cut = [](const Window& axis, int64_t from, int64_t count, int64_t spacing,
                        int64_t* start) {
        const int64_t low = from * axis.source_step() + axis.lowest_offset();
        const int64_t high = (from + count - 1) * axis.source_step() + axis.highest_offset();
        *start = low >= 0 ? low : low + ceil_div(-low, spacing) * spacing;
        return max_of(0, ceil_div(min_of(high + 1, axis.source_extent()) - *start, spacing));
    };
    Rectangle s;
    s.spacing = g.y.source_spacing();
    s.rows = cut(g.y, r.y, r.rows, s.spacing, &s.y);
    s.columns = cut(g.x, r.x, r.columns, 1, &s.x);
    return s;
}

// The part of the result that a region writes to: with a kernel of 1 only the rows of the phase that has
// the tap, the others are zero.
inline Rectangle result_of(const Gather& g, const Rectangle& r) {
    const int64_t step_y = g.y.result_step(), step_x = g.x.result_step();
    Rectangle result;
    result.x = r.x * step_x;
    result.columns = min_of(r.columns * step_x, g.x.result_extent() - result.x);
    result.spacing = g.y.result_spacing();
    result.y = r.y * step_y;
    if (result.spacing > 1) {
        while (g.y.tap_count(result.y % step_y) == 0) ++result.y;
    }
    const int64_t end = min_of((r.y + r.rows) * step_y, g.y.result_extent());
    result.rows = max_of(0, ceil_div(end - result.y, result.spacing));
    return result;
}

// No region's source has more pixels.
inline int64_t strip_pixels(const Gather& g) {
    const Regions regions(g, kPlaneRegionPixels);
    const auto most = [](const Window& axis, int64_t count) {
        return min_of(axis.source_extent(), (count - 1) * axis.source_step() +
                                                axis.highest_offset() - axis.lowest_offset() + 1);
    };
    return ceil_div(most(g.y, regions.rows), g.y.source_spacing()) * most(g.x, regions.columns);
}

// The same in both layouts, on every instruction set and for any number of threads: it orders the sums.
inline int64_t depth_block(const Gather& g) {
    const int64_t most =
        max_of(kPlaneBlock, kStripFloats / strip_pixels(g) / kPlaneBlock * kPlaneBlock);
    return g.reduced <= most
               ? g.reduced
               : round_up(ceil_div(g.reduced, ceil_div(g.reduced, most)), kPlaneBlock);
}

// Pixels of a strip must not all fall into the same few sets of a cache: 512 channels side by side, a
// pitch of 2048 bytes, took backward_input of a strided 1 x 1 layer from 87 to 79 % of peak.
inline int64_t strip_pitch(const Gather& g) {
    const int64_t depth = depth_block(g);
    return depth % 64 == 0 ? depth + 16 : depth;
}

}  // namespace nconv
