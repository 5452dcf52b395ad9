// Every invalid descriptor and argument of planning, with its status, and nothing written.
#include <cstring>
#include <functional>

#include "common.h"

namespace nconv_test {
namespace {

nconv_plan* const kUntouched = reinterpret_cast<nconv_plan*>(16);

nconv_status create(const nconv_conv2d_desc& desc, const nconv_plan_options* options = nullptr) {
    nconv_plan* plan = kUntouched;
    const nconv_status status = nconv_plan_create(&desc, options, &plan);
    if (status == NCONV_STATUS_OK) {
        EXPECT_NE(plan, kUntouched);
        nconv_plan_destroy(plan);
    } else {
        EXPECT_EQ(plan, kUntouched) << "written on status " << status;
    }
    return status;
}

using Change = std::function<void(nconv_conv2d_desc*)>;

void expect_status(nconv_status expected, const char* what, const Change& change) {
    nconv_conv2d_desc desc = small_desc();
    change(&desc);
    EXPECT_EQ(create(desc), expected) << what;
}

#define EXPECT_DESC_STATUS(expected, change) \
    expect_status(expected, #change, [](nconv_conv2d_desc* d) { change; })

constexpr int64_t kTooLarge = int64_t{1} << 31;
constexpr int64_t kLargest = kTooLarge - 1;

TEST(Descriptor, EachFieldHasItsStatus) {
    EXPECT_DESC_STATUS(NCONV_STATUS_OK, (void)d);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_DESCRIPTOR, d->struct_size = 0);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_DESCRIPTOR, d->struct_size -= 1);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_DESCRIPTOR, d->struct_size += 8);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_DATA_TYPE, d->data_type = 1);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_DATA_TYPE, d->data_type = -1);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_LAYOUT, d->layout = 2);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_LAYOUT, d->layout = -1);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_ACTIVATION, d->activation = 7);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_ACTIVATION, d->activation = -1);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_MATH_MODE, d->math_mode = 3);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_MATH_MODE, d->math_mode = -1);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_HAS_BIAS, d->has_bias = 2);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_HAS_BIAS, d->has_bias = -1);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_BATCH, d->batch = -1);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_BATCH, d->batch = kTooLarge);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_CHANNELS, d->input_channels = 0);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_CHANNELS, d->output_channels = 0);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_GROUPS, d->groups = 0);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_GROUPS, d->groups = -1);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_GROUPS, d->groups = INT64_MIN);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_GROUPS, d->groups = 2);  // 6 outputs, but 5 inputs
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_GROUPS, d->groups = 5);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_GROUPS, d->groups = kLargest);
}

// Fields that share a range: 1 (0 for padding) to 2^31-1.
TEST(Descriptor, EveryNumberIsCheckedAtBothEnds) {
    struct Field {
        int64_t nconv_conv2d_desc::*member;
        nconv_status status;
        int64_t least;
    };
    const Field fields[] = {{&nconv_conv2d_desc::input_channels, NCONV_STATUS_INVALID_CHANNELS, 1},
                            {&nconv_conv2d_desc::output_channels, NCONV_STATUS_INVALID_CHANNELS, 1},
                            {&nconv_conv2d_desc::input_height, NCONV_STATUS_INVALID_INPUT_SIZE, 1},
                            {&nconv_conv2d_desc::input_width, NCONV_STATUS_INVALID_INPUT_SIZE, 1},
                            {&nconv_conv2d_desc::kernel_h, NCONV_STATUS_INVALID_KERNEL_SIZE, 1},
                            {&nconv_conv2d_desc::kernel_w, NCONV_STATUS_INVALID_KERNEL_SIZE, 1},
                            {&nconv_conv2d_desc::stride_h, NCONV_STATUS_INVALID_STRIDE, 1},
                            {&nconv_conv2d_desc::stride_w, NCONV_STATUS_INVALID_STRIDE, 1},
                            {&nconv_conv2d_desc::dilation_h, NCONV_STATUS_INVALID_DILATION, 1},
                            {&nconv_conv2d_desc::dilation_w, NCONV_STATUS_INVALID_DILATION, 1},
                            {&nconv_conv2d_desc::pad_top, NCONV_STATUS_INVALID_PADDING, 0},
                            {&nconv_conv2d_desc::pad_left, NCONV_STATUS_INVALID_PADDING, 0},
                            {&nconv_conv2d_desc::pad_bottom, NCONV_STATUS_INVALID_PADDING, 0},
                            {&nconv_conv2d_desc::pad_right, NCONV_STATUS_INVALID_PADDING, 0},
                            {&nconv_conv2d_desc::batch, NCONV_STATUS_INVALID_BATCH, 0}};
    for (const Field& field : fields)
        for (int64_t value : {field.least - 1, INT64_MIN, kTooLarge, INT64_MAX}) {
            nconv_conv2d_desc desc = small_desc();
            desc.*field.member = value;
            EXPECT_EQ(create(desc), field.status)
                << "field " << &field - fields << " value " << value;
        }
}

