// Integer data: every direct algorithm must give the reference's bits, in every pass, layout,
// instruction set and thread count, with guard pages around every buffer.
#include "common.h"
#include "random_descriptor.h"

namespace nconv_test {
namespace {

constexpr int32_t kLayouts[] = {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC};

// Layers of more multiply-adds than these are left to nconv_bench --mode=correct; an emulator, at a
// hundredth of the speed, leaves more.
#ifdef NCONV_TEST_EMULATED
constexpr double kLargestShape = 5e6, kLargestLayer = 2e7;
#else
constexpr double kLargestShape = 1e12, kLargestLayer = 6e7;
#endif

class ShapeFile : public testing::TestWithParam<ShapePart> {};

TEST_P(ShapeFile, IsExact) {
    uint64_t counter = GetParam().first;
    Coverage coverage;
    for (Descriptor& descriptor : shapes_of(GetParam())) {
        if (multiply_adds(descriptor.desc) > kLargestShape) continue;
        for (int32_t layout : kLayouts) {
            descriptor.desc.layout = layout;
            check_all(descriptor.desc, Data::kInteger, &counter, &coverage);
            if (HasFatalFailure()) return;
        }
    }
    coverage.expect_meaningful();
}

INSTANTIATE_TEST_SUITE_P(Exact, ShapeFile, testing::ValuesIn(shape_parts()), name_of_part);

class RandomShapes : public testing::TestWithParam<int> {};

TEST_P(RandomShapes, AreExact) {
    constexpr int kShapes = 60;
    uint64_t counter = static_cast<uint64_t>(GetParam());
    Coverage coverage;
    for (int i = 0; i < kShapes; ++i) {
        nconv_conv2d_desc desc =
            random_descriptor(2, static_cast<uint64_t>(GetParam() * kShapes + i), 3e5);
        desc.layout = kLayouts[i % 2];
        desc.has_bias = i % 5 != 0;
        check_all(desc, Data::kInteger, &counter, &coverage);
        if (HasFatalFailure()) return;
    }
    coverage.expect_meaningful();
}

INSTANTIATE_TEST_SUITE_P(Exact, RandomShapes, testing::Range(0, 8));

// Every combination of small kernels, strides, dilations and the sixteen paddings of 0 or 1.
class WindowGrid : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(WindowGrid, IsExact) {
    nconv_conv2d_desc desc = parsed("mb1_ic3ih5iw6_oc5_kh1kw1");
    desc.kernel_h = std::get<0>(GetParam());
    desc.kernel_w = std::get<1>(GetParam());
    uint64_t counter = 0;
    Coverage coverage;
    for (int bits = 0; bits < 256; ++bits) {
        desc.pad_top = bits & 1;
        desc.pad_bottom = bits >> 1 & 1;
        desc.pad_left = bits >> 2 & 1;
        desc.pad_right = bits >> 3 & 1;
        desc.stride_h = 1 + (bits >> 4 & 1);
        desc.stride_w = 1 + (bits >> 5 & 1);
        desc.dilation_h = 1 + (bits >> 6 & 1);
        desc.dilation_w = 1 + (bits >> 7 & 1);
        desc.layout = kLayouts[(bits ^ bits >> 1 ^ bits >> 4 ^ bits >> 6) & 1];
        check_all(desc, Data::kInteger, &counter, &coverage);
        if (HasFatalFailure()) return;
    }
    coverage.expect_meaningful();
}

INSTANTIATE_TEST_SUITE_P(Exact, WindowGrid,
                         testing::Combine(testing::Values(1, 2, 3), testing::Values(1, 2, 3)));

// Channel counts around every vector and block size, grouped and depthwise ones included.
class ChannelGrid : public testing::TestWithParam<int> {};

TEST_P(ChannelGrid, IsExact) {
    uint64_t counter = 0;
    Coverage coverage;
    for (int64_t outputs : {1, 2, 3, 4, 6, 8, 12, 15, 16, 17, 31, 32, 33, 48, 65})
        for (int64_t groups = 1; groups <= 4; ++groups) {
            nconv_conv2d_desc desc = parsed("mb1_ic1ih4iw7_oc1_kh2kw3ph1pw1");
            desc.groups = groups == 4 ? GetParam() : groups;
            desc.input_channels = GetParam() * (groups == 4 ? 1 : groups);
            desc.output_channels = groups == 4 ? GetParam() * (1 + outputs % 3) : outputs * groups;
            desc.layout = kLayouts[(outputs + groups) % 2];
            if (outputs > 16 && groups > 1) continue;
            check_all(desc, Data::kInteger, &counter, &coverage);
            if (HasFatalFailure()) return;
        }
    coverage.expect_meaningful();
}

INSTANTIATE_TEST_SUITE_P(Exact, ChannelGrid, testing::Values(1, 2, 3, 5, 8, 15, 16, 17, 33));

// <conv(x, w), g> = <x, gradient by input> = <w, gradient by weights>: three passes that agree with
// each other, without any reference.
TEST(Adjoint, ThreePassesAgree) {
    auto dot = [](const std::vector<float>& a, const std::vector<float>& b) {
        double sum = 0;
        for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
        return sum;
    };
    uint64_t counter = 0;
    int nonzero = 0;
    for (uint64_t i = 0; i < 60; ++i) {
        nconv_conv2d_desc desc = strict(random_descriptor(3, i, 2e5));  // Winograd is not exact
        desc.layout = kLayouts[i % 2];
        desc.has_bias = 0;
        const Problem problem(desc, Data::kInteger, i);
        for (const Variant& variant : variants(desc, &counter)) {
            Convolution convolution(desc, variant.options);
            Results y, gx, gw;
            ASSERT_EQ(problem.run(NCONV_PASS_FORWARD, &convolution, variant.placement, false, &y),
                      NCONV_STATUS_OK);
            ASSERT_EQ(
                problem.run(NCONV_PASS_BACKWARD_INPUT, &convolution, variant.placement, false, &gx),
                NCONV_STATUS_OK);
            ASSERT_EQ(problem.run(NCONV_PASS_BACKWARD_WEIGHTS, &convolution, variant.placement,
                                  false, &gw),
                      NCONV_STATUS_OK);
            const double product = dot(y.main, problem.grad_output);
            EXPECT_EQ(product, dot(problem.input, gx.main))
                << describe(desc, NCONV_PASS_BACKWARD_INPUT, variant.options);
            EXPECT_EQ(product, dot(problem.weights, gw.main))
                << describe(desc, NCONV_PASS_BACKWARD_WEIGHTS, variant.options);
            nonzero += product != 0;
        }
    }
    EXPECT_GT(nonzero, 100);
}

// What a plan chooses by itself, on layers of real size; one processor-friendly selection.
class Topologies : public testing::TestWithParam<const char*> {};

TEST_P(Topologies, ChosenAlgorithmsAreExact) {
    std::vector<Descriptor> descriptors;
    ASSERT_EQ(read_shape_file(shape_file(GetParam()), &descriptors), "");
    int checked = 0;
    for (Descriptor& descriptor : descriptors) {
        nconv_conv2d_desc& desc = descriptor.desc;
        if (multiply_adds(desc) > kLargestLayer) continue;
        desc.layout = kLayouts[checked++ % 2];
        Problem problem(desc, Data::kInteger);
        RunOptions options;
        options.threads = 2;
        for (nconv_pass pass : kPasses) {
            const Comparison comparison = problem.check(pass, options);
            EXPECT_TRUE(comparison.ok)
                << comparison.failure << "\n  " << describe(desc, pass, options);
        }
    }
    EXPECT_GT(checked, 5);
}

INSTANTIATE_TEST_SUITE_P(Exact, Topologies, testing::Values("topologies.txt", "networks.txt"),
                         [](const auto& info) {
                             const std::string name = info.param;
                             return name.substr(0, name.find('.'));
                         });

}  // namespace
}  // namespace nconv_test
