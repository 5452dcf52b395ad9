/*
 * NativeConv: 2-D convolution, forward and both gradients, on the CPU.
 *
 * This header is the whole C interface and its manual.
 *
 *   1. Fill an nconv_conv2d_desc (nconv_conv2d_desc_init gives the defaults).
 *   2. nconv_plan_create validates it once and chooses an algorithm per pass. A plan is immutable:
 *      any number of threads may use it at the same time.
 *   3. nconv_plan_get_info and nconv_plan_workspace_bytes give the size of every buffer.
 *   4. nconv_pack_weights rearranges the weights for a pass; repeat it when the weights change.
 *   5. nconv_forward, nconv_backward and the passes it consists of run. They never allocate.
 *   6. nconv_plan_destroy.
 *
 * Notation. N batch, C input channels, O output channels, G groups, H x W input, P x Q output,
 * R x S kernel. With x the input, w the weights, b the bias, and f the activation:
 *
 *   z[n,o,p,q] = b[o] + sum over c,r,s of
 *                x[n, c, p*stride_h + r*dilation_h - pad_top, q*stride_w + s*dilation_w - pad_left]
 *                * w[o,c,r,s]                     c runs over the C/G channels of o's group
 *   y          = f(z)                            or f(z + residual), see nconv_forward
 *
 * This is cross-correlation, as in every deep-learning framework. x outside the image is 0. Output
 * size: P = (H + pad_top + pad_bottom - ((R-1)*dilation_h + 1)) / stride_h + 1 rounded down, Q alike.
 *
 * Layouts. NCONV_LAYOUT_NCHW: activations [N][C][H][W], weights [O][C/G][R][S].
 * NCONV_LAYOUT_NHWC: activations [N][H][W][C], weights [O][R][S][C/G]. All dense, no gaps.
 *
 * Same bits. For one library version and one descriptor the results have the same bits whatever the
 * thread count, instruction set, operating system and buffer alignment. Excluded are the payload and
 * sign of NaN.
 *
 * Inf and NaN. In strict math, and wherever summation is direct, a non-finite input reaches exactly the
 * outputs whose window holds it; with Winograd tiles it may reach every output of the up to four tiles
 * that read it, and all nine weight gradients of its channels. Padding is a true zero or left out, so a
 * non-finite *weight* may make NaN where its tap meets padding, and a non-finite grad_output in the weight
 * gradients of taps that meet padding there.
 * Sums within a factor of 10^4 of the largest float, 10^7 in fast math, may overflow in a tile.
 *
 * Denormals are not flushed unless the caller's thread flushes them: the floating-point control
 * word of the caller holds in all threads of a call and is left as it was.
 *
 * Errors. Every function that can fail returns an nconv_status and writes its results only on
 * NCONV_STATUS_OK. All arguments are checked before anything is written. The library never prints,
 * aborts, throws, or changes the process environment.
 *
 * Lengths. Every buffer comes with its length; no byte outside is read or written. "_count" is in
 * elements, "_bytes" in bytes. Activations may be longer than needed; weights, bias and their
 * gradients must have exactly the length in nconv_plan_info.
 *
 * Aliasing. An output buffer of a call must not overlap any other buffer of that call
 * (NCONV_STATUS_BUFFER_OVERLAP). Buffers that are only read may overlap. Element alignment (4 bytes)
 * is required of float data and packed weights; any alignment of the workspace is accepted; 64 is best.
 */
#ifndef NATIVECONV_H
#define NATIVECONV_H

#include <stdint.h>

#if defined(NCONV_STATIC)
#define NCONV_API
#elif defined(_WIN32)
#if defined(NCONV_BUILDING)
#define NCONV_API __declspec(dllexport)
#else
#define NCONV_API __declspec(dllimport)
#endif
#else
#define NCONV_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The library's version, major.minor.patch. */
#define NCONV_VERSION_MAJOR 0
#define NCONV_VERSION_MINOR 1
#define NCONV_VERSION_PATCH 0

/* The binary interface: raised when a caller compiled against an older header would break. */
#define NCONV_ABI_VERSION 2

/* ---- Enumerations. Values are never reused or reordered. ------------------------------------- */

