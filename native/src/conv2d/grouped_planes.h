// Groups of 2, 4 or 8 channels in NCHW without transposition: pixels of a plane in lanes.
#pragma once

#include "conv2d/algorithm.h"
#include "conv2d/gather.h"

namespace nconv {

// Whether that serves this pass and fills its vectors. The sums are the same as with channels in lanes.
bool fits_planes(const Context&, const Gather&);
// Its weights stand before those with channels in lanes wherever there is a kernel for it, so that they do not depend
// on the image's size.
CheckedSize planes_packed_count(const Context&, const Gather&);
void pack_planes(const Context&, const Gather&, const float* weights, float* packed);
void gather_group_planes(const Context&, const Gather&, const GatherCall&, int64_t images,
                         const Execution&);

}  // namespace nconv
