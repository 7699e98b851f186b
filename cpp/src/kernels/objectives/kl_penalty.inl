// A penalty for leaving a reference policy, from estimates of KL(pi || ref) by the action taken (Schulman 2020, "Approximating
// KL divergence"): -w k(x) with x = log pi(a) - log ref(a), and
//     k1 = x              k1' = 1
//     k2 = x^2 / 2        k2' = x
//     k3 = e^-x - 1 + x   k3' = 1 - e^-x
// The value and the derivative may be those of different estimates. A weight of 0 gives 0, whatever the log-ratio.
#pragma once

#include "kernels/objectives/objective.inl"
#include "kernels/objectives/ratio.inl"

namespace scorefn {
namespace {

template <class T>
struct KLEstimates {
    Widened<T> log_ratio;
    Ratio<T> inverse;  // e^-x, and k3

    SCOREFN_INLINE KLEstimates(Lanes<T> log_prob, Lanes<T> reference_log_prob)
        : log_ratio(widen(log_prob - reference_log_prob)), inverse(reference_log_prob, log_prob) {}

    SCOREFN_INLINE Widened<T> value(KLEstimate k) const {
        if (k == KLEstimate::k1) return log_ratio;
        if (k == KLEstimate::k2) return log_ratio * log_ratio * 0.5;
        return inverse.kl;
    }
    SCOREFN_INLINE Widened<T> derivative(KLEstimate k) const {
        if (k == KLEstimate::k1) return Widened<T>::splat(1.0);
        if (k == KLEstimate::k2) return log_ratio;
        Widened<T> d;
        unrolled<Widened<T>::count>([&](int p) SCOREFN_INLINE_LAMBDA {
            const auto x = log_ratio.lanes[p];
            // Near 0, x - k3 has the digits that 1 - e^-x has not.
            d.lanes[p] = select(x * x < 4.0, x - inverse.kl.lanes[p], 1.0 - inverse.ratio.lanes[p]);
        });
        return d;
    }
};

template <>
struct Formula<KLPenalty> {
    template <class T>
    SCOREFN_OFTEN_INLINE static Lanes<T> derivative(const ObjectiveTile<T>& rows, Lanes<T> log_prob) {
        const auto weights = widen(rows.read(0));
        const KLEstimates<T> estimates(log_prob, rows.read(1));
        auto k = estimates.value(rows.template choice<KLEstimate>(0));
        auto slope = estimates.derivative(rows.template choice<KLEstimate>(1));
        unrolled<Widened<T>::count>([&](int p) SCOREFN_INLINE_LAMBDA {
            const auto is_zero = weights.lanes[p] == 0.0;
            k.lanes[p] = select(is_zero, 0.0, k.lanes[p]);
            slope.lanes[p] = select(is_zero, 0.0, slope.lanes[p]);
        });
        rows.add(0, 0.0 - weights * k), rows.add(1, k);
        return narrow(0.0 - weights * slope);
    }
};

}  // namespace
}  // namespace scorefn
