#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <scorefn/threads.hpp>
#include <stdexcept>
#include <utility>

namespace scorefn {
namespace {

std::atomic<int> process_num_threads{0};
thread_local int scope_num_threads = 0;

struct Choice {
    int num_threads;
    std::string reason;
};

// The first number of a variable such as OMP_NUM_THREADS=4,2; 0 if it is unset, -1 if it is no positive integer.
int environment_number(const char* name) {
    const char* text = std::getenv(name);
    if (!text || !*text) return 0;
    char* end = nullptr;
    const long number = std::strtol(text, &end, 10);
    const bool ends_well = *end == '\0' || *end == ',' || *end == ' ';
    return end != text && ends_well && number > 0 && number <= 1 << 20 ? static_cast<int>(number) : -1;
}

// CPUs' worth of time that one cgroup allows; infinity if it sets no limit.
double cgroup_v2_quota(const std::string& folder) {
    std::ifstream file(folder + "/cpu.max");
    std::string quota;
    double period = 0;
    if (!(file >> quota >> period) || quota == "max" || period <= 0) return HUGE_VAL;
    return std::atof(quota.c_str()) / period;
}
double cgroup_v1_quota(const std::string& folder) {
    std::ifstream quota_file(folder + "/cpu.cfs_quota_us"), period_file(folder + "/cpu.cfs_period_us");
    double quota = 0, period = 0;
    if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0) return HUGE_VAL;
    return quota / period;
}

// The smallest quota on the way from this process's cgroup up to the root, as CPUs.
double cgroup_quota() {
    double smallest = HUGE_VAL;
    std::ifstream file("/proc/self/cgroup");
    for (std::string line; std::getline(file, line);) {  // hierarchy:controllers:path
        const auto first = line.find(':'), second = line.find(':', first + 1);
        if (second == std::string::npos) continue;
        const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
        const bool is_v2 = controllers == ",,";
        if (!is_v2 && controllers.find(",cpu,") == std::string::npos) continue;
        const std::string root = is_v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
        for (std::string path = line.substr(second + 1);; path.erase(path.rfind('/'))) {
            const std::string folder = root + (path == "/" ? "" : path);
            smallest = std::min(smallest, is_v2 ? cgroup_v2_quota(folder) : cgroup_v1_quota(folder));
            if (path.find('/') == std::string::npos) break;
        }
    }
    return smallest;
}

int affinity_count() {
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0) return 1;
    return std::max(1, CPU_COUNT(&cpus));
}

// What the machine allows does not change often, and asking it costs microseconds.
const Choice& machine_choice() {
    static const Choice choice = [] {
        const int cpus = affinity_count();
        const double quota = cgroup_quota();
        if (quota < cpus)
            return Choice{std::max(1, static_cast<int>(std::ceil(quota))), "the cgroup's CPU quota"};
        return Choice{cpus, "the CPUs this process may run on"};
    }();
    return choice;
}

Choice choose() {
    if (scope_num_threads > 0) return {scope_num_threads, "threads(n) of this thread"};
    if (const int n = process_num_threads.load(std::memory_order_relaxed); n > 0)
        return {n, "set_num_threads"};
    if (const int n = environment_number("SCOREFN_NUM_THREADS"); n != 0) {
        if (n < 0)
            throw std::invalid_argument(std::string("SCOREFN_NUM_THREADS must be a positive integer, got '") +
                                        std::getenv("SCOREFN_NUM_THREADS") + "'");
        return {n, "the environment variable SCOREFN_NUM_THREADS"};
    }
    if (const int n = environment_number("OMP_NUM_THREADS"); n > 0)
        return {n, "the environment variable OMP_NUM_THREADS"};
    return machine_choice();
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

int set_thread_local_num_threads(int num_threads) {
    require_not_negative(num_threads);
    return std::exchange(scope_num_threads, num_threads);
}

}  // namespace scorefn
