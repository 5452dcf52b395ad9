// Every invalid argument of packing and running, with its status, and nothing written.
#include "common.h"

namespace nconv_test {
namespace {

GuardedBuffer floats(int64_t count) {
    return GuardedBuffer(static_cast<size_t>(count) * sizeof(float), {Placement::kEnd, 0});
}

// Valid arguments of the passes; a test changes one thing. Every buffer holds the pattern.
class RunArguments : public testing::Test {
protected:
    RunArguments() : RunArguments(NCONV_ACTIVATION_RELU, 1) {}
    RunArguments(int32_t activation, int32_t has_bias)
        : convolution_(desc_of(activation, has_bias)), plan_(convolution_.plan()) {
        const nconv_plan_info& info = convolution_.info();
        input = floats(info.input_count);
        weights = floats(info.weights_count);
        bias = floats(info.bias_count);
        output = floats(info.output_count);
        grad_output = floats(info.output_count);
        residual = floats(info.output_count);
        packed_forward = GuardedBuffer(static_cast<size_t>(info.forward_packed_bytes));
        packed_backward = GuardedBuffer(static_cast<size_t>(info.backward_input_packed_bytes));
        for (nconv_pass pass : kPasses) {
            int64_t bytes = 0;
            nconv_plan_workspace_bytes(plan_, pass, 1, &bytes);
            workspace[pass] = GuardedBuffer(static_cast<size_t>(bytes), {Placement::kEnd, 0});
        }
        fill_forward(info);
        fill_backward_input(info);
        fill_backward_weights(info);
        fill_backward(info);
        backward_residual = {sizeof backward_residual,
                             0,
                             grad_output.floats(),
                             info.output_count,
                             output.floats(),
                             info.output_count,
                             residual.floats(),
                             info.output_count,
                             &execution};
    }

    static nconv_conv2d_desc desc_of(int32_t activation, int32_t has_bias) {
        nconv_conv2d_desc desc = small_desc();
        desc.activation = activation;
        desc.has_bias = has_bias;
        return desc;
    }

    void fill_forward(const nconv_plan_info& info) {
        const bool biased = info.bias_count > 0;
        forward = {sizeof forward,
                   0,
                   input.floats(),
                   info.input_count,
                   packed_forward.data(),
                   info.forward_packed_bytes,
                   biased ? bias.floats() : nullptr,
                   info.bias_count,
                   output.floats(),
                   info.output_count,
                   workspace[0].data(),
                   static_cast<int64_t>(workspace[0].bytes()),
                   &execution,
                   residual.floats(),
                   info.output_count};
    }
    void fill_backward_input(const nconv_plan_info& info) {
        backward_input = {sizeof backward_input,
                          0,
                          grad_output.floats(),
                          info.output_count,
                          output.floats(),
                          info.output_count,
                          packed_backward.data(),
                          info.backward_input_packed_bytes,
                          input.floats(),
                          info.input_count,
                          workspace[1].data(),
                          static_cast<int64_t>(workspace[1].bytes()),
                          &execution};
    }
    void fill_backward_weights(const nconv_plan_info& info) {
        const bool biased = info.bias_count > 0;
        backward_weights = {sizeof backward_weights,
                            0,
                            input.floats(),
                            info.input_count,
                            grad_output.floats(),
                            info.output_count,
                            output.floats(),
                            info.output_count,
                            weights.floats(),
                            info.weights_count,
                            biased ? bias.floats() : nullptr,
                            info.bias_count,
                            workspace[2].data(),
                            static_cast<int64_t>(workspace[2].bytes()),
                            &execution};
    }

    void fill_backward(const nconv_plan_info& info) {
        int64_t bytes = 0;
        nconv_plan_backward_workspace_bytes(plan_, 1, &bytes);
        both = GuardedBuffer(static_cast<size_t>(bytes), {Placement::kEnd, 0});
        grad_input = floats(info.input_count);
        const bool biased = info.bias_count > 0;
        backward = {sizeof backward,
                    0,
                    input.floats(),
                    info.input_count,
                    grad_output.floats(),
                    info.output_count,
                    output.floats(),
                    info.output_count,
                    packed_backward.data(),
                    info.backward_input_packed_bytes,
                    grad_input.floats(),
                    info.input_count,
                    weights.floats(),
                    info.weights_count,
                    biased ? bias.floats() : nullptr,
                    info.bias_count,
                    both.data(),
                    static_cast<int64_t>(both.bytes()),
                    &execution};
    }

