// REINFORCE: the sum of w log pi(a).
#pragma once

#include "kernels/rows/sum_of_rows.inl"
#include "kernels/rows/tile.inl"

namespace scorefn {
namespace {

// w log pi(a)
template <class T>
struct WeightedLogProb {
    const RealVector* weights;  // null: all are 1
    double* total;
    SumOfRows<T> objective;

    SCOREFN_INLINE Lanes<T> coefficients(const Group<T>& rows) const {
        return weights ? load_reals<T>(*weights, rows.first(), rows.count) : Lanes<T>::splat(1);
    }
    SCOREFN_INLINE Lanes<T> coefficients(const Group<T>& rows, Lanes<T> log_prob) {
        const Lanes<T> w = coefficients(rows);
        const auto is_nothing = w == T(0);  // times a log-prob of -inf, too
        objective.add(widen(select(is_nothing, T(0), w)) * widen(select(is_nothing, T(0), log_prob)),
                      rows.count);
        return w;
    }
    SCOREFN_INLINE void finish() const { objective.add_to(total); }
};

}  // namespace
}  // namespace scorefn
