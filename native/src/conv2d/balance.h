// How long a call takes that is cut into tasks, so that an algorithm can compare cuts. A cut may depend on the
// threads: it moves no chain of sums.
#pragma once

#include "base/checked_math.h"

namespace nconv {

// So many tasks a thread are balanced well enough by the threads' taking them one by one.
constexpr int64_t kTasksEnough = 8;

// The slowest thread's time, when tasks take `average` and the largest `largest`. Of equal ones the cut into
// more tasks wins: a thread that is late then costs less.
inline double slowest_thread(int64_t tasks, int threads, double average, double largest) {
    constexpr double kLate = 0.05;
    const double rounds = static_cast<double>(ceil_div(tasks, threads));
    return rounds * average + (largest - average) + kLate * largest;
}

}  // namespace nconv