    bool all_untouched() const {
        for (const GuardedBuffer* buffer :
             {&input, &weights, &bias, &output, &grad_output, &residual, &packed_forward,
              &packed_backward, &workspace[0], &workspace[1], &workspace[2], &both, &grad_input})
            if (!buffer->untouched()) return false;
        return true;
    }

    // Applies a change to the arguments of a pass, expects the status, and undoes the change.
    template <typename Arguments, typename Change>
    void expect(nconv_status expected, Arguments* arguments, const char* what,
                const Change& change) {
        const Arguments valid = *arguments;
        const nconv_execution valid_execution = execution;
        change(arguments);
        EXPECT_EQ(run(*arguments), expected) << what;
        EXPECT_TRUE(all_untouched()) << what;
        *arguments = valid;
        execution = valid_execution;
    }
    nconv_status run(const nconv_forward_args& a) { return nconv_forward(plan_, &a); }
    nconv_status run(const nconv_backward_input_args& a) { return nconv_backward_input(plan_, &a); }
    nconv_status run(const nconv_backward_weights_args& a) {
        return nconv_backward_weights(plan_, &a);
    }
    nconv_status run(const nconv_backward_args& a) { return nconv_backward(plan_, &a); }
    nconv_status run(const nconv_backward_residual_args& a) {
        return nconv_backward_residual(plan_, &a);
    }

    Convolution convolution_;
    const nconv_plan* plan_;
    GuardedBuffer input, weights, bias, output, grad_output, residual, packed_forward,
        packed_backward, grad_input;
    GuardedBuffer workspace[3], both;
    nconv_execution execution{sizeof(nconv_execution), 1, nullptr, nullptr};
    nconv_forward_args forward;
    nconv_backward_input_args backward_input;
    nconv_backward_weights_args backward_weights;
    nconv_backward_residual_args backward_residual;
    nconv_backward_args backward;
};

template <typename T>
T* misaligned(T* pointer) {
    return reinterpret_cast<T*>(reinterpret_cast<uintptr_t>(pointer) + 2);
}

#define EXPECT_RUN_STATUS(expected, arguments, change) \
    expect(expected, &(arguments), #change, [&]([[maybe_unused]] auto* a) { change; })

TEST_F(RunArguments, Forward) {
    EXPECT_EQ(nconv_forward(nullptr, &forward), NCONV_STATUS_INVALID_PLAN);
    EXPECT_EQ(nconv_forward(plan_, nullptr), NCONV_STATUS_INVALID_ARGUMENTS);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_ARGUMENTS, forward, a->struct_size = 0);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_ARGUMENTS, forward, a->struct_size += 8);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_ARGUMENTS, forward, a->reserved = 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_EXECUTION, forward, execution.struct_size = 4);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_THREADS, forward, execution.max_threads = -1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_INPUT, forward, a->input = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_INPUT, forward, a->input = misaligned(a->input));
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_INPUT, forward, a->input_count -= 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_INPUT, forward, a->input_count = -1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_INPUT, forward, a->input_count = INT64_MIN);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_PACKED_WEIGHTS, forward, a->packed_weights = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_PACKED_WEIGHTS, forward, a->packed_weights_bytes -= 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_PACKED_WEIGHTS, forward,
                      a->packed_weights = misaligned(packed_forward.floats()));
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_BIAS, forward, a->bias = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_BIAS, forward, a->bias_count -= 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_BIAS, forward, a->bias_count += 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_BIAS, forward, a->bias = misaligned(a->bias));
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_BIAS, forward, (a->bias = nullptr, a->bias_count = 0));
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_OUTPUT, forward, a->output = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_OUTPUT, forward, a->output = misaligned(a->output));
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_OUTPUT, forward, a->output_count -= 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_OUTPUT, forward, a->output_count = INT64_MIN);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_RESIDUAL, forward, a->residual = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_RESIDUAL, forward,
                      (a->residual = nullptr, a->residual_count = -1));
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_RESIDUAL, forward, a->residual_count -= 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_RESIDUAL, forward, a->residual_count = 0);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_RESIDUAL, forward, a->residual_count = INT64_MIN);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_RESIDUAL, forward,
                      a->residual = misaligned(a->residual));
}

