// The gradient summed over all samples that share a row of logits, from s_j = the sum of the weights of the samples
// with action j and v = the number of samples, not counting those that contribute nothing:
//     s_j (1 - p_j) - p_j (sum_{k != j} s_k) - c v p_j (log p_j + H)
// so its cost does not grow with the number of samples. A row that no sample visits has gradient 0.

template <class T>
std::int64_t shared_gradient(const LogitRows<T>& in, const double* weight_sums, const double* visits,
                             double entropy_coef, const OutRows<T>& out, bool accumulate, void* scratch) {
    const TileBuffers<T> buffers(scratch, in.cols);
    return map_tiles(in, out, accumulate, buffers,
                     [&](auto layout, const auto& row, const T* z, T* g, std::int64_t first, int count) {
        using L = decltype(layout);
        double log_total[L::rows] = {}, h[L::rows] = {};
        if (entropy_coef != 0) {
            log1p_rows(row.rest, log_total);
            entropy_of<L>(row, log_total, z, buffers.exps, in.cols, h);
        }
        for (int r = 0; r < count; ++r) {
            const double* sums = weight_sums + (first + r) * in.cols;
            const double visited = entropy_coef * visits[first + r];
            if (visits[first + r] == 0 || row.rest[r] != row.rest[r]) {
                fill_row<L>(g, r, in.cols, visits[first + r] == 0 ? T(0) : kNaN<T>);
                continue;
            }
            double sum = 0;
            for (std::int64_t j = 0; j < in.cols; ++j) sum += sums[j];
            const double inverse = 1.0 / row.total(r);
            for (std::int64_t j = 0; j < in.cols; ++j) {
                const std::int64_t i = L::offset(r, j);
                const double e = buffers.exps[i];
                double value = sums[j] * (row.others(r, e) * inverse) - e * inverse * (sum - sums[j]);
                if (visited != 0 && e != 0)
                    value -= visited * (e * inverse) * (log_prob_of<L>(row, log_total, z, r, j) + h[r]);
                g[i] = z[i] == -kInfinity<T> ? T(0) : canonical(static_cast<T>(value));
            }
        }
    }, [&](std::int64_t row) { return visits[row] != 0; });
}
