#include "conv2d/algorithm.h"

namespace nconv {

const Algorithm* const kAlgorithms[kAlgorithmCount] = {
    &kDepthwise,
    &kPointwise,
    &kGemm,
    &kReference,
};

}  // namespace nconv