/* INVALID_*: the caller's mistake, by argument. UNSUPPORTED_*: valid, but not to be had here.
 * The rest: the environment. nconv_status_text gives a sentence for each. */
typedef enum nconv_status {
    NCONV_STATUS_OK = 0,

    NCONV_STATUS_INVALID_DESCRIPTOR = 100,   /* null, or a struct_size this library does not know */
    NCONV_STATUS_INVALID_DATA_TYPE = 101,    /* not an nconv_data_type */
    NCONV_STATUS_INVALID_LAYOUT = 102,       /* not an nconv_layout */
    NCONV_STATUS_INVALID_ACTIVATION = 103,   /* not an nconv_activation, or its parameters out of range */
    NCONV_STATUS_INVALID_MATH_MODE = 104,    /* not an nconv_math_mode */
    NCONV_STATUS_INVALID_HAS_BIAS = 105,     /* neither 0 nor 1 */
    NCONV_STATUS_INVALID_BATCH = 106,        /* negative, or above 2^31-1 */
    NCONV_STATUS_INVALID_CHANNELS = 107,     /* input or output channels outside 1 .. 2^31-1 */
    NCONV_STATUS_INVALID_INPUT_SIZE = 108,   /* height or width outside 1 .. 2^31-1 */
    NCONV_STATUS_INVALID_KERNEL_SIZE = 109,  /* height or width outside 1 .. 2^31-1 */
    NCONV_STATUS_INVALID_STRIDE = 110,       /* outside 1 .. 2^31-1 */
    NCONV_STATUS_INVALID_DILATION = 111,     /* outside 1 .. 2^31-1 */
    NCONV_STATUS_INVALID_PADDING = 112,      /* negative, or above 2^31-1 */
    NCONV_STATUS_INVALID_GROUPS = 113,       /* below 1, or does not divide both channel counts */
    NCONV_STATUS_INVALID_OUTPUT_SIZE = 114,  /* the dilated kernel is larger than the padded input */
    NCONV_STATUS_SIZE_OVERFLOW = 115,        /* a buffer would exceed 2^63-1 bytes or the address space */

    NCONV_STATUS_INVALID_PLAN = 130,           /* null */
    NCONV_STATUS_INVALID_ARGUMENTS = 131,      /* the argument struct is null or of unknown struct_size */
    NCONV_STATUS_INVALID_RESULT = 132,         /* a pointer for a result is null */
    NCONV_STATUS_INVALID_PASS = 133,           /* not an nconv_pass, or not one this function serves */
    NCONV_STATUS_INVALID_THREADS = 134,        /* a negative thread count */
    NCONV_STATUS_INVALID_ISA = 135,            /* not an nconv_isa */
    NCONV_STATUS_INVALID_EXECUTION = 136,      /* unknown struct_size */
    NCONV_STATUS_INVALID_INPUT = 137,          /* null, misaligned or too short; so for those below */
    NCONV_STATUS_INVALID_WEIGHTS = 138,
    NCONV_STATUS_INVALID_PACKED_WEIGHTS = 139,
    NCONV_STATUS_INVALID_BIAS = 140,
    NCONV_STATUS_INVALID_OUTPUT = 141,
    NCONV_STATUS_INVALID_GRAD_OUTPUT = 142,
    NCONV_STATUS_INVALID_GRAD_INPUT = 143,
    NCONV_STATUS_INVALID_GRAD_WEIGHTS = 144,
    NCONV_STATUS_INVALID_GRAD_BIAS = 145,
    NCONV_STATUS_INVALID_WORKSPACE = 146,
    NCONV_STATUS_INVALID_ACCUMULATE = 147,     /* neither 0 nor 1 */
    NCONV_STATUS_BUFFER_OVERLAP = 148,         /* a buffer that is written overlaps another one */
    NCONV_STATUS_INVALID_RESIDUAL = 149,       /* as INVALID_INPUT; so for the next */
    NCONV_STATUS_INVALID_GRAD_RESIDUAL = 150,
    NCONV_STATUS_INVALID_BUFFER_BYTES = 151,   /* negative */
    NCONV_STATUS_INVALID_SPIN = 152,           /* outside 0 .. 1000000 */

    NCONV_STATUS_UNSUPPORTED_ALGORITHM = 200,  /* no such name, or it declines this problem */
    NCONV_STATUS_UNSUPPORTED_ISA = 201,        /* not in this build, or not on this processor */

    NCONV_STATUS_OUT_OF_MEMORY = 300,
    NCONV_STATUS_INTERNAL = 301                /* a defect of the library: please report it */
} nconv_status;

