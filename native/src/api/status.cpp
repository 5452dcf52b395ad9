#include "nativeconv.h"

extern "C" const char* nconv_status_text(nconv_status status) {
    switch (status) {
        case NCONV_STATUS_OK:
            return "success";
        case NCONV_STATUS_INVALID_DESCRIPTOR:
            return "the descriptor is null or its struct_size is not one this library knows";
        case NCONV_STATUS_INVALID_DATA_TYPE:
            return "data_type is not an nconv_data_type";
        case NCONV_STATUS_INVALID_LAYOUT:
            return "layout is not an nconv_layout";
        case NCONV_STATUS_INVALID_ACTIVATION:
            return "activation is not an nconv_activation, or activation_alpha or activation_beta "
                   "is out of its range";
        case NCONV_STATUS_INVALID_MATH_MODE:
            return "math_mode is not an nconv_math_mode";
        case NCONV_STATUS_INVALID_HAS_BIAS:
            return "has_bias is neither 0 nor 1";
        case NCONV_STATUS_INVALID_BATCH:
            return "batch is negative or above 2147483647";
        case NCONV_STATUS_INVALID_CHANNELS:
            return "input_channels or output_channels is outside 1 to 2147483647";
        case NCONV_STATUS_INVALID_INPUT_SIZE:
            return "the input height or width is outside 1 to 2147483647";
        case NCONV_STATUS_INVALID_KERNEL_SIZE:
            return "kernel_h or kernel_w is outside 1 to 2147483647";
        case NCONV_STATUS_INVALID_STRIDE:
            return "stride_h or stride_w is outside 1 to 2147483647";
        case NCONV_STATUS_INVALID_DILATION:
            return "dilation_h or dilation_w is outside 1 to 2147483647";
        case NCONV_STATUS_INVALID_PADDING:
            return "a pad is negative or above 2147483647";
        case NCONV_STATUS_INVALID_GROUPS:
            return "groups is below 1 or does not divide input_channels and output_channels";
        case NCONV_STATUS_INVALID_OUTPUT_SIZE:
            return "the dilated kernel is larger than the padded input";
        case NCONV_STATUS_SIZE_OVERFLOW:
            return "a buffer of this problem would exceed the address space";
        case NCONV_STATUS_INVALID_PLAN:
            return "the plan is null";
        case NCONV_STATUS_INVALID_ARGUMENTS:
            return "the argument struct is null, its struct_size is unknown, or a reserved field "
                   "is not 0";
        case NCONV_STATUS_INVALID_RESULT:
            return "a pointer for a result is null";
        case NCONV_STATUS_INVALID_PASS:
            return "pass is not an nconv_pass that this function serves";
        case NCONV_STATUS_INVALID_THREADS:
            return "a thread count is negative";
        case NCONV_STATUS_INVALID_ISA:
            return "isa is not an nconv_isa";
        case NCONV_STATUS_INVALID_EXECUTION:
            return "the struct_size of execution is unknown";
        case NCONV_STATUS_INVALID_INPUT:
            return "input is null, misaligned, or shorter than the plan's input_count";
        case NCONV_STATUS_INVALID_WEIGHTS:
            return "weights is null, misaligned, or not exactly the plan's weights_count long";
        case NCONV_STATUS_INVALID_PACKED_WEIGHTS:
            return "packed_weights is null or shorter than the plan's packed bytes of this pass";
        case NCONV_STATUS_INVALID_BIAS:
            return "bias is null, misaligned, or not exactly the plan's bias_count long";
        case NCONV_STATUS_INVALID_OUTPUT:
            return "output is null, misaligned, or shorter than the plan's output_count";
        case NCONV_STATUS_INVALID_GRAD_OUTPUT:
            return "grad_output is null, misaligned, or shorter than the plan's output_count";
        case NCONV_STATUS_INVALID_GRAD_INPUT:
            return "grad_input is null, misaligned, or shorter than the plan's input_count";
        case NCONV_STATUS_INVALID_GRAD_WEIGHTS:
            return "grad_weights is null, misaligned, or not exactly the plan's weights_count long";
        case NCONV_STATUS_INVALID_GRAD_BIAS:
            return "grad_bias is null, misaligned, or not exactly the plan's bias_count long";
        case NCONV_STATUS_INVALID_WORKSPACE:
            return "workspace is null or smaller than the pass needs for one thread";
        case NCONV_STATUS_INVALID_ACCUMULATE:
            return "accumulate is neither 0 nor 1";
        case NCONV_STATUS_BUFFER_OVERLAP:
            return "a buffer that is written overlaps another buffer of the call";
        case NCONV_STATUS_INVALID_RESIDUAL:
            return "residual is null, misaligned, or shorter than the plan's output_count";
        case NCONV_STATUS_INVALID_GRAD_RESIDUAL:
            return "grad_residual is null, misaligned, or shorter than the plan's output_count";
        case NCONV_STATUS_INVALID_BUFFER_BYTES:
            return "the bytes of a buffer, or of all that are kept, are negative";
        case NCONV_STATUS_INVALID_SPIN:
            return "the spin time is outside 0 to 1000000 microseconds";
        case NCONV_STATUS_UNSUPPORTED_ALGORITHM:
            return "no algorithm has this name, or it does not serve this problem";
        case NCONV_STATUS_UNSUPPORTED_ISA:
            return "this build or this processor does not have the instruction set";
        case NCONV_STATUS_OUT_OF_MEMORY:
            return "out of memory";
        case NCONV_STATUS_INTERNAL:
            return "internal error: a defect of the library, please report it";
    }
    return "unknown status";
}
