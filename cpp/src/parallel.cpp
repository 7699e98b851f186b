#include "parallel.hpp"

#include <omp.h>
#include <pthread.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <scorefn/threads.hpp>
#include <thread>

namespace scorefn {
namespace {

// libgomp keeps a pool of threads for each thread that opens a region. After a fork the child has the pool's memory
// but not its threads, and a region opened by the thread that forked would wait for them for ever. A new thread has
// no pool yet, so in the child that thread lends its regions to one.
thread_local bool pool_is_lost = false;

const bool fork_is_watched = [] {
    return pthread_atfork(nullptr, nullptr, [] { pool_is_lost = true; }) == 0;
}();

void run_region(std::int64_t count, int num_threads, void (*run)(void*, std::int64_t), void* context) {
    std::exception_ptr failure;
    std::mutex failure_lock;
#pragma omp parallel for schedule(dynamic) num_threads(num_threads)
    for (std::int64_t i = 0; i < count; ++i) {
        try {
            run(context, i);
        } catch (...) {
            const std::lock_guard<std::mutex> guard(failure_lock);
            if (!failure) failure = std::current_exception();
        }
    }
    if (failure) std::rethrow_exception(failure);
}

}  // namespace

void parallel_for_erased(std::int64_t count, int num_threads, void (*run)(void*, std::int64_t),
                         void* context) {
    if (num_threads == 0 && count > 1) num_threads = get_num_threads();
    num_threads = static_cast<int>(std::min<std::int64_t>(num_threads, count));
    if (num_threads <= 1 || omp_in_parallel()) {
        for (std::int64_t i = 0; i < count; ++i) run(context, i);
    } else if (pool_is_lost) {
        std::exception_ptr failure;
        std::thread([&] {
            try {
                run_region(count, num_threads, run, context);
            } catch (...) {
                failure = std::current_exception();
            }
        }).join();
        if (failure) std::rethrow_exception(failure);
    } else {
        run_region(count, num_threads, run, context);
    }
}

void merge_tree(double* arrays, std::int64_t count, std::int64_t size, int num_threads) {
    constexpr std::int64_t kRange = 4096;
    if (count <= 1) return;
    parallel_for((size + kRange - 1) / kRange, num_threads, [&](std::int64_t range) {
        const std::int64_t first = range * kRange, last = std::min(size, first + kRange);
        for (std::int64_t step = 1; step < count; step *= 2)
            for (std::int64_t i = 0; i + step < count; i += 2 * step)
                for (std::int64_t j = first; j < last; ++j)
                    arrays[i * size + j] += arrays[(i + step) * size + j];
    });
}

void* thread_scratch(std::int64_t bytes) {
    struct Free {
        void operator()(void* memory) const { std::free(memory); }
    };
    thread_local std::unique_ptr<void, Free> memory;
    thread_local std::int64_t size = 0;
    if (bytes > size) {
        const std::int64_t rounded = (std::max(bytes, 2 * size) + 63) / 64 * 64;
        memory.reset();
        size = 0;
        memory.reset(std::aligned_alloc(64, static_cast<std::size_t>(rounded)));
        if (!memory) throw std::bad_alloc();
        size = rounded;
    }
    return memory.get();
}

}  // namespace scorefn
