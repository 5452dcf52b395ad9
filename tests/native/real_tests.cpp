// Real data against the derived bound, and every activation with its derivative.
#include <cmath>

#include "common.h"
#include "random_descriptor.h"

namespace nconv_test {
namespace {

TEST(RealData, LiesWithinTheDerivedBound) {
    uint64_t counter = 0;
    Coverage coverage;
    for (uint64_t i = 0; i < 80; ++i) {
        nconv_conv2d_desc desc = random_descriptor(4, i, 3e5);
        desc.layout = static_cast<int32_t>(i % 2);
        check_all(desc, Data::kReal, &counter, &coverage);
        if (HasFatalFailure()) return;
    }
    coverage.expect_meaningful();
}

// Long sums: the bound grows with their length, errors should not come near it.
TEST(RealData, LongSumsStayWellBelowTheBound) {
    for (const char* text :
         {"mb1_ic512ih7_oc24oh7_kh3ph1", "mb1_ic3ih96_oc8_kh3ph1", "g8mb1_ic8ih80_oc8_kh5ph2"})
        for (int32_t layout : {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC}) {
            Problem problem(parsed(text, layout), Data::kReal);
            for (nconv_pass pass : kPasses) {
                const Comparison comparison = problem.check(pass, RunOptions());
                EXPECT_TRUE(comparison.ok) << text << " " << comparison.failure;
                EXPECT_LT(comparison.error, comparison.bound / 2) << text << " " << pass_name(pass);
            }
        }
}

struct ActivationCase {
    const char* name;
    nconv_activation activation;
    float alpha, beta;
    bool exact;  // integers stay exact
};

void PrintTo(const ActivationCase& c, std::ostream* stream) { *stream << c.name; }

class Activations : public testing::TestWithParam<ActivationCase> {};

TEST_P(Activations, ValueAndDerivative) {
    uint64_t counter = 0;
    Coverage coverage;
    for (const char* text : {"mb2_ic5ih7iw9_oc6_kh3kw2sh1sw2ph1pw1dh0dw1",
                             "mb1_ic19ih6_oc33_kh3ph1", "g17mb1_ic17ih8iw5_oc17_kh3ph1kw3pw1",
                             "g6mb2_ic6ih5_oc12_kh3sh2ph1", "mb3_ic8ih5_oc16_kh1"})
        for (int32_t layout : {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC}) {
            nconv_conv2d_desc desc = parsed(text, layout);
            desc.activation = GetParam().activation;
            desc.activation_alpha = GetParam().alpha;
            desc.activation_beta = GetParam().beta;
            if (GetParam().exact) check_all(desc, Data::kInteger, &counter, &coverage);
            check_all(desc, Data::kReal, &counter, &coverage);
            if (HasFatalFailure()) return;
        }
    EXPECT_GT(coverage.nonzero * 4, coverage.values);
}

INSTANTIATE_TEST_SUITE_P(
    Real, Activations,
    testing::Values(ActivationCase{"linear", NCONV_ACTIVATION_LINEAR, 0, 0, true},
                    ActivationCase{"relu", NCONV_ACTIVATION_RELU, 0, 0, true},
                    ActivationCase{"leaky_relu", NCONV_ACTIVATION_LEAKY_RELU, 0.25f, 0, true},
                    ActivationCase{"leaky_relu_steep", NCONV_ACTIVATION_LEAKY_RELU, 2, 0, true},
                    ActivationCase{"leaky_relu_inexact", NCONV_ACTIVATION_LEAKY_RELU, 0.01f, 0,
                                   false},
                    ActivationCase{"relu6", NCONV_ACTIVATION_CLIP, 0, 6, true},
                    ActivationCase{"clip", NCONV_ACTIVATION_CLIP, -3, 1, true},
                    ActivationCase{"sigmoid", NCONV_ACTIVATION_SIGMOID, 0, 0, false},
                    ActivationCase{"tanh", NCONV_ACTIVATION_TANH, 0, 0, false},
                    ActivationCase{"elu", NCONV_ACTIVATION_ELU, 1, 0, false},
                    ActivationCase{"elu_wide", NCONV_ACTIVATION_ELU, 3, 0, false}),
    [](const auto& info) { return std::string(info.param.name); });

// A 1x1 convolution with weight 1 applies f to every z: the whole range, denormals and infinities too.
class ActivationRange : public testing::TestWithParam<ActivationCase> {};

TEST_P(ActivationRange, EveryMagnitude) {
    nconv_conv2d_desc desc = parsed("g1mb1_ic1ih1iw4096_oc1_kh1kw1");
    desc.has_bias = 0;
    desc.activation = GetParam().activation;
    desc.activation_alpha = GetParam().alpha;
    Problem problem(desc, Data::kReal);
    problem.weights = {1};
    for (size_t i = 0; i < problem.input.size(); ++i) {
        const double magnitude =
            std::ldexp(1 + 0.37 * static_cast<double>(i % 8) / 3, static_cast<int>(i / 16) - 148);
        problem.input[i] = static_cast<float>(i / 8 % 2 ? -magnitude : magnitude);
    }
    problem.input[0] = INFINITY;
    problem.input[1] = -INFINITY;
    for (nconv_isa isa : supported_isas()) {
        RunOptions options;
        options.isa = isa;
        Convolution convolution(desc, options);
        Results results;
        ASSERT_EQ(problem.run(NCONV_PASS_FORWARD, &convolution, {}, false, &results),
                  NCONV_STATUS_OK);
        for (size_t i = 0; i < results.main.size(); ++i) {
            const double z = problem.input[i], y = activate(desc, z);
            if (std::isinf(y)) {
                EXPECT_EQ(results.main[i], y) << "z " << z;
                continue;
            }
            // Four units in the last place; where ELU cancels, of alpha.
            const double scale = desc.activation == NCONV_ACTIVATION_ELU && z < 0
                                     ? desc.activation_alpha
                                     : std::fabs(y);
            EXPECT_NEAR(results.main[i], y, scale * std::ldexp(1.0, -22) + std::ldexp(1.0, -126))
                << "z " << z << " isa " << nconv_isa_name(isa);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Real, ActivationRange,
                         testing::Values(ActivationCase{"sigmoid", NCONV_ACTIVATION_SIGMOID, 0, 0,
                                                        false},
                                         ActivationCase{"tanh", NCONV_ACTIVATION_TANH, 0, 0, false},
                                         ActivationCase{"elu", NCONV_ACTIVATION_ELU, 1, 0, false}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace nconv_test
