// PPO's clipped surrogate (Schulman et al. 2017, "Proximal policy optimization algorithms", equation 7):
//     min(r A, clip(r) A)   with r = pi(a) / pi_old(a)
// Its derivative with respect to log pi(a) is r A, and 0 where the clipped term is the smaller. With a second clip (Ye et al.
// 2020, "Mastering complex control in MOBA games with deep reinforcement learning", equation 5) it is at least c A where
// A < 0, so that a large ratio cannot make it as large.
#pragma once

#include "kernels/objectives/objective.inl"
#include "kernels/objectives/ratio.inl"

namespace scorefn {
namespace {

// The surrogate as doubles, eight rows at a time. An advantage of 0 gives 0, whatever the ratio.
struct ClippedTerm {
    using D = Lanes<double>;
    D objective, derivative;

    SCOREFN_INLINE ClippedTerm(D r, D a, const Clipped& clipped, double dual_clip) {
        const auto term = r * a, clipped_term = clipped.ratio * a, floor = a * dual_clip;
        const auto is_zero = a == 0.0, is_clipped = clipped_term < term;
        const auto surrogate = select(is_clipped, clipped_term, term);
        const auto is_floor = (a < 0.0) & (surrogate < floor);
        objective = select(is_zero, 0.0, select(is_floor, floor, surrogate));
        derivative = select(is_zero | is_clipped | is_floor, 0.0, term);
    }
};

template <>
struct Formula<ClippedSurrogate> {
    template <class T>
    SCOREFN_OFTEN_INLINE static Lanes<T> derivative(const ObjectiveTile<T>& rows, Lanes<T> log_prob) {
        const auto advantages = widen(rows.read(1));
        const Ratio<T> of_rows(log_prob, rows.read(0));
        const LowHigh range = rows.pair(0);
        const double dual_clip = rows.option(1);
        Widened<T> objective, derivative, is_outside;
        unrolled<Widened<T>::count>([&](int p) SCOREFN_INLINE_LAMBDA {
            const Clipped clipped(of_rows.ratio.lanes[p], range);
            const ClippedTerm term(of_rows.ratio.lanes[p], advantages.lanes[p], clipped, dual_clip);
            objective.lanes[p] = term.objective;
            derivative.lanes[p] = term.derivative;
            is_outside.lanes[p] = clipped.is_outside;
        });
        rows.add(0, objective), rows.add(1, of_rows.kl), rows.add(2, is_outside);
        rows.write(0, narrow(of_rows.ratio));
        return narrow(derivative);
    }
};

}  // namespace
}  // namespace scorefn
