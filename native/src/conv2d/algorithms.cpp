#include "conv2d/algorithm.h"

namespace nconv {

const Algorithm* const kAlgorithms[kAlgorithmCount] = {
    &kSeparable,
    &kDepthwise,
    &kPointwise,
    &kGrouped,
    &kWinograd6x6,
    &kWinograd5x5,
    &kWinograd4x4,
    &kWinograd2x2,
    &kWinograd4x4Strided,
    &kOuter,
    &kSliding,
    &kNarrow,
    &kGemm,
    &kReference,
};

}  // namespace nconv
