// Tensors by their logical order, batch, channel, row, column: a problem has the same numbers in either
// layout, in nconv_bench and in its rivals, and so has its result.
#ifndef NATIVECONV_BENCHMARKS_NATIVE_LOGICAL_H
#define NATIVECONV_BENCHMARKS_NATIVE_LOGICAL_H

#include <nativeconv.h>

#include <cstddef>
#include <cstdint>

namespace nconv_bench {

struct Extent {
    int64_t batch, channels, pixels;
    bool channels_last;

    int64_t count() const { return batch * channels * pixels; }
    // Where in memory the element of logical index i is.
    int64_t offset(int64_t i) const {
        if (!channels_last) return i;
        const int64_t image = i / (channels * pixels), channel = i / pixels % channels;
        return (image * pixels + i % pixels) * channels + channel;
    }
};

Extent input_extent(const nconv_conv2d_desc& desc);
Extent output_extent(const nconv_conv2d_desc& desc);
Extent weights_extent(const nconv_conv2d_desc& desc);

// The seeds of what every engine computes with.
enum Seed : uint64_t { kInputSeed = 1, kOutputSeed = 2, kWeightsSeed = 3, kBiasSeed = 4 };

// Numbers in (-1, 1), the same for the same logical index.
void fill_logical(const Extent& extent, uint64_t seed, float* data);

// Sum of all elements, each times one plus the remainder of its logical index by 13.
double checksum(const Extent& extent, const float* data);

}  // namespace nconv_bench

#endif  // NATIVECONV_BENCHMARKS_NATIVE_LOGICAL_H
