// PPO's clipped surrogate (Schulman et al. 2017, "Proximal policy optimization algorithms", equation 7):
//     min(r A, clip(r, low, high) A)   with r = pi(a) / pi_old(a)
// Its derivative with respect to log pi(a) is r A, and 0 where the clipped term is the smaller.
#pragma once

#include "kernels/objectives/objective.inl"
#include "kernels/objectives/ratio.inl"

namespace scorefn {
namespace {

// The surrogate as doubles, eight rows at a time. An advantage of 0 gives 0, whatever the ratio.
struct ClippedTerm {
    using D = Lanes<double>;
    D objective, derivative, is_outside;

    SCOREFN_INLINE ClippedTerm(D r, D a, double low, double high) {
        const auto is_low = r < low, is_high = D::splat(high) < r;
        const auto term = r * a, clipped = select(is_low, low, select(is_high, high, r)) * a;
        const auto is_clipped = clipped < term, is_zero = a == 0.0;
        objective = select(is_zero, 0.0, select(is_clipped, clipped, term));
        derivative = select(is_zero | is_clipped, 0.0, term);
        is_outside = select(is_low | is_high, D::splat(1), 0.0);
    }
};

template <>
struct Formula<ClippedSurrogate> {
    template <class T>
    SCOREFN_OFTEN_INLINE static Lanes<T> derivative(const ObjectiveTile<T>& rows, Lanes<T> log_prob) {
        const auto advantages = widen(rows.read(1));
        const Ratio<T> of_rows(log_prob, rows.read(0));
        const double low = 1.0 - rows.option(0), high = 1.0 + rows.option(0);
        Widened<T> objective, derivative, is_outside;
        unrolled<Widened<T>::count>([&](int p) SCOREFN_INLINE_LAMBDA {
            const ClippedTerm term(of_rows.ratio.lanes[p], advantages.lanes[p], low, high);
            objective.lanes[p] = term.objective;
            derivative.lanes[p] = term.derivative;
            is_outside.lanes[p] = term.is_outside;
        });
        rows.add(0, objective), rows.add(1, of_rows.kl), rows.add(2, is_outside);
        rows.write(0, narrow(of_rows.ratio));
        return narrow(derivative);
    }
};

}  // namespace
}  // namespace scorefn
