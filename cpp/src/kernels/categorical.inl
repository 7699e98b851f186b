// log_prob and entropy of the rows of a block.

// log p(a) = (z_a - max) - log1p(rest): both terms are <= 0, so nothing cancels.
template <class L, class T = typename L::value_type>
SCOREFN_INLINE double log_prob_of(const Normalizer<L>& row, const double (&log_total)[L::rows], const T* z,
                                  int r, std::int64_t action) {
    return (static_cast<double>(z[L::offset(r, action)]) - row.max[r]) - log_total[r];
}

template <class T>
std::int64_t log_prob(const LogitRows<T>& in, const std::int64_t* actions, T* out, std::int64_t stride,
                      void* scratch) {
    const TileBuffers<T> buffers(scratch, in.cols);
    return for_each_tile(in, buffers,
                         [&](auto layout, const auto& row, const T* z, std::int64_t first, int count) {
        using L = decltype(layout);
        double log_total[L::rows];
        log1p_rows(row.rest, log_total);
        for (int r = 0; r < count; ++r)
            out[(first + r) * stride] =
                canonical(static_cast<T>(log_prob_of<L>(row, log_total, z, r, actions[first + r])));
    });
}

// H = log1p(rest) - sum_j p_j (z_j - max), with 0 log 0 = 0: both terms are >= 0, so nothing cancels.
template <class L, class T = typename L::value_type>
SCOREFN_NO_INLINE void entropy_of(const Normalizer<L>& row, const double (&log_total)[L::rows], const T* z,
                                  const T* exps, std::int64_t cols, double (&out)[L::rows]) {
    const Lanes<T> largest = L::spread(row.max);
    sum_vectors<T>(cols * L::rows, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        const auto e = load_padded(exps + i, extent);
        return select(e == T(0), T(0), e * (load(z + i, extent, T(0)) - largest));
    }).store(out);
    for (int r = 0; r < L::rows; ++r) out[r] = log_total[r] - out[r] / row.total(r);
}

template <class T>
std::int64_t entropy(const LogitRows<T>& in, T* out, std::int64_t stride, void* scratch) {
    const TileBuffers<T> buffers(scratch, in.cols);
    return for_each_tile(in, buffers,
                         [&](auto layout, const auto& row, const T* z, std::int64_t first, int count) {
        using L = decltype(layout);
        double log_total[L::rows], h[L::rows];
        log1p_rows(row.rest, log_total);
        entropy_of<L>(row, log_total, z, buffers.exps, in.cols, h);
        for (int r = 0; r < count; ++r) out[(first + r) * stride] = canonical(static_cast<T>(h[r]));
    });
}
