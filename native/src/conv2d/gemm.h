// The parts of the gemm algorithm: a gather for forward and backward_input, an outer product for
// backward_weights. Both serve both layouts.
#pragma once

#include "conv2d/balance.h"
#include "conv2d/gather.h"

namespace nconv {

// Images of more floats, source and result, come from L3's far end or from memory: their lines are asked for.
constexpr int64_t kFarFloats = 2 * 1024 * 1024;

// Produced channels of a block: a register tile's.
inline int64_t block_width(const Context& context) {
    return static_cast<int64_t>(context.kernels->gemm->rows_tile_vectors) * context.kernels->lanes;
}

// The produced channels of a group in blocks of near-equal numbers of vectors: a last block of one vector
// would wait for loads, and make one thread's tasks shorter than another's.
struct ProducedBlocks {
    ProducedBlocks(const Context& context, const Gather& g)
        : produced(g.produced),
          lanes(context.kernels->lanes),
          vectors(ceil_div(produced, lanes)),
          count(ceil_div(vectors, context.kernels->gemm->rows_tile_vectors)) {}
    int64_t first(int64_t block) const { return even_start(vectors, count, block) * lanes; }
    int64_t columns(int64_t block) const {
        return min_of(first(block + 1), produced) - first(block);
    }
    int64_t produced, lanes, vectors, count;
};

// Whether rows of so many columns share their last vector by two.
inline bool shares_vector(const KernelSet& kernels, int64_t columns) {
    const int64_t last = (columns - 1) % kernels.lanes + 1;
    return 2 * last <= kernels.lanes &&
           kernels.gemm->halves_tile[1][ceil_div(columns, kernels.lanes) - 1] != nullptr;
}

// The share of an axis' taps that gemm_gather sums where it parts all places by them, else 1.
double summed_taps(const Window&);
WorkspaceSize gemm_gather_workspace(const Context&, const Gather&);
CheckedSize gemm_packed_count(const Context&, const Gather&);
void gemm_pack(const Context&, const Gather&, const float* weights, float* packed);
void gemm_gather(const Context&, const Gather&, const GatherCall&, int64_t images, const Workspace&,
                 const Execution&);

WorkspaceSize gemm_weights_workspace(const Context&);
WeightsCut gemm_weights_cut(const Context&);
void gemm_backward_weights(const Context&, const BackwardWeightsCall&, const Workspace&,
                           const Execution&);

}  // namespace nconv
