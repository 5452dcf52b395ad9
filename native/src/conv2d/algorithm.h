// Algorithm: one way to compute the three passes. A plan walks the ordered list of algorithms.cpp and
// takes, per pass, the first that does not decline; it knows none of them by name.
#pragma once

#include <stdint.h>

#include "base/checked_math.h"
#include "base/memory_map.h"
#include "base/parallel.h"
#include "conv2d/problem.h"
#include "conv2d/weights_cut.h"
#include "kernels/kernel_set.h"

namespace nconv {

// What every pass works from: the problem and the kernels chosen for the plan.
struct Context {
    Problem problem;
    const KernelSet* kernels;
};

// A call's workspace, aligned to kWorkspaceAlignment: `shared` bytes, then one part of `per_thread`
// bytes for each slot.
constexpr int64_t kWorkspaceAlignment = 64;
struct WorkspaceSize {
    CheckedSize shared = 0;
    CheckedSize per_thread = 0;
};
struct Workspace {
    char* shared;
    char* slots;
    int64_t per_thread;

    float* shared_floats() const { return reinterpret_cast<float*>(shared); }
    char* slot(int index) const { return slots + index * per_thread; }
};

struct ForwardCall {
    const float* input;
    const float* packed;
    const float* bias;
    float* output;
    const float* residual;  // null: none
};
struct BackwardInputCall {
    const float* grad_output;
    const float* output;  // null if the activation is linear
    const float* packed;
    float* grad_input;
    int64_t images;
};
struct BackwardWeightsCall {
    const float* input;
    const float* grad_output;
    const float* output;
    float* grad_weights;
    float* grad_bias;
    bool accumulate;
    const WeightsPart* part = nullptr;  // null: all images; else their gradients are in the part

    bool finishes() const { return part == nullptr || part->last; }
    // Of `partials` partial sums those that are added to.
    int64_t active(int64_t partials) const { return part == nullptr ? partials : part->partials; }
};

struct Algorithm {
    const char* name;
    // Null if the algorithm serves the pass of this problem, else the reason in words; asked, like all below, for
    // passes that it has.
    const char* (*declines)(const Problem&, nconv_pass);
    // Null, or why an algorithm further down is faster here; not asked of an algorithm forced by name.
    const char* (*yields)(const Problem&, nconv_pass);
    WorkspaceSize (*workspace)(const Context&, nconv_pass);
    // Floats of packed weights for forward or backward_input, and their arrangement.
    CheckedSize (*packed_count)(const Context&, nconv_pass);
    void (*pack)(const Context&, nconv_pass, const float* weights, float* packed);
    // The passes; null for one that it does not have.
    void (*forward)(const Context&, const ForwardCall&, const Workspace&, const Execution&);
    void (*backward_input)(const Context&, const BackwardInputCall&, const Workspace&,
                           const Execution&);
    void (*backward_weights)(const Context&, const BackwardWeightsCall&, const Workspace&,
                             const Execution&);
    // Null, or a cut of no units, where backward_weights does not come in parts.
    WeightsCut (*weights_cut)(const Context&) = nullptr;
    const char* remark = nullptr;  // for nconv_plan_describe: what packed weights decide
};

// Null if the algorithm has the pass and serves it for this problem, else the reason.
inline const char* refusal(const Algorithm& algorithm, const Problem& p, nconv_pass pass) {
    const bool has = pass == NCONV_PASS_FORWARD          ? algorithm.forward != nullptr
                     : pass == NCONV_PASS_BACKWARD_INPUT ? algorithm.backward_input != nullptr
                                                         : algorithm.backward_weights != nullptr;
    return has ? algorithm.declines(p, pass) : "it does not have this pass";
}

inline const char* never_yields(const Problem&, nconv_pass) { return nullptr; }

extern const Algorithm kSeparable, kDepthwise, kPointwise, kGrouped, kWinograd6x6, kWinograd5x5,
    kWinograd4x4, kWinograd2x2, kWinograd4x4Strided, kOuter, kSliding, kNarrow, kGemm, kReference;

constexpr int kAlgorithmCount = 14;
extern const Algorithm* const kAlgorithms[kAlgorithmCount];

}  // namespace nconv