typedef enum nconv_data_type {
    NCONV_DATA_TYPE_FLOAT32 = 0
} nconv_data_type;

typedef enum nconv_layout {
    NCONV_LAYOUT_NCHW = 0,
    NCONV_LAYOUT_NHWC = 1
} nconv_layout;

/* y = f(z), and f'(z) as the gradients compute it from the saved output y. alpha and beta are
 * activation_alpha and activation_beta of the descriptor; unused ones are ignored. */
typedef enum nconv_activation {
    NCONV_ACTIVATION_LINEAR = 0,     /* z;                       1                               */
    NCONV_ACTIVATION_RELU = 1,       /* max(z, 0);               1 if y > 0, else 0              */
    NCONV_ACTIVATION_LEAKY_RELU = 2, /* z if z > 0 else alpha*z; 1 if y > 0 else alpha. alpha >= 0 */
    NCONV_ACTIVATION_CLIP = 3,       /* min(max(z, alpha), beta); 1 if alpha < y < beta, else 0.
                                        alpha < beta; ReLU6 is alpha 0, beta 6                   */
    NCONV_ACTIVATION_SIGMOID = 4,    /* 1 / (1 + exp(-z));       y * (1 - y)                     */
    NCONV_ACTIVATION_TANH = 5,       /* tanh(z);                 1 - y*y                         */
    NCONV_ACTIVATION_ELU = 6         /* z if z > 0 else alpha*(exp(z) - 1); 1 if y > 0 else y + alpha.
                                        alpha >= 0                                               */
} nconv_activation;

/* How freely the arithmetic may be rearranged. Forward and backward_input of 3 x 3 kernels with stride 1 and
 * any dilation, and forward of those with stride 2 and dilation 1, may use Winograd's minimal filtering
 * F(m x m, 3 x 3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016), with stride 2
 * F(m, 2) of every other input; the weight gradients of those with stride and dilation 1 its transpose.
 * Everything else is summed directly in every mode, but for image filters in fast mode (below). Error against
 * double, root of the mean square, as a multiple of that of direct summation in float (4e-7 of the outputs'
 * own size with 64 channels, 7e-7 with 256; inputs after a ReLU, weights as He initialises them):
 *
 *   tile    points                                   multiplications   error   allowed in
 *   direct                                           1                 1       all modes
 *   2 x 2   0, 1, -1, infinity                       1 / 2.25          0.6     default, fast
 *   4 x 4   0, +-sqrt(1/2), +-sqrt(2), infinity      1 / 4             1.7     default, fast
 *   5 x 5   0, +-0.5625, +-1.15625, +-3.375          1 / 4.59          3.1     fast
 *   6 x 6   0, +-1, +-2, +-1/2, infinity             1 / 5.06          6.9     fast
 *   stride 2:
 *   4 x 4   0, +-0.8125, +-2.5                       1 / 1.78          0.8     default, fast
 *
 * Weight gradients, in default and fast math, take the 4 x 4 tiles of grad_output: 1.4 to 2.9 times the error
 * of direct summation (2e-7 of the gradients' own size over 196 pixels, 4e-7 over 25000; inputs after a ReLU,
 * gradients of a normal distribution). Over fewer than 128 pixels of all images it would be more than three
 * times: default math sums those directly, fast math may not.
 *
 * The error is relative to the largest values of a tile and its neighbours: where inputs of very different
 * size lie within a few pixels, the small results beside the large ones lose more. With dilation d a tile
 * holds every d-th result along an axis.
 *
 * Image filters in fast mode: with 1 to 4 channels, each its own group with one output, stride and dilation
 * 1, and kernels from 7 x 7 (49 taps, 3 to 64 along an axis) on, forward and backward_input look at the
 * weights when they are packed. If in every channel each weight w[r,s] is within 2^-21 of itself of
 * u[r] * v[s], with u the column and v the row of the largest weight, v divided by that weight and rounded,
 * results are summed down columns and then along rows: R + S multiply-adds, not R * S. They are within
 * (R + S + 10) * 2^-24 * (|b| + sum of |x * w|) of the exact ones; direct summation's bound is
 * (R * S + 3) * 2^-24 times the same. All other weights are summed directly, with direct summation's bits.
 * Gaussians, boxes and other products of two vectors in float are taken so. */