TEST(Descriptor, ActivationParameters) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    auto with = [](nconv_activation activation, float alpha, float beta) {
        nconv_conv2d_desc desc = small_desc();
        desc.activation = activation;
        desc.activation_alpha = alpha;
        desc.activation_beta = beta;
        return create(desc);
    };
    EXPECT_EQ(with(NCONV_ACTIVATION_LEAKY_RELU, 0, 0), NCONV_STATUS_OK);
    EXPECT_EQ(with(NCONV_ACTIVATION_LEAKY_RELU, -0.1f, 0), NCONV_STATUS_INVALID_ACTIVATION);
    EXPECT_EQ(with(NCONV_ACTIVATION_LEAKY_RELU, nan, 0), NCONV_STATUS_INVALID_ACTIVATION);
    EXPECT_EQ(with(NCONV_ACTIVATION_ELU, 0, 0), NCONV_STATUS_OK);
    EXPECT_EQ(with(NCONV_ACTIVATION_ELU, -1, 0), NCONV_STATUS_INVALID_ACTIVATION);
    EXPECT_EQ(with(NCONV_ACTIVATION_ELU, nan, 0), NCONV_STATUS_INVALID_ACTIVATION);
    EXPECT_EQ(with(NCONV_ACTIVATION_CLIP, 0, 6), NCONV_STATUS_OK);
    EXPECT_EQ(with(NCONV_ACTIVATION_CLIP, 6, 6), NCONV_STATUS_INVALID_ACTIVATION);
    EXPECT_EQ(with(NCONV_ACTIVATION_CLIP, 6, 0), NCONV_STATUS_INVALID_ACTIVATION);
    EXPECT_EQ(with(NCONV_ACTIVATION_CLIP, nan, 6), NCONV_STATUS_INVALID_ACTIVATION);
    EXPECT_EQ(with(NCONV_ACTIVATION_CLIP, 0, nan), NCONV_STATUS_INVALID_ACTIVATION);
    // Unused parameters are ignored.
    EXPECT_EQ(with(NCONV_ACTIVATION_RELU, nan, nan), NCONV_STATUS_OK);
    EXPECT_EQ(with(NCONV_ACTIVATION_LINEAR, -1, nan), NCONV_STATUS_OK);
}

TEST(Descriptor, OutputMustExist) {
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_OUTPUT_SIZE, d->kernel_h = 10);  // padded input: 9
    EXPECT_DESC_STATUS(NCONV_STATUS_OK, d->kernel_h = 9);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_OUTPUT_SIZE, d->dilation_w = 11);  // padded input: 11
    EXPECT_DESC_STATUS(NCONV_STATUS_OK, d->dilation_w = 10);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_OUTPUT_SIZE, d->kernel_h = kLargest);
    EXPECT_DESC_STATUS(NCONV_STATUS_INVALID_OUTPUT_SIZE, d->kernel_w = d->dilation_w = kLargest);
    EXPECT_DESC_STATUS(NCONV_STATUS_OK, d->stride_h = d->stride_w = kLargest);
}

