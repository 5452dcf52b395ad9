// MemoryMap: how a piece of workspace is cut into parts.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/checked_math.h"

namespace nconv {

// Lays parts one after the other, each at the start of a cache line and at least a float from the last.
class MemoryMap {
public:
    // Without memory it measures only, and hands out null.
    explicit MemoryMap(char* memory = nullptr) : memory_(memory) {}

    // The start of a part, counted in floats from that of the memory.
    int64_t place(CheckedSize floats) {
        const int64_t start = floats_.valid() ? floats_.value() : 0;
        floats_ = floats_ + floats + kLine;
        if (floats_.valid()) floats_ = floats_.value() / kLine * kLine;
        return start;
    }
    template <class T = float>
    T* take(CheckedSize count) {
        const int64_t start = place(count * int64_t{sizeof(T) / sizeof(float)});
        return memory_ != nullptr ? reinterpret_cast<T*>(memory_ + start * int64_t{sizeof(float)})
                                  : nullptr;
    }

    CheckedSize bytes() const { return floats_ * int64_t{sizeof(float)}; }

private:
    static constexpr int64_t kLine = 64 / sizeof(float);

    char* memory_;
    CheckedSize floats_ = 0;
};

}  // namespace nconv
