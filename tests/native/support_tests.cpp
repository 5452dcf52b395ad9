// Tests of the tests' own tools: the grammar, the reference by hand, the checks that must fail.
#include <cmath>

#include "common.h"
#include "fill.h"
#include "random_descriptor.h"

namespace nconv_test {
namespace {

std::string error_of(const std::string& text) {
    Descriptor descriptor{};
    return parse_descriptor(text, &descriptor);
}

TEST(Grammar, DefaultsAndSeparators) {
    Descriptor d{};
    ASSERT_EQ(parse_descriptor("ic16ih7_oc32_kh3n\"a name_1\"", &d), "");
    EXPECT_EQ(d.name, "a name_1");
    EXPECT_EQ(format_descriptor(d.desc), "g1mb2_ic16ih7iw7_oc32oh5ow5_kh3kw3sh1sw1ph0pw0dh0dw0");
    EXPECT_EQ(d.desc.dilation_h, 1);
    ASSERT_EQ(parse_descriptor("_g4_mb1_ic8_iw9_oc4_kw3_sw2_pw1_dw1_", &d), "");
    EXPECT_EQ(format_descriptor(d.desc), "g4mb1_ic8ih1iw9_oc4oh1ow4_kh1kw3sh1sw2ph0pw1dh0dw1");
    EXPECT_EQ(d.desc.dilation_w, 2);
}

TEST(Grammar, PaddingFollowsFromTheOutput) {
    Descriptor d{};
    ASSERT_EQ(parse_descriptor("ic1ih224_oc1oh112_kh7sh2ph3", &d), "");
    EXPECT_EQ(d.desc.pad_bottom, 3);  // 2 would do; symmetric where possible
    ASSERT_EQ(parse_descriptor("ic1ih15iw15_oc1oh15ow16_kh3kw3ph0pw1", &d), "");
    EXPECT_EQ(d.desc.pad_bottom, 2);
    EXPECT_EQ(d.desc.pad_right, 2);
    ASSERT_EQ(parse_descriptor("ic1ih8_oc1oh8_kh3", &d), "");
    EXPECT_EQ(d.desc.pad_top, 1);
    EXPECT_EQ(d.desc.pad_bottom, 1);
}

TEST(Grammar, Errors) {
    EXPECT_EQ(error_of("ic16ih7_oc32_kh3x5"), "unknown key 'x'");
    EXPECT_EQ(error_of("ic16ih7_oc32_kh"), "'kh' lacks its number");
    EXPECT_EQ(error_of("ih7_oc32_kh3"), "ic is missing or 0");
    EXPECT_EQ(error_of("ic16_oc32"), "ih and kh are missing");
    EXPECT_EQ(error_of("ic16ih7iw7_oc32_kh3"), "kw is missing or 0");
    EXPECT_EQ(error_of("g3ic16ih7_oc32_kh3"), "g3 does not divide ic16 and oc32");
    EXPECT_EQ(error_of("ic16ih7_oc32_kh3sh0"), "sh is 0");
    EXPECT_EQ(error_of("ic99999999999ih7_oc32_kh3"), "'ic' is larger than 2147483647");
    EXPECT_NE(error_of("ic16ih2_oc32_kh3"), "");
    EXPECT_NE(error_of("ic16ih9_oc32oh4_kh3ph1"), "");
    EXPECT_EQ(error_of("ic16 ih9"), "unexpected ' ' at position 4");
}

TEST(Grammar, RoundTrip) {
    for (uint64_t i = 0; i < 2000; ++i) {
        const nconv_conv2d_desc desc = random_descriptor(8, i);
        Descriptor again{};
        ASSERT_EQ(parse_descriptor(format_descriptor(desc), &again), "");
        EXPECT_EQ(format_descriptor(desc), format_descriptor(again.desc));
        const Convolution convolution(desc);
        ASSERT_EQ(convolution.status(), NCONV_STATUS_OK) << format_descriptor(desc);
        EXPECT_EQ(convolution.info().output_height, output_height(again.desc));
        EXPECT_EQ(convolution.info().output_width, output_width(again.desc));
    }
}

TEST(Grammar, ShapeFilesAreReadable) {
    for (const char* name : {"topologies.txt", "regression.txt", "tails.txt"}) {
        std::vector<Descriptor> descriptors;
        EXPECT_EQ(read_shape_file(shape_file(name), &descriptors), "");
        EXPECT_GT(descriptors.size(), 40u) << name;
        for (const Descriptor& d : descriptors) EXPECT_FALSE(d.name.empty()) << d.text;
    }
    std::vector<Descriptor> none;
    EXPECT_NE(read_shape_file(shape_file("no such file"), &none), "");
}

// 3x3 image, 2x2 kernel, worked out by hand.
TEST(Reference, ByHand) {
    nconv_conv2d_desc desc = parsed("mb1_ic1ih3_oc1_kh2");
    const float x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, w[] = {1, 10, 100, 1000}, b[] = {0.5f};
    EXPECT_EQ(reference_forward(desc, x, w, b, false).values,
              (std::vector<double>{5421.5, 6532.5, 8754.5, 9865.5}));
    const float gy[] = {1, 2, 3, 4};
    EXPECT_EQ(reference_backward_input(desc, gy, nullptr, w, false).values,
              (std::vector<double>{1, 12, 20, 103, 1234, 2040, 300, 3400, 4000}));
    const ExpectedGradients gradients = reference_backward_weights(desc, x, gy, nullptr, true);
    EXPECT_EQ(gradients.weights.values, (std::vector<double>{37, 47, 67, 77}));
    EXPECT_EQ(gradients.bias.values, (std::vector<double>{10}));
    // Four positive terms: (4 + 2) * 2^-24 * sum.
    EXPECT_DOUBLE_EQ(gradients.weights.bounds[0], 6 * 37 / 16777216.0);
    // Stride 2, padding 1 before: the only output pixel with tap (1, 1) on x[0].
    desc = parsed("mb1_ic1ih3_oc1oh2_kh2sh2ph1");
    EXPECT_EQ(reference_forward(desc, x, w, b, false).values,
              (std::vector<double>{1000.5, 3200.5, 7040.5, 9865.5}));
}

TEST(Reference, GroupsAndLayoutsByHand) {
    // Two groups of one channel, 1x2 image, 1x1 kernels 3 and 5.
    for (int32_t layout : {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC}) {
        nconv_conv2d_desc desc = parsed("g2mb1_ic2ih1iw2_oc2_kh1kw1", layout);
        desc.has_bias = 0;
        desc.activation = NCONV_ACTIVATION_LEAKY_RELU;
        desc.activation_alpha = 0.5f;
        const bool nhwc = layout == NCONV_LAYOUT_NHWC;
        const std::vector<float> x =
            nhwc ? std::vector<float>{1, 10, -2, 20} : std::vector<float>{1, -2, 10, 20};
        const float w[] = {3, 5};
        const std::vector<double> y =
            nhwc ? std::vector<double>{3, 50, -3, 100} : std::vector<double>{3, -3, 50, 100};
        EXPECT_EQ(reference_forward(desc, x.data(), w, nullptr, false).values, y);
    }
}

// The comparison must notice a single wrong bit, a missing write, and an error above the bound.
TEST(Comparison, NoticesErrors) {
    Problem problem(small_desc(), Data::kInteger);
    Convolution convolution(small_desc());
    Results results;
    ASSERT_EQ(problem.run(NCONV_PASS_FORWARD, &convolution, {}, false, &results), NCONV_STATUS_OK);
    ASSERT_TRUE(problem.compare(NCONV_PASS_FORWARD, false, results, "gemm").ok);
    for (float wrong : {std::nextafter(results.main[17], 1e9f), NAN, INFINITY}) {
        Results changed = results;
        changed.main[17] = wrong;
        const Comparison comparison = problem.compare(NCONV_PASS_FORWARD, false, changed, "gemm");
        EXPECT_FALSE(comparison.ok);
        EXPECT_NE(comparison.failure.find("output[17]"), std::string::npos) << comparison.failure;
    }
    Problem reals(small_desc(), Data::kReal);
    ASSERT_EQ(reals.run(NCONV_PASS_FORWARD, &convolution, {}, false, &results), NCONV_STATUS_OK);
    const Expected& expected = reals.expected(NCONV_PASS_FORWARD).weights;
    for (double factor : {0.9, 1.2}) {
        results.main[5] = static_cast<float>(expected.values[5] + factor * expected.bounds[5]);
        EXPECT_EQ(reals.compare(NCONV_PASS_FORWARD, false, results, "gemm").ok, factor < 1);
    }
}

TEST(Buffers, PatternsAndMargins) {
    GuardedBuffer buffer(10, {Placement::kStart, 8});
    auto* bytes = static_cast<unsigned char*>(buffer.data());
    EXPECT_TRUE(buffer.untouched());
    EXPECT_TRUE(buffer.margins_intact());
    bytes[9] = 1;
    EXPECT_FALSE(buffer.untouched());
    EXPECT_TRUE(buffer.margins_intact());
    bytes[10] = 1;
    EXPECT_FALSE(buffer.margins_intact());
    bytes[10] = 0xFF;
    bytes[-1] = 1;
    EXPECT_FALSE(buffer.margins_intact());
}

TEST(GuardDeathTest, PagesAroundABufferAreInaccessible) {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    GuardedBuffer end(12, {Placement::kEnd, 0}), start(12, {Placement::kStart, 0});
    EXPECT_DEATH(static_cast<volatile unsigned char*>(end.data())[12] = 1, "");
    EXPECT_DEATH(static_cast<volatile unsigned char*>(start.data())[-1] = 1, "");
}

TEST(Fill, IntegersStayExactAndVary) {
    for (int64_t terms : {int64_t{1}, int64_t{100}, int64_t{100000}, int64_t{10000000}}) {
        const std::vector<float> values = fill_integers(20000, 1, terms);
        float largest = 0;
        double sum = 0;
        for (float value : values) {
            EXPECT_EQ(value, std::floor(value));
            largest = std::max(largest, std::fabs(value));
            sum += value * value;
        }
        EXPECT_GE(largest, 1);
        EXPECT_LT(static_cast<double>(terms) * sum / 20000, 16777216) << terms;
        EXPECT_GT(count_nonzero(values), terms > 4000000 ? 1000u : 12000u) << terms;
    }
}

}  // namespace
}  // namespace nconv_test
