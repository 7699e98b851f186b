#pragma once

#include <string>

namespace scorefn {

// The number of threads a call uses when it names none: set_thread_local_num_threads of the calling thread, else
// set_num_threads, else SCOREFN_NUM_THREADS, else OMP_NUM_THREADS, else 1 in a worker process, else the CPUs this
// process may use: those of its affinity, or fewer if a cgroup allows less time. From OMP_NUM_THREADS on,
// omp_set_num_threads (threadpoolctl) may lower it. All of it as it is at the call, but for the quota of the cgroup,
// which is read once.
int get_num_threads();

// For the whole process; 0 goes back to the environment. Negative: std::invalid_argument.
void set_num_threads(int num_threads);

// As set_num_threads, for the calling thread alone, and returns the previous value (0: none).
int set_thread_local_num_threads(int num_threads);

// A worker process is one of many that share the machine, and does with one thread unless it is told otherwise.
void set_worker_process(bool is_worker);

// Which of the sources above get_num_threads() follows, in words.
std::string num_threads_reason();

}  // namespace scorefn
