// The C interface: checks arguments, calls inward, returns a status. No arithmetic lives here.
#include "nativeconv.h"


#include "base/buffers.h"
#include "base/platform.h"
#include "conv2d/derivative.h"
#include "conv2d/plan.h"
#include "isa/select.h"

struct nconv_plan {
    nconv::Plan plan;
};

namespace nconv {
namespace {

// A buffer of a call, as an address range in bytes.
struct Buffer {
    const void* data;
    int64_t bytes;
    bool written;
};

bool overlap(const Buffer& a, const Buffer& b) {
    const uintptr_t x = reinterpret_cast<uintptr_t>(a.data),
                    y = reinterpret_cast<uintptr_t>(b.data);
    return a.bytes > 0 && b.bytes > 0 && x < y + static_cast<uint64_t>(b.bytes) &&
           y < x + static_cast<uint64_t>(a.bytes);
}

// True if a buffer that is written shares a byte with any other.
template <int kCount>
bool overlapping(const Buffer (&buffers)[kCount]) {
    for (int i = 0; i < kCount; ++i) {
        for (int j = i + 1; j < kCount; ++j) {
            if ((buffers[i].written || buffers[j].written) && overlap(buffers[i], buffers[j]))
                return true;
        }
    }
    return false;
}

constexpr int64_t kElement = sizeof(float);

// Present, aligned, and at least `needed` elements; nothing is asked of a buffer that needs none.
bool holds(const float* data, int64_t count, int64_t needed) {
    if (count < needed || count < 0) return false;
    return needed == 0 || (data != nullptr && reinterpret_cast<uintptr_t>(data) % kElement == 0);
}

bool holds_exactly(const float* data, int64_t count, int64_t needed) {
    return count == needed && holds(data, count, needed);
}

bool holds_bytes(const void* data, int64_t bytes, int64_t needed) {
    return bytes >= needed && bytes >= 0 && (needed == 0 || data != nullptr);
}

bool holds_packed(const void* data, int64_t bytes, int64_t needed) {
    return holds_bytes(data, bytes, needed) && reinterpret_cast<uintptr_t>(data) % kElement == 0;
}

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

bool valid_pass(int pass, int count) { return pass >= 0 && pass < count; }

}  // namespace
}  // namespace nconv

using namespace nconv;

