// In strict math NaN and Inf reach exactly their window; denormals; the caller's floating-point control word.
#include <algorithm>
#include <cfenv>
#include <cmath>
#include <functional>
#include <limits>

#include "common.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace nconv_test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// A plain walk over all (output pixel, tap) pairs of one image pixel.
struct Window {
    const nconv_conv2d_desc& d;

    void visit(const std::function<void(int64_t p, int64_t q, int64_t r, int64_t s, int64_t h,
                                        int64_t w)>& body) const {
        for (int64_t p = 0; p < output_height(d); ++p)
            for (int64_t q = 0; q < output_width(d); ++q)
                for (int64_t r = 0; r < d.kernel_h; ++r)
                    for (int64_t s = 0; s < d.kernel_w; ++s)
                        body(p, q, r, s, p * d.stride_h + r * d.dilation_h - d.pad_top,
                             q * d.stride_w + s * d.dilation_w - d.pad_left);
    }
};

size_t at(const nconv_conv2d_desc& d, int64_t c, int64_t h, int64_t w, int64_t channels,
          int64_t height, int64_t width) {
    return static_cast<size_t>(d.layout == NCONV_LAYOUT_NHWC ? (h * width + w) * channels + c
                                                             : (c * height + h) * width + w);
}

const char* const kShapes[] = {"mb1_ic5ih7iw9_oc6_kh3kw2sh1sw2ph1pw1dh0dw1",
                               "mb1_ic19ih6_oc33_kh3ph1", "g17mb1_ic17ih8iw5_oc17_kh3ph1kw3pw1",
                               "g2mb1_ic8ih5_oc12_kh3sh2ph1", "mb1_ic8ih4iw21_oc16_kh1kw1",
                               "g4mb1_ic16ih8_oc16_kh3ph1"};

// Runs a pass with one element poisoned and without. Where `reached` says so the result must be
// non-finite (NaN or Inf), everywhere else it must keep its bits.
void check_poison(const nconv_conv2d_desc& desc, nconv_pass pass, float poison,
                  std::vector<float> Problem::*tensor, size_t index,
                  const std::vector<char>& reached) {
    Problem clean(desc, Data::kReal);
    Problem poisoned(desc, Data::kReal);
    (poisoned.*tensor)[index] = poison;
    uint64_t counter = index;
    for (const Variant& variant : variants(desc, &counter)) {
        Convolution convolution(desc, variant.options);
        Results with, without;
        ASSERT_EQ(clean.run(pass, &convolution, variant.placement, false, &without),
                  NCONV_STATUS_OK);
        ASSERT_EQ(poisoned.run(pass, &convolution, variant.placement, false, &with),
                  NCONV_STATUS_OK);
        for (size_t i = 0; i < reached.size(); ++i) {
            if (reached[i]) {
                EXPECT_FALSE(std::isfinite(with.main[i]))
                    << "element " << i << " " << describe(desc, pass, variant.options);
            } else {
                EXPECT_EQ(hash_bits({with.main[i]}), hash_bits({without.main[i]}))
                    << "element " << i << " " << describe(desc, pass, variant.options);
            }
        }
        if (testing::Test::HasFailure()) return;
    }
}

class NonFinite : public testing::TestWithParam<const char*> {};

TEST_P(NonFinite, InputReachesItsWindowOnly) {
    for (int32_t layout : {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC})
        for (float poison : {kNan, kInf, -kInf}) {
            const nconv_conv2d_desc d = strict(parsed(GetParam(), layout));
            const int64_t c = d.input_channels - 1, h = 1, w = d.input_width - 2;
            const int64_t p_size = output_height(d), q_size = output_width(d);
            const int64_t o_group = d.output_channels / d.groups;
            const int64_t o_begin = c / (d.input_channels / d.groups) * o_group;
            std::vector<char> reached(static_cast<size_t>(d.output_channels * p_size * q_size));
            Window{d}.visit([&](int64_t p, int64_t q, int64_t, int64_t, int64_t y, int64_t x) {
                if (y != h || x != w) return;
                for (int64_t o = o_begin; o < o_begin + o_group; ++o)
                    reached[at(d, o, p, q, d.output_channels, p_size, q_size)] = 1;
            });
            check_poison(d, NCONV_PASS_FORWARD, poison, &Problem::input,
                         at(d, c, h, w, d.input_channels, d.input_height, d.input_width), reached);
        }
}

