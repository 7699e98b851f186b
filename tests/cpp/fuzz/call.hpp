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

// Plain: arrays as C has them, results of their own, one thread, all checked before anything is written.
template <class T>
class Call {
public:
    Call(const Problem<T>& problem, bool plain) : p_(problem), plain_(plain) {}

    Outcome run() {
        try {
            call();
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

private:
    void call() {
        using namespace scorefn;
        const Function f = p_.function;
        if (f == Function::linear_gradient) {
            const auto x = real(p_.feature_values), coef = real(p_.logits);
            const auto taken = actions();
            return linear_gradient(x, coef, taken, weights(p_.weights), own_results(), options());
        }
        if (f == Function::score_gradient_of_one_row) {
            const auto z = real(p_.logits);
            const auto out = gradient(reals_.back());
            // A row's vectors are views of its columns.
            return score_gradient(
                Vector<const T>{z.data, z.cols, z.col_stride}, actions(), weights(p_.weights),
                Vector<T>{out.data, out.rows == 1 ? out.cols : out.cols + 1, out.col_stride}, options());
        }
        const Matrix<const T> z = real(p_.logits);
        Placed<T>& of_logits = reals_.back();
        switch (f) {
            case Function::log_softmax: return log_softmax(z, gradient(of_logits), options());
            case Function::softmax: return softmax(z, gradient(of_logits), options());
            case Function::logsumexp: return logsumexp(z, vector(), options());
            case Function::log_prob: return log_prob(z, actions(), vector(), options());
            case Function::entropy: return entropy(z, vector(), options());
            case Function::kl_divergence: return kl_divergence(z, real(p_.other_logits), vector(), options());
            case Function::sample: {
                const RandomKey key{{static_cast<std::uint64_t>(p_.num_threads), 5}};
                const auto drawn = draws();
                const auto log_probs = matrix(p_.rows + (p_.misfit == Misfit::results), kDraws);
                return sample(z, key, drawn, log_probs, p_.accumulate ? vector() : Vector<T>{}, options());
            }
            case Function::score: return score(z, actions(), gradient(of_logits), options());
            case Function::score_gradient:
                return score_gradient(z, actions(), weights(p_.weights), gradient(of_logits), options());
            case Function::tabular_gradient:
                return tabular_gradient(z, indices(p_.states), actions(), weights(p_.weights),
                                        gradient(of_logits), options());
            case Function::policy_gradient: {
                const ObjectiveRows<T> out{gradient(of_logits), vector(), vector()};
                sums_.push_back(policy_gradient(z, actions(), weights(p_.weights), out, options()));
                return;
            }
            default: {
                const ObjectiveRows<T> out{gradient(of_logits), vector(), vector()};
                const auto got =
                    clipped_surrogate(z, actions(), weights(p_.old_log_prob), weights(p_.weights),
                                      p_.clip_range, out, vector(), options());
                sums_ = {got.objective, got.approx_kl, got.clip_fraction};
            }
        }
    }

    static constexpr std::int64_t kDraws = 2;

    scorefn::GradientOptions options() {
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
        return options;
    }

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
        return with_integer(p_.integer_type, [&](auto zero) {
            const auto m = input(Content<decltype(zero)>(content));
            return scorefn::IndexVector(m.data, m.rows, m.row_stride);
        });
    }
    scorefn::IndexVector actions() { return indices(p_.actions); }
    scorefn::RealVector weights(const Content<double>& content) {
        if (p_.weights_are_double) {
            const auto m = input(content);
            return {m.data, m.rows, m.row_stride};
        }
        const auto m = input(Content<float>(content));
        return {m.data, m.rows, m.row_stride};
    }

    scorefn::Matrix<T> gradient(Placed<T>& of_logits) {
        if (!p_.in_place || plain_ || of_logits.is_shared() || p_.misfit == Misfit::results)
            return own_results();
        results_.push_back(&of_logits);
        return of_logits.matrix;
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
    scorefn::Vector<T> vector() {
        const auto m = matrix(p_.rows + (p_.misfit == Misfit::results), 1);
        return {m.data, m.rows, m.row_stride};
    }
    scorefn::Matrix<T> place(const Content<T>& content) {
        reals_.emplace_back(content, plain_);
        results_.push_back(&reals_.back());
        return results_.back()->matrix;
    }
    scorefn::Matrix<std::int64_t> draws() {
        integers_.emplace_back(
            Content<std::int64_t>(p_.rows, kDraws, p_.layout_of_results, [] { return std::int64_t{7}; }),
            plain_);
        drawn_.push_back(&integers_.back());
        return drawn_.back()->matrix;
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
