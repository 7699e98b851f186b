// The ratio of pi(a) to an older policy's probability, which PPO and its relatives are functions of.
#pragma once

#include "kernels/math/exp_difference.inl"
#include "kernels/math/kl_tail.inl"

namespace scorefn {
namespace {

template <class T>
struct Ratio {
    Widened<T> ratio;  // pi(a) / pi_old(a)
    Widened<T> kl;     // (ratio - 1) - log ratio, which is never negative: an estimate of KL(old || new)

    SCOREFN_INLINE Ratio(Lanes<T> log_prob, Lanes<T> old_log_prob)
        : ratio(exp_of_difference(log_prob, old_log_prob)) {
        const auto log_ratio = log_prob - old_log_prob;
        const auto log_ratios = widen(log_ratio);
        kl = widen(small_kl(log_ratio));
        unrolled<Widened<T>::count>([&](int p) SCOREFN_INLINE_LAMBDA {
            kl.lanes[p] = select(kl.lanes[p] == kl.lanes[p], kl.lanes[p],
                                 large_kl(ratio.lanes[p], log_ratios.lanes[p]));
        });
    }

private:
    using D = Lanes<double>;
    // NaN where the ratio itself is needed.
    SCOREFN_INLINE static Lanes<T> small_kl(Lanes<T> log_ratio) {
        const auto square = log_ratio * log_ratio;
        return select(square < T(4), square * polynomial(T(0) - log_ratio, KlTail<T>::c), kNaN<T>);
    }
    SCOREFN_INLINE static D large_kl(D ratio, D log_ratio) {
        return select(ratio == kInfinity<double>, ratio, (ratio - 1.0) - log_ratio);
    }
};

// A ratio in [1 - low, 1 + high], as doubles.
struct Clipped {
    using D = Lanes<double>;
    D ratio, is_outside;  // 1 or 0

    SCOREFN_INLINE Clipped(D r, const LowHigh& range) {
        const double low = 1.0 - range.low, high = 1.0 + range.high;
        const auto is_low = r < low, is_high = D::splat(high) < r;
        ratio = select(is_low, low, select(is_high, high, r));
        is_outside = select(is_low | is_high, D::splat(1), 0.0);
    }
};

}  // namespace
}  // namespace scorefn