typedef enum nconv_math_mode {
    NCONV_MATH_MODE_DEFAULT = 0,
    NCONV_MATH_MODE_STRICT = 1, /* direct summation only */
    NCONV_MATH_MODE_FAST = 2
} nconv_math_mode;

/* Instruction sets. On one architecture a larger value is a faster set. */
typedef enum nconv_isa {
    NCONV_ISA_SCALAR = 0,  /* any processor of the architecture */
    NCONV_ISA_AVX2 = 1,    /* x86-64 with AVX2 and FMA */
    NCONV_ISA_AVX512 = 2,  /* x86-64 with AVX-512 F, BW, DQ and VL */
    NCONV_ISA_NEON = 16    /* arm64 */
} nconv_isa;

typedef enum nconv_pass {
    NCONV_PASS_FORWARD = 0,
    NCONV_PASS_BACKWARD_INPUT = 1,
    NCONV_PASS_BACKWARD_WEIGHTS = 2
} nconv_pass;

/* ---- The library ------------------------------------------------------------------------------ */

/* major * 10000 + minor * 100 + patch of the library that is loaded. */
NCONV_API int32_t nconv_version(void);

/* NCONV_ABI_VERSION of the library that is loaded; a caller compares it with its own. */
NCONV_API int32_t nconv_abi_version(void);

/* A sentence in English for any status, in static memory; never null, also for unknown values. */
NCONV_API const char* nconv_status_text(nconv_status status);

/* The instruction set that new plans use: the best one this build has, processor and operating system
 * support, and the cap allows. */
NCONV_API nconv_isa nconv_active_isa(void);

/* Bit (1 << value) for each nconv_isa this build has and the machine can run, the cap disregarded. */
NCONV_API uint32_t nconv_supported_isas(void);

/* "scalar", "avx2", "avx512", "neon", in static memory; null for other values. */
NCONV_API const char* nconv_isa_name(nconv_isa isa);

/* Lowers nconv_active_isa for plans created from now on, in any thread. The environment variable
 * NATIVECONV_MAX_ISA, a name of nconv_isa_name, is a second cap read once, at first use; the lower
 * one holds. Statuses: INVALID_ISA, UNSUPPORTED_ISA. */
NCONV_API nconv_status nconv_set_max_isa(nconv_isa isa);

/* The number of threads a call uses that sets no limit of its own: the processors this process may
 * run on, or less if capped by nconv_set_max_threads. */
NCONV_API int32_t nconv_thread_count(void);

/* Caps nconv_thread_count for calls that start from now on; 0 lifts the cap.
 * Status: INVALID_THREADS. */
NCONV_API nconv_status nconv_set_max_threads(int32_t threads);

/* How long the library's threads look for the next call's work, at full speed, before they sleep: 100
 * microseconds unless set, 0 to sleep at once. Between calls that follow each other sooner than that, a
 * handover costs 0.1 us; waking a sleeping thread costs 16 to 47. Threads that sleep use no processor
 * time, so a process that computes nothing uses none. */
NCONV_API int32_t nconv_spin_microseconds(void);

/* Sets that time for the whole process, from 0 to 1000000. Status: INVALID_SPIN. */
NCONV_API nconv_status nconv_set_spin_microseconds(int32_t microseconds);

/* The names of the algorithms in the order in which a plan considers them, in static memory; null
 * from the first index that does not exist. */
NCONV_API const char* nconv_algorithm_name(int32_t index);

/* ---- Buffers ---------------------------------------------------------------------------------- */

