// What the rivals in C++ share: options, problems and data as nconv_bench has them, its way to take the
// time, and rows of CSV: engine,layout,threads,name,pass,min_us,median_us,check.
#ifndef NATIVECONV_BENCHMARKS_RIVALS_RIVAL_H
#define NATIVECONV_BENCHMARKS_RIVALS_RIVAL_H

#include <functional>
#include <string>
#include <vector>

#include "descriptor.h"
#include "logical.h"

namespace rivals {

struct Options {
    std::vector<nconv_test::Descriptor> descriptors;
    std::vector<std::string> passes = {"fwd"};
    std::vector<nconv_layout> layouts = {NCONV_LAYOUT_NCHW};
    int threads = 1;
};

// Exits with 2 and a message for wrong usage.
Options parse_options(int count, char** arguments);

// Aligned memory; `skew` keeps tensors from having the same low 12 address bits.
class Tensor {
public:
    Tensor(const nconv_bench::Extent& extent, uint64_t seed, size_t skew);
    float* data() { return data_; }
    const nconv_bench::Extent& extent() const { return extent_; }
    void clear();

private:
    nconv_bench::Extent extent_;
    std::vector<unsigned char> storage_;
    float* data_;
};

// A problem with its data. In the backward passes `output` is the gradient by the output, and
// `input` or `weights` takes the result.
struct Problem {
    explicit Problem(const nconv_test::Descriptor& descriptor, nconv_layout layout);

    nconv_conv2d_desc desc;
    std::string name;
    Tensor input, output, weights, bias;
};

struct Times {
    double min_us, median_us;
};

// As nconv_bench does: samples of at least 40 us, for at least 0.15 s.
Times measure(const std::function<void()>& run);

void print_header();
// A check of NaN is left out.
void print_row(const std::string& engine, const Problem& problem, int threads,
               const std::string& pass, const Times& times, double check);

}  // namespace rivals

#endif  // NATIVECONV_BENCHMARKS_RIVALS_RIVAL_H
