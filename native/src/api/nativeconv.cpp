// The C interface but for the passes: checks arguments, calls inward, returns a status. No arithmetic
// lives here.
#include "nativeconv.h"

#include "api/arguments.h"
#include "base/buffers.h"
#include "base/platform.h"
#include "isa/select.h"

namespace nconv {
namespace {

bool valid_pass(int pass, int count) { return pass >= 0 && pass < count; }

int workspace_threads(int32_t threads) {
    return static_cast<int>(min_of(threads == 0 ? default_threads() : threads, kMaxThreads));
}

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
    *bytes = workspace_bytes(plan->plan.passes[pass].workspace, workspace_threads(threads)).value();
    return NCONV_STATUS_OK;
}

nconv_status nconv_plan_backward_workspace_bytes(const nconv_plan* plan, int32_t threads,
                                                 int64_t* bytes) {
    if (plan == nullptr) return NCONV_STATUS_INVALID_PLAN;
    if (threads < 0) return NCONV_STATUS_INVALID_THREADS;
    if (bytes == nullptr) return NCONV_STATUS_INVALID_RESULT;
    *bytes = workspace_bytes(plan->plan.gradients.workspace, workspace_threads(threads)).value();
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

}  // extern "C"
