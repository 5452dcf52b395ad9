/* A program of somebody else, in C: a layer with whole numbers, compared with six loops, on every instruction
 * set of the machine. Prints what it ran on. */
#include <nativeconv.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 2, INPUTS = 24, OUTPUTS = 40, SIZE = 21, KERNEL = 3, PAD = 1 };
enum {
    IMAGE_COUNT = BATCH * INPUTS * SIZE * SIZE,
    WEIGHTS_COUNT = OUTPUTS * INPUTS * KERNEL * KERNEL,
    OUTPUT_COUNT = BATCH * OUTPUTS * SIZE * SIZE
};

static float image[IMAGE_COUNT], weights[WEIGHTS_COUNT], bias[OUTPUTS];
static float output[OUTPUT_COUNT], expected[OUTPUT_COUNT];

static float pixel(int n, int c, int h, int w) {
    if (h < 0 || h >= SIZE || w < 0 || w >= SIZE) return 0;
    return image[((n * INPUTS + c) * SIZE + h) * SIZE + w];
}

static void reference(void) {
    int n, o, p, q, c, r, s;
    for (n = 0; n < BATCH; ++n)
        for (o = 0; o < OUTPUTS; ++o)
            for (p = 0; p < SIZE; ++p)
                for (q = 0; q < SIZE; ++q) {
                    float sum = bias[o];
                    for (c = 0; c < INPUTS; ++c)
                        for (r = 0; r < KERNEL; ++r)
                            for (s = 0; s < KERNEL; ++s)
                                sum += pixel(n, c, p + r - PAD, q + s - PAD) *
                                       weights[((o * INPUTS + c) * KERNEL + r) * KERNEL + s];
                    expected[((n * OUTPUTS + o) * SIZE + p) * SIZE + q] = sum > 0 ? sum : 0;
                }
}

static void check(nconv_status status, const char* call) {
    if (status == NCONV_STATUS_OK) return;
    printf("%s: %s\n", call, nconv_status_text(status));
    exit(1);
}

static void run(nconv_isa isa) {
    nconv_conv2d_desc desc;
    nconv_plan_options options = {sizeof(nconv_plan_options), -1, NULL};
    nconv_plan_info info = {sizeof(nconv_plan_info)};
    nconv_forward_args args = {sizeof(nconv_forward_args)};
    nconv_plan* plan = NULL;
    void *packed = NULL, *workspace = NULL;
    int64_t bytes = 0;
    int i;

    nconv_conv2d_desc_init(&desc);
    desc.math_mode = NCONV_MATH_MODE_STRICT;
    desc.batch = BATCH;
    desc.input_channels = INPUTS;
    desc.output_channels = OUTPUTS;
    desc.input_height = desc.input_width = SIZE;
    desc.pad_top = desc.pad_left = desc.pad_bottom = desc.pad_right = PAD;
    options.max_isa = (int32_t)isa;
    check(nconv_plan_create(&desc, &options, &plan), "nconv_plan_create");
    check(nconv_plan_get_info(plan, &info), "nconv_plan_get_info");
    check(nconv_plan_workspace_bytes(plan, NCONV_PASS_FORWARD, 0, &bytes), "workspace_bytes");
    check(nconv_buffer_allocate(info.forward_packed_bytes, &packed), "nconv_buffer_allocate");
    check(nconv_buffer_allocate(bytes, &workspace), "nconv_buffer_allocate");
    check(nconv_pack_weights(plan, NCONV_PASS_FORWARD, weights, WEIGHTS_COUNT, packed,
                             info.forward_packed_bytes),
          "nconv_pack_weights");

    args.input = image, args.input_count = IMAGE_COUNT;
    args.packed_weights = packed, args.packed_weights_bytes = info.forward_packed_bytes;
    args.bias = bias, args.bias_count = OUTPUTS;
    args.output = output, args.output_count = OUTPUT_COUNT;
    args.workspace = workspace, args.workspace_bytes = bytes;
    check(nconv_forward(plan, &args), "nconv_forward");
    for (i = 0; i < OUTPUT_COUNT; ++i) {
        if (output[i] == expected[i]) continue;
        printf("%s: output %d is %g, not %g\n", nconv_isa_name(isa), i, output[i], expected[i]);
        exit(1);
    }
    nconv_buffer_free(workspace);
    nconv_buffer_free(packed);
    nconv_plan_destroy(plan);
    printf(" %s", nconv_isa_name(isa));
}

int main(void) {
    int i;
    if (nconv_abi_version() != NCONV_ABI_VERSION) {
        puts("the library is not that of the header");
        return 1;
    }
    for (i = 0; i < IMAGE_COUNT; ++i) image[i] = (float)(i * 7 % 11 - 5);
    for (i = 0; i < WEIGHTS_COUNT; ++i) weights[i] = (float)(i * 5 % 13 - 6);
    for (i = 0; i < OUTPUTS; ++i) bias[i] = (float)(i % 3);
    reference();
    printf("NativeConv %d, %d threads:", (int)nconv_version(), (int)nconv_thread_count());
    for (i = 0; i < 32; ++i) {
        if (nconv_supported_isas() >> i & 1) run((nconv_isa)i);
    }
    puts(", all right");
    return 0;
}
