// The processor as a GPU: compiles the very same kernels with a C++ compiler, so that they are tested without a card.
//
// A block's threads are fibers of one thread, which run in the order of their index and change at barriers; with
// NOPROP_EMULATION_THREADS they are threads of their own, between which -fsanitize=thread sees a missing barrier. Blocks run one
// after the other. A barrier that some threads of the block never reach ends the process with a message, where a GPU would
// hang. Shared memory is as large as the launch declares and filled with NaN before each block.
#pragma once
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>
#ifdef NOPROP_EMULATION_THREADS
#include <algorithm>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#else
#include <ucontext.h>
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#define __device__
#define __forceinline__ inline
#define __restrict__

struct dim3 {
    unsigned x, y, z;
};

namespace emulation {

constexpr unsigned WARP = 32;

struct Block {
    dim3 size, index, grid;
    std::vector<unsigned char> shared;
    /// What the lanes of each warp show one another.
    std::vector<std::uint64_t> lanes;
#ifdef NOPROP_EMULATION_THREADS
    std::unique_ptr<std::barrier<>> all;
    std::vector<std::unique_ptr<std::barrier<>>> warps;
#endif

    unsigned count() const { return size.x * size.y * size.z; }
    /// Calls `work` with the index of every block of the grid.
    template <class Work> void each(Work work) const {
        for (unsigned z = 0; z < grid.z; z++)
            for (unsigned y = 0; y < grid.y; y++)
                for (unsigned x = 0; x < grid.x; x++) work(dim3{x, y, z});
    }
    /// Becomes the block of that index. Its shared memory holds NaN, and no byte more than the launch declared.
    void begin(dim3 at, unsigned bytes) {
        index = at;
        shared.assign(bytes, 0xff);
    }
};

struct Thread {
    dim3 index;
    unsigned number;
    Block *block;
#ifndef NOPROP_EMULATION_THREADS
    ucontext_t context;
    std::vector<unsigned char> stack;
    enum { READY, AT_BLOCK, AT_WARP, OVER } state;
#else
    /// How often the thread has come to a barrier of the block, to one of its warp, and to the end of the kernel; and whether it
    /// waits there. All relaxed: what is watched must not synchronise the threads, or the sanitizer would see no race.
    enum Place { OF_BLOCK, OF_WARP, END, PLACES };
    std::atomic<unsigned> come[PLACES] = {};
    std::atomic<int> waits = PLACES;
#endif
};

inline thread_local Thread *current = nullptr;

[[noreturn]] inline void fail(const char *what) {
    std::fprintf(stderr, "emulated kernel: %s\n", what);
    std::abort();
}

#ifdef NOPROP_EMULATION_THREADS

inline void wait_at(std::barrier<> &barrier, Thread::Place place) {
    Thread *thread = current;
    thread->come[place].fetch_add(1, std::memory_order_relaxed);
    thread->waits.store(place, std::memory_order_relaxed);
    barrier.arrive_and_wait();
    thread->waits.store(Thread::PLACES, std::memory_order_relaxed);
}

inline void block_barrier() { wait_at(*current->block->all, Thread::OF_BLOCK); }
inline void warp_barrier() { wait_at(*current->block->warps[current->number / WARP], Thread::OF_WARP); }

/// Whether every thread waits at a barrier that others have not come to. A thread that has been let go on may still look as if
/// it waited, but then all have come to its barrier as often as it has.
inline bool is_stuck(const std::deque<Thread> &threads) {
    const auto come = [&](std::size_t thread, int place) {
        return threads[thread].come[place].load(std::memory_order_relaxed);
    };
    for (std::size_t number = 0; number < threads.size(); number++) {
        const int place = threads[number].waits.load(std::memory_order_relaxed);
        if (place == Thread::PLACES) return false;
        const std::size_t first = place == Thread::OF_WARP ? number / WARP * WARP : 0;
        const std::size_t end = place == Thread::OF_WARP ? std::min<std::size_t>(first + WARP, threads.size()) : threads.size();
        bool is_open = true;
        for (std::size_t other = first; other < end; other++)
            is_open = is_open && come(other, place) >= come(number, place);
        if (is_open) return false;
    }
    return true;
}

/// A thread goes from block to block, so that there are not as many threads to make as blocks have together.
inline void run_grid(Block &block, unsigned shared, const std::function<void()> &kernel) {
    const unsigned count = block.count();
    // Waits for the others behind a block, and then for the next one's shared memory.
    std::barrier<> between(count);
    std::mutex mutex;
    std::condition_variable ended;
    unsigned running = count;
    block.all = std::make_unique<std::barrier<>>(count);
    for (unsigned first = 0; first < count; first += WARP)
        block.warps.push_back(std::make_unique<std::barrier<>>(count - first < WARP ? count - first : WARP));
    std::deque<Thread> states(count);
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < count; number++) {
        threads.emplace_back([&, number] {
            const dim3 size = block.size;
            Thread &thread = states[number];
            thread.index = {number % size.x, number / size.x % size.y, number / size.x / size.y};
            thread.number = number;
            thread.block = &block;
            current = &thread;
            block.each([&](dim3 index) {
                wait_at(between, Thread::END);
                if (number == 0) block.begin(index, shared);
                wait_at(between, Thread::END);
                kernel();
            });
            // Whoever waits for this one at a barrier waits in vain.
            wait_at(between, Thread::END);
            const std::lock_guard lock(mutex);
            if (--running == 0) ended.notify_one();
        });
    }
    std::unique_lock lock(mutex);
    // Twice, since the first look may have come between two changes.
    for (bool was_stuck = false; !ended.wait_for(lock, std::chrono::milliseconds(200), [&] { return running == 0; });) {
        const bool stuck = is_stuck(states);
        if (stuck && was_stuck) fail("a barrier is not reached by all threads");
        was_stuck = stuck;
    }
    lock.unlock();
    for (auto &thread : threads) thread.join();
}

