// Runs a problem, and says what came of it.
#pragma once

#include <cstdio>
#include <deque>
#include <functional>
#include <stdexcept>

#include "problem.hpp"

[[noreturn]] inline void fail(const char* what) {
    std::fprintf(stderr, "FAILED: %s\n", what);
    std::abort();
}
inline void require(bool condition, const char* what) {
    if (!condition) fail(what);
}

// The results, in the order in which the call asks for them, all NaN alike.
struct Outcome {
    std::string error, message;  // the kind of error, "" for none
    std::deque<std::vector<double>> results;

    bool operator==(const Outcome& other) const {
        if (error != other.error || message != other.message || results.size() != other.results.size())
            return false;
        for (std::size_t i = 0; i < results.size(); ++i) {
            const std::vector<double>&a = results[i], &b = other.results[i];
            const std::size_t bytes = a.size() * sizeof(double);
            if (a.size() != b.size() || (bytes > 0 && std::memcmp(a.data(), b.data(), bytes) != 0))
                return false;
        }
        return true;
    }
};

// The arrays of one call, and what came of it. Plain: arrays as C has them, results of their own, one thread, all checked
// before anything is written.
template <class T>
class Arrays {
public:
    Arrays(const Problem<T>& problem, bool plain) : p_(problem), plain_(plain) {}

    Outcome outcome() {
        try {
            const bool with_entropies = p_.function == Function::sample && p_.accumulate;
            call<T>(with_entropies ? Function::sample_with_entropies : p_.function, *this);
        } catch (const scorefn::IndexError& error) {
            set_error("IndexError", error.what());
        } catch (const scorefn::NoAllowedAction& error) {
            set_error("NoAllowedAction", error.what());
        } catch (const scorefn::BadLogits& error) {
            set_error("BadLogits", error.what());
        } catch (const std::invalid_argument& error) {
            set_error("invalid_argument", error.what());
        }
        for (const auto& array : reals_)
            require(is_result(array) || array.is_unchanged(), "an input was written");
        for (const auto& check : inputs_are_unchanged_) require(check(), "an input was written");
        const bool may_be_written = outcome_.error.empty() || (!plain_ && p_.may_write_on_error);
        for (auto* result : results_) finish(*result, may_be_written);
        for (auto* result : drawn_) finish(*result, may_be_written);
        for (auto& sum : sums_) outcome_.results.push_back({canonical(sum)});
        if (!outcome_.error.empty()) outcome_.results.clear();
        return std::move(outcome_);
    }

    scorefn::Matrix<const T> logits() { return real(p_.logits); }
    scorefn::Matrix<const T> other_logits() { return real(p_.other_logits); }
    scorefn::Matrix<const T> table() { return logits(); }
    scorefn::Matrix<const T> coef() { return logits(); }
    scorefn::Matrix<const T> features() { return real(p_.feature_values); }
    // A row's vectors are views of its columns.
    scorefn::Vector<const T> row() {
        const auto z = logits();
        return {z.data, z.cols, z.col_stride};
    }
    scorefn::IndexVector actions() { return indices(p_.actions); }
    scorefn::IndexVector states() { return indices(p_.states); }
    scorefn::RealVector weights() { return weights(p_.weights); }
    scorefn::RealVector old_log_prob() { return weights(p_.old_log_prob); }
    scorefn::RealVector propensities() { return weights(p_.propensities); }
    // In the type of the actions, if that has them all.
    scorefn::IndexVector offsets() {
        return indices(p_.offsets, p_.cols < 128 ? p_.integer_type : scorefn::IntegerType::i64);
    }
    scorefn::IndexVector segments() {
        return indices(p_.offsets, p_.rows < 128 ? p_.integer_type : scorefn::IntegerType::i64);
    }

    scorefn::Matrix<T> gradient(const scorefn::Matrix<const T>& of) {
        if (p_.function == Function::linear_gradient) return own_results();
        Placed<T>& of_logits = *std::find_if(reals_.begin(), reals_.end(),
                                             [&](const auto& array) { return array.matrix.data == of.data; });
        if (!p_.in_place || plain_ || of_logits.is_shared() || p_.misfit == Misfit::results)
            return own_results();
        results_.push_back(&of_logits);
        return of_logits.matrix;
    }
    scorefn::Vector<T> gradient(const scorefn::Vector<const T>& of) {
        const auto out = gradient(scorefn::Matrix<const T>(of.data, 1, of.size));
        return {out.data, out.rows == 1 ? out.cols : out.cols + 1, out.col_stride};
    }
    scorefn::Vector<T> results() {
        const auto m = matrix(p_.rows + (p_.misfit == Misfit::results), 1);
        return {m.data, m.rows, m.row_stride};
    }
    scorefn::Matrix<T> drawn_log_probs() { return matrix(p_.rows + (p_.misfit == Misfit::results), kDraws); }
    scorefn::Matrix<std::int64_t> drawn_actions() {
        integers_.emplace_back(
            Content<std::int64_t>(p_.rows, kDraws, p_.layout_of_results, [] { return std::int64_t{7}; }),
            plain_);
        drawn_.push_back(&integers_.back());
        return drawn_.back()->matrix;
    }

