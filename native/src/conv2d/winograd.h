// The parts of the Winograd algorithms: how a pass is seen, cut into blocks of tiles, and what it costs.
#pragma once

#include "conv2d/gather.h"

namespace nconv {

constexpr int64_t kKernel = 3;  // of all variants, along each axis

// One pass of one variant.
struct Winograd {
    Winograd(const Context&, nconv_pass, int variant_index);

    int64_t tiles() const { return tile_rows * tile_columns; }
    // Near-equal tiles need a bound on their number, and workspace one that does not grow with the batch.
    int64_t most_tiles() const;

    const KernelSet& k;
    const WinogradKernel& kernel;
    const WinogradVariant& variant;
    const Gather g;
    int64_t width;  // of a block of produced channels
    int64_t channel_blocks;
    int64_t points;                   // of a tile
    int64_t tile_rows, tile_columns;  // of an image
    int64_t tile_pitch;               // floats from one tile's points to the next's
};

// Some images' tiles in one rectangle.
struct TileBlock {
    int64_t first_image, images;
    int64_t y, rows, x, columns;
    int64_t tiles() const { return images * rows * columns; }
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
