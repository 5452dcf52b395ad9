/*
 * abi_dump FILE: writes what this compiler makes of nativeconv.h, one fact a line:
 *
 *   macro NAME VALUE          struct NAME BYTES               field STRUCT.FIELD OFFSET KIND
 *   function NAME             enum NAME BYTES                 value ENUM.NAME VALUE
 *
 * The C# tests derive the same lines from the bindings and demand that both sets are equal, so
 * whatever is added to the header must be added here. C11 for _Generic; the header itself is C99.
 */
#include <stddef.h>
#include <stdio.h>

#include "nativeconv.h"

static FILE* out;

/* clang-format off */
#define KIND(x)             \
    _Generic((x),           \
        int32_t: "int32",   \
        uint32_t: "uint32", \
        int64_t: "int64",   \
        uint64_t: "uint64", \
        float: "float",     \
        default: (sizeof(x) == sizeof(void*) ? "pointer" : "unknown"))
/* clang-format on */

#define MACRO(name) fprintf(out, "macro %s %lld\n", #name, (long long)(name))
#define STRUCT(name) fprintf(out, "struct %s %zu\n", #name, sizeof(name))
#define FIELD(type, name) \
    fprintf(out, "field %s.%s %zu %s\n", #type, #name, offsetof(type, name), KIND(((type*)0)->name))
#define ENUM(name) fprintf(out, "enum %s %zu\n", #name, sizeof(name))
#define VALUE(type, name) fprintf(out, "value %s.%s %lld\n", #type, #name, (long long)(name))
/* sizeof: it must be declared; no library is needed to run this. */
#define FUNCTION(name) ((void)sizeof(&(name)), fprintf(out, "function %s\n", #name))

static void dump_macros(void) {
    MACRO(NCONV_VERSION_MAJOR);
    MACRO(NCONV_VERSION_MINOR);
    MACRO(NCONV_VERSION_PATCH);
    MACRO(NCONV_ABI_VERSION);
}

static void dump_functions(void) {
    FUNCTION(nconv_version);
    FUNCTION(nconv_abi_version);
    FUNCTION(nconv_status_text);
    FUNCTION(nconv_active_isa);
    FUNCTION(nconv_supported_isas);
    FUNCTION(nconv_isa_name);
    FUNCTION(nconv_set_max_isa);
    FUNCTION(nconv_thread_count);
    FUNCTION(nconv_set_max_threads);
    FUNCTION(nconv_spin_microseconds);
    FUNCTION(nconv_set_spin_microseconds);
    FUNCTION(nconv_algorithm_name);
    FUNCTION(nconv_buffer_allocate);
    FUNCTION(nconv_buffer_free);
    FUNCTION(nconv_buffer_pooled_bytes);
    FUNCTION(nconv_buffer_set_max_pooled_bytes);
    FUNCTION(nconv_buffer_trim);
    FUNCTION(nconv_conv2d_desc_init);
    FUNCTION(nconv_same_padding);
    FUNCTION(nconv_plan_create);
    FUNCTION(nconv_plan_destroy);
    FUNCTION(nconv_plan_get_info);
    FUNCTION(nconv_plan_backward_workspace_bytes);
    FUNCTION(nconv_plan_workspace_bytes);
    FUNCTION(nconv_plan_algorithm);
    FUNCTION(nconv_plan_describe);
    FUNCTION(nconv_pack_weights);
    FUNCTION(nconv_forward);
    FUNCTION(nconv_backward);
    FUNCTION(nconv_backward_input);
    FUNCTION(nconv_backward_weights);
    FUNCTION(nconv_backward_residual);
}

static void dump_status(void) {
    ENUM(nconv_status);
    VALUE(nconv_status, NCONV_STATUS_OK);
    VALUE(nconv_status, NCONV_STATUS_INVALID_DESCRIPTOR);
    VALUE(nconv_status, NCONV_STATUS_INVALID_DATA_TYPE);
    VALUE(nconv_status, NCONV_STATUS_INVALID_LAYOUT);
    VALUE(nconv_status, NCONV_STATUS_INVALID_ACTIVATION);
    VALUE(nconv_status, NCONV_STATUS_INVALID_MATH_MODE);
    VALUE(nconv_status, NCONV_STATUS_INVALID_HAS_BIAS);
    VALUE(nconv_status, NCONV_STATUS_INVALID_BATCH);
    VALUE(nconv_status, NCONV_STATUS_INVALID_CHANNELS);
    VALUE(nconv_status, NCONV_STATUS_INVALID_INPUT_SIZE);
    VALUE(nconv_status, NCONV_STATUS_INVALID_KERNEL_SIZE);
    VALUE(nconv_status, NCONV_STATUS_INVALID_STRIDE);
    VALUE(nconv_status, NCONV_STATUS_INVALID_DILATION);
    VALUE(nconv_status, NCONV_STATUS_INVALID_PADDING);
    VALUE(nconv_status, NCONV_STATUS_INVALID_GROUPS);
    VALUE(nconv_status, NCONV_STATUS_INVALID_OUTPUT_SIZE);
    VALUE(nconv_status, NCONV_STATUS_SIZE_OVERFLOW);
    VALUE(nconv_status, NCONV_STATUS_INVALID_PLAN);
    VALUE(nconv_status, NCONV_STATUS_INVALID_ARGUMENTS);
    VALUE(nconv_status, NCONV_STATUS_INVALID_RESULT);
    VALUE(nconv_status, NCONV_STATUS_INVALID_PASS);
    VALUE(nconv_status, NCONV_STATUS_INVALID_THREADS);
    VALUE(nconv_status, NCONV_STATUS_INVALID_ISA);
    VALUE(nconv_status, NCONV_STATUS_INVALID_EXECUTION);
    VALUE(nconv_status, NCONV_STATUS_INVALID_INPUT);
    VALUE(nconv_status, NCONV_STATUS_INVALID_WEIGHTS);
    VALUE(nconv_status, NCONV_STATUS_INVALID_PACKED_WEIGHTS);
    VALUE(nconv_status, NCONV_STATUS_INVALID_BIAS);
    VALUE(nconv_status, NCONV_STATUS_INVALID_OUTPUT);
    VALUE(nconv_status, NCONV_STATUS_INVALID_GRAD_OUTPUT);
    VALUE(nconv_status, NCONV_STATUS_INVALID_GRAD_INPUT);
    VALUE(nconv_status, NCONV_STATUS_INVALID_GRAD_WEIGHTS);
    VALUE(nconv_status, NCONV_STATUS_INVALID_GRAD_BIAS);
    VALUE(nconv_status, NCONV_STATUS_INVALID_WORKSPACE);
    VALUE(nconv_status, NCONV_STATUS_INVALID_ACCUMULATE);
    VALUE(nconv_status, NCONV_STATUS_BUFFER_OVERLAP);
    VALUE(nconv_status, NCONV_STATUS_INVALID_RESIDUAL);
    VALUE(nconv_status, NCONV_STATUS_INVALID_GRAD_RESIDUAL);
    VALUE(nconv_status, NCONV_STATUS_INVALID_BUFFER_BYTES);
    VALUE(nconv_status, NCONV_STATUS_INVALID_SPIN);
    VALUE(nconv_status, NCONV_STATUS_UNSUPPORTED_ALGORITHM);
    VALUE(nconv_status, NCONV_STATUS_UNSUPPORTED_ISA);
    VALUE(nconv_status, NCONV_STATUS_OUT_OF_MEMORY);
    VALUE(nconv_status, NCONV_STATUS_INTERNAL);
}

static void dump_enums(void) {
    ENUM(nconv_data_type);
    VALUE(nconv_data_type, NCONV_DATA_TYPE_FLOAT32);

    ENUM(nconv_layout);
    VALUE(nconv_layout, NCONV_LAYOUT_NCHW);
    VALUE(nconv_layout, NCONV_LAYOUT_NHWC);

    ENUM(nconv_activation);
    VALUE(nconv_activation, NCONV_ACTIVATION_LINEAR);
    VALUE(nconv_activation, NCONV_ACTIVATION_RELU);
    VALUE(nconv_activation, NCONV_ACTIVATION_LEAKY_RELU);
    VALUE(nconv_activation, NCONV_ACTIVATION_CLIP);
    VALUE(nconv_activation, NCONV_ACTIVATION_SIGMOID);
    VALUE(nconv_activation, NCONV_ACTIVATION_TANH);
    VALUE(nconv_activation, NCONV_ACTIVATION_ELU);

    ENUM(nconv_math_mode);
    VALUE(nconv_math_mode, NCONV_MATH_MODE_DEFAULT);
    VALUE(nconv_math_mode, NCONV_MATH_MODE_STRICT);
    VALUE(nconv_math_mode, NCONV_MATH_MODE_FAST);

    ENUM(nconv_isa);
    VALUE(nconv_isa, NCONV_ISA_SCALAR);
    VALUE(nconv_isa, NCONV_ISA_AVX2);
    VALUE(nconv_isa, NCONV_ISA_AVX512);
    VALUE(nconv_isa, NCONV_ISA_NEON);

    ENUM(nconv_pass);
    VALUE(nconv_pass, NCONV_PASS_FORWARD);
    VALUE(nconv_pass, NCONV_PASS_BACKWARD_INPUT);
    VALUE(nconv_pass, NCONV_PASS_BACKWARD_WEIGHTS);
}

static void dump_plan_structs(void) {
    STRUCT(nconv_conv2d_desc);
    FIELD(nconv_conv2d_desc, struct_size);
    FIELD(nconv_conv2d_desc, data_type);
    FIELD(nconv_conv2d_desc, layout);
    FIELD(nconv_conv2d_desc, activation);
    FIELD(nconv_conv2d_desc, math_mode);
    FIELD(nconv_conv2d_desc, has_bias);
    FIELD(nconv_conv2d_desc, activation_alpha);
    FIELD(nconv_conv2d_desc, activation_beta);
    FIELD(nconv_conv2d_desc, batch);
    FIELD(nconv_conv2d_desc, input_channels);
    FIELD(nconv_conv2d_desc, output_channels);
    FIELD(nconv_conv2d_desc, groups);
    FIELD(nconv_conv2d_desc, input_height);
    FIELD(nconv_conv2d_desc, input_width);
    FIELD(nconv_conv2d_desc, kernel_h);
    FIELD(nconv_conv2d_desc, kernel_w);
    FIELD(nconv_conv2d_desc, stride_h);
    FIELD(nconv_conv2d_desc, stride_w);
    FIELD(nconv_conv2d_desc, dilation_h);
    FIELD(nconv_conv2d_desc, dilation_w);
    FIELD(nconv_conv2d_desc, pad_top);
    FIELD(nconv_conv2d_desc, pad_left);
    FIELD(nconv_conv2d_desc, pad_bottom);
    FIELD(nconv_conv2d_desc, pad_right);

    STRUCT(nconv_plan_options);
    FIELD(nconv_plan_options, struct_size);
    FIELD(nconv_plan_options, max_isa);
    FIELD(nconv_plan_options, algorithm);

    STRUCT(nconv_plan_info);
    FIELD(nconv_plan_info, struct_size);
    FIELD(nconv_plan_info, isa);
    FIELD(nconv_plan_info, output_height);
    FIELD(nconv_plan_info, output_width);
    FIELD(nconv_plan_info, input_count);
    FIELD(nconv_plan_info, weights_count);
    FIELD(nconv_plan_info, bias_count);
    FIELD(nconv_plan_info, output_count);
    FIELD(nconv_plan_info, forward_packed_bytes);
    FIELD(nconv_plan_info, backward_input_packed_bytes);
    FIELD(nconv_plan_info, forward_packed_format);
    FIELD(nconv_plan_info, backward_input_packed_format);
}

static void dump_call_structs(void) {
    STRUCT(nconv_execution);
    FIELD(nconv_execution, struct_size);
    FIELD(nconv_execution, max_threads);
    FIELD(nconv_execution, parallel_for);
    FIELD(nconv_execution, parallel_context);

    STRUCT(nconv_forward_args);
    FIELD(nconv_forward_args, struct_size);
    FIELD(nconv_forward_args, reserved);
    FIELD(nconv_forward_args, input);
    FIELD(nconv_forward_args, input_count);
    FIELD(nconv_forward_args, packed_weights);
    FIELD(nconv_forward_args, packed_weights_bytes);
    FIELD(nconv_forward_args, bias);
    FIELD(nconv_forward_args, bias_count);
    FIELD(nconv_forward_args, output);
    FIELD(nconv_forward_args, output_count);
    FIELD(nconv_forward_args, workspace);
    FIELD(nconv_forward_args, workspace_bytes);
    FIELD(nconv_forward_args, execution);
    FIELD(nconv_forward_args, residual);
    FIELD(nconv_forward_args, residual_count);

    STRUCT(nconv_backward_args);
    FIELD(nconv_backward_args, struct_size);
    FIELD(nconv_backward_args, accumulate);
    FIELD(nconv_backward_args, input);
    FIELD(nconv_backward_args, input_count);
    FIELD(nconv_backward_args, grad_output);
    FIELD(nconv_backward_args, grad_output_count);
    FIELD(nconv_backward_args, output);
    FIELD(nconv_backward_args, output_count);
    FIELD(nconv_backward_args, packed_weights);
    FIELD(nconv_backward_args, packed_weights_bytes);
    FIELD(nconv_backward_args, grad_input);
    FIELD(nconv_backward_args, grad_input_count);
    FIELD(nconv_backward_args, grad_weights);
    FIELD(nconv_backward_args, grad_weights_count);
    FIELD(nconv_backward_args, grad_bias);
    FIELD(nconv_backward_args, grad_bias_count);
    FIELD(nconv_backward_args, workspace);
    FIELD(nconv_backward_args, workspace_bytes);
    FIELD(nconv_backward_args, execution);

    STRUCT(nconv_backward_input_args);
    FIELD(nconv_backward_input_args, struct_size);
    FIELD(nconv_backward_input_args, reserved);
    FIELD(nconv_backward_input_args, grad_output);
    FIELD(nconv_backward_input_args, grad_output_count);
    FIELD(nconv_backward_input_args, output);
    FIELD(nconv_backward_input_args, output_count);
    FIELD(nconv_backward_input_args, packed_weights);
    FIELD(nconv_backward_input_args, packed_weights_bytes);
    FIELD(nconv_backward_input_args, grad_input);
    FIELD(nconv_backward_input_args, grad_input_count);
    FIELD(nconv_backward_input_args, workspace);
    FIELD(nconv_backward_input_args, workspace_bytes);
    FIELD(nconv_backward_input_args, execution);

    STRUCT(nconv_backward_residual_args);
    FIELD(nconv_backward_residual_args, struct_size);
    FIELD(nconv_backward_residual_args, reserved);
    FIELD(nconv_backward_residual_args, grad_output);
    FIELD(nconv_backward_residual_args, grad_output_count);
    FIELD(nconv_backward_residual_args, output);
    FIELD(nconv_backward_residual_args, output_count);
    FIELD(nconv_backward_residual_args, grad_residual);
    FIELD(nconv_backward_residual_args, grad_residual_count);
    FIELD(nconv_backward_residual_args, execution);

    STRUCT(nconv_backward_weights_args);
    FIELD(nconv_backward_weights_args, struct_size);
    FIELD(nconv_backward_weights_args, accumulate);
    FIELD(nconv_backward_weights_args, input);
    FIELD(nconv_backward_weights_args, input_count);
    FIELD(nconv_backward_weights_args, grad_output);
    FIELD(nconv_backward_weights_args, grad_output_count);
    FIELD(nconv_backward_weights_args, output);
    FIELD(nconv_backward_weights_args, output_count);
    FIELD(nconv_backward_weights_args, grad_weights);
    FIELD(nconv_backward_weights_args, grad_weights_count);
    FIELD(nconv_backward_weights_args, grad_bias);
    FIELD(nconv_backward_weights_args, grad_bias_count);
    FIELD(nconv_backward_weights_args, workspace);
    FIELD(nconv_backward_weights_args, workspace_bytes);
    FIELD(nconv_backward_weights_args, execution);
}

int main(int argc, char** argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: abi_dump FILE\n");
        return 2;
    }
    out = fopen(argv[1], "w");
    if (out == NULL) {
        perror(argv[1]);
        return 1;
    }
    dump_macros();
    dump_functions();
    dump_status();
    dump_enums();
    dump_plan_structs();
    dump_call_structs();
    int failed = ferror(out);
    failed |= fclose(out);
    return failed != 0;
}
