// The gradient summed over all samples that share a row of logits, from s_j = the sum of the weights of the samples
// with action j and v = the number of samples, not counting those that contribute nothing:
//     s_j (1 - p_j) - p_j (sum_{k != j} s_k) - c v p_j (log p_j + H)
// so its cost does not grow with the number of samples. A row that no sample visits has gradient 0. The s_j lie as the
// logits of a tile do. All in double: the terms may cancel.

// The same number for all lanes of a row: lanes 8 p .. 8 p + 7 of Lanes<T>.
template <class L>
SCOREFN_INLINE Lanes<double> spread_doubles(const double (&x)[L::rows], int p) {
    return L::rows == 1 ? Lanes<double>::splat(x[0]) : Lanes<double>::load(x + (L::rows == 1 ? 0 : 8 * p));
}

template <int N, class T>
SCOREFN_INLINE Doubles<T> load_doubles(const double* x, Whole<N>, T) {
    return Doubles<T>::load(x);
}
template <class T>
SCOREFN_INLINE Doubles<T> load_doubles(const double* x, Part part, T) {
    double buffer[Lanes<T>::size] = {};
    std::memcpy(buffer, x, static_cast<std::size_t>(part.count) * sizeof(double));
    return Doubles<T>::load(buffer);
}

// sum_j s_j of each row
template <class L, class T = typename L::value_type>
SCOREFN_INLINE void sum_of_weights(const double* s, std::int64_t cols, double (&out)[L::rows]) {
    if constexpr (L::rows == 1) {
        sum_vectors<double>(cols, [&](std::int64_t j, auto extent) SCOREFN_INLINE_LAMBDA {
            return load(s + j, extent, 0.0);
        }).store(out);
    } else {
        Doubles<T> sum = Doubles<T>::splat(0);
        for (std::int64_t j = 0; j < cols; ++j)
            for (int p = 0; p < sum.count; ++p)
                sum.part[p] = sum.part[p] + Lanes<double>::load(s + j * L::rows + 8 * p);
        sum.store(out);
    }
}

template <class L, bool Entropy, class T = typename L::value_type>
SCOREFN_NO_INLINE void shared_gradient_tile(const Normalizer<L>& row, const T* z, const T* exps, T* g,
                                            const double* s, const double* visits, double entropy_coef,
                                            std::int64_t cols, int count) {
    double log_total[L::rows] = {}, h[L::rows] = {};
    if constexpr (Entropy) {
        log1p_rows(row.rest, log_total);
        entropy_of<L>(row, log_total, z, exps, cols, h);
    }
    double sum[L::rows], inverse[L::rows], rest[L::rows], largest[L::rows], entropy_scale[L::rows] = {};
    sum_of_weights<L>(s, cols, sum);
    for (int r = 0; r < L::rows; ++r) {
        inverse[r] = 1.0 / row.total(r);
        rest[r] = row.rest[r];
        largest[r] = row.max[r];
        if (Entropy && r < count) entropy_scale[r] = entropy_coef * visits[r];
    }
    for_each_vector<T, 1>(cols * L::rows, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        const auto z_i = load(z + i, extent, T(0));
        const Doubles<T> zs = widen(z_i), es = widen(load_padded(exps + i, extent)),
                         ss = load_doubles(s + i, extent, T());
        Doubles<T> value;
        for (int p = 0; p < value.count; ++p) {
            const auto e = es.part[p], s_j = ss.part[p];
            const auto inverse_p = spread_doubles<L>(inverse, p), rest_p = spread_doubles<L>(rest, p);
            const auto others = select(e == 1.0, rest_p, 1.0 + (rest_p - e));
            value.part[p] = s_j * (others * inverse_p) - e * inverse_p * (spread_doubles<L>(sum, p) - s_j);
            if constexpr (Entropy) {
                const auto log_p =
                    (zs.part[p] - spread_doubles<L>(largest, p)) - spread_doubles<L>(log_total, p);
                const auto term =
                    spread_doubles<L>(entropy_scale, p) * (e * inverse_p) * (log_p + spread_doubles<L>(h, p));
                value.part[p] = select(e == 0.0, value.part[p], value.part[p] - term);
            }
        }
        const auto rounded = narrow<T>(value);
        const auto canonical_value = select(rounded == rounded, rounded, kNaN<T>);
        store(select(z_i == -kInfinity<T>, T(0), canonical_value), g + i, extent);
    });
    for (int r = 0; r < count; ++r)
        if (row.rest[r] != row.rest[r]) fill_row<L>(g, r, cols, visits[r] == 0 ? T(0) : kNaN<T>);
}

template <class T>
std::int64_t shared_gradient(const LogitRows<T>& in, const double* weight_sums, const double* visits,
                             double entropy_coef, const OutRows<T>& out, bool accumulate, void* scratch) {
    const TileBuffers<T> buffers(scratch, in.cols);
    return map_tiles(in, out, accumulate, buffers,
                     [&](auto layout, const auto& row, const T* z, T* g, std::int64_t first, int count) {
        using L = decltype(layout);
        const auto tile = entropy_coef != 0 ? shared_gradient_tile<L, true> : shared_gradient_tile<L, false>;
        tile(row, z, buffers.exps, g, weight_sums + first * in.cols, visits + first, entropy_coef, in.cols,
             count);
    }, [&](std::int64_t row) { return visits[row] != 0; });
}
