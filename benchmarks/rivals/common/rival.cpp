#include "rival.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace rivals {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kSampleSeconds = 40e-6;
constexpr double kTotalSeconds = 0.15;
constexpr size_t kFewestSamples = 5;
// A rival that takes half a second for a call need not take it often.
constexpr double kLongSeconds = 1;
constexpr size_t kFewestLongSamples = 2;

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

[[noreturn]] void fail(const std::string& message) {
    std::fprintf(stderr,
                 "%s\nusage: --batch=FILE [--dir=fwd|bwd_d|bwd_w|all] [--layout=nchw|nhwc|both] "
                 "[--threads=N]\n",
                 message.c_str());
    std::exit(2);
}

}  // namespace

Options parse_options(int count, char** arguments) {
    Options options;
    for (int i = 1; i < count; ++i) {
        const std::string argument = arguments[i];
        const size_t equals = std::min(argument.find('='), argument.size());
        const std::string name = argument.substr(0, equals);
        const std::string value = argument.substr(std::min(equals + 1, argument.size()));
        if (name == "--batch") {
            const std::string error = nconv_test::read_shape_file(value, &options.descriptors);
            if (!error.empty()) fail(error);
        } else if (name == "--dir") {
            options.passes = {value};
            if (value == "all") options.passes = {"fwd", "bwd_d", "bwd_w"};
        } else if (name == "--layout") {
            options.layouts.clear();
            if (value != "nhwc") options.layouts.push_back(NCONV_LAYOUT_NCHW);
            if (value != "nchw") options.layouts.push_back(NCONV_LAYOUT_NHWC);
        } else if (name == "--threads") {
            options.threads = std::atoi(value.c_str());
        } else {
            fail("unknown option " + argument);
        }
    }
    if (options.descriptors.empty()) fail("no descriptors");
    if (options.threads < 1) fail("--threads: one or more");
    return options;
}

Tensor::Tensor(const nconv_bench::Extent& extent, uint64_t seed, size_t skew)
    : extent_(extent), storage_(static_cast<size_t>(extent.count()) * 4 + 2 * 4096) {
    const size_t address = reinterpret_cast<size_t>(storage_.data());
    data_ = reinterpret_cast<float*>(storage_.data() + (4096 - address % 4096) % 4096 + skew);
    nconv_bench::fill_logical(extent, seed, data_);
}

void Tensor::clear() { std::memset(data_, 0, static_cast<size_t>(extent_.count()) * 4); }

namespace {

nconv_conv2d_desc with_layout(nconv_conv2d_desc desc, nconv_layout layout) {
    desc.layout = layout;
    return desc;
}

// The order of weights that every rival takes: [O][C/G][R][S].
nconv_bench::Extent plain_weights(const nconv_conv2d_desc& desc) {
    return nconv_bench::weights_extent(with_layout(desc, NCONV_LAYOUT_NCHW));
}

}  // namespace

Problem::Problem(const nconv_test::Descriptor& descriptor, nconv_layout layout)
    : desc(with_layout(descriptor.desc, layout)),
      name(descriptor.name),
      input(nconv_bench::input_extent(desc), nconv_bench::kInputSeed, 0),
      output(nconv_bench::output_extent(desc), nconv_bench::kOutputSeed, 1344),
      weights(plain_weights(desc), nconv_bench::kWeightsSeed, 2624),
      bias({1, desc.output_channels, 1, false}, nconv_bench::kBiasSeed, 3392) {}

Times measure(const std::function<void()>& run) {
    Clock::time_point begin = Clock::now();
    run();  // touches all memory, wakes all threads
    const double first = seconds_since(begin);
    if (first > kLongSeconds) return {first * 1e6, first * 1e6};
    begin = Clock::now();
    run();
    const double once = std::max(seconds_since(begin), 1e-7);
    const int64_t calls = std::max<int64_t>(1, static_cast<int64_t>(kSampleSeconds / once));
    std::vector<double> samples;
    const Clock::time_point start = Clock::now();
    auto enough = [&] {
        const double seconds = seconds_since(start);
        if (seconds > kLongSeconds) return samples.size() >= kFewestLongSamples;
        return seconds > kTotalSeconds && samples.size() >= kFewestSamples;
    };
    while (!enough()) {
        begin = Clock::now();
        for (int64_t i = 0; i < calls; ++i) run();
        samples.push_back(seconds_since(begin) / static_cast<double>(calls));
    }
    std::sort(samples.begin(), samples.end());
    return {samples.front() * 1e6, samples[samples.size() / 2] * 1e6};
}

void print_header() { std::puts("engine,layout,threads,name,pass,min_us,median_us,check"); }

void print_row(const std::string& engine, const Problem& problem, int threads,
               const std::string& pass, const Times& times, double check) {
    const char* layout = problem.desc.layout == NCONV_LAYOUT_NCHW ? "nchw" : "nhwc";
    std::printf("%s,%s,%d,%s,%s,%.3f,%.3f,", engine.c_str(), layout, threads, problem.name.c_str(),
                pass.c_str(), times.min_us, times.median_us);
    if (!std::isnan(check)) std::printf("%.9g", check);
    std::putchar('\n');
    std::fflush(stdout);
}

}  // namespace rivals
