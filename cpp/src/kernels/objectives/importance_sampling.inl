// The value of a policy from logged actions, of which the probability is known with which they were drawn:
//     w(r) A   with r = pi(a) / propensity
// Its derivative with respect to log pi(a) is w'(r) r A.
#pragma once

#include "kernels/math/exp_difference.inl"
#include "kernels/objectives/objective.inl"

namespace scorefn {
namespace {

// w(r) and w'(r) r, as doubles, eight rows at a time.
struct ImportanceWeight {
    using D = Lanes<double>;
    D value, slope;

    SCOREFN_INLINE static ImportanceWeight plain(D r) { return {r, r}; }
    // min(r, most)
    SCOREFN_INLINE static ImportanceWeight clipped(D r, double most) {
        const auto is_above = D::splat(most) < r;
        return {select(is_above, most, r), select(is_above, 0.0, r)};
    }
    // r, or 0 above `most`
    SCOREFN_INLINE static ImportanceWeight switched(D r, double most) {
        return plain(select(D::splat(most) < r, 0.0, r));
    }
    // r / (1 - lambda + lambda r)
    SCOREFN_INLINE static ImportanceWeight sub_gaussian(D r, double lambda) {
        const double rest = 1.0 - lambda;
        const auto x = finite(r), total = rest + lambda * x;
        const auto inverse = select(total == 0.0, 0.0, 1.0 / total);  // r = 0 and lambda = 1
        const auto w = x * inverse;
        return {w, w * (rest * inverse)};
    }
    // lambda r / (r^2 + lambda) = r q with q = 1 / (1 + r^2 / lambda)
    SCOREFN_INLINE static ImportanceWeight shrunk(D r, double lambda) {
        const auto x = finite(r), q = 1.0 / (1.0 + x / D::splat(lambda) * x);
        const auto w = x * q;
        return {w, w * (2.0 * q - 1.0)};
    }

private:
    // Where r overflows, w is that of the largest number.
    SCOREFN_INLINE static D finite(D r) { return select(r == kInfinity<double>, Domain::kFinite, r); }
};

template <>
struct Formula<ImportanceSampling> {
    template <class T>
    SCOREFN_OFTEN_INLINE static Lanes<T> derivative(const ObjectiveTile<T>& rows, Lanes<T> log_prob) {
        const auto advantages = widen(rows.read(1));
        const auto ratio = exp_of_difference(log_prob, Lanes<T>::splat(0)) / widen(rows.read(0));
        const auto weighting = rows.template choice<Weighting>(0);
        const auto weight_of = [&](Lanes<double> r) SCOREFN_INLINE_LAMBDA {
            switch (weighting) {
                case Weighting::clipped: return ImportanceWeight::clipped(r, rows.option(1));
                case Weighting::switched: return ImportanceWeight::switched(r, rows.option(1));
                case Weighting::sub_gaussian: return ImportanceWeight::sub_gaussian(r, rows.option(2));
                case Weighting::optimistic_shrinkage: return ImportanceWeight::shrunk(r, rows.option(3));
                default: return ImportanceWeight::plain(r);
            }
        };
        Widened<T> objective, derivative, weight;
        unrolled<Widened<T>::count>([&](int p) SCOREFN_INLINE_LAMBDA {
            const auto a = advantages.lanes[p];
            const auto is_zero = a == 0.0;
            const ImportanceWeight w = weight_of(ratio.lanes[p]);
            objective.lanes[p] = select(is_zero, 0.0, w.value * a);
            derivative.lanes[p] = select(is_zero, 0.0, w.slope * a);
            weight.lanes[p] = w.value;
        });
        rows.add(0, objective), rows.add(1, weight), rows.add(2, weight * weight);
        rows.write(0, narrow(ratio));
        return narrow(derivative);
    }
};

}  // namespace
}  // namespace scorefn
