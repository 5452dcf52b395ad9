#include "isa/select.h"

#include <string.h>

#include "base/atomic.h"
#include "base/platform.h"
#include "isa/cpu.h"

namespace nconv {

#define NCONV_ISA_ROW(name) extern const KernelSet kernels_##name;
#include "isa_list.inc"
#undef NCONV_ISA_ROW

namespace {

const KernelSet* const kKernelSets[] = {
#define NCONV_ISA_ROW(name) &kernels_##name,
#include "isa_list.inc"
#undef NCONV_ISA_ROW
};

constexpr int32_t kIsas[] = {NCONV_ISA_SCALAR, NCONV_ISA_AVX2, NCONV_ISA_AVX512, NCONV_ISA_NEON};
constexpr int32_t kNoCap = INT32_MAX;

Atomic<int32_t> cap{kNoCap};

int32_t read_environment_cap() {
    char name[16];
    if (!environment_variable("NATIVECONV_MAX_ISA", name, sizeof name)) return kNoCap;
    for (const int32_t isa : kIsas) {
        if (strcmp(name, isa_name(isa)) == 0) return isa;
    }
    return kNoCap;  // an unknown name cannot raise or lower anything
}

int32_t environment_cap() {
    static Atomic<int32_t> value{-1};
    int32_t current = value.load(kRelaxed);
    if (current < 0) {
        current = read_environment_cap();
        value.store(current, kRelaxed);
    }
    return current;
}

}  // namespace

const char* isa_name(int32_t isa) {
    switch (isa) {
        case NCONV_ISA_SCALAR:
            return "scalar";
        case NCONV_ISA_AVX2:
            return "avx2";
        case NCONV_ISA_AVX512:
            return "avx512";
        case NCONV_ISA_NEON:
            return "neon";
        default:
            return nullptr;
    }
}

// Asked once: an instruction that names the processor's features leaves a virtual machine.
uint32_t supported_isas() {
    static Atomic<uint32_t> value{0};  // the scalar set's bit is in every answer
    uint32_t isas = value.load(kRelaxed);
    if (isas != 0) return isas;
    const uint32_t machine = machine_isas();
    for (const KernelSet* set : kKernelSets) isas |= machine & (1u << set->isa);
    value.store(isas, kRelaxed);
    return isas;
}

const KernelSet* select_kernels(int32_t max_isa) {
    int32_t limit = max_isa < 0 ? kNoCap : max_isa;
    const int32_t process = cap.load(kRelaxed), environment = environment_cap();
    if (process < limit) limit = process;
    if (environment < limit) limit = environment;
    const uint32_t supported = supported_isas();
    for (const KernelSet* set : kKernelSets) {
        if ((supported & (1u << set->isa)) != 0 && set->isa <= limit) return set;
    }
    return &kernels_scalar;
}

nconv_status set_max_isa(int32_t isa) {
    if (isa_name(isa) == nullptr) return NCONV_STATUS_INVALID_ISA;
    if ((supported_isas() & (1u << isa)) == 0) return NCONV_STATUS_UNSUPPORTED_ISA;
    cap.store(isa, kRelaxed);
    return NCONV_STATUS_OK;
}

}  // namespace nconv
