// Plan: what an nconv_plan handle points to. Immutable once made.
#pragma once

#include "conv2d/algorithm.h"

namespace nconv {

constexpr int kPasses = 3;

struct PassPlan {
    const Algorithm* algorithm;
    const char* declined[kAlgorithmCount];  // reasons of those considered before it
    WorkspaceSize workspace;
    int64_t packed_bytes;  // 0 for backward_weights
    uint64_t packed_format;
};

// How one call for all gradients goes; see backward.h.
struct GradientsPlan {
    WorkspaceSize workspace;
    bool shared;  // grad_output times the derivative is made once, for some images at a time
    WeightsCut cut;
    int64_t unit_images, most_units;  // most_units: whose product fits the workspace
    int64_t derived, input, weights;  // parts of the shared workspace, in floats
};

struct Plan {
    Context context;
    PassPlan passes[kPasses];
    GradientsPlan gradients;
    int64_t nanoseconds;  // roughly, of a pass on one thread
};

nconv_status make_plan(const nconv_conv2d_desc* desc, const nconv_plan_options* options,
                       Plan* plan);

// Bytes of a workspace for that many threads; any alignment of its start is allowed for.
CheckedSize workspace_bytes(const WorkspaceSize& need, int threads);

// Lays a workspace of at least workspace_bytes(need, 1) out for as many threads as fit, at most *threads.
Workspace lay_out_workspace(const WorkspaceSize& need, void* start, int64_t bytes, int* threads);

// The text of nconv_plan_describe; returns its length without the ending zero.
int64_t describe_plan(const Plan& plan, char* text, int64_t text_bytes);

}  // namespace nconv
