#include "conv2d/algorithm.h"

namespace nconv {

const Algorithm* const kAlgorithms[kAlgorithmCount] = {
    &kDepthwise,
    &kPointwise,
    &kNarrow,
    &kGemm,
    &kReference,
};

}  // namespace nconv
