// The part of std::atomic that the library uses. <atomic> would be its only C++ header: without it a C
// compiler's headers are enough, and those exist for platforms whose C++ library is not at hand.
#pragma once

namespace nconv {

enum MemoryOrder : int {
    kRelaxed = __ATOMIC_RELAXED,
    kAcquire = __ATOMIC_ACQUIRE,
    kRelease = __ATOMIC_RELEASE,
    kSequential = __ATOMIC_SEQ_CST
};

template <class T>
class Atomic {
public:
    Atomic() = default;
    constexpr explicit Atomic(T value) : value_(value) {}
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;

    T load(MemoryOrder order = kSequential) const { return __atomic_load_n(&value_, order); }
    void store(T value, MemoryOrder order = kSequential) {
        __atomic_store_n(&value_, value, order);
    }
    T exchange(T value, MemoryOrder order = kSequential) {
        return __atomic_exchange_n(&value_, value, order);
    }
    T fetch_add(T value, MemoryOrder order = kSequential) {
        return __atomic_fetch_add(&value_, value, order);
    }
    T fetch_sub(T value, MemoryOrder order = kSequential) {
        return __atomic_fetch_sub(&value_, value, order);
    }
    // May fail without cause; `expected` then holds what was there.
    bool compare_exchange_weak(T& expected, T desired) {
        return __atomic_compare_exchange_n(&value_, &expected, desired, true, kSequential,
                                           kSequential);
    }

private:
    T value_;
};

}  // namespace nconv