extern "C" {

int32_t nconv_version(void) {
    return NCONV_VERSION_MAJOR * 10000 + NCONV_VERSION_MINOR * 100 + NCONV_VERSION_PATCH;
}

int32_t nconv_abi_version(void) { return NCONV_ABI_VERSION; }

nconv_isa nconv_active_isa(void) { return select_kernels(-1)->isa; }

uint32_t nconv_supported_isas(void) { return supported_isas(); }

const char* nconv_isa_name(nconv_isa isa) { return isa_name(isa); }

nconv_status nconv_set_max_isa(nconv_isa isa) { return set_max_isa(isa); }

int32_t nconv_thread_count(void) { return default_threads(); }

nconv_status nconv_set_max_threads(int32_t threads) {
    if (threads < 0) return NCONV_STATUS_INVALID_THREADS;
    set_max_threads(threads);
    return NCONV_STATUS_OK;
}

int32_t nconv_spin_microseconds(void) { return spin_microseconds(); }

nconv_status nconv_set_spin_microseconds(int32_t microseconds) {
    if (microseconds < 0 || microseconds > kMaxSpinMicroseconds) return NCONV_STATUS_INVALID_SPIN;
    set_spin_microseconds(microseconds);
    return NCONV_STATUS_OK;
}

const char* nconv_algorithm_name(int32_t index) {
    return index >= 0 && index < kAlgorithmCount ? kAlgorithms[index]->name : nullptr;
}

nconv_status nconv_buffer_allocate(int64_t bytes, void** buffer) {
    if (buffer == nullptr) return NCONV_STATUS_INVALID_RESULT;
    if (bytes < 0) return NCONV_STATUS_INVALID_BUFFER_BYTES;
    void* allocated = allocate_buffer(bytes);
    if (allocated == nullptr) return NCONV_STATUS_OUT_OF_MEMORY;
    *buffer = allocated;
    return NCONV_STATUS_OK;
}

void nconv_buffer_free(void* buffer) { free_buffer(buffer); }

int64_t nconv_buffer_pooled_bytes(void) { return pooled_buffer_bytes(); }

nconv_status nconv_buffer_set_max_pooled_bytes(int64_t bytes) {
    if (bytes < 0) return NCONV_STATUS_INVALID_BUFFER_BYTES;
    set_max_pooled_buffer_bytes(bytes);
    return NCONV_STATUS_OK;
}

void nconv_buffer_trim(void) { trim_buffers(); }

void nconv_conv2d_desc_init(nconv_conv2d_desc* desc) {
    if (desc == nullptr) return;
    *desc = {};
    desc->struct_size = sizeof *desc;
    desc->activation = NCONV_ACTIVATION_RELU;
    desc->has_bias = 1;
    desc->batch = desc->groups = 1;
    desc->kernel_h = desc->kernel_w = 3;
    desc->stride_h = desc->stride_w = desc->dilation_h = desc->dilation_w = 1;
}

nconv_status nconv_same_padding(int64_t input, int64_t kernel, int64_t stride, int64_t dilation,
                                int32_t lower, int64_t* before, int64_t* after) {
    return same_padding(input, kernel, stride, dilation, lower != 0, before, after);
}

nconv_status nconv_plan_create(const nconv_conv2d_desc* desc, const nconv_plan_options* options,
                               nconv_plan** plan) {
    if (plan == nullptr) return NCONV_STATUS_INVALID_RESULT;
    Plan made;
    const nconv_status status = make_plan(desc, options, &made);
    if (status != NCONV_STATUS_OK) return status;
    nconv_plan* result = static_cast<nconv_plan*>(heap_allocate(sizeof(nconv_plan)));
    if (result == nullptr) return NCONV_STATUS_OUT_OF_MEMORY;
    result->plan = made;
    *plan = result;
    return NCONV_STATUS_OK;
}

void nconv_plan_destroy(nconv_plan* plan) { heap_free(plan); }

nconv_status nconv_plan_get_info(const nconv_plan* plan, nconv_plan_info* info) {
    if (plan == nullptr) return NCONV_STATUS_INVALID_PLAN;
    if (info == nullptr) return NCONV_STATUS_INVALID_RESULT;
    if (info->struct_size != sizeof *info) return NCONV_STATUS_INVALID_ARGUMENTS;
    const Problem& p = plan->plan.context.problem;
    const PassPlan& forward = plan->plan.passes[NCONV_PASS_FORWARD];
    const PassPlan& backward = plan->plan.passes[NCONV_PASS_BACKWARD_INPUT];
    info->isa = plan->plan.context.kernels->isa;
    info->output_height = p.height.output;
    info->output_width = p.width.output;
    info->input_count = p.input_count;
    info->weights_count = p.weights_count;
    info->bias_count = p.bias_count;
    info->output_count = p.output_count;
    info->forward_packed_bytes = forward.packed_bytes;
    info->backward_input_packed_bytes = backward.packed_bytes;
    info->forward_packed_format = forward.packed_format;
    info->backward_input_packed_format = backward.packed_format;
    return NCONV_STATUS_OK;
}

nconv_status nconv_plan_workspace_bytes(const nconv_plan* plan, nconv_pass pass, int32_t threads,
                                        int64_t* bytes) {
    if (plan == nullptr) return NCONV_STATUS_INVALID_PLAN;
    if (!valid_pass(pass, kPasses)) return NCONV_STATUS_INVALID_PASS;
    if (threads < 0) return NCONV_STATUS_INVALID_THREADS;
    if (bytes == nullptr) return NCONV_STATUS_INVALID_RESULT;
    if (threads == 0) threads = default_threads();
    if (threads > kMaxThreads) threads = kMaxThreads;
    *bytes = workspace_bytes(plan->plan.passes[pass], threads).value();
    return NCONV_STATUS_OK;
}

const char* nconv_plan_algorithm(const nconv_plan* plan, nconv_pass pass) {
    if (plan == nullptr || !valid_pass(pass, kPasses)) return nullptr;
    return plan->plan.passes[pass].algorithm->name;
}

nconv_status nconv_plan_describe(const nconv_plan* plan, char* text, int64_t text_bytes,
                                 int64_t* required_bytes) {
    if (plan == nullptr) return NCONV_STATUS_INVALID_PLAN;
    if (required_bytes == nullptr || text_bytes < 0 || (text == nullptr && text_bytes > 0)) {
        return NCONV_STATUS_INVALID_RESULT;
    }
    *required_bytes = describe_plan(plan->plan, text, text_bytes) + 1;
    return NCONV_STATUS_OK;
}

nconv_status nconv_pack_weights(const nconv_plan* plan, nconv_pass pass, const float* weights,
                                int64_t weights_count, void* packed_weights,
                                int64_t packed_weights_bytes) {
    if (plan == nullptr) return NCONV_STATUS_INVALID_PLAN;
    if (!valid_pass(pass, NCONV_PASS_BACKWARD_WEIGHTS)) return NCONV_STATUS_INVALID_PASS;
    const Context& context = plan->plan.context;
    const PassPlan& planned = plan->plan.passes[pass];
    if (!holds_exactly(weights, weights_count, context.problem.weights_count)) {
        return NCONV_STATUS_INVALID_WEIGHTS;
    }
    if (!holds_packed(packed_weights, packed_weights_bytes, planned.packed_bytes)) {
        return NCONV_STATUS_INVALID_PACKED_WEIGHTS;
    }
    const Buffer buffers[] = {{weights, weights_count * kElement, false},
                              {packed_weights, packed_weights_bytes, true}};
    if (overlapping(buffers)) return NCONV_STATUS_BUFFER_OVERLAP;
    planned.algorithm->pack(context, pass, weights, static_cast<float*>(packed_weights));
    return NCONV_STATUS_OK;
}

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
    if (!holds_bytes(a.workspace, a.workspace_bytes, workspace_bytes(pass, 1).value())) {
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
        lay_out_workspace(pass, a.workspace, a.workspace_bytes, &execution.threads);
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
    const nconv_backward_input_args& a = *args;
    Execution execution;
    const nconv_status status = read_execution(plan->plan.nanoseconds, a.execution, &execution);
    if (status != NCONV_STATUS_OK) return status;
    const Context& context = plan->plan.context;
    const Problem& p = context.problem;
    const PassPlan& pass = plan->plan.passes[NCONV_PASS_BACKWARD_INPUT];
    if (!holds(a.grad_output, a.grad_output_count, p.output_count)) {
        return NCONV_STATUS_INVALID_GRAD_OUTPUT;
    }
    if (!holds(a.output, a.output_count, p.linear() ? 0 : p.output_count)) {
        return NCONV_STATUS_INVALID_OUTPUT;
    }
    if (!holds_packed(a.packed_weights, a.packed_weights_bytes, pass.packed_bytes)) {
        return NCONV_STATUS_INVALID_PACKED_WEIGHTS;
    }
    if (!holds(a.grad_input, a.grad_input_count, p.input_count))
        return NCONV_STATUS_INVALID_GRAD_INPUT;
    if (!holds_bytes(a.workspace, a.workspace_bytes, workspace_bytes(pass, 1).value())) {
        return NCONV_STATUS_INVALID_WORKSPACE;
    }
    const Buffer buffers[] = {{a.grad_output, a.grad_output_count * kElement, false},
                              {a.output, a.output_count * kElement, false},
                              {a.packed_weights, a.packed_weights_bytes, false},
                              {a.grad_input, a.grad_input_count * kElement, true},
                              {a.workspace, a.workspace_bytes, true}};
    if (overlapping(buffers)) return NCONV_STATUS_BUFFER_OVERLAP;
    if (p.batch == 0) return NCONV_STATUS_OK;
    const Workspace workspace =
        lay_out_workspace(pass, a.workspace, a.workspace_bytes, &execution.threads);
    const BackwardInputCall call = {a.grad_output, p.linear() ? nullptr : a.output,
                                    static_cast<const float*>(a.packed_weights), a.grad_input};
    pass.algorithm->backward_input(context, call, workspace, execution);
    return NCONV_STATUS_OK;
}

nconv_status nconv_backward_weights(const nconv_plan* plan,
                                    const nconv_backward_weights_args* args) {
    if (plan == nullptr) return NCONV_STATUS_INVALID_PLAN;
    if (args == nullptr || args->struct_size != sizeof *args) return NCONV_STATUS_INVALID_ARGUMENTS;
    const nconv_backward_weights_args& a = *args;
    if (a.accumulate != 0 && a.accumulate != 1) return NCONV_STATUS_INVALID_ACCUMULATE;
    Execution execution;
    const nconv_status status = read_execution(plan->plan.nanoseconds, a.execution, &execution);
    if (status != NCONV_STATUS_OK) return status;
    const Context& context = plan->plan.context;
    const Problem& p = context.problem;
    const PassPlan& pass = plan->plan.passes[NCONV_PASS_BACKWARD_WEIGHTS];
    if (!holds(a.input, a.input_count, p.input_count)) return NCONV_STATUS_INVALID_INPUT;
    if (!holds(a.grad_output, a.grad_output_count, p.output_count)) {
        return NCONV_STATUS_INVALID_GRAD_OUTPUT;
    }
    if (!holds(a.output, a.output_count, p.linear() ? 0 : p.output_count)) {
        return NCONV_STATUS_INVALID_OUTPUT;
    }
    if (!holds_exactly(a.grad_weights, a.grad_weights_count, p.weights_count)) {
        return NCONV_STATUS_INVALID_GRAD_WEIGHTS;
    }
    if (!holds_exactly(a.grad_bias, a.grad_bias_count, p.bias_count)) {
        return NCONV_STATUS_INVALID_GRAD_BIAS;
    }
    if (!holds_bytes(a.workspace, a.workspace_bytes, workspace_bytes(pass, 1).value())) {
        return NCONV_STATUS_INVALID_WORKSPACE;
    }
    const Buffer buffers[] = {{a.input, a.input_count * kElement, false},
                              {a.grad_output, a.grad_output_count * kElement, false},
                              {a.output, a.output_count * kElement, false},
                              {a.grad_weights, a.grad_weights_count * kElement, true},
                              {a.grad_bias, a.grad_bias_count * kElement, true},
                              {a.workspace, a.workspace_bytes, true}};
    if (overlapping(buffers)) return NCONV_STATUS_BUFFER_OVERLAP;
    const bool accumulate = a.accumulate == 1;
    if (p.batch == 0) {
        if (!accumulate) {
            for (int64_t i = 0; i < p.weights_count; ++i) a.grad_weights[i] = 0.0f;
            for (int64_t i = 0; i < p.bias_count; ++i) a.grad_bias[i] = 0.0f;
        }
        return NCONV_STATUS_OK;
    }
    const Workspace workspace =
        lay_out_workspace(pass, a.workspace, a.workspace_bytes, &execution.threads);
    const BackwardWeightsCall call = {a.input,
                                      a.grad_output,
                                      p.linear() ? nullptr : a.output,
                                      a.grad_weights,
                                      p.has_bias ? a.grad_bias : nullptr,
                                      accumulate};
    pass.algorithm->backward_weights(context, call, workspace, execution);
    return NCONV_STATUS_OK;
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
