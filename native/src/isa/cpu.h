// What the processor and the operating system support. Both count: an AVX-512 processor under a system
// that does not save the wide registers cannot use them.
#pragma once

#include <stdint.h>

namespace nconv {

// Bit (1 << nconv_isa) for every instruction set the machine can run, whatever this build contains.
uint32_t machine_isas();

}  // namespace nconv