TEST_F(RunArguments, BackwardResidual) {
    nconv_backward_residual_args& args = backward_residual;
    EXPECT_EQ(nconv_backward_residual(nullptr, &args), NCONV_STATUS_INVALID_PLAN);
    EXPECT_EQ(nconv_backward_residual(plan_, nullptr), NCONV_STATUS_INVALID_ARGUMENTS);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_ARGUMENTS, args, a->struct_size -= 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_ARGUMENTS, args, a->reserved = 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_EXECUTION, args, execution.struct_size = 0);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_THREADS, args, execution.max_threads = -1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_OUTPUT, args, a->grad_output = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_OUTPUT, args, a->grad_output_count -= 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_OUTPUT, args, a->output = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_OUTPUT, args,
                      (a->output = nullptr, a->output_count = 0));
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_OUTPUT, args, a->output = misaligned(a->output));
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_RESIDUAL, args, a->grad_residual = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_RESIDUAL, args, a->grad_residual_count -= 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_RESIDUAL, args,
                      a->grad_residual = misaligned(a->grad_residual));
    EXPECT_RUN_STATUS(NCONV_STATUS_BUFFER_OVERLAP, args, a->grad_residual = output.floats());
    EXPECT_RUN_STATUS(NCONV_STATUS_BUFFER_OVERLAP, args,
                      a->grad_output = a->grad_residual + a->grad_residual_count - 1);
}

TEST_F(RunArguments, BackwardInput) {
    nconv_backward_input_args& args = backward_input;
    EXPECT_EQ(nconv_backward_input(nullptr, &args), NCONV_STATUS_INVALID_PLAN);
    EXPECT_EQ(nconv_backward_input(plan_, nullptr), NCONV_STATUS_INVALID_ARGUMENTS);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_ARGUMENTS, args, a->struct_size -= 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_ARGUMENTS, args, a->reserved = -1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_EXECUTION, args, execution.struct_size = 0);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_THREADS, args, execution.max_threads = INT32_MIN);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_OUTPUT, args, a->grad_output = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_OUTPUT, args, a->grad_output_count -= 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_OUTPUT, args,
                      a->grad_output = misaligned(a->grad_output));
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_OUTPUT, args, a->output = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_OUTPUT, args,
                      (a->output = nullptr, a->output_count = 0));
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_OUTPUT, args, a->output_count -= 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_OUTPUT, args, a->output = misaligned(a->output));
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_PACKED_WEIGHTS, args, a->packed_weights = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_PACKED_WEIGHTS, args, a->packed_weights_bytes = 0);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_INPUT, args, a->grad_input = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_INPUT, args, a->grad_input_count -= 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_INPUT, args,
                      a->grad_input = misaligned(a->grad_input));
}

TEST_F(RunArguments, BackwardWeights) {
    nconv_backward_weights_args& args = backward_weights;
    EXPECT_EQ(nconv_backward_weights(nullptr, &args), NCONV_STATUS_INVALID_PLAN);
    EXPECT_EQ(nconv_backward_weights(plan_, nullptr), NCONV_STATUS_INVALID_ARGUMENTS);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_ARGUMENTS, args, a->struct_size = 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_ACCUMULATE, args, a->accumulate = 2);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_ACCUMULATE, args, a->accumulate = -1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_EXECUTION, args, execution.struct_size = 1000);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_THREADS, args, execution.max_threads = -5);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_INPUT, args, a->input = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_INPUT, args, a->input_count -= 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_INPUT, args, a->input = misaligned(a->input));
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_OUTPUT, args, a->grad_output = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_OUTPUT, args, a->grad_output_count = 0);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_OUTPUT, args,
                      (a->output = nullptr, a->output_count = 0));
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_OUTPUT, args, a->output_count -= 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_WEIGHTS, args, a->grad_weights = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_WEIGHTS, args, a->grad_weights_count -= 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_WEIGHTS, args, a->grad_weights_count += 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_WEIGHTS, args,
                      a->grad_weights = misaligned(a->grad_weights));
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_BIAS, args, a->grad_bias = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_BIAS, args, a->grad_bias_count += 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_BIAS, args,
                      (a->grad_bias = nullptr, a->grad_bias_count = 0));
}

