// The library's only threading: a call's work is cut into tasks, which any number of threads take, each from
// a run of its own first. How large tasks are may follow from the thread count, what a sum is made of never.
#pragma once

#include <stdint.h>

#include "base/atomic.h"
#include "base/checked_math.h"
#include "nativeconv.h"

namespace nconv {

constexpr int kMaxThreads = 256;
constexpr int kGrainsPerShare = 16;

// How one call runs: at most `threads` shares at a time, on the caller's threads or on the pool's.
struct Execution {
    int threads = 1;
    nconv_parallel_for parallel_for = nullptr;
    void* parallel_context = nullptr;
};

// How many near-equal tasks a call should at least be cut into where every cut has a price: one without
// other threads, else two a thread, so that one that is late costs a quarter of the time and not half.
inline int64_t fewest_tasks(const Execution& execution) {
    return execution.threads == 1 ? 1 : 2 * int64_t{execution.threads};
}

// The processors this process may use, and the cap set by nconv_set_max_threads.
int default_threads();
void set_max_threads(int threads);

// How long the pool's threads look for more work before they sleep.
constexpr int kMaxSpinMicroseconds = 1000000;
int spin_microseconds();
void set_spin_microseconds(int microseconds);

// How many of at most `threads` threads of the pool a call of about that many nanoseconds on one
// thread is worth. A handover has its price, and waking a thread that sleeps a far higher one:
// short calls use threads that are awake, and wake others only where calls follow each other within
// the spin time.
int worthwhile_threads(int threads, int64_t nanoseconds);

// Calls share(context, i) for i in 0 .. count-1 on the execution's threads; the calling thread takes
// part. If the pool is busy with another call, the calling thread does all shares itself.
void run_shares(const Execution& execution, int count, nconv_task share, void* context);

// Calls task(i, slot) for every i in 0 .. count-1. slot is in 0 .. threads-1 and no two tasks that run
// at the same time have the same one: it names the thread's part of the workspace.
template <class Task>
void parallel_for(const Execution& execution, int64_t count, const Task& task) {
    const int shares = static_cast<int>(count < execution.threads ? count : execution.threads);
    if (shares <= 1) {
        for (int64_t i = 0; i < count; ++i) task(i, 0);
        return;
    }
    // Several neighbouring tasks at a time: they share cache lines, and the smallest, some 600 cycles, are
    // no longer than a contended counter takes. Weight gradient of 512 channels at 7 x 7, NHWC, two
    // threads: 41 % of peak one at a time, 71 % so.
    // Each thread begins with a run of its own, the same in every call, whose part of the tensors its cache
    // may hold, and then helps with the others': 32 channels at 160 x 160, NCHW, took two threads 549 us with
    // one counter for all and 469 so.
    struct alignas(64) Run {
        Atomic<int64_t> next;
        int64_t end;
    };
    struct Shared {
        const Task& task;
        Run* runs;
        int64_t shares, grain;
    };
    Run runs[kMaxThreads];
    for (int i = 0; i < shares; ++i) {
        runs[i].next.store(even_start(count, shares, i), kRelaxed);
        runs[i].end = even_start(count, shares, i + 1);
    }
    Shared shared{task, runs, shares, count / (shares * kGrainsPerShare) + 1};
    run_shares(
        execution, shares,
        [](void* context, int64_t slot) {
            Shared& s = *static_cast<Shared*>(context);
            for (int64_t i = 0; i < s.shares; ++i) {
                Run& run = s.runs[(slot + i) % s.shares];
                for (;;) {
                    if (run.next.load(kRelaxed) >= run.end) break;
                    const int64_t begin = run.next.fetch_add(s.grain, kRelaxed);
                    if (begin >= run.end) break;
                    const int64_t end = begin + s.grain < run.end ? begin + s.grain : run.end;
                    for (int64_t at = begin; at < end; ++at) s.task(at, static_cast<int>(slot));
                }
            }
        },
        &shared);
}

}  // namespace nconv
