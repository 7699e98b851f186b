// The penalty k2 of Schulman 2020, "Approximating KL divergence": -w (log pi(a) - log ref(a))^2 / 2. Its mean over actions of
// pi is an estimate of KL(pi || ref) that is biased, but its gradient's is exact.
#pragma once

#include "kernels/objectives/objective.inl"

namespace scorefn {
namespace {

template <>
struct Formula<SquaredLogRatio> {
    template <class T>
    SCOREFN_OFTEN_INLINE static Lanes<T> derivative(const ObjectiveTile<T>& rows, Lanes<T> log_prob) {
        const auto w = rows.read(0), log_ratio = log_prob - rows.read(1);
        const auto is_zero = w == T(0);  // times a log-prob of -inf, too
        const auto log_ratios = widen(select(is_zero, T(0), log_ratio));
        const auto k2 = log_ratios * log_ratios * 0.5;
        rows.add(0, -1.0 * (widen(w) * k2)), rows.add(1, k2);
        return select(is_zero, T(0), T(0) - w * log_ratio);
    }
};

}  // namespace
}  // namespace scorefn
