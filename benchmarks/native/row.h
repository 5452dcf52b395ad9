#ifndef NATIVECONV_BENCHMARKS_NATIVE_ROW_H
#define NATIVECONV_BENCHMARKS_NATIVE_ROW_H

#include <nativeconv.h>

#include <string>

#include "options.h"

namespace nconv_bench {

// What is measured: one row of the output.
struct Job {
    nconv_conv2d_desc desc;  // layout and math mode set
    std::string text;        // the descriptor as given
    int pass;
    int32_t isa;  // -1: the best one
    std::string algorithm;
    int32_t threads;
    bool products;  // weights of rank one
};

struct Row {
    int32_t isa = -1;  // what the plan uses
    std::string algorithm;
    double min_us = -1, median_us = -1, gflops = -1, peak_gflops = -1, gb_per_s = -1;  // -1: empty
    double max_error = -1, error_bound = -1;
    std::string status;
    bool has_check = false;
    double check = 0;
};

void print_header();
void print_row(const Job& job, const Row& row);

// "unsupported: why" if the library may decline that, otherwise "error: why".
std::string status_of(nconv_status status);

}  // namespace nconv_bench

#endif  // NATIVECONV_BENCHMARKS_NATIVE_ROW_H
