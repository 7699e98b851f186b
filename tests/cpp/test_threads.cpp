// Where the number of threads comes from: ThreadsScope, set_num_threads, the environment, the machine.
#include <stdlib.h>
#include <scorefn/threads.hpp>
#include <thread>

#include "check.hpp"

using namespace scorefn;

int main() {
    unsetenv("SCOREFN_NUM_THREADS");
    unsetenv("OMP_NUM_THREADS");
    const int machine = get_num_threads();
    CHECK(machine >= 1);

    setenv("OMP_NUM_THREADS", "3,2", 1);
    CHECK(get_num_threads() == 3);
    CHECK(num_threads_reason() == "the environment variable OMP_NUM_THREADS");
    setenv("OMP_NUM_THREADS", "many", 1);  // not ours to judge
    CHECK(get_num_threads() == machine);

    setenv("SCOREFN_NUM_THREADS", "4", 1);
    CHECK(get_num_threads() == 4);
    CHECK(num_threads_reason() == "the environment variable SCOREFN_NUM_THREADS");
    for (const char* bad : {"0", "-1", "two", "2.5", "99999999999999999999"}) {
        setenv("SCOREFN_NUM_THREADS", bad, 1);
        CHECK_THROWS(std::invalid_argument,
                     std::string("SCOREFN_NUM_THREADS must be a positive integer, got '") + bad + "'",
                     get_num_threads());
    }

    set_num_threads(5);
    CHECK(get_num_threads() == 5);
    CHECK(num_threads_reason() == "set_num_threads");

    // For the calling thread alone, and it says what it was before.
    CHECK(set_thread_local_num_threads(6) == 0);
    CHECK(get_num_threads() == 6);
    CHECK(num_threads_reason() == "threads(n) of this thread");
    int seen_by_another = 0;
    std::thread([&] { seen_by_another = get_num_threads(); }).join();
    CHECK(seen_by_another == 5);
    CHECK(set_thread_local_num_threads(0) == 6);
    CHECK(get_num_threads() == 5);

    const char* message = "num_threads must be positive, or 0 for the default, got -2";
    CHECK_THROWS(std::invalid_argument, message, set_num_threads(-2));
    CHECK_THROWS(std::invalid_argument, message, set_thread_local_num_threads(-2));
    CHECK(get_num_threads() == 5);

    unsetenv("SCOREFN_NUM_THREADS");
    set_num_threads(0);
    unsetenv("OMP_NUM_THREADS");
    CHECK(get_num_threads() == machine);
    return failures();
}
