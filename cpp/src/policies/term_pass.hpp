// The terms of an objective over all actions of a row, on their way through the rows of a policy.
#pragma once

#include <scorefn/objectives.hpp>

#include "policies/rows.hpp"
#include "runtime/memory.hpp"

namespace scorefn {

inline PerRow from(PerRow numbers, std::int64_t first) {
    if (numbers.each.data) numbers.each = from(numbers.each, first);
    return numbers;
}

template <class T>
LogitRows<T> from(LogitRows<T> rows, std::int64_t first, std::int64_t count) {
    rows.data += first * rows.row_stride;
    if (rows.where) rows.where += first * rows.where_row_stride;
    rows.rows = count;
    return rows;
}

// The options that every gradient has.
template <class T>
GradientOptions gradient_options(const ObjectiveOptions<T>& options) {
    GradientOptions of_gradient;
    static_cast<Options&>(of_gradient) = options;
    of_gradient.entropy_coef = options.entropy_coef.number;
    of_gradient.accumulate = options.accumulate;
    return of_gradient;
}

template <class T>
class TermPass {
public:
    TermPass(const ObjectiveOptions<T>& options, const Vector<T>& values)
        : options_(options), values_(values) {}

    bool has_matrix() const { return options_.term != AllActions::nothing; }
    bool is_divergence() const {
        return options_.term == AllActions::reverse_kl || options_.term == AllActions::forward_kl;
    }
    bool is_given() const { return has_matrix() || options_.entropy_coef.each.data; }

    void check(std::int64_t samples) const {
        if (options_.entropy_coef.each.data)
            require_size("entropy_coef", options_.entropy_coef.each, samples);
        if (options_.term_coef.each.data) require_size("term_coef", options_.term_coef.each, samples);
        if (scorefn::is_given(values_)) require_size("term", values_, samples);
    }
    LogitRows<T> matrix_rows(std::int64_t first, std::int64_t count) const {
        if (!has_matrix()) return {};
        return logit_rows(options_.term_matrix, {}, first, count);
    }

    // run(rows, their first, terms) for the rows, whose first is sample `first`, or for some of them after the other: the
    // divergences come before the gradient, which may take the place of the logits. `objective` is what their share is
    // added to.
    template <class Run>
    std::int64_t run(const LogitRows<T>& rows, LogitRows<T> matrix, std::int64_t first, double* objective,
                     void* scratch, Run run) const {
        if (!is_given()) return run(rows, first, nullptr);
        matrix.where = rows.where;
        matrix.where_row_stride = rows.where_row_stride;
        matrix.where_col_stride = rows.where_col_stride;
        matrix.team = rows.team;
        const std::int64_t most = is_divergence() ? block_rows<T>(rows.cols) : rows.rows;
        const Array<T> targets(options_.term == AllActions::forward_kl ? most * rows.cols : 0);
        for (std::int64_t i = 0; i < rows.rows; i += most) {
            const std::int64_t count = std::min(most, rows.rows - i);
            const LogitRows<T> piece = from(rows, i, count);
            RowTerms<T> terms{from(options_.entropy_coef, first + i), options_.term, from(matrix, i, count),
                              from(options_.term_coef, first + i), from(values_, first + i)};
            if (is_divergence()) add_divergences(piece, terms, objective, scratch);
            if (options_.term == AllActions::forward_kl) normalise(terms.matrix, targets.data(), scratch);
            const std::int64_t bad = run(piece, first + i, &terms);
            if (bad != -1) return bad < 0 ? bad : i + bad;
        }
        return -1;
    }

private:
    // A row without an allowed action is reported by the gradient.
    void add_divergences(const LogitRows<T>& rows, const RowTerms<T>& terms, double* objective,
                         void* scratch) const {
        T values[kMostBlockRows], coefs[kMostBlockRows];
        const bool is_reverse = options_.term == AllActions::reverse_kl;
        if (kernels().of<T>().kl_divergence(is_reverse ? rows : terms.matrix,
                                            is_reverse ? terms.matrix : rows, values, 1, scratch) >= 0)
            return;
        if (terms.matrix_coef.each.data)
            load(terms.matrix_coef.each, 0, rows.rows, coefs);
        else
            std::fill_n(coefs, rows.rows, static_cast<T>(terms.matrix_coef.number));
        for (std::int64_t r = 0; r < rows.rows; ++r) {
            if (coefs[r] != 0) *objective -= static_cast<double>(coefs[r]) * static_cast<double>(values[r]);
            if (terms.values.data) terms.values[r] = values[r];
        }
    }
    static void normalise(LogitRows<T>& reference, T* targets, void* scratch) {
        kernels().of<T>().softmax(reference, {targets, reference.cols, reference.cols, 1}, scratch);
        reference.data = targets;
        reference.row_stride = reference.cols;
        reference.col_stride = 1;
        reference.where = nullptr;
    }

    const ObjectiveOptions<T>& options_;
    const Vector<T>& values_;
};

}  // namespace scorefn
