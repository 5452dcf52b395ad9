// Problem: the validated geometry of one convolution, derived once from the descriptor. Every size in
// the library is read from here; there is no second formula anywhere.
#pragma once

#include <stdint.h>

#include "nativeconv.h"

namespace nconv {

// One axis of the window, height or width.
struct Axis {
    int64_t input, output, kernel, stride, dilation, pad_before;
};

struct Problem {
    nconv_layout layout;
    nconv_activation activation;
    nconv_math_mode math_mode;
    bool has_bias;
    float alpha, beta;
    int64_t batch, groups;
    int64_t input_channels, output_channels;
    int64_t group_inputs, group_outputs;  // channels per group
    Axis height, width;

    // Elements, whole tensors and one image of the batch.
    int64_t input_count, weights_count, bias_count, output_count;
    int64_t input_pixels, output_pixels, kernel_taps;
    int64_t input_image, output_image;

    bool linear() const { return activation == NCONV_ACTIVATION_LINEAR; }
    bool channels_last() const { return layout == NCONV_LAYOUT_NHWC; }
};

// Checks desc in the order of the header's statuses; *problem is written on NCONV_STATUS_OK only.
nconv_status make_problem(const nconv_conv2d_desc* desc, Problem* problem);

nconv_status same_padding(int64_t input, int64_t kernel, int64_t stride, int64_t dilation,
                          bool lower, int64_t* before, int64_t* after);

}  // namespace nconv
