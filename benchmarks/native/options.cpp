#include "options.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "random_descriptor.h"
#include "run.h"

namespace nconv_bench {

using nconv_test::Descriptor;

const char kUsage[] =
    R"(usage: nconv_bench [options] DESCRIPTOR...

Measures the speed of NativeConv or compares it with a double-precision reference. One row of CSV per
combination of descriptor, layout, pass, instruction set, algorithm and thread count.

  --mode=perf|correct               what to do (perf)
  --dir=fwd|bwd_d|bwd_w|all         pass: forward, gradient by input, gradient by weights (fwd)
  --dir=bwd|bwd_2                   both gradients in one call; in two, one after the other (perf)
  --layout=nchw|nhwc|both           memory layout (nchw)
  --math=default|strict|fast        math mode (default)
  --activation=NAME                 linear, relu, leaky_relu (0.1), clip (0 to 6), sigmoid, tanh or
                                    elu (1) (linear)
  --isa=auto|NAME|all               scalar, avx2, avx512, neon, a list of them, or all (auto)
  --algorithm=NAME|all              an algorithm, a list, or every one there is (the library chooses)
  --threads=N                       threads per call, or a list; 0: one per processor (0)
  --weights=random|product          product: of a column and a row for each channel, as image filters
                                    are; one input channel per group (random)
  --cold                            perf: pack the weights within the measured time
  --batch=FILE                      descriptors from a file, one a line, # starts a comment
  --random=N                        N random small descriptors
  --seed=S                          seed of data and random descriptors (1)
  --help                            this text

DESCRIPTOR is a problem in the grammar of oneDNN's benchdnn: g1mb1_ic64ih56_oc64oh56_kh3sh1ph1dh0n"name".
g groups (1), mb batch (2), ic oc channels, ih iw oh ow sizes, kh kw kernel, sh sw strides (1), ph pw
padding before, dh dw dilation, 0 for a dense kernel (0). Without any w key the problem is square, with w
keys only it has one row. Output sizes may be left out; given with the padding, they set the padding after.

Columns: gflops and gb_per_s follow from min_us, the nominal 2*N*O*P*Q*(C/G)*R*S operations and the
tensors read and written once. peak_gflops is the multiply-add peak of as many cores, measured around
the row. max_error and error_bound are of real data; integer data must agree bit for bit.
check is a sum of the result with weights from 1 to 13: rivals given the same problem have the same.
status: ok; mismatch; unsupported: why; disturbed (perf: in every try the peak
before and after differed by over 3 %, or was below 75 % of the best seen).
Exit code: 0, 1 after a mismatch or an error of the library, 2 for wrong usage.
)";

namespace {

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> parts;
    for (size_t begin = 0; begin <= list.size();) {
        const size_t end = std::min(list.find(',', begin), list.size());
        parts.push_back(list.substr(begin, end - begin));
        begin = end + 1;
    }
    return parts;
}

bool parse_number(const std::string& text, uint64_t most, uint64_t* value) {
    if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos) return false;
    *value = std::strtoull(text.c_str(), nullptr, 10);
    return *value <= most && text.size() < 20;
}

std::string parse_isas(const std::string& text, std::vector<int32_t>* isas) {
    isas->clear();
    for (const std::string& name : split(text)) {
        if (name == "auto") {
            isas->push_back(-1);
        } else if (name == "all") {
            for (nconv_isa isa : nconv_test::supported_isas()) isas->push_back(isa);
        } else {
            int32_t found = -1;
            for (int32_t value = 0; value < 32; ++value) {
                const char* known = nconv_isa_name(static_cast<nconv_isa>(value));
                if (known && name == known) found = value;
            }
            if (found < 0) return "--isa: unknown instruction set '" + name + "'";
            isas->push_back(found);
        }
    }
    return "";
}

std::string parse_threads(const std::string& text, std::vector<int32_t>* threads) {
    threads->clear();
    for (const std::string& part : split(text)) {
        uint64_t value = 0;
        if (!parse_number(part, 4096, &value))
            return "--threads: '" + part + "' is not a number of threads";
        threads->push_back(static_cast<int32_t>(value));
    }
    return "";
}

template <typename T>
std::string choose(const char* option, const std::string& text,
                   std::initializer_list<std::pair<const char*, T>> choices, T* value) {
    for (const auto& choice : choices) {
        if (text != choice.first) continue;
        *value = choice.second;
        return "";
    }
    std::string known;
    for (const auto& choice : choices)
        known += std::string(known.empty() ? "" : ", ") + choice.first;
    return std::string(option) + ": '" + text + "' is none of " + known;
}

