// The gradient summed over all samples that share a row of logits, from s_j = the sum of the weights of the samples
// with action j and v = the number of samples, not counting those that contribute nothing:
//     s_j (1 - p_j) - p_j (sum_{k != j} s_k) - c v p_j (log p_j + H)
// so its cost does not grow with the number of samples. A row that no sample visits has gradient 0. The s_j lie as the
// logits of a tile do. All in double: the terms may cancel.

// The same number for all lanes of a row: lanes 8 p .. 8 p + 7 of Lanes<T>.
template <class L>
SCOREFN_INLINE Lanes<double> spread_doubles(const double* x, int p) {
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

// sum_j s_j of each row of a tile
template <class L, class T = typename L::value_type>
SCOREFN_INLINE void sum_of_weights(const double* s, std::int64_t cols, double (&out)[L::rows]) {
    if constexpr (L::rows == 1) {
        Sum<double> sums[1];
        sum_vectors<double>(cols, sums, [&](std::int64_t j, auto extent, auto& x) SCOREFN_INLINE_LAMBDA {
            x[0] = load(s + j, extent, 0.0);
        });
        LongRow<double>::store_sum(sums[0].total(), out);
    } else {
        Doubles<T> sum = Doubles<T>::splat(0);
        for (std::int64_t j = 0; j < cols; ++j) sum = sum + Doubles<T>::load(s + j * L::rows);
        sum.store(out);
    }
}

// One value of each row of a block.
struct SharedValues {
    alignas(64) double inverse[kMostBlockRows];  // 1 / total
    alignas(64) double max[kMostBlockRows];
    alignas(64) double log_total[kMostBlockRows];
    alignas(64) double h[kMostBlockRows];
    alignas(64) double entropy_scale[kMostBlockRows];  // c v
};

template <class L, bool Entropy>
SCOREFN_NO_INLINE void shared_gradient_of_block(const Block<L>& block, const double* weight_sums,
                                                const double* visits, double entropy_coef) {
    using T = typename L::value_type;
    SharedValues values;
    block.for_each_row_vector([&](int r) {
        const auto rest = Doubles<T>::load(block.rest + r), inverse = 1.0 / (1.0 + rest);
        inverse.store(values.inverse + r);
        if constexpr (Entropy) {
            const auto log_total = log1p_nonnegative(rest);
            log_total.store(values.log_total + r);
            (log_total - Doubles<T>::load(block.differences + r) * inverse).store(values.h + r);
            widen(Lanes<T>::load(block.max + r)).store(values.max + r);
        }
    });
    for (int r = 0; r < block.count; ++r) values.entropy_scale[r] = entropy_coef * visits[block.first + r];
    for (int r = block.count; r % Lanes<T>::size != 0; ++r) values.entropy_scale[r] = 0;

    for (int t = 0; t < block.tiles(); ++t) {
        const int row = t * L::rows;
        const double* const s = weight_sums + (block.first + row) * block.cols;
        double sum[L::rows];
        sum_of_weights<L>(s, block.cols, sum);
        const auto of_rows = [&](const double* x, int p) { return spread_doubles<L>(x + row, p); };
        block.for_each_part([&](std::int64_t first, std::int64_t n, double factor) {
            const T* const z = block.logits_of(t) + first;
            T* const g = block.results_of(t) + first;
            for_each_vector<T, 1>(n, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
                const auto z_i = load(z + i, extent, T(0));
                const Doubles<T> zs = widen(z_i), es = widen(load(g + i, extent, T(0))) * factor,
                                 ss = load_doubles(s + first + i, extent, T());
                Doubles<T> value;
                for (int p = 0; p < value.count; ++p) {
                    const auto e = es.part[p], s_j = ss.part[p];
                    const auto inverse = of_rows(values.inverse, p), rest = of_rows(block.rest, p);
                    const auto others = select(e == 1.0, rest, 1.0 + (rest - e));
                    value.part[p] =
                        s_j * (others * inverse) - e * inverse * (spread_doubles<L>(sum, p) - s_j);
                    if constexpr (Entropy) {
                        const auto log_p =
                            (zs.part[p] - of_rows(values.max, p)) - of_rows(values.log_total, p);
                        const auto term =
                            of_rows(values.entropy_scale, p) * (e * inverse) * (log_p + of_rows(values.h, p));
                        value.part[p] = select(e == 0.0, value.part[p], value.part[p] - term);
                    }
                }
                const auto rounded = narrow(value);
                const auto canonical_value = select(rounded == rounded, rounded, kNaN<T>);
                store(select(z_i == -kInfinity<T>, T(0), canonical_value), g + i, extent);
            });
        });
    }
    block.for_each_nan_row([&](int r) { block.fill_row(r, visits[block.first + r] == 0 ? T(0) : kNaN<T>); });
}

template <class T>
std::int64_t shared_gradient(const LogitRows<T>& in, const double* weight_sums, const double* visits,
                             double entropy_coef, const OutRows<T>& out, bool accumulate, void* scratch) {
    const auto needs_action = [&](std::int64_t row) { return visits[row] != 0; };
    if (entropy_coef != 0)
        return map_blocks(Wants<true, true>{}, in, &out, accumulate, scratch, [&](const auto& block) {
            using L = typename std::decay_t<decltype(block)>::Layout;
            shared_gradient_of_block<L, true>(block, weight_sums, visits, entropy_coef);
        }, needs_action);
    return map_blocks(Wants<true, false>{}, in, &out, accumulate, scratch, [&](const auto& block) {
        using L = typename std::decay_t<decltype(block)>::Layout;
        shared_gradient_of_block<L, false>(block, weight_sums, visits, entropy_coef);
    }, needs_action);
}
