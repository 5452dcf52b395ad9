#include "peak.h"

#include <nativeconv.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace nconv_bench {
namespace {

// Each loop does `rounds` times kChains operations that do not wait for each other: latency 4 times two
// units needs 8; the empty asm after each keeps it in its register and in the loop.
constexpr int kChains = 12;

#if defined(__x86_64__)

__attribute__((target("avx512f"))) void multiply_add_avx512(int64_t rounds) {
    const __m512 factor = _mm512_set1_ps(0.999f);
    __m512 sums[kChains];
#pragma GCC unroll 12
    for (int j = 0; j < kChains; ++j) sums[j] = factor;
    for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
        for (int j = 0; j < kChains; ++j) {
            sums[j] = _mm512_fmadd_ps(sums[j], factor, factor);
            asm volatile("" : "+v"(sums[j]));
        }
    }
}

__attribute__((target("avx2,fma"))) void multiply_add_avx2(int64_t rounds) {
    const __m256 factor = _mm256_set1_ps(0.999f);
    __m256 sums[kChains];
#pragma GCC unroll 12
    for (int j = 0; j < kChains; ++j) sums[j] = factor;
    for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
        for (int j = 0; j < kChains; ++j) {
            sums[j] = _mm256_fmadd_ps(sums[j], factor, factor);
            asm volatile("" : "+x"(sums[j]));
        }
    }
}

#elif defined(__aarch64__)

void multiply_add_neon(int64_t rounds) {
    const float32x4_t factor = vdupq_n_f32(0.999f);
    float32x4_t sums[kChains];
#pragma GCC unroll 12
    for (int j = 0; j < kChains; ++j) sums[j] = factor;
    for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
        for (int j = 0; j < kChains; ++j) {
            sums[j] = vfmaq_f32(sums[j], factor, factor);
            asm volatile("" : "+w"(sums[j]));
        }
    }
}

#endif

// A multiplication and an addition: without FMA instructions there is nothing faster.
void multiply_add_scalar(int64_t rounds) {
    const float factor = 0.999f;
    float sums[kChains];
#pragma GCC unroll 12
    for (int j = 0; j < kChains; ++j) sums[j] = factor;
    for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
        for (int j = 0; j < kChains; ++j) {
            sums[j] = sums[j] * factor + factor;
#if defined(__x86_64__)
            asm volatile("" : "+x"(sums[j]));
#elif defined(__aarch64__)
            asm volatile("" : "+w"(sums[j]));
#else
            asm volatile("" : "+m"(sums[j]));
#endif
        }
    }
}

struct Probe {
    void (*run)(int64_t rounds);
    double flops_per_round;
};

Probe probe_of(int32_t isa) {
    switch (isa) {
#if defined(__x86_64__)
        case NCONV_ISA_AVX512:
            return {multiply_add_avx512, 2.0 * 16 * kChains};
        case NCONV_ISA_AVX2:
            return {multiply_add_avx2, 2.0 * 8 * kChains};
#elif defined(__aarch64__)
        case NCONV_ISA_NEON:
            return {multiply_add_neon, 2.0 * 4 * kChains};
#endif
        default:
            return {multiply_add_scalar, 2.0 * kChains};
    }
}

// The best of a dozen slices of about 0.2 ms.
double probe_this_core(const Probe& probe) {
    using Clock = std::chrono::steady_clock;
    constexpr int64_t kRounds = 100000;
    double best = 1e30;
    const Clock::time_point end = Clock::now() + std::chrono::microseconds(2500);
    while (Clock::now() < end) {
        const Clock::time_point begin = Clock::now();
        probe.run(kRounds);
        const std::chrono::duration<double> time = Clock::now() - begin;
        best = std::min(best, time.count());
    }
    return kRounds * probe.flops_per_round / best * 1e-9;
}

}  // namespace

double measure_peak(int32_t isa, int32_t threads) {
    const Probe probe = probe_of(isa);
    std::vector<double> results(static_cast<size_t>(threads));
    std::atomic<int32_t> ready{0};
    auto work = [&](int32_t index) {
        ready.fetch_add(1);
        while (ready.load() < threads) std::this_thread::yield();
        results[static_cast<size_t>(index)] = probe_this_core(probe);
    };
    std::vector<std::thread> others;
    for (int32_t i = 1; i < threads; ++i) others.emplace_back(work, i);
    work(0);
    for (std::thread& thread : others) thread.join();
    double sum = 0;
    for (double result : results) sum += result;
    return sum;
}

}  // namespace nconv_bench
