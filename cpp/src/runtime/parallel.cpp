#include "runtime/parallel.hpp"

#include <omp.h>
#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <scorefn/threads.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/backoff.hpp"
#include "runtime/float_environment.hpp"
#include "runtime/interrupt.hpp"

namespace scorefn {
namespace {

struct Scratch {
    struct Free {
        void operator()(void* memory) const { std::free(memory); }
    };
    std::unique_ptr<void, Free> memory;
    std::int64_t size = 0;
};
thread_local Scratch scratch;

thread_local Backoff backoff;
std::atomic<std::int64_t> num_shared{0}, num_alone{0};  // regions of this process

Nanoseconds now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

// For which this thread has had a CPU.
Nanoseconds cpu_time() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return Nanoseconds{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

class Region;
thread_local Region* region_of_this_thread = nullptr;

// Whether the call of this thread is to stop. Python code that runs as it is asked may call scorefn: that call has scratch
// memory and regions of its own.
bool is_to_stop() {
    Scratch own_scratch = std::exchange(scratch, {});
    Region* const own_region = std::exchange(region_of_this_thread, nullptr);
    const bool answer = is_interrupted();
    scratch = std::move(own_scratch);
    region_of_this_thread = own_region;
    return answer;
}

// Tasks shared out among the threads that call work(), one of which is the caller's.
class Region {
public:
    Region(std::int64_t count, Run run, void* context, std::int64_t scratch_bytes)
        : count_(count), run_(run), context_(context), scratch_bytes_(scratch_bytes) {}

    // A thread without memory for a task leaves all to the others.
    void work(bool is_caller) {
        if (!is_caller && !has_scratch()) return;
        const StandardFloatEnvironment environment;
        for (std::int64_t i; !stopped_ && (i = next_++) < count_;) {
            try {
                if (is_caller && is_to_stop()) throw Interrupted();
                run_(context_, i);
            } catch (...) {
                stop(std::current_exception());
            }
        }
    }
    // As one of a team: regions within are serial.
    void work_in_team(bool is_caller) {
        region_of_this_thread = this;
        work(is_caller);
        region_of_this_thread = nullptr;
    }
    // For how long this thread had a CPU for its part of the tasks.
    Nanoseconds work_measured(bool is_caller) {
        const Nanoseconds began = now(), before = cpu_time();
        work_in_team(is_caller);
        const Nanoseconds took = now() - began;
        // To ask for a CPU time takes up to a microsecond, and a short part hides no loss.
        return took < Backoff::kSmallLoss / 2 ? took : cpu_time() - before;
    }
    // As one of the caller's team.
    void help() { helped_ += work_measured(false); }
    void rethrow() const {
        if (failure_) std::rethrow_exception(failure_);
    }
    bool is_stopped() const { return stopped_; }
    Nanoseconds helped() const { return helped_; }

private:
    bool has_scratch() const {
        try {
            thread_scratch(scratch_bytes_);
            return true;
        } catch (const std::bad_alloc&) {
            return false;
        }
    }
    void stop(std::exception_ptr failure) {
        const std::lock_guard<std::mutex> guard(failure_lock_);
        if (!failure_) failure_ = std::move(failure);
        stopped_ = true;
    }

    const std::int64_t count_;
    const Run run_;
    void* const context_;
    const std::int64_t scratch_bytes_;
    std::atomic<std::int64_t> next_{0};
    std::atomic<bool> stopped_{false};
    std::atomic<Nanoseconds> helped_{0};
    std::mutex failure_lock_;
    std::exception_ptr failure_;
};

// Calls work() in up to `count` threads of its own, fewer if the system has no more.
template <class Work>
class Threads {
public:
    Threads(int count, Work work) {
        try {
            threads_.reserve(static_cast<std::size_t>(count));
            while (size() < count) threads_.emplace_back(work);
        } catch (const std::exception&) {}  // no thread, or no memory for one
    }
    ~Threads() {
        for (std::thread& thread : threads_) thread.join();
    }
    int size() const { return static_cast<int>(threads_.size()); }

private:
    std::vector<std::thread> threads_;
};

// What OpenMP would take by itself.
const int threads_at_load = std::getenv("OMP_NUM_THREADS") ? omp_get_max_threads() : omp_get_num_procs();

// libgomp keeps a pool of threads for each thread that opens a region: as many as its last region had.
thread_local int pool_size = 1;
// A child has the memory of the forking thread's pool but not its threads, for which a new region, and the end of the
// thread, would wait for ever. So ours is ended before; but not within a region, nor one that only others know of.
thread_local bool pool_is_lost = false;
thread_local bool has_ended_pool = false;

void before_fork() {
    has_ended_pool = pool_size > 1 && !pool_is_lost && omp_pause_resource_all(omp_pause_soft) == 0;
    if (has_ended_pool) pool_size = 1;
}
void after_fork_in_child() { pool_is_lost = !has_ended_pool; }

const bool fork_is_watched = pthread_atfork(before_fork, nullptr, after_fork_in_child) == 0;

// Whether a pool of this size can be had: libgomp ends the process where a thread cannot be started.
[[maybe_unused]] bool pool_can_have(int num_threads) {
    if (num_threads <= pool_size) return true;
    std::mutex lock;
    std::condition_variable all_started;
    bool may_end = false;
    const int more = num_threads - pool_size;
    Threads threads(more, [&] {
        std::unique_lock<std::mutex> guard(lock);
        all_started.wait(guard, [&] { return may_end; });
    });
    {
        const std::lock_guard<std::mutex> guard(lock);
        may_end = true;
    }
    all_started.notify_all();
    return threads.size() == more;
}

bool can_use_openmp([[maybe_unused]] int num_threads) {
#ifdef SCOREFN_STD_THREADS  // ThreadSanitizer does not see how libgomp synchronises
    return false;
#else
    return !pool_is_lost && pool_can_have(num_threads);
#endif
}

void run_shared(Region& region, int num_threads, Nanoseconds asked) {
    num_shared.fetch_add(1, std::memory_order_relaxed);
    SharedRegion seen{};
    seen.asked = asked;
    const auto work_as_caller = [&] { seen.worked = region.work_measured(true); };
    bool starts_pool = false;  // which is paid once and says nothing of the next region
    if (can_use_openmp(num_threads)) {
        starts_pool = num_threads > pool_size;
        pool_size = num_threads;
#pragma omp parallel num_threads(num_threads)
        if (omp_get_thread_num() == 0)
            work_as_caller();
        else
            region.help();
    } else {
        const Threads others(num_threads - 1, [&] { region.help(); });
        work_as_caller();
    }
    seen.ended = now();
    seen.helped = region.helped();
    if (!starts_pool && !region.is_stopped()) backoff.shared(seen);
}

void run_alone(Region& region, Nanoseconds asked) {
    num_alone.fetch_add(1, std::memory_order_relaxed);
    region.work_in_team(true);
    backoff.worked_alone(now() - asked);
}

}  // namespace

void parallel_for_erased(std::int64_t count, int num_threads, Run run, void* context,
                         std::int64_t scratch_bytes) {
    if (count <= 0) return;
    thread_scratch(scratch_bytes);  // fails before anything is done
    if (num_threads == 0 && count > 1) num_threads = get_num_threads();
    num_threads = static_cast<int>(std::min<std::int64_t>(num_threads, count));
    Region region(count, run, context, scratch_bytes);
    if (num_threads <= 1 || region_of_this_thread || omp_in_parallel()) {
        region.work(true);
    } else if (const Nanoseconds asked = now(); backoff.is_alone(asked)) {
        run_alone(region, asked);
    } else {
        run_shared(region, num_threads, asked);
    }
    region.rethrow();
}

RegionCounts region_counts() { return {num_shared, num_alone}; }

void share_again() { backoff = {}; }

int openmp_limit() {
    const int now = omp_get_max_threads();
    return now < threads_at_load ? now : 0;
}

int openmp_cpus() {
    if (omp_get_proc_bind() == omp_proc_bind_false) return 0;
    int cpus = 0;
    for (int place = 0; place < omp_get_num_places(); ++place) cpus += omp_get_place_num_procs(place);
    return cpus;
}

void check_interrupt() {
    const Region* const region = region_of_this_thread;
    if ((region && region->is_stopped()) || is_to_stop()) throw Interrupted();
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
    if (bytes > scratch.size) {
        const std::int64_t rounded = (std::max(bytes, 2 * scratch.size) + 63) / 64 * 64;
        scratch = {};
        scratch.memory.reset(std::aligned_alloc(64, static_cast<std::size_t>(rounded)));
        if (!scratch.memory) throw std::bad_alloc();
        scratch.size = rounded;
    }
    return scratch.memory.get();
}

}  // namespace scorefn
