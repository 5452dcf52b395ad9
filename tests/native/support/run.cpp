#include "run.h"

#include <thread>

namespace nconv_test {
namespace {

// Null for an empty buffer: what the interface asks for where there is no bias.
float* pointer(const GuardedBuffer& buffer) { return buffer.count() ? buffer.floats() : nullptr; }
int64_t count(const GuardedBuffer& buffer) { return static_cast<int64_t>(buffer.count()); }
int64_t bytes(const GuardedBuffer& buffer) { return static_cast<int64_t>(buffer.bytes()); }

// Every misuse of scratch memory is as bad as a wrong result: it must not pass as OK.
nconv_status checked(nconv_status status, const GuardedBuffer& packed,
                     const GuardedBuffer& workspace) {
    const bool intact = (!packed.data() || packed.margins_intact()) && workspace.margins_intact();
    return intact ? status : NCONV_STATUS_INTERNAL;
}

}  // namespace

const char* pass_name(int pass) {
    switch (pass) {
        case NCONV_PASS_FORWARD:
            return "fwd";
        case NCONV_PASS_BACKWARD_INPUT:
            return "bwd_d";
        case kBackward:
            return "bwd";
        case kBackwardPair:
            return "bwd_2";
        default:
            return "bwd_w";
    }
}

void run_on_threads(void*, int64_t count, nconv_task task, void* task_context) {
    std::vector<std::thread> threads;
    for (int64_t i = 0; i < count; ++i) threads.emplace_back(task, task_context, i);
    for (std::thread& thread : threads) thread.join();
}

std::vector<std::string> algorithm_names() {
    std::vector<std::string> names;
    for (int32_t i = 0; const char* name = nconv_algorithm_name(i); ++i) names.emplace_back(name);
    return names;
}

std::vector<nconv_isa> supported_isas() {
    std::vector<nconv_isa> isas;
    for (int32_t value = 0; value < 32; ++value)
        if (nconv_supported_isas() >> value & 1) isas.push_back(static_cast<nconv_isa>(value));
    return isas;
}

Convolution::Convolution(const nconv_conv2d_desc& desc, const RunOptions& options)
    : options_(options) {
    nconv_plan_options plan_options{sizeof(nconv_plan_options), options.isa, options.algorithm};
    nconv_plan* plan = nullptr;
    status_ = nconv_plan_create(&desc, &plan_options, &plan);
    plan_.reset(plan);
    if (status_ != NCONV_STATUS_OK) return;
    info_.struct_size = sizeof info_;
    status_ = nconv_plan_get_info(plan, &info_);
}

std::string Convolution::algorithm(int pass) const {
    if (pass >= kBackward)
        return algorithm(NCONV_PASS_BACKWARD_INPUT) + "+" + algorithm(NCONV_PASS_BACKWARD_WEIGHTS);
    const char* name = nconv_plan_algorithm(plan_.get(), static_cast<nconv_pass>(pass));
    return name ? name : "";
}

std::string Convolution::describe() const {
    int64_t needed = 0;
    if (nconv_plan_describe(plan_.get(), nullptr, 0, &needed) != NCONV_STATUS_OK) return "";
    std::string text(static_cast<size_t>(needed), '\0');
    nconv_plan_describe(plan_.get(), text.data(), needed, &needed);
    text.pop_back();
    return text;
}

nconv_status Convolution::pack(nconv_pass pass, const GuardedBuffer& weights,
                               GuardedBuffer* packed) const {
    const int64_t size =
        pass == NCONV_PASS_FORWARD ? info_.forward_packed_bytes : info_.backward_input_packed_bytes;
    // Workspaces may lie anywhere, packed weights at multiples of 4 bytes.
    const Placement placement = {options_.placement.edge, options_.placement.offset / 4 * 4};
    *packed = GuardedBuffer(static_cast<size_t>(size), placement);
    return nconv_pack_weights(plan_.get(), pass, weights.floats(), count(weights), packed->data(),
                              size);
}

nconv_status Convolution::make_workspace(int pass, GuardedBuffer* workspace) const {
    int64_t size = 0;
    const nconv_status status =
        pass == kBackward
            ? nconv_plan_backward_workspace_bytes(plan_.get(), options_.threads, &size)
            : nconv_plan_workspace_bytes(plan_.get(), static_cast<nconv_pass>(pass),
                                         options_.threads, &size);
    if (status == NCONV_STATUS_OK)
        *workspace = GuardedBuffer(static_cast<size_t>(size), options_.placement);
    return status;
}

nconv_execution Convolution::execution() const {
    return nconv_execution{sizeof(nconv_execution), options_.threads, options_.parallel_for,
                           options_.parallel_context};
}

nconv_status Convolution::forward(const GuardedBuffer& input, const GuardedBuffer& weights,
                                  const GuardedBuffer& bias, const GuardedBuffer& output,
                                  const GuardedBuffer& residual) {
    GuardedBuffer packed, workspace;
    nconv_status status = pack(NCONV_PASS_FORWARD, weights, &packed);
    if (status == NCONV_STATUS_OK) status = make_workspace(NCONV_PASS_FORWARD, &workspace);
    if (status != NCONV_STATUS_OK) return status;
    const nconv_execution how = execution();
    nconv_forward_args args{};
    args.struct_size = sizeof args;
    args.input = input.floats();
    args.input_count = count(input);
    args.packed_weights = packed.data();
    args.packed_weights_bytes = bytes(packed);
    args.bias = pointer(bias);
    args.bias_count = count(bias);
    args.output = output.floats();
    args.output_count = count(output);
    args.residual = pointer(residual);
    args.residual_count = count(residual);
    args.workspace = workspace.data();
    args.workspace_bytes = bytes(workspace);
    args.execution = &how;
    return checked(nconv_forward(plan_.get(), &args), packed, workspace);
}

nconv_status Convolution::backward_input(const GuardedBuffer& grad_output,
                                         const GuardedBuffer& output, const GuardedBuffer& weights,
                                         const GuardedBuffer& grad_input) {
    GuardedBuffer packed, workspace;
    nconv_status status = pack(NCONV_PASS_BACKWARD_INPUT, weights, &packed);
    if (status == NCONV_STATUS_OK) status = make_workspace(NCONV_PASS_BACKWARD_INPUT, &workspace);
    if (status != NCONV_STATUS_OK) return status;
    const nconv_execution how = execution();
    nconv_backward_input_args args{};
    args.struct_size = sizeof args;
    args.grad_output = grad_output.floats();
    args.grad_output_count = count(grad_output);
    args.output = pointer(output);
    args.output_count = count(output);
    args.packed_weights = packed.data();
    args.packed_weights_bytes = bytes(packed);
    args.grad_input = grad_input.floats();
    args.grad_input_count = count(grad_input);
    args.workspace = workspace.data();
    args.workspace_bytes = bytes(workspace);
    args.execution = &how;
    return checked(nconv_backward_input(plan_.get(), &args), packed, workspace);
}

nconv_status Convolution::backward_weights(const GuardedBuffer& input,
                                           const GuardedBuffer& grad_output,
                                           const GuardedBuffer& output,
                                           const GuardedBuffer& grad_weights,
                                           const GuardedBuffer& grad_bias, bool accumulate) {
    GuardedBuffer workspace;
    const nconv_status status = make_workspace(NCONV_PASS_BACKWARD_WEIGHTS, &workspace);
    if (status != NCONV_STATUS_OK) return status;
    const nconv_execution how = execution();
    nconv_backward_weights_args args{};
    args.struct_size = sizeof args;
    args.accumulate = accumulate;
    args.input = input.floats();
    args.input_count = count(input);
    args.grad_output = grad_output.floats();
    args.grad_output_count = count(grad_output);
    args.output = pointer(output);
    args.output_count = count(output);
    args.grad_weights = grad_weights.floats();
    args.grad_weights_count = count(grad_weights);
    args.grad_bias = pointer(grad_bias);
    args.grad_bias_count = count(grad_bias);
    args.workspace = workspace.data();
    args.workspace_bytes = bytes(workspace);
    args.execution = &how;
    return checked(nconv_backward_weights(plan_.get(), &args), GuardedBuffer(), workspace);
}

nconv_status Convolution::backward(const GradientBuffers& b) {
    const bool input = b.grad_input.count() > 0, weights = b.grad_weights.count() > 0;
    GuardedBuffer packed, workspace;
    nconv_status status = NCONV_STATUS_OK;
    if (input) status = pack(NCONV_PASS_BACKWARD_INPUT, b.weights, &packed);
    if (status != NCONV_STATUS_OK) return status;
    int pass = kBackward;
    if (!weights) pass = NCONV_PASS_BACKWARD_INPUT;
    if (!input) pass = NCONV_PASS_BACKWARD_WEIGHTS;
    status = make_workspace(pass, &workspace);
    if (status != NCONV_STATUS_OK) return status;
    const nconv_execution how = execution();
    nconv_backward_args args{};
    args.struct_size = sizeof args;
    args.accumulate = b.accumulate;
    args.input = pointer(b.input);
    args.input_count = count(b.input);
    args.grad_output = b.grad_output.floats();
    args.grad_output_count = count(b.grad_output);
    args.output = pointer(b.output);
    args.output_count = count(b.output);
    args.packed_weights = packed.data();
    args.packed_weights_bytes = bytes(packed);
    args.grad_input = pointer(b.grad_input);
    args.grad_input_count = count(b.grad_input);
    args.grad_weights = pointer(b.grad_weights);
    args.grad_weights_count = count(b.grad_weights);
    args.grad_bias = pointer(b.grad_bias);
    args.grad_bias_count = count(b.grad_bias);
    args.workspace = workspace.data();
    args.workspace_bytes = bytes(workspace);
    args.execution = &how;
    return checked(nconv_backward(plan_.get(), &args), packed, workspace);
}

}  // namespace nconv_test
