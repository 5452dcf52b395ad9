#ifndef NATIVECONV_BENCHMARKS_NATIVE_OPTIONS_H
#define NATIVECONV_BENCHMARKS_NATIVE_OPTIONS_H

#include <nativeconv.h>

#include <cstdint>
#include <string>
#include <vector>

#include "descriptor.h"

namespace nconv_bench {

enum class Mode { kPerf, kCorrect };

struct Options {
    Mode mode = Mode::kPerf;
    std::vector<int> passes = {NCONV_PASS_FORWARD};
    std::vector<nconv_layout> layouts = {NCONV_LAYOUT_NCHW};
    nconv_math_mode math = NCONV_MATH_MODE_DEFAULT;
    nconv_activation activation = NCONV_ACTIVATION_LINEAR;
    std::vector<int32_t> isas = {-1};            // -1: the best one
    std::vector<std::string> algorithms = {""};  // empty: the library chooses
    std::vector<int32_t> threads = {0};          // 0: nconv_thread_count()
    bool cold = false;
    bool products = false;  // weights of rank one
    uint64_t seed = 1;
    std::vector<nconv_test::Descriptor> descriptors;
};

extern const char kUsage[];

// Returns an empty string, or what is wrong. --help sets *help.
std::string parse_options(int count, char** arguments, Options* options, bool* help);

const char* layout_name(nconv_layout layout);
const char* math_name(nconv_math_mode math);

}  // namespace nconv_bench

#endif  // NATIVECONV_BENCHMARKS_NATIVE_OPTIONS_H