TEST(Descriptor, SizesThatOverflow) {
    EXPECT_DESC_STATUS(NCONV_STATUS_SIZE_OVERFLOW, (d->batch = kLargest, d->input_height = kLargest,
                                                    d->input_width = kLargest));
    EXPECT_DESC_STATUS(NCONV_STATUS_SIZE_OVERFLOW,
                       (d->input_channels = int64_t{1} << 30, d->output_channels = int64_t{1} << 28,
                        d->kernel_h = d->kernel_w = 4, d->dilation_w = 1));
    EXPECT_DESC_STATUS(NCONV_STATUS_SIZE_OVERFLOW,
                       (d->pad_top = d->pad_bottom = d->pad_left = d->pad_right = kLargest));
    EXPECT_DESC_STATUS(NCONV_STATUS_SIZE_OVERFLOW, (d->output_channels = kLargest,
                                                    d->pad_top = kLargest, d->pad_left = 1 << 20));
    // 2^31 * 2^31 * 4 = 2^64: the product of bytes wraps to 0.
    EXPECT_DESC_STATUS(NCONV_STATUS_SIZE_OVERFLOW,
                       (d->input_channels = d->output_channels = kLargest,
                        d->kernel_h = d->kernel_w = 1, d->batch = 1));
}

// Far larger than any memory, but valid: planning must neither fail nor allocate it.
TEST(Descriptor, HugeProblemsArePlanned) {
    if (sizeof(void*) < 8) GTEST_SKIP() << "needs a 64-bit address space";
    for (const char* text : {"g1mb2147483647_ic64ih224_oc64_kh3ph1", "g1mb1_ic1ih65536_oc1_kh3ph1",
                             "g46341mb1_ic46341ih1_oc46341_kh1", "g1mb1_ic46341ih1_oc46341_kh1",
                             "g1mb1_ic1ih1_oc1_kh1001ph500", "g1mb1_ic4ih60000_oc4_kh2048dh3"})
        EXPECT_EQ(create(parsed(text)), NCONV_STATUS_OK) << text;
}

TEST(PlanCreate, Arguments) {
    nconv_conv2d_desc desc = small_desc();
    nconv_plan* plan = kUntouched;
    EXPECT_EQ(nconv_plan_create(nullptr, nullptr, &plan), NCONV_STATUS_INVALID_DESCRIPTOR);
    EXPECT_EQ(plan, kUntouched);
    EXPECT_EQ(nconv_plan_create(&desc, nullptr, nullptr), NCONV_STATUS_INVALID_RESULT);
    nconv_plan_options options{sizeof options, -1, nullptr};
    EXPECT_EQ(create(desc, &options), NCONV_STATUS_OK);
    options.struct_size = 4;
    EXPECT_EQ(create(desc, &options), NCONV_STATUS_INVALID_ARGUMENTS);
    options = {sizeof options, -1, "no such algorithm"};
    EXPECT_EQ(create(desc, &options), NCONV_STATUS_UNSUPPORTED_ALGORITHM);
    options = {sizeof options, -1, ""};
    EXPECT_EQ(create(desc, &options), NCONV_STATUS_UNSUPPORTED_ALGORITHM);
    for (int32_t isa : {-2, 3, 15, 17, INT32_MAX, INT32_MIN}) {
        options = {sizeof options, isa, nullptr};
        EXPECT_EQ(create(desc, &options), NCONV_STATUS_INVALID_ISA) << isa;
    }
    for (int32_t isa : {0, 1, 2, 16}) {
        options = {sizeof options, isa, nullptr};
        const bool present = nconv_supported_isas() >> isa & 1;
        EXPECT_EQ(create(desc, &options), present ? NCONV_STATUS_OK : NCONV_STATUS_UNSUPPORTED_ISA)
            << isa;
    }
    nconv_plan_destroy(nullptr);
}

class PlanQueries : public testing::Test {
protected:
    Convolution convolution_{small_desc()};
};

