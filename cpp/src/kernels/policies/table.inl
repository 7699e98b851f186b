// The gradient summed over all samples that share a row of logits, from s_j = the sum of the weights of the samples
// with action j and v = the number of samples, not counting those that contribute nothing:
//     s_j (1 - p_j) - p_j (sum_{k != j} s_k) - c v p_j (log p_j + H)
// so its cost does not grow with the number of samples. A row that no sample visits has gradient 0. All in double: the
// terms may cancel. As in row_gradient.inl, log p_j + H = (z_j - max) - m with m = sum_k p_k (z_k - max).
#pragma once

#include "kernels/rows/for_each_tile.inl"

namespace scorefn {
namespace {

// Of each row: sum_j s_j, the largest e and the sum of the others, 1 / total; max, m and c v.
struct StateRow {
    Lanes<double> sum, e_max, rest, inverse, max, m, scale;
};

template <bool Entropy, class T, class Extent>
SCOREFN_INLINE void state_gradient_of_entries(const StateRow& row, const T* z, const T* e, const double* s,
                                              T* to, Extent extent) {
    const auto e_j = load_doubles(e, extent), s_j = load_doubles(s, extent), z_j = load_doubles(z, extent);
    const auto others = select(e_j == row.e_max, row.rest, row.rest + (row.e_max - e_j));
    auto value = s_j * (others * row.inverse) - e_j * row.inverse * (row.sum - s_j);
    if constexpr (Entropy) {
        const auto log_p_and_h = (z_j - row.max) - row.m;
        value = select(e_j == 0.0, value, value - row.scale * (e_j * row.inverse) * log_p_and_h);
    }
    value = select(value == value, value, kNaN<double>);
    store_doubles(select(z_j == -kInfinity<double>, 0.0, value), to, extent);
}

template <bool Entropy, class T>
std::int64_t state_gradient_of_rows(const LogitRows<T>& in, const double* weight_sums, const double* visits,
                                    double entropy_coef, const OutRows<T>& out, bool accumulate,
                                    void* scratch) {
    return for_each_tile(in, &out, accumulate, true, scratch, [&](auto& rows) SCOREFN_INLINE_LAMBDA {
        const MaxAndRest<T> sums = rows.template max_and_rest<Entropy>();
        const auto inverse = 1.0 / sums.total(), e_max = widen(sums.e_max), max = widen(sums.max);
        const auto m = sums.differences * inverse;
        constexpr int size = Lanes<T>::size;
        double of_e_max[size], of_rest[size], of_inverse[size], of_max[size], of_m[size];
        e_max.store(of_e_max), sums.rest.store(of_rest), inverse.store(of_inverse);
        max.store(of_max), m.store(of_m);
        for (int r = 0; r < rows.count; ++r) {
            const std::int64_t start = r * in.cols;
            const double* const s = weight_sums + rows.first() * in.cols + start;
            const auto all = [](double x) SCOREFN_INLINE_LAMBDA { return Lanes<double>::splat(x); };
            const StateRow row = {all(sum_of_row(s, in.cols)),
                                  all(of_e_max[r]),
                                  all(of_rest[r]),
                                  all(of_inverse[r]),
                                  all(of_max[r]),
                                  all(of_m[r]),
                                  all(entropy_coef * visits[rows.first() + r])};
            for_each_vector<double, 1>(in.cols, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
                state_gradient_of_entries<Entropy>(row, rows.z() + start + i, rows.e() + start + i, s + i,
                                                   rows.to() + start + i, extent);
            });
        }
        rows.for_each_bad_row(
            [&](int r) { rows.fill_row(r, visits[rows.first() + r] == 0 ? T(0) : kNaN<T>); });
    }, visits);
}
template <class T>
std::int64_t state_gradient(const LogitRows<T>& in, const double* weight_sums, const double* visits,
                            double entropy_coef, const OutRows<T>& out, bool accumulate, void* scratch) {
    const auto rows = entropy_coef != 0 ? state_gradient_of_rows<true, T> : state_gradient_of_rows<false, T>;
    return rows(in, weight_sums, visits, entropy_coef, out, accumulate, scratch);
}

}  // namespace
}  // namespace scorefn