#else

inline thread_local ucontext_t scheduler;
inline thread_local const std::function<void()> *running = nullptr;

#ifdef __SANITIZE_ADDRESS__
/// The stack of the scheduler, which the sanitizer wants to be told of.
inline thread_local const void *scheduler_stack = nullptr;
inline thread_local std::size_t scheduler_stack_size = 0;

/// Changes between stacks, told to the sanitizer.
inline void change(ucontext_t *from, ucontext_t *to, const void *stack, std::size_t size, bool to_scheduler) {
    void *kept = nullptr;
    __sanitizer_start_switch_fiber(&kept, stack, size);
    swapcontext(from, to);
    __sanitizer_finish_switch_fiber(kept, to_scheduler ? &scheduler_stack : nullptr,
                                    to_scheduler ? &scheduler_stack_size : nullptr);
}
#endif

/// Returns when the scheduler lets this thread go on.
inline void pause(decltype(Thread::state) state) {
    Thread *thread = current;
    thread->state = state;
#ifdef __SANITIZE_ADDRESS__
    change(&thread->context, &scheduler, scheduler_stack, scheduler_stack_size, true);
#else
    swapcontext(&thread->context, &scheduler);
#endif
}

/// Lets a thread run to its next barrier or its end.
inline void resume(Thread *thread) {
    current = thread;
#ifdef __SANITIZE_ADDRESS__
    change(&scheduler, &thread->context, thread->stack.data(), thread->stack.size(), false);
#else
    swapcontext(&scheduler, &thread->context);
#endif
}

inline void block_barrier() { pause(Thread::AT_BLOCK); }
inline void warp_barrier() { pause(Thread::AT_WARP); }

inline void fiber() {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_size);
#endif
    (*running)();
    pause(Thread::OVER);
}

inline std::vector<Thread> &fibers(unsigned count) {
    static thread_local std::vector<Thread> kept;
    if (kept.size() < count) kept = std::vector<Thread>(count);
    return kept;
}

/// Lets threads `first` to `end` go on where all of them wait at the same kind of barrier.
inline bool release(std::vector<Thread> &threads, unsigned first, unsigned end, decltype(Thread::state) at) {
    for (unsigned i = first; i < end; i++)
        if (threads[i].state != at) return false;
    for (unsigned i = first; i < end; i++) threads[i].state = Thread::READY;
    return true;
}

inline void run_block(Block &block, const std::function<void()> &kernel) {
    const unsigned count = block.count();
    auto &threads = fibers(count);
    running = &kernel;
    for (unsigned number = 0; number < count; number++) {
        Thread &thread = threads[number];
        const dim3 size = block.size;
        thread.index = {number % size.x, number / size.x % size.y, number / size.x / size.y};
        thread.number = number;
        thread.block = &block;
        thread.state = Thread::READY;
        thread.stack.resize(1 << 17);
#ifdef __SANITIZE_ADDRESS__
        // What the last thread on this stack left behind.
        ASAN_UNPOISON_MEMORY_REGION(thread.stack.data(), thread.stack.size());
#endif
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = thread.stack.data();
        thread.context.uc_stack.ss_size = thread.stack.size();
        thread.context.uc_link = nullptr;
        makecontext(&thread.context, fiber, 0);
    }
    for (;;) {
        bool ran = false, over = true;
        for (unsigned number = 0; number < count; number++) {
            if (threads[number].state == Thread::READY) {
                resume(&threads[number]);
                ran = true;
            }
            over = over && threads[number].state == Thread::OVER;
        }
        if (over) return;
        for (unsigned first = 0; first < count; first += WARP)
            ran = release(threads, first, first + WARP < count ? first + WARP : count, Thread::AT_WARP) || ran;
        ran = release(threads, 0, count, Thread::AT_BLOCK) || ran;
        if (!ran) fail("a barrier is not reached by all threads");
    }
}

inline void run_grid(Block &block, unsigned shared, const std::function<void()> &kernel) {
    block.each([&](dim3 index) {
        block.begin(index, shared);
        run_block(block, kernel);
    });
}

