// A program of somebody else, in C++: an image filter, and a mistake that has to be noticed.
#include <nativeconv.h>

#include <cstdio>
#include <memory>
#include <vector>

namespace {

struct Destroy {
    void operator()(nconv_plan* plan) const { nconv_plan_destroy(plan); }
};
using Plan = std::unique_ptr<nconv_plan, Destroy>;

Plan make_box_filter(int64_t size, int64_t kernel) {
    nconv_conv2d_desc desc;
    nconv_conv2d_desc_init(&desc);
    desc.input_channels = desc.output_channels = 1;
    desc.input_height = desc.input_width = size;
    desc.kernel_h = desc.kernel_w = kernel;
    desc.has_bias = 0;
    desc.activation = NCONV_ACTIVATION_LINEAR;
    nconv_plan* plan = nullptr;
    const nconv_status status = nconv_plan_create(&desc, nullptr, &plan);
    if (status != NCONV_STATUS_OK) std::printf("(%s) ", nconv_status_text(status));
    return Plan(plan);
}

}  // namespace

int main() {
    constexpr int64_t kSize = 40, kKernel = 5;
    if (make_box_filter(kSize, 0)) return 1;
    const Plan plan = make_box_filter(kSize, kKernel);
    nconv_plan_info info = {};
    info.struct_size = sizeof info;
    int64_t workspace_bytes = 0;
    if (nconv_plan_get_info(plan.get(), &info) != NCONV_STATUS_OK ||
        nconv_plan_workspace_bytes(plan.get(), NCONV_PASS_FORWARD, 0, &workspace_bytes) !=
            NCONV_STATUS_OK)
        return 1;

    const std::vector<float> image(info.input_count, 2.0f), weights(info.weights_count, 1.0f);
    std::vector<float> output(info.output_count);
    std::vector<char> packed(info.forward_packed_bytes), workspace(workspace_bytes);
    if (nconv_pack_weights(plan.get(), NCONV_PASS_FORWARD, weights.data(), info.weights_count,
                           packed.data(), info.forward_packed_bytes) != NCONV_STATUS_OK)
        return 1;
    nconv_forward_args args = {};
    args.struct_size = sizeof args;
    args.input = image.data();
    args.input_count = info.input_count;
    args.packed_weights = packed.data();
    args.packed_weights_bytes = info.forward_packed_bytes;
    args.output = output.data();
    args.output_count = info.output_count;
    args.workspace = workspace.data();
    args.workspace_bytes = workspace_bytes;
    if (nconv_forward(plan.get(), &args) != NCONV_STATUS_OK) return 1;
    for (const float value : output) {
        if (value != 2.0f * kKernel * kKernel) return 1;
    }
    std::printf("box filter on %s, all right\n", nconv_isa_name(nconv_active_isa()));
    return 0;
}
