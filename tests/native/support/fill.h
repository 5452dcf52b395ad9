// Test data. Element i depends on the seed and i alone, so it is the same for any order of filling.
#ifndef NATIVECONV_TESTS_NATIVE_SUPPORT_FILL_H
#define NATIVECONV_TESTS_NATIVE_SUPPORT_FILL_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nconv_test {

// 64 well-mixed bits (splitmix64).
uint64_t random_bits(uint64_t seed, uint64_t index);

// Integers for sums of `terms` products of two such values: every partial sum in any order stays
// below 2^24 and is exact in float. Long sums get smaller values, and past 2^22 terms more zeros.
std::vector<float> fill_integers(size_t count, uint64_t seed, int64_t terms);

// Uniform in (-1, 1), all 24 bits of the significand in use.
std::vector<float> fill_reals(size_t count, uint64_t seed);

// One of the given values each.
std::vector<float> fill_choices(size_t count, uint64_t seed, const std::vector<float>& choices);

// A test whose outputs are mostly zero proves little: this is its guard.
size_t count_nonzero(const std::vector<float>& values);

}  // namespace nconv_test

#endif  // NATIVECONV_TESTS_NATIVE_SUPPORT_FILL_H
