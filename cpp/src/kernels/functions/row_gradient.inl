// The gradient with respect to a row of logits of an objective whose derivative with respect to log pi(a) is w, plus
// c H(pi):
//     w (onehot(a) - p)_j - c p_j (log p_j + H)
// Entry a is w (1 - p_a) with 1 - p_a taken from the sum of the other actions. A forbidden action has 0.
#pragma once

#include "kernels/functions/categorical.inl"
#include "kernels/objectives/objective.inl"
#include "kernels/objectives/weighted_log_prob.inl"

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
    for (int p = 0; p < root.count; ++p) {
        const auto exponents = [](Lanes<double> x) SCOREFN_INLINE_LAMBDA {
            return (bits<Bits>(x) & Bits(0x7ff0000000000000)) >> Bits(1);
        };
        const auto half = exponents(weight.lanes[p]) + exponents(inverse.lanes[p]);
        root.lanes[p] = bits<double>(half & Bits(0x7ff0000000000000));
    }
    const auto extreme = is_extreme(w);
    const auto first = select(extreme, narrow(root), T(1));
    const auto second = select(extreme, narrow(weight / root * inverse), scale);
    const T* const exps = rows.e();
    rows.map({first, second}, actions, at_action,
             [&](std::int64_t i, auto extent, auto& v) SCOREFN_INLINE_LAMBDA {
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
SCOREFN_INLINE Lanes<T> weight_unit(Lanes<T> w, T c) {
    using C = ExpConstants<T>;
    const auto exceeds = [&](T bound) SCOREFN_INLINE_LAMBDA {
        const auto is_so = (Lanes<T>::splat(bound) < w) | (w < -bound);
        return bound < c || c < -bound ? Mask<T>::splat(-1) : is_so;
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
    const auto unit = weight_unit(w, c);
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

// Without entropies: what neither the entropy bonus, nor an objective that depends on log-probs, nor a caller asks for.
template <class Objective, class T>
std::int64_t gradient_rows(const LogitRows<T>& in, Objective objective, const GradientRows<T>& given,
                           const OutRows<T>& out, bool accumulate, void* scratch) {
    return for_each_tile(in, &out, accumulate, false, scratch, [&](auto& rows) SCOREFN_INLINE_LAMBDA {
        Actions<T> actions;
        if (!rows.load(actions, given.actions)) return;
        const Lanes<T> w = objective.coefficients(rows);
        weighted_scores(rows.results(), actions, rows.term_and_rest(actions), w);
        rows.for_each_bad_row([&](int r) { rows.fill_row(r, lane(w, r) == 0 ? T(0) : kNaN<T>); });
    });
}
template <class Objective, class T>
std::int64_t gradient_rows_with_entropies(const LogitRows<T>& in, Objective objective,
                                          const GradientRows<T>& given, const OutRows<T>& out,
                                          bool accumulate, void* scratch) {
    const T c = static_cast<T>(given.entropy_coef);
    SumOfRows<T> entropies;
    const std::int64_t stopped_at =
        for_each_tile(in, &out, accumulate, true, scratch, [&](auto& rows) SCOREFN_INLINE_LAMBDA {
        Actions<T> actions;
        if (!rows.load(actions, given.actions)) return;
        const MaxAndRest<T> sums = rows.template max_and_rest<kWithDifferences>();
        const TermAndRest<T> exps = rows.term_and_rest(actions);
        const Lanes<T> h = entropy(rows, sums), log_p = log_prob(rows, actions, exps);
        if (given.entropy.data)
            store_rows(h, rows.first(), rows.count, given.entropy.data, given.entropy.stride);
        if (given.log_prob.data)
            store_rows(log_p, rows.first(), rows.count, given.log_prob.data, given.log_prob.stride);
        const Lanes<T> w = objective.coefficients(rows, log_p);
        if (c != 0) {
            entropies.add(widen(h), rows.count);
            weighted_scores_and_entropy(rows.results(), actions, exps, sums, w, c);
        } else {
            weighted_scores(rows.results(), actions, exps, w);
        }
        rows.for_each_bad_row([&](int r) { rows.fill_row(r, c == 0 && lane(w, r) == 0 ? T(0) : kNaN<T>); });
    });
    objective.finish();
    if (given.objective) *given.objective += given.entropy_coef * canonical(fold_sum(entropies.sum));
    return stopped_at;
}

template <class T>
std::int64_t weighted_log_prob_gradient(const LogitRows<T>& in, const RealVector* weights,
                                        const GradientRows<T>& given, const OutRows<T>& out, bool accumulate,
                                        void* scratch) {
    const KnownWeights<T> objective{weights, given.objective, {}};
    if (given.entropy_coef != 0 || given.log_prob.data || given.entropy.data)
        return gradient_rows_with_entropies(in, objective, given, out, accumulate, scratch);
    return gradient_rows(in, objective, given, out, accumulate, scratch);
}

// The objective's coefficients are called by pointer, so this is compiled once for all objectives.
template <class T>
std::int64_t objective_gradient(const LogitRows<T>& in, const RowObjective<T>& objective,
                                const GradientRows<T>& given, const OutRows<T>& out, bool accumulate,
                                void* scratch) {
    return gradient_rows_with_entropies(in, CalledObjective<T>{objective}, given, out, accumulate, scratch);
}

}  // namespace
}  // namespace scorefn
