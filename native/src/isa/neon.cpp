#include "isa/vec_neon.h"
#include "kernels/kernel_set-inl.h"

namespace nconv {

extern constexpr KernelSet kernels_neon = make_kernel_set<VecNeon>(NCONV_ISA_NEON);

}  // namespace nconv
