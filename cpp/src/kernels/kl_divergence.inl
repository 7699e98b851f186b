// KL(p || q) = sum_j p_j d_j with d_j = log p_j - log q_j, as sum_j (q_j - p_j + p_j d_j): the two sums differ by
// sum q - sum p = 0, but the terms of this one are all >= 0, so nothing cancels when p is near q.
//
// d_j = (z_p - z_q) - c with c = logsumexp z_p - logsumexp z_q is what is left of larger numbers, so what their rounding
// loses is kept. c itself is as exact as the sums over exp, and that matters little: a c that is wrong by epsilon adds
// epsilon^2 / 2 to the sum. Where that is not little (p is very near q), sum_j (p_j - p_j exp(-d_j)), which is 0 for the
// right c, says what epsilon is (Newton's method).

// (exp(-d) - 1 + d) / d^2 on [-2, 2]
template <class T>
struct KlTail;
template <>
struct KlTail<float> {
    static constexpr float c[] = {
        0.5f,          -0.166666672f,    0.041666612f,    -0.00833332911f, 0.00138899882f, -0.000198421098f,
        2.472499e-05f, -2.74987678e-06f, 2.97212551e-07f, -2.6708717e-08f};
};
template <>
struct KlTail<double> {
    static constexpr double c[] = {0.5,
                                   -0.16666666666666652,
                                   0.041666666666666657,
                                   -0.0083333333333350801,
                                   0.0013888888888889759,
                                   -0.00019841269840659067,
                                   2.4801587301283017e-05,
                                   -2.7557319319885053e-06,
                                   2.755731927176626e-07,
                                   -2.5052100404490446e-08,
                                   2.0876753010996743e-09,
                                   -1.6059420302296456e-10,
                                   1.147093322535863e-11,
                                   -7.6370663851909496e-13,
                                   4.7744431721110966e-14,
                                   -2.9545866471328475e-15,
                                   1.6333298636090429e-16};
};

// What a + b loses where it is rounded to `sum` (Knuth).
template <class T, int N>
SCOREFN_INLINE Lanes<T, N> lost_in(Lanes<T, N> sum, Lanes<T, N> a, Lanes<T, N> b) {
    const auto added = sum - a;
    return (a - (sum - added)) + (b - added);
}

// What the terms need to know of each row of a block.
template <class T>
struct KlRows {
    alignas(64) T c[kMostBlockRows], c_low[kMostBlockRows];  // for logits without the shift of their Origin
    // Of exp(z - max) 2^spare: to 2^spare p total_p and 2^spare q total_p.
    alignas(64) T scale_p[kMostBlockRows], scale_q[kMostBlockRows];

    template <class L>
    SCOREFN_INLINE KlRows(const Block<L>& p, const Block<L>& q) {
        p.for_each_row_vector([&](int r) {
            const Origin<T> origin_p(Lanes<T>::load(p.max + r)), origin_q(Lanes<T>::load(q.max + r));
            const auto max_p = widen(origin_p.max), minus_max_q = -1.0 * widen(origin_q.max);
            const auto rest_p = Doubles<T>::load(p.rest + r), rest_q = Doubles<T>::load(q.rest + r);
            const auto log_ratio = log1p_nonnegative(rest_p) - log1p_nonnegative(rest_q);
            Doubles<T> sum, lost;
            for (int i = 0; i < sum.count; ++i) {
                const auto a = max_p.part[i], b = minus_max_q.part[i], max = a + b;
                sum.part[i] = max + log_ratio.part[i];
                lost.part[i] = lost_in(max, a, b) + lost_in(sum.part[i], max, log_ratio.part[i]);
            }
            const auto rounded = narrow(sum);
            rounded.store(c + r);
            narrow((sum - widen(rounded)) + lost).store(c_low + r);
            Lanes<T>::splat(1).store(scale_p + r);
            narrow((1.0 + rest_p) / (1.0 + rest_q)).store(scale_q + r);
        });
    }
};

// The sums over the terms q_j - p_j + p_j d_j and over p_j d_j of the rows of a tile.
template <class L>
struct KlSums {
    double terms[L::rows], products[L::rows];
};

template <class L, class T = typename L::value_type>
SCOREFN_NO_INLINE void sum_kl_terms(const T* z_p, const T* z_q, std::int64_t n, const T* max_p,
                                    const T* max_q, const KlRows<T>& rows, int row, double* terms,
                                    double* products) {
    const Origin<T> origin_p(L::load(max_p)), origin_q(L::load(max_q));
    const Lanes<T> c = L::load(rows.c + row), c_low = L::load(rows.c_low + row);
    const Lanes<T> scale_p = L::load(rows.scale_p + row), scale_q = L::load(rows.scale_q + row);
    Sum<T> sums[2];
    sum_vectors<T>(n, sums, [&](std::int64_t i, auto extent, auto& x) SCOREFN_INLINE_LAMBDA {
        const auto logit_p = load(z_p + i, extent, -kInfinity<T>),
                   logit_q = load(z_q + i, extent, -kInfinity<T>);
        const auto p = exp_below(logit_p, origin_p).scaled * scale_p;
        const auto q = exp_below(logit_q, origin_q).scaled * scale_q;
        const auto a = logit_p - origin_p.shift, b = (logit_q - origin_q.shift) * T(-1), sum = a + b;
        const auto lost = lost_in(sum, a, b);
        const auto d = (sum - c) + (select(lost == lost, lost, T(0)) - c_low);  // inf where z_q is -inf
        const auto product = select(p == T(0), T(0), p * d);
        const auto near = p * (d * d * polynomial(d, KlTail<T>::c));
        x[0] = select(d * d < T(4), near, (q - p) + product);
        x[1] = product;
    });
    L::store_sum(sums[0].total(), terms);
    L::store_sum(sums[1].total(), products);
}

