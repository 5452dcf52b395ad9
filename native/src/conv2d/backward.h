// The backward passes of a plan, each for itself or both in one call. With a non-linear activation the one call
// makes the product of grad_output and the derivative once, for some images at a time; backward_input and
// backward_weights take it from cache. A linear one leaves nothing to share: what the two passes pack of
// grad_output differs in order, size and algorithm.
#pragma once

#include "conv2d/plan.h"

namespace nconv {

// The caller's workspace.
struct Scratch {
    void* start;
    int64_t bytes;
};

struct GradientsCall {
    const float* input;
    const float* grad_output;
    const float* output;  // null if the activation is linear
    const float* packed;
    float* grad_input;    // null: not wanted
    float* grad_weights;  // null: not wanted
    float* grad_bias;     // null: not wanted
    bool accumulate;
};

GradientsPlan plan_gradients(const Plan&);

// What a call needs of the workspace.
const WorkspaceSize& gradients_workspace(const Plan&, bool input, bool weights);

void run_gradients(const Plan&, const GradientsCall&, Scratch, Execution);

}  // namespace nconv
