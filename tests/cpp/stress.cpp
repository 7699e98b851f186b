// Several threads call every function of the C++ API at once on the same inputs, each call with threads of its own, and
// compare every result with that of one thread alone. For the thread sanitizer: bash .ci/nightly tsan.
//
//     stress [rounds]
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <random>
#include <scorefn/scorefn.hpp>
#include <thread>

#include "check.hpp"

using namespace scorefn;

namespace {

// Rows of several tasks, long rows that threads share out, a table in one piece and in ranges, and linear policies whose
// sums are those of chunks of samples and those of ranges of actions.
struct Shape {
    std::int64_t rows, cols, features;
};
constexpr Shape kShapes[] = {{9000, 7, 3}, {2, 70000, 1}, {700, 100, 60}};

template <class T>
class Inputs {
public:
    Inputs(const Shape& shape, unsigned seed) : shape_(shape), random_(seed) {
        const std::int64_t n = shape.rows, cols = shape.cols;
        fill(logits_, n * cols), fill(other_logits_, n * cols), fill(features_, n * shape.features);
        fill(coef_, shape.features * cols), fill(weights_, n), fill(row_, cols);
        for (std::int64_t i = 0; i < n * cols; ++i) where_.push_back(i % cols == 0 || i % 5 != 3);
        for (std::int64_t i = 0; i < n; ++i) {
            states_.push_back(static_cast<std::int32_t>(random_() % static_cast<std::uint32_t>(n)));
            actions_.push_back(static_cast<std::int32_t>(random_() % static_cast<std::uint32_t>(cols)));
        }
    }

    // The results of all functions, one after another. Every result is written over a copy of the same numbers.
    std::vector<T> all_results(int num_threads) const {
        const std::int64_t n = shape_.rows, cols = shape_.cols;
        Options options;
        options.num_threads = num_threads;
        GradientOptions gradient_options;
        gradient_options.num_threads = num_threads;
        gradient_options.entropy_coef = 0.1;
        gradient_options.accumulate = true;
        GradientOptions masked = gradient_options;
        masked.where = Matrix<const bool>(reinterpret_cast<const bool*>(where_.data()), n, cols);

        const Matrix<const T> z(logits_.data(), n, cols), q(other_logits_.data(), n, cols);
        const IndexVector states(states_.data(), n), actions(actions_.data(), n);
        const RealVector weights(weights_.data(), n);
        std::vector<T> matrix = other_logits_, vector(weights_), entropies(weights_), ratio(weights_);
        const Matrix<T> out(matrix.data(), n, cols);
        const Vector<T> each{vector.data(), n}, of_entropy{entropies.data(), n}, of_ratio{ratio.data(), n};
        std::vector<T> all;
        const auto keep = [&](const std::vector<T>& values) {
            all.insert(all.end(), values.begin(), values.end());
        };

        log_softmax(z, out, options), keep(matrix);
        softmax(z, out, masked), keep(matrix);
        logsumexp(z, each, options), keep(vector);
        log_prob(z, actions, each, masked), keep(vector);
        entropy(z, each, options), keep(vector);
        kl_divergence(z, q, each, masked), keep(vector);
        score(z, actions, out, options), keep(matrix);
        score_gradient(z, actions, weights, out, masked), keep(matrix);
        tabular_gradient(z, states, actions, weights, out, gradient_options), keep(matrix);

        std::vector<std::int64_t> drawn(static_cast<std::size_t>(n));
        sample(z, RandomKey{{3, 4}}, Matrix<std::int64_t>(drawn.data(), n, 1), Matrix<T>(vector.data(), n, 1),
               of_entropy, options);
        keep(vector), keep(entropies);
        for (const std::int64_t action : drawn) all.push_back(static_cast<T>(action));

        std::vector<T> row = row_;
        score_gradient(Vector<const T>{row_.data(), cols}, actions, weights, Vector<T>{row.data(), cols},
                       gradient_options);
        keep(row);
        std::vector<T> coef = coef_;
        linear_gradient(Matrix<const T>(features_.data(), n, shape_.features),
                        Matrix<const T>(coef_.data(), shape_.features, cols), actions, weights,
                        Matrix<T>(coef.data(), shape_.features, cols), gradient_options);
        keep(coef);

        const ObjectiveRows<T> rows{out, each, of_entropy};
        all.push_back(static_cast<T>(policy_gradient(z, actions, weights, rows, gradient_options)));
        keep(matrix), keep(vector), keep(entropies);
        const auto sums = clipped_surrogate(z, actions, weights, weights, 0.2, rows, of_ratio, masked);
        for (const double sum : {sums.objective, sums.approx_kl, sums.clip_fraction})
            all.push_back(static_cast<T>(sum));
        keep(matrix), keep(vector), keep(entropies), keep(ratio);

        EpisodeSteps<T> steps{z, {}, {}, {}};
        ScanOptions scan_options;
        scan_options.num_threads = num_threads;
        discounted_returns(steps, q, 0.9, out, scan_options), keep(matrix);
        steps.terminated = masked.where;
        generalized_advantages(steps, q, q, 0.9, 0.8, out, scan_options), keep(matrix);
        GradientStatistics statistics;
        gradient_options.statistics = &statistics;
        tabular_gradient(z, states, actions, weights, out, gradient_options), keep(matrix);
        Moments of;
        const std::vector<double> numbers(logits_.begin(), logits_.end());
        moments({numbers.data(), 1, numbers.size()}, {&of, 1}, num_threads);
        for (const double x : {statistics.entropy, statistics.root_sum_square, of.mean, of.root_sum_square})
            all.push_back(static_cast<T>(x));
        return all;
    }