std::string add_descriptor(const std::string& text, std::vector<Descriptor>* descriptors) {
    Descriptor descriptor;
    const std::string error = nconv_test::parse_descriptor(text, &descriptor);
    if (!error.empty()) return "descriptor " + text + ": " + error;
    descriptors->push_back(descriptor);
    return "";
}

// One option; random descriptors wait for the seed.
std::string parse_option(const std::string& name, const std::string& value, Options* options,
                         uint64_t* random) {
    if (name == "--mode")
        return choose<Mode>("--mode", value, {{"perf", Mode::kPerf}, {"correct", Mode::kCorrect}},
                            &options->mode);
    if (name == "--dir")
        return choose<std::vector<int>>(
            "--dir", value,
            {{"fwd", {NCONV_PASS_FORWARD}},
             {"bwd_d", {NCONV_PASS_BACKWARD_INPUT}},
             {"bwd_w", {NCONV_PASS_BACKWARD_WEIGHTS}},
             {"bwd", {nconv_test::kBackward}},
             {"bwd_2", {nconv_test::kBackwardPair}},
             {"all", {std::begin(nconv_test::kPasses), std::end(nconv_test::kPasses)}}},
            &options->passes);
    if (name == "--layout")
        return choose<std::vector<nconv_layout>>("--layout", value,
                                                 {{"nchw", {NCONV_LAYOUT_NCHW}},
                                                  {"nhwc", {NCONV_LAYOUT_NHWC}},
                                                  {"both", {NCONV_LAYOUT_NCHW, NCONV_LAYOUT_NHWC}}},
                                                 &options->layouts);
    if (name == "--math")
        return choose<nconv_math_mode>("--math", value,
                                       {{"default", NCONV_MATH_MODE_DEFAULT},
                                        {"strict", NCONV_MATH_MODE_STRICT},
                                        {"fast", NCONV_MATH_MODE_FAST}},
                                       &options->math);
    if (name == "--activation")
        return choose<nconv_activation>("--activation", value,
                                        {{"linear", NCONV_ACTIVATION_LINEAR},
                                         {"relu", NCONV_ACTIVATION_RELU},
                                         {"leaky_relu", NCONV_ACTIVATION_LEAKY_RELU},
                                         {"clip", NCONV_ACTIVATION_CLIP},
                                         {"sigmoid", NCONV_ACTIVATION_SIGMOID},
                                         {"tanh", NCONV_ACTIVATION_TANH},
                                         {"elu", NCONV_ACTIVATION_ELU}},
                                        &options->activation);
    if (name == "--weights")
        return choose<bool>("--weights", value, {{"random", false}, {"product", true}},
                            &options->products);
    if (name == "--isa") return parse_isas(value, &options->isas);
    if (name == "--threads") return parse_threads(value, &options->threads);
    if (name == "--algorithm") {
        options->algorithms = value == "all" ? nconv_test::algorithm_names() : split(value);
        return "";
    }
    if (name == "--batch") return nconv_test::read_shape_file(value, &options->descriptors);
    if (name == "--random")
        return parse_number(value, 1000000, random) ? "" : "--random: '" + value + "' is no count";
    if (name == "--seed")
        return parse_number(value, ~0ull, &options->seed) ? ""
                                                          : "--seed: '" + value + "' is no number";
    return "unknown option " + name;
}

}  // namespace

std::string parse_options(int count, char** arguments, Options* options, bool* help) {
    uint64_t random = 0;
    for (int i = 1; i < count; ++i) {
        const std::string argument = arguments[i];
        std::string error;
        if (argument == "--help") {
            *help = true;
        } else if (argument == "--cold") {
            options->cold = true;
        } else if (argument.compare(0, 2, "--") == 0) {
            const size_t equals = argument.find('=');
            error = equals == std::string::npos
                        ? "option " + argument + " lacks =VALUE"
                        : parse_option(argument.substr(0, equals), argument.substr(equals + 1),
                                       options, &random);
        } else {
            error = add_descriptor(argument, &options->descriptors);
        }
        if (!error.empty()) return error;
    }
    for (uint64_t i = 0; i < random; ++i)
        add_descriptor(
            nconv_test::format_descriptor(nconv_test::random_descriptor(options->seed, i)),
            &options->descriptors);
    if (options->descriptors.empty() && !*help)
        return "no descriptors: give some, or --batch or --random";
    return "";
}

const char* layout_name(nconv_layout layout) {
    return layout == NCONV_LAYOUT_NCHW ? "nchw" : "nhwc";
}

const char* math_name(nconv_math_mode math) {
    switch (math) {
        case NCONV_MATH_MODE_STRICT:
            return "strict";
        case NCONV_MATH_MODE_FAST:
            return "fast";
        default:
            return "default";
    }
}

}  // namespace nconv_bench
