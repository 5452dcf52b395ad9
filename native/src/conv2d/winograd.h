// The parts of the Winograd algorithms: how a pass is seen, cut into blocks of tiles, and what it costs.
#pragma once

#include "conv2d/gather.h"

namespace nconv {

constexpr int64_t kKernel = 3;  // of all variants, along each axis

// Consecutive tiles along an axis: in one band, or whole bands.
struct TileRange {
    int64_t first, count;
};

// What a range of tiles reads or writes along an axis: `runs` runs of `length` positions, `step` apart.
struct Runs {
    int64_t total() const { return runs * length; }
    int64_t at(int64_t i) const { return start + i / length * step + i % length; }
    int64_t end() const { return start + (runs - 1) * step + length; }
    bool joined() const { return length == step; }
    // Calls body(i, at(i)) without a division for each: they took 3 % of NCHW.
    template <class Body>
    void for_each(const Body& body) const {
        for (int64_t i = 0; i < runs; ++i)
            for (int64_t k = 0; k < length; ++k) body(i * length + k, start + i * step + k);
    }
    int64_t start, runs, length, step;
};

// The tiles along one axis. With dilation d every d-th result belongs to one of d convolutions without
// dilation, and a tile to one of these. Tiles are numbered by bands of output * d results, in a band by the
// first of the results they are for, so that a block of tiles is compact: in NCHW its source is transposed in
// runs, and d tiles share what they read of a line.
struct TileAxis {
    TileAxis(const Window&, const WinogradVariant&);

    int64_t start(int64_t index) const { return index / phases * output * step + index % phases; }
    // So many near-equal ranges have at most `size` tiles each; the largest has largest(parts).
    int64_t parts(int64_t size) const;
    int64_t largest(int64_t parts) const;
    TileRange part(int64_t parts, int64_t index) const;

    Runs source(const TileRange& r) const {
        const int64_t bands_read = ceil_div(r.count, phases);
        return {start(r.first) * stride + origin, (bands_read - 1) * output * stride + tile,
                min_of(r.count, phases), step};
    }
    Runs result(const TileRange& r) const {
        return {start(r.first), ceil_div(r.count, phases) * output, min_of(r.count, phases), step};
    }
    // Calls body(offset) for each tile, which begins at result(r).start + offset, at place `offset` of the
    // positions of result(r) and at place offset * stride of those of source(r).
    template <class Body>
    void for_each(const TileRange& r, const Body& body) const {
        const int64_t length = min_of(r.count, phases);
        for (int64_t i = 0; i < r.count; i += length)
            for (int64_t p = 0; p < min_of(length, r.count - i); ++p) body(i * output + p);
    }
    // Results of the tile that begins at `position`.
    int64_t results_at(int64_t position) const {
        const int64_t left = result_extent - position;
        return left > (output - 1) * step ? output : ceil_div(left, step);
    }

    int64_t source_extent, result_extent;
    int64_t output;  // results of a tile
    int64_t tile;    // positions of its window
    int64_t step;    // from one of these to the next, the dilation
    int64_t stride;  // above 1 only without dilation
    int64_t phases;  // tiles of a band
    int64_t bands, count;
    int64_t origin;  // where the window of tile 0 begins in the source
};

// One pass of one variant.
struct Winograd {
    Winograd(const Context&, nconv_pass, int variant_index);

    int64_t tiles() const { return y.count * x.count; }
    // Near-equal tiles need a bound on their number, and workspace one that does not grow with the batch.
    int64_t most_tiles() const;
    // Of the weights of point (i, j). Taking points with the same ones one after the other lost 3 %.
    int64_t panel(int64_t i, int64_t j) const {
        const int64_t last = variant.weights() - 1;
        return min_of(i, last) * (last + 1) + min_of(j, last);
    }

    const KernelSet& k;
    const WinogradKernel& kernel;
    const WinogradVariant& variant;
    const Gather g;
    int64_t width;  // of a block of produced channels
    int64_t channel_blocks;
    int64_t points;            // of a tile
    int64_t panels;            // of weights: points that are inputs themselves share them
    TileAxis y, x;             // of an image
    int64_t tile_pitch;        // floats from one tile's points to the next's
    int64_t strip_pixels = 0;  // in NCHW the most that a block of most_tiles() reads
};

// Some images' tiles in one rectangle.
struct TileBlock {
    int64_t first_image, images;
    TileRange y, x;
    int64_t tiles() const { return images * y.count * x.count; }
};

// How a call is cut into tasks: near-equal blocks of tiles by near-equal runs of channel blocks. It may
// depend on the threads: every tile has sums of its own, wherever it is computed.
struct TileCut {
    TileCut(const Winograd&, int64_t images, int threads);

    int64_t blocks() const { return image_parts * row_parts * column_parts; }
    int64_t tasks() const { return blocks() * groups * channel_parts; }
    TileBlock block(const Winograd&, int64_t index) const;

    int64_t batch, groups;
    int64_t image_parts = 1, row_parts = 1, column_parts = 1, channel_parts = 1;
};

// Tiles that pass over the weights together where the points of so many fit.
int64_t winograd_block_tiles(const WinogradVariant&, int64_t reduced, int64_t produced);

// A model of time in cycles of one core with two 512-bit multiply-add units, from the descriptor alone.
// `produced` channels of one group, all taps.
double winograd_block_cost(const WinogradVariant&, int64_t tiles, int64_t reduced, int64_t produced,
                           bool planes);
double winograd_weights_bytes(const WinogradVariant&, int64_t reduced, int64_t produced);
// Of reading the transformed weights of so many channels once.
double winograd_weights_cost(const WinogradVariant&, int64_t reduced, int64_t all_produced,
                             int64_t produced);

const char* winograd_declines(const Problem&, nconv_pass, int variant);
const char* winograd_yields(const Problem&, nconv_pass, int variant);

// Transforms the weights, packed as [group][block of produced][point][reduced][width], width the vectors of
// the block, zeros past the produced channels.
void winograd_pack(const Winograd&, const float* weights, float* packed);

}  // namespace nconv