TEST_P(NonFinite, GradOutputReachesItsWindowOnly) {
    for (int32_t layout : {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC})
        for (float poison : {kNan, kInf}) {
            const nconv_conv2d_desc d = strict(parsed(GetParam(), layout));
            const int64_t o = d.output_channels - 1, p = 1, q = output_width(d) - 1;
            const int64_t c_group = d.input_channels / d.groups;
            const int64_t c_begin = o / (d.output_channels / d.groups) * c_group;
            std::vector<char> reached(
                static_cast<size_t>(d.input_channels * d.input_height * d.input_width));
            Window{d}.visit([&](int64_t p1, int64_t q1, int64_t, int64_t, int64_t y, int64_t x) {
                if (p1 != p || q1 != q) return;
                if (y < 0 || y >= d.input_height || x < 0 || x >= d.input_width) return;
                for (int64_t c = c_begin; c < c_begin + c_group; ++c)
                    reached[at(d, c, y, x, d.input_channels, d.input_height, d.input_width)] = 1;
            });
            check_poison(d, NCONV_PASS_BACKWARD_INPUT, poison, &Problem::grad_output,
                         at(d, o, p, q, d.output_channels, output_height(d), output_width(d)),
                         reached);
        }
}

TEST_P(NonFinite, InputReachesItsWeightGradientsOnly) {
    for (int32_t layout : {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC}) {
        const nconv_conv2d_desc d = strict(parsed(GetParam(), layout));
        const int64_t c_group = d.input_channels / d.groups, o_group = d.output_channels / d.groups;
        const int64_t c = d.input_channels - 1, h = 1, w = d.input_width - 2;
        std::vector<char> reached(
            static_cast<size_t>(d.output_channels * c_group * d.kernel_h * d.kernel_w));
        Window{d}.visit([&](int64_t, int64_t, int64_t r, int64_t s, int64_t y, int64_t x) {
            if (y != h || x != w) return;
            for (int64_t o = c / c_group * o_group; o < (c / c_group + 1) * o_group; ++o) {
                const int64_t index =
                    d.layout == NCONV_LAYOUT_NHWC
                        ? ((o * d.kernel_h + r) * d.kernel_w + s) * c_group + c % c_group
                        : ((o * c_group + c % c_group) * d.kernel_h + r) * d.kernel_w + s;
                reached[static_cast<size_t>(index)] = 1;
            }
        });
        check_poison(d, NCONV_PASS_BACKWARD_WEIGHTS, kNan, &Problem::input,
                     at(d, c, h, w, d.input_channels, d.input_height, d.input_width), reached);
    }
}

// An infinite weight that meets padding, and sums that stay -0 only where nothing is added: whatever an
// algorithm does with padding, it does on every instruction set and thread count. NaN counts as NaN.
TEST_P(NonFinite, PaddingIsMetAlikeEverywhere) {
    for (int32_t layout : {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC})
        for (bool infinite : {true, false}) {
            const nconv_conv2d_desc d = strict(parsed(GetParam(), layout));
            Problem problem(d, Data::kReal);
            if (infinite) {
                problem.weights[0] = kInf;
            } else {
                for (std::vector<float>* tensor :
                     {&problem.input, &problem.bias, &problem.grad_output})
                    std::fill(tensor->begin(), tensor->end(), -0.0f);
                std::fill(problem.weights.begin(), problem.weights.end(), 1.0f);
            }
            for (const std::string& name : algorithm_names())
                for (nconv_pass pass : {NCONV_PASS_FORWARD, NCONV_PASS_BACKWARD_INPUT}) {
                    std::vector<float> first;
                    for (nconv_isa isa : supported_isas())
                        for (int32_t threads : {1, 3}) {
                            RunOptions options;
                            options.isa = isa;
                            options.algorithm = name.c_str();
                            options.threads = threads;
                            Convolution convolution(d, options);
                            if (convolution.status() == NCONV_STATUS_UNSUPPORTED_ALGORITHM)
                                continue;
                            Results results;
                            ASSERT_EQ(problem.run(pass, &convolution, {}, false, &results),
                                      NCONV_STATUS_OK);
                            for (float& value : results.main)
                                if (std::isnan(value)) value = kNan;
                            if (first.empty()) first = results.main;
                            ASSERT_EQ(hash_bits(results.main), hash_bits(first))
                                << describe(d, pass, options);
                        }
                }
        }
}

INSTANTIATE_TEST_SUITE_P(FloatingPoint, NonFinite, testing::ValuesIn(kShapes));

// max(NaN, 0) must not hide a NaN, nor may any other activation.
TEST(Nan, PassesEveryActivation) {
    for (int32_t activation = NCONV_ACTIVATION_LINEAR; activation <= NCONV_ACTIVATION_ELU;
         ++activation) {
        nconv_conv2d_desc desc = parsed("mb1_ic3ih5_oc7_kh3ph1");
        desc.activation = activation;
        desc.activation_beta = 1;
        Problem problem(desc, Data::kReal);
        for (float& value : problem.input) value = kNan;
        uint64_t counter = 0;
        for (const Variant& variant : variants(desc, &counter)) {
            Convolution convolution(desc, variant.options);
            Results results;
            ASSERT_EQ(problem.run(NCONV_PASS_FORWARD, &convolution, {}, false, &results),
                      NCONV_STATUS_OK);
            for (float value : results.main)
                ASSERT_TRUE(std::isnan(value))
                    << describe(desc, NCONV_PASS_FORWARD, variant.options);
        }
    }
}