    // The error of the first bad row, whichever thread meets one first.
    std::string message(int num_threads) const {
        std::vector<std::int32_t> bad = actions_;
        for (std::size_t i = bad.size() / 2; i < bad.size(); ++i) bad[i] = -1;
        std::vector<T> out(logits_.size());
        Options options;
        options.num_threads = num_threads;
        options.may_write_on_error = true;
        return message_of<IndexError>([&] {
            score(Matrix<const T>(logits_.data(), shape_.rows, shape_.cols),
                  IndexVector(bad.data(), shape_.rows), Matrix<T>(out.data(), shape_.rows, shape_.cols),
                  options);
        });
    }

private:
    void fill(std::vector<T>& values, std::int64_t count) {
        std::uniform_real_distribution<T> real(-6, 3);
        for (std::int64_t i = 0; i < count; ++i) values.push_back(real(random_));
    }

    const Shape shape_;
    std::mt19937 random_;
    std::vector<T> logits_, other_logits_, features_, coef_, weights_, row_;
    std::vector<char> where_;
    std::vector<std::int32_t> states_, actions_;
};

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
    const Inputs<T> inputs(shape, 1);
    constexpr int kCallers = 3;
    Failures failures;
    std::vector<T> expected;
    std::string message;
    const auto run = [&](int caller) {
        for (int round = 0; round < rounds; ++round) {
            const int num_threads = 2 + (caller + round) % 3;
            const std::vector<T> got = inputs.all_results(num_threads);
            if (got.size() != expected.size() ||
                std::memcmp(got.data(), expected.data(), got.size() * sizeof(T)) != 0)
                ++failures.results;
            if (inputs.message(num_threads) != message) ++failures.messages;
            set_and_get(num_threads, failures);
        }
    };
    expected = inputs.all_results(1);
    message = inputs.message(1);
    std::vector<std::thread> callers;
    for (int caller = 0; caller < kCallers; ++caller) callers.emplace_back(run, caller);
    for (std::thread& caller : callers) caller.join();
    CHECK(message.find("actions[" + std::to_string(shape.rows / 2) + "] = -1 is out of range") == 0);
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
