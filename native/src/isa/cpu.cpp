#include "isa/cpu.h"

#include "nativeconv.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace nconv {

#if defined(__x86_64__)
namespace {

struct Registers {
    uint32_t a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(uint32_t leaf) {
    Registers r;
    __get_cpuid_count(leaf, 0, &r.a, &r.b, &r.c, &r.d);
    return r;
}

bool has(uint32_t word, uint32_t bits) { return (word & bits) == bits; }

// Extended control register 0: which register files the operating system saves.
uint32_t saved_state() {
    uint32_t low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

}  // namespace

uint32_t machine_isas() {
    uint32_t isas = 1u << NCONV_ISA_SCALAR;
    const Registers basic = cpuid(1), extended = cpuid(7);
    if (!has(basic.c, bit_OSXSAVE | bit_AVX | bit_FMA)) return isas;
    constexpr uint32_t kYmm = 0x6, kZmm = 0xe6;
    const uint32_t saved = saved_state();
    if (has(saved, kYmm) && has(extended.b, bit_AVX2)) isas |= 1u << NCONV_ISA_AVX2;
    if (has(saved, kZmm) &&
        has(extended.b, bit_AVX2 | bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL)) {
        isas |= 1u << NCONV_ISA_AVX512;
    }
    return isas;
}

#elif defined(__aarch64__)

// NEON is part of every arm64 processor.
uint32_t machine_isas() { return 1u << NCONV_ISA_SCALAR | 1u << NCONV_ISA_NEON; }

#else

uint32_t machine_isas() { return 1u << NCONV_ISA_SCALAR; }

#endif

}  // namespace nconv