TEST_F(RunArguments, Backward) {
    nconv_backward_args& args = backward;
    EXPECT_EQ(nconv_backward(nullptr, &args), NCONV_STATUS_INVALID_PLAN);
    EXPECT_EQ(nconv_backward(plan_, nullptr), NCONV_STATUS_INVALID_ARGUMENTS);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_ARGUMENTS, args, a->struct_size -= 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_ACCUMULATE, args, a->accumulate = 2);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_EXECUTION, args, execution.struct_size = 0);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_THREADS, args, execution.max_threads = -1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_INPUT, args, a->input = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_INPUT, args, a->input_count -= 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_OUTPUT, args, a->grad_output = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_OUTPUT, args,
                      a->grad_output = misaligned(a->grad_output));
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_OUTPUT, args, a->output = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_OUTPUT, args,
                      (a->output = nullptr, a->output_count = 0));
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_PACKED_WEIGHTS, args, a->packed_weights = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_PACKED_WEIGHTS, args, a->packed_weights_bytes -= 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_INPUT, args, a->grad_input = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_INPUT, args, a->grad_input_count = 0);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_INPUT, args,
                      a->grad_input = misaligned(a->grad_input));
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_WEIGHTS, args, a->grad_weights = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_WEIGHTS, args, a->grad_weights_count = 0);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_WEIGHTS, args, a->grad_weights_count += 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_BIAS, args, a->grad_bias = nullptr);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_BIAS, args, a->grad_bias_count -= 1);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_BIAS, args,
                      (a->grad_weights = nullptr, a->grad_weights_count = 0));
    const nconv_status overlap = NCONV_STATUS_BUFFER_OVERLAP;
    EXPECT_RUN_STATUS(overlap, args, a->grad_input = input.floats());
    EXPECT_RUN_STATUS(overlap, args, a->input = a->grad_input + a->input_count - 1);
    EXPECT_RUN_STATUS(overlap, args, a->grad_weights = a->grad_input);
    EXPECT_RUN_STATUS(overlap, args, a->grad_weights = grad_output.floats() + 5);
    EXPECT_RUN_STATUS(overlap, args, a->grad_bias = weights.floats() + a->grad_weights_count - 1);
    EXPECT_RUN_STATUS(overlap, args, a->workspace = output.floats());
    EXPECT_RUN_STATUS(overlap, args, a->packed_weights = a->workspace);
}

// What is not wanted is not asked for, nor written.
TEST_F(RunArguments, BackwardOfWhatIsWanted) {
    backward.grad_bias = nullptr;
    backward.grad_bias_count = 0;
    ASSERT_EQ(run(backward), NCONV_STATUS_OK);
    EXPECT_TRUE(bias.untouched());
    fill_backward(convolution_.info());
    backward.grad_input = nullptr;
    backward.packed_weights = nullptr;
    backward.grad_input_count = backward.packed_weights_bytes = 0;
    backward.workspace = workspace[2].data();
    backward.workspace_bytes = static_cast<int64_t>(workspace[2].bytes());
    ASSERT_EQ(run(backward), NCONV_STATUS_OK);
    EXPECT_TRUE(grad_input.untouched());
    weights.fill_pattern();
    bias.fill_pattern();
    fill_backward(convolution_.info());
    backward.input = backward.grad_weights = backward.grad_bias = nullptr;
    backward.input_count = backward.grad_weights_count = backward.grad_bias_count = 0;
    backward.workspace = workspace[1].data();
    backward.workspace_bytes = static_cast<int64_t>(workspace[1].bytes());
    ASSERT_EQ(run(backward), NCONV_STATUS_OK);
    EXPECT_TRUE(weights.untouched() && bias.untouched());
    backward.grad_input = nullptr;
    backward.grad_input_count = 0;
    EXPECT_EQ(run(backward), NCONV_STATUS_OK);
    int64_t bytes = 0;
    EXPECT_EQ(nconv_plan_backward_workspace_bytes(nullptr, 1, &bytes), NCONV_STATUS_INVALID_PLAN);
    EXPECT_EQ(nconv_plan_backward_workspace_bytes(plan_, -1, &bytes), NCONV_STATUS_INVALID_THREADS);
    EXPECT_EQ(nconv_plan_backward_workspace_bytes(plan_, 1, nullptr), NCONV_STATUS_INVALID_RESULT);
}

