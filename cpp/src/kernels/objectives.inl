// Objectives: sums over samples of a function of log pi(a). What the gradient needs of one is its derivative with respect
// to log pi(a), the coefficient of each row of a tile.

// w log pi(a)
template <class T>
struct WeightedLogProb {
    const T* weights;

    SCOREFN_INLINE void coefficients(const T*, std::int64_t first, int count, T* out) const {
        for (int r = 0; r < count; ++r) out[r] = weights[first + r];
        for (int r = count; r % Lanes<T>::size != 0; ++r) out[r] = T(0);
    }
};

// exp(x) for any x, by way of exp(-|x|): 1 / exp(-x) is infinite where exp(x) is.
SCOREFN_INLINE Lanes<double> exp_of(Lanes<double> x) {
    const auto is_positive = Lanes<double>::splat(0) < x;
    const auto e = exp_nonpositive(select(is_positive, 0.0 - x, x));
    return select(is_positive, 1.0 / e, e);
}

// min(ratio A, clip(ratio, low, high) A) with ratio = pi(a) / pi_old(a) (Schulman et al., "Proximal policy optimization
// algorithms", 2017). Its derivative is ratio A, or 0 where the clipped arm is the smaller.
template <class T>
struct ClippedRatio {
    const ClippedRows<T>& rows;

    SCOREFN_INLINE void coefficients(const T* log_prob, std::int64_t first, int count, T* out) const {
        alignas(64) double x[kMostBlockRows], a[kMostBlockRows], ratio[kMostBlockRows],
            objective[kMostBlockRows], derivative[kMostBlockRows], kl[kMostBlockRows];
        for (int r = 0; r < count; ++r) {
            x[r] = static_cast<double>(log_prob[r]) - static_cast<double>(rows.old_log_prob[first + r]);
            a[r] = static_cast<double>(rows.advantages[first + r]);
        }
        for (int r = count; r % Lanes<T>::size != 0; ++r) x[r] = a[r] = 0.0;
        for (int r = 0; r < count; r += 8)
            clip(Lanes<double>::load(x + r), Lanes<double>::load(a + r), ratio + r, objective + r,
                 derivative + r, kl + r);
        for (int r = 0; r < count; ++r) {
            rows.ratio[first + r] = canonical(static_cast<T>(ratio[r]));
            rows.objective[first + r] = objective[r];
            rows.kl[first + r] = kl[r];
            rows.clipped[first + r] = ratio[r] < rows.low || ratio[r] > rows.high;
            out[r] = static_cast<T>(derivative[r]);
        }
        for (int r = count; r % Lanes<T>::size != 0; ++r) out[r] = T(0);
    }

private:
    SCOREFN_INLINE void clip(Lanes<double> log_ratio, Lanes<double> a, double* ratios, double* objectives,
                             double* derivatives, double* kls) const {
        const auto ratio = exp_of(log_ratio);
        const auto at_most = select(ratio <= rows.high, ratio, Lanes<double>::splat(rows.high));
        const auto clipped = select(ratio < rows.low, rows.low, select(ratio == ratio, at_most, ratio));
        const auto arm = ratio * a, other = clipped * a;
        const auto is_clipped = other < arm, is_nothing = a == 0.0;  // an advantage of 0, whatever the ratio
        ratio.store(ratios);
        select(is_nothing, 0.0, select(is_clipped, other, arm)).store(objectives);
        select(is_nothing | is_clipped, 0.0, arm).store(derivatives);
        // (ratio - 1) - log ratio, which is never negative: an estimate of KL(old || new)
        const auto far = select(ratio == kInfinity<double>, ratio, (ratio - 1.0) - log_ratio);
        const auto near = log_ratio * log_ratio * polynomial(0.0 - log_ratio, KlTail<double>::c);
        select(log_ratio * log_ratio < 4.0, near, far).store(kls);
    }
};
