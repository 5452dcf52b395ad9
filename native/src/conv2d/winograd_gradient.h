// The parts of the weight gradient by Winograd: how the tiles are cut, their transforms, and what it costs.
#pragma once

#include "conv2d/weight_chunks.h"
#include "conv2d/winograd.h"

namespace nconv {

// The tiles of 4 x 4 of grad_output, in chunks whose sums are transformed back, and runs of chunks whose
// gradients are summed apart. Both follow from the descriptor, and with them every bit.
struct GradientChunks {
    explicit GradientChunks(const Problem&);

    TileBlock at(int64_t index) const;
    int64_t count() const { return image_parts * row_parts * column_parts; }
    WeightsCut cut() const { return {image_parts, row_parts * column_parts, partials, 0}; }

    int64_t batch, rows, columns;  // columns, rows: of tiles of an image
    int64_t image_parts = 1, row_parts = 1, column_parts = 1;
    int64_t most_rows, most_columns, most_tiles;  // of a chunk
    int64_t partials;
};

// A run of channels, of one group.
struct ChannelRun {
    int64_t first, count;
};

// Where the transforms of a chunk go, and what they work with.
struct GradientSlot {
    GradientSlot(const Context&, const GradientChunks&, char* memory = nullptr);

    CheckedSize bytes = 0;
    int64_t width;  // of a block of input channels
    // [point][tile][output channel], of a last point the sum over the tile.
    float* gradient;
    int64_t gradient_tile, gradient_point;
    // [block][point][tile][width]
    float* input;
    int64_t input_point, input_block;
    float*
        window;  // padded with zeros: of a tile at the border, or (NCHW) of 16 channels of some rows
    float* derived;  // rows of 16 planes, times the activation's derivative
    float* scratch;  // of a register tile
    float* stage;    // gradients of a register tile on their way to NCHW
};

// Transform the tiles of a chunk, the channels of a run. Blocks of the input count from the run's start.
void winograd_transform_gradient(const Context&, const ChunkRange&, const TileBlock&, ChannelRun,
                                 const GradientSlot&);
void winograd_transform_input(const Context&, const ChunkRange&, const TileBlock&, ChannelRun,
                              const GradientSlot&);

// Cycles of one group's channels over chunks of so many tiles each, as in winograd.h.
double winograd_gradient_cost(const Problem&, int64_t tiles, int64_t chunks, int64_t inputs,
                              int64_t outputs);
const char* winograd_gradient_yields(const Problem&);

WorkspaceSize winograd_gradient_workspace(const Context&);
WeightsCut winograd_gradient_cut(const Context&);
void winograd_backward_weights(const Context&, const BackwardWeightsCall&, const Workspace&,
                               const Execution&);

}  // namespace nconv
