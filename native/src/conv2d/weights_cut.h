// How weight gradients are cut over the batch, so that a call may come in parts: some images at a time, while
// what backward_input reads of them is in cache. A sum is the same chain whatever the parts.
#pragma once

#include "base/checked_math.h"
#include "conv2d/problem.h"

namespace nconv {

// Units of whole images, each of some chunks of pixels, and partial sums, each over a run of chunks.
struct WeightsCut {
    int64_t units, chunks;  // chunks: of a unit
    int64_t partials;
    int64_t images;  // of a unit but the last; 0: near-equal units

    int64_t partial_start(int64_t partial) const {
        return share_start(units * chunks, partials, partial);
    }
    int64_t image_start(const Problem& p, int64_t unit) const {
        return images > 0 ? min_of(p.batch, unit * images) : even_start(p.batch, units, unit);
    }
};

// Neighbouring units, and grad_output of their images times the activation's derivative.
struct UnitRun {
    int64_t first_unit, end_unit;
    int64_t first_image, end_image;
    const float* gradient;
};

struct WeightsPart {
    const UnitRun* runs;
    int run_count;
    int64_t partials;  // with chunks in it
    bool last;
};

}  // namespace nconv
