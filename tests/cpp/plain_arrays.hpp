// Calls of every function with arrays as C has them, whose results are compared with those of other such calls.
#pragma once

#include <algorithm>
#include <deque>
#include <vector>

#include "every_function.hpp"

struct Shape {
    std::int64_t rows, cols, features, states;
};

// The numbers that all calls read. The mask allows the first action of each row, ragged or not.
template <class T>
struct Inputs {
    const Shape shape;
    std::vector<T> logits, other_logits, table, features, coef, old_log_prob;
    std::vector<double> weights, propensities, numbers;
    std::vector<char> allowed, valid;
    std::vector<std::int32_t> actions, ragged_actions, states, offsets, segments;

    // value() is one number after the other.
    template <class Value>
    Inputs(const Shape& shape, Value value) : shape(shape) {
        const std::int64_t n = shape.rows, cols = shape.cols;
        const auto fill = [&](std::vector<T>& values, std::int64_t count) {
            for (std::int64_t i = 0; i < count; ++i) values.push_back(value());
        };
        fill(logits, n * cols), fill(other_logits, n * cols), fill(table, shape.states * cols);
        fill(features, n * shape.features), fill(coef, shape.features * cols), fill(old_log_prob, n);
        numbers.assign(logits.begin(), logits.end());
        for (std::int64_t i = 0; i < std::max(n, shape.states) * cols; ++i)
            allowed.push_back(i % cols == 0 || i % 5 != 3);
        for (std::int64_t i = 0; i < n; ++i) {
            valid.push_back(i % 7 != 3);
            weights.push_back(0.1 * static_cast<double>(i % 11) - 0.3);
            propensities.push_back(0.125 * static_cast<double>(i % 8 + 1));
            actions.push_back(static_cast<std::int32_t>(i * 7919 % cols));
            states.push_back(static_cast<std::int32_t>(i * 104729 % shape.states));
            ragged_actions.push_back(static_cast<std::int32_t>(i * 7919 % length_of_ragged_row(i, n, cols)));
            allowed[static_cast<std::size_t>(begin_of_ragged_row(i, n, cols))] = true;
        }
        for (std::int64_t i = 0; i <= n; ++i) {
            offsets.push_back(static_cast<std::int32_t>(begin_of_ragged_row(i, n, cols)));
            segments.push_back(static_cast<std::int32_t>(begin_of_segment(i, n)));
        }
    }
};

// The arrays of one call: those of the inputs, and results of its own, which all begin as the same numbers.
template <class T>
class PlainArrays {
public:
    PlainArrays(const Inputs<T>& in, Function function, int objective, bool masked, int num_threads)
        : in_(in),
          function_(function),
          objective_(objective),
          is_masked_(masked),
          num_threads_(num_threads) {}

    scorefn::Matrix<const T> logits() const { return of_rows(in_.logits); }
    scorefn::Matrix<const T> other_logits() const { return of_rows(in_.other_logits); }
    scorefn::Matrix<const T> table() const { return {in_.table.data(), in_.shape.states, in_.shape.cols}; }
    scorefn::Matrix<const T> features() const {
        return {in_.features.data(), in_.shape.rows, in_.shape.features};
    }
    scorefn::Matrix<const T> coef() const { return {in_.coef.data(), in_.shape.features, in_.shape.cols}; }
    scorefn::Vector<const T> row() const { return {in_.logits.data(), in_.shape.cols}; }
    scorefn::IndexVector actions() const { return is_ragged(function_) ? in_.ragged_actions : in_.actions; }
    scorefn::IndexVector offsets() const { return in_.offsets; }
    scorefn::IndexVector segments() const { return in_.segments; }
    scorefn::IndexVector states() const { return {in_.states.data(), in_.shape.rows}; }
    scorefn::RealVector weights() const { return {in_.weights.data(), in_.shape.rows}; }
    scorefn::RealVector old_log_prob() const { return {in_.old_log_prob.data(), in_.shape.rows}; }
    scorefn::RealVector propensities() const { return {in_.propensities.data(), in_.shape.rows}; }
    scorefn::Matrix<const double> numbers() const {
        return {in_.numbers.data(), 1, static_cast<std::int64_t>(in_.numbers.size())};
    }
    scorefn::Matrix<const bool> flags() const { return allowed(in_.shape.rows); }

