// Winograd convolution: its matrices, its error beside direct summation's, and when it is chosen.
#include <cmath>
#include <cstring>
#include <random>

#include "common.h"
#include "winograd_bound.h"

namespace nconv_test {
namespace {

// What the bound is derived from must be a convolution.
TEST(Winograd, TheMatricesConvolve) {
    for (const auto& [tile, stride] : {std::pair(2, 1), {4, 1}, {5, 1}, {6, 1}, {4, 2}}) {
        const WinogradMatrices m(tile, stride);
        const double w[3] = {0.5, -2, 3}, x[9] = {1, -1, 2, 0.5, 3, -4, 1.5, 7, -3};
        for (int y = 0; y < tile; ++y) {
            double sum = 0;
            for (int i = 0; i < m.points; ++i) {
                double gw = 0, bx = 0;
                for (int k = 0; k < 3; ++k) gw += m.g[i * 3 + k] * w[k];
                for (int k = 0; k < m.points; ++k) bx += m.b[i * m.points + k] * x[k];
                sum += m.a[y * m.points + i] * gw * bx;
            }
            const double* from = x + stride * y;
            EXPECT_NEAR(sum, w[0] * from[0] + w[1] * from[1] + w[2] * from[2], 1e-11) << tile;
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
    for (const char* text :
         {"mb2_ic24ih9iw13_oc40_kh3kw3ph1pw1", "mb2_ic24ih9iw13_oc40_kh3kw3ph3pw1dh2dw1",
          "mb1_ic17ih5iw36_oc20_kh3kw3ph8pw3dh7dw4"}) {
        for (int32_t layout : {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC}) {
            Problem problem(parsed(text, layout), Data::kInteger);
            RunOptions options;
            options.algorithm = "winograd_2x2";
            for (nconv_pass pass : {NCONV_PASS_FORWARD, NCONV_PASS_BACKWARD_INPUT}) {
                const Comparison comparison = problem.check(pass, options);
                EXPECT_TRUE(comparison.ok) << comparison.failure;
                EXPECT_EQ(comparison.error, 0);
            }
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
        const char* name;
        int stride;
        double most;  // times the error of direct summation
    } kLimits[] = {{"winograd_2x2", 1, 1.0},
                   {"winograd_4x4", 1, 2.5},
                   {"winograd_5x5", 1, 4.5},
                   {"winograd_6x6", 1, 9.5},
                   {"winograd_4x4_stride2", 2, 1.2}};
    for (const char* text :
         {"mb1_ic64ih24_oc16_kh3ph1", "mb1_ic256ih12_oc16_kh3ph1", "mb1_ic64ih24_oc16_kh3ph2dh1",
          "mb1_ic64ih48_oc16_kh3sh2ph1", "mb1_ic256ih24_oc16_kh3sh2ph1"}) {
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
            if (limit.stride != desc.stride_h) continue;
            const double ratio = rms_error(&problem, limit.name) / direct;
            std::printf("%s: %s has %.2f times the error of direct summation, %.2e\n", text,
                        limit.name, ratio, direct);
            EXPECT_LT(ratio, limit.most) << text << " " << limit.name;
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
        EXPECT_EQ(chosen("mb1_ic64ih56_oc64_kh3ph2dh1", NCONV_MATH_MODE_DEFAULT, pass),
                  "winograd_4x4");
        // Dilation 12 on 33 x 33: tiles of 3 x 3 results at most, and 43 % of the taps read padding.
        EXPECT_EQ(chosen("mb1_ic64ih56_oc64_kh3sh2ph1", NCONV_MATH_MODE_DEFAULT, pass),
                  pass == NCONV_PASS_FORWARD ? "winograd_4x4_stride2" : "gemm");
        for (const char* other :
             {"mb1_ic512ih14_oc512_kh3sh2ph1", "mb1_ic256ih33_oc256_kh3ph12dh11",
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
                             "mb1_ic64ih56_oc64_kh3sh2ph1", "mb1_ic64ih56_oc64_kh5ph2",
                             "mb1_ic64ih56_oc64_kh3ph2dh1"}) {
        EXPECT_EQ(chosen(text, NCONV_MATH_MODE_DEFAULT, pass),
                  chosen(text, NCONV_MATH_MODE_STRICT, pass))
            << text;
    }
}

// Larger tiles are less exact: not to be had where the mode does not allow them, not even by name.
TEST(Winograd, MathModeHoldsForForcedAlgorithmsToo) {
    for (const char* name :
         {"winograd_2x2", "winograd_4x4", "winograd_5x5", "winograd_6x6", "winograd_4x4_stride2"}) {
        const int tile = winograd_tile(name);
        RunOptions options;
        options.algorithm = name;
        nconv_conv2d_desc desc = parsed("mb1_ic16ih16_oc16_kh3ph1");
        if (std::strstr(name, "stride2") != nullptr) desc.stride_h = desc.stride_w = 2;
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
