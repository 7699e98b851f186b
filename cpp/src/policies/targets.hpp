// The checks of target distributions, before anything is written.
#pragma once

#include <cmath>
#include <cstdio>

#include "policies/rows.hpp"

namespace scorefn {

// How far from 1 the sum of a row of targets may be. Probabilities of half precision are each within 2^-11 of their value, and so
// is their sum; those of a float32 softmax are nearer. What is farther off is not normalised.
constexpr double kTargetTolerance = 1e-3;

// What is wrong with a row of targets, or an empty string. `logits` may be unknown: then none is -inf.
template <class T>
std::string fault_of_targets(const Matrix<const T>& targets, const Matrix<const T>& logits,
                             const Matrix<const bool>& where, std::int64_t row) {
    const unsigned char* const allowed = where ? bytes_of(where) + row * where.row_stride : nullptr;
    char text[100];
    double sum = 0;
    for (std::int64_t j = 0; j < targets.cols; ++j) {
        if (allowed && !allowed[j * where.col_stride]) continue;
        const double target = static_cast<double>(targets(row, j));
        if (!(target >= 0)) {
            std::snprintf(text, sizeof text, " must not be negative or NaN, got %g", target);
            return text;
        }
        if (target > 0 && logits && logits(row, j) == -std::numeric_limits<T>::infinity()) {
            std::snprintf(text, sizeof text, " must be 0 where the logit is -inf, got %g", target);
            return text;
        }
        sum += target;
    }
    if (std::fabs(sum - 1) <= kTargetTolerance) return {};
    std::snprintf(text, sizeof text, " must sum to 1 over the allowed actions, got %g", sum);
    return text;
}

template <class T>
void require_targets(const Matrix<const T>& targets, const Matrix<const T>& logits, const Options& options) {
    const ValidRows valid = valid_rows(options.valid);
    const auto are_good = [&](std::int64_t first, std::int64_t count) {
        for (std::int64_t i = first; i < first + count; ++i)
            if (is_valid(valid, i) && !fault_of_targets(targets, logits, options.where, i).empty())
                return false;
        return true;
    };
    if (for_each_task(targets.rows, targets.cols, options.num_threads, are_good)) return;
    for (std::int64_t i = 0; i < targets.rows; ++i) {
        if (!is_valid(valid, i)) continue;
        if (logits && !has_allowed_action(logits, options.where, i)) throw_no_allowed_action("logits", i);
        const std::string fault = fault_of_targets(targets, logits, options.where, i);
        if (!fault.empty()) throw BadValue({"targets", i, fault});
    }
}

}  // namespace scorefn
