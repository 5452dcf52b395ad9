// What a C run-time library would bring, for the DLL only: it then imports KERNEL32 and nothing else,
// so that there is neither a library to install nor one to plant. Compiled without builtins, or the
// loops below would become calls of themselves.
#include "base/platform.h"

namespace {

typedef char Chunk __attribute__((vector_size(16), aligned(1), may_alias));
constexpr size_t kChunk = sizeof(Chunk), kBlock = 4 * kChunk;

Chunk load(const char* from) { return *reinterpret_cast<const Chunk*>(from); }
void store(char* to, Chunk chunk) { *reinterpret_cast<Chunk*>(to) = chunk; }

// A block is loaded whole before it is stored, and the last chunk before anything is: right for any
// `to` below `from`.
void move_up_to_down(char* to, const char* from, size_t bytes) {
    const Chunk last = load(from + bytes - kChunk);
    size_t at = 0;
    for (; at + kBlock <= bytes; at += kBlock) {
        const Chunk a = load(from + at), b = load(from + at + kChunk);
        const Chunk c = load(from + at + 2 * kChunk), d = load(from + at + 3 * kChunk);
        store(to + at, a);
        store(to + at + kChunk, b);
        store(to + at + 2 * kChunk, c);
        store(to + at + 3 * kChunk, d);
    }
    for (; at + kChunk <= bytes; at += kChunk) store(to + at, load(from + at));
    store(to + bytes - kChunk, last);
}

void move_down_to_up(char* to, const char* from, size_t bytes) {
    const Chunk first = load(from);
    for (; bytes >= kBlock; bytes -= kBlock) {
        const char* end = from + bytes;
        const Chunk a = load(end - kChunk), b = load(end - 2 * kChunk);
        const Chunk c = load(end - 3 * kChunk), d = load(end - 4 * kChunk);
        store(to + bytes - kChunk, a);
        store(to + bytes - 2 * kChunk, b);
        store(to + bytes - 3 * kChunk, c);
        store(to + bytes - 4 * kChunk, d);
    }
    for (; bytes >= kChunk; bytes -= kChunk) {
        store(to + bytes - kChunk, load(from + bytes - kChunk));
    }
    store(to, first);
}

}  // namespace

extern "C" {

// Changed by the loader to a random number: see windows_load_config.cpp.
uintptr_t __stack_chk_guard = 0x00002B992DDFA232;

__attribute__((noreturn)) void __stack_chk_fail() {
    constexpr UINT kStackBufferOverrun = 0xC0000409;
    TerminateProcess(GetCurrentProcess(), kStackBufferOverrun);
    __builtin_trap();
}

BOOL WINAPI DllMainCRTStartup(HINSTANCE, DWORD, LPVOID) { return TRUE; }

void* memmove(void* to_bytes, const void* from_bytes, size_t bytes) {
    char* to = static_cast<char*>(to_bytes);
    const char* from = static_cast<const char*>(from_bytes);
    const bool ahead = static_cast<size_t>(to - from) < bytes;  // `to` lies within `from`
    if (bytes >= kChunk) {
        ahead ? move_down_to_up(to, from, bytes) : move_up_to_down(to, from, bytes);
    } else if (ahead) {
        while (bytes-- > 0) to[bytes] = from[bytes];
    } else {
        for (size_t i = 0; i < bytes; ++i) to[i] = from[i];
    }
    return to_bytes;
}

void* memcpy(void* __restrict to, const void* __restrict from, size_t bytes) {
    return memmove(to, from, bytes);
}

void* memset(void* to_bytes, int value, size_t bytes) {
    char* to = static_cast<char*>(to_bytes);
    const Chunk chunk = Chunk{} + static_cast<char>(value);
    if (bytes < kChunk) {
        for (size_t i = 0; i < bytes; ++i) to[i] = static_cast<char>(value);
        return to_bytes;
    }
    size_t at = 0;
    for (; at + kBlock <= bytes; at += kBlock) {
        store(to + at, chunk);
        store(to + at + kChunk, chunk);
        store(to + at + 2 * kChunk, chunk);
        store(to + at + 3 * kChunk, chunk);
    }
    for (; at + kChunk <= bytes; at += kChunk) store(to + at, chunk);
    store(to + bytes - kChunk, chunk);
    return to_bytes;
}

int strcmp(const char* a, const char* b) {
    while (*a != 0 && *a == *b) ++a, ++b;
    return static_cast<unsigned char>(*a) - static_cast<unsigned char>(*b);
}

// Adding 2^23 leaves no bit for a fraction, so the processor rounds, in its current mode.
float nearbyintf(float value) {
    constexpr float kNoFraction = 8388608.0f;
    if (!(__builtin_fabsf(value) < kNoFraction)) return value;
    const float shift = __builtin_copysignf(kNoFraction, value);
    return __builtin_copysignf((value + shift) - shift, value);
}

}  // extern "C"

// Touches the pages of a large stack frame, x15 times 16 bytes, top down: the guard page has to be
// met before any below it. All registers but x16 and x17 are kept.
#if defined(__aarch64__)
asm(R"(
    .globl __chkstk
__chkstk:
    lsl x16, x15, #4
    mov x17, sp
1:  sub x17, x17, #4096
    subs x16, x16, #4096
    ldr xzr, [x17]
    b.gt 1b
    ret
)");
#endif
