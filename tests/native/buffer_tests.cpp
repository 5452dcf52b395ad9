// Buffers: alignment, skew, reuse, limits, failure, threads, fork.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <fstream>
#include <set>
#include <thread>

#include "common.h"

#if defined(__linux__)
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace nconv_test {
namespace {

constexpr int64_t kDefaultLimit = int64_t{256} << 20;

class BufferPool : public testing::Test {
protected:
    BufferPool() { nconv_buffer_trim(); }
    ~BufferPool() override {
        nconv_buffer_trim();
        nconv_buffer_set_max_pooled_bytes(kDefaultLimit);
    }

    static void* allocate(int64_t bytes) {
        void* buffer = nullptr;
        EXPECT_EQ(nconv_buffer_allocate(bytes, &buffer), NCONV_STATUS_OK) << bytes;
        return buffer;
    }
};

TEST_F(BufferPool, HoldWhatWasAskedFor) {
    for (int64_t bytes : {0, 1, 63, 64, 4031, 4032, 4096, 100000, 2097151, 2097152, 5000001}) {
        void* buffer = allocate(bytes);
        ASSERT_NE(buffer, nullptr);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer) % 64, 0u);
        std::memset(buffer, 0xA5, static_cast<size_t>(bytes));
        nconv_buffer_free(buffer);
    }
    nconv_buffer_free(nullptr);
}

TEST_F(BufferPool, InARowDoNotShareLowAddressBits) {
    for (int64_t bytes : {512, 1 << 20}) {
        std::set<uintptr_t> places;
        std::vector<void*> buffers;
        for (int i = 0; i < 64; ++i) {
            buffers.push_back(allocate(bytes));
            places.insert(reinterpret_cast<uintptr_t>(buffers.back()) % 4096);
        }
        EXPECT_EQ(places.size(), 64u);
        for (void* buffer : buffers) nconv_buffer_free(buffer);
    }
}

// Freed memory is handed out again for the same and about the same size, and for no other.
TEST_F(BufferPool, AreReused) {
    constexpr int64_t kBytes = 1000000;
    EXPECT_EQ(nconv_buffer_pooled_bytes(), 0);
    nconv_buffer_free(allocate(kBytes));
    const int64_t kept = nconv_buffer_pooled_bytes();
    EXPECT_GE(kept, kBytes);
    EXPECT_LE(kept, kBytes + kBytes / 4 + 4096);
    for (int64_t bytes : {kBytes, kBytes - 1000, kBytes}) {
        void* buffer = allocate(bytes);
        EXPECT_EQ(nconv_buffer_pooled_bytes(), 0) << "not reused for " << bytes;
        std::memset(buffer, 0x5A, static_cast<size_t>(bytes));
        nconv_buffer_free(buffer);
        EXPECT_EQ(nconv_buffer_pooled_bytes(), kept);
    }
    void* other = allocate(kBytes / 3);
    EXPECT_EQ(nconv_buffer_pooled_bytes(), kept);
    nconv_buffer_free(other);
    nconv_buffer_trim();
    EXPECT_EQ(nconv_buffer_pooled_bytes(), 0);
}

TEST_F(BufferPool, TwoInUseAreApart) {
    char* a = static_cast<char*>(allocate(8192));
    char* b = static_cast<char*>(allocate(8192));
    EXPECT_TRUE(a + 8192 <= b || b + 8192 <= a);
    nconv_buffer_free(a);
    nconv_buffer_free(b);
}

