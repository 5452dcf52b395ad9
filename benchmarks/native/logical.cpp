#include "logical.h"

#include <vector>

#include "descriptor.h"
#include "fill.h"

namespace nconv_bench {

Extent input_extent(const nconv_conv2d_desc& desc) {
    return {desc.batch, desc.input_channels, desc.input_height * desc.input_width,
            desc.layout == NCONV_LAYOUT_NHWC};
}

Extent output_extent(const nconv_conv2d_desc& desc) {
    return {desc.batch, desc.output_channels,
            nconv_test::output_height(desc) * nconv_test::output_width(desc),
            desc.layout == NCONV_LAYOUT_NHWC};
}

Extent weights_extent(const nconv_conv2d_desc& desc) {
    return {desc.output_channels, desc.input_channels / desc.groups, desc.kernel_h * desc.kernel_w,
            desc.layout == NCONV_LAYOUT_NHWC};
}

void fill_logical(const Extent& extent, uint64_t seed, float* data) {
    const std::vector<float> values =
        nconv_test::fill_reals(static_cast<size_t>(extent.count()), seed);
    for (int64_t i = 0; i < extent.count(); ++i)
        data[extent.offset(i)] = values[static_cast<size_t>(i)];
}

double checksum(const Extent& extent, const float* data) {
    double sum = 0;
    for (int64_t i = 0; i < extent.count(); ++i)
        sum += static_cast<double>(data[extent.offset(i)]) * static_cast<double>(i % 13 + 1);
    return sum;
}

}  // namespace nconv_bench
