#include "random_descriptor.h"

#include "descriptor.h"
#include "fill.h"

namespace nconv_test {
namespace {

class Random {
public:
    Random(uint64_t seed, uint64_t index) : seed_(random_bits(seed, index)) {}

    int64_t between(int64_t low, int64_t high) {
        const uint64_t range = static_cast<uint64_t>(high - low + 1);
        return low + static_cast<int64_t>(random_bits(seed_, next_++) % range);
    }
    bool one_in(int64_t n) { return between(1, n) == 1; }

private:
    uint64_t seed_;
    uint64_t next_ = 0;
};

void choose_channels(Random* random, nconv_conv2d_desc* desc) {
    const int64_t kind = random->between(0, 3);
    const int64_t most = random->one_in(4) ? 70 : 20;
    desc->groups = kind == 0 ? random->between(1, most) : kind == 1 ? random->between(2, 5) : 1;
    const int64_t per_group = kind == 0 ? 1 : most / desc->groups + 1;
    desc->input_channels = desc->groups * random->between(1, per_group);
    const int64_t multiplier = kind == 0 && random->one_in(3) ? 3 : per_group;
    desc->output_channels = desc->groups * random->between(1, multiplier);
}

void choose_axis(Random* random, int64_t* input, int64_t* kernel, int64_t* stride,
                 int64_t* dilation, int64_t* before, int64_t* after) {
    *input = random->between(1, random->one_in(4) ? 40 : 12);
    *kernel = random->between(1, random->one_in(5) ? 9 : 4);
    *stride = random->one_in(2) ? 1 : random->between(1, 4);
    *dilation = random->one_in(2) ? 1 : random->between(1, 4);
    const int64_t extent = (*kernel - 1) * *dilation + 1;
    const int64_t most = random->one_in(5) ? extent + 2 : extent - 1;
    *before = random->between(0, most);
    *after = random->one_in(2) ? *before : random->between(0, most);
    if (*input + *before + *after < extent) *after = extent - *input - *before;
}

}  // namespace

nconv_conv2d_desc random_descriptor(uint64_t seed, uint64_t index, double largest_operations) {
    Random random(seed, index);
    for (;;) {
        nconv_conv2d_desc desc{};
        desc.struct_size = sizeof desc;
        desc.activation = NCONV_ACTIVATION_LINEAR;
        desc.has_bias = 1;
        desc.batch = random.between(1, 3);
        choose_channels(&random, &desc);
        choose_axis(&random, &desc.input_height, &desc.kernel_h, &desc.stride_h, &desc.dilation_h,
                    &desc.pad_top, &desc.pad_bottom);
        choose_axis(&random, &desc.input_width, &desc.kernel_w, &desc.stride_w, &desc.dilation_w,
                    &desc.pad_left, &desc.pad_right);
        const double operations =
            static_cast<double>(desc.batch * output_height(desc) * output_width(desc)) *
            static_cast<double>(desc.input_channels / desc.groups * desc.output_channels) *
            static_cast<double>(desc.kernel_h * desc.kernel_w);
        if (operations <= largest_operations) return desc;
    }
}

}  // namespace nconv_test
