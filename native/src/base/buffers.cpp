#include "base/buffers.h"

#include <string.h>

#include "base/atomic.h"
#include "base/platform.h"

namespace nconv {
namespace {

constexpr uint64_t kAlignment = 64;
constexpr uint64_t kPage = 4096;

// A load from, and a store to, addresses with equal low 12 bits wait for each other: a depthwise
// layer fell from 85 to 34 % of peak. 21 lines apart, 64 bases in a row take all 64 places of a
// page once.
constexpr uint64_t kSkew = 21 * kAlignment;

constexpr int kMaxBlocks = 256;
constexpr int64_t kDefaultMaxBytes = int64_t{256} << 20;

struct Block {
    void* pages;
    uint64_t bytes;
};
static_assert(sizeof(Block) <= kAlignment, "a block is noted in the line before its buffer");

// Four sizes per power of two, in whole pages: a block has at most a quarter too much.
uint64_t size_class(uint64_t bytes) {
    uint64_t step = kPage;
    while (bytes > 8 * step) step *= 2;
    return (bytes + step - 1) / step * step;
}

// Free blocks in the order in which they were freed. Searching a table of 256 costs less than 0.2
// us; lists through the blocks themselves would touch a cold page for each.
class Pool {
public:
    // A block of exactly that class, the one freed last; no pages if there is none.
    Block take(uint64_t bytes) {
        handle_fork();
        lock_.lock();
        Block found = {};
        for (int i = count_; i-- > 0 && found.pages == nullptr;) {
            if (blocks_[i].bytes == bytes) found = remove(i);
        }
        lock_.unlock();
        return found;
    }

    // Keeps a block, and gives back the ones freed first where there is no room for all.
    void put(Block block) {
        lock_.lock();
        if (static_cast<int64_t>(block.bytes) > max_bytes_) {
            lock_.unlock();
            unmap_pages(block.pages, block.bytes);
            return;
        }
        if (count_ == kMaxBlocks) release_first();
        blocks_[count_++] = block;
        bytes_ += static_cast<int64_t>(block.bytes);
        shrink(max_bytes_);
        lock_.unlock();
    }

    void set_max(int64_t bytes) {
        lock_.lock();
        max_bytes_ = bytes;
        shrink(bytes);
        lock_.unlock();
    }

    void trim() {
        lock_.lock();
        shrink(0);
        lock_.unlock();
    }

    int64_t bytes() {
        lock_.lock();
        const int64_t result = bytes_;
        lock_.unlock();
        return result;
    }

    // A thread that does not exist in the child may have held the lock, in the midst of a change.
    void reset() {
        lock_ = Mutex();
        count_ = 0;
        bytes_ = 0;
    }

private:
    static void reset_pool();

    // Before the lock is first taken, so that no child inherits it locked.
    void handle_fork() {
        if (!fork_handled_.exchange(true)) run_in_forked_child<reset_pool>();
    }

    Block remove(int index) {
        const Block block = blocks_[index];
        --count_;
        memmove(blocks_ + index, blocks_ + index + 1,
                static_cast<size_t>(count_ - index) * sizeof(Block));
        bytes_ -= static_cast<int64_t>(block.bytes);
        return block;
    }

    void release_first() {
        const Block block = remove(0);
        unmap_pages(block.pages, block.bytes);
    }

    void shrink(int64_t bytes) {
        while (bytes_ > bytes) release_first();
    }

    Mutex lock_;
    Atomic<bool> fork_handled_{false};
    int count_ = 0;
    int64_t bytes_ = 0;
    int64_t max_bytes_ = kDefaultMaxBytes;
    Block blocks_[kMaxBlocks] = {};
};

Pool pool;
Atomic<uint64_t> allocations{0};

void Pool::reset_pool() { pool.reset(); }

Block* note_of(void* buffer) { return static_cast<Block*>(buffer) - kAlignment / sizeof(Block); }

}  // namespace

void* allocate_buffer(int64_t bytes) {
    // One page more: the note and the skew together never take more.
    const uint64_t wanted = static_cast<uint64_t>(bytes) + kPage;
    if (wanted > uint64_t{1} << 62) return nullptr;
    Block block = pool.take(size_class(wanted));
    if (block.pages == nullptr) {
        block.bytes = size_class(wanted);
        block.pages = map_pages(block.bytes);
    }
    if (block.pages == nullptr) {
        pool.trim();
        block.pages = map_pages(block.bytes);
    }
    if (block.pages == nullptr) return nullptr;
    const uint64_t turn = allocations.fetch_add(1, kRelaxed);
    void* buffer = static_cast<char*>(block.pages) + kAlignment + turn * kSkew % kPage;
    *note_of(buffer) = block;
    return buffer;
}

void free_buffer(void* buffer) {
    if (buffer != nullptr) pool.put(*note_of(buffer));
}

int64_t pooled_buffer_bytes() { return pool.bytes(); }
void set_max_pooled_buffer_bytes(int64_t bytes) { pool.set_max(bytes); }
void trim_buffers() { pool.trim(); }

}  // namespace nconv
