// Filters of rank one in two passes: exact where the factors are, within the derived bound elsewhere, and
// direct summation's bits where weights are no products.
#include <cmath>
#include <cstring>
#include <limits>

#include "common.h"

namespace nconv_test {
namespace {

constexpr nconv_pass kGathers[] = {NCONV_PASS_FORWARD, NCONV_PASS_BACKWARD_INPUT};

// Tails of vectors, tiles and strips, h != w, pads above the kernel, one pixel, and kernels above the image.
constexpr const char* kShapes[] = {
    "g1mb1_ic1ih37iw150_oc1_kh7kw7ph3pw3",   "g1mb2_ic1ih30iw400_oc1_kh9kw11ph4pw5",
    "g2mb1_ic2ih29iw171_oc2_kh7kw7ph3pw3",   "g3mb2_ic3ih26iw233_oc3_kh9kw11ph4pw5",
    "g3mb1_ic3ih19iw100_oc3_kh11kw5ph0pw0",  "g4mb1_ic4ih31iw97_oc4_kh15kw15ph7pw7",
    "g3mb1_ic3ih13iw9_oc3_kh31kw31ph15pw15", "g4mb1_ic4ih40iw70_oc4_kh31kw31ph15pw15",
    "g1mb1_ic1ih1iw1_oc1_kh31kw31ph15pw15",  "g3mb2_ic3ih1iw1_oc3_kh7kw7ph3pw3",
    "g2mb1_ic2ih5iw3_oc2_kh7kw8ph9pw10",     "g3mb1_ic3ih3iw64_oc3_kh64kw3ph63pw0",
    "g2mb1_ic2ih4iw5_oc2_kh3kw64ph2pw70",
};

void check(const nconv_conv2d_desc& desc, Data data, uint64_t* counter) {
    Problem problem(desc, data, 3);
    problem.make_products();
    for (nconv_isa isa : supported_isas())
        for (nconv_pass pass : kGathers) {
            RunOptions options;
            options.isa = isa;
            options.algorithm = "separable";
            options.threads = 1 + static_cast<int32_t>(++*counter % 3);
            const Placement placement = {*counter % 2 ? Placement::kEnd : Placement::kStart,
                                         4 * (*counter % 16)};
            const Comparison comparison = problem.check(pass, options, placement);
            EXPECT_TRUE(comparison.ok) << describe(desc, pass, options) << comparison.failure;
        }
}

TEST(Separable, IsExactOnIntegersAndWithinItsBound) {
    uint64_t counter = 0;
    for (const char* text : kShapes)
        for (int32_t layout : {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC}) {
            nconv_conv2d_desc desc = fast(parsed(text, layout));
            for (int32_t activation : {NCONV_ACTIVATION_LINEAR, NCONV_ACTIVATION_RELU}) {
                desc.activation = activation;
                check(desc, Data::kInteger, &counter);
                check(desc, Data::kReal, &counter);
            }
        }
}

Results run(const Problem& problem, nconv_pass pass, const RunOptions& options) {
    Convolution convolution(problem.desc(), options);
    Results results;
    EXPECT_EQ(problem.run(pass, &convolution, {}, false, &results), NCONV_STATUS_OK);
    return results;
}

// That two passes ran at all shows in the bits; that they are the same shows on every instruction set and
// thread count.
TEST(Separable, GivesTheSameBitsEverywhereAndOthersThanDirect) {
    for (int32_t layout : {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC})
        for (nconv_pass pass : kGathers) {
            Problem problem(fast(parsed("g3mb1_ic3ih26iw233_oc3_kh9kw11ph4pw5", layout)),
                            Data::kReal);
            problem.make_products();
            RunOptions options;
            options.algorithm = "depthwise";
            const Results direct = run(problem, pass, options);
            options.algorithm = "separable";
            const Results first = run(problem, pass, options);
            EXPECT_NE(hash_bits(first.main), hash_bits(direct.main));
            for (nconv_isa isa : supported_isas())
                for (int32_t threads : {1, 2, 3}) {
                    options.isa = isa;
                    options.threads = threads;
                    EXPECT_EQ(hash_bits(run(problem, pass, options).main), hash_bits(first.main));
                }
        }
}

// r + s + 10 roundings of 2^-24 of the sum of magnitudes, which for 15 x 15 is a sixth of what direct
// summation may be off.
TEST(Separable, ErrsLessThanTwoChainsAndTheFactorsMay) {
    nconv_conv2d_desc desc =
        fast(parsed("g2mb1_ic2ih40iw90_oc2_kh15kw15ph7pw7", NCONV_LAYOUT_NHWC));
    desc.activation = NCONV_ACTIVATION_LINEAR;
    Problem problem(desc, Data::kReal);
    problem.make_products();
    RunOptions options;
    options.algorithm = "separable";
    const Results results = run(problem, NCONV_PASS_FORWARD, options);
    const std::vector<double> exact = problem.expected(NCONV_PASS_FORWARD).weights.values;
    const auto magnitudes = [](std::vector<float> values) {
        for (float& x : values) x = std::fabs(x);
        return values;
    };
    const std::vector<float> x = magnitudes(problem.input), w = magnitudes(problem.weights),
                             b = magnitudes(problem.bias);
    const Expected totals = reference_forward(desc, x.data(), w.data(), b.data(), false);
    double worst = 0;
    for (size_t i = 0; i < exact.size(); ++i)
        worst = std::max(worst, std::fabs(results.main[i] - exact[i]) / totals.values[i]);
    std::printf("15 x 15: at most %.2f of 40 roundings\n", worst * 16777216);
    EXPECT_LE(worst, 40.0 / 16777216);
}

// One weight of one channel off by more than the tolerance, a weight without a product, Inf and NaN: the whole
// call is direct.
TEST(Separable, RunsOtherWeightsDirectly) {
    for (int32_t layout : {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC})
        for (nconv_pass pass : kGathers) {
            Problem problem(fast(parsed("g3mb1_ic3ih20iw90_oc3_kh7kw7ph3pw3", layout)),
                            Data::kReal);
            problem.make_products();
            const std::vector<float> products = problem.weights;
            const float values[] = {products[100] * 1.000001f, products[100] + 1, 0,
                                    std::numeric_limits<float>::infinity(),
                                    std::numeric_limits<float>::quiet_NaN()};
            for (float value : values) {
                problem.weights[100] = value;
                RunOptions options;
                options.algorithm = "depthwise";
                const Results direct = run(problem, pass, options);
                options.algorithm = "separable";
                const Results results = run(problem, pass, options);
                EXPECT_EQ(std::memcmp(direct.main.data(), results.main.data(),
                                      direct.main.size() * sizeof(float)),
                          0)
                    << value;
            }
        }
}

TEST(Separable, IsForFastMathAndLargeFilters) {
    const char* const kFilter = "g3mb1_ic3ih90iw120_oc3_kh7kw7ph3pw3";
    for (nconv_pass pass : kGathers) {
        EXPECT_EQ(Convolution(fast(parsed(kFilter))).algorithm(pass), "separable");
        EXPECT_EQ(Convolution(parsed(kFilter)).algorithm(pass), "depthwise");
        EXPECT_EQ(Convolution(strict(parsed(kFilter))).algorithm(pass), "depthwise");
        for (const char* other :
             {"g3mb1_ic3ih90iw120_oc3_kh5kw5ph2pw2", "g8mb1_ic8ih90iw120_oc8_kh7kw7ph3pw3",
              "g3mb1_ic3ih90iw120_oc3_kh7kw7sh2sw2ph3pw3",
              "g3mb1_ic3ih90iw120_oc3_kh7kw7ph6pw6dh1dw1"})
            EXPECT_EQ(Convolution(fast(parsed(other))).algorithm(pass), "depthwise") << other;
    }
    const Convolution convolution(fast(parsed(kFilter)));
    char text[4096];
    int64_t bytes = 0;
    ASSERT_EQ(nconv_plan_describe(convolution.plan(), text, sizeof text, &bytes), NCONV_STATUS_OK);
    EXPECT_NE(std::strstr(text, "weights of rank one in two passes"), nullptr) << text;
}

}  // namespace
}  // namespace nconv_test
