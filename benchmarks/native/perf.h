#ifndef NATIVECONV_BENCHMARKS_NATIVE_PERF_H
#define NATIVECONV_BENCHMARKS_NATIVE_PERF_H

#include "row.h"

namespace nconv_bench {

// Measures one pass, or both gradients in one call, with reused buffers, and packed weights unless cold. Probes the multiply-add peak
// of the cores before and after; a disturbed measurement is repeated.
Row measure_job(const Job& job, bool cold);

}  // namespace nconv_bench

#endif  // NATIVECONV_BENCHMARKS_NATIVE_PERF_H
