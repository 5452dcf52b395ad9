// The instruction sets of this build, best first, and which of them is in use.
#pragma once

#include <stdint.h>

#include "kernels/kernel_set.h"

namespace nconv {

// The name as in nconv_isa_name; null for a value that is none.
const char* isa_name(int32_t isa);

uint32_t supported_isas();

// The best kernels the machine supports at or below the process-wide caps and `max_isa`; a negative
// max_isa sets no cap of its own. Never null: the scalar set is always there.
const KernelSet* select_kernels(int32_t max_isa);

nconv_status set_max_isa(int32_t isa);

}  // namespace nconv
