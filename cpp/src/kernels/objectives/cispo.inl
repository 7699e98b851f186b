// REINFORCE with clipped importance weights (MiniMax 2025, "MiniMax-M1"):
//     c A log pi(a)   with c = clip(r) held constant and r = pi(a) / pi_old(a)
// Its derivative with respect to log pi(a) is c A, also where the ratio is clipped.
#pragma once

#include "kernels/objectives/objective.inl"
#include "kernels/objectives/ratio.inl"

namespace scorefn {
namespace {

template <>
struct Formula<CISPO> {
    template <class T>
    SCOREFN_OFTEN_INLINE static Lanes<T> derivative(const ObjectiveTile<T>& rows, Lanes<T> log_prob) {
        const auto advantages = widen(rows.read(1)), log_probs = widen(log_prob);
        const Ratio<T> of_rows(log_prob, rows.read(0));
        const LowHigh range = rows.pair(0);
        Widened<T> objective, derivative, is_outside;
        unrolled<Widened<T>::count>([&](int p) SCOREFN_INLINE_LAMBDA {
            const Clipped clipped(of_rows.ratio.lanes[p], range);
            const auto a = advantages.lanes[p];
            const auto w = select(a == 0.0, 0.0, clipped.ratio * a);
            objective.lanes[p] = select(w == 0.0, 0.0, w * log_probs.lanes[p]);  // of a log-prob of -inf, too
            derivative.lanes[p] = w;
            is_outside.lanes[p] = clipped.is_outside;
        });
        rows.add(0, objective), rows.add(1, of_rows.kl), rows.add(2, is_outside);
        rows.write(0, narrow(of_rows.ratio));
        return narrow(derivative);
    }
};

}  // namespace
}  // namespace scorefn
