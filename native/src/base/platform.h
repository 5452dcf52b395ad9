// What the library takes from the operating system: threads, locks, the processor count, a clock,
// memory, the environment, and the floating-point control word. The only file with an #ifdef on the
// system; windows_runtime.cpp and glibc.cpp stand in for parts of a C library.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#undef far  // of pointers, thirty years ago
#undef near
#else
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <pthread/qos.h>
#endif
#endif
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace nconv {

#if defined(_WIN32)

class Mutex {
public:
    void lock() { AcquireSRWLockExclusive(&lock_); }
    void unlock() { ReleaseSRWLockExclusive(&lock_); }
    bool try_lock() { return TryAcquireSRWLockExclusive(&lock_) != 0; }

private:
    friend class Condition;
    SRWLOCK lock_ = SRWLOCK_INIT;
};

class Condition {
public:
    void wait(Mutex& mutex) { SleepConditionVariableSRW(&condition_, &mutex.lock_, INFINITE, 0); }
    void notify_all() { WakeAllConditionVariable(&condition_); }

private:
    CONDITION_VARIABLE condition_ = CONDITION_VARIABLE_INIT;
};

template <void (*Body)()>
bool start_thread() {
    HANDLE thread = CreateThread(
        nullptr, 0,
        [](void*) -> DWORD {
            Body();
            return 0;
        },
        nullptr, 0, nullptr);
    if (thread == nullptr) return false;
    CloseHandle(thread);
    return true;
}

inline int processor_count() {
    DWORD_PTR process = 0, system = 0;
    if (!GetProcessAffinityMask(GetCurrentProcess(), &process, &system) || process == 0) return 1;
    return __builtin_popcountll(process);
}

inline void yield_thread() { SwitchToThread(); }

// Time since some moment, in nanoseconds.
inline int64_t clock_nanoseconds() {
    LARGE_INTEGER frequency, count;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&count);
    return static_cast<int64_t>(static_cast<double>(count.QuadPart) * 1e9 /
                                static_cast<double>(frequency.QuadPart));
}

// Zeroed pages of memory, or null; freed with the same size.
inline void* map_pages(size_t bytes) {
    return VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}
inline void unmap_pages(void* pages, size_t) { VirtualFree(pages, 0, MEM_RELEASE); }

template <void (*Handler)()>
void run_in_forked_child() {}

inline void* heap_allocate(size_t bytes) { return HeapAlloc(GetProcessHeap(), 0, bytes); }
inline void heap_free(void* block) {
    if (block != nullptr) HeapFree(GetProcessHeap(), 0, block);
}

// Whether the variable is set to something that fits into `bytes`, with its zero.
inline bool environment_variable(const char* name, char* value, int bytes) {
    const DWORD length = GetEnvironmentVariableA(name, value, static_cast<DWORD>(bytes));
    return length > 0 && length < static_cast<DWORD>(bytes);
}

#else

class Mutex {
public:
    void lock() { pthread_mutex_lock(&mutex_); }
    void unlock() { pthread_mutex_unlock(&mutex_); }
    bool try_lock() { return pthread_mutex_trylock(&mutex_) == 0; }

private:
    friend class Condition;
    pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
};

class Condition {
public:
    void wait(Mutex& mutex) { pthread_cond_wait(&condition_, &mutex.mutex_); }
    void notify_all() { pthread_cond_broadcast(&condition_); }

private:
    pthread_cond_t condition_ = PTHREAD_COND_INITIALIZER;
};

// Starts a detached thread that takes no signals: those belong to the application's threads.
template <void (*Body)()>
bool start_thread() {
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) return false;
    pthread_t thread;
    const bool started = pthread_create(
                             &thread, nullptr,
                             [](void*) -> void* {
#if defined(__APPLE__)
                                 // Without a class of its own a thread may be kept on the slow cores.
                                 pthread_set_qos_class_self_np(QOS_CLASS_USER_INITIATED, 0);
#endif
                                 Body();
                                 return nullptr;
                             },
                             nullptr) == 0;
    if (started) pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return started;
}

inline int processor_count() {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? static_cast<int>(online) : 1;
}

inline void yield_thread() { sched_yield(); }

// Time since some moment, in nanoseconds.
inline int64_t clock_nanoseconds() {
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

// Zeroed pages of memory, or null; freed with the same size. Large ones start at a multiple of a
// huge page and ask for huge pages, which take a sixth to a tenth of the time to touch first.
inline void* map_pages(size_t bytes) {
    constexpr size_t kHuge = size_t{2} << 20;
    const size_t extra = bytes >= kHuge ? kHuge : 0;
    void* mapped =
        mmap(nullptr, bytes + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return nullptr;
    char* start = static_cast<char*>(mapped);
    if (extra == 0) return start;
    const size_t head = (kHuge - reinterpret_cast<uintptr_t>(start) % kHuge) % kHuge;
    if (head > 0) munmap(start, head);
    munmap(start + head + bytes, extra - head);
#if defined(MADV_HUGEPAGE)
    madvise(start + head, bytes, MADV_HUGEPAGE);
#endif
    return start + head;
}
inline void unmap_pages(void* pages, size_t bytes) { munmap(pages, bytes); }

// The threads of a parent do not exist in its forked child: Handler resets what counted on them.
template <void (*Handler)()>
void run_in_forked_child() {
    pthread_atfork(nullptr, nullptr, Handler);
}

inline void* heap_allocate(size_t bytes) { return malloc(bytes); }
inline void heap_free(void* block) { free(block); }

// Whether the variable is set to something that fits into `bytes`, with its zero.
inline bool environment_variable(const char* name, char* value, int bytes) {
    const char* found = getenv(name);
    const size_t length = found != nullptr ? strlen(found) : 0;
    if (length == 0 || length >= static_cast<size_t>(bytes)) return false;
    memcpy(value, found, length + 1);
    return true;
}

#endif

// The word that holds rounding mode and denormal handling, exception flags left out.
#if defined(__x86_64__)
inline uint32_t fp_control() { return _mm_getcsr() & ~0x3fu; }
inline void set_fp_control(uint32_t control) { _mm_setcsr(control); }
inline void spin_pause() { _mm_pause(); }
#elif defined(__aarch64__)
inline uint32_t fp_control() {
    uint64_t control;
    asm volatile("mrs %0, fpcr" : "=r"(control));
    return static_cast<uint32_t>(control);
}
inline void set_fp_control(uint32_t control) {
    asm volatile("msr fpcr, %0" : : "r"(static_cast<uint64_t>(control)));
}
inline void spin_pause() { asm volatile("isb"); }
#else
inline uint32_t fp_control() { return 0; }
inline void set_fp_control(uint32_t) {}
inline void spin_pause() {}
#endif

}  // namespace nconv
