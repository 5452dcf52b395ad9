// Seeded random problems: small, valid, and with a taste for the uncommon (asymmetric padding, strides
// and dilations that differ by axis, kernels larger than the image, grouped and depthwise).
#ifndef NATIVECONV_TESTS_NATIVE_SUPPORT_RANDOM_DESCRIPTOR_H
#define NATIVECONV_TESTS_NATIVE_SUPPORT_RANDOM_DESCRIPTOR_H

#include <nativeconv.h>

#include <cstdint>

namespace nconv_test {

// The same problem for the same seed and index; NCHW, linear, with bias. At most largest_operations
// multiply-adds.
nconv_conv2d_desc random_descriptor(uint64_t seed, uint64_t index, double largest_operations = 2e6);

}  // namespace nconv_test

#endif  // NATIVECONV_TESTS_NATIVE_SUPPORT_RANDOM_DESCRIPTOR_H
