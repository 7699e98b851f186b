// The gradient summed over all samples that share a row of logits, from s_j = the sum of the weights of the samples
// with action j and v = the number of samples, not counting those that contribute nothing:
//     s_j (1 - p_j) - p_j (sum_{k != j} s_k) - c v p_j (log p_j + H)
// so its cost does not grow with the number of samples. A row that no sample visits has gradient 0.

template <class T>
std::int64_t shared_gradient(const LogitRows<T>& in, const double* weight_sums, const double* visits,
                             double entropy_coef, const OutRows<T>& out, bool accumulate, void* scratch) {
    const auto needs_action = [&](std::int64_t row) { return visits[row] != 0; };
    return map_blocks(Wants<true, true>{}, in, &out, accumulate, scratch, [&](const auto& block) {
        alignas(64) T log_totals[kMostBlockRows], h[kMostBlockRows];
        block.for_each_row_vector([&](int r) {
            const auto of_rows = log_total(block, r);
            of_rows.store(log_totals + r);
            entropy(block, r, of_rows).store(h + r);
        });
        for (int r = 0; r < block.count; ++r) {
            const double* sums = weight_sums + (block.first + r) * in.cols;
            const double visited = entropy_coef * visits[block.first + r], rest = block.rest[r];
            if (visits[block.first + r] == 0 || rest != rest) {
                block.fill_row(r, visits[block.first + r] == 0 ? T(0) : kNaN<T>);
                continue;
            }
            double sum = 0;
            for (std::int64_t j = 0; j < in.cols; ++j) sum += sums[j];
            const double inverse = 1.0 / (1.0 + rest);
            for (std::int64_t j = 0; j < in.cols; ++j) {
                const T z = block.logit(r, j);
                const double e = block.result(r, j) * block.factor(j),
                             others = e == 1.0 ? rest : 1.0 + (rest - e);
                double value = sums[j] * (others * inverse) - e * inverse * (sum - sums[j]);
                if (visited != 0 && e != 0)
                    value -= visited * (e * inverse) *
                             (((static_cast<double>(z) - block.max[r]) - log_totals[r]) + h[r]);
                block.result(r, j) = z == -kInfinity<T> ? T(0) : canonical(static_cast<T>(value));
            }
        }
    }, needs_action);
}
