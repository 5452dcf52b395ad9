#include "base/parallel.h"

#include "base/platform.h"

namespace nconv {
namespace {

// A worker looks for work this many times before it sleeps, 40 to 140 cycles each on x86: 25 to 95 us at
// 3 GHz, the gap between two layers. Waking a sleeping thread costs 16 to 47 us, handing over to a spinning one
// 0.13 us.
constexpr int kSpins = 2000;

// One job at a time. `state_` holds the job's number in its upper half and the shares nobody has taken
// yet in its lower half; taking a share is one compare-and-swap, so a worker that comes late to an old
// job can never touch the next one's fields.
class Pool {
public:
    void run(int count, nconv_task share, void* context) {
        if (!owner_.try_lock()) {
            for (int i = 0; i < count; ++i) share(context, i);
            return;
        }
        start_workers(count - 1);
        share_ = share;
        context_ = context;
        fp_control_ = fp_control();
        remaining_.store(count, std::memory_order_relaxed);
        const uint64_t job = (state_.load(std::memory_order_relaxed) >> 32) + 1;
        state_.store(job << 32 | static_cast<uint32_t>(count));
        if (sleeping_.load() > 0) {
            sleep_lock_.lock();
            wake_.notify_all();
            sleep_lock_.unlock();
        }
        while (take_share()) {
        }
        for (int spins = 0; remaining_.load(std::memory_order_acquire) != 0; ++spins) {
            spin_pause();
            if (spins > kSpins) yield_thread();
        }
        owner_.unlock();
    }

    void work() {
        for (;;) {
            int spins = 0;
            while (!has_share() && spins < kSpins) {
                spin_pause();
                ++spins;
            }
            if (!has_share()) sleep();
            take_share();
        }
    }

    // The forked child has one thread and whatever state the parent's threads left behind.
    void reset() {
        state_.store(0);
        remaining_.store(0);
        sleeping_.store(0);
        workers_ = 0;
        owner_ = Mutex();
        sleep_lock_ = Mutex();
        wake_ = Condition();
    }

private:
    bool has_share() const { return static_cast<uint32_t>(state_.load()) != 0; }

    bool take_share() {
        uint64_t state = state_.load();
        do {
            if (static_cast<uint32_t>(state) == 0) return false;
        } while (!state_.compare_exchange_weak(state, state - 1));
        const uint32_t before = fp_control();
        set_fp_control(fp_control_);
        share_(context_, static_cast<int64_t>(static_cast<uint32_t>(state)) - 1);
        set_fp_control(before);
        remaining_.fetch_sub(1, std::memory_order_release);
        return true;
    }

    void sleep() {
        sleep_lock_.lock();
        sleeping_.fetch_add(1);
        while (!has_share()) wake_.wait(sleep_lock_);
        sleeping_.fetch_sub(1);
        sleep_lock_.unlock();
    }

    void start_workers(int wanted);

    Mutex owner_;  // held by the call that uses the pool
    nconv_task share_ = nullptr;
    void* context_ = nullptr;
    uint32_t fp_control_ = 0;
    int workers_ = 0;
    bool fork_handled_ = false;
    alignas(64) std::atomic<uint64_t> state_{0};
    alignas(64) std::atomic<int> remaining_{0};
    alignas(64) std::atomic<int> sleeping_{0};
    Mutex sleep_lock_;
    Condition wake_;
};

Pool pool;
std::atomic<int> thread_cap{0};

void worker_main() { pool.work(); }
void reset_pool() { pool.reset(); }

// Fewer threads than wanted is not an error: the shares that find no worker are run by the caller.
void Pool::start_workers(int wanted) {
    if (workers_ < wanted && !fork_handled_) {
        run_in_forked_child<reset_pool>();
        fork_handled_ = true;
    }
    while (workers_ < wanted && start_thread<worker_main>()) ++workers_;
}

}  // namespace

int default_threads() {
    static std::atomic<int> processors{0};
    int count = processors.load(std::memory_order_relaxed);
    if (count == 0) {
        count = static_cast<int>(processor_count());
        processors.store(count, std::memory_order_relaxed);
    }
    const int cap = thread_cap.load(std::memory_order_relaxed);
    if (cap > 0 && cap < count) count = cap;
    return count < kMaxThreads ? count : kMaxThreads;
}

void set_max_threads(int threads) { thread_cap.store(threads, std::memory_order_relaxed); }

void run_shares(const Execution& execution, int count, nconv_task share, void* context) {
    if (execution.parallel_for != nullptr) {
        execution.parallel_for(execution.parallel_context, count, share, context);
    } else {
        pool.run(count, share, context);
    }
}

}  // namespace nconv
