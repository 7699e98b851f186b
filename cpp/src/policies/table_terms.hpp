// An objective over all actions, on a table: their coefficients are summed by state, then each visited state adds
// to the gradient once.
#pragma once

#include <algorithm>
#include <atomic>
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
    TableTerms(const Matrix<const T>& table, const SampleIndices& samples, const AllActionObjective<T>& term,
               const PerRow& entropy_coef, const Options& options)
        : table_(table),
          samples_(samples),
          term_(term),
          entropy_coef_(entropy_coef),
          options_(options),
          chunks_(std::clamp<std::int64_t>(samples.size / std::max<std::int64_t>(1, table.rows), 1, 16)),
          sums_(chunks_ * num_sums()),
          values_(table.rows) {
        sum_coefficients();
    }

    // Each state that is visited has an allowed action and a good row of the matrix.
    void check(const char* table_name) const {
        for (std::int64_t state = 0; state < table_.rows; ++state) {
            if (visits()[state] == 0) continue;
            if (!has_allowed_action(table_, options_.where, state))
                throw_no_allowed_action(table_name, state);
            require_matrix(state);
        }
    }

    // Adds to the gradient, and returns what the terms add to the objective. `entropies`: of the states, or no data.
    double add_to(const Matrix<T>& gradient, const Vector<T>& entropies = {}) {
        AllActionObjective<T> of_states = term_;
        of_states.weights = RealVector(sums_.data() + table_.rows, table_.rows);
        const TermPass<T> terms(of_states, RealVector(sums_.data(), table_.rows),
                                Vector<T>(values_.data(), table_.rows));
        const std::int64_t per_task = rows_per_task(table_.cols);
        std::vector<double> objectives(static_cast<std::size_t>(table_.rows / per_task + 1));
        for_each_task(table_.rows, table_.cols, options_.num_threads,
                      [&](std::int64_t first, std::int64_t count) {
            double& objective = objectives[static_cast<std::size_t>(first / per_task)];
            const std::int64_t end = first + count;
            for (std::int64_t last; first < end; first = last) {  // runs of states that are visited, or not
                const bool is_visited = visits()[first] != 0;
                for (last = first + 1; last < end && (visits()[last] != 0) == is_visited; ++last) {}
                if (is_visited) add_states(terms, first, last - first, gradient, entropies, objective);
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
    void store_values(const Vector<T>& to) const { store_values(values_.data(), to); }
    void store_values(const T* of_states, const Vector<T>& to) const {
        if (!for_each_task(samples_.size, 1, options_.num_threads,
                           [&](std::int64_t first, std::int64_t count) {
            bool good = true;
            for (std::int64_t i = first; good && i < first + count; i += SampleIndices::kAtATime)
                good = samples_.for_each(
                    i, std::min(SampleIndices::kAtATime, first + count - i),
                    [&](std::int64_t k, std::int64_t state, std::int64_t) { to[i + k] = of_states[state]; });
            return good;
        }))
            samples_.throw_out_of_range(options_.num_threads);
    }

private:
    std::int64_t num_sums() const { return 3 * table_.rows; }
    const double* visits() const { return sums_.data() + 2 * table_.rows; }

    void require_matrix(std::int64_t state) const {
        if (is_divergence(term_.kind) && !has_allowed_action(term_.matrix, options_.where, state))
            throw_no_allowed_action("reference", state);
        if (term_.kind != AllActions::cross_entropy) return;
        const std::string fault = fault_of_targets(term_.matrix, table_, options_.where, state);
        if (!fault.empty()) throw BadValue({"targets", state, fault});
    }
    // Chunks of samples have sums of their own, merged in a fixed tree: no more than there are samples.
    void sum_coefficients() {
        const std::int64_t per_chunk = (samples_.size + chunks_ - 1) / chunks_;
        std::atomic<bool> were_changed{false};
        parallel_for(chunks_, options_.num_threads, [&](std::int64_t chunk) {
            constexpr std::int64_t kAtATime = SampleIndices::kAtATime;
            double entropy_coef[kAtATime], term_coef[kAtATime];
            double *const entropy_sums = sums_.data() + chunk * num_sums(),
                          *const term_sums = entropy_sums + table_.rows,
                          *const visits = term_sums + table_.rows;
            const std::int64_t end = std::min(samples_.size, (chunk + 1) * per_chunk);
            for (std::int64_t first = chunk * per_chunk; first < end; first += kAtATime) {
                const std::int64_t count = std::min(kAtATime, end - first);
                load(entropy_coef_, first, count, entropy_coef);
                load(term_.weights, first, count, term_coef);
                const auto add = [&](std::int64_t i, std::int64_t state, std::int64_t) {
                    entropy_sums[state] += entropy_coef[i];
                    term_sums[state] += term_coef[i];
                    visits[state] += 1;
                };
                if (!samples_.for_each(first, count, add)) {
                    were_changed = true;
                    return;
                }
            }
        });
        if (were_changed) samples_.throw_out_of_range(options_.num_threads);
        merge_tree(sums_.data(), chunks_, num_sums(), options_.num_threads);
    }
    void add_states(const TermPass<T>& terms, std::int64_t first, std::int64_t count,
                    const Matrix<T>& gradient, const Vector<T>& entropies, double& objective) const {
        void* const scratch = thread_scratch(scratch_bytes(table_.cols));
        const std::int64_t bad = terms.run(
            logit_rows(table_, options_.where, first, count), terms.matrix_rows(first, count), first,
            &objective, scratch, [&](const LogitRows<T>& rows, std::int64_t at, const RowTerms<T>* of_rows) {
            return kernels().of<T>().all_action_gradient(rows, *of_rows, from(entropies, at), &objective,
                                                         out_rows(gradient, at), true, scratch);
        });
        if (bad != -1) throw std::runtime_error("the table was changed during the call");
    }

    const Matrix<const T>& table_;
    const SampleIndices& samples_;
    const AllActionObjective<T> term_;
    const PerRow entropy_coef_;
    const Options& options_;
    const std::int64_t chunks_;
    const Zeros<double>
        sums_;  // of the entropy coefficients, the term's coefficients, and the visits of each state
    const Zeros<T> values_;
};

}  // namespace scorefn
