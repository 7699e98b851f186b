// Where the number of threads comes from: ThreadsScope, set_num_threads, the environment, the machine.
#include <omp.h>
#include <sched.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <scorefn/threads.hpp>
#include <thread>

#include "runtime/cgroup.hpp"
#include "check.hpp"

using namespace scorefn;

namespace {

// A file system of cgroups, in a folder that goes at the end.
class Cgroups {
public:
    Cgroups() {
        char name[] = "/tmp/scorefn-cgroup-XXXXXX";
        root_ = mkdtemp(name);
    }
    ~Cgroups() { std::filesystem::remove_all(root_); }

    void write(const std::string& path, const std::string& text) const {
        std::filesystem::create_directories((root_ / path).parent_path());
        std::ofstream(root_ / path) << text;
    }
    double quota(const std::string& groups_of_process) const {
        write("groups", groups_of_process);
        return cgroup_quota(root_ / "groups", root_);
    }

private:
    std::filesystem::path root_;
};

void test_cgroup_quota() {
    const Cgroups v2;
    const std::string group = "0::/system/job/step\n";
    CHECK(v2.quota(group) == HUGE_VAL);  // no such folders
    CHECK(v2.quota("") == HUGE_VAL);
    v2.write("system/job/step/cpu.max", "max 100000\n");
    CHECK(v2.quota(group) == HUGE_VAL);
    v2.write("system/job/cpu.max", "150000 100000\n");  // the nearest
    CHECK(v2.quota(group) == 1.5);
    v2.write("system/cpu.max", "400000 100000\n");  // a group cannot have more than those above it
    CHECK(v2.quota(group) == 1.5);
    v2.write("system/cpu.max", "50000 100000\n");
    CHECK(v2.quota(group) == 0.5);
    v2.write("cpu.max", "20000 100000\n");  // the root, which is the container's own
    CHECK(v2.quota(group) == 0.2);
    CHECK(v2.quota("0::/\n") == 0.2);
    CHECK(v2.quota("0::/of/the/host\n") == 0.2);
    for (const char* odd : {"", "150000", "x y", "-1 100000", "150000 0"}) {
        v2.write("cpu.max", odd);
        CHECK(v2.quota("0::/\n") == HUGE_VAL);
    }

    const Cgroups v1;
    const std::string groups = "12:memory:/x\n4:cpuacct,cpu:/docker/abc\n1:name=systemd:/docker/abc\n";
    v1.write("cpu/docker/abc/cpu.cfs_quota_us", "-1\n");
    v1.write("cpu/docker/abc/cpu.cfs_period_us", "100000\n");
    CHECK(v1.quota(groups) == HUGE_VAL);
    v1.write("cpu/docker/cpu.cfs_quota_us", "300000\n");
    v1.write("cpu/docker/cpu.cfs_period_us", "100000\n");
    CHECK(v1.quota(groups) == 3.0);
    v1.write("cpu/docker/abc/cpu.cfs_quota_us", "250000\n");
    CHECK(v1.quota(groups) == 2.5);
    CHECK(v1.quota("12:memory:/docker/abc\n") == HUGE_VAL);
}

// The CPUs that the thread may use at the time of the call.
void test_affinity() {
    cpu_set_t all, one;
    CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &all)) ++cpu;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    const int before = get_num_threads();
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(get_num_threads() == 1);
    CHECK(sched_setaffinity(0, sizeof all, &all) == 0);
    CHECK(get_num_threads() == before);
}

}  // namespace

int main() {
    test_cgroup_quota();
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
    for (const char* bad : {"0", "-1", "two", "2.5", "4,2", "4 more", "2000000", "99999999999999999999"}) {
        setenv("SCOREFN_NUM_THREADS", bad, 1);
        CHECK_THROWS(
            std::invalid_argument,
            std::string("SCOREFN_NUM_THREADS must be an integer from 1 to 1048576, got '") + bad + "'",
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
    test_affinity();

    setenv("OMP_NUM_THREADS", "3", 1);
    const int of_openmp = omp_get_max_threads();
    omp_set_num_threads(of_openmp + 1);
    CHECK(get_num_threads() == 3);
    if (of_openmp > 1) {
        omp_set_num_threads(1);
        CHECK(get_num_threads() == 1);
        CHECK(num_threads_reason() == "omp_set_num_threads");
        setenv("SCOREFN_NUM_THREADS", "2", 1);
        CHECK(get_num_threads() == 2);
        unsetenv("SCOREFN_NUM_THREADS");
    }
    omp_set_num_threads(of_openmp);
    CHECK(get_num_threads() == 3);
    unsetenv("OMP_NUM_THREADS");

    set_worker_process(true);
    CHECK(get_num_threads() == 1);
    CHECK(num_threads_reason() == "one thread for a worker process");
    setenv("OMP_NUM_THREADS", "3", 1);
    CHECK(get_num_threads() == 3);
    unsetenv("OMP_NUM_THREADS");
    set_worker_process(false);
    CHECK(get_num_threads() == machine);
    return failures();
}
