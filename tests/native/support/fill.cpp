#include "fill.h"

#include <algorithm>
#include <cmath>

namespace nconv_test {

uint64_t random_bits(uint64_t seed, uint64_t index) {
    uint64_t z = (seed * 0x2545F4914F6CDD1Dull + index + 1) * 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

std::vector<float> fill_integers(size_t count, uint64_t seed, int64_t terms) {
    // 2^22 rather than 2^24: leaves room for a bias, an old value that is added to, and halves from
    // a leaky activation.
    const double budget = 4194304.0 / static_cast<double>(std::max<int64_t>(1, terms));
    const int64_t largest = std::clamp<int64_t>(static_cast<int64_t>(std::sqrt(budget)), 1, 16);
    const double density = std::min(1.0, budget);
    std::vector<float> values(count);
    for (size_t i = 0; i < count; ++i) {
        const uint64_t bits = random_bits(seed, i);
        const int64_t range = 2 * largest + 1;
        const int64_t value = static_cast<int64_t>(bits % static_cast<uint64_t>(range)) - largest;
        const bool keep = static_cast<double>(bits >> 40) < density * 16777216.0;
        values[i] = keep ? static_cast<float>(value) : 0.0f;
    }
    return values;
}

std::vector<float> fill_reals(size_t count, uint64_t seed) {
    std::vector<float> values(count);
    for (size_t i = 0; i < count; ++i) {
        const int64_t bits = static_cast<int64_t>(random_bits(seed, i) >> 39) - (1 << 24);
        values[i] = static_cast<float>(bits) / 16777216.0f;
    }
    return values;
}

std::vector<float> fill_choices(size_t count, uint64_t seed, const std::vector<float>& choices) {
    std::vector<float> values(count);
    for (size_t i = 0; i < count; ++i) values[i] = choices[random_bits(seed, i) % choices.size()];
    return values;
}

size_t count_nonzero(const std::vector<float>& values) {
    return values.size() - static_cast<size_t>(std::count(values.begin(), values.end(), 0.0f));
}

}  // namespace nconv_test
