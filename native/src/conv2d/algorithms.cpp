#include "conv2d/algorithm.h"

namespace nconv {

const Algorithm* const kAlgorithms[kAlgorithmCount] = {
    &kDepthwise,
    &kOuter,
    &kPointwise,
    &kWinograd6x6,
    &kWinograd5x5,
    &kWinograd4x4,
    &kWinograd2x2,
    &kNarrow,
    &kGemm,
    &kReference,
};

}  // namespace nconv