// One byte too few for one thread, null, and a negative length.
TEST_F(RunArguments, Workspace) {
    int tried = 0;
    auto check = [&](auto& args) {
        if (args.workspace_bytes == 0) return;
        ++tried;
        EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_WORKSPACE, args, a->workspace_bytes -= 1);
        EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_WORKSPACE, args, a->workspace_bytes = 0);
        EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_WORKSPACE, args, a->workspace_bytes = -1);
        EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_WORKSPACE, args, a->workspace = nullptr);
    };
    check(forward);
    check(backward_input);
    check(backward_weights);
    check(backward);
    RecordProperty("passes_with_workspace", tried);
}

// What is written must not overlap anything by even one element, at either end.
TEST_F(RunArguments, Overlap) {
    const nconv_status overlap = NCONV_STATUS_BUFFER_OVERLAP;
    EXPECT_RUN_STATUS(overlap, forward, (a->output = input.floats()));
    EXPECT_RUN_STATUS(overlap, forward, a->output = input.floats() + a->input_count - 1);
    EXPECT_RUN_STATUS(overlap, forward, a->input = output.floats() + a->output_count - 1);
    EXPECT_RUN_STATUS(overlap, forward, a->packed_weights = output.floats());
    EXPECT_RUN_STATUS(overlap, forward, a->bias = output.floats() + 3);
    EXPECT_RUN_STATUS(overlap, forward, a->residual = output.floats());
    EXPECT_RUN_STATUS(overlap, forward, a->residual = output.floats() + a->output_count - 1);
    if (forward.workspace_bytes > 0) {
        EXPECT_RUN_STATUS(overlap, forward, a->workspace = output.floats());
        EXPECT_RUN_STATUS(overlap, forward, a->workspace = input.floats());
    }
    EXPECT_RUN_STATUS(overlap, backward_input, a->grad_input = grad_output.floats());
    EXPECT_RUN_STATUS(overlap, backward_input, a->output = a->grad_input + 1);
    EXPECT_RUN_STATUS(overlap, backward_input, a->packed_weights = a->grad_input);
    EXPECT_RUN_STATUS(overlap, backward_weights, a->grad_weights = input.floats());
    EXPECT_RUN_STATUS(overlap, backward_weights, a->grad_weights = grad_output.floats());
    EXPECT_RUN_STATUS(overlap, backward_weights, a->grad_weights = output.floats() + 5);
    EXPECT_RUN_STATUS(overlap, backward_weights, a->grad_bias = input.floats());
    EXPECT_RUN_STATUS(overlap, backward_weights,
                      a->grad_bias = weights.floats() + a->grad_weights_count - 1);
    if (backward_weights.workspace_bytes > 0) {
        EXPECT_RUN_STATUS(overlap, backward_weights, a->workspace = weights.floats());
    }
}

TEST_F(RunArguments, BuffersThatAreOnlyReadMayOverlap) {
    const GuardedBuffer shared =
        floats(std::max(convolution_.info().input_count, convolution_.info().output_count));
    backward_weights.input = backward_weights.grad_output = backward_weights.output =
        shared.floats();
    EXPECT_EQ(run(backward_weights), NCONV_STATUS_OK);
    forward.input = forward.residual = shared.floats();
    EXPECT_EQ(run(forward), NCONV_STATUS_OK);
}