    scorefn::Matrix<T> gradient(const scorefn::Matrix<const T>& of) { return matrix(of.rows, of.cols); }
    scorefn::Matrix<T> matrix() { return matrix(in_.shape.rows, in_.shape.cols); }
    scorefn::Vector<T> gradient(const scorefn::Vector<const T>& of) {
        return {matrix(1, of.size).data, of.size};
    }
    scorefn::Vector<T> results() { return {matrix(in_.shape.rows, 1).data, in_.shape.rows}; }
    scorefn::Matrix<T> drawn_log_probs() { return matrix(in_.shape.rows, kDraws); }
    scorefn::Matrix<std::int64_t> drawn_actions() {
        drawn_.resize(static_cast<std::size_t>(in_.shape.rows * kDraws));
        return {drawn_.data(), in_.shape.rows, kDraws};
    }

    scorefn::Options options() const {
        scorefn::Options options;
        set(options);
        return options;
    }
    scorefn::GradientOptions gradient_options() {
        scorefn::GradientOptions options;
        set(options);
        options.entropy_coef = 0.1;
        options.accumulate = true;
        // There are none of an action that is forbidden.
        if (!is_masked_ && !has_objective(function_)) options.statistics = &statistics_;
        return options;
    }
    int objective() const { return objective_; }
    double clip_range() const { return 0.2; }
    void keep(double x) { kept_.push_back(x); }

    // All that the call has given, bit by bit.
    void append_to(std::vector<char>& bytes) {
        keep(statistics_.entropy), keep(statistics_.root_sum_square);
        for (const std::vector<T>& x : results_) append(x, bytes);
        append(drawn_, bytes), append(kept_, bytes);
    }

private:
    static constexpr std::int64_t kDraws = 2;

    scorefn::Matrix<const T> of_rows(const std::vector<T>& values) const {
        if (is_ragged(function_)) return {values.data(), 1, in_.shape.rows * in_.shape.cols};
        return {values.data(), in_.shape.rows, in_.shape.cols};
    }
    scorefn::Matrix<const bool> allowed(std::int64_t rows) const {
        return {reinterpret_cast<const bool*>(in_.allowed.data()), rows, in_.shape.cols};
    }
    scorefn::Matrix<T> matrix(std::int64_t rows, std::int64_t cols) {
        std::vector<T>& values = results_.emplace_back();
        for (std::int64_t i = 0; i < rows * cols; ++i) values.push_back(T(0.25) * static_cast<T>(i % 13));
        return {values.data(), rows, cols};
    }
    void set(scorefn::Options& options) const {
        options.num_threads = num_threads_;
        if (!is_masked_) return;
        options.where = allowed(is_of_a_table(function_)                           ? in_.shape.states
                                : function_ == Function::score_gradient_of_one_row ? 1
                                                                                   : in_.shape.rows);
        if (is_ragged(function_)) options.where = {options.where.data, 1, in_.shape.rows * in_.shape.cols};
        options.valid = {reinterpret_cast<const bool*>(in_.valid.data()), in_.shape.rows};
    }
    template <class E>
    static void append(const std::vector<E>& x, std::vector<char>& bytes) {
        const auto* const data = reinterpret_cast<const char*>(x.data());
        bytes.insert(bytes.end(), data, data + x.size() * sizeof(E));
    }

    const Inputs<T>& in_;
    const Function function_;
    const int objective_;
    const bool is_masked_;
    const int num_threads_;
    std::deque<std::vector<T>> results_;
    std::vector<std::int64_t> drawn_;
    std::vector<double> kept_;
    scorefn::GradientStatistics statistics_;
};

template <class T>
std::vector<char> results_of_every_function(const Inputs<T>& inputs, int num_threads) {
    std::vector<char> bytes;
    for_every_function([&](Function f, int objective) {
        for (const bool masked : {false, true}) {
            PlainArrays<T> arrays(inputs, f, objective, masked, num_threads);
            call<T>(f, arrays);
            arrays.append_to(bytes);
        }
    });
    return bytes;
}
