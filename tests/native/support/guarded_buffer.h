// Memory between two inaccessible pages: a read or write outside ends the process at the instruction.
#ifndef NATIVECONV_TESTS_NATIVE_SUPPORT_GUARDED_BUFFER_H
#define NATIVECONV_TESTS_NATIVE_SUPPORT_GUARDED_BUFFER_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nconv_test {

// Where in its pages a buffer lies. With offset 0 it touches one guard page; what an offset leaves
// free is filled with a pattern that margins_intact() checks.
struct Placement {
    enum Edge { kStart, kEnd };
    Edge edge = kStart;
    size_t offset = 0;  // bytes from that edge
};

class GuardedBuffer {
public:
    GuardedBuffer() = default;
    explicit GuardedBuffer(size_t bytes, Placement placement = {});
    GuardedBuffer(const std::vector<float>& values, Placement placement);
    ~GuardedBuffer();
    GuardedBuffer(GuardedBuffer&& other) noexcept;
    GuardedBuffer& operator=(GuardedBuffer&& other) noexcept;

    void* data() const { return data_; }
    float* floats() const { return reinterpret_cast<float*>(data_); }
    size_t bytes() const { return bytes_; }
    size_t count() const { return bytes_ / sizeof(float); }
    std::vector<float> values() const;

    // Sets every byte to the pattern, a NaN as a float: what stays untouched is recognised.
    void fill_pattern();
    // True if every byte still holds the pattern.
    bool untouched() const;
    bool margins_intact() const;

private:
    unsigned char* pages_ = nullptr;  // guard page, usable_ bytes, guard page
    size_t usable_ = 0;
    size_t page_ = 0;
    unsigned char* data_ = nullptr;
    size_t bytes_ = 0;
};

}  // namespace nconv_test

#endif  // NATIVECONV_TESTS_NATIVE_SUPPORT_GUARDED_BUFFER_H
