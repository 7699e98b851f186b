// KL(p || q) = sum_j p_j (log p_j - log q_j), as sum_j (q_j - p_j + p_j d_j) with d_j = log p_j - log q_j: the two sums
// differ by sum q - sum p = 0, but the terms of this one are all >= 0, so nothing cancels when p is near q.
// In double, whatever the dtype of the logits.

// (exp(-d) - 1 + d) / d^2 on [-1/2, 1/2]
constexpr double kKlTail[] = {0.5,
                              -0.16666666666666666,
                              0.041666666666666664,
                              -0.0083333333333333991,
                              0.0013888888888888931,
                              -0.00019841269841056861,
                              2.4801587301454233e-05,
                              -2.7557319516028309e-06,
                              2.7557319406457273e-07,
                              -2.5051913745634799e-08,
                              2.0876635370907816e-09,
                              -1.6121291390767837e-10,
                              1.1509642370665761e-11};

template <int N>
SCOREFN_INLINE Lanes<double, N> kl_term(Lanes<double, N> log_p, Lanes<double, N> log_q) {
    const auto zero = Lanes<double, N>::splat(0);
    const auto p = exp_nonpositive(Difference<double, N>{log_p, zero});
    const auto q = exp_nonpositive(Difference<double, N>{log_q, zero});
    const auto d = log_p - log_q;
    const auto near = p * (d * d * polynomial(d, kKlTail));
    const auto far = select(p == 0.0, q, q - p + p * d);
    return select(d * d < 0.25, near, far);
}

template <class L>
SCOREFN_NO_INLINE void kl_divergence_tile(const Normalizer<L>& p, const Normalizer<L>& q, const double* z_p,
                                          const double* z_q, std::int64_t n, double (&out)[L::rows]) {
    double log_total_p[L::rows], log_total_q[L::rows];
    log1p_rows(p.rest, log_total_p);
    log1p_rows(q.rest, log_total_q);
    const Lanes<double> max_p = L::spread(p.max), max_q = L::spread(q.max);
    const Lanes<double> log_p = L::spread(log_total_p), log_q = L::spread(log_total_q);
    sum_vectors<double>(n, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        return kl_term((load(z_p + i, extent, -kInfinity<double>) - max_p) - log_p,
                       (load(z_q + i, extent, -kInfinity<double>) - max_q) - log_q);
    }).store(out);
}

template <class T>
std::int64_t kl_divergence(const LogitRows<T>& in_p, const LogitRows<T>& in_q, T* out, std::int64_t stride,
                           void* scratch) {
    const std::int64_t cols = in_p.cols;
    const TileBuffers<double> buffers(scratch, cols);
    double* const z_p = buffers.logits;
    double* const z_q = buffers.result;
    return for_each_row_group<double>(in_p, [&](auto layout, std::int64_t first, int count) -> std::int64_t {
        using L = decltype(layout);
        const std::int64_t n = cols * L::rows;
        gather_tile<L>(in_p, first, count, z_p);
        gather_tile<L>(in_q, first, count, z_q);
        const Normalizer<L> p = normalize<L>(z_p, n, buffers.exps);
        const Normalizer<L> q = normalize<L>(z_q, n, buffers.exps);
        for (int r = 0; r < count; ++r)
            if (has_no_action<L>(p, z_p, cols, r) || has_no_action<L>(q, z_q, cols, r)) return first + r;
        double kl[L::rows];
        kl_divergence_tile<L>(p, q, z_p, z_q, n, kl);
        for (int r = 0; r < count; ++r) out[(first + r) * stride] = canonical(static_cast<T>(kl[r]));
        return -1;
    });
}
