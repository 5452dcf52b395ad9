// A descriptor with its data and, once asked for, the expected results: what tests and nconv_bench
// compare the library with.
#ifndef NATIVECONV_TESTS_NATIVE_SUPPORT_PROBLEM_H
#define NATIVECONV_TESTS_NATIVE_SUPPORT_PROBLEM_H

#include <nativeconv.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "reference.h"
#include "run.h"

namespace nconv_test {

enum class Data {
    kInteger,  // every direct summation order gives the same float: results must be equal
    kReal      // results must lie within the derived bound
};

struct Results {
    std::vector<float> main;  // output, grad_input or grad_weights
    std::vector<float> bias;  // grad_bias
};

struct Comparison {
    bool ok = false;
    double error = 0;     // of the element whose error is the largest part of its bound,
    double bound = 0;     // and its bound; 0 if results must be equal
    std::string failure;  // the first element that differs, or a status
};

class Problem {
public:
    Problem(const nconv_conv2d_desc& desc, Data data, uint64_t seed = 1);

    const nconv_conv2d_desc& desc() const { return desc_; }
    Data data() const { return data_; }
    std::vector<float> input, weights, bias;
    std::vector<float> output;  // "saved": made up, independent of forward
    std::vector<float> grad_output;
    std::vector<float> residual;               // of forward; empty: none
    std::vector<float> old_weights, old_bias;  // what accumulate adds to

    // Makes up a residual; before anything is compared.
    void add_residual();

    // Makes the weights of each output channel the product of a column and a row, which separable runs
    // in two passes: exactly on integer data, else rounded. With one input channel per group.
    void make_products();

    // Runs one pass with every buffer between guard pages. Status INTERNAL also stands for a
    // written margin.
    nconv_status run(nconv_pass pass, Convolution* convolution, Placement placement,
                     bool accumulate, Results* results) const;

    // The one call for the gradients, as run() does a pass; what is null is not wanted.
    nconv_status run_backward(Convolution* convolution, Placement placement, bool accumulate,
                              Results* input_results, Results* weights_results) const;

    // Runs and compares with the reference, which is computed once per pass.
    Comparison check(nconv_pass pass, const RunOptions& options, Placement placement = {});
    // algorithm: what computed the results; Winograd's have bounds of their own, also on integers.
    Comparison compare(nconv_pass pass, bool accumulate, const Results& results,
                       const std::string& algorithm);
    const ExpectedGradients& expected(nconv_pass pass);

private:
    const std::vector<double>& winograd(nconv_pass pass, int tile);

    nconv_conv2d_desc desc_;
    Data data_;
    uint64_t seed_;
    int roundings_ = 0;  // more than direct summation has
    std::map<nconv_pass, ExpectedGradients> expected_;
    std::map<std::pair<nconv_pass, int>, std::vector<double>> winograd_;  // bounds, by tile
};

}  // namespace nconv_test

#endif  // NATIVECONV_TESTS_NATIVE_SUPPORT_PROBLEM_H
