// An objective over all actions of a row and the entropy bonus, on their way through the rows of a policy.
#pragma once

#include <limits>
#include <scorefn/objectives.hpp>

#include "policies/rows.hpp"
#include "policies/targets.hpp"
#include "runtime/memory.hpp"

namespace scorefn {

inline bool is_divergence(AllActions term) {
    return term == AllActions::reverse_kl || term == AllActions::forward_kl;
}

// Numbers first .. first + count - 1.
template <class T>
void load(const PerRow& numbers, std::int64_t first, std::int64_t count, T* out) {
    if (numbers.each.data)
        load(numbers.each, first, count, out);
    else
        std::fill_n(out, count, static_cast<T>(numbers.number));
}
inline PerRow from(PerRow numbers, std::int64_t first) {
    if (numbers.each.data) numbers.each = from(numbers.each, first);
    return numbers;
}

template <class T>
LogitRows<T> from(LogitRows<T> rows, std::int64_t first, std::int64_t count) {
    rows.data += first * rows.row_stride;
    if (rows.where) rows.where += first * rows.where_row_stride;
    if (rows.valid.flags) rows.valid.flags += first * rows.valid.stride;
    rows.rows = count;
    return rows;
}

// The options that every gradient has.
inline GradientOptions gradient_options(const Options& options) {
    GradientOptions of_gradient;
    static_cast<Options&>(of_gradient) = options;
    return of_gradient;
}
inline GradientOptions gradient_options(const PassOptions& options) {
    GradientOptions of_gradient = gradient_options(static_cast<const Options&>(options));
    of_gradient.entropy_coef = options.entropy_coef.number;
    of_gradient.accumulate = options.accumulate;
    return of_gradient;
}

template <class T>
class TermPass {
public:
    TermPass(const AllActionObjective<T>& term, const PerRow& entropy_coef, const Vector<T>& values)
        : term_(term), entropy_coef_(entropy_coef), values_(values) {}

    bool has_matrix() const { return term_.kind != AllActions::nothing; }
    bool is_divergence() const { return scorefn::is_divergence(term_.kind); }
    bool is_given() const { return has_matrix() || entropy_coef_.each.data; }

    void check(std::int64_t samples) const {
        if (entropy_coef_.each.data) require_size("entropy_coef", entropy_coef_.each, samples);
        if (term_.weights.each.data) require_size("term.weights", term_.weights.each, samples);
        if (term_.kind == AllActions::neurd) require_option(terms::threshold, term_.threshold);
        if (scorefn::is_given(values_)) require_size("term", values_, samples);
    }
    // Without an objective of log pi(a).
    void check_alone(const ObjectiveResults<T>& results, std::int64_t samples) const {
        if (!has_matrix()) throw std::invalid_argument("objective.kind must be an objective, got nothing");
        if (scorefn::is_given(results.entropy)) require_size("entropy", results.entropy, samples);
        check(samples);
    }
    // For rows of logits, if they are known: a matrix of their shape, whose rows have an allowed action or, of targets, are
    // distributions.
    void check_matrix(const Options& options, std::int64_t rows, std::int64_t cols,
                      const Matrix<const T>& logits = {}) const {
        if (!has_matrix()) return;
        require_shape("term.matrix", term_.matrix, rows, cols);
        if (is_divergence()) check_rows("reference", term_.matrix, nullptr, options);
        if (term_.kind == AllActions::cross_entropy) require_targets(term_.matrix, logits, options);
    }
    LogitRows<T> matrix_rows(std::int64_t first, std::int64_t count) const {
        if (!has_matrix()) return {};
        return logit_rows(term_.matrix, Options{}, first, count);
    }

    // For rows of logits that are known only now: the first one with a target above 0 where the logit is -inf, or -1.
    std::int64_t find_impossible_target(const LogitRows<T>& rows, const LogitRows<T>& matrix) const {
        for (std::int64_t r = 0; r < rows.rows && term_.kind == AllActions::cross_entropy; ++r)
            for (std::int64_t j = 0; j < rows.cols && is_valid(rows.valid, r); ++j) {
                const bool is_masked =
                    rows.where && !rows.where[r * rows.where_row_stride + j * rows.where_col_stride];
                if (!is_masked && matrix.data[r * matrix.row_stride + j * matrix.col_stride] > 0 &&
                    rows.data[r * rows.row_stride + j * rows.col_stride] ==
                        -std::numeric_limits<T>::infinity())
                    return r;
            }
        return -1;
    }

