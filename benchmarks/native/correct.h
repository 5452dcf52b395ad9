#ifndef NATIVECONV_BENCHMARKS_NATIVE_CORRECT_H
#define NATIVECONV_BENCHMARKS_NATIVE_CORRECT_H

#include "problem.h"
#include "row.h"

namespace nconv_bench {

// Compares one pass with the reference: integer data bit for bit, real data within the derived bound.
// The problems keep the reference's results for the next job of the same descriptor and layout. A
// difference is also described on standard error.
Row check_job(const Job& job, nconv_test::Problem* integers, nconv_test::Problem* reals);

}  // namespace nconv_bench

#endif  // NATIVECONV_BENCHMARKS_NATIVE_CORRECT_H
