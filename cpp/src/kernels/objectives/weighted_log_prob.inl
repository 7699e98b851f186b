// REINFORCE: the sum of w log pi(a).
#pragma once

#include "kernels/objectives/objective.inl"

namespace scorefn {
namespace {

// w log pi(a), where the weights are known before the pass, which then may need neither log-probabilities nor entropies.
template <class T>
struct KnownWeights {
    const RealVector* weights;  // null: all are 1
    double* total;
    SumOfRows<T> objective;

    SCOREFN_INLINE Lanes<T> coefficients(const Tile<T>& rows) const {
        return weights ? load_reals<T>(*weights, rows.first(), rows.count) : Lanes<T>::splat(1);
    }
    SCOREFN_INLINE Lanes<T> coefficients(const Tile<T>& rows, Lanes<T> log_prob) {
        const Lanes<T> w = coefficients(rows);
        const auto is_zero = w == T(0);  // times a log-prob of -inf, too
        objective.add(widen(select(is_zero, T(0), w)) * widen(select(is_zero, T(0), log_prob)),
                      rows.counted());
        return w;
    }
    SCOREFN_INLINE void finish() const { objective.add_to(total); }
};

// The same as a function of log pi(a), for policies that ask for it.
template <>
struct Formula<WeightedLogProb> {
    template <class T>
    SCOREFN_INLINE static Lanes<T> derivative(const ObjectiveTile<T>& rows, Lanes<T> log_prob) {
        const Lanes<T> w = rows.read(0);
        const auto is_zero = w == T(0);  // times a log-prob of -inf, too
        rows.add(0, widen(select(is_zero, T(0), w)) * widen(select(is_zero, T(0), log_prob)));
        return w;
    }
};

}  // namespace
}  // namespace scorefn