TEST_F(BufferPool, LimitsHold) {
    ASSERT_EQ(nconv_buffer_set_max_pooled_bytes(1 << 20), NCONV_STATUS_OK);
    nconv_buffer_free(allocate(2 << 20));
    EXPECT_EQ(nconv_buffer_pooled_bytes(), 0) << "larger than the limit";
    for (int64_t bytes = 100000; bytes < 900000; bytes += 100000) {
        nconv_buffer_free(allocate(bytes));
        EXPECT_LE(nconv_buffer_pooled_bytes(), 1 << 20);
    }
    EXPECT_GT(nconv_buffer_pooled_bytes(), 0);
    ASSERT_EQ(nconv_buffer_set_max_pooled_bytes(0), NCONV_STATUS_OK);
    EXPECT_EQ(nconv_buffer_pooled_bytes(), 0);
    nconv_buffer_free(allocate(100));
    EXPECT_EQ(nconv_buffer_pooled_bytes(), 0);
    EXPECT_EQ(nconv_buffer_set_max_pooled_bytes(-1), NCONV_STATUS_INVALID_BUFFER_BYTES);

    ASSERT_EQ(nconv_buffer_set_max_pooled_bytes(kDefaultLimit), NCONV_STATUS_OK);
    std::vector<void*> buffers;
    for (int i = 0; i < 300; ++i) buffers.push_back(allocate(1));
    for (void* buffer : buffers) nconv_buffer_free(buffer);
    EXPECT_EQ(nconv_buffer_pooled_bytes(), 256 * 8192) << "256 buffers of two pages";
}

TEST_F(BufferPool, FailuresAreStatuses) {
    int marker = 0;
    void* buffer = &marker;
    EXPECT_EQ(nconv_buffer_allocate(1, nullptr), NCONV_STATUS_INVALID_RESULT);
    EXPECT_EQ(nconv_buffer_allocate(-1, &buffer), NCONV_STATUS_INVALID_BUFFER_BYTES);
    EXPECT_EQ(nconv_buffer_allocate(INT64_MIN, &buffer), NCONV_STATUS_INVALID_BUFFER_BYTES);
#if !defined(__SANITIZE_ADDRESS__)
    for (int64_t bytes : {INT64_MAX, INT64_MAX - 4096, int64_t{1} << 62, int64_t{1} << 60})
        EXPECT_EQ(nconv_buffer_allocate(bytes, &buffer), NCONV_STATUS_OUT_OF_MEMORY) << bytes;
#endif
    EXPECT_EQ(buffer, &marker) << "written by a call that failed";
}

TEST_F(BufferPool, ThreadsShareThePool) {
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int id = 0; id < 6; ++id)
        threads.emplace_back([&, id] {
            for (int i = 0; i < 2000; ++i) {
                const size_t bytes = static_cast<size_t>(100 + 7000 * ((id + i) % 5));
                void* buffer = nullptr;
                if (nconv_buffer_allocate(static_cast<int64_t>(bytes), &buffer) !=
                    NCONV_STATUS_OK) {
                    ++wrong;
                    continue;
                }
                auto* data = static_cast<unsigned char*>(buffer);
                std::memset(data, id, bytes);
                if (i % 64 == 0) std::this_thread::yield();
                wrong += data[0] != id || data[bytes / 2] != id || data[bytes - 1] != id;
                nconv_buffer_free(buffer);
                if (i % 500 == id) nconv_buffer_trim();
            }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
}

#if defined(__linux__)

int64_t address_space_pages() {
    int64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    return pages;
}

TEST_F(BufferPool, NothingLeaks) {
    const int64_t before = address_space_pages();
    for (int i = 0; i < 2000; ++i) nconv_buffer_free(allocate(3 << 20));
    for (int64_t bytes = 1; bytes < 8 << 20; bytes += bytes / 3 + 1)
        nconv_buffer_free(allocate(bytes));
    nconv_buffer_trim();
    EXPECT_LT(address_space_pages() - before, 4096);
}

#if !defined(__SANITIZE_THREAD__)

TEST_F(BufferPool, WorkAfterFork) {
    nconv_buffer_free(allocate(100000));
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        alarm(20);
        void* buffer = nullptr;
        bool ok = nconv_buffer_pooled_bytes() == 0;
        ok = nconv_buffer_allocate(100000, &buffer) == NCONV_STATUS_OK && ok;
        std::memset(buffer, 1, 100000);
        nconv_buffer_free(buffer);
        _exit(ok && nconv_buffer_pooled_bytes() > 0 ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0);
    EXPECT_GT(nconv_buffer_pooled_bytes(), 0) << "in the parent";
}

#endif
#endif

}  // namespace
}  // namespace nconv_test
