// Epilogue: what follows the sums of a forward pass, out = f(out + residual). An algorithm applies
// it to rows of its output once their sums are whole, while they are in L1.
#pragma once

#include "conv2d/algorithm.h"
#include "conv2d/planes.h"

namespace nconv {

class Epilogue {
public:
    Epilogue(const Context& context, const ForwardCall& call)
        : context_(context), output_(call.output), residual_(call.residual) {}

    // False if there is nothing to do.
    bool needed() const { return residual_ != nullptr || !context_.problem.linear(); }

    // True if rows must lie in the call's output: the residual is found by where they lie.
    bool in_output() const { return residual_ != nullptr; }

    void apply(float* const* rows, int row_count, int64_t columns) const {
        const Problem& p = context_.problem;
        context_.kernels->activations[p.activation].apply(
            {rows, row_count, columns, p.alpha, p.beta, output_, residual_});
    }

private:
    const Context& context_;
    const float* output_;
    const float* residual_;
};

// The epilogue of a rectangle of some channels' planes.
inline void finish_planes(const Epilogue& epilogue, const Rectangle& r, int64_t channels,
                          float* planes, int64_t plane_size, int64_t plane_width) {
    for (int64_t c = 0; c < channels; c += kPlaneBlock) {
        const int count = static_cast<int>(min_of(kPlaneBlock, channels - c));
        for_each_plane_run(r, plane_width, [&](int64_t at, int64_t, int64_t pixels) {
            float* rows[kPlaneBlock];
            for (int i = 0; i < count; ++i) rows[i] = planes + (c + i) * plane_size + at;
            epilogue.apply(rows, count, pixels);
        });
    }
}

}  // namespace nconv
