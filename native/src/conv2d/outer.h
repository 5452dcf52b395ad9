// Outer: weight gradients as outer products of a pixel's inputs and its gradients, one side's channels in lanes,
// the other's values broadcast from where they are.
#pragma once

#include "conv2d/algorithm.h"
#include "conv2d/weight_chunks.h"

namespace nconv {

// Where values of a chunk's pixels are: image z, row y, column x of the output, and the channel.
struct PixelView {
    const float* at;
    int64_t channel, x, y, z;
};

// The input as the rows of the tile read it: the tensor, or a strip of a chunk's windows with zeros for the
// padding.
struct InputLayout {
    InputLayout(const Problem& p, int64_t strip_rows)
        : copied(reads_outside(p.height) || reads_outside(p.width)),
          columns(copied ? window(p.width, p.width.output) : p.width.input),
          rows(copied ? window(p.height, strip_rows) : p.height.input) {
        const CheckedSize plane = CheckedSize(rows) * columns;
        floats = plane * p.input_channels;
        if (!floats.valid()) return;
        pixel = p.channels_last() ? p.input_channels : 1;
        row = columns * pixel;
        channel = p.channels_last() ? 1 : plane.value();
    }
    // Positions that so many outputs of an axis reach.
    static int64_t window(const Axis& a, int64_t outputs) {
        return (outputs - 1) * a.stride + (a.kernel - 1) * a.dilation + 1;
    }
    static bool reads_outside(const Axis& a) {
        return a.pad_before > 0 || window(a, a.output) > a.input;
    }
    bool copied;
    int64_t columns, rows;
    int64_t pixel = 0, row = 0, channel = 0;
    CheckedSize floats = 0;  // of an image's strip
};

// Multiply-adds of whole vectors for a pixel: with the output's channels in lanes, and with the input's.
inline int64_t outer_cost_outputs(const Problem& p) {
    return p.kernel_taps * p.group_inputs * ceil_div(p.group_outputs, kVirtualLanes);
}
inline int64_t outer_cost_inputs(const Problem& p) {
    return p.group_outputs * ceil_div(p.group_inputs, kVirtualLanes);
}
bool has_outputs_in_lanes(const Problem&);

// Rows of a plane, or of an image with its channels side by side, for a strip's `columns` positions of `pixel` values
// each, with zeros for the padding; first_row may lie outside.
void copy_padded_rows(const KernelSet&, const Problem&, const float* source, int64_t first_row,
                      int64_t rows, int64_t columns, int64_t pixel, float* to);

CheckedSize outer_task_bytes(const Problem&);
WorkspaceSize outer_workspace(const Context&);
WeightsCut outer_weights_cut(const Context&);
void outer_backward_weights(const Context&, const BackwardWeightsCall&, const Workspace&,
                            const Execution&);

// NCHW with small filters: pixels in lanes.
bool takes_dots(const Problem&);
CheckedSize dot_task_bytes(const Problem&);
WorkspaceSize dot_weights_workspace(const Context&);
void dot_backward_weights(const Context&, const BackwardWeightsCall&, const Workspace&,
                          const Execution&);

// Adds a part of a plane over some images to kVirtualLanes chains.
inline void add_plane(const KernelSet& k, const float* plane, int64_t image, int64_t images,
                      int64_t pixels, float* chains) {
    const int64_t whole = pixels / kVirtualLanes, rest = pixels % kVirtualLanes;
    for (int64_t n = 0; n < images; ++n, plane += image) {
        k.add_rows(plane, kVirtualLanes, whole, kVirtualLanes, chains);
        k.add_rows(plane + whole * kVirtualLanes, kVirtualLanes, 1, rest, chains);
    }
}
inline float sum_of_plane(const KernelSet& k, const float* plane, int64_t image, int64_t images,
                          int64_t pixels) {
    float chains[kVirtualLanes] = {};
    add_plane(k, plane, image, images, pixels, chains);
    return sum_of_lanes(chains);
}

// Groups of 2, 4 or 8 channels, as many in as out: several in a vector.
bool shares_lanes(const Problem&);
CheckedSize group_task_bytes(const Problem&);
WorkspaceSize group_weights_workspace(const Context&);
WeightsCut group_weights_cut(const Context&);
void group_backward_weights(const Context&, const BackwardWeightsCall&, const Workspace&,
                            const Execution&);

}  // namespace nconv
