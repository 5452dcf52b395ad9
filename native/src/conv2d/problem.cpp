#include "conv2d/problem.h"

#include "base/checked_math.h"

namespace nconv {
namespace {

constexpr int64_t kMaxExtent = INT32_MAX;

bool in_range(int64_t value, int64_t low) { return value >= low && value <= kMaxExtent; }

// False for NaN as well.
bool finite(float x) { return x - x == 0.0f; }

bool valid_activation(const nconv_conv2d_desc& d) {
    switch (d.activation) {
        case NCONV_ACTIVATION_LINEAR:
        case NCONV_ACTIVATION_RELU:
        case NCONV_ACTIVATION_SIGMOID:
        case NCONV_ACTIVATION_TANH:
            return true;
        case NCONV_ACTIVATION_LEAKY_RELU:
        case NCONV_ACTIVATION_ELU:
            return finite(d.activation_alpha) && d.activation_alpha >= 0;
        case NCONV_ACTIVATION_CLIP:
            return finite(d.activation_alpha) && finite(d.activation_beta) &&
                   d.activation_alpha < d.activation_beta;
        default:
            return false;
    }
}

nconv_status check_fields(const nconv_conv2d_desc& d) {
    if (d.data_type != NCONV_DATA_TYPE_FLOAT32) return NCONV_STATUS_INVALID_DATA_TYPE;
    if (d.layout != NCONV_LAYOUT_NCHW && d.layout != NCONV_LAYOUT_NHWC) {
        return NCONV_STATUS_INVALID_LAYOUT;
    }
    if (!valid_activation(d)) return NCONV_STATUS_INVALID_ACTIVATION;
    if (d.math_mode < NCONV_MATH_MODE_DEFAULT || d.math_mode > NCONV_MATH_MODE_FAST) {
        return NCONV_STATUS_INVALID_MATH_MODE;
    }
    if (d.has_bias != 0 && d.has_bias != 1) return NCONV_STATUS_INVALID_HAS_BIAS;
    if (!in_range(d.batch, 0)) return NCONV_STATUS_INVALID_BATCH;
    if (!in_range(d.input_channels, 1) || !in_range(d.output_channels, 1)) {
        return NCONV_STATUS_INVALID_CHANNELS;
    }
    if (!in_range(d.input_height, 1) || !in_range(d.input_width, 1)) {
        return NCONV_STATUS_INVALID_INPUT_SIZE;
    }
    if (!in_range(d.kernel_h, 1) || !in_range(d.kernel_w, 1))
        return NCONV_STATUS_INVALID_KERNEL_SIZE;
    if (!in_range(d.stride_h, 1) || !in_range(d.stride_w, 1)) return NCONV_STATUS_INVALID_STRIDE;
    if (!in_range(d.dilation_h, 1) || !in_range(d.dilation_w, 1))
        return NCONV_STATUS_INVALID_DILATION;
    if (!in_range(d.pad_top, 0) || !in_range(d.pad_left, 0) || !in_range(d.pad_bottom, 0) ||
        !in_range(d.pad_right, 0)) {
        return NCONV_STATUS_INVALID_PADDING;
    }
    if (d.groups < 1 || d.input_channels % d.groups != 0 || d.output_channels % d.groups != 0) {
        return NCONV_STATUS_INVALID_GROUPS;
    }
    return NCONV_STATUS_OK;
}

// With every extent below 2^31 none of this can leave 64 bits: (2^31)^2 + 2^31 < 2^63.
nconv_status make_axis(int64_t input, int64_t kernel, int64_t stride, int64_t dilation,
                       int64_t before, int64_t after, Axis* axis) {
    const int64_t window = (kernel - 1) * dilation + 1;
    const int64_t padded = input + before + after;
    if (padded < window) return NCONV_STATUS_INVALID_OUTPUT_SIZE;
    *axis = {input, (padded - window) / stride + 1, kernel, stride, dilation, before};
    return NCONV_STATUS_OK;
}

}  // namespace

nconv_status make_problem(const nconv_conv2d_desc* desc, Problem* problem) {
    if (desc == nullptr || desc->struct_size != sizeof(nconv_conv2d_desc)) {
        return NCONV_STATUS_INVALID_DESCRIPTOR;
    }
    const nconv_conv2d_desc& d = *desc;
    nconv_status status = check_fields(d);
    if (status != NCONV_STATUS_OK) return status;

    Problem p = {};
    p.layout = static_cast<nconv_layout>(d.layout);
    p.activation = static_cast<nconv_activation>(d.activation);
    p.math_mode = static_cast<nconv_math_mode>(d.math_mode);
    p.has_bias = d.has_bias == 1;
    p.alpha = d.activation_alpha;
    p.beta = d.activation_beta;
    p.batch = d.batch;
    p.groups = d.groups;
    p.input_channels = d.input_channels;
    p.output_channels = d.output_channels;
    p.group_inputs = d.input_channels / d.groups;
    p.group_outputs = d.output_channels / d.groups;
    status = make_axis(d.input_height, d.kernel_h, d.stride_h, d.dilation_h, d.pad_top,
                       d.pad_bottom, &p.height);
    if (status != NCONV_STATUS_OK) return status;
    status = make_axis(d.input_width, d.kernel_w, d.stride_w, d.dilation_w, d.pad_left, d.pad_right,
                       &p.width);
    if (status != NCONV_STATUS_OK) return status;

    const CheckedSize input_pixels = CheckedSize(d.input_height) * d.input_width;
    const CheckedSize output_pixels = CheckedSize(p.height.output) * p.width.output;
    const CheckedSize taps = CheckedSize(d.kernel_h) * d.kernel_w;
    const CheckedSize input_image = input_pixels * d.input_channels;
    const CheckedSize output_image = output_pixels * d.output_channels;
    const CheckedSize input = input_image * d.batch, output = output_image * d.batch;
    const CheckedSize weights = taps * p.group_inputs * d.output_channels;
    constexpr int64_t kElement = sizeof(float);
    // An image counts even if the batch is empty: workspaces are sized by it.
    if (!(input * kElement).valid() || !(output * kElement).valid() ||
        !(input_image * kElement).valid() || !(output_image * kElement).valid() ||
        !(weights * kElement).valid()) {
        return NCONV_STATUS_SIZE_OVERFLOW;
    }
    p.input_count = input.value();
    p.output_count = output.value();
    p.weights_count = weights.value();
    p.bias_count = p.has_bias ? d.output_channels : 0;
    p.input_pixels = input_pixels.value();
    p.output_pixels = output_pixels.value();
    p.kernel_taps = taps.value();
    p.input_image = input_image.value();
    p.output_image = output_image.value();
    *problem = p;
    return NCONV_STATUS_OK;
}

nconv_status same_padding(int64_t input, int64_t kernel, int64_t stride, int64_t dilation,
                          bool lower, int64_t* before, int64_t* after) {
    if (!in_range(input, 1)) return NCONV_STATUS_INVALID_INPUT_SIZE;
    if (!in_range(kernel, 1)) return NCONV_STATUS_INVALID_KERNEL_SIZE;
    if (!in_range(stride, 1)) return NCONV_STATUS_INVALID_STRIDE;
    if (!in_range(dilation, 1)) return NCONV_STATUS_INVALID_DILATION;
    if (before == nullptr || after == nullptr) return NCONV_STATUS_INVALID_RESULT;
    const int64_t window = (kernel - 1) * dilation + 1;
    const int64_t total = max_of(0, (ceil_div(input, stride) - 1) * stride + window - input);
    if (total - total / 2 > kMaxExtent) return NCONV_STATUS_SIZE_OVERFLOW;
    *before = lower ? total - total / 2 : total / 2;
    *after = total - *before;
    return NCONV_STATUS_OK;
}

}  // namespace nconv
