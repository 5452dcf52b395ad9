#include "common.h"

#include <cstdlib>
#include <cstring>

namespace nconv_test {

namespace {

// Multiply-adds of the largest shape for which the scalar set is tried. An emulator takes 20 ns for
// each of any set, and this set is tried on all shapes by the processors that run tests without one.
#ifdef NCONV_TEST_EMULATED
constexpr double kLargestScalar = 3e5;
#else
constexpr double kLargestScalar = 1e12;
#endif

}  // namespace

nconv_conv2d_desc small_desc() { return parsed("g1mb2_ic5ih7iw9_oc6_kh3kw2sh1sw2ph1pw1dh0dw1"); }

nconv_conv2d_desc parsed(const std::string& text, int32_t layout) {
    Descriptor descriptor{};
    EXPECT_EQ(parse_descriptor(text, &descriptor), "") << text;
    descriptor.desc.layout = layout;
    return descriptor.desc;
}

nconv_conv2d_desc fast(nconv_conv2d_desc desc) {
    desc.math_mode = NCONV_MATH_MODE_FAST;
    return desc;
}

nconv_conv2d_desc strict(nconv_conv2d_desc desc) {
    desc.math_mode = NCONV_MATH_MODE_STRICT;
    return desc;
}

double multiply_adds(const nconv_conv2d_desc& desc) {
    return static_cast<double>(desc.batch * desc.output_channels) *
           static_cast<double>(output_height(desc) * output_width(desc)) *
           static_cast<double>(desc.input_channels / desc.groups) *
           static_cast<double>(desc.kernel_h * desc.kernel_w);
}

std::string describe(const nconv_conv2d_desc& desc, nconv_pass pass, const RunOptions& options) {
    const char* isa = nconv_isa_name(static_cast<nconv_isa>(options.isa));
    return format_descriptor(desc) + (desc.layout == NCONV_LAYOUT_NCHW ? " nchw " : " nhwc ") +
           pass_name(pass) + " isa " + (isa ? isa : "auto") + " algorithm " +
           (options.algorithm ? options.algorithm : "auto") + " threads " +
           std::to_string(options.threads) + " activation " + std::to_string(desc.activation) +
           " bias " + std::to_string(desc.has_bias);
}

std::vector<Variant> variants(const nconv_conv2d_desc& desc, uint64_t* counter) {
    static const std::vector<std::string> names = algorithm_names();
    static const Placement kTensors[] = {{Placement::kEnd, 0},  {Placement::kStart, 0},
                                         {Placement::kEnd, 12}, {Placement::kStart, 4},
                                         {Placement::kEnd, 60}, {Placement::kStart, 28}};
    static const Placement kScratch[] = {{Placement::kEnd, 0},
                                         {Placement::kStart, 0},
                                         {Placement::kEnd, 1},
                                         {Placement::kStart, 20},
                                         {Placement::kStart, 64}};
    std::vector<Variant> result;
    for (nconv_isa isa : supported_isas()) {
        if (isa == NCONV_ISA_SCALAR && multiply_adds(desc) > kLargestScalar) continue;
        for (const std::string& name : names) {
            Variant variant;
            variant.algorithm = name;
            variant.options.isa = isa;
            variant.options.algorithm = name.c_str();
            if (Convolution(desc, variant.options).status() == NCONV_STATUS_UNSUPPORTED_ALGORITHM)
                continue;
            const uint64_t turn = (*counter)++;
            variant.options.threads = static_cast<int32_t>(1 + turn % 3);
            if (turn % 3 == 2) variant.options.parallel_for = run_on_threads;
            variant.options.placement = kScratch[turn % 5];
            variant.placement = kTensors[turn / 3 % 6];
            result.push_back(variant);
        }
    }
    return result;
}

void Coverage::add(const Expected& expected) {
    ++runs;
    values += expected.values.size();
    for (double value : expected.values) nonzero += value != 0;
}

void Coverage::expect_meaningful() const {
    EXPECT_GT(runs, 0u);
    EXPECT_GT(nonzero * 2, values) << "most of what was compared is zero";
}

void check_all(const nconv_conv2d_desc& given, Data data, uint64_t* counter, Coverage* coverage) {
    const nconv_conv2d_desc desc = fast(given);
    Problem problem(desc, data, *counter + 1);
    for (const Variant& variant : variants(desc, counter)) {
        Convolution convolution(desc, variant.options);
        ASSERT_EQ(convolution.status(), NCONV_STATUS_OK) << format_descriptor(desc);
        for (nconv_pass pass : kPasses) {
            if (convolution.algorithm(pass) != variant.algorithm)
                continue;  // a pass it does not serve
            const bool accumulate = variant.options.threads == 2;
            Results results;
            ASSERT_EQ(problem.run(pass, &convolution, variant.placement, accumulate, &results),
                      NCONV_STATUS_OK)
                << describe(desc, pass, variant.options);
            const Comparison comparison =
                problem.compare(pass, accumulate, results, variant.algorithm);
            ASSERT_TRUE(comparison.ok)
                << comparison.failure << "\n  " << describe(desc, pass, variant.options);
            coverage->add(problem.expected(pass).weights);
        }
    }
}

std::string shape_file(const std::string& name) {
    const char* directory = std::getenv("NCONV_TEST_SHAPES");
    return std::string(directory ? directory : NCONV_TEST_SHAPES) + "/" + name;
}

std::vector<ShapePart> shape_parts() {
    std::vector<ShapePart> result = {{"regression.txt", 0, 1}};
    for (size_t first = 0; first < 6; ++first) result.push_back({"tails.txt", first, 6});
    return result;
}

std::vector<Descriptor> shapes_of(const ShapePart& part) {
    std::vector<Descriptor> all, result;
    EXPECT_EQ(read_shape_file(shape_file(part.file), &all), "");
    for (size_t i = part.first; i < all.size(); i += part.step) result.push_back(all[i]);
    return result;
}

std::string name_of_part(const testing::TestParamInfo<ShapePart>& info) {
    const std::string file = info.param.file, name = file.substr(0, file.find('.'));
    return info.param.step == 1 ? name : name + "_" + std::to_string(info.param.first + 1);
}

void PrintTo(const ShapePart& part, std::ostream* stream) {
    *stream << part.file << " from " << part.first << " by " << part.step;
}

uint64_t hash_bits(const std::vector<float>& values, uint64_t hash) {
    for (float value : values) {
        uint32_t bits;
        std::memcpy(&bits, &value, sizeof bits);
        for (int byte = 0; byte < 4; ++byte)
            hash = (hash ^ (bits >> 8 * byte & 0xFF)) * 0x100000001B3ull;
    }
    return hash;
}

}  // namespace nconv_test
