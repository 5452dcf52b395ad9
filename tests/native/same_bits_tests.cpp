// The same bits for any instruction set, thread count, alignment and architecture. The last by a
// committed table of hashes, same_bits_golden.txt, that every build must reproduce. After a change that
// is meant to change results, NCONV_WRITE_GOLDEN=FILE makes the first test write a new table.
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>

#include "common.h"
#include "random_descriptor.h"

namespace nconv_test {
namespace {

std::string hash_text(const Results& results) {
    char text[17];
    std::snprintf(
        text, sizeof text, "%016llx",
        static_cast<unsigned long long>(hash_bits(results.bias, hash_bits(results.main))));
    return text;
}

struct Case {
    std::string key;
    nconv_conv2d_desc desc;
};

std::vector<Case> cases() {
    const char* const kDescriptors[] = {
        "mb1_ic3ih23_oc17_kh7sh2ph3", "mb1_ic64ih9_oc33_kh1", "mb2_ic19ih8iw11_oc24_kh3kw3ph1pw1",
        "mb1_ic32ih7_oc16_kh3sh2ph1", "g24mb1_ic24ih11_oc24_kh3ph1", "g8mb2_ic8ih12_oc8_kh5sh2ph2",
        "g17mb1_ic17ih6_oc34_kh3ph1", "g4mb1_ic20ih8_oc36_kh3ph1",
        "mb1_ic1ih40iw37_oc1_kh3kw5ph1pw2", "g3mb1_ic3ih31_oc3_kh7ph3",
        "mb1_ic16ih9_oc16oh9_kh3ph4dh3", "mb3_ic5ih7iw9_oc6_kh3kw2sh1sw2ph1pw1dh0dw1",
        "mb1_ic256ih3_oc20_kh3ph1", "mb4_ic2ih33_oc9_kh3ph1",
        // More chunks of pixels than partial sums, a 1 x 1 layer cut both ways, channels reduced in blocks.
        "mb1_ic4ih100_oc5_kh3ph1", "mb2_ic70ih28_oc40_kh1", "mb1_ic640ih25_oc3_kh3ph4dh3",
        // Winograd by tiles of 4 and 2, in fast math of 6 and 5.
        "mb2_ic40ih13iw17_oc36_kh3kw3ph1pw2", "mb1_ic64ih5_oc70_kh3ph1",
        "fast mb1_ic33ih24_oc32_kh3ph1", "fast mb1_ic64ih10_oc40_kh3ph1",
        // Dilated, by tiles of 4, 2 and 6, the last in blocks of a part of a band.
        "mb1_ic40ih32iw17_oc36_kh3kw3ph2pw3dh1dw2", "mb2_ic64ih4iw12_oc70_kh3kw3ph2pw2dh1dw1",
        "fast mb1_ic33ih12iw186_oc32_kh3kw3ph1pw31dh0dw30",
        // By tiles of stride 2.
        "mb2_ic40ih29iw31_oc36_kh3kw3sh2sw2ph1pw0",
        // Weight gradients of small groups, of few channels, and with the input's channels in lanes.
        "g9mb2_ic36ih40_oc36_kh3ph1", "mb2_ic3ih40_oc40_kh5sh2ph2", "mb2_ic48ih40_oc33_kh1",
        // Weight gradients with pixels in lanes.
        "mb3_ic3ih37iw47_oc13_kh3kw3ph1pw1",
        // Depthwise weight gradients down columns of vectors: wide planes, strided interleaved channels.
        "g9mb1_ic9ih140iw29_oc9_kh3kw3ph1pw1", "g2mb2_ic2ih160iw40_oc2_kh5kw4sh2sw3ph2pw2dh1dw1"};
    const struct {
        nconv_activation activation;
        float alpha, beta;
    } kActivations[] = {{NCONV_ACTIVATION_LINEAR, 0, 0},       {NCONV_ACTIVATION_RELU, 0, 0},
                        {NCONV_ACTIVATION_SIGMOID, 0, 0},      {NCONV_ACTIVATION_TANH, 0, 0},
                        {NCONV_ACTIVATION_ELU, 1.5f, 0},       {NCONV_ACTIVATION_CLIP, -0.5f, 2},
                        {NCONV_ACTIVATION_LEAKY_RELU, 0.1f, 0}};
    std::vector<Case> result;
    size_t index = 0;
    for (const char* text : kDescriptors)
        for (int32_t layout : {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC}) {
            const bool is_fast = std::strncmp(text, "fast ", 5) == 0;
            nconv_conv2d_desc desc = parsed(is_fast ? text + 5 : text, layout);
            if (is_fast) desc = fast(desc);
            const auto& activation = kActivations[index++ % 7];
            desc.activation = activation.activation;
            desc.activation_alpha = activation.alpha;
            desc.activation_beta = activation.beta;
            result.push_back({std::string(text) +
                                  (layout == NCONV_LAYOUT_NCHW ? " nchw" : " nhwc") +
                                  " activation" + std::to_string(activation.activation),
                              desc});
        }
    return result;
}

std::map<std::string, std::string> read_golden() {
    const char* path = std::getenv("NCONV_TEST_GOLDEN");
    std::ifstream file(path ? path : NCONV_TEST_GOLDEN);
    std::map<std::string, std::string> golden;
    for (std::string line; std::getline(file, line);)
        if (line.size() > 17 && line[0] != '#') golden[line.substr(17)] = line.substr(0, 16);
    return golden;
}

TEST(SameBits, AsInTheCommittedTable) {
    std::map<std::string, std::string> golden = read_golden();
    std::ofstream written;
    if (const char* path = std::getenv("NCONV_WRITE_GOLDEN")) {
        written.open(path);
        written << "# Hashes of results on real data, the same on every platform; see "
                   "same_bits_tests.cpp.\n";
    }
    uint64_t turn = 0;
    for (const Case& c : cases()) {
        const Problem problem(c.desc, Data::kReal, 7);
        for (nconv_pass pass : kPasses) {
            const std::string key = c.key + " " + pass_name(pass);
            for (nconv_isa isa : supported_isas())
                for (int32_t threads : {1, 2, 3, 7}) {
                    RunOptions options;
                    options.isa = isa;
                    options.threads = threads;
                    if (threads > 2) options.parallel_for = run_on_threads;
                    options.placement.offset = 4 * (turn % 16);
                    Convolution convolution(c.desc, options);
                    Results results;
                    ASSERT_EQ(problem.run(pass, &convolution, {Placement::kStart, 4 * (turn % 17)},
                                          false, &results),
                              NCONV_STATUS_OK);
                    ++turn;
                    const std::string hash = hash_text(results);
                    if (written.is_open() && isa == supported_isas().front() && threads == 1) {
                        written << hash << " " << key << "\n";
                        golden[key] = hash;
                    }
                    ASSERT_EQ(hash, golden[key]) << key << " " << describe(c.desc, pass, options);
                }
        }
    }
}

// Without a table: whatever each algorithm gives for one instruction set and thread, it gives for all.
TEST(SameBits, AcrossInstructionSetsThreadsAndAlignments) {
    const std::vector<std::string> names = algorithm_names();
    for (uint64_t i = 0; i < 60; ++i) {
        nconv_conv2d_desc desc = fast(random_descriptor(6, i, 2e5));
        desc.layout = static_cast<int32_t>(i % 2);
        desc.activation = static_cast<int32_t>(i / 2 % 7);
        desc.activation_alpha = 0.3f;
        desc.activation_beta = 1;
        const Problem problem(desc, Data::kReal, i);
        for (const std::string& name : names)
            for (nconv_pass pass : kPasses) {
                std::string first;
                uint64_t turn = i;
                for (nconv_isa isa : supported_isas())
                    for (int32_t threads : {1, 2, 3, 16}) {
                        RunOptions options;
                        options.isa = isa;
                        options.algorithm = name.c_str();
                        options.threads = threads;
                        if (threads > 2) options.parallel_for = run_on_threads;
                        Convolution convolution(desc, options);
                        if (convolution.status() == NCONV_STATUS_UNSUPPORTED_ALGORITHM) continue;
                        Results results;
                        ASSERT_EQ(
                            problem.run(pass, &convolution, {Placement::kEnd, 4 * (turn++ % 16)},
                                        false, &results),
                            NCONV_STATUS_OK);
                        const std::string hash = hash_text(results);
                        if (first.empty()) first = hash;
                        ASSERT_EQ(hash, first) << describe(desc, pass, options);
                    }
            }
    }
}

// One image at a time gives what the batch gives.
TEST(SameBits, AcrossSplitsOfTheBatch) {
    for (const char* text :
         {"_ic19ih8_oc24_kh3ph1", "g24_ic24ih11_oc24_kh3ph1", "_ic64ih9_oc33_kh1"})
        for (int32_t layout : {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC}) {
            const nconv_conv2d_desc four = parsed(std::string("mb4") + text, layout);
            nconv_conv2d_desc one = four;
            one.batch = 1;
            const Problem problem(four, Data::kReal);
            Convolution all(four), single(one);
            Results together;
            ASSERT_EQ(problem.run(NCONV_PASS_FORWARD, &all, {}, false, &together), NCONV_STATUS_OK);
            const size_t in = problem.input.size() / 4, out = together.main.size() / 4;
            for (size_t n = 0; n < 4; ++n) {
                Problem part(one, Data::kReal);
                part.weights = problem.weights;
                part.bias = problem.bias;
                part.input.assign(
                    problem.input.begin() + static_cast<std::ptrdiff_t>(n * in),
                    problem.input.begin() + static_cast<std::ptrdiff_t>((n + 1) * in));
                Results alone;
                ASSERT_EQ(part.run(NCONV_PASS_FORWARD, &single, {}, false, &alone),
                          NCONV_STATUS_OK);
                const auto begin = together.main.begin() + static_cast<std::ptrdiff_t>(n * out);
                EXPECT_EQ(hash_bits(alone.main),
                          hash_bits({begin, begin + static_cast<std::ptrdiff_t>(out)}))
                    << text;
            }
        }
}

}  // namespace
}  // namespace nconv_test
