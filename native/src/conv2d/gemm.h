// The parts of the gemm algorithm: a gather for forward and backward_input, an outer product for
// backward_weights. Both serve both layouts.
#pragma once

#include "conv2d/gather.h"

namespace nconv {

// Produced channels of a block: a register tile's.
inline int64_t block_width(const Context& context) {
    return static_cast<int64_t>(context.kernels->rows_tile_vectors) * context.kernels->lanes;
}

WorkspaceSize gemm_gather_workspace(const Context&, const Gather&);
CheckedSize gemm_packed_count(const Context&, const Gather&);
void gemm_pack(const Context&, const Gather&, const float* weights, float* packed);
void gemm_gather(const Context&, const Gather&, const GatherCall&, int64_t images, const Workspace&,
                 const Execution&);

WorkspaceSize gemm_weights_workspace(const Context&);
void gemm_backward_weights(const Context&, const BackwardWeightsCall&, const Workspace&,
                           const Execution&);

}  // namespace nconv