/* Memory for tensors, packed weights and workspaces; any other memory may be used instead. Three things
 * set it apart. The first touch of fresh memory costs about 1.3 us per 4096 bytes, 250 to 370 us for a
 * 1 MB output, often more than the convolution: freed buffers are kept and handed out again, already
 * touched. Large ones use huge pages where the system has them. And no two of 64 buffers allocated in a
 * row have addresses with equal low 12 bits, which would make loads wait for unrelated stores.
 * All of these functions may be called from any thread. */

/* Writes the start of at least bytes bytes to *buffer: aligned to 64, content undefined. 0 bytes are
 * allowed. Takes a free buffer of about that size if there is one, which allocates nothing.
 * Statuses: INVALID_RESULT, INVALID_BUFFER_BYTES, OUT_OF_MEMORY. */
NCONV_API nconv_status nconv_buffer_allocate(int64_t bytes, void** buffer);

/* Frees a buffer of nconv_buffer_allocate, which is kept for the next one; null is allowed. */
NCONV_API void nconv_buffer_free(void* buffer);

/* The bytes of memory that is free and kept: at most 256 MiB in at most 256 buffers, or the limit last
 * set. Past it those freed first are given back to the system. */
NCONV_API int64_t nconv_buffer_pooled_bytes(void);

/* Sets the limit and gives back what exceeds it; 0 keeps nothing. Status: INVALID_BUFFER_BYTES. */
NCONV_API nconv_status nconv_buffer_set_max_pooled_bytes(int64_t bytes);

/* Gives everything that is kept back to the system. */
NCONV_API void nconv_buffer_trim(void);

/* ---- The problem ------------------------------------------------------------------------------ */

/* All of one convolution. Set struct_size to sizeof(nconv_conv2d_desc), best by
 * nconv_conv2d_desc_init. Later versions may add fields at the end. */
typedef struct nconv_conv2d_desc {
    uint32_t struct_size;
    int32_t data_type;      /* nconv_data_type */
    int32_t layout;         /* nconv_layout */
    int32_t activation;     /* nconv_activation */
    int32_t math_mode;      /* nconv_math_mode */
    int32_t has_bias;       /* 0 or 1 */
    float activation_alpha; /* see nconv_activation */
    float activation_beta;
    int64_t batch; /* 0 is allowed: every pass succeeds and reads nothing */
    int64_t input_channels;
    int64_t output_channels;
    int64_t groups; /* divides both channel counts; input_channels for depthwise */
    int64_t input_height;
    int64_t input_width;
    int64_t kernel_h;
    int64_t kernel_w;
    int64_t stride_h;
    int64_t stride_w;
    int64_t dilation_h; /* distance between taps: 1 is a dense kernel */
    int64_t dilation_w;
    int64_t pad_top;
    int64_t pad_left;
    int64_t pad_bottom;
    int64_t pad_right;
} nconv_conv2d_desc;

/* Writes struct_size and the defaults: float32, NCHW, ReLU, default math, bias, batch 1, groups 1,
 * kernel 3 x 3, stride 1, dilation 1, no padding. Channels and input size become 0 and must be set. */
NCONV_API void nconv_conv2d_desc_init(nconv_conv2d_desc* desc);

/* "Same" padding along one axis, output = ceil(input / stride): with
 * total = max(0, (output - 1) * stride + (kernel - 1) * dilation + 1 - input), *before = total / 2 and
 * *after the rest, so that an odd zero goes to the end (TensorFlow, ONNX SAME_UPPER); with lower != 0
 * it goes to the start (SAME_LOWER). Depends on the input size.
 * Statuses: INVALID_INPUT_SIZE, INVALID_KERNEL_SIZE, INVALID_STRIDE, INVALID_DILATION,
 * INVALID_RESULT, SIZE_OVERFLOW. */
NCONV_API nconv_status nconv_same_padding(int64_t input, int64_t kernel, int64_t stride,
                                          int64_t dilation, int32_t lower, int64_t* before,
                                          int64_t* after);

/* ---- The plan --------------------------------------------------------------------------------- */

typedef struct nconv_plan nconv_plan;

/* What a plan may use; for tests and measurements. */
typedef struct nconv_plan_options {
    uint32_t struct_size;  /* sizeof(nconv_plan_options) */
    int32_t max_isa;       /* nconv_isa: a cap for this plan alone; -1 for none */
    const char* algorithm; /* a name of nconv_algorithm_name for the passes that it serves; null to choose */
} nconv_plan_options;

