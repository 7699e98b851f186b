// Soft adaptive policy optimization (Gao et al. 2025): a soft gate in place of PPO's clip,
//     (4 / tau) s A   with s = sigmoid(tau (r - 1)) and r = pi(a) / pi_old(a)
// Its derivative with respect to log pi(a) is 4 s (1 - s) r A. tau is one number where A > 0 and another elsewhere.
#pragma once

#include "kernels/objectives/objective.inl"
#include "kernels/objectives/ratio.inl"

namespace scorefn {
namespace {

// As doubles, eight rows at a time. An advantage of 0 gives 0, whatever the ratio.
struct SoftGate {
    using D = Lanes<double>;
    D objective, derivative;

    SCOREFN_INLINE SoftGate(D r, D a, double tau_pos, double tau_neg) {
        const auto is_positive = D::splat(0) < a, is_zero = a == 0.0;
        const auto tau = select(is_positive, tau_pos, D::splat(tau_neg));
        const auto scale = select(is_positive, 4.0 / tau_pos, D::splat(4.0 / tau_neg));
        const auto x = tau * (r - 1.0);
        const auto is_low = x < 0.0;
        const auto u = exp_nonpositive(select(is_low, x, 0.0 - x)), inverse = 1.0 / (1.0 + u);
        const auto s = select(is_low, u, D::splat(1)) * inverse;
        const auto slope = select(u == 0.0, 0.0, 4.0 * u * inverse * inverse * r);  // of an infinite r, too
        objective = select(is_zero, 0.0, scale * s * a);
        derivative = select(is_zero, 0.0, slope * a);
    }
};

template <>
struct Formula<SAPO> {
    template <class T>
    SCOREFN_OFTEN_INLINE static Lanes<T> derivative(const ObjectiveTile<T>& rows, Lanes<T> log_prob) {
        const auto advantages = widen(rows.read(1));
        const Ratio<T> of_rows(log_prob, rows.read(0));
        const double tau_pos = rows.option(0), tau_neg = rows.option(1);
        Widened<T> objective, derivative;
        unrolled<Widened<T>::count>([&](int p) SCOREFN_INLINE_LAMBDA {
            const SoftGate gate(of_rows.ratio.lanes[p], advantages.lanes[p], tau_pos, tau_neg);
            objective.lanes[p] = gate.objective;
            derivative.lanes[p] = gate.derivative;
        });
        rows.add(0, objective), rows.add(1, of_rows.kl);
        rows.write(0, narrow(of_rows.ratio));
        return narrow(derivative);
    }
};

}  // namespace
}  // namespace scorefn
