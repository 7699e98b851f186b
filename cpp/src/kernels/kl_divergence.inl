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
    const auto p = exp_nonpositive(log_p), q = exp_nonpositive(log_q);
    const auto d = log_p - log_q;
    const auto near = p * (d * d * polynomial(d, kKlTail));
    const auto far = select(p == 0.0, q, q - p + p * d);
    return select(d * d < 0.25, near, far);
}

template <class L>
SCOREFN_NO_INLINE void kl_divergence_of_block(const Block<L>& p, const Block<L>& q, double* out) {
    alignas(64) double log_total_p[kMostBlockRows], log_total_q[kMostBlockRows];
    p.for_each_row_vector([&](int r) {
        log_total(p, r).store(log_total_p + r);
        log_total(q, r).store(log_total_q + r);
    });
    for (int t = 0; t < p.tiles(); ++t) {
        const int r = t * L::rows;
        const double *const z_p = p.logits_of(t), *const z_q = q.logits_of(t);
        const auto max_p = L::load(p.max + r), max_q = L::load(q.max + r);
        const auto log_p = L::load(log_total_p + r), log_q = L::load(log_total_q + r);
        Sum<double> sums[1];
        sum_vectors<double>(p.cols * L::rows, sums,
                            [&](std::int64_t i, auto extent, auto& x) SCOREFN_INLINE_LAMBDA {
            x[0] = kl_term((load(z_p + i, extent, -kInfinity<double>) - max_p) - log_p,
                           (load(z_q + i, extent, -kInfinity<double>) - max_q) - log_q);
        });
        L::store_sum(sums[0].total(), out + r);
    }
}

template <class T>
std::int64_t kl_divergence(const LogitRows<T>& in_p, const LogitRows<T>& in_q, T* out, std::int64_t stride,
                           void* scratch) {
    const BlockBuffers<double> buffers(scratch, in_p.cols);
    const auto run = [&](auto layout) -> std::int64_t {
        using L = decltype(layout);
        const std::int64_t most = block_rows<double>(in_p.cols);
        Block<L> p, q;
        p.parts = q.parts = buffers.parts;
        p.ahead = q.ahead = {buffers.logits, buffers.logits};
        for (std::int64_t first = 0; first < in_p.rows; first += most) {
            const int count = static_cast<int>(in_p.rows - first < most ? in_p.rows - first : most);
            load_block(in_p, first, count, buffers.logits, buffers.results, p);
            p.normalize(Wants<false, false>{});
            load_block(in_q, first, count, buffers.results, buffers.spare, q);
            q.normalize(Wants<false, false>{});
            const std::int64_t bad_p = p.bad_row(EveryRow{}), bad_q = q.bad_row(EveryRow{});
            if (bad_p >= 0 || bad_q >= 0) return bad_p >= 0 ? bad_p : bad_q;
            alignas(64) double kl[kMostBlockRows];
            kl_divergence_of_block(p, q, kl);
            for (int r = 0; r < count; ++r) out[(first + r) * stride] = canonical(static_cast<T>(kl[r]));
        }
        return -1;
    };
    return in_p.cols <= kLongestShortRow ? run(ShortRows<double>{}) : run(LongRow<double>{});
}
