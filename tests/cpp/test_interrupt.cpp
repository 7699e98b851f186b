// A caller that asks a call to stop: it ends with Interrupted, what it was to add to is as before, and the next call is right.
#include <scorefn/scorefn.hpp>

#include <chrono>
#include <thread>
#include <vector>

#include "check.hpp"
#include "runtime/parallel.hpp"

using namespace scorefn;

namespace {

void sleep_a_little() { std::this_thread::sleep_for(std::chrono::milliseconds(10)); }

// Says yes once it has been asked so many times.
struct Question {
    int noes;
    int asked = 0;
    std::thread::id by{};

    static bool ask(void* question) {
        auto& self = *static_cast<Question*>(question);
        self.by = std::this_thread::get_id();
        return ++self.asked > self.noes;
    }
};

void test_parallel_for() {
    for (const int num_threads : {1, 2, 3}) {
        Question question{2};
        const Interruptible interruptible(Question::ask, &question);
        std::atomic<int> calls{0};
        CHECK_THROWS(Interrupted, "interrupted", parallel_for(1'000'000, num_threads, [&](std::int64_t) {
            ++calls;
            sleep_a_little();
        }));
        CHECK(question.asked == 3);
        CHECK(question.by == std::this_thread::get_id());
        CHECK(calls < 10'000);  // a machine that stands still for a minute may make a few more
    }
}

// A task that takes long asks on its own, or sees that its region is to end.
void test_long_tasks() {
    Question question{0};
    const Interruptible interruptible(Question::ask, &question);
    CHECK_THROWS(Interrupted, "interrupted", parallel_for(2, 2, [&](std::int64_t) {
        for (;;) {
            check_interrupt();
            sleep_a_little();
        }
    }));
}

void test_scopes() {
    Question never{1 << 30}, at_once{0};
    const Interruptible outer(Question::ask, &never);
    {
        const Interruptible inner(Question::ask, &at_once);
        CHECK_THROWS(Interrupted, "interrupted",
                     parallel_for(1'000'000, 2, [&](std::int64_t) { sleep_a_little(); }));
    }
    int calls = 0;
    std::thread([&] { parallel_for(10, 1, [&](std::int64_t) { ++calls; }); }).join();  // is nobody's
    parallel_for(10, 1, [&](std::int64_t) { sleep_a_little(); });
    CHECK(calls == 10);
    CHECK(never.asked >= 1);
    CHECK(at_once.asked == 1);
}

// Samples enough for seconds, without memory: all are the same one.
void test_accumulated_gradient() {
    constexpr std::int64_t samples = std::int64_t{1} << 33;
    const std::int64_t state = 1, action = 0;
    const float weight = 1;
    const std::vector<float> table(6), features(64), coef(64 * 3);
    std::vector<float> of_table(6, 7.0F), of_coef(64 * 3, 7.0F), of_row(3, 7.0F);
    const IndexVector states(&state, samples, 0), actions(&action, samples, 0);
    const RealVector weights(&weight, samples, 0);
    GradientOptions options;
    options.accumulate = true;
    for (const int num_threads : {1, 2}) {
        options.num_threads = num_threads;
        Question question{1};
        const Interruptible interruptible(Question::ask, &question);
        CHECK_THROWS(Interrupted, "interrupted",
                     tabular_gradient(Matrix<const float>(table.data(), 2, 3), states, actions, weights,
                                      Matrix<float>(of_table.data(), 2, 3), options));
        CHECK_THROWS(Interrupted, "interrupted",
                     score_gradient(Vector<const float>{table.data(), 3}, actions, weights,
                                    Vector<float>{of_row.data(), 3}, options));
        CHECK_THROWS(Interrupted, "interrupted",
                     linear_gradient(Matrix<const float>(features.data(), samples, 64, 0, 1),
                                     Matrix<const float>(coef.data(), 64, 3), actions, weights,
                                     Matrix<float>(of_coef.data(), 64, 3), options));
    }
    for (const auto* gradient : {&of_table, &of_coef, &of_row})
        for (const float entry : *gradient) CHECK(entry == 7.0F);
    tabular_gradient(Matrix<const float>(table.data(), 2, 3), IndexVector(&state, 1), IndexVector(&action, 1),
                     RealVector(&weight, 1), Matrix<float>(of_table.data(), 2, 3), options);
    CHECK(of_table[0] == 7.0F);
    CHECK(of_table[3] > 7.6F);
}

// Adding to every row of a gradient ends with the last row.
void test_rows_that_accumulate() {
    constexpr std::int64_t rows = 100'000, cols = 200;
    const std::int64_t action = 0;
    const float weight = 1;
    const std::vector<float> logits(cols);
    std::vector<float> out(rows * cols);
    GradientOptions options;
    options.accumulate = options.may_write_on_error = true;
    Question question{0};
    const Interruptible interruptible(Question::ask, &question);
    for (int repeat = 0; repeat < 20; ++repeat)
        score_gradient(Matrix<const float>(logits.data(), rows, cols, 0, 1), IndexVector(&action, rows, 0),
                       RealVector(&weight, rows, 0), Matrix<float>(out.data(), rows, cols), options);
    CHECK(question.asked == 0);
}

}  // namespace

int main() {
    test_parallel_for();
    test_long_tasks();
    test_scopes();
    test_accumulated_gradient();
    test_rows_that_accumulate();
    return failures();
}