TEST_F(PlanQueries, Info) {
    nconv_plan_info info, before;
    std::memset(&info, 0x5A, sizeof info);
    info.struct_size = sizeof info;
    before = info;
    EXPECT_EQ(nconv_plan_get_info(nullptr, &info), NCONV_STATUS_INVALID_PLAN);
    EXPECT_EQ(std::memcmp(&info, &before, sizeof info), 0);
    EXPECT_EQ(nconv_plan_get_info(convolution_.plan(), nullptr), NCONV_STATUS_INVALID_RESULT);
    info.struct_size = before.struct_size = sizeof info - 8;
    EXPECT_EQ(nconv_plan_get_info(convolution_.plan(), &info), NCONV_STATUS_INVALID_ARGUMENTS);
    EXPECT_EQ(std::memcmp(&info, &before, sizeof info), 0);

    EXPECT_EQ(convolution_.info().output_height, 7);
    EXPECT_EQ(convolution_.info().output_width, 5);
    EXPECT_EQ(convolution_.info().input_count, 2 * 5 * 7 * 9);
    EXPECT_EQ(convolution_.info().weights_count, 6 * 5 * 3 * 2);
    EXPECT_EQ(convolution_.info().bias_count, 6);
    EXPECT_EQ(convolution_.info().output_count, 2 * 6 * 7 * 5);
}

TEST_F(PlanQueries, Workspace) {
    const nconv_plan* plan = convolution_.plan();
    int64_t bytes = -7;
    auto query = [&](const nconv_plan* p, int pass, int32_t threads) {
        return nconv_plan_workspace_bytes(p, static_cast<nconv_pass>(pass), threads, &bytes);
    };
    EXPECT_EQ(query(nullptr, 0, 1), NCONV_STATUS_INVALID_PLAN);
    EXPECT_EQ(query(plan, 3, 1), NCONV_STATUS_INVALID_PASS);
    EXPECT_EQ(query(plan, -1, 1), NCONV_STATUS_INVALID_PASS);
    EXPECT_EQ(query(plan, 0, -1), NCONV_STATUS_INVALID_THREADS);
    EXPECT_EQ(bytes, -7) << "written on error";
    EXPECT_EQ(nconv_plan_workspace_bytes(plan, NCONV_PASS_FORWARD, 1, nullptr),
              NCONV_STATUS_INVALID_RESULT);
    for (nconv_pass pass : kPasses) {
        ASSERT_EQ(query(plan, pass, nconv_thread_count()), NCONV_STATUS_OK);
        const int64_t all = bytes;
        ASSERT_EQ(query(plan, pass, 0), NCONV_STATUS_OK);
        EXPECT_EQ(bytes, all);
        EXPECT_GE(bytes, 0);
    }
}

TEST_F(PlanQueries, WorkspaceDoesNotGrowWithTheBatch) {
    for (const char* text : {"_ic5ih7_oc6_kh3ph1", "_ic64ih14_oc64_kh3ph1", "g16_ic16ih9_oc16_kh3"})
        for (nconv_pass pass : kPasses) {
            int64_t few = 0, many = 0;
            Convolution small(parsed(std::string("mb256") + text));
            Convolution large(parsed(std::string("mb65536") + text));
            ASSERT_EQ(nconv_plan_workspace_bytes(small.plan(), pass, 2, &few), NCONV_STATUS_OK);
            ASSERT_EQ(nconv_plan_workspace_bytes(large.plan(), pass, 2, &many), NCONV_STATUS_OK);
            EXPECT_LE(many, few) << text << " " << pass_name(pass);
        }
}

TEST_F(PlanQueries, Algorithm) {
    EXPECT_EQ(nconv_plan_algorithm(nullptr, NCONV_PASS_FORWARD), nullptr);
    EXPECT_EQ(nconv_plan_algorithm(convolution_.plan(), static_cast<nconv_pass>(3)), nullptr);
    EXPECT_EQ(nconv_plan_algorithm(convolution_.plan(), static_cast<nconv_pass>(-1)), nullptr);
    EXPECT_NE(nconv_plan_algorithm(convolution_.plan(), NCONV_PASS_FORWARD), nullptr);
}

