// Thread caps, the caller's own threads, many callers on one plan, fork.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <thread>

#include "common.h"

#if defined(__linux__)
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace nconv_test {
namespace {

const char* const kShapes[] = {"mb2_ic16ih20_oc32_kh3ph1", "g32mb2_ic32ih20_oc32_kh3ph1",
                               "mb1_ic3ih40_oc16_kh7sh2ph3", "mb1_ic128ih6_oc64_kh1"};

TEST(Threads, CapsOfTheProcess) {
    ASSERT_EQ(nconv_set_max_threads(0), NCONV_STATUS_OK);
    const int32_t all = nconv_thread_count();
    EXPECT_GE(all, 1);
    ASSERT_EQ(nconv_set_max_threads(1), NCONV_STATUS_OK);
    EXPECT_EQ(nconv_thread_count(), 1);
    EXPECT_EQ(nconv_set_max_threads(-1), NCONV_STATUS_INVALID_THREADS);
    EXPECT_EQ(nconv_set_max_threads(INT32_MIN), NCONV_STATUS_INVALID_THREADS);
    EXPECT_EQ(nconv_thread_count(), 1) << "changed by a call that failed";
    ASSERT_EQ(nconv_set_max_threads(INT32_MAX), NCONV_STATUS_OK);
    EXPECT_EQ(nconv_thread_count(), all) << "a cap cannot raise the count";
    ASSERT_EQ(nconv_set_max_threads(0), NCONV_STATUS_OK);
    EXPECT_EQ(nconv_thread_count(), all);
}

TEST(Threads, SpinTime) {
    const int32_t before = nconv_spin_microseconds();
    EXPECT_GE(before, 10);
    EXPECT_LE(before, 1000);
    for (int32_t invalid : {-1, 1000001, INT32_MIN, INT32_MAX})
        EXPECT_EQ(nconv_set_spin_microseconds(invalid), NCONV_STATUS_INVALID_SPIN);
    EXPECT_EQ(nconv_spin_microseconds(), before) << "changed by a call that failed";
    for (int32_t microseconds : {0, 1000000, before}) {
        ASSERT_EQ(nconv_set_spin_microseconds(microseconds), NCONV_STATUS_OK);
        EXPECT_EQ(nconv_spin_microseconds(), microseconds);
    }
}

// Workers that always sleep, that never do, and that are about to.
TEST(Threads, AnySpinTimeGivesTheSame) {
    const int32_t before = nconv_spin_microseconds();
    for (const char* text : kShapes) {
        const Problem problem(parsed(text), Data::kReal);
        Results expected;
        Convolution one(problem.desc());
        ASSERT_EQ(problem.run(NCONV_PASS_FORWARD, &one, {}, false, &expected), NCONV_STATUS_OK);
        RunOptions options;
        options.threads = 3;
        Convolution three(problem.desc(), options);
        for (int32_t microseconds : {0, 1, 20, 100000}) {
            ASSERT_EQ(nconv_set_spin_microseconds(microseconds), NCONV_STATUS_OK);
            for (int i = 0; i < 20; ++i) {
                if (i % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds(30 * i));
                Results results;
                ASSERT_EQ(problem.run(NCONV_PASS_FORWARD, &three, {}, false, &results),
                          NCONV_STATUS_OK);
                ASSERT_EQ(hash_bits(results.main), hash_bits(expected.main)) << text;
            }
        }
    }
    nconv_set_spin_microseconds(before);
}

#if defined(__linux__)

// Once the spin time is over no thread of the process uses a processor.
TEST(Threads, IdleUsesNoProcessor) {
    Problem problem(parsed("mb2_ic64ih56_oc64_kh3ph1"), Data::kReal);
    RunOptions options;
    options.threads = 0;
    Convolution convolution(problem.desc(), options);
    Results results;
    ASSERT_EQ(problem.run(NCONV_PASS_FORWARD, &convolution, {}, false, &results), NCONV_STATUS_OK);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const std::clock_t start = std::clock();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_LT(std::clock() - start, CLOCKS_PER_SEC / 20);
}

#endif

TEST(Threads, AnyCountGivesTheSame) {
    for (const char* text : kShapes) {
        Problem problem(parsed(text), Data::kInteger);
        for (int32_t threads : {0, 1, 2, 3, 5, 16, 64})
            for (nconv_pass pass : kPasses) {
                RunOptions options;
                options.threads = threads;
                const Comparison comparison = problem.check(pass, options);
                EXPECT_TRUE(comparison.ok)
                    << comparison.failure << " " << describe(problem.desc(), pass, options);
            }
    }
}

// A workspace sized for one thread lowers the count instead of failing.
TEST(Threads, SmallWorkspaceLowersTheCount) {
    for (const char* text : kShapes) {
        Problem problem(parsed(text), Data::kInteger);
        const Convolution convolution(problem.desc());
        int64_t bytes = 0;
        ASSERT_EQ(
            nconv_plan_workspace_bytes(convolution.plan(), NCONV_PASS_BACKWARD_WEIGHTS, 1, &bytes),
            NCONV_STATUS_OK);
        GuardedBuffer workspace(static_cast<size_t>(bytes), {Placement::kEnd, 0});
        const GuardedBuffer weights(problem.old_weights, {}), bias(problem.old_bias, {});
        const nconv_execution execution{sizeof execution, 8, nullptr, nullptr};
        nconv_backward_weights_args args{};
        args.struct_size = sizeof args;
        args.input = problem.input.data();
        args.input_count = static_cast<int64_t>(problem.input.size());
        args.grad_output = problem.grad_output.data();
        args.grad_output_count = static_cast<int64_t>(problem.grad_output.size());
        args.grad_weights = weights.floats();
        args.grad_weights_count = static_cast<int64_t>(weights.count());
        args.grad_bias = bias.floats();
        args.grad_bias_count = static_cast<int64_t>(bias.count());
        args.workspace = workspace.data();
        args.workspace_bytes = bytes;
        args.execution = &execution;
        ASSERT_EQ(nconv_backward_weights(convolution.plan(), &args), NCONV_STATUS_OK);
        const Results results{weights.values(), bias.values()};
        const Comparison comparison =
            problem.compare(NCONV_PASS_BACKWARD_WEIGHTS, false, results,
                            convolution.algorithm(NCONV_PASS_BACKWARD_WEIGHTS));
        EXPECT_TRUE(comparison.ok) << comparison.failure;
    }
}

struct Recorder {
    enum Order { kForward, kReversed, kThreads } order;
    std::atomic<int64_t> calls{0};
    std::atomic<int64_t> tasks{0};
    std::atomic<int64_t> largest{0};
};

void parallel_for(void* context, int64_t count, nconv_task task, void* task_context) {
    auto* recorder = static_cast<Recorder*>(context);
    ++recorder->calls;
    recorder->tasks += count;
    recorder->largest = std::max(recorder->largest.load(), count);
    if (recorder->order == Recorder::kThreads) {
        return run_on_threads(context, count, task, task_context);
    }
    for (int64_t i = 0; i < count; ++i)
        task(task_context, recorder->order == Recorder::kForward ? i : count - 1 - i);
}

TEST(Threads, CallersParallelFor) {
    for (Recorder::Order order : {Recorder::kForward, Recorder::kReversed, Recorder::kThreads}) {
        Recorder recorder{order};
        for (const char* text : kShapes) {
            Problem problem(parsed(text, NCONV_LAYOUT_NHWC), Data::kInteger);
            for (nconv_pass pass : kPasses) {
                RunOptions options;
                options.threads = 4;
                options.parallel_for = parallel_for;
                options.parallel_context = &recorder;
                const Comparison comparison = problem.check(pass, options);
                EXPECT_TRUE(comparison.ok) << comparison.failure << " order " << order << " "
                                           << describe(problem.desc(), pass, options);
            }
        }
        EXPECT_GT(recorder.calls, 0) << "never used";
        EXPECT_GT(recorder.largest, 1) << "never more than one task at a time";
        EXPECT_LE(recorder.largest, 4) << "more tasks at a time than max_threads";
    }
}

TEST(Threads, ManyCallersOfOnePlan) {
    for (const char* text : kShapes) {
        const Problem problem(parsed(text), Data::kReal);
        RunOptions options;
        options.threads = 2;
        Convolution shared(problem.desc(), options);
        Results expected[3];
        for (nconv_pass pass : kPasses)
            ASSERT_EQ(problem.run(pass, &shared, {}, false, &expected[pass]), NCONV_STATUS_OK);
        std::atomic<int> wrong{0};
        std::vector<std::thread> callers;
        for (int caller = 0; caller < 6; ++caller)
            callers.emplace_back([&, caller] {
                for (int i = 0; i < 12; ++i) {
                    const nconv_pass pass = kPasses[(caller + i) % 3];
                    Results results;
                    const nconv_status status = problem.run(pass, &shared, {}, false, &results);
                    wrong += status != NCONV_STATUS_OK || results.main != expected[pass].main ||
                             results.bias != expected[pass].bias;
                }
            });
        for (std::thread& caller : callers) caller.join();
        EXPECT_EQ(wrong, 0) << text;
    }
}

TEST(Threads, PlansAreMadeConcurrently) {
    std::atomic<int> wrong{0};
    std::vector<std::thread> makers;
    for (int maker = 0; maker < 4; ++maker)
        makers.emplace_back([&] {
            for (int i = 0; i < 200; ++i) {
                const Convolution convolution(small_desc());
                wrong += convolution.status() != NCONV_STATUS_OK || convolution.describe().empty();
            }
        });
    for (std::thread& maker : makers) maker.join();
    EXPECT_EQ(wrong, 0);
}

#if defined(__linux__) && !defined(__SANITIZE_THREAD__)

int64_t threads_of_this_process() {
    int64_t count = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task"))
        count += task.is_directory();
    return count;
}

// A child has no threads yet: a call too short for two starts none, a long one does.
TEST(Threads, ShortCallsStartNone) {
    const Problem small(parsed("mb1_ic8ih5_oc8_kh3ph1"), Data::kInteger),
        large(parsed("mb2_ic64ih56_oc64_kh3ph1"), Data::kInteger);
    RunOptions options;
    options.threads = 2;
    Convolution short_one(small.desc(), options), long_one(large.desc(), options);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        alarm(20);
        const int64_t before = threads_of_this_process();  // an emulator has more than one
        Results results;
        for (int i = 0; i < 50; ++i) small.run(NCONV_PASS_FORWARD, &short_one, {}, false, &results);
        const bool none = threads_of_this_process() == before;
        large.run(NCONV_PASS_FORWARD, &long_one, {}, false, &results);
        _exit(none && threads_of_this_process() == before + 1 ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Threads, WorkAfterFork) {
    const Problem problem(parsed(kShapes[0]), Data::kReal);
    RunOptions options;
    options.threads = 3;
    Convolution convolution(problem.desc(), options);
    Results expected;
    ASSERT_EQ(problem.run(NCONV_PASS_FORWARD, &convolution, {}, false, &expected), NCONV_STATUS_OK);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        alarm(20);
        Results results;
        bool ok = true;
        for (int i = 0; i < 5; ++i)
            ok = problem.run(NCONV_PASS_FORWARD, &convolution, {}, false, &results) ==
                     NCONV_STATUS_OK &&
                 results.main == expected.main && ok;
        _exit(ok ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0);
    Results results;
    ASSERT_EQ(problem.run(NCONV_PASS_FORWARD, &convolution, {}, false, &results), NCONV_STATUS_OK);
    EXPECT_EQ(results.main, expected.main) << "in the parent";
}

#endif

}  // namespace
}  // namespace nconv_test
