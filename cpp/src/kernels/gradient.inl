// The gradient with respect to a row of logits of an objective whose derivative with respect to log pi(a) is w, plus
// c H(pi):
//     w (onehot(a) - p)_j - c p_j (log p_j + H)
// Entry a is w (1 - p_a) with 1 - p_a taken from the sum of the other actions. A forbidden action has 0.

// One value of each row of a block.
template <class T>
struct GradientValues {
    alignas(64) T weight[kMostBlockRows];   // w / total
    alignas(64) T entropy[kMostBlockRows];  // c / total
    alignas(64) T log_total[kMostBlockRows];
    alignas(64) T h[kMostBlockRows];
    alignas(64) T at_action[kMostBlockRows];
};

// The forms of an entry.
struct Plain {};
struct NotFinite {};
struct WithEntropy {};

// Those of a tile.
template <class L, class T = typename L::value_type>
struct Scales {
    Lanes<T> weight, entropy, max, log_total, h;

    SCOREFN_INLINE Scales(const Block<L>& block, const GradientValues<T>& values, int r, double factor)
        : weight(scaled(L::load(values.weight + r), factor)),
          entropy(scaled(L::load(values.entropy + r), factor)),
          max(L::load(block.max + r)),
          log_total(L::load(values.log_total + r)),
          h(L::load(values.h + r)) {}

    template <class Z>
    SCOREFN_INLINE Lanes<T> entry(Lanes<T> e, Z, Plain) const {
        return T(0) - e * weight;
    }
    // A term with e = 0 has none of a weight that is not finite.
    template <class Z>
    SCOREFN_INLINE Lanes<T> entry(Lanes<T> e, Z, NotFinite) const {
        return select(e == T(0), T(0), T(0) - e * weight);
    }
    template <class Z>
    SCOREFN_INLINE Lanes<T> entry(Lanes<T> e, Z z, WithEntropy) const {
        const auto log_p = (z() - max) - log_total;
        return select(e == T(0), T(0), (T(0) - e * weight) - e * entropy * (log_p + h));
    }
};

template <class T, class Form>
SCOREFN_INLINE void fill_gradient(const Block<LongRow<T>>& block, const std::int64_t* actions,
                                  const GradientValues<T>& values, Form form) {
    for (int r = 0; r < block.count; ++r) {
        T* const g = block.results_of(r);
        block.for_each_part([&](std::int64_t first, std::int64_t n, double factor) {
            const Scales<LongRow<T>> scales(block, values, r, factor);
            const T* const z = block.logits_of(r) + first;
            T* const part = g + first;
            for_each_vector<T, 1>(n, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
                const auto logits = [&] { return load(z + i, extent, T(0)); };
                store(scales.entry(load(part + i, extent, T(0)), logits, form), part + i, extent);
            });
        });
        g[actions[r]] = values.at_action[r];
    }
}
template <class T, class Form>
SCOREFN_INLINE void fill_gradient(const Block<ShortRows<T>>& block, const std::int64_t* actions,
                                  const GradientValues<T>& values, Form form) {
    constexpr int rows = ShortRows<T>::rows;
    for (int t = 0; t < block.tiles(); ++t) {
        const Scales<ShortRows<T>> scales(block, values, t * rows, 1.0);
        const T* const z = block.logits_of(t);
        T* const g = block.results_of(t);
        const auto action = lanes_of<T>(actions + t * rows, block.rows_of(t));
        const auto at_action = Lanes<T>::load(values.at_action + t * rows);
        auto col = Mask<T>::splat(0);
        for (std::int64_t i = 0; i < block.cols * rows; i += rows) {
            const auto logits = [&] { return Lanes<T>::load(z + i); };
            const auto value = scales.entry(Lanes<T>::load(g + i), logits, form);
            select(action == col, at_action, value).store(g + i);
            col = col + typename IntegerOf<T>::type(1);
        }
    }
}

// With differences: what the entropy, the log-probs and an objective that depends on them need.
template <class Want, class Objective, class T>
std::int64_t gradient_rows(Want want, const LogitRows<T>& in, const Objective& objective,
                           const GradientRows<T>& rows, const OutRows<T>& out, bool accumulate,
                           void* scratch) {
    return map_blocks(want, in, &out, accumulate, scratch, [&](const auto& block) {
        const std::int64_t* const actions = rows.actions + block.first;
        GradientValues<T> values;
        alignas(64) T z_a[kMostBlockRows], exp_a[kMostBlockRows], w[kMostBlockRows];
        logits_of_actions(block, actions, z_a);
        entries_of_actions(block, actions, [&](int t) { return block.results_of(t); }, exp_a);
        if (block.in_parts()) exp_a[0] = static_cast<T>(exp_a[0] * block.factor(actions[0]));

        alignas(64) T log_probs[kMostBlockRows];
        if constexpr (Want::differences) {
            block.for_each_row_vector([&](int r) {
                const auto log_totals = log_total(block, r);
                log_totals.store(values.log_total + r);
                log_prob(block, r, z_a, log_totals).store(log_probs + r);
                entropy(block, r, log_totals).store(values.h + r);
            });
            if (rows.log_prob) store_rows(log_probs, block.count, rows.log_prob + block.first, 1);
            if (rows.entropy) store_rows(values.h, block.count, rows.entropy + block.first, 1);
        }
        objective.coefficients(log_probs, block.first, block.count, w);

        auto not_finite = Mask<T>::splat(0);
        block.for_each_row_vector([&](int r) {
            const auto e = Lanes<T>::load(exp_a + r), sum = total(block, r);
            const auto weight = Lanes<T>::load(w + r) / sum;
            auto at_action = others(block, r, e) * weight;
            if constexpr (Want::differences) {
                const auto entropy = rows.entropy_coef / sum;
                entropy.store(values.entropy + r);
                const auto log_p_and_h = Lanes<T>::load(log_probs + r) + Lanes<T>::load(values.h + r);
                at_action = at_action - select(e == T(0), T(0), e * entropy * log_p_and_h);
            }
            weight.store(values.weight + r);
            select(Lanes<T>::load(z_a + r) == -kInfinity<T>, T(0), at_action).store(values.at_action + r);
            not_finite = not_finite | (weight - weight != T(0));
        });
        if (Want::differences && rows.entropy_coef != 0)
            fill_gradient(block, actions, values, WithEntropy{});
        else if (any(not_finite))
            fill_gradient(block, actions, values, NotFinite{});
        else
            fill_gradient(block, actions, values, Plain{});
        block.for_each_nan_row(
            [&](int r) { block.fill_row(r, rows.entropy_coef == 0 && w[r] == 0 ? T(0) : kNaN<T>); });
    });
}

template <class T>
std::int64_t weighted_log_prob_gradient(const LogitRows<T>& in, const T* weights, const GradientRows<T>& rows,
                                        const OutRows<T>& out, bool accumulate, void* scratch) {
    const WeightedLogProb<T> objective{weights};
    if (rows.entropy_coef != 0 || rows.log_prob || rows.entropy)
        return gradient_rows(Wants<true, true>{}, in, objective, rows, out, accumulate, scratch);
    return gradient_rows(Wants<true, false>{}, in, objective, rows, out, accumulate, scratch);
}

template <class T>
std::int64_t clipped_ratio_gradient(const LogitRows<T>& in, const ClippedRows<T>& clipped,
                                    const GradientRows<T>& rows, const OutRows<T>& out, bool accumulate,
                                    void* scratch) {
    return gradient_rows(Wants<true, true>{}, in, ClippedRatio<T>{clipped}, rows, out, accumulate, scratch);
}
