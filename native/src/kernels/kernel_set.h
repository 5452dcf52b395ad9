// The compute routines of one instruction set, as data: what every algorithm calls. A family is compiled by
// itself for each instruction set, from kernels/<family>-inl.h over its vector vocabulary
// (cmake/isa.cmake).
//
// Bits. A kernel gives every output element one chain of fused multiply-adds in an order that does not
// depend on the vector length; where lanes hold parts of one sum there are kVirtualLanes of them on
// every instruction set.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/depthwise.h"
#include "kernels/depthwise_weights.h"
#include "kernels/gemm.h"
#include "kernels/grouped.h"
#include "kernels/narrow.h"
#include "kernels/outer.h"
#include "kernels/pixels.h"
#include "kernels/winograd.h"
#include "nativeconv.h"

namespace nconv {

constexpr int kActivations = NCONV_ACTIVATION_ELU + 1;

// The end of a forward pass: out = f(out + residual) for the first `columns` values of each row.
// The residual is laid out like the output: a row's lies as far from its start as the row from
// `output`.
struct EpilogueArgs {
    float* const* rows;
    int row_count;
    int64_t columns;
    float alpha, beta;
    const float* output;    // of the call; not used without a residual
    const float* residual;  // null: none
};

struct ActivationKernel {
    void (*apply)(const EpilogueArgs&);
    // result = grad * f'(output). result may be grad.
    void (*derive)(const float* grad, const float* output, float* result, int64_t count,
                   float alpha, float beta);
};

struct KernelFamilies {
    const DepthwiseKernels* depthwise;
    const DepthwiseWeightsKernels* depthwise_weights;
    const GemmKernels* gemm;
    const GroupedKernels* grouped;
    const NarrowKernels* narrow;
    const OuterKernels* outer;
    const PixelKernels* pixels;
    const WinogradKernels* winograd;
};

struct KernelSet : KernelFamilies {
    nconv_isa isa;
    int lanes;

    // dst[j * dst_stride + i] = src[i * src_stride + j], any size.
    void (*transpose)(const float* src, ptrdiff_t src_stride, float* dst, ptrdiff_t dst_stride,
                      int64_t rows, int64_t columns);
    // For each row: dst[j * pitch + i] = src[i * step + j], for i * step + j < width and j < step, and
    // anything up to a whole vector. Rows are step * pitch apart in dst.
    void (*split_columns)(const float* src, ptrdiff_t src_row, int64_t rows, int64_t width,
                          int step, float* dst, ptrdiff_t pitch);
    // dst[i * step + j] = src[j * src_pitch + i], for i * step + j < count and j < step.
    void (*join_columns)(const float* src, ptrdiff_t src_pitch, int step, int64_t count,
                         float* dst);
    // dst[i * columns + j] = src[i * src_stride + j], for few columns (a tile's rows) and many rows.
    void (*pack_columns)(const float* src, ptrdiff_t src_stride, int64_t rows, int columns,
                         float* dst);
    // sums[j] += sum over i < rows of src[i * src_stride + j], for j < columns. Row i belongs to chain
    // i mod 4 and the chains are added as (0 + 1) + (2 + 3), on every instruction set.
    void (*add_rows)(const float* src, ptrdiff_t src_stride, int64_t rows, int64_t columns,
                     float* sums);

    ActivationKernel activations[kActivations];  // by nconv_activation
};

}  // namespace nconv