    scorefn::Options options() { return gradient_options(); }
    scorefn::GradientOptions gradient_options() {
        scorefn::GradientOptions options;
        options.num_threads = plain_ ? 1 : p_.num_threads;
        options.may_write_on_error = !plain_ && p_.may_write_on_error;
        options.entropy_coef = p_.entropy_coef;
        options.accumulate = p_.accumulate;
        if (p_.masked) {
            options.where = input(p_.where);
            // Without entries it would be no mask.
            if (!options.where) options.where.data = &kTrue;
        }
        if (p_.has_valid) {
            const auto valid = input(p_.valid);
            options.valid = {valid.data, valid.rows, valid.row_stride};
        }
        return options;
    }
    double clip_range() const { return p_.clip_range; }
    void keep(double x) { sums_.push_back(x); }

    int objective() const { return p_.objective; }

    // For functions that the fuzzer does not call.
    scorefn::Matrix<const double> numbers() { return input(p_.weights); }
    scorefn::Matrix<const bool> flags() { return input(p_.where); }
    scorefn::Matrix<T> matrix() { return own_results(); }

private:
    static constexpr std::int64_t kDraws = 2;

    template <class E>
    scorefn::Matrix<const E> input(const Content<E>& content) {
        const auto array = std::make_shared<Placed<E>>(content, plain_);
        inputs_are_unchanged_.push_back([array] { return array->is_unchanged(); });
        return array->view();
    }
    scorefn::Matrix<const T> real(const Content<T>& content) {
        reals_.emplace_back(content, plain_);
        return reals_.back().view();
    }
    scorefn::IndexVector indices(const Content<std::int64_t>& content) {
        return indices(content, p_.integer_type);
    }
    scorefn::IndexVector indices(const Content<std::int64_t>& content, scorefn::IntegerType type) {
        return with_integer(type, [&](auto zero) {
            const auto m = input(Content<decltype(zero)>(content));
            return scorefn::IndexVector(m.data, m.rows, m.row_stride);
        });
    }
    scorefn::RealVector weights(const Content<double>& content) {
        if (p_.weights_are_double) {
            const auto m = input(content);
            return {m.data, m.rows, m.row_stride};
        }
        const auto m = input(Content<float>(content));
        return {m.data, m.rows, m.row_stride};
    }

    // What is accumulated to is the same numbers wherever they lie.
    scorefn::Matrix<T> own_results() {
        const bool from_logits = p_.in_place && p_.function != Function::linear_gradient &&
                                 p_.logits.layout < Layout::one_for_all_rows;
        const Content<T>& before = from_logits ? p_.logits : p_.results;
        const std::int64_t rows = before.rows + (p_.misfit == Misfit::results);
        std::int64_t i = 0;
        return place({rows, p_.cols, p_.layout_of_results, [&] {
            return i < before.rows * before.cols ? before.values[static_cast<std::size_t>(i++)] : T(0);
        }});
    }
    scorefn::Matrix<T> matrix(std::int64_t rows, std::int64_t cols) {
        return place({rows, cols, p_.layout_of_vectors, [] { return T(7); }});
    }
    scorefn::Matrix<T> place(const Content<T>& content) {
        reals_.emplace_back(content, plain_);
        results_.push_back(&reals_.back());
        return results_.back()->matrix;
    }
    void set_error(const char* kind, const char* message) {
        outcome_.error = kind;
        outcome_.message = message;
    }
    bool is_result(const Placed<T>& array) const {
        return std::find(results_.begin(), results_.end(), &array) != results_.end();
    }
    static double canonical(double x) { return x == x ? x : std::numeric_limits<double>::quiet_NaN(); }
    template <class E>
    void finish(Placed<E>& array, bool may_be_written) {
        require(may_be_written || array.is_unchanged(), "written in spite of an error");
        const scorefn::Matrix<E>& m = array.matrix;
        std::vector<double>& values = outcome_.results.emplace_back();
        for (std::int64_t i = 0; i < m.rows; ++i)
            for (std::int64_t j = 0; j < m.cols; ++j)
                values.push_back(canonical(static_cast<double>(m(i, j))));
        require(array.has_its_gaps(), "written between results");
    }

    static constexpr bool kTrue = true;
    const Problem<T>& p_;
    const bool plain_;
    std::deque<Placed<T>> reals_;
    std::deque<Placed<std::int64_t>> integers_;
    std::deque<std::function<bool()>> inputs_are_unchanged_;
    std::vector<Placed<T>*> results_;
    std::vector<Placed<std::int64_t>*> drawn_;
    std::vector<double> sums_;
    Outcome outcome_;
};