TEST_F(RunArguments, LongerActivationsAreAllowed) {
    GuardedBuffer longer = floats(convolution_.info().output_count + 5);
    forward.output = longer.floats();
    forward.output_count += 5;
    ASSERT_EQ(run(forward), NCONV_STATUS_OK);
    // The five at the end keep their pattern, a NaN with all bits set.
    const std::vector<float> values = longer.values();
    EXPECT_EQ(hash_bits({values.end() - 5, values.end()}), hash_bits(floats(5).values()));
}

TEST_F(RunArguments, PackWeights) {
    auto pack = [&](const nconv_plan* plan, int pass, const float* from, int64_t count, void* to,
                    int64_t bytes) {
        return nconv_pack_weights(plan, static_cast<nconv_pass>(pass), from, count, to, bytes);
    };
    const float* from = weights.floats();
    const int64_t count = convolution_.info().weights_count;
    void* to = packed_forward.data();
    const int64_t bytes = convolution_.info().forward_packed_bytes;
    EXPECT_EQ(pack(nullptr, 0, from, count, to, bytes), NCONV_STATUS_INVALID_PLAN);
    EXPECT_EQ(pack(plan_, 2, from, count, to, bytes), NCONV_STATUS_INVALID_PASS);
    EXPECT_EQ(pack(plan_, 3, from, count, to, bytes), NCONV_STATUS_INVALID_PASS);
    EXPECT_EQ(pack(plan_, -1, from, count, to, bytes), NCONV_STATUS_INVALID_PASS);
    EXPECT_EQ(pack(plan_, 0, nullptr, count, to, bytes), NCONV_STATUS_INVALID_WEIGHTS);
    EXPECT_EQ(pack(plan_, 0, from, count - 1, to, bytes), NCONV_STATUS_INVALID_WEIGHTS);
    EXPECT_EQ(pack(plan_, 0, from, count + 1, to, bytes), NCONV_STATUS_INVALID_WEIGHTS);
    EXPECT_EQ(pack(plan_, 0, misaligned(from), count, to, bytes), NCONV_STATUS_INVALID_WEIGHTS);
    EXPECT_EQ(pack(plan_, 0, from, count, nullptr, bytes), NCONV_STATUS_INVALID_PACKED_WEIGHTS);
    EXPECT_EQ(pack(plan_, 0, from, count, misaligned(packed_forward.floats()), bytes),
              NCONV_STATUS_INVALID_PACKED_WEIGHTS);
    EXPECT_EQ(pack(plan_, 0, from, count, to, bytes - 1), NCONV_STATUS_INVALID_PACKED_WEIGHTS);
    EXPECT_EQ(pack(plan_, 0, from, count, to, -1), NCONV_STATUS_INVALID_PACKED_WEIGHTS);
    EXPECT_EQ(pack(plan_, 0, from, count, weights.data(), bytes), NCONV_STATUS_BUFFER_OVERLAP);
    EXPECT_TRUE(all_untouched());
    EXPECT_EQ(pack(plan_, 0, from, count, to, bytes), NCONV_STATUS_OK);
}

class LinearWithoutBias : public RunArguments {
protected:
    LinearWithoutBias() : RunArguments(NCONV_ACTIVATION_LINEAR, 0) {}
};

TEST_F(LinearWithoutBias, TakesNullForBiasAndOutput) {
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_BIAS, forward, a->bias_count = 6);
    EXPECT_RUN_STATUS(NCONV_STATUS_INVALID_GRAD_BIAS, backward_weights, a->grad_bias_count = 6);
    backward_input.output = backward_weights.output = backward.output = nullptr;
    backward_input.output_count = backward_weights.output_count = backward.output_count = 0;
    backward_residual.output = nullptr;
    backward_residual.output_count = 0;
    EXPECT_EQ(run(forward), NCONV_STATUS_OK);
    EXPECT_EQ(run(backward_residual), NCONV_STATUS_OK);
    EXPECT_EQ(run(backward_input), NCONV_STATUS_OK);
    EXPECT_EQ(run(backward_weights), NCONV_STATUS_OK);
    EXPECT_EQ(run(backward), NCONV_STATUS_OK);
}

}  // namespace
}  // namespace nconv_test