// Products of 2^-100 and 2^-40 are denormal, and exact.
TEST(Denormals, AreComputedExactly) {
    nconv_conv2d_desc desc = strict(parsed("mb1_ic3ih6_oc17_kh3ph1"));
    desc.has_bias = 0;
    for (int32_t layout : {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC}) {
        desc.layout = layout;
        Problem problem(desc, Data::kInteger);
        for (float& value : problem.input) value = std::ldexp(value, -100);
        for (float& value : problem.weights) value = std::ldexp(value, -40);
        for (float& value : problem.grad_output) value = std::ldexp(value, -105);
        uint64_t counter = 0;
        for (const Variant& variant : variants(desc, &counter))
            for (nconv_pass pass : {NCONV_PASS_FORWARD, NCONV_PASS_BACKWARD_INPUT}) {
                const Comparison comparison =
                    problem.check(pass, variant.options, variant.placement);
                EXPECT_TRUE(comparison.ok)
                    << comparison.failure << " " << describe(desc, pass, variant.options);
            }
    }
}

#if defined(__x86_64__)

constexpr unsigned kControl = 0xFFC0;  // all but the sticky flags
unsigned control_word() { return _mm_getcsr() & kControl; }
void set_control_word(unsigned word) { _mm_setcsr(word); }
constexpr unsigned kFlush = 0x8040;  // FTZ, DAZ
constexpr unsigned kTowardZero = 0x6000;

#elif defined(__aarch64__)

unsigned control_word() {
    uint64_t word;
    asm volatile("mrs %0, fpcr" : "=r"(word));
    return static_cast<unsigned>(word);
}
void set_control_word(unsigned word) {
    asm volatile("msr fpcr, %0" : : "r"(static_cast<uint64_t>(word)));
}
constexpr unsigned kFlush = 1u << 24;
constexpr unsigned kTowardZero = 3u << 22;

#endif

#if defined(__x86_64__) || defined(__aarch64__)

class ControlWord : public testing::Test {
protected:
    ControlWord() : before_(control_word()) {}
    ~ControlWord() override { set_control_word(before_); }
    unsigned before_;
};

TEST_F(ControlWord, IsLeftAsItWas) {
    const Problem problem(parsed(kShapes[1]), Data::kReal);
    for (unsigned bits : {0u, kFlush, kTowardZero, kFlush | kTowardZero})
        for (int32_t threads : {1, 3})
            for (nconv_isa isa : supported_isas()) {
                RunOptions options;
                options.isa = isa;
                options.threads = threads;
                Convolution convolution(problem.desc(), options);
                Results results;
                for (nconv_pass pass : kPasses) {
                    set_control_word(before_ | bits);
                    const unsigned set = control_word();
                    problem.run(pass, &convolution, {}, false, &results);
                    const unsigned after = control_word();
                    set_control_word(before_);
                    EXPECT_EQ(after, set) << describe(problem.desc(), pass, options);
                }
            }
}

// The caller's word holds in all threads: the thread count does not show in the results, and rounding
// toward zero does.
TEST_F(ControlWord, HoldsInEveryThread) {
    for (const char* text : kShapes) {
        const Problem problem(parsed(text), Data::kReal);
        for (nconv_pass pass : kPasses) {
            Results nearest, one, three;
            for (int32_t threads : {1, 3}) {
                RunOptions options;
                options.threads = threads;
                Convolution convolution(problem.desc(), options);
                problem.run(pass, &convolution, {}, false, &nearest);
                set_control_word(before_ | kTowardZero);
                problem.run(pass, &convolution, {}, false, threads == 1 ? &one : &three);
                set_control_word(before_);
            }
            EXPECT_EQ(hash_bits(one.main), hash_bits(three.main)) << text << pass_name(pass);
            EXPECT_NE(hash_bits(one.main), hash_bits(nearest.main)) << text << pass_name(pass);
        }
    }
}

TEST_F(ControlWord, FlushesInEveryThread) {
    nconv_conv2d_desc desc = parsed("mb1_ic16ih20_oc32_kh3ph1");
    desc.has_bias = 0;
    Problem problem(desc, Data::kReal);
    for (float& value : problem.input) value = std::ldexp(value, -100);
    for (float& value : problem.weights) value = std::ldexp(value, -40);
    for (int32_t threads : {1, 3}) {
        RunOptions options;
        options.threads = threads;
        Convolution convolution(desc, options);
        Results results;
        set_control_word(before_ | kFlush);
        problem.run(NCONV_PASS_FORWARD, &convolution, {}, false, &results);
        set_control_word(before_);
        for (float value : results.main) ASSERT_EQ(value, 0.0f) << threads << " threads";
    }
}

#endif

}  // namespace
}  // namespace nconv_test
