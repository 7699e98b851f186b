// parallel_for, the one way to use threads. parallel.cpp is the only file that knows OpenMP.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

namespace scorefn {

using Run = void (*)(void* context, std::int64_t i);

// Calls run(context, i) for every i in [0, count) on up to num_threads threads (0: get_num_threads()), in any order; on
// fewer if the system has no more, or no memory for the scratch that the tasks ask for, or if other processes use the CPUs
// (backoff.hpp). Serial within a parallel region.
// After an exception of a task no other begins, and it is rethrown once all have ended; so is Interrupted, if the caller is
// Interruptible and to stop.
void parallel_for_erased(std::int64_t count, int num_threads, Run run, void* context,
                         std::int64_t scratch_bytes);

template <class Task>
void parallel_for(std::int64_t count, int num_threads, Task&& task, std::int64_t scratch_bytes = 0) {
    if (count == 1) {  // a small call pays for no thread and no look at the environment
        task(std::int64_t{0});
        return;
    }
    parallel_for_erased(count, num_threads, [](void* context, std::int64_t i) {
        (*static_cast<std::remove_reference_t<Task>*>(context))(i);
    }, &task, scratch_bytes);
}

// The number that omp_set_num_threads() has lowered this thread's regions to, as threadpoolctl does; 0: it has not.
int openmp_limit();

// The CPUs of the places that OMP_PROC_BIND or OMP_PLACES binds threads to, each to its own: the affinity of this one is no
// limit then. 0: threads are not bound.
int openmp_cpus();

// For tasks that take long: throws Interrupted if the call is to stop.
void check_interrupt();

// least = min(least, value), for threads that look for the first of something.
inline void lower(std::atomic<std::int64_t>& least, std::int64_t value) {
    std::int64_t seen = least;
    while (value < seen && !least.compare_exchange_weak(seen, value)) {}
}

// The merge of `count` arrays of `size` doubles lying one after another, into the first: a fixed tree over the
// index, ((0 + 1) + (2 + 3)) + ..., whatever the number of threads.
void merge_tree(double* arrays, std::int64_t count, std::int64_t size, int num_threads);

// This thread's scratch memory, aligned to 64 bytes, kept between calls. One user at a time.
void* thread_scratch(std::int64_t bytes);

}  // namespace scorefn
