// Winograd convolution: its matrices, its error beside direct summation's, and when it is chosen.
#include <cmath>
#include <random>

#include "common.h"
#include "winograd_bound.h"

namespace nconv_test {
namespace {

constexpr int kTiles[] = {2, 4, 5, 6};

std::string winograd_name(int tile) {
    const std::string digit = std::to_string(tile);
    return "winograd_" + digit + "x" + digit;
}

// What the bound is derived from must be a convolution.
TEST(Winograd, TheMatricesConvolve) {
    for (int tile : kTiles) {
        const WinogradMatrices m(tile);
        const double w[3] = {0.5, -2, 3}, x[8] = {1, -1, 2, 0.5, 3, -4, 1.5, 7};
        for (int y = 0; y < tile; ++y) {
            double sum = 0;
            for (int i = 0; i < m.points; ++i) {
                double gw = 0, bx = 0;
                for (int k = 0; k < 3; ++k) gw += m.g[i * 3 + k] * w[k];
                for (int k = 0; k < m.points; ++k) bx += m.b[i * m.points + k] * x[k];
                sum += m.a[y * m.points + i] * gw * bx;
            }
            EXPECT_NEAR(sum, w[0] * x[y] + w[1] * x[y + 1] + w[2] * x[y + 2], 1e-11) << tile;
        }
    }
}

// And so must what the weight gradients' bound is derived from be its transpose.
TEST(Winograd, TheMatricesGiveWeightGradients) {
    const WinogradMatrices m(kGradientTile);
    const double gy[4] = {0.5, -2, 3, 1}, x[6] = {1, -1, 2, 0.5, 3, -4};
    for (int k = 0; k < 3; ++k) {
        double sum = 0, expected = 0;
        for (int i = 0; i < m.points; ++i) {
            double ay = 0, bx = 0;
            for (int y = 0; y < m.outputs; ++y) ay += m.a[y * m.points + i] * gy[y];
            for (int j = 0; j < m.points; ++j) bx += m.b[i * m.points + j] * x[j];
            sum += m.g[i * 3 + k] * ay * bx;
        }
        for (int y = 0; y < m.outputs; ++y) expected += gy[y] * x[y + k];
        EXPECT_NEAR(sum, expected, 1e-12);
    }
}

// With tiles of two every matrix holds 0, 1 and 1/2 only: small integers stay exact.
TEST(Winograd, TilesOfTwoAreExactOnIntegers) {
    nconv_conv2d_desc desc = parsed("mb2_ic24ih9iw13_oc40_kh3kw3ph1pw1");
    for (int32_t layout : {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC}) {
        desc.layout = layout;
        Problem problem(desc, Data::kInteger);
        RunOptions options;
        options.algorithm = "winograd_2x2";
        for (nconv_pass pass : {NCONV_PASS_FORWARD, NCONV_PASS_BACKWARD_INPUT}) {
            const Comparison comparison = problem.check(pass, options);
            EXPECT_TRUE(comparison.ok) << comparison.failure;
            EXPECT_EQ(comparison.error, 0);
        }
    }
}

// Root of the mean square of the errors, and the largest.
struct Error {
    double rms, most;
};
Error error_of(Problem* problem, nconv_pass pass, const char* algorithm) {
    RunOptions options;
    options.algorithm = algorithm;
    Convolution convolution(problem->desc(), options);
    Results results;
    EXPECT_EQ(problem->run(pass, &convolution, {}, false, &results), NCONV_STATUS_OK);
    EXPECT_EQ(convolution.algorithm(pass), algorithm);
    const std::vector<double>& exact = problem->expected(pass).weights.values;
    double sum = 0, most = 0;
    for (size_t i = 0; i < exact.size(); ++i) {
        const double error = std::fabs(results.main[i] - exact[i]);
        sum += error * error;
        most = std::max(most, error);
    }
    return {std::sqrt(sum / static_cast<double>(exact.size())), most};
}

double rms_error(Problem* problem, const char* algorithm) {
    return error_of(problem, NCONV_PASS_FORWARD, algorithm).rms;
}

// The header's table, on inputs after a ReLU and weights as He initialises them.
TEST(Winograd, ErrorBesideThatOfDirectSummation) {
    const struct {
        int tile;
        double most;  // times the error of direct summation
    } kLimits[] = {{2, 1.0}, {4, 2.5}, {5, 4.5}, {6, 9.5}};
    for (const char* text : {"mb1_ic64ih24_oc16_kh3ph1", "mb1_ic256ih12_oc16_kh3ph1"}) {
        nconv_conv2d_desc desc = fast(parsed(text));
        desc.activation = NCONV_ACTIVATION_LINEAR;
        Problem problem(desc, Data::kReal);
        std::mt19937 bits(7);
        std::normal_distribution<float> normal;
        const float scale = std::sqrt(2.0f / (9.0f * static_cast<float>(desc.input_channels)));
        for (float& x : problem.input) x = std::max(0.0f, normal(bits));
        for (float& w : problem.weights) w = scale * normal(bits);
        const double direct = rms_error(&problem, "gemm");
        for (const auto& limit : kLimits) {
            const double ratio = rms_error(&problem, winograd_name(limit.tile).c_str()) / direct;
            std::printf("%s: %d x %d has %.2f times the error of direct summation, %.2e\n", text,
                        limit.tile, limit.tile, ratio, direct);
            EXPECT_LT(ratio, limit.most) << text << " " << limit.tile;
            EXPECT_GT(ratio, limit.most / 5) << "is this Winograd at all?";
        }
    }
}

// Weight gradients wherever Winograd is chosen for them, of few and of many pixels: inputs after a ReLU,
// gradients of a normal distribution.
TEST(Winograd, ErrorOfWeightGradientsBesideThatOfDirectSummation) {
    for (const char* text :
         {"mb1_ic32ih56_oc16_kh3ph1", "mb1_ic64ih28_oc32_kh3ph1", "mb1_ic256ih14_oc16_kh3ph1",
          "mb8_ic32ih56_oc16_kh3ph1", "mb8_ic256ih14_oc16_kh3ph1", "mb8_ic512ih7_oc16_kh3ph1"}) {
        nconv_conv2d_desc desc = parsed(text);
        desc.activation = NCONV_ACTIVATION_LINEAR;
        Problem problem(desc, Data::kReal);
        std::mt19937 bits(7);
        std::normal_distribution<float> normal;
        for (float& x : problem.input) x = std::max(0.0f, normal(bits));
        for (float& y : problem.grad_output) y = normal(bits);
        const nconv_pass pass = NCONV_PASS_BACKWARD_WEIGHTS;
        const Error direct = error_of(&problem, pass, "gemm");
        const Error winograd = error_of(&problem, pass, "winograd_4x4");
        double sum = 0;
        for (double value : problem.expected(pass).weights.values) sum += value * value;
        const double size =
            std::sqrt(sum / static_cast<double>(problem.expected(pass).weights.values.size()));
        std::printf("%s: %.2f times the error of direct summation, %.2e; the largest %.2f, %.2e\n",
                    text, winograd.rms / direct.rms, direct.rms / size, winograd.most / direct.most,
                    direct.most / size);
        EXPECT_LT(winograd.rms, 3 * direct.rms) << text;
        EXPECT_GT(winograd.rms, direct.rms / 2) << "is this Winograd at all?";
    }
}

std::string chosen(const char* text, int32_t math, nconv_pass pass) {
    nconv_conv2d_desc desc = parsed(text);
    desc.math_mode = math;
    return Convolution(desc).algorithm(pass);
}

TEST(Winograd, IsChosenByMathModeAndShape) {
    const char* const kLarge = "mb1_ic64ih56_oc64_kh3ph1";
    for (nconv_pass pass : {NCONV_PASS_FORWARD, NCONV_PASS_BACKWARD_INPUT}) {
        EXPECT_EQ(chosen(kLarge, NCONV_MATH_MODE_STRICT, pass), "gemm");
        EXPECT_EQ(chosen(kLarge, NCONV_MATH_MODE_DEFAULT, pass), "winograd_4x4");
        EXPECT_EQ(chosen(kLarge, NCONV_MATH_MODE_FAST, pass), "winograd_6x6");
        EXPECT_EQ(chosen("mb1_ic512ih7_oc512_kh3ph1", NCONV_MATH_MODE_DEFAULT, pass),
                  "winograd_2x2");
        for (const char* other : {"mb1_ic64ih56_oc64_kh3sh2ph1", "mb1_ic64ih56_oc64_kh3ph2dh1",
                                  "mb1_ic64ih56_oc64_kh5ph2", "mb1_ic64ih3_oc4_kh3ph1"})
            EXPECT_EQ(chosen(other, NCONV_MATH_MODE_FAST, pass), "gemm") << other;
    }
}

TEST(Winograd, IsChosenForWeightGradientsOfEnoughPixels) {
    const nconv_pass pass = NCONV_PASS_BACKWARD_WEIGHTS;
    for (const char* text : {"mb1_ic64ih56_oc64_kh3ph1", "mb1_ic256ih14_oc256_kh3ph1",
                             "mb8_ic512ih7_oc512_kh3ph1", "g4mb1_ic128ih28_oc128_kh3ph1"}) {
        EXPECT_EQ(chosen(text, NCONV_MATH_MODE_STRICT, pass), "gemm") << text;
        EXPECT_EQ(chosen(text, NCONV_MATH_MODE_DEFAULT, pass), "winograd_4x4") << text;
        EXPECT_EQ(chosen(text, NCONV_MATH_MODE_FAST, pass), "winograd_4x4") << text;
    }
    // Too few pixels for its error, too few channels for its transforms, not its kernels.
    for (const char* text : {"mb1_ic512ih7_oc512_kh3ph1", "mb1_ic3ih56_oc64_kh3ph1",
                             "mb1_ic64ih56_oc64_kh3sh2ph1", "mb1_ic64ih56_oc64_kh5ph2"})
        EXPECT_EQ(chosen(text, NCONV_MATH_MODE_DEFAULT, pass), "gemm") << text;
}

// Larger tiles are less exact: not to be had where the mode does not allow them, not even by name.
TEST(Winograd, MathModeHoldsForForcedAlgorithmsToo) {
    for (int tile : kTiles) {
        const std::string name = winograd_name(tile);
        RunOptions options;
        options.algorithm = name.c_str();
        nconv_conv2d_desc desc = parsed("mb1_ic16ih16_oc16_kh3ph1");
        for (int32_t math :
             {NCONV_MATH_MODE_STRICT, NCONV_MATH_MODE_DEFAULT, NCONV_MATH_MODE_FAST}) {
            desc.math_mode = math;
            const bool allowed =
                math == NCONV_MATH_MODE_FAST || (math == NCONV_MATH_MODE_DEFAULT && tile <= 4);
            EXPECT_EQ(Convolution(desc, options).status(),
                      allowed ? NCONV_STATUS_OK : NCONV_STATUS_UNSUPPORTED_ALGORITHM)
                << name << " math mode " << math;
        }
    }
}

}  // namespace
}  // namespace nconv_test
