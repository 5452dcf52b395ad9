// The parts of the depthwise algorithm: gathers with channels or with the elements of a row in lanes, and
// the weight gradients.
#pragma once

#include "conv2d/derivative.h"
#include "conv2d/weight_chunks.h"

namespace nconv {

constexpr int kMaxKernel = kMaxDepthwiseTaps;  // taps along one axis

// How a gather is done.
enum class DepthwiseWay {
    kChannels,     // NHWC, channels in lanes
    kInterleaved,  // NHWC with few channels: the elements of a row in lanes
    kPlanes,       // NCHW, pixels of a plane in lanes
    kStrips,       // NCHW where masks cost more than transposing blocks of planes to kChannels
};
DepthwiseWay depthwise_way(const Context&, const Gather&);
// Whether a vector holds two rows of a plane, and there is a kernel for it: 7 x 7 by 3 x 3.
bool depthwise_folds(const Context&, const Gather&);

// Elements after which the weights of interleaved channels repeat in whole vectors.
int64_t interleaved_period(const Context&);

CheckedSize depthwise_workspace(const Context&, const Gather&);
void depthwise_gather(const Context&, const Gather&, const GatherCall&, int64_t images,
                      const Workspace&, const Execution&);

// What both kinds of gathers work from.
struct DepthwiseCall {
    const Context& context;
    const Gather& gather;
    const GatherCall& call;
    const Workspace& workspace;
    int64_t images;

    const Problem& problem() const { return context.problem; }
    const KernelSet& kernels() const { return *context.kernels; }
    int64_t source_pixels() const { return gather.y.source_extent() * gather.x.source_extent(); }
    int64_t result_pixels() const { return gather.y.result_extent() * gather.x.result_extent(); }
    void finish(float* result, int64_t count) const { call.epilogue->apply(&result, 1, count); }
};

// Some channels of one image with the channels side by side.
struct DepthwiseBlock {
    const float* source;
    int64_t source_pitch;  // from pixel to pixel
    float* result;
    int64_t result_pitch;
    const float* bias;
    int64_t first_channel, channels;
    bool finishes;  // the epilogue follows on these rows
};

// Results 2 * first .. 2 * end - 1 of a column, as far as there are, where the phases are done together.
bool has_depthwise_quads(const Context&, const Gather&);
void depthwise_gather_quads(const DepthwiseCall&, const float* weights, const DepthwiseBlock&,
                            int64_t first, int64_t end);

// The same for planes.
bool has_depthwise_quad_planes(const Context&, const Gather&);
void depthwise_gather_quad_planes(const DepthwiseCall&, const Execution&);

void depthwise_gather_channels(const DepthwiseCall&, const Execution&);
void depthwise_gather_strips(const DepthwiseCall&, const Execution&);
CheckedSize depthwise_strips_workspace(const Context&, const Gather&);
void depthwise_gather_pixels(const DepthwiseCall&, const Execution&);
CheckedSize depthwise_pixels_workspace(const Context&, const Gather&);

// Weight gradients with the elements of a row in lanes; with channels in lanes.
bool has_pixel_weights(const Problem&);
bool has_small_weight_strips(const Problem&);
WorkspaceSize depthwise_pixel_weights_workspace(const Problem&);
void depthwise_pixel_weights(const Context&, const BackwardWeightsCall&, const Workspace&,
                             const Execution&);
WorkspaceSize depthwise_weights_workspace(const Context&);
WeightsCut depthwise_weights_cut(const Context&);

// Weight gradients image by image, each added to the result: sums stay short. Calls run(image, its grad_output with
// the derivative applied).
template <class Run>
void for_each_gradient(const Context& context, const BackwardWeightsCall& call,
                       const Workspace& workspace, const Execution& execution, const Run& run) {
    const Problem& p = context.problem;
    const int64_t at_once = derived_images(p, execution.threads);
    const ChunkRange images(call, depthwise_weights_cut(context), 0);
    for (int64_t n = images.first; n < images.end; ++n) {
        const float* grad = images.gradient_of(p, n);
        if (call.output != nullptr) {
            float* derived = workspace.shared_floats();
            if (n % at_once == 0)
                derive_gradient(context, grad, call.output + n * p.output_image, derived,
                                min_of(at_once, p.batch - n) * p.output_image, execution);
            grad = derived + n % at_once * p.output_image;
        }
        run(n, grad);
    }
}
void depthwise_backward_weights(const Context&, const BackwardWeightsCall&, const Workspace&,
                                const Execution&);

}  // namespace nconv
