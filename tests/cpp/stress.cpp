// Several threads call every function of the C++ API at once on the same inputs, each call with threads of its own, and
// compare every result with that of one thread alone. For the thread sanitizer: bash .ci/nightly tsan.
//
//     stress [rounds]
#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>

#include "check.hpp"
#include "plain_arrays.hpp"

using namespace scorefn;

namespace {

// Rows of several tasks, long rows that threads share out, a table in one piece and in ranges, and linear policies whose
// sums are those of chunks of samples and those of ranges of actions.
constexpr Shape kShapes[] = {{9000, 7, 3, 9000}, {2, 70000, 1, 2}, {700, 100, 60, 700}};

// The error of the first bad row, whichever thread meets one first.
template <class T>
std::string message(const Inputs<T>& in, int num_threads) {
    const std::int64_t n = in.shape.rows, cols = in.shape.cols;
    std::vector<std::int32_t> bad = in.actions;
    for (std::size_t i = bad.size() / 2; i < bad.size(); ++i) bad[i] = -1;
    std::vector<T> out(in.logits.size());
    Options options;
    options.num_threads = num_threads;
    options.may_write_on_error = true;
    return message_of<IndexError>([&] {
        score(Matrix<const T>(in.logits.data(), n, cols), IndexVector(bad.data(), n),
              Matrix<T>(out.data(), n, cols), options);
    });
}

struct Failures {
    std::atomic<int> results{0}, messages{0}, settings{0};
};

// What a process and a thread are set to, while others set and read it.
void set_and_get(int number, Failures& failures) {
    set_num_threads(number);
    if (get_num_threads() < 1) ++failures.settings;
    set_thread_local_num_threads(number);
    if (get_num_threads() != number || num_threads_reason().empty()) ++failures.settings;
    set_thread_local_num_threads(0);
    if (current_isa().empty() || available_isas().empty()) ++failures.settings;
}

template <class T>
void test(const Shape& shape, int rounds) {
    std::mt19937 random(1);
    std::uniform_real_distribution<T> real(-6, 3);
    const Inputs<T> inputs(shape, [&] { return real(random); });
    const std::vector<char> expected = results_of_every_function(inputs, 1);
    const std::string expected_message = message(inputs, 1);
    constexpr int kCallers = 3;
    Failures failures;
    const auto run = [&](int caller) {
        for (int round = 0; round < rounds; ++round) {
            const int num_threads = 2 + (caller + round) % 3;
            if (results_of_every_function(inputs, num_threads) != expected) ++failures.results;
            if (message(inputs, num_threads) != expected_message) ++failures.messages;
            set_and_get(num_threads, failures);
        }
    };
    std::vector<std::thread> callers;
    for (int caller = 0; caller < kCallers; ++caller) callers.emplace_back(run, caller);
    for (std::thread& caller : callers) caller.join();
    CHECK(expected_message.find("actions[" + std::to_string(shape.rows / 2) + "] = -1 is out of range") == 0);
    CHECK(failures.results == 0);
    CHECK(failures.messages == 0);
    CHECK(failures.settings == 0);
}

}  // namespace

int main(int count, char** arguments) {
    const int rounds = count > 1 ? std::atoi(arguments[1]) : 1;
    // Threads meet the choice of the kernels, too, which is made on the first call.
    std::vector<std::thread> first;
    std::atomic<int> chosen{0};
    for (int i = 0; i < 3; ++i) first.emplace_back([&] { chosen += !current_isa().empty(); });
    for (std::thread& thread : first) thread.join();
    CHECK(chosen == 3);
    for (const Shape& shape : kShapes) {
        test<float>(shape, rounds);
        test<double>(shape, rounds);
    }
    return failures();
}
