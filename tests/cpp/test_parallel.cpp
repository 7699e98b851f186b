// The layer of threads: parallel_for, the fixed tree of merge_tree, scratch memory, and fork.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <numeric>
#include <scorefn/threads.hpp>
#include <set>
#include <thread>

#include "check.hpp"
#include "runtime/parallel.hpp"

using namespace scorefn;

namespace {

// Instead of the C library's: no memory for any thread but the main one, on demand.
std::atomic<bool> only_main_has_memory{false};
const std::thread::id main_thread = std::this_thread::get_id();

// Of what the process may map from now on, so that the stacks of a thousand threads do not fit.
void set_limit_of_memory(std::size_t more) {
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    const std::size_t now = pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const rlimit limit{now + more, now + more};
    if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(2);
}

void test_every_index_once() {
    for (const int num_threads : {1, 2, 3, 8}) {
        for (const std::int64_t count : {0, 1, 2, 7, 1000}) {
            std::vector<std::atomic<int>> calls(static_cast<std::size_t>(count));
            parallel_for(count, num_threads, [&](std::int64_t i) { ++calls[static_cast<std::size_t>(i)]; });
            bool once = true;
            for (const auto& n : calls) once &= n == 1;
            CHECK(once);
        }
    }
}

// A region within a region runs in the thread that meets it.
void test_nested() {
    std::atomic<int> sum{0};
    std::atomic<bool> serial{true};
    parallel_for(4, 2, [&](std::int64_t) {
        const std::thread::id outer = std::this_thread::get_id();
        parallel_for(5, 2, [&](std::int64_t j) {
            if (std::this_thread::get_id() != outer) serial = false;
            sum += static_cast<int>(j);
        });
    });
    CHECK(serial);
    CHECK(sum == 40);
}

// One within a serial region is not: a few long rows are worked on one after the other, each by all threads.
void test_parallel_within_serial() {
    std::atomic<int> met{0};
    parallel_for(2, 1, [&](std::int64_t) {
        std::atomic<int> begun{0};
        share_again();
        parallel_for(2, 2, [&](std::int64_t) {
            ++begun;
            const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
            while (begun < 2 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
            met += begun == 2 ? 1 : 0;
        });
    });
    CHECK(met == 4);
}

void test_exception() {
    for (const int num_threads : {1, 2, 5}) {
        std::atomic<int> calls{0};
        CHECK_THROWS(std::runtime_error, "task 3", parallel_for(100, num_threads, [&](std::int64_t i) {
            ++calls;
            if (i == 3) throw std::runtime_error("task 3");
        }));
        CHECK(calls >= 4);
        parallel_for(100, num_threads, [&](std::int64_t) { ++calls; });  // and the next one works
        CHECK(calls >= 104);
    }
}

// 0 threads stands for the number that get_num_threads() gives the calling thread.
void test_default_number() {
    set_thread_local_num_threads(1);
    std::set<std::thread::id> threads;
    parallel_for(100, 0, [&](std::int64_t) { threads.insert(std::this_thread::get_id()); });
    CHECK(threads.size() == 1);
    set_thread_local_num_threads(0);
}

// ((0 + 1) + (2 + 3)) + 4, whose rounding errors tell it from any other order.
void test_merge_tree() {
    const std::vector<double> x{1.0, 0x1p-53, 0x1p-53, 0x1p-53, 0x1p-52};
    const double expected = ((x[0] + x[1]) + (x[2] + x[3])) + x[4];
    CHECK(expected != std::accumulate(x.begin(), x.end(), 0.0));
    constexpr std::int64_t size = 10000;  // more than one range of entries
    for (const int num_threads : {1, 2, 5}) {
        std::vector<double> arrays;
        for (const double value : x) arrays.insert(arrays.end(), size, value);
        merge_tree(arrays.data(), 5, size, num_threads);
        bool same = true;
        for (std::size_t j = 0; j < size; ++j) same &= arrays[j] == expected;
        CHECK(same);
    }
    double one = 3;
    merge_tree(&one, 1, 1, 2);
    CHECK(one == 3);
    merge_tree(nullptr, 0, 1, 2);
}

void test_scratch() {
    auto* first = static_cast<char*>(thread_scratch(100));
    CHECK(reinterpret_cast<std::uintptr_t>(first) % 64 == 0);
    CHECK(thread_scratch(50) == first);  // kept
    auto* larger = static_cast<char*>(thread_scratch(1 << 20));
    CHECK(reinterpret_cast<std::uintptr_t>(larger) % 64 == 0);
    larger[(1 << 20) - 1] = 1;
    void* of_another = nullptr;
    std::thread([&] { of_another = thread_scratch(100); }).join();
    CHECK(of_another != larger);
}

// What cannot be started is done without: every task runs, and none is lost.
void test_too_few_threads() {
    const pid_t child = fork();  // the limit is for good
    if (child == 0) {
        alarm(60);
        set_limit_of_memory(std::size_t{64} << 20);
        std::atomic<int> sum{0};
        for (const int num_threads : {2, 1000, 3, 1000}) {
            parallel_for(2000, num_threads, [&](std::int64_t) { ++sum; });
            // A thread of its own, whose pool is not the child's lost one.
            std::thread([&] { parallel_for(2000, num_threads, [&](std::int64_t) { ++sum; }); }).join();
        }
        _exit(sum == 4 * 2 * 2000 ? 0 : 1);
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}

// Makes this thread work alone, as on a busy machine: the other one keeps it waiting for so long.
void back_off(std::chrono::milliseconds waits) {
    const std::thread::id caller = std::this_thread::get_id();
    parallel_for(2, 2, [](std::int64_t) {});  // starts the other one, whose first region does not count
    share_again();
    const std::int64_t before = region_counts().alone;
    while (region_counts().alone == before)
        parallel_for(2, 2, [&](std::int64_t) {
            if (std::this_thread::get_id() != caller) std::this_thread::sleep_for(waits);
        });
}

// Uses a CPU, unlike a sleep.
void spin(std::chrono::nanoseconds time) {
    const std::clock_t ticks = static_cast<std::clock_t>(time.count() / (1'000'000'000 / CLOCKS_PER_SEC));
    for (const std::clock_t start = std::clock(); std::clock() - start < ticks;) {}
}

// The other thread has by far the larger task. That is no sign of a busy machine, so this thread does not work alone: in one
// of many tries at least, as the machine may indeed be busy.
void test_tasks_of_different_sizes() {
    const std::thread::id caller = std::this_thread::get_id();
    parallel_for(2, 2, [](std::int64_t) {});
    bool shares = false;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!shares && std::chrono::steady_clock::now() < until) {
        share_again();
        std::atomic<bool> is_helped{false};
        parallel_for(2, 2, [&](std::int64_t) {
            if (std::this_thread::get_id() == caller) {
                std::this_thread::sleep_for(
                    std::chrono::microseconds(300));  // leaves the other task to the other one
                return;
            }
            is_helped = true;
            spin(std::chrono::milliseconds(2));
        });
        const std::int64_t before = region_counts().alone;
        parallel_for(2, 2, [](std::int64_t) {});
        shares = is_helped && region_counts().alone == before;
    }
    CHECK(shares);
    share_again();
}

bool is_alone() {
    const RegionCounts before = region_counts();
    const std::thread::id caller = std::this_thread::get_id();
    std::atomic<bool> by_caller{true};
    parallel_for(100, 2, [&](std::int64_t) {
        if (std::this_thread::get_id() != caller) by_caller = false;
    });
    const RegionCounts after = region_counts();
    return by_caller && after.alone == before.alone + 1 && after.shared == before.shared;
}

// All is as with one thread: every task once, regions within serial, errors, the number of threads, the same bits.
void test_backed_off() {
    back_off(std::chrono::milliseconds(500));  // for longer than all of this takes
    CHECK(is_alone());
    int calls = 0;
    parallel_for(10, 2, [&](std::int64_t) { parallel_for(5, 3, [&](std::int64_t) { ++calls; }); });
    CHECK(calls == 50);
    CHECK_THROWS(std::runtime_error, "task 3", parallel_for(10, 2, [&](std::int64_t i) {
        ++calls;
        if (i == 3) throw std::runtime_error("task 3");
    }));
    CHECK(calls == 54);
    test_merge_tree();
    CHECK(is_alone());

    const RegionCounts before = region_counts();
    parallel_for(1, 2, [](std::int64_t) {});
    parallel_for(100, 1, [](std::int64_t) {});
    CHECK(region_counts().alone == before.alone && region_counts().shared == before.shared);

    // Another thread has not waited, and a child's thread goes on as the parent's would.
    std::thread([] {
        const RegionCounts earlier = region_counts();
        parallel_for(100, 2, [](std::int64_t) {});
        CHECK(region_counts().shared == earlier.shared + 1);
    }).join();
    const pid_t child = fork();
    if (child == 0) {
        alarm(60);
        const bool backed_off = is_alone();
        share_again();
        std::atomic<int> sum{0};
        parallel_for(100, 2, [&](std::int64_t i) { sum += static_cast<int>(i); });
        _exit(backed_off && sum == 4950 && region_counts().shared > before.shared ? 0 : 1);
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(status == 0);

    // It shares again once it has worked alone for a multiple of the time that it lost, which test_backoff.cpp knows.
    back_off(std::chrono::milliseconds(20));
    const std::int64_t shared = region_counts().shared;
    while (region_counts().shared == shared)
        parallel_for(2, 2, [](std::int64_t) { std::this_thread::sleep_for(std::chrono::milliseconds(1)); });
}

// The child of a process that has used threads works at once, and may use threads itself.
void test_fork() {
    parallel_for(100, 2, [](std::int64_t) {});
    const pid_t child = fork();
    if (child == 0) {
        alarm(60);  // ends a child that waits for ever
        std::atomic<int> sum{0};
        for (int repeat = 0; repeat < 2; ++repeat)
            parallel_for(100, 2, [&](std::int64_t i) { sum += static_cast<int>(i); });
        bool caught = false;
        try {
            parallel_for(100, 2, [](std::int64_t) { throw std::runtime_error("in the child"); });
        } catch (const std::runtime_error&) {
            caught = true;
        }
        _exit(sum == 2 * 4950 && caught ? 0 : 1);
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}

}  // namespace

#ifndef SCOREFN_SANITIZED  // which has one of its own
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) {
    if (only_main_has_memory && std::this_thread::get_id() != main_thread) return nullptr;
    void* memory = nullptr;
    return posix_memalign(&memory, alignment, size) == 0 ? memory : nullptr;
}

// Threads without memory for a task leave it to those that have some.
static void test_no_memory_for_scratch() {
    only_main_has_memory = true;
    std::atomic<int> calls{0};
    share_again();
    parallel_for(100, 4, [&](std::int64_t) {
        ++calls;
        CHECK(thread_scratch(1 << 22) != nullptr);
        std::this_thread::sleep_for(std::chrono::milliseconds(2));  // the others have begun by then
    }, 1 << 22);
    only_main_has_memory = false;
    CHECK(calls == 100);

    calls = 0;
    CHECK_THROWS(std::bad_alloc, std::bad_alloc().what(),
                 parallel_for(100, 4, [&](std::int64_t) { ++calls; }, std::int64_t{1} << 60));
    CHECK(calls == 0);
}
#endif

int main() {
    test_every_index_once();
    test_nested();
    test_parallel_within_serial();
    test_exception();
    test_default_number();
    test_merge_tree();
    test_scratch();
#ifndef SCOREFN_SANITIZED
    test_no_memory_for_scratch();
#endif
    test_tasks_of_different_sizes();
    test_backed_off();
    test_fork();
    test_too_few_threads();
    return failures();
}
