// The processor as a GPU: compiles the very same kernels with a C++ compiler, so that they are tested without a card.
//
// A block's threads are fibers of one thread, which run in the order of their index and change at barriers; with
// NOPROP_EMULATION_THREADS they are threads of their own, which the sanitizers understand. Blocks run one after the
// other. A barrier that some threads of the block never reach ends the process with a message, where a GPU would hang.
// Shared memory is as large as the launch declares and filled with NaN before each block.
#pragma once
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
#include <barrier>
#include <memory>
#include <thread>
#else
#include <ucontext.h>
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
};

struct Thread {
    dim3 index;
    unsigned number;
    Block *block;
#ifndef NOPROP_EMULATION_THREADS
    ucontext_t context;
    std::vector<unsigned char> stack;
    enum { READY, AT_BLOCK, AT_WARP, OVER } state;
#endif
};

inline thread_local Thread *current = nullptr;

[[noreturn]] inline void fail(const char *what) {
    std::fprintf(stderr, "emulated kernel: %s\n", what);
    std::abort();
}

#ifdef NOPROP_EMULATION_THREADS

inline void block_barrier() { current->block->all->arrive_and_wait(); }
inline void warp_barrier() { current->block->warps[current->number / WARP]->arrive_and_wait(); }

inline void run_block(Block &block, const std::function<void()> &kernel) {
    const unsigned count = block.size.x * block.size.y * block.size.z;
    block.all = std::make_unique<std::barrier<>>(count);
    block.warps.clear();
    for (unsigned first = 0; first < count; first += WARP)
        block.warps.push_back(std::make_unique<std::barrier<>>(count - first < WARP ? count - first : WARP));
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < count; number++) {
        threads.emplace_back([&, number] {
            const dim3 size = block.size;
            Thread thread{{number % size.x, number / size.x % size.y, number / size.x / size.y}, number, &block};
            current = &thread;
            kernel();
        });
    }
    for (auto &thread : threads) thread.join();
}

#else

inline thread_local ucontext_t scheduler;
inline thread_local const std::function<void()> *running = nullptr;

inline void pause(decltype(Thread::state) state) {
    Thread *thread = current;
    thread->state = state;
    swapcontext(&thread->context, &scheduler);
}

inline void block_barrier() { pause(Thread::AT_BLOCK); }
inline void warp_barrier() { pause(Thread::AT_WARP); }

inline void fiber() {
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
    const unsigned count = block.size.x * block.size.y * block.size.z;
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
                current = &threads[number];
                swapcontext(&scheduler, &current->context);
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

struct Kernel {
    std::size_t arguments;
    unsigned threads;
    std::function<void(const void *)> run;
};

inline std::unordered_map<std::string, Kernel> &kernels() {
    static std::unordered_map<std::string, Kernel> all;
    return all;
}

struct Registrar {
    Registrar(const char *name, std::size_t arguments, unsigned threads, std::function<void(const void *)> run) {
        if (!kernels().emplace(name, Kernel{arguments, threads, std::move(run)}).second) fail("two kernels of one name");
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
    const emulation::Kernel &kernel = found->second;
    if (kernel.arguments != size) return 2;
    if (threads == 0 || threads > kernel.threads) return 3;
    emulation::Block block;
    block.size = {threads, 1, 1};
    block.grid = {grid[0], grid[1], grid[2]};
    block.lanes.resize(threads);
    for (unsigned z = 0; z < grid[2]; z++)
        for (unsigned y = 0; y < grid[1]; y++)
            for (unsigned x = 0; x < grid[0]; x++) {
                block.index = {x, y, z};
                block.shared.assign(shared, 0xff);
                emulation::run_block(block, [&] { kernel.run(arguments); });
            }
    return 0;
}
