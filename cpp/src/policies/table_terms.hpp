// The terms of an objective over all actions, on a table: their coefficients are summed by state, then each visited state adds
// to the gradient once.
#pragma once

#include <algorithm>
#include <vector>

#include "policies/samples.hpp"
#include "policies/term_pass.hpp"

namespace scorefn {

// The rows of a table as they are before their gradient takes their place.
template <class T>
class RowsBefore {
public:
    RowsBefore(const Matrix<const T>& table, const Matrix<T>& gradient, bool are_needed)
        : is_copy_(are_needed && table.data == gradient.data),
          copy_(is_copy_ ? table.rows * table.cols : 0),
          rows_(table) {
        if (!is_copy_) return;
        for (std::int64_t i = 0; i < table.rows; ++i)
            for (std::int64_t j = 0; j < table.cols; ++j) copy_[i * table.cols + j] = table(i, j);
        rows_ = {copy_.data(), table.rows, table.cols};
    }
    const Matrix<const T>& rows() const { return rows_; }

private:
    const bool is_copy_;
    const Array<T> copy_;
    Matrix<const T> rows_;
};

template <class T>
class TableTerms {
public:
    // The samples have been checked.
    TableTerms(const Matrix<const T>& table, const SampleIndices& samples, const ObjectiveOptions<T>& options)
        : table_(table),
          samples_(samples),
          options_(options),
          chunks_(std::clamp<std::int64_t>(samples.size / std::max<std::int64_t>(1, table.rows), 1, 16)),
          sums_(chunks_ * num_sums()),
          values_(table.rows) {
        sum_coefficients();
        require_reference();
    }

    // Adds to the gradient, and returns what the terms add to the objective.
    double add_to(const Matrix<T>& gradient) {
        const double *const entropy_coefs = sums_.data(), *const term_coefs = entropy_coefs + table_.rows,
                            *const visits = term_coefs + table_.rows;
        ObjectiveOptions<T> of_states = options_;
        of_states.entropy_coef = RealVector(entropy_coefs, table_.rows);
        of_states.term_coef = RealVector(term_coefs, table_.rows);
        const Vector<T> values(values_.data(), table_.rows);
        const TermPass<T> terms(of_states, values);
        const std::int64_t per_task = rows_per_task(table_.cols);
        std::vector<double> objectives(static_cast<std::size_t>(table_.rows / per_task + 1));
        for_each_task(table_.rows, table_.cols, options_.num_threads,
                      [&](std::int64_t first, std::int64_t count) {
            double& objective = objectives[static_cast<std::size_t>(first / per_task)];
            const std::int64_t end = first + count;
            for (std::int64_t last; first < end; first = last) {  // runs of states that are visited, or not
                const bool is_visited = visits[first] != 0;
                for (last = first + 1; last < end && (visits[last] != 0) == is_visited; ++last) {}
                if (is_visited) add_states(terms, first, last - first, gradient, objective);
            }
            return true;
        }, scratch_bytes(table_.cols));
        double sum = 0;
        for (const double objective : objectives) sum += objective;
        return sum;
    }
    // Of the term, without the coefficient.
    T value(std::int64_t state) const { return values_[state]; }
    // The same for each sample.
    void store_values(const Vector<T>& to) const {
        for_each_task(samples_.size, 1, options_.num_threads, [&](std::int64_t first, std::int64_t count) {
            bool good = true;
            for (std::int64_t i = first; good && i < first + count; i += SampleIndices::kAtATime)
                good = samples_.for_each(
                    i, std::min(SampleIndices::kAtATime, first + count - i),
                    [&](std::int64_t k, std::int64_t state, std::int64_t) { to[i + k] = values_[state]; });
            return good;
        });
    }

private:
    std::int64_t num_sums() const { return 3 * table_.rows; }

    // In each state that is visited.
    void require_reference() const {
        if (!is_divergence(options_.term)) return;
        const double* const visits = sums_.data() + 2 * table_.rows;
        for (std::int64_t state = 0; state < table_.rows; ++state)
            if (visits[state] != 0 && !has_allowed_action(options_.term_matrix, options_.where, state))
                throw_no_allowed_action("reference", state);
    }
    // Chunks of samples have sums of their own, merged in a fixed tree: no more than there are samples.
    void sum_coefficients() {
        const std::int64_t per_chunk = (samples_.size + chunks_ - 1) / chunks_;
        parallel_for(chunks_, options_.num_threads, [&](std::int64_t chunk) {
            constexpr std::int64_t kAtATime = SampleIndices::kAtATime;
            double entropy_coef[kAtATime], term_coef[kAtATime];
            double *const entropy_sums = sums_.data() + chunk * num_sums(),
                          *const term_sums = entropy_sums + table_.rows,
                          *const visits = term_sums + table_.rows;
            const std::int64_t end = std::min(samples_.size, (chunk + 1) * per_chunk);
            for (std::int64_t first = chunk * per_chunk; first < end; first += kAtATime) {
                const std::int64_t count = std::min(kAtATime, end - first);
                // A number for all entropies is the gradient's own.
                load(options_.entropy_coef.each.data ? options_.entropy_coef : PerRow(), first, count,
                     entropy_coef);
                load(options_.term_coef, first, count, term_coef);
                const auto add = [&](std::int64_t i, std::int64_t state, std::int64_t) {
                    entropy_sums[state] += entropy_coef[i];
                    term_sums[state] += term_coef[i];
                    visits[state] += 1;
                };
                if (!samples_.for_each(first, count, add)) return;
            }
        });
        merge_tree(sums_.data(), chunks_, num_sums(), options_.num_threads);
    }
    // By an objective of log pi(a) that is 0, whatever the action.
    void add_states(const TermPass<T>& terms, std::int64_t first, std::int64_t count,
                    const Matrix<T>& gradient, double& objective) const {
        void* const scratch = thread_scratch(scratch_bytes(table_.cols));
        const std::int64_t no_action = 0;
        const RowObjective<T> nothing{[](void*, std::int64_t, int, const T*, T* derivative) {
            std::fill_n(derivative, 64 / sizeof(T), T(0));
        }, nullptr};
        terms.run(logit_rows(table_, options_.where, first, count), terms.matrix_rows(first, count), first,
                  &objective, scratch,
                  [&](const LogitRows<T>& rows, std::int64_t at, const RowTerms<T>* of_rows) {
            const GradientRows<T> given = {
                IndexVector(&no_action, rows.rows, 0), 0.0, {}, {}, &objective, of_rows};
            kernels().of<T>().objective_gradient(rows, nothing, given, out_rows(gradient, at), true, scratch);
            return std::int64_t{-1};
        });
    }

    const Matrix<const T>& table_;
    const SampleIndices& samples_;
    const ObjectiveOptions<T>& options_;
    const std::int64_t chunks_;
    const Zeros<double>
        sums_;  // of the entropy coefficients, the term's coefficients, and the visits of each state
    const Zeros<T> values_;
};

}  // namespace scorefn
