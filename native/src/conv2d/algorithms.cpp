#include "conv2d/algorithm.h"

namespace nconv {

const Algorithm* const kAlgorithms[kAlgorithmCount] = {
    &kReference,
};

}  // namespace nconv
