#include "correct.h"

#include <cstdio>

namespace nconv_bench {

using nconv_test::Comparison;
using nconv_test::Convolution;
using nconv_test::Problem;
using nconv_test::Results;

namespace {

nconv_status compare(int pass, Problem& problem, Convolution* convolution, Comparison* comparison) {
    const auto compared = [&](nconv_pass of, const Results& results) {
        return problem.compare(of, false, results, convolution->algorithm(of));
    };
    Results results, of_weights;
    if (pass != nconv_test::kBackward) {
        const nconv_pass one = static_cast<nconv_pass>(pass);
        const nconv_status status = problem.run(one, convolution, {}, false, &results);
        if (status == NCONV_STATUS_OK) *comparison = compared(one, results);
        return status;
    }
    const nconv_status status = problem.run_backward(convolution, {}, false, &results, &of_weights);
    if (status != NCONV_STATUS_OK) return status;
    *comparison = compared(NCONV_PASS_BACKWARD_INPUT, results);
    if (comparison->ok) *comparison = compared(NCONV_PASS_BACKWARD_WEIGHTS, of_weights);
    return status;
}

}  // namespace

Row check_job(const Job& job, Problem* integers, Problem* reals) {
    nconv_test::RunOptions run;
    run.isa = job.isa;
    run.algorithm = job.algorithm.empty() ? nullptr : job.algorithm.c_str();
    run.threads = job.threads;
    Row row;
    Convolution convolution(job.desc, run);
    if (convolution.status() != NCONV_STATUS_OK) {
        row.status = status_of(convolution.status());
        return row;
    }
    row.isa = convolution.info().isa;
    row.algorithm = convolution.algorithm(job.pass);
    row.status = "ok";
    for (Problem* problem : {integers, reals}) {
        Comparison comparison;
        const nconv_status status = compare(job.pass, *problem, &convolution, &comparison);
        if (status != NCONV_STATUS_OK) {
            row.status = status_of(status);
            return row;
        }
        if (problem == reals) {
            row.max_error = comparison.error;
            row.error_bound = comparison.bound;
        }
        if (comparison.ok) continue;
        row.status = "mismatch";
        std::fprintf(stderr, "%s, %s data: %s\n", job.text.c_str(),
                     problem == integers ? "integer" : "real", comparison.failure.c_str());
    }
    return row;
}

}  // namespace nconv_bench
