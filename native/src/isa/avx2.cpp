#include "isa/vec_avx2.h"
#include "kernels/kernel_set-inl.h"

namespace nconv {

extern constexpr KernelSet kernels_avx2 = make_kernel_set<VecAvx2>(NCONV_ISA_AVX2);

}  // namespace nconv
