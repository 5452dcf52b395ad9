// The residual of a forward pass: exact, added to finished sums and before the activation, by every
// algorithm, instruction set and thread count; and the gradient by it.
#include <cmath>

#include "common.h"
#include "random_descriptor.h"

namespace nconv_test {
namespace {

#ifdef NCONV_TEST_EMULATED
constexpr double kLargestShape = 2e6;
#else
constexpr double kLargestShape = 4e7;
#endif

void set_activation(nconv_conv2d_desc* desc, int32_t activation) {
    desc->activation = activation;
    desc->activation_alpha = activation == NCONV_ACTIVATION_CLIP ? -1.0f : 2.0f;
    desc->activation_beta = 3;
}

void check_residual(const nconv_conv2d_desc& given, uint64_t* counter, Coverage* coverage) {
    const nconv_conv2d_desc desc = fast(given);
    Problem problem(desc, Data::kInteger, *counter + 1);
    problem.add_residual();
    for (const Variant& variant : variants(desc, counter)) {
        Convolution convolution(desc, variant.options);
        if (convolution.algorithm(NCONV_PASS_FORWARD) != variant.algorithm) continue;
        Results results;
        ASSERT_EQ(problem.run(NCONV_PASS_FORWARD, &convolution, variant.placement, false, &results),
                  NCONV_STATUS_OK);
        const Comparison comparison =
            problem.compare(NCONV_PASS_FORWARD, false, results, variant.algorithm);
        ASSERT_TRUE(comparison.ok)
            << comparison.failure << "\n  " << describe(desc, NCONV_PASS_FORWARD, variant.options);
    }
    coverage->add(problem.expected(NCONV_PASS_FORWARD).weights);
}

class ResidualShapes : public testing::TestWithParam<ShapePart> {};

TEST_P(ResidualShapes, AreExact) {
    uint64_t counter = GetParam().first;
    Coverage coverage;
    for (Descriptor& descriptor : shapes_of(GetParam())) {
        if (multiply_adds(descriptor.desc) > kLargestShape) continue;
        for (int32_t layout : {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC}) {
            descriptor.desc.layout = layout;
            set_activation(&descriptor.desc, static_cast<int32_t>(counter % 4));
            check_residual(descriptor.desc, &counter, &coverage);
            if (HasFatalFailure()) return;
        }
    }
    EXPECT_GT(coverage.nonzero, 0u);
}

INSTANTIATE_TEST_SUITE_P(Residual, ResidualShapes, testing::ValuesIn(shape_parts()), name_of_part);

TEST(Residual, RandomShapesAreExact) {
    uint64_t counter = 0;
    Coverage coverage;
    for (uint64_t i = 0; i < 200; ++i) {
        nconv_conv2d_desc desc = random_descriptor(8, i, 3e5);
        desc.layout = static_cast<int32_t>(i % 2);
        desc.has_bias = i % 5 != 0;
        set_activation(&desc, static_cast<int32_t>(i / 2 % 4));
        check_residual(desc, &counter, &coverage);
        if (HasFatalFailure()) return;
    }
    EXPECT_GT(coverage.nonzero, 0u);
}

// Real data: the same bits as a linear convolution, one float addition, and the activation.
TEST(Residual, IsAddedToFinishedSumsOnEveryIsaAndThreadCount) {
    const std::vector<std::string> names = algorithm_names();
    for (uint64_t i = 0; i < 60; ++i) {
        nconv_conv2d_desc desc = random_descriptor(9, i, 2e5);
        desc.layout = static_cast<int32_t>(i % 2);
        desc.activation = NCONV_ACTIVATION_LINEAR;
        nconv_conv2d_desc relu = desc;
        relu.activation = NCONV_ACTIVATION_RELU;
        Problem plain(desc, Data::kReal, i), problem(relu, Data::kReal, i);
        problem.add_residual();
        for (const std::string& name : names) {
            RunOptions options;
            options.algorithm = name.c_str();
            Convolution linear(desc, options);
            if (linear.status() == NCONV_STATUS_UNSUPPORTED_ALGORITHM) continue;
            Results sums;
            ASSERT_EQ(plain.run(NCONV_PASS_FORWARD, &linear, {}, false, &sums), NCONV_STATUS_OK);
            std::vector<float> expected = sums.main;
            for (size_t at = 0; at < expected.size(); ++at) {
                const float z = expected[at] + problem.residual[at];
                expected[at] = z < 0 ? 0 : z;
            }
            for (nconv_isa isa : supported_isas())
                for (int32_t threads : {1, 2, 5}) {
                    options.isa = isa;
                    options.threads = threads;
                    options.parallel_for = threads > 2 ? run_on_threads : nullptr;
                    Convolution convolution(relu, options);
                    Results results;
                    ASSERT_EQ(problem.run(NCONV_PASS_FORWARD, &convolution,
                                          {Placement::kEnd, 4 * (i % 16)}, false, &results),
                              NCONV_STATUS_OK);
                    ASSERT_EQ(hash_bits(results.main), hash_bits(expected))
                        << describe(relu, NCONV_PASS_FORWARD, options);
                }
        }
    }
}

TEST(Residual, GradientIsThatOfTheSums) {
    for (int32_t activation = 0; activation <= NCONV_ACTIVATION_ELU; ++activation) {
        nconv_conv2d_desc desc = parsed("mb2_ic3ih9iw7_oc5_kh3kw2");
        set_activation(&desc, activation);
        const Problem problem(desc, Data::kInteger);
        const bool linear = activation == NCONV_ACTIVATION_LINEAR;
        const int64_t count = static_cast<int64_t>(problem.output.size());
        std::vector<double> expected;
        for (size_t i = 0; i < problem.output.size(); ++i)
            expected.push_back(problem.grad_output[i] * derivative(desc, problem.output[i]));
        for (nconv_isa isa : supported_isas()) {
            RunOptions options;
            options.isa = isa;
            const Convolution convolution(desc, options);
            for (bool in_place : {false, true}) {
                GuardedBuffer grad(problem.grad_output, {Placement::kEnd, 0});
                const GuardedBuffer result(grad.bytes(), {Placement::kEnd, 0});
                const GuardedBuffer& written = in_place ? grad : result;
                nconv_backward_residual_args args{};
                args.struct_size = sizeof args;
                args.grad_output = grad.floats();
                args.output = linear ? nullptr : problem.output.data();
                args.output_count = linear ? 0 : count;
                args.grad_residual = written.floats();
                args.grad_output_count = args.grad_residual_count = count;
                ASSERT_EQ(nconv_backward_residual(convolution.plan(), &args), NCONV_STATUS_OK);
                const std::vector<float> values = written.values();
                for (size_t i = 0; i < values.size(); ++i)
                    ASSERT_EQ(values[i], expected[i]) << "activation " << activation << " at " << i;
            }
        }
    }
}

// Tensors longer than the plan's are allowed; the rest of the residual does not matter.
TEST(Residual, MayBeLongerAndMayBeTheInput) {
    nconv_conv2d_desc desc = parsed("mb1_ic6ih8iw5_oc6_kh3kw3ph1pw1");
    desc.activation = NCONV_ACTIVATION_RELU;
    Problem problem(desc, Data::kInteger);
    problem.residual = problem.input;
    Convolution convolution(desc);
    Results results;
    const GuardedBuffer x(problem.input, {}), w(problem.weights, {}), b(problem.bias, {});
    const GuardedBuffer y(x.bytes());
    ASSERT_EQ(convolution.forward(x, w, b, y, x), NCONV_STATUS_OK);
    results.main = y.values();
    const Comparison comparison = problem.compare(NCONV_PASS_FORWARD, false, results,
                                                  convolution.algorithm(NCONV_PASS_FORWARD));
    EXPECT_TRUE(comparison.ok) << comparison.failure;
    problem.residual.resize(problem.residual.size() + 9, NAN);
    const GuardedBuffer longer(problem.residual, {Placement::kEnd, 0});
    ASSERT_EQ(convolution.forward(x, w, b, y, longer), NCONV_STATUS_OK);
    EXPECT_EQ(y.values(), results.main);
}

}  // namespace
}  // namespace nconv_test
