// The one call for all gradients: the bits of the two passes, whatever is wanted, for every algorithm,
// instruction set, thread count and activation, in one part and in many.
#include "common.h"
#include "random_descriptor.h"

namespace nconv_test {
namespace {

#ifdef NCONV_TEST_EMULATED
constexpr double kLargestShape = 5e4, kLargestParts = 1e7;
constexpr uint64_t kRandomShapes = 40;
#else
constexpr double kLargestShape = 5e5, kLargestParts = 1e9;
constexpr uint64_t kRandomShapes = 150;
#endif

void set_activation(nconv_conv2d_desc* desc, int32_t activation) {
    desc->activation = activation;
    desc->activation_alpha = activation == NCONV_ACTIVATION_CLIP ? -0.5f : 0.3f;
    desc->activation_beta = 2;
}

uint64_t hash_of(const Results& results) {
    return hash_bits(results.bias, hash_bits(results.main));
}

void check_variant(const Problem& problem, const Variant& variant, bool accumulate) {
    Convolution convolution(problem.desc(), variant.options);
    Results input, weights;
    ASSERT_EQ(
        problem.run(NCONV_PASS_BACKWARD_INPUT, &convolution, variant.placement, false, &input),
        NCONV_STATUS_OK);
    ASSERT_EQ(problem.run(NCONV_PASS_BACKWARD_WEIGHTS, &convolution, variant.placement, accumulate,
                          &weights),
              NCONV_STATUS_OK);
    const std::string what =
        describe(problem.desc(), NCONV_PASS_BACKWARD_WEIGHTS, variant.options) +
        (accumulate ? " accumulate" : "");
    Results all[2], one[2];
    ASSERT_EQ(problem.run_backward(&convolution, variant.placement, accumulate, &all[0], &all[1]),
              NCONV_STATUS_OK)
        << what;
    ASSERT_EQ(hash_of(all[0]), hash_of(input)) << what;
    ASSERT_EQ(hash_of(all[1]), hash_of(weights)) << what;
    ASSERT_EQ(problem.run_backward(&convolution, variant.placement, accumulate, &one[0], nullptr),
              NCONV_STATUS_OK)
        << what;
    ASSERT_EQ(hash_of(one[0]), hash_of(input)) << what;
    ASSERT_EQ(problem.run_backward(&convolution, variant.placement, accumulate, nullptr, &one[1]),
              NCONV_STATUS_OK)
        << what;
    ASSERT_EQ(hash_of(one[1]), hash_of(weights)) << what;
}

void check(const nconv_conv2d_desc& given, uint64_t* counter) {
    const nconv_conv2d_desc desc = fast(given);
    const Problem problem(desc, Data::kReal, *counter + 1);
    for (const Variant& variant : variants(desc, counter)) {
        check_variant(problem, variant, *counter % 2 == 0);
        if (testing::Test::HasFatalFailure()) return;
    }
}

class BackwardShapes : public testing::TestWithParam<ShapePart> {};

TEST_P(BackwardShapes, HaveTheBitsOfBothPasses) {
    uint64_t counter = GetParam().first;
    int32_t turn = 0;
    for (Descriptor& descriptor : shapes_of(GetParam())) {
        if (multiply_adds(descriptor.desc) > kLargestShape) continue;
        for (int32_t layout : {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC}) {
            descriptor.desc.layout = layout;
            set_activation(&descriptor.desc, turn++ % 7);
            check(descriptor.desc, &counter);
            if (HasFatalFailure()) return;
        }
    }
    EXPECT_GT(turn, 20);
}

INSTANTIATE_TEST_SUITE_P(Backward, BackwardShapes, testing::ValuesIn(shape_parts()), name_of_part);

TEST(Backward, RandomShapesHaveTheBitsOfBothPasses) {
    uint64_t counter = 0;
    for (uint64_t i = 0; i < kRandomShapes; ++i) {
        nconv_conv2d_desc desc = random_descriptor(11, i, 2e5);
        desc.layout = static_cast<int32_t>(i % 2);
        desc.has_bias = i % 5 != 0;
        set_activation(&desc, static_cast<int32_t>(i / 2 % 7));
        check(desc, &counter);
        if (HasFatalFailure()) return;
    }
}

// Gradients larger than is kept at a time: units of several images and of one, cut into rows, batches that
// the partial sums divide evenly and not, of every algorithm of weight gradients.
class BackwardParts : public testing::TestWithParam<const char*> {};

TEST_P(BackwardParts, HaveTheBitsOfBothPasses) {
    for (int32_t layout : {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC}) {
        nconv_conv2d_desc desc = parsed(GetParam(), layout);
        if (multiply_adds(desc) > kLargestParts) GTEST_SKIP() << "slow under emulation";
        set_activation(&desc, NCONV_ACTIVATION_RELU);
        const Problem problem(desc, Data::kReal);
        int accumulate = 0;
        for (const std::string& name : algorithm_names()) {
            if (name == "reference") continue;
            for (int32_t threads : {1, 2, 5}) {
                Variant variant;
                variant.options.algorithm = name.c_str();
                variant.options.threads = threads;
                if (threads > 2) variant.options.parallel_for = run_on_threads;
                variant.placement = {Placement::kEnd, 0};
                const Convolution convolution(desc, variant.options);
                if (convolution.status() == NCONV_STATUS_UNSUPPORTED_ALGORITHM) continue;
                check_variant(problem, variant, accumulate++ % 2 == 1);
                if (HasFatalFailure()) return;
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Backward, BackwardParts,
                         testing::Values("mb70_ic2ih8_oc256_kh1", "mb40_ic2ih9_oc256_kh3ph1",
                                         "mb10_ic2ih64_oc64_kh1", "mb16_ic3ih33_oc64_kh3ph1",
                                         "mb11_ic4ih36_oc64_kh3ph1", "g64mb9_ic64ih32_oc64_kh3ph1",
                                         "g16mb9_ic64ih32_oc64_kh3ph1",
                                         "mb8_ic1ih75_oc96_kh5sh2ph2", "mb3_ic1ih130_oc80_kh3ph1"));

// The product is kept for some images at a time, whatever the batch.
TEST(Backward, WorkspaceDoesNotGrowWithTheBatch) {
    int64_t bytes[2] = {};
    for (int i = 0; i < 2; ++i) {
        nconv_conv2d_desc desc = parsed("mb100_ic64ih56_oc64_kh3ph1");
        desc.activation = NCONV_ACTIVATION_RELU;
        desc.batch = i == 0 ? 100 : 100000;
        const Convolution convolution(desc);
        ASSERT_EQ(nconv_plan_backward_workspace_bytes(convolution.plan(), 2, &bytes[i]),
                  NCONV_STATUS_OK);
    }
    EXPECT_EQ(bytes[0], bytes[1]);
}

}  // namespace
}  // namespace nconv_test
