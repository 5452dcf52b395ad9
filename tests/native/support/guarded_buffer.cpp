#include "guarded_buffer.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#if defined(_WIN32)
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace nconv_test {
namespace {

constexpr unsigned char kPattern = 0xFF;

bool all_pattern(const unsigned char* begin, const unsigned char* end) {
    return std::all_of(begin, end, [](unsigned char byte) { return byte == kPattern; });
}

#if defined(_WIN32)

size_t page_bytes() {
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwPageSize;
}

unsigned char* map_pages(size_t page, size_t usable) {
    void* pages = VirtualAlloc(nullptr, usable + 2 * page, MEM_RESERVE, PAGE_NOACCESS);
    if (!pages) throw std::bad_alloc();
    auto* first = static_cast<unsigned char*>(pages);
    if (usable && !VirtualAlloc(first + page, usable, MEM_COMMIT, PAGE_READWRITE))
        throw std::bad_alloc();
    return first;
}

void unmap_pages(void* pages, size_t) { VirtualFree(pages, 0, MEM_RELEASE); }

#else

size_t page_bytes() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

unsigned char* map_pages(size_t page, size_t usable) {
    void* pages = mmap(nullptr, usable + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
    auto* first = static_cast<unsigned char*>(pages);
    if (usable && mprotect(first + page, usable, PROT_READ | PROT_WRITE)) throw std::bad_alloc();
    return first;
}

void unmap_pages(void* pages, size_t bytes) { munmap(pages, bytes); }

#endif

}  // namespace

GuardedBuffer::GuardedBuffer(size_t bytes, Placement placement) : bytes_(bytes) {
    page_ = page_bytes();
    usable_ = (bytes + placement.offset + page_ - 1) / page_ * page_;
    pages_ = map_pages(page_, usable_);
    unsigned char* begin = pages_ + page_;
    data_ = placement.edge == Placement::kStart ? begin + placement.offset
                                                : begin + usable_ - placement.offset - bytes;
    if (usable_) std::memset(begin, kPattern, usable_);
}

GuardedBuffer::GuardedBuffer(const std::vector<float>& values, Placement placement)
    : GuardedBuffer(values.size() * sizeof(float), placement) {
    if (!values.empty()) std::memcpy(data_, values.data(), bytes_);
}

GuardedBuffer::~GuardedBuffer() {
    if (pages_) unmap_pages(pages_, usable_ + 2 * page_);
}

GuardedBuffer::GuardedBuffer(GuardedBuffer&& other) noexcept { *this = std::move(other); }

GuardedBuffer& GuardedBuffer::operator=(GuardedBuffer&& other) noexcept {
    std::swap(pages_, other.pages_);
    std::swap(usable_, other.usable_);
    std::swap(page_, other.page_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

std::vector<float> GuardedBuffer::values() const {
    std::vector<float> result(count());
    if (!result.empty()) std::memcpy(result.data(), data_, bytes_);
    return result;
}

void GuardedBuffer::fill_pattern() {
    if (bytes_) std::memset(data_, kPattern, bytes_);
}

bool GuardedBuffer::untouched() const { return all_pattern(data_, data_ + bytes_); }

bool GuardedBuffer::margins_intact() const {
    const unsigned char* begin = pages_ + page_;
    return all_pattern(begin, data_) && all_pattern(data_ + bytes_, begin + usable_);
}

}  // namespace nconv_test
