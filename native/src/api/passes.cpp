// The passes of the C interface: every argument is checked, and named, before anything is written.
#include "api/arguments.h"
#include "conv2d/backward.h"
#include "conv2d/derivative.h"

namespace nconv {
namespace {

// Of what a pass without sums reads and writes.
constexpr int64_t kBytesPerNanosecond = 32;

// nanoseconds: what the call will take about, on one thread.
nconv_status read_execution(int64_t nanoseconds, const nconv_execution* execution,
                            Execution* result) {
    result->threads = default_threads();
    if (execution == nullptr) {
        result->threads = worthwhile_threads(result->threads, nanoseconds);
        return NCONV_STATUS_OK;
    }
    if (execution->struct_size != sizeof(nconv_execution)) return NCONV_STATUS_INVALID_EXECUTION;
    if (execution->max_threads < 0) return NCONV_STATUS_INVALID_THREADS;
    if (execution->max_threads > 0) {
        result->threads =
            execution->max_threads < kMaxThreads ? execution->max_threads : kMaxThreads;
    }
    result->parallel_for = execution->parallel_for;
    result->parallel_context = execution->parallel_context;
    // Only the caller knows what threads of its own cost.
    if (result->parallel_for == nullptr) {
        result->threads = worthwhile_threads(result->threads, nanoseconds);
    }
    return NCONV_STATUS_OK;
}

// Which gradients a call is for.
struct Wanted {
    bool input, weights, bias;
};

// The buffers of a backward pass: each must be good or, where that is allowed, not be there.
nconv_status check_gradients(const Plan& plan, const nconv_backward_args& a, const Wanted& wanted) {
    const Problem& p = plan.context.problem;
    const int64_t packed = plan.passes[NCONV_PASS_BACKWARD_INPUT].packed_bytes;
    if (!holds(a.input, a.input_count, wanted.weights ? p.input_count : 0))
        return NCONV_STATUS_INVALID_INPUT;
    if (!holds(a.grad_output, a.grad_output_count, p.output_count))
        return NCONV_STATUS_INVALID_GRAD_OUTPUT;
    if (!holds(a.output, a.output_count, p.linear() ? 0 : p.output_count))
        return NCONV_STATUS_INVALID_OUTPUT;
    if (!holds_packed(a.packed_weights, a.packed_weights_bytes, wanted.input ? packed : 0))
        return NCONV_STATUS_INVALID_PACKED_WEIGHTS;
    if (wanted.input && !holds(a.grad_input, a.grad_input_count, p.input_count))
        return NCONV_STATUS_INVALID_GRAD_INPUT;
    if (wanted.weights && !holds_exactly(a.grad_weights, a.grad_weights_count, p.weights_count))
        return NCONV_STATUS_INVALID_GRAD_WEIGHTS;
    if (wanted.bias &&
        (!wanted.weights || !holds_exactly(a.grad_bias, a.grad_bias_count, p.bias_count)))
        return NCONV_STATUS_INVALID_GRAD_BIAS;
    const WorkspaceSize& workspace = gradients_workspace(plan, wanted.input, wanted.weights);
    if (!holds_bytes(a.workspace, a.workspace_bytes, workspace_bytes(workspace, 1).value()))
        return NCONV_STATUS_INVALID_WORKSPACE;
    const Buffer buffers[] = {{a.input, a.input_count * kElement, false},
                              {a.grad_output, a.grad_output_count * kElement, false},
                              {a.output, a.output_count * kElement, false},
                              {a.packed_weights, a.packed_weights_bytes, false},
                              {a.grad_input, a.grad_input_count * kElement, true},
                              {a.grad_weights, a.grad_weights_count * kElement, true},
                              {a.grad_bias, a.grad_bias_count * kElement, true},
                              {a.workspace, a.workspace_bytes, true}};
    return overlapping(buffers) ? NCONV_STATUS_BUFFER_OVERLAP : NCONV_STATUS_OK;
}

// What no image adds to: 0, unless gradients accumulate.
void clear_gradients(const Problem& p, const nconv_backward_args& a) {
    if (a.accumulate == 1) return;
    if (a.grad_weights != nullptr)
        for (int64_t i = 0; i < p.weights_count; ++i) a.grad_weights[i] = 0.0f;
    if (a.grad_bias != nullptr)
        for (int64_t i = 0; i < p.bias_count; ++i) a.grad_bias[i] = 0.0f;
}

nconv_status backward(const Plan& plan, const nconv_backward_args& a, const Wanted& wanted) {
    if (a.accumulate != 0 && a.accumulate != 1) return NCONV_STATUS_INVALID_ACCUMULATE;
    Execution execution;
    const int passes = wanted.input + wanted.weights;
    nconv_status status = read_execution(passes * plan.nanoseconds, a.execution, &execution);
    if (status != NCONV_STATUS_OK) return status;
    status = check_gradients(plan, a, wanted);
    if (status != NCONV_STATUS_OK) return status;
    const Problem& p = plan.context.problem;
    if (p.batch == 0) {
        clear_gradients(p, a);
        return NCONV_STATUS_OK;
    }
    run_gradients(plan,
                  {a.input, a.grad_output, p.linear() ? nullptr : a.output,
                   static_cast<const float*>(a.packed_weights), a.grad_input, a.grad_weights,
                   p.has_bias ? a.grad_bias : nullptr, a.accumulate == 1},
                  {a.workspace, a.workspace_bytes}, execution);
    return NCONV_STATUS_OK;
}

// What the arguments of all backward passes have.
template <class Args>
nconv_backward_args common_args(const Args& a) {
    nconv_backward_args all = {};
    all.grad_output = a.grad_output;
    all.grad_output_count = a.grad_output_count;
    all.output = a.output;
    all.output_count = a.output_count;
    all.workspace = a.workspace;
    all.workspace_bytes = a.workspace_bytes;
    all.execution = a.execution;
    return all;
}

}  // namespace
}  // namespace nconv

