#include "isa/vec_scalar.h"
#include "kernels/kernel_set-inl.h"

namespace nconv {

extern constexpr KernelSet kernels_scalar = make_kernel_set<VecScalar>(NCONV_ISA_SCALAR);

}  // namespace nconv
