// What the checks of arguments share.
#pragma once

#include "conv2d/plan.h"

struct nconv_plan {
    nconv::Plan plan;
};

namespace nconv {

// A buffer of a call, as an address range in bytes.
struct Buffer {
    const void* data;
    int64_t bytes;
    bool written;
};

inline bool overlap(const Buffer& a, const Buffer& b) {
    const uintptr_t x = reinterpret_cast<uintptr_t>(a.data),
                    y = reinterpret_cast<uintptr_t>(b.data);
    return a.bytes > 0 && b.bytes > 0 && x < y + static_cast<uint64_t>(b.bytes) &&
           y < x + static_cast<uint64_t>(a.bytes);
}

// True if a buffer that is written shares a byte with any other.
template <int kCount>
bool overlapping(const Buffer (&buffers)[kCount]) {
    for (int i = 0; i < kCount; ++i) {
        for (int j = i + 1; j < kCount; ++j) {
            if ((buffers[i].written || buffers[j].written) && overlap(buffers[i], buffers[j]))
                return true;
        }
    }
    return false;
}

constexpr int64_t kElement = sizeof(float);

// Present, aligned, and at least `needed` elements; nothing is asked of a buffer that needs none.
inline bool holds(const float* data, int64_t count, int64_t needed) {
    if (count < needed || count < 0) return false;
    return needed == 0 || (data != nullptr && reinterpret_cast<uintptr_t>(data) % kElement == 0);
}

inline bool holds_exactly(const float* data, int64_t count, int64_t needed) {
    return count == needed && holds(data, count, needed);
}

inline bool holds_bytes(const void* data, int64_t bytes, int64_t needed) {
    return bytes >= needed && bytes >= 0 && (needed == 0 || data != nullptr);
}

inline bool holds_packed(const void* data, int64_t bytes, int64_t needed) {
    return holds_bytes(data, bytes, needed) && reinterpret_cast<uintptr_t>(data) % kElement == 0;
}

}  // namespace nconv
