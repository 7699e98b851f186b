// The gradient of one tile with respect to its logits, of an objective whose derivative with respect to log pi(a) is w, plus
// c H(pi):
//     w (onehot(a) - p)_j - c p_j (log p_j + H)
// Entry a is w (1 - p_a) with 1 - p_a taken from the sum of the other actions. A forbidden action has 0.
#pragma once

#include "kernels/functions/categorical.inl"

namespace scorefn {
namespace {

// Which of the actions are forbidden: those of e = 0, if they are not just far below all others.
template <class T>
SCOREFN_NO_INLINE Lanes<T> zero_where_forbidden(const Tile<T>& rows, const Actions<T>& actions,
                                                Lanes<T> at_action) {
    return select(rows.at(actions, rows.z()) == -kInfinity<T>, T(0), at_action);
}

// Weights that a sum of exponentials is not to divide: the quotient may be no normal number.
template <class T>
SCOREFN_INLINE Mask<T> is_extreme(Lanes<T> w) {
    using C = ExpConstants<T>;
    const auto size = select(w < T(0), T(0) - w, w);
    const auto is_usual = (Lanes<T>::splat(C::smallest_weight) < size) & (size < C::largest_weight);
    return (is_usual ^ Mask<T>::splat(-1)) & (w != T(0));
}

// Where w / total leaves the normal numbers w p need not. Nor does e times the power of 2 next to the root of w / total, nor
// what is left of w / total.
template <class T, class Rows>
SCOREFN_NO_INLINE void extreme_weighted_scores(Rows& rows, const Actions<T>& actions, Lanes<T> at_action,
                                               Lanes<T> w, Widened<T> inverse, Lanes<T> scale) {
    using Bits = std::uint64_t;
    const auto weight = widen(w);
    Widened<T> root;
    unrolled<Widened<T>::count>([&](int p) SCOREFN_INLINE_LAMBDA {
        const auto exponents = [](Lanes<double> x) SCOREFN_INLINE_LAMBDA {
            return (bits<Bits>(x) & Bits(0x7ff0000000000000)) >> Bits(1);
        };
        const auto half = exponents(weight.lanes[p]) + exponents(inverse.lanes[p]);
        root.lanes[p] = bits<double>(half & Bits(0x7ff0000000000000));
    });
    const auto extreme = is_extreme(w);
    const auto first = select(extreme, narrow(root), T(1));
    const auto second = select(extreme, narrow(weight / root * inverse), scale);
    const T* const exps = rows.e();
    rows.map({first, second}, actions, at_action,
             [&](std::int64_t i, auto extent, auto& v) SCOREFN_NO_INLINE_LAMBDA {
        const auto e = load(exps + i, extent, T(0));
        return select(e == T(0), T(0), T(0) - e * v[0] * v[1]);  // 0 even times a weight that is not finite
    });
}

// w (onehot(a) - p)
template <class T, class Rows>
SCOREFN_OFTEN_INLINE void weighted_scores(Rows& rows, const Actions<T>& actions, const TermAndRest<T>& exps,
                                          Lanes<T> w) {
    const auto inverse = 1.0 / exps.total();
    const auto scale = narrow(widen(w) * inverse);
    auto at_action = narrow(exps.rest * inverse * widen(w));
    if (any_zero(exps.term)) at_action = zero_where_forbidden(rows, actions, at_action);
    if (any(is_extreme(w))) return extreme_weighted_scores(rows, actions, at_action, w, inverse, scale);
    const T* const e = rows.e();
    rows.map({scale}, actions, at_action, [&](std::int64_t i, auto extent, auto& v) SCOREFN_INLINE_LAMBDA {
        return T(0) - load(e + i, extent, T(0)) * v[0];
    });
}

// A power of 2 that p is multiplied and w and c are divided by, exactly: however large w and c are, p may be no normal
// number although its products are.
template <class T>
SCOREFN_INLINE Lanes<T> weight_unit(Lanes<T> w, Lanes<T> c) {
    using C = ExpConstants<T>;
    const auto exceeds = [&](T bound) SCOREFN_INLINE_LAMBDA {
        const auto limit = Lanes<T>::splat(bound);
        return (limit < w) | (w < -bound) | (limit < c) | (c < -bound);
    };
    // From 1 / 256 on, as log p may be some hundreds.
    const auto of_usual = select(exceeds(T(1) / 256), C::unit, Lanes<T>::splat(1));
    return select(exceeds(C::unit), C::large_unit, of_usual);
}

// w (onehot(a) - p)_j - c p_j (log p_j + H), where log p_j + H = (z_j - max) - m with m = sum_k p_k (z_k - max): that is 0
// where it should be, as log p_j + H from two roundings would not. Far below the largest logit p_j is 0.
template <class T, class Rows>
SCOREFN_OFTEN_INLINE void weighted_scores_and_entropy(Rows& rows, const Actions<T>& actions,
                                                      const TermAndRest<T>& exps, const MaxAndRest<T>& sums,
                                                      Lanes<T> w, T c) {
    const auto is_zero = [](Lanes<T> e, Lanes<T> below_max) SCOREFN_INLINE_LAMBDA {
        return (e == T(0)) | (below_max < ExpConstants<T>::lowest);
    };
    const auto unit = weight_unit(w, Lanes<T>::splat(c));
    const auto inverse = 1.0 / exps.total();
    const auto scale = narrow(inverse) * unit, m = narrow(sums.differences / sums.total());
    const auto p_a = narrow(widen(exps.term) * inverse * widen(unit));
    const auto weight = w / unit, coef = c / unit;
    const auto score = narrow(exps.rest * inverse * widen(w));
    const auto below_max = rows.at(actions, rows.z()) - sums.max;
    auto at_action = select(is_zero(exps.term, below_max), score, score - p_a * (coef * (below_max - m)));
    if (any_zero(exps.term)) at_action = zero_where_forbidden(rows, actions, at_action);
    const T *const e_of = rows.e(), *const z_of = rows.z();
    rows.map({scale, weight, coef, sums.max, m}, actions, at_action,
             [&](std::int64_t i, auto extent, auto& v) SCOREFN_INLINE_LAMBDA {
        const auto e = load(e_of + i, extent, T(0)), below = load(z_of + i, extent, T(0)) - v[3];
        return select(is_zero(e, below), T(0), T(0) - e * v[0] * (v[1] + v[2] * (below - v[4])));
    });
}

}  // namespace
}  // namespace scorefn
