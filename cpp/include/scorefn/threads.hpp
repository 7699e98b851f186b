#pragma once

#include <string>

namespace scorefn {

// The number of threads a call uses when it names none: the calling thread's ThreadsScope, else
// set_num_threads, else SCOREFN_NUM_THREADS, else OMP_NUM_THREADS, else the CPUs this process may use.
int get_num_threads();

// For the whole process; 0 goes back to the environment. Negative: std::invalid_argument.
void set_num_threads(int num_threads);

// As set_num_threads, for the calling thread alone, and returns the previous value (0: none).
int set_thread_local_num_threads(int num_threads);

// Which of the sources above get_num_threads() follows, in words.
std::string num_threads_reason();

}  // namespace scorefn
