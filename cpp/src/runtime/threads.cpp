#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <scorefn/threads.hpp>
#include <stdexcept>
#include <utility>

#include "runtime/cgroup.hpp"
#include "runtime/parallel.hpp"

namespace scorefn {
namespace {

std::atomic<int> process_num_threads{0};
std::atomic<bool> is_worker_process{false};
thread_local int scope_num_threads = 0;

struct Choice {
    int num_threads;
    std::string reason;
};

// The first number of a variable such as OMP_NUM_THREADS=4,2; 0 if it is unset, -1 if it is no integer from 1 to kMost.
constexpr int kMost = 1 << 20;
int environment_number(const char* name, bool may_be_list) {
    const char* text = std::getenv(name);
    if (!text || !*text) return 0;
    char* end = nullptr;
    const long number = std::strtol(text, &end, 10);
    while (*end == ' ') ++end;
    const bool ends_well = *end == '\0' || (may_be_list && *end == ',');
    return end != text && ends_well && number > 0 && number <= kMost ? static_cast<int>(number) : -1;
}

// In a set for 8192 CPUs, as many as Linux has: it refuses one that is smaller than its own.
int affinity_count() {
    cpu_set_t cpus[8];
    if (sched_getaffinity(0, sizeof cpus, cpus) != 0) return 1;
    return std::max(1, CPU_COUNT_S(sizeof cpus, cpus));
}

Choice machine_choice() {
    // Read once, as that costs a tenth of a millisecond. No static variable with a lock, which a fork might find held.
    static std::atomic<double> known_quota{-1.0};
    double quota = known_quota;
    if (quota < 0) known_quota = quota = cgroup_quota();
    const int cpus = std::max(affinity_count(), openmp_cpus());
    if (quota < cpus) return {std::max(1, static_cast<int>(std::ceil(quota))), "the cgroup's CPU quota"};
    return {cpus, "the CPUs this process may run on"};
}

Choice choose() {
    if (scope_num_threads > 0) return {scope_num_threads, "threads(n) of this thread"};
    if (const int n = process_num_threads.load(std::memory_order_relaxed); n > 0)
        return {n, "set_num_threads"};
    if (const int n = environment_number("SCOREFN_NUM_THREADS", false); n != 0) {
        if (n < 0)
            throw std::invalid_argument("SCOREFN_NUM_THREADS must be an integer from 1 to " +
                                        std::to_string(kMost) + ", got '" +
                                        std::getenv("SCOREFN_NUM_THREADS") + "'");
        return {n, "the environment variable SCOREFN_NUM_THREADS"};
    }
    Choice choice = machine_choice();
    if (const int n = environment_number("OMP_NUM_THREADS", true); n > 0)
        choice = {n, "the environment variable OMP_NUM_THREADS"};
    else if (is_worker_process)
        choice = {1, "one thread for a worker process"};
    if (const int n = openmp_limit(); n > 0 && n < choice.num_threads) return {n, "omp_set_num_threads"};
    return choice;
}

void require_not_negative(int num_threads) {
    if (num_threads < 0)
        throw std::invalid_argument("num_threads must be positive, or 0 for the default, got " +
                                    std::to_string(num_threads));
}

}  // namespace

int get_num_threads() { return choose().num_threads; }

std::string num_threads_reason() { return choose().reason; }

void set_num_threads(int num_threads) {
    require_not_negative(num_threads);
    process_num_threads = num_threads;
}

void set_worker_process(bool is_worker) { is_worker_process = is_worker; }

int set_thread_local_num_threads(int num_threads) {
    require_not_negative(num_threads);
    return std::exchange(scope_num_threads, num_threads);
}

}  // namespace scorefn
