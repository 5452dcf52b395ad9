#include "base/parallel.h"

#include "base/platform.h"

namespace nconv {
namespace {

// The gap between two layers. Waking a sleeping thread costs 16 to 47 us and its caller 6 to 9 of
// them, handing over to a spinning one 0.13 us.
constexpr int kDefaultSpinMicroseconds = 100;
Atomic<int> spin_limit{kDefaultSpinMicroseconds};

// A pause takes 40 to 140 cycles on x86, so these 0.2 to 0.8 us: looking at the clock then costs
// little.
constexpr int kPausesPerClock = 16;

// Waits for `done` as long as the spin time allows; whether it came true. Yields now and then: a
// worker just woken often shares the caller's processor, and a call of 59 us after a pause took 143
// without, 66 so.
template <class Done>
bool spin_until(const Done& done) {
    if (done()) return true;
    const int64_t limit = int64_t{spin_limit.load(kRelaxed)} * 1000;
    if (limit == 0) return false;
    const int64_t start = clock_nanoseconds();
    do {
        for (int i = 0; i < kPausesPerClock; ++i) {
            spin_pause();
            if (done()) return true;
        }
        yield_thread();
    } while (clock_nanoseconds() - start < limit);
    return false;
}

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
        const int workers = workers_.load(kRelaxed);
        share_ = share;
        context_ = context;
        fp_control_ = fp_control();
        remaining_.store(count, kRelaxed);
        const uint64_t job = (state_.load(kRelaxed) >> 32) + 1;
        state_.store(job << 32 | static_cast<uint32_t>(count));
        if (workers - sleeping_.load() < count - 1) {
            sleep_lock_.lock();
            wake_.notify_all();
            sleep_lock_.unlock();
        }
        while (take_share()) {
        }
        const auto finished = [this] { return remaining_.load(kAcquire) == 0; };
        if (!spin_until(finished)) {
            while (!finished()) yield_thread();
        }
        owner_.unlock();
    }

    void work() {
        for (;;) {
            if (!spin_until([this] { return has_share(); })) sleep();
            take_share();
        }
    }

    int awake() const { return workers_.load(kRelaxed) - sleeping_.load(); }

    // True if a short call, too, came so shortly before this one that a woken worker would find
    // more. Estimates of how long that one took are right within a factor of six.
    bool in_a_row(int64_t nanoseconds) {
        const int64_t now = clock_nanoseconds();
        const int64_t spin = int64_t{spin_microseconds()} * 1000;
        const int64_t limit = spin > 0 ? spin + 6 * nanoseconds : 0;
        return now - last_short_.exchange(now, kRelaxed) < limit;
    }

    // The forked child has one thread and whatever state the parent's threads left behind.
    void reset() {
        state_.store(0);
        remaining_.store(0);
        sleeping_.store(0);
        workers_.store(0);
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
        remaining_.fetch_sub(1, kRelease);
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
    Atomic<int> workers_{0};
    bool fork_handled_ = false;
    alignas(64) Atomic<uint64_t> state_{0};
    alignas(64) Atomic<int> remaining_{0};
    alignas(64) Atomic<int> sleeping_{0};
    Atomic<int64_t> last_short_{INT64_MIN / 2};
    Mutex sleep_lock_;
    Condition wake_;
};

Pool pool;
Atomic<int> thread_cap{0};

void worker_main() { pool.work(); }
void reset_pool() { pool.reset(); }

// Fewer threads than wanted is not an error: the shares that find no worker are run by the caller.
void Pool::start_workers(int wanted) {
    int workers = workers_.load(kRelaxed);
    if (workers < wanted && !fork_handled_) {
        run_in_forked_child<reset_pool>();
        fork_handled_ = true;
    }
    while (workers < wanted && start_thread<worker_main>()) ++workers;
    workers_.store(workers, kRelaxed);
}

}  // namespace

int default_threads() {
    static Atomic<int> processors{0};
    int count = processors.load(kRelaxed);
    if (count == 0) {
        count = static_cast<int>(processor_count());
        processors.store(count, kRelaxed);
    }
    const int cap = thread_cap.load(kRelaxed);
    if (cap > 0 && cap < count) count = cap;
    return count < kMaxThreads ? count : kMaxThreads;
}

int spin_microseconds() { return spin_limit.load(kRelaxed); }

void set_spin_microseconds(int microseconds) { spin_limit.store(microseconds, kRelaxed); }

void set_max_threads(int threads) { thread_cap.store(threads, kRelaxed); }

int worthwhile_threads(int threads, int64_t nanoseconds) {
    // Two threads win from some 3 us on; a woken one from some 50, and it holds up its caller by 6
    // to 9.
    constexpr int64_t kShare = 1500, kWake = 50000;
    if (nanoseconds / kShare < threads) threads = static_cast<int>(nanoseconds / kShare);
    if (threads <= 1) return 1;
    const int awake = pool.awake();
    if (nanoseconds >= kWake || awake >= threads - 1) return threads;
    if (awake > 0) return awake + 1;
    return pool.in_a_row(nanoseconds) ? threads : 1;
}

void run_shares(const Execution& execution, int count, nconv_task share, void* context) {
    if (execution.parallel_for != nullptr) {
        execution.parallel_for(execution.parallel_context, count, share, context);
    } else {
        pool.run(count, share, context);
    }
}

}  // namespace nconv
