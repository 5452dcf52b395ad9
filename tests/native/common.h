// Helpers of the native tests.
#ifndef NATIVECONV_TESTS_NATIVE_COMMON_H
#define NATIVECONV_TESTS_NATIVE_COMMON_H

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "descriptor.h"
#include "problem.h"
#include "run.h"

namespace nconv_test {

// A problem of h and w that differ in everything: a mix-up of the two cannot hide.
nconv_conv2d_desc small_desc();

// parse_descriptor that fails the test, with a layout.
nconv_conv2d_desc parsed(const std::string& text, int32_t layout = NCONV_LAYOUT_NCHW);

// Multiplications of one pass, taps in padding included.
double multiply_adds(const nconv_conv2d_desc& desc);

std::string describe(const nconv_conv2d_desc& desc, nconv_pass pass, const RunOptions& options);

// The descriptor in the math mode that accepts the most algorithms, and in the one that only sums directly.
nconv_conv2d_desc fast(nconv_conv2d_desc desc);
nconv_conv2d_desc strict(nconv_conv2d_desc desc);

// One per instruction set and algorithm that accepts desc. Threads (1, 2, 3 of the test's own) and
// placements rotate with *counter, so that a test over many shapes meets every combination.
struct Variant {
    RunOptions options;
    std::string algorithm;  // what options.algorithm points to
    Placement placement;    // of the tensors
};
std::vector<Variant> variants(const nconv_conv2d_desc& desc, uint64_t* counter);

// Adds up how much a test has compared, and how much of it was not zero.
struct Coverage {
    uint64_t runs = 0;
    uint64_t values = 0;
    uint64_t nonzero = 0;

    void add(const Expected& expected);
    // Fails the test if it compared mostly zeros.
    void expect_meaningful() const;
};

// Runs every pass of fast(desc) in every variant and compares with the reference.
void check_all(const nconv_conv2d_desc& desc, Data data, uint64_t* counter, Coverage* coverage);

// The path of a file in tests/shapes.
std::string shape_file(const std::string& name);

// Every step-th shape of a file: a test of all of them would keep one processor busy for minutes after the
// others are done.
struct ShapePart {
    const char* file;
    size_t first, step;
};
std::vector<ShapePart> shape_parts();  // of regression.txt and tails.txt
std::vector<Descriptor> shapes_of(const ShapePart& part);
std::string name_of_part(const testing::TestParamInfo<ShapePart>& info);
void PrintTo(const ShapePart& part, std::ostream* stream);

// 64-bit FNV-1a over the bits of the values.
uint64_t hash_bits(const std::vector<float>& values, uint64_t hash = 0xCBF29CE484222325ull);

}  // namespace nconv_test

#endif  // NATIVECONV_TESTS_NATIVE_COMMON_H
