#include "correct.h"

#include <cstdio>

namespace nconv_bench {

using nconv_test::Comparison;
using nconv_test::Convolution;
using nconv_test::Problem;
using nconv_test::Results;

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
        Results results;
        const nconv_status status =
            problem->run(job.pass, &convolution, run.placement, false, &results);
        if (status != NCONV_STATUS_OK) {
            row.status = status_of(status);
            return row;
        }
        const Comparison comparison = problem->compare(job.pass, false, results, row.algorithm);
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