/* The sizes that follow from a descriptor, and what the plan runs on. */
typedef struct nconv_plan_info {
    uint32_t struct_size; /* set to sizeof(nconv_plan_info) before the call */
    int32_t isa;          /* nconv_isa */
    int64_t output_height;
    int64_t output_width;
    int64_t input_count; /* elements; grad_input has as many, and so on */
    int64_t weights_count;
    int64_t bias_count; /* 0 without bias */
    int64_t output_count;
    int64_t forward_packed_bytes; /* packed weights for nconv_forward */
    int64_t backward_input_packed_bytes;
    /* Two plans with equal values take the same packed weights. They depend on channels, groups,
     * kernel, stride, dilation, layout, instruction set and algorithm; that of backward_input with a
     * stride above 1 also on the padding modulo the stride and on whether the input is smaller than
     * the stride. The choice of an algorithm may depend on the math mode and the image's size, and on
     * the batch only where Winograd's transformed weights exceed 20 MB: some 380 x 380 channels with tiles
     * of 4 x 4, 286 x 286 with those of 6 x 6. */
    uint64_t forward_packed_format;
    uint64_t backward_input_packed_format;
} nconv_plan_info;

/* Validates desc, chooses an algorithm for each pass, and writes a new plan to *plan. desc and options
 * are not kept; options may be null. Every valid descriptor is accepted and every pass of it served.
 * Statuses: INVALID_* of the descriptor, SIZE_OVERFLOW, UNSUPPORTED_ALGORITHM, UNSUPPORTED_ISA,
 * INVALID_ISA, INVALID_ARGUMENTS (options), INVALID_RESULT, OUT_OF_MEMORY. */
NCONV_API nconv_status nconv_plan_create(const nconv_conv2d_desc* desc,
                                         const nconv_plan_options* options, nconv_plan** plan);

/* Frees a plan; null is allowed. No call may be using it. */
NCONV_API void nconv_plan_destroy(nconv_plan* plan);

/* Statuses: INVALID_PLAN, INVALID_RESULT, INVALID_ARGUMENTS (struct_size). */
NCONV_API nconv_status nconv_plan_get_info(const nconv_plan* plan, nconv_plan_info* info);

/* The bytes of workspace a pass needs when at most that many threads run it; 0 threads means
 * nconv_thread_count(). Bounded by a size that does not depend on the batch.
 * Statuses: INVALID_PLAN, INVALID_PASS, INVALID_THREADS, INVALID_RESULT, SIZE_OVERFLOW. */
NCONV_API nconv_status nconv_plan_workspace_bytes(const nconv_plan* plan, nconv_pass pass,
                                                  int32_t threads, int64_t* bytes);

/* The same of nconv_backward with both passes wanted; with one, it needs what that pass needs.
 * Statuses: as nconv_plan_workspace_bytes. */
NCONV_API nconv_status nconv_plan_backward_workspace_bytes(const nconv_plan* plan, int32_t threads,
                                                           int64_t* bytes);

/* The name of the algorithm of a pass, in static memory; null for a null plan or an unknown pass. */
NCONV_API const char* nconv_plan_algorithm(const nconv_plan* plan, nconv_pass pass);

/* A plain-words account of the plan: the problem and, per pass, the algorithm, why those before it
 * declined, workspace bytes and instruction set. Writes at most text_bytes bytes, ended by a zero, and
 * the bytes the whole text needs, zero included, to *required_bytes. text may be null if text_bytes
 * is 0. Statuses: INVALID_PLAN, INVALID_RESULT. */
NCONV_API nconv_status nconv_plan_describe(const nconv_plan* plan, char* text, int64_t text_bytes,
                                           int64_t* required_bytes);

/* Rearranges weights (in the descriptor's layout) into packed, for NCONV_PASS_FORWARD or
 * NCONV_PASS_BACKWARD_INPUT. Runs in the calling thread; allocates nothing.
 * Statuses: INVALID_PLAN, INVALID_PASS, INVALID_WEIGHTS, INVALID_PACKED_WEIGHTS, BUFFER_OVERLAP. */
