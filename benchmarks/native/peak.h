#ifndef NATIVECONV_BENCHMARKS_NATIVE_PEAK_H
#define NATIVECONV_BENCHMARKS_NATIVE_PEAK_H

#include <cstdint>

namespace nconv_bench {

// The multiply-add peak of `threads` cores at once with one instruction set (nconv_isa), in GFLOP/s,
// by independent register-to-register operations. Takes about 3 ms.
double measure_peak(int32_t isa, int32_t threads);

}  // namespace nconv_bench

#endif  // NATIVECONV_BENCHMARKS_NATIVE_PEAK_H
