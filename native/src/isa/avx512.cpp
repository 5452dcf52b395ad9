#include "isa/vec_avx512.h"
#include "kernels/kernel_set-inl.h"

namespace nconv {

extern constexpr KernelSet kernels_avx512 = make_kernel_set<VecAvx512>(NCONV_ISA_AVX512);

}  // namespace nconv