NCONV_API nconv_status nconv_pack_weights(const nconv_plan* plan, nconv_pass pass,
                                          const float* weights, int64_t weights_count,
                                          void* packed_weights, int64_t packed_weights_bytes);

/* ---- Running ---------------------------------------------------------------------------------- */

/* One share of a call's work. */
typedef void (*nconv_task)(void* task_context, int64_t index);

/* A caller's own threads: calls task(task_context, i) for every i in 0 .. count-1, each once, in any
 * order, on any threads, at the same time or one after the other, and returns when all have returned.
 * context is the one in nconv_execution. Must not throw. */
typedef void (*nconv_parallel_for)(void* context, int64_t count, nconv_task task,
                                   void* task_context);

/* How one call may use threads. */
typedef struct nconv_execution {
    uint32_t struct_size;            /* sizeof(nconv_execution) */
    int32_t max_threads;             /* 0: nconv_thread_count() */
    nconv_parallel_for parallel_for; /* null: the library's own pool */
    void* parallel_context;
} nconv_execution;

/* Threads. A call uses as many threads as its max_threads, the workspace, and the work allow: one where
 * all of it takes less than about 3 us, and where it takes less than 50 us and the pool's threads sleep,
 * unless parallel_for is the caller's. A workspace sized for fewer threads than max_threads lowers the count. execution may be null. workspace
 * may be null with 0 bytes if nconv_plan_workspace_bytes says 0. */

typedef struct nconv_forward_args {
    uint32_t struct_size; /* sizeof(nconv_forward_args) */
    int32_t reserved;     /* 0 */
    const float* input;
    int64_t input_count;
    const void* packed_weights; /* of nconv_pack_weights for NCONV_PASS_FORWARD */
    int64_t packed_weights_bytes;
    const float* bias; /* not read if the descriptor has none; its count is 0 then */
    int64_t bias_count;
    float* output;
    int64_t output_count;
    void* workspace;
    int64_t workspace_bytes;
    const nconv_execution* execution;
    const float* residual; /* laid out like output; null with count 0: none */
    int64_t residual_count;
} nconv_forward_args;

/* output = f(z + residual) with z = conv(input, weights) + bias: the shortcut of a residual block. It
 * costs one read of residual: every algorithm adds it while the sums are in cache. z is whole, a float,
 * before residual is added: the same bits as adding it to the output of a linear convolution. residual
 * must not overlap output, which holds unfinished sums meanwhile.
 * Statuses: INVALID_PLAN, INVALID_ARGUMENTS, INVALID_EXECUTION, INVALID_THREADS, INVALID_INPUT,
 * INVALID_PACKED_WEIGHTS, INVALID_BIAS, INVALID_RESIDUAL, INVALID_OUTPUT, INVALID_WORKSPACE,
 * BUFFER_OVERLAP. */
NCONV_API nconv_status nconv_forward(const nconv_plan* plan, const nconv_forward_args* args);

typedef struct nconv_backward_input_args {
    uint32_t struct_size; /* sizeof(nconv_backward_input_args) */
    int32_t reserved;     /* 0 */
    const float* grad_output;
    int64_t grad_output_count;
    const float* output; /* of nconv_forward; not read if the activation is linear */
    int64_t output_count;
    const void* packed_weights; /* of nconv_pack_weights for NCONV_PASS_BACKWARD_INPUT */
    int64_t packed_weights_bytes;
    float* grad_input;
    int64_t grad_input_count;
    void* workspace;
    int64_t workspace_bytes;
    const nconv_execution* execution;
} nconv_backward_input_args;

/* With g = grad_output * f'(output):
 *   grad_input[n,c,h,w] = sum of g[n,o,p,q] * w[o,c,r,s] over all o,p,q,r,s with
 *                         h = p*stride_h + r*dilation_h - pad_top and w alike.
 * Overwrites grad_input; pixels that no output reads become 0.
 * Statuses: as nconv_forward, with INVALID_GRAD_OUTPUT, INVALID_OUTPUT, INVALID_GRAD_INPUT. */
NCONV_API nconv_status nconv_backward_input(const nconv_plan* plan,
                                            const nconv_backward_input_args* args);

