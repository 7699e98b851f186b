// The gradient of  w log pi(a) + c H(pi)  with respect to a row of logits:
//     w (onehot(a) - p)_j - c p_j (log p_j + H)
// Entry a is w (1 - p_a) with 1 - p_a taken from the sum of the other actions. A forbidden action has 0.

template <class L, bool Entropy, class T = typename L::value_type>
SCOREFN_NO_INLINE void score_gradient_tile(const Normalizer<L>& row, const T* z, const T* exps, T* g,
                                           const std::int64_t* actions, const double* weights,
                                           double entropy_coef, std::int64_t cols, int count) {
    double log_total[L::rows] = {}, h[L::rows] = {};
    if constexpr (Entropy) {
        log1p_rows(row.rest, log_total);
        entropy_of<L>(row, log_total, z, exps, cols, h);
    }
    double w[L::rows] = {}, z_a[L::rows] = {}, exp_a[L::rows] = {};
    for (int r = 0; r < count; ++r) {
        const std::int64_t a = L::offset(r, actions[r]);
        w[r] = weights[r];
        z_a[r] = z[a];
        exp_a[r] = exps[a];
    }
    T scale[L::rows], entropy_scale[L::rows], at_action[L::rows];
    for (int r = 0; r < L::rows; ++r) {
        const double total = row.total(r);
        double value = w[r] * (row.others(r, exp_a[r]) / total);
        if (Entropy && exp_a[r] != 0)  // 0 log 0 = 0
            value -= entropy_coef * (exp_a[r] / total) * ((z_a[r] - row.max[r]) - log_total[r] + h[r]);
        at_action[r] = z_a[r] == -kInfinity<double> ? T(0) : static_cast<T>(value);
        scale[r] = static_cast<T>(w[r] / total);
        entropy_scale[r] = static_cast<T>(entropy_coef / total);
    }

    const Lanes<T> scales = L::spread(scale);
    if constexpr (Entropy) {
        const Lanes<T> largest = L::spread(row.max), entropy_scales = L::spread(entropy_scale);
        const Lanes<T> totals = L::spread_rounded(log_total), hs = L::spread_rounded(h);
        for_each_vector<T>(cols * L::rows, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
            const auto e = load_padded(exps + i, extent);
            const auto log_p = (load(z + i, extent, T(0)) - largest) - totals;
            const auto value = T(0) - e * scales - e * entropy_scales * (log_p + hs);
            store(select(e == T(0), T(0), value), g + i, extent);
        });
    } else {
        for_each_vector<T>(cols * L::rows, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
            const auto e = load_padded(exps + i, extent);
            store(select(e == T(0), T(0), T(0) - e * scales), g + i, extent);
        });
    }
    for (int r = 0; r < count; ++r) {
        g[L::offset(r, actions[r])] = at_action[r];
        if (!Entropy && weights[r] == 0)
            fill_row<L>(g, r, cols, T(0));
        else if (row.rest[r] != row.rest[r])
            fill_row<L>(g, r, cols, kNaN<T>);
    }
}

template <class T>
std::int64_t score_gradient(const LogitRows<T>& in, const std::int64_t* actions, const double* weights,
                            double entropy_coef, const OutRows<T>& out, bool accumulate, void* scratch) {
    const TileBuffers<T> buffers(scratch, in.cols);
    return map_tiles(in, out, accumulate, buffers,
                     [&](auto layout, const auto& row, const T* z, T* g, std::int64_t first, int count) {
        using L = decltype(layout);
        const auto tile = entropy_coef != 0 ? score_gradient_tile<L, true> : score_gradient_tile<L, false>;
        tile(row, z, buffers.exps, g, actions + first, weights + first, entropy_coef, in.cols, count);
    });
}