template <class L, class T = typename L::value_type>
SCOREFN_INLINE void sum_kl_tile(const Block<L>& p, const Block<L>& q, int tile, const KlRows<T>& rows,
                                KlSums<L>& out) {
    const T *const z_p = p.logits_of(tile), *const z_q = q.logits_of(tile);
    const int row = tile * L::rows;
    const auto sum = [&](std::int64_t first, std::int64_t n, double* terms, double* products) {
        sum_kl_terms<L>(z_p + first, z_q + first, n, p.max + row, q.max + row, rows, row, terms, products);
    };
    if (!p.in_parts()) return sum(0, p.cols * L::rows, out.terms, out.products);
    // What the parts held of exp(z - max) is no longer needed.
    p.share_parts([&](PartOfRow<T>& part, std::int64_t first, std::int64_t n)
                      SCOREFN_INLINE_LAMBDA { sum(first, n, part.sums.below, part.sums.differences); });
    Compensated<double> terms, products;
    for (std::int64_t i = 0; i * kPartSize<T> < p.cols; ++i) {
        terms.add(p.parts[i].sums.below[0]);
        products.add(p.parts[i].sums.differences[0]);
    }
    out.terms[0] = terms.total();
    out.products[0] = products.total();
}

template <class L, class T = typename L::value_type>
SCOREFN_INLINE void kl_divergence_of_block(const Block<L>& p, const Block<L>& q, T* out) {
    constexpr T unspare = ExpConstants<T>::unspare;
    constexpr int most_tries = 5;
    KlRows<T> rows(p, q);
    for (int t = 0; t < p.tiles(); ++t) {
        bool again = true;  // rows whose sums are good get the same ones
        for (int tries = 0; again && tries < most_tries; ++tries) {
            KlSums<L> sums;
            sum_kl_tile(p, q, t, rows, sums);
            again = false;
            for (int i = 0; i < p.rows_of(t); ++i) {
                const int r = t * L::rows + i;
                const double scale = unspare / rows.scale_p[r] / (1.0 + p.rest[r]);
                const double sum = sums.terms[i] * scale, epsilon = sums.products[i] * scale - sum;
                if (sum == kInfinity<double>) {
                    out[r] = kInfinity<T>;
                    if (rows.scale_p[r] == unspare) continue;
                    again = true;  // the sum may have overflowed only because of the scale
                    rows.scale_p[r] = unspare;
                    rows.scale_q[r] *= unspare;
                } else {
                    // sum + epsilon + log(1 - epsilon)
                    out[r] = static_cast<T>(sum - epsilon * epsilon * (0.5 + epsilon * (1.0 / 3.0)));
                    if (!(8.0 * epsilon * epsilon > sum)) continue;
                    again = true;
                    rows.c_low[r] += static_cast<T>(epsilon);
                }
            }
        }
    }
    p.for_each_nan_row([&](int r) { out[r] = kNaN<T>; });
    q.for_each_nan_row([&](int r) { out[r] = kNaN<T>; });
}

template <class T>
std::int64_t kl_divergence(const LogitRows<T>& in_p, const LogitRows<T>& in_q, T* out, std::int64_t stride,
                           void* scratch) {
    const BlockBuffers<T> buffers(scratch, in_p.cols);
    const auto run = [&](auto layout) -> std::int64_t {
        using L = decltype(layout);
        const std::int64_t most = block_rows<T>(in_p.cols);
        Block<L> p, q;
        p.parts = q.parts = buffers.parts;
        for (std::int64_t first = 0; first < in_p.rows; first += most) {
            const int count = static_cast<int>(in_p.rows - first < most ? in_p.rows - first : most);
            load_block(in_p, first, count, buffers.logits, buffers.results, p);
            load_block(in_q, first, count, buffers.results, buffers.spare, q);
            p.ahead = {in_p.data + (first + most) * in_p.row_stride,
                       in_q.data + (first + most) * in_q.row_stride};
            if (p.in_parts()) p.ahead = p.ahead.at(kPartSize<T> - in_p.cols);
            q.ahead = p.ahead;
            p.normalize(Wants<false, false>{});
            q.normalize(Wants<false, false>{});
            const std::int64_t bad_p = p.bad_row(EveryRow{}), bad_q = q.bad_row(EveryRow{});
            if (bad_p >= 0 || bad_q >= 0) return bad_p >= 0 ? bad_p : bad_q;
            alignas(64) T kl[kMostBlockRows];
            kl_divergence_of_block(p, q, kl);
            store_rows(kl, count, out + first * stride, stride);
        }
        return -1;
    };
    return in_p.cols <= kLongestShortRow ? run(ShortRows<T>{}) : run(LongRow<T>{});
}