typedef struct nconv_backward_weights_args {
    uint32_t struct_size; /* sizeof(nconv_backward_weights_args) */
    int32_t accumulate;   /* 0: overwrite the gradients; 1: add to them */
    const float* input;
    int64_t input_count;
    const float* grad_output;
    int64_t grad_output_count;
    const float* output; /* as in nconv_backward_input_args */
    int64_t output_count;
    float* grad_weights; /* in the descriptor's layout of the weights */
    int64_t grad_weights_count;
    float* grad_bias; /* not written if the descriptor has no bias; its count is 0 then */
    int64_t grad_bias_count;
    void* workspace;
    int64_t workspace_bytes;
    const nconv_execution* execution;
} nconv_backward_weights_args;

/* With g = grad_output * f'(output):
 *   grad_weights[o,c,r,s] = sum over n,p,q of g[n,o,p,q] * x[n, c, p*stride_h + r*dilation_h - pad_top,
 *                           q*stride_w + s*dilation_w - pad_left]
 *   grad_bias[o]          = sum over n,p,q of g[n,o,p,q]
 * With batch 0 the gradients become 0, or stay as they are if accumulate is 1.
 * Statuses: as nconv_forward, with INVALID_GRAD_OUTPUT, INVALID_OUTPUT, INVALID_GRAD_WEIGHTS,
 * INVALID_GRAD_BIAS, INVALID_ACCUMULATE. */
NCONV_API nconv_status nconv_backward_weights(const nconv_plan* plan,
                                              const nconv_backward_weights_args* args);

typedef struct nconv_backward_args {
    uint32_t struct_size; /* sizeof(nconv_backward_args) */
    int32_t accumulate;   /* 0: overwrite grad_weights and grad_bias; 1: add to them */
    const float* input;   /* not read if grad_weights is null */
    int64_t input_count;
    const float* grad_output;
    int64_t grad_output_count;
    const float* output; /* as in nconv_backward_input_args */
    int64_t output_count;
    const void* packed_weights; /* for NCONV_PASS_BACKWARD_INPUT; not read if grad_input is null */
    int64_t packed_weights_bytes;
    float* grad_input; /* null with count 0: not wanted, as in a first layer */
    int64_t grad_input_count;
    float* grad_weights; /* null with count 0: not wanted, as in a frozen layer */
    int64_t grad_weights_count;
    float* grad_bias; /* null with count 0: not wanted; wanted only with grad_weights */
    int64_t grad_bias_count;
    void* workspace; /* nconv_plan_backward_workspace_bytes */
    int64_t workspace_bytes;
    const nconv_execution* execution;
} nconv_backward_args;

/* nconv_backward_input and nconv_backward_weights in one call, with the same bits; what is not wanted is
 * skipped. A non-linear activation's g = grad_output * f'(output) is made once, for some images at a time,
 * and read by both passes from cache. Statuses: those of both passes. */
NCONV_API nconv_status nconv_backward(const nconv_plan* plan, const nconv_backward_args* args);

typedef struct nconv_backward_residual_args {
    uint32_t struct_size; /* sizeof(nconv_backward_residual_args) */
    int32_t reserved;     /* 0 */
    const float* grad_output;
    int64_t grad_output_count;
    const float* output; /* as in nconv_backward_input_args */
    int64_t output_count;
    float* grad_residual; /* may be grad_output itself: the product is then made in place */
    int64_t grad_residual_count;
    const nconv_execution* execution;
} nconv_backward_residual_args;

/* grad_residual = g = grad_output * f'(output), the gradient by the residual and by z. The other
 * backward passes need no residual: they take g from output, which has seen it.
 * Statuses: INVALID_PLAN, INVALID_ARGUMENTS, INVALID_EXECUTION, INVALID_THREADS, INVALID_GRAD_OUTPUT,
 * INVALID_OUTPUT, INVALID_GRAD_RESIDUAL, BUFFER_OVERLAP. */
NCONV_API nconv_status nconv_backward_residual(const nconv_plan* plan,
                                               const nconv_backward_residual_args* args);

#ifdef __cplusplus
}
#endif

#endif /* NATIVECONV_H */
