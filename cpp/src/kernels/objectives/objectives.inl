// Objectives: sums over samples of a function of log pi(a). What the gradient needs of one is its derivative with respect
// to log pi(a), the coefficient of each row.

// Adds up rows, lane by lane; those that are not there do not count.
template <class T>
struct SumOfRows {
    Doubles<T> sum = Doubles<T>::splat(0);

    SCOREFN_INLINE void add(Doubles<T> x, int count) {
        if (count == Lanes<T>::size) {
            sum = sum + x;
            return;
        }
        double lanes[Lanes<T>::size] = {}, all[Lanes<T>::size];
        x.store(all);
        for (int r = 0; r < count; ++r) lanes[r] = all[r];
        sum = sum + Doubles<T>::load(lanes);
    }
    SCOREFN_INLINE void add_to(double* total) const {
        if (total) *total += canonical(fold_sum(sum));
    }
};

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

// exp(x) for any x, by way of exp(-|x|): 1 / exp(-x) is infinite where exp(x) is.
SCOREFN_INLINE Lanes<double> exp_of(Lanes<double> x) {
    const auto is_positive = Lanes<double>::splat(0) < x;
    const auto e = exp_nonpositive(select(is_positive, 0.0 - x, x));
    return select(is_positive, 1.0 / e, e);
}
// Whether exp(x) is surely within the window: 0.69 = ln 2.
template <class T, class X>
SCOREFN_INLINE Mask<X> is_near_zero(Lanes<X> x) {
    constexpr X most = X(0.6875) * ExpConstants<T>::window;
    return (Lanes<X>::splat(-most) < x) & (x < most);
}
template <class T>
SCOREFN_NO_INLINE Doubles<T> with_far_differences(Doubles<T> exps, Lanes<T> a, Lanes<T> b) {
    const auto x = widen(a) - widen(b), rounded = widen(a - b);
    for (int p = 0; p < x.count; ++p)
        exps.part[p] = select(is_near_zero<T>(rounded.part[p]), exps.part[p], exp_of(x.part[p]));
    return exps;
}
// exp(a - b), exact to a few ULP of T however much a - b is rounded, in double as it may be beyond the range of T.
template <class T>
SCOREFN_INLINE Doubles<T> exp_of_difference(Lanes<T> a, Lanes<T> b) {
    const auto x = a - b;
    Window<T> window;
    const auto e = exp_within(x, window);
    const auto exps = widen(e + e * lost_in(x, a, T(0) - b));
    return any(is_near_zero<T>(x) ^ Mask<T>::splat(-1)) ? with_far_differences(exps, a, b) : exps;
}

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
