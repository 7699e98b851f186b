#pragma once

#include <cstdint>
#include <string>

namespace scorefn {

// The largest number of threads a call uses when it names none: set_thread_local_num_threads of the calling thread, else
// set_num_threads, else SCOREFN_NUM_THREADS, else OMP_NUM_THREADS, else 1 in a worker process, else the CPUs this
// process may use: those of its affinity, or fewer if a cgroup allows less time. From OMP_NUM_THREADS on,
// omp_set_num_threads (threadpoolctl) may lower it. All of it as it is at the call, but for the quota of the cgroup,
// which is read once.
//
// Each of these numbers, and num_threads of a call, is a maximum. Small calls use one thread. So does a calling thread, for
// a while, after its parallel regions took longer than without help because others use the CPUs. Results do not depend on it.
int get_num_threads();

// For the whole process; 0 goes back to the environment. Negative: std::invalid_argument.
void set_num_threads(int num_threads);

// As set_num_threads, for the calling thread alone, and returns the previous value (0: none).
int set_thread_local_num_threads(int num_threads);

// A worker process is one of many that share the machine, and does with one thread unless it is told otherwise.
void set_worker_process(bool is_worker);

// Which of the sources above get_num_threads() follows, in words.
std::string num_threads_reason();

// The parallel regions of this process up to now, of which a large call has one or more.
struct RegionCounts {
    std::int64_t shared;  // run by several threads
    std::int64_t alone;   // run by the calling thread, as the machine was busy
};
RegionCounts region_counts();

// The calling thread shares its next region, whatever the last ones cost: for tests, and after the machine has become idle.
void share_again();

}  // namespace scorefn
