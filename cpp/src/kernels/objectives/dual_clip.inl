// PPO with a second clip (Ye et al. 2020, "Mastering complex control in MOBA games with deep reinforcement learning",
// equation 5): the clipped surrogate, but at least c A where A < 0, so that a large ratio cannot make it as large.
#pragma once

#include "kernels/objectives/clipped_surrogate.inl"

namespace scorefn {
namespace {

template <>
struct Formula<DualClip> {
    template <class T>
    SCOREFN_OFTEN_INLINE static Lanes<T> derivative(const ObjectiveTile<T>& rows, Lanes<T> log_prob) {
        const auto advantages = widen(rows.read(1));
        const Ratio<T> of_rows = ratio_of(log_prob, rows.read(0));
        const double low = 1.0 - rows.option(0), high = 1.0 + rows.option(0), most = rows.option(1);
        Widened<T> objective, derivative, is_outside;
        for (int p = 0; p < objective.count; ++p) {
            const auto a = advantages.lanes[p], floor = a * most;
            const ClippedTerm term(of_rows.ratio.lanes[p], a, low, high);
            const auto is_floor = (a < 0.0) & (term.objective < floor);
            objective.lanes[p] = select(is_floor, floor, term.objective);
            derivative.lanes[p] = select(is_floor, 0.0, term.derivative);
            is_outside.lanes[p] = term.is_outside;
        }
        rows.add(0, objective), rows.add(1, of_rows.kl), rows.add(2, is_outside);
        rows.write(0, narrow(of_rows.ratio));
        return narrow(derivative);
    }
};

}  // namespace
}  // namespace scorefn