TEST_F(PlanQueries, DescribeTruncates) {
    const nconv_plan* plan = convolution_.plan();
    int64_t needed = -7;
    EXPECT_EQ(nconv_plan_describe(nullptr, nullptr, 0, &needed), NCONV_STATUS_INVALID_PLAN);
    EXPECT_EQ(nconv_plan_describe(plan, nullptr, 0, nullptr), NCONV_STATUS_INVALID_RESULT);
    EXPECT_EQ(nconv_plan_describe(plan, nullptr, 5, &needed), NCONV_STATUS_INVALID_RESULT);
    EXPECT_EQ(needed, -7);
    ASSERT_EQ(nconv_plan_describe(plan, nullptr, 0, &needed), NCONV_STATUS_OK);
    const std::string whole = convolution_.describe();
    EXPECT_EQ(whole.size() + 1, static_cast<size_t>(needed));
    EXPECT_EQ(whole.find('\0'), std::string::npos);
    for (nconv_pass pass : kPasses)
        EXPECT_NE(whole.find(convolution_.algorithm(pass)), std::string::npos);
    for (int64_t room : {int64_t{1}, int64_t{2}, int64_t{10}, needed - 1, needed, needed + 9}) {
        GuardedBuffer text(static_cast<size_t>(room), {Placement::kEnd, 0});
        int64_t required = 0;
        ASSERT_EQ(nconv_plan_describe(plan, static_cast<char*>(text.data()), room, &required),
                  NCONV_STATUS_OK);
        EXPECT_EQ(required, needed);
        const std::string part = static_cast<char*>(text.data());
        EXPECT_EQ(part, whole.substr(0, static_cast<size_t>(std::min(room, needed) - 1)));
    }
}

TEST(SamePadding, MatchesItsFormula) {
    for (int64_t input : {1, 2, 5, 7, 8, 224})
        for (int64_t kernel : {1, 2, 3, 5, 7})
            for (int64_t stride : {1, 2, 3, 4})
                for (int64_t dilation : {1, 2, 3})
                    for (int32_t lower : {0, 1}) {
                        int64_t before = -1, after = -1;
                        ASSERT_EQ(nconv_same_padding(input, kernel, stride, dilation, lower,
                                                     &before, &after),
                                  NCONV_STATUS_OK);
                        const int64_t out = (input + stride - 1) / stride;
                        EXPECT_EQ(output_size(input, kernel, stride, dilation, before, after), out);
                        const int64_t total = std::max<int64_t>(
                            0, (out - 1) * stride + (kernel - 1) * dilation + 1 - input);
                        EXPECT_EQ(before + after, total);
                        EXPECT_EQ(lower ? before : after, (total + 1) / 2);
                    }
}

TEST(SamePadding, Errors) {
    int64_t before = -7, after = -7;
    auto call = [&](int64_t input, int64_t kernel, int64_t stride, int64_t dilation) {
        return nconv_same_padding(input, kernel, stride, dilation, 0, &before, &after);
    };
    for (int64_t bad : {int64_t{0}, int64_t{-1}, INT64_MIN, kTooLarge}) {
        EXPECT_EQ(call(bad, 3, 1, 1), NCONV_STATUS_INVALID_INPUT_SIZE);
        EXPECT_EQ(call(9, bad, 1, 1), NCONV_STATUS_INVALID_KERNEL_SIZE);
        EXPECT_EQ(call(9, 3, bad, 1), NCONV_STATUS_INVALID_STRIDE);
        EXPECT_EQ(call(9, 3, 1, bad), NCONV_STATUS_INVALID_DILATION);
    }
    EXPECT_EQ(nconv_same_padding(9, 3, 1, 1, 0, nullptr, &after), NCONV_STATUS_INVALID_RESULT);
    EXPECT_EQ(nconv_same_padding(9, 3, 1, 1, 0, &before, nullptr), NCONV_STATUS_INVALID_RESULT);
    EXPECT_EQ(before, -7);
    EXPECT_EQ(after, -7);
    // A padding above 2^31-1 would be refused by the plan.
    EXPECT_EQ(call(1, kLargest, 1, kLargest), NCONV_STATUS_SIZE_OVERFLOW);
    EXPECT_EQ(before, -7);
}

}  // namespace
}  // namespace nconv_test