#endif

/// Every lane of the warp shows `value` and sees that of lane `from`, or its own if there is no such lane.
template <class T> T exchange(T value, unsigned from) {
    static_assert(sizeof(T) <= sizeof(std::uint64_t));
    Thread *thread = current;
    auto &lanes = thread->block->lanes;
    const unsigned first = thread->number / WARP * WARP;
    std::memcpy(&lanes[thread->number], &value, sizeof(T));
    warp_barrier();
    T seen = value;
    if (from < WARP && first + from < lanes.size()) std::memcpy(&seen, &lanes[first + from], sizeof(T));
    warp_barrier();
    return seen;
}

/// Strides of products that a thread has read one value by one, and in fours: each counts once for a block.
inline thread_local std::uint64_t strides[2];
inline void count_stride(bool fours) {
    if (current->number == 0) strides[fours]++;
}

struct Kernel {
    std::size_t arguments;
    unsigned threads;
    std::function<void(const void *)> run;
    std::atomic<bool> launched = false;
};

inline std::unordered_map<std::string, Kernel> &kernels() {
    static std::unordered_map<std::string, Kernel> all;
    return all;
}

struct Registrar {
    Registrar(const char *name, std::size_t arguments, unsigned threads, std::function<void(const void *)> run) {
        if (kernels().count(name)) fail("two kernels of one name");
        Kernel &kernel = kernels()[name];
        kernel.arguments = arguments;
        kernel.threads = threads;
        kernel.run = std::move(run);
    }
};

} // namespace emulation

#define threadIdx (emulation::current->index)
#define blockIdx (emulation::current->block->index)
#define blockDim (emulation::current->block->size)
#define gridDim (emulation::current->block->grid)

inline void __syncthreads() { emulation::block_barrier(); }
inline void __syncwarp(unsigned = 0xffffffffu) { emulation::warp_barrier(); }
inline unsigned lane_of_warp() { return emulation::current->number % emulation::WARP; }
template <class T> T __shfl_sync(unsigned, T value, int from) { return emulation::exchange(value, unsigned(from)); }
template <class T> T __shfl_xor_sync(unsigned, T value, int mask) {
    return emulation::exchange(value, lane_of_warp() ^ unsigned(mask));
}
template <class T> T __shfl_down_sync(unsigned, T value, unsigned delta) {
    return emulation::exchange(value, lane_of_warp() + delta);
}
inline std::uint32_t __umulhi(std::uint32_t a, std::uint32_t b) { return std::uint32_t(std::uint64_t(a) * b >> 32); }
inline std::uint32_t __float_as_uint(float value) { return std::bit_cast<std::uint32_t>(value); }
inline float __uint_as_float(std::uint32_t bits) { return std::bit_cast<float>(bits); }
inline float __fdividef(float a, float b) { return a / b; }

/// Shared memory of the block, as bytes.
inline unsigned char *shared_bytes() { return emulation::current->block->shared.data(); }

#define KERNEL(name, threads, Arguments)                                                                               \
    static void name(const Arguments &a);                                                                              \
    static emulation::Registrar registrar_##name(#name, sizeof(Arguments), threads,                                    \
                                                 [](const void *a) { name(*static_cast<const Arguments *>(a)); });     \
    static void name(const Arguments &a)

/// Runs kernel `name`. Returns 0; 1 if there is no such kernel, 2 if its arguments have another size, 3 if it is not made
/// for so many threads.
extern "C" int noprop_emulate(const char *name, const unsigned grid[3], unsigned threads, unsigned shared,
                              const void *arguments, std::size_t size) {
    const auto found = emulation::kernels().find(name);
    if (found == emulation::kernels().end()) return 1;
    emulation::Kernel &kernel = found->second;
    if (kernel.arguments != size) return 2;
    if (threads == 0 || threads > kernel.threads) return 3;
    emulation::Block block;
    block.size = {threads, 1, 1};
    block.grid = {grid[0], grid[1], grid[2]};
    block.lanes.resize(threads);
    emulation::run_grid(block, shared, [&] { kernel.run(arguments); });
    kernel.launched = true;
    return 0;
}

/// Calls `found` with the name of each kernel that has not been launched yet.
extern "C" void noprop_not_launched(void (*found)(void *, const char *), void *context) {
    for (const auto &[name, kernel] : emulation::kernels())
        if (!kernel.launched) found(context, name.c_str());
}

/// Strides of products that this thread has read so far, one value by one or in fours.
extern "C" std::uint64_t noprop_strides(bool fours) { return emulation::strides[fours]; }

/// Bytes of the arguments of a kernel and the most threads of a block; returns whether there is such a kernel.
extern "C" bool noprop_kernel(const char *name, std::size_t *arguments, unsigned *threads) {
    const auto found = emulation::kernels().find(name);
    if (found == emulation::kernels().end()) return false;
    *arguments = found->second.arguments;
    *threads = found->second.threads;
    return true;
}