    // run(rows, their first, terms) for the rows, whose first is sample `first`, or for some of them after the other: the
    // divergences come before the gradient, which may take the place of the logits. `objective` is what their share is
    // added to.
    template <class Run>
    std::int64_t run(const LogitRows<T>& rows, LogitRows<T> matrix, std::int64_t first, double* objective,
                     void* scratch, Run run) const {
        if (!is_given()) return run(rows, first, nullptr);
        matrix.team = rows.team;
        const std::int64_t most = is_divergence() ? block_rows<T>(rows.cols) : rows.rows;
        const Array<T> targets(term_.kind == AllActions::forward_kl ? most * rows.cols : 0);
        const Array<unsigned char> allowed(is_divergence() ? most * rows.cols : 0);
        for (std::int64_t i = 0; i < rows.rows; i += most) {
            const std::int64_t count = std::min(most, rows.rows - i);
            LogitRows<T> piece = from(rows, i, count);
            RowTerms<T> terms{from(entropy_coef_, first + i), term_.kind,      from(matrix, i, count),
                              from(term_.weights, first + i), term_.threshold, from(values_, first + i)};
            if (is_divergence()) forbid(piece, allowed);
            take_mask(terms.matrix, piece);
            if (is_divergence()) add_divergences(piece, terms, objective, scratch);
            if (term_.kind == AllActions::forward_kl) normalise(terms.matrix, targets.data(), scratch);
            const std::int64_t bad = run(piece, first + i, &terms);
            if (bad != -1) return bad < 0 ? bad : i + bad;
        }
        return -1;
    }

private:
    static void take_mask(LogitRows<T>& matrix, const LogitRows<T>& rows) {
        matrix.where = rows.where;
        matrix.where_row_stride = rows.where_row_stride;
        matrix.where_col_stride = rows.where_col_stride;
        matrix.valid = rows.valid;
    }
    // A logit of -inf forbids an action as a mask does: to the reference, too.
    static void forbid(LogitRows<T>& rows, const Array<unsigned char>& allowed) {
        const auto is_minus_infinity = [&](std::int64_t r, std::int64_t j) {
            return rows.data[r * rows.row_stride + j * rows.col_stride] ==
                   -std::numeric_limits<T>::infinity();
        };
        bool any = false;
        for (std::int64_t r = 0; r < rows.rows && !any; ++r)
            for (std::int64_t j = 0; j < rows.cols; ++j) any |= is_minus_infinity(r, j);
        if (!any) return;
        for (std::int64_t r = 0; r < rows.rows; ++r)
            for (std::int64_t j = 0; j < rows.cols; ++j)
                allowed[r * rows.cols + j] =
                    !is_minus_infinity(r, j) &&
                    (!rows.where || rows.where[r * rows.where_row_stride + j * rows.where_col_stride]);
        rows.where = allowed.data();
        rows.where_row_stride = rows.cols;
        rows.where_col_stride = 1;
    }
    // kernel(rows from r on, how many), which stops at a row without an allowed action: others are done on their own then.
    template <class Kernel, class Spoil>
    static void for_each_good_row(std::int64_t rows, Kernel kernel, Spoil spoil) {
        if (kernel(0, rows) < 0) return;
        for (std::int64_t r = 0; r < rows; ++r)
            if (kernel(r, 1) >= 0) spoil(r);
    }
    void add_divergences(const LogitRows<T>& rows, const RowTerms<T>& terms, double* objective,
                         void* scratch) const {
        T values[kMostBlockRows], coefs[kMostBlockRows];
        const bool is_reverse = term_.kind == AllActions::reverse_kl;
        const LogitRows<T>&p = is_reverse ? rows : terms.matrix, &q = is_reverse ? terms.matrix : rows;
        for_each_good_row(rows.rows, [&](std::int64_t r, std::int64_t count) {
            return kernels().of<T>().kl_divergence(from(p, r, count), from(q, r, count), values + r, 1,
                                                   scratch);
        }, [&](std::int64_t r) { values[r] = std::numeric_limits<T>::quiet_NaN(); });
        load(terms.matrix_coef, 0, rows.rows, coefs);
        for (std::int64_t r = 0; r < rows.rows; ++r) {
            if (coefs[r] != 0 && is_valid(rows.valid, r))
                *objective -= static_cast<double>(coefs[r]) * static_cast<double>(values[r]);
            if (terms.values.data) terms.values[r] = values[r];
        }
    }
    static void normalise(LogitRows<T>& reference, T* targets, void* scratch) {
        const std::int64_t cols = reference.cols;
        for_each_good_row(reference.rows, [&](std::int64_t r, std::int64_t count) {
            return kernels().of<T>().softmax(from(reference, r, count), {targets + r * cols, cols, cols, 1},
                                             scratch);
        }, [&](std::int64_t r) {
            std::fill_n(targets + r * cols, cols, std::numeric_limits<T>::quiet_NaN());
        });
        reference.data = targets;
        reference.row_stride = cols;
        reference.col_stride = 1;
        reference.where = nullptr;
    }

    const AllActionObjective<T> term_;
    const PerRow entropy_coef_;
    const Vector<T> values_;
};

}  // namespace scorefn
