// Overflow-checked 64-bit arithmetic for sizes. Every size in the library goes through this file.
#pragma once

#include <stdint.h>

namespace nconv {

// A non-negative 64-bit size that remembers whether any step on the way overflowed.
class CheckedSize {
public:
    constexpr CheckedSize(int64_t value) : value_(value), valid_(value >= 0) {}

    friend CheckedSize operator+(CheckedSize a, CheckedSize b) {
        CheckedSize r(0);
        r.valid_ = a.valid_ && b.valid_ && !__builtin_add_overflow(a.value_, b.value_, &r.value_);
        return r;
    }
    friend CheckedSize operator*(CheckedSize a, CheckedSize b) {
        CheckedSize r(0);
        r.valid_ = a.valid_ && b.valid_ && !__builtin_mul_overflow(a.value_, b.value_, &r.value_);
        return r;
    }

    // The larger of two, if both are valid.
    friend CheckedSize larger_of(CheckedSize a, CheckedSize b) {
        CheckedSize r(a.value_ > b.value_ ? a.value_ : b.value_);
        r.valid_ = a.valid_ && b.valid_;
        return r;
    }

    bool valid() const { return valid_; }
    int64_t value() const { return value_; }

private:
    int64_t value_;
    bool valid_;
};

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t multiple) { return ceil_div(a, multiple) * multiple; }
constexpr int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t max_of(int64_t a, int64_t b) { return a > b ? a : b; }

// The greatest common divisor.
constexpr int64_t gcd(int64_t a, int64_t b) {
    while (b != 0) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

// The start of share `index` when `total` things are cut into `shares` near-equal shares.
constexpr int64_t share_start(int64_t total, int64_t shares, int64_t index) {
    return total / shares * index + min_of(index, total % shares);
}

// The same with the larger shares spread evenly: neighbours go to one thread.
constexpr int64_t even_start(int64_t total, int64_t shares, int64_t index) {
    return total / shares * index + total % shares * index / shares;
}

// Calls body(start, size) for each share of share_start() in turn, without a division for each.
template <class Body>
void for_each_share(int64_t total, int64_t shares, const Body& body) {
    const int64_t size = total / shares, larger = total % shares;
    int64_t start = 0;
    for (int64_t i = 0; i < shares; ++i) {
        const int64_t count = size + (i < larger ? 1 : 0);
        body(start, count);
        start += count;
    }
}

}  // namespace nconv
