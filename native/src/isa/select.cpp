#include "isa/select.h"

#include <stdlib.h>
#include <string.h>

#include <atomic>

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

std::atomic<int32_t> cap{kNoCap};

int32_t read_environment_cap() {
    const char* name = getenv("NATIVECONV_MAX_ISA");
    if (name == nullptr) return kNoCap;
    for (const int32_t isa : kIsas) {
        if (strcmp(name, isa_name(isa)) == 0) return isa;
    }
    return kNoCap;  // an unknown name cannot raise or lower anything
}

int32_t environment_cap() {
    static std::atomic<int32_t> value{-1};
    int32_t current = value.load(std::memory_order_relaxed);
    if (current < 0) {
        current = read_environment_cap();
        value.store(current, std::memory_order_relaxed);
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
    static std::atomic<uint32_t> value{0};  // the scalar set's bit is in every answer
    uint32_t isas = value.load(std::memory_order_relaxed);
    if (isas != 0) return isas;
    const uint32_t machine = machine_isas();
    for (const KernelSet* set : kKernelSets) isas |= machine & (1u << set->isa);
    value.store(isas, std::memory_order_relaxed);
    return isas;
}

const KernelSet* select_kernels(int32_t max_isa) {
    int32_t limit = max_isa < 0 ? kNoCap : max_isa;
    const int32_t process = cap.load(std::memory_order_relaxed), environment = environment_cap();
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
    cap.store(isa, std::memory_order_relaxed);
    return NCONV_STATUS_OK;
}

}  // namespace nconv
