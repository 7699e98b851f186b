// PPO's clipped surrogate.
#pragma once

#include "kernels/math/exp_difference.inl"
#include "kernels/math/kl_tail.inl"
#include "kernels/rows/sum_of_rows.inl"
#include "kernels/rows/tile.inl"

namespace scorefn {
namespace {

// min(ratio A, clip(ratio, low, high) A) with ratio = pi(a) / pi_old(a) (Schulman et al., "Proximal policy optimization
// algorithms", 2017). Its derivative is ratio A, or 0 where the clipped arm is the smaller.
template <class T>
struct ClippedRatio {
    const ClippedRows<T>& given;
    double* total;
    SumOfRows<T> objective, kl, clipped;

    SCOREFN_OFTEN_INLINE Lanes<T> coefficients(const Group<T>& rows, Lanes<T> log_prob) {
        const auto advantages = widen(load_reals<T>(given.advantages, rows.first(), rows.count));
        const auto old_log_prob = load_reals<T>(given.old_log_prob, rows.first(), rows.count);
        const auto log_ratio = log_prob - old_log_prob;
        const auto ratio = exp_of_difference(log_prob, old_log_prob), log_ratios = widen(log_ratio);
        auto kls = widen(small_kl(log_ratio));
        Doubles<T> derivatives, objectives, are_clipped;
        for (int p = 0; p < ratio.count; ++p) {
            clip(ratio.part[p], advantages.part[p], derivatives.part[p], objectives.part[p],
                 are_clipped.part[p]);
            kls.part[p] =
                select(kls.part[p] == kls.part[p], kls.part[p], large_kl(ratio.part[p], log_ratios.part[p]));
        }
        objective.add(objectives, rows.count), kl.add(kls, rows.count), clipped.add(are_clipped, rows.count);
        store_rows(narrow(ratio), rows.first(), rows.count, given.ratio.data, given.ratio.stride);
        return narrow(derivatives);
    }
    SCOREFN_INLINE void finish() const {
        objective.add_to(total), kl.add_to(given.kl), clipped.add_to(given.clipped);
    }

private:
    using D = Lanes<double>;
    SCOREFN_INLINE void clip(D ratio, D a, D& derivative, D& objective, D& is_outside) const {
        const auto is_low = ratio < given.low, is_high = D::splat(given.high) < ratio;
        const auto arm = ratio * a, other = select(is_low, given.low, select(is_high, given.high, ratio)) * a;
        const auto is_clipped = other < arm, is_nothing = a == 0.0;  // an advantage of 0, whatever the ratio
        objective = select(is_nothing, 0.0, select(is_clipped, other, arm));
        derivative = select(is_nothing | is_clipped, 0.0, arm);
        is_outside = select(is_low | is_high, D::splat(1), 0.0);
    }
    // (ratio - 1) - log ratio, which is never negative: an estimate of KL(old || new). NaN where that takes the ratio.
    SCOREFN_INLINE static Lanes<T> small_kl(Lanes<T> log_ratio) {
        const auto square = log_ratio * log_ratio;
        return select(square < T(4), square * polynomial(T(0) - log_ratio, KlTail<T>::c), kNaN<T>);
    }
    SCOREFN_INLINE static D large_kl(D ratio, D log_ratio) {
        return select(ratio == kInfinity<double>, ratio, (ratio - 1.0) - log_ratio);
    }
};

}  // namespace
}  // namespace scorefn
