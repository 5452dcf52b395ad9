// Versions, names, statuses, defaults, caps, batch 0, packed formats.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <set>

#include "common.h"

extern "C" int32_t version_from_c(void);

namespace nconv_test {
namespace {

TEST(Library, Versions) {
    EXPECT_EQ(nconv_version(),
              NCONV_VERSION_MAJOR * 10000 + NCONV_VERSION_MINOR * 100 + NCONV_VERSION_PATCH);
    EXPECT_EQ(nconv_abi_version(), NCONV_ABI_VERSION);
    EXPECT_EQ(version_from_c(), nconv_version());
}

TEST(Library, EveryStatusHasItsOwnText) {
    std::set<std::string> texts;
    std::vector<int> values = {0, 200, 201, 300, 301};
    for (int value = 100; value <= 115; ++value) values.push_back(value);
    for (int value = 130; value <= 152; ++value) values.push_back(value);
    for (int value : values) {
        const char* text = nconv_status_text(static_cast<nconv_status>(value));
        ASSERT_NE(text, nullptr);
        EXPECT_GT(std::strlen(text), 1u) << value;
        EXPECT_TRUE(texts.insert(text).second) << value << ": " << text;
    }
    const std::string unknown = nconv_status_text(static_cast<nconv_status>(99));
    EXPECT_EQ(texts.count(unknown), 0u);
    for (int value : {-1, 1, 116, 129, 153, 202, 302, 2147483647})
        EXPECT_EQ(nconv_status_text(static_cast<nconv_status>(value)), unknown) << value;
}

TEST(Library, AlgorithmNames) {
    const std::vector<std::string> names = algorithm_names();
    ASSERT_FALSE(names.empty());
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
    EXPECT_EQ(names.back(), "reference");  // serves everything, so it comes last
    EXPECT_EQ(nconv_algorithm_name(-1), nullptr);
    EXPECT_EQ(nconv_algorithm_name(static_cast<int32_t>(names.size())), nullptr);
    EXPECT_EQ(nconv_algorithm_name(2147483647), nullptr);
}

TEST(Library, DescriptorDefaults) {
    nconv_conv2d_desc desc;
    std::memset(&desc, 0x5A, sizeof desc);
    nconv_conv2d_desc_init(&desc);
    nconv_conv2d_desc expected{};
    expected.struct_size = sizeof expected;
    expected.activation = NCONV_ACTIVATION_RELU;
    expected.has_bias = 1;
    expected.batch = expected.groups = 1;
    expected.kernel_h = expected.kernel_w = 3;
    expected.stride_h = expected.stride_w = expected.dilation_h = expected.dilation_w = 1;
    EXPECT_EQ(std::memcmp(&desc, &expected, sizeof desc), 0);
}

TEST(Isa, NamesAndMask) {
    EXPECT_STREQ(nconv_isa_name(NCONV_ISA_SCALAR), "scalar");
    EXPECT_STREQ(nconv_isa_name(NCONV_ISA_AVX2), "avx2");
    EXPECT_STREQ(nconv_isa_name(NCONV_ISA_AVX512), "avx512");
    EXPECT_STREQ(nconv_isa_name(NCONV_ISA_NEON), "neon");
    for (int value : {-1, 3, 15, 17, 1000})
        EXPECT_EQ(nconv_isa_name(static_cast<nconv_isa>(value)), nullptr) << value;
    EXPECT_TRUE(nconv_supported_isas() & 1u) << "scalar is always there";
    for (nconv_isa isa : supported_isas()) EXPECT_NE(nconv_isa_name(isa), nullptr);
#if defined(__aarch64__)
    EXPECT_TRUE(nconv_supported_isas() >> NCONV_ISA_NEON & 1);
#elif defined(__x86_64__)
#if defined(__APPLE__)
    EXPECT_FALSE(nconv_supported_isas() >> NCONV_ISA_AVX512 & 1) << "see native/cmake/isa.cmake";
#else
    EXPECT_EQ(nconv_supported_isas() >> NCONV_ISA_AVX512 & 1,
              static_cast<uint32_t>(
                  __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")));
#endif
    EXPECT_EQ(
        nconv_supported_isas() >> NCONV_ISA_AVX2 & 1,
        static_cast<uint32_t>(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")));
#endif
}

// The highest instruction set that the machine supports and the environment allows.
nconv_isa allowed_isa() {
    const char* variable = std::getenv("NATIVECONV_MAX_ISA");
    nconv_isa cap = static_cast<nconv_isa>(31);
    for (int value = 0; value < 31; ++value) {
        const char* name = nconv_isa_name(static_cast<nconv_isa>(value));
        if (name && variable && std::strcmp(name, variable) == 0)
            cap = static_cast<nconv_isa>(value);
    }
    nconv_isa best = NCONV_ISA_SCALAR;
    for (nconv_isa isa : supported_isas())
        if (isa <= cap) best = isa;
    return best;
}

// ctest runs this once per name with NATIVECONV_MAX_ISA set, and once without.
TEST(Isa, EnvironmentCapHolds) {
    const nconv_isa active = nconv_active_isa();
    EXPECT_EQ(active, allowed_isa());
    EXPECT_EQ(Convolution(small_desc()).info().isa, active);
    // The environment may only lower, and the program's own cap cannot raise it again.
    nconv_isa best = NCONV_ISA_SCALAR;
    for (nconv_isa isa : supported_isas()) best = isa;
    ASSERT_EQ(nconv_set_max_isa(best), NCONV_STATUS_OK);
    EXPECT_EQ(nconv_active_isa(), allowed_isa());
}

TEST(Isa, SetMaxIsa) {
    const nconv_isa before = nconv_active_isa();
    const Convolution earlier(small_desc());
    for (nconv_isa isa : supported_isas()) {
        if (isa > before) continue;
        ASSERT_EQ(nconv_set_max_isa(isa), NCONV_STATUS_OK);
        EXPECT_EQ(nconv_active_isa(), isa);
        EXPECT_EQ(Convolution(small_desc()).info().isa, isa);
    }
    ASSERT_EQ(nconv_set_max_isa(NCONV_ISA_SCALAR), NCONV_STATUS_OK);
    for (int value : {-1, 3, 15, 17, 1000})
        EXPECT_EQ(nconv_set_max_isa(static_cast<nconv_isa>(value)), NCONV_STATUS_INVALID_ISA);
    for (nconv_isa isa : {NCONV_ISA_AVX2, NCONV_ISA_AVX512, NCONV_ISA_NEON})
        if (!(nconv_supported_isas() >> isa & 1)) {
            EXPECT_EQ(nconv_set_max_isa(isa), NCONV_STATUS_UNSUPPORTED_ISA) << isa;
        }
    EXPECT_EQ(nconv_active_isa(), NCONV_ISA_SCALAR) << "changed by a call that failed";
    EXPECT_EQ(earlier.info().isa, before) << "a plan keeps its instruction set";
    ASSERT_EQ(nconv_set_max_isa(before), NCONV_STATUS_OK);
    EXPECT_EQ(nconv_active_isa(), before);
}

TEST(Plan, CapOfOnePlan) {
    for (nconv_isa isa : supported_isas()) {
        RunOptions options;
        options.isa = isa;
        EXPECT_EQ(Convolution(small_desc(), options).info().isa, std::min(isa, nconv_active_isa()));
    }
}

TEST(Plan, ForcedAlgorithmServesWhatItCan) {
    int accepted = 0;
    for (const std::string& name : algorithm_names()) {
        RunOptions options;
        options.algorithm = name.c_str();
        for (const char* text : {"mb1_ic8ih9_oc8_kh3", "g8mb1_ic8ih9_oc8_kh3"}) {
            Convolution convolution(fast(parsed(text)), options);
            if (convolution.status() == NCONV_STATUS_UNSUPPORTED_ALGORITHM) continue;
            ASSERT_EQ(convolution.status(), NCONV_STATUS_OK);
            ++accepted;
            int served = 0;
            for (nconv_pass pass : kPasses) served += convolution.algorithm(pass) == name;
            EXPECT_GT(served, 0) << name;
            // The rest is chosen as without it.
            if (name == "outer" || name == "narrow") {
                const nconv_pass rest =
                    name == "outer" ? NCONV_PASS_FORWARD : NCONV_PASS_BACKWARD_WEIGHTS;
                EXPECT_EQ(convolution.algorithm(rest),
                          Convolution(fast(parsed(text))).algorithm(rest));
            }
            EXPECT_NE(convolution.describe().find(name), std::string::npos);
        }
    }
    EXPECT_GT(accepted, static_cast<int>(algorithm_names().size()));
}

// Equal formats: the same packed weights serve both plans. Other values than these must change it.
TEST(Plan, PackedFormatsIdentifyThePacking) {
    auto formats = [](const char* text, int32_t layout, int32_t isa, const char* algorithm) {
        RunOptions options;
        options.isa = isa;
        options.algorithm = algorithm;
        const Convolution convolution(parsed(text, layout), options);
        EXPECT_EQ(convolution.status(), NCONV_STATUS_OK) << text;
        return std::make_pair(convolution.info().forward_packed_format,
                              convolution.info().backward_input_packed_format);
    };
    const auto base = formats("mb1_ic8ih9_oc16_kh3", 0, -1, "gemm");
    EXPECT_EQ(base, formats("mb7_ic8ih9_oc16_kh3", 0, -1, "gemm")) << "batch";
    EXPECT_EQ(base, formats("mb1_ic8ih30iw20_oc16_kh3kw3", 0, -1, "gemm")) << "image size";
    EXPECT_EQ(base, formats("mb1_ic8ih9_oc16_kh3ph1", 0, -1, "gemm")) << "padding";
    EXPECT_NE(base, formats("mb1_ic16ih9_oc8_kh3", 0, -1, "gemm")) << "channels";
    EXPECT_NE(base, formats("mb1_ic8ih9iw9_oc16_kh1kw9", 0, -1, "gemm")) << "kernel";
    EXPECT_NE(base, formats("mb1_ic8ih9iw9_oc16_kh9kw1", 0, -1, "gemm")) << "kernel";
    EXPECT_NE(base, formats("mb1_ic8ih9_oc16_kh3", 1, -1, "gemm")) << "layout";
    EXPECT_NE(base, formats("mb1_ic8ih9_oc16_kh3", 0, -1, "reference")) << "algorithm";
}

// Packing depends on nothing that the format does not: packed by one plan, used by the other.
// Images of other sizes may have other algorithms, and then other formats.
TEST(Plan, EqualFormatsSharePackedWeights) {
    int shared = 0;
    for (const char* text : {"_ic8%s_oc16_kh3ph1", "g16_ic16%s_oc16_kh3ph1", "_ic33%s_oc17_kh1",
                             "g8_ic32%s_oc32_kh3ph1", "g8_ic32%s_oc32_kh3sh2ph1"})
        for (int32_t layout : {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC}) {
            std::string one = text, two = text;
            one.replace(one.find("%s"), 2, "ih6");
            two.replace(two.find("%s"), 2, "ih56");
            const Convolution first(parsed("mb1" + one, layout)),
                second(parsed("mb3" + two, layout));
            const auto formats = [](const Convolution& c, nconv_pass pass) {
                const nconv_plan_info info = c.info();
                return pass == NCONV_PASS_FORWARD
                           ? std::make_pair(info.forward_packed_format, info.forward_packed_bytes)
                           : std::make_pair(info.backward_input_packed_format,
                                            info.backward_input_packed_bytes);
            };
            const Problem problem(parsed("mb1" + one, layout), Data::kReal);
            for (nconv_pass pass : {NCONV_PASS_FORWARD, NCONV_PASS_BACKWARD_INPUT}) {
                if (formats(first, pass).first != formats(second, pass).first) continue;
                ASSERT_EQ(formats(first, pass), formats(second, pass)) << text;
                ++shared;
                std::vector<unsigned char> packed[2];
                for (int i = 0; i < 2; ++i) {
                    packed[i].resize(static_cast<size_t>(formats(first, pass).second));
                    ASSERT_EQ(nconv_pack_weights(
                                  (i ? second : first).plan(), pass, problem.weights.data(),
                                  static_cast<int64_t>(problem.weights.size()), packed[i].data(),
                                  static_cast<int64_t>(packed[i].size())),
                              NCONV_STATUS_OK);
                }
                EXPECT_EQ(packed[0], packed[1]) << text << " pass " << pass;
            }
        }
    EXPECT_GE(shared, 12);
}

TEST(BatchZero, SucceedsAndReadsNothing) {
    nconv_conv2d_desc desc = small_desc();
    desc.batch = 0;
    desc.activation = NCONV_ACTIVATION_RELU;
    uint64_t counter = 0;
    const Problem problem(desc, Data::kInteger);
    for (const Variant& variant : variants(desc, &counter)) {
        Convolution convolution(desc, variant.options);
        ASSERT_EQ(convolution.status(), NCONV_STATUS_OK);
        EXPECT_EQ(convolution.info().input_count, 0);
        EXPECT_EQ(convolution.info().output_count, 0);
        Results results;
        for (nconv_pass pass : kPasses)
            EXPECT_EQ(problem.run(pass, &convolution, variant.placement, true, &results),
                      NCONV_STATUS_OK)
                << describe(desc, pass, variant.options);
        EXPECT_EQ(results.main, problem.old_weights) << "accumulate adds nothing";
        EXPECT_EQ(results.bias, problem.old_bias);
        ASSERT_EQ(problem.run(NCONV_PASS_BACKWARD_WEIGHTS, &convolution, variant.placement, false,
                              &results),
                  NCONV_STATUS_OK);
        EXPECT_EQ(results.main, std::vector<float>(problem.old_weights.size()));
        EXPECT_EQ(results.bias, std::vector<float>(problem.old_bias.size()));
    }
}

// Null is a valid address of no elements.
TEST(BatchZero, TakesNullTensors) {
    nconv_conv2d_desc desc = small_desc();
    desc.batch = 0;
    Convolution convolution(desc);
    const Problem problem(desc, Data::kInteger);
    const GuardedBuffer weights(problem.weights, {}), bias(problem.bias, {}), none;
    EXPECT_EQ(convolution.forward(none, weights, bias, none), NCONV_STATUS_OK);
    EXPECT_EQ(convolution.backward_input(none, none, weights, none), NCONV_STATUS_OK);
    EXPECT_EQ(convolution.backward({none, none, none, weights, none, weights, bias, true}),
              NCONV_STATUS_OK);
    EXPECT_EQ(convolution.backward_weights(none, none, none, weights, bias, false),
              NCONV_STATUS_OK);
}

}  // namespace
}  // namespace nconv_test