using namespace nconv;

extern "C" {

nconv_status nconv_forward(const nconv_plan* plan, const nconv_forward_args* args) {
    if (plan == nullptr) return NCONV_STATUS_INVALID_PLAN;
    if (args == nullptr || args->struct_size != sizeof *args || args->reserved != 0) {
        return NCONV_STATUS_INVALID_ARGUMENTS;
    }
    const nconv_forward_args& a = *args;
    Execution execution;
    const nconv_status status = read_execution(plan->plan.nanoseconds, a.execution, &execution);
    if (status != NCONV_STATUS_OK) return status;
    const Context& context = plan->plan.context;
    const Problem& p = context.problem;
    const PassPlan& pass = plan->plan.passes[NCONV_PASS_FORWARD];
    if (!holds(a.input, a.input_count, p.input_count)) return NCONV_STATUS_INVALID_INPUT;
    if (!holds_packed(a.packed_weights, a.packed_weights_bytes, pass.packed_bytes)) {
        return NCONV_STATUS_INVALID_PACKED_WEIGHTS;
    }
    if (!holds_exactly(a.bias, a.bias_count, p.bias_count)) return NCONV_STATUS_INVALID_BIAS;
    const bool residual = a.residual != nullptr || a.residual_count != 0;
    if (residual &&
        (a.residual == nullptr || !holds(a.residual, a.residual_count, p.output_count))) {
        return NCONV_STATUS_INVALID_RESIDUAL;
    }
    if (!holds(a.output, a.output_count, p.output_count)) return NCONV_STATUS_INVALID_OUTPUT;
    if (!holds_bytes(a.workspace, a.workspace_bytes, workspace_bytes(pass.workspace, 1).value())) {
        return NCONV_STATUS_INVALID_WORKSPACE;
    }
    const Buffer buffers[] = {{a.input, a.input_count * kElement, false},
                              {a.packed_weights, a.packed_weights_bytes, false},
                              {a.bias, a.bias_count * kElement, false},
                              {a.residual, a.residual_count * kElement, false},
                              {a.output, a.output_count * kElement, true},
                              {a.workspace, a.workspace_bytes, true}};
    if (overlapping(buffers)) return NCONV_STATUS_BUFFER_OVERLAP;
    if (p.batch == 0) return NCONV_STATUS_OK;
    const Workspace workspace =
        lay_out_workspace(pass.workspace, a.workspace, a.workspace_bytes, &execution.threads);
    const ForwardCall call = {a.input, static_cast<const float*>(a.packed_weights),
                              p.has_bias ? a.bias : nullptr, a.output, a.residual};
    pass.algorithm->forward(context, call, workspace, execution);
    return NCONV_STATUS_OK;
}

nconv_status nconv_backward_input(const nconv_plan* plan, const nconv_backward_input_args* args) {
    if (plan == nullptr) return NCONV_STATUS_INVALID_PLAN;
    if (args == nullptr || args->struct_size != sizeof *args || args->reserved != 0) {
        return NCONV_STATUS_INVALID_ARGUMENTS;
    }
    nconv_backward_args all = common_args(*args);
    all.packed_weights = args->packed_weights;
    all.packed_weights_bytes = args->packed_weights_bytes;
    all.grad_input = args->grad_input;
    all.grad_input_count = args->grad_input_count;
    return backward(plan->plan, all, {true, false, false});
}

nconv_status nconv_backward_weights(const nconv_plan* plan,
                                    const nconv_backward_weights_args* args) {
    if (plan == nullptr) return NCONV_STATUS_INVALID_PLAN;
    if (args == nullptr || args->struct_size != sizeof *args) return NCONV_STATUS_INVALID_ARGUMENTS;
    nconv_backward_args all = common_args(*args);
    all.accumulate = args->accumulate;
    all.input = args->input;
    all.input_count = args->input_count;
    all.grad_weights = args->grad_weights;
    all.grad_weights_count = args->grad_weights_count;
    all.grad_bias = args->grad_bias;
    all.grad_bias_count = args->grad_bias_count;
    return backward(plan->plan, all, {false, true, true});
}

nconv_status nconv_backward(const nconv_plan* plan, const nconv_backward_args* args) {
    if (plan == nullptr) return NCONV_STATUS_INVALID_PLAN;
    if (args == nullptr || args->struct_size != sizeof *args) return NCONV_STATUS_INVALID_ARGUMENTS;
    return backward(plan->plan, *args,
                    {args->grad_input != nullptr || args->grad_input_count != 0,
                     args->grad_weights != nullptr || args->grad_weights_count != 0,
                     args->grad_bias != nullptr || args->grad_bias_count != 0});
}

nconv_status nconv_backward_residual(const nconv_plan* plan,
                                     const nconv_backward_residual_args* args) {
    if (plan == nullptr) return NCONV_STATUS_INVALID_PLAN;
    if (args == nullptr || args->struct_size != sizeof *args || args->reserved != 0) {
        return NCONV_STATUS_INVALID_ARGUMENTS;
    }
    const nconv_backward_residual_args& a = *args;
    Execution execution;
    const Context& context = plan->plan.context;
    const Problem& p = context.problem;
    const nconv_status status = read_execution(p.output_count * 3 * kElement / kBytesPerNanosecond,
                                               a.execution, &execution);
    if (status != NCONV_STATUS_OK) return status;
    if (!holds(a.grad_output, a.grad_output_count, p.output_count)) {
        return NCONV_STATUS_INVALID_GRAD_OUTPUT;
    }
    if (!holds(a.output, a.output_count, p.linear() ? 0 : p.output_count)) {
        return NCONV_STATUS_INVALID_OUTPUT;
    }
    if (!holds(a.grad_residual, a.grad_residual_count, p.output_count)) {
        return NCONV_STATUS_INVALID_GRAD_RESIDUAL;
    }
    const Buffer result = {a.grad_residual, a.grad_residual_count * kElement, true};
    const Buffer grad = {a.grad_output, a.grad_output_count * kElement, false};
    const Buffer output = {a.output, a.output_count * kElement, false};
    if ((a.grad_residual != a.grad_output && overlap(result, grad)) || overlap(result, output)) {
        return NCONV_STATUS_BUFFER_OVERLAP;
    }
    // A linear activation's derivative does not look at the output.
    derive_gradient(context, a.grad_output, p.linear() ? a.grad_output : a.output, a.grad_residual,
                    p.output_count, execution);
    return NCONV_STATUS_OK;
}

}  // extern "C"
