// A child forked while another thread makes the first call of the process works: what is found out once must not
// be a lock that the child inherits taken. Without that about one fork of fifty hangs here.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <scorefn/config.hpp>
#include <scorefn/threads.hpp>
#include <thread>

#include "check.hpp"

namespace {

// What a call finds out once a process.
void first_call() {
    scorefn::current_isa();
    scorefn::get_num_threads();
}

bool ends_well(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool child_works(std::chrono::microseconds delay) {
    const pid_t fresh = fork();  // a process without a call yet
    if (fresh != 0) return ends_well(fresh);
    std::atomic<bool> begun{false};
    std::thread other([&begun] {
        begun = true;
        first_call();
    });
    while (!begun) std::this_thread::yield();
    const auto until = std::chrono::steady_clock::now() + delay;
    while (std::chrono::steady_clock::now() < until) {}
    const pid_t child = fork();
    if (child == 0) {
        alarm(60);
        first_call();
        _exit(0);
    }
    other.join();
    _exit(ends_well(child) ? 0 : 1);
}

}  // namespace

int main() {
    for (int i = 0; i < 400 && failures() == 0; ++i) CHECK(child_works(std::chrono::microseconds(i % 100)));
    return failures();
}
