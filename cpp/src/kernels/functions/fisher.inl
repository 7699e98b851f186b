// Products of the Fisher matrix diag(p) - p p^T of each row and a row t beside it: p_j (t_j - sum_k p_k t_k).
#pragma once

#include "kernels/functions/row_terms.inl"

namespace scorefn {
namespace {

// For p = scale * x. What the mean of t loses, where t is large beside its differences, is in the mean of what is left. Where p
// is 0, t may be anything.
template <class T, class Rows>
SCOREFN_NO_INLINE void fisher_products_of_tile(Rows& rows, const T* x, Lanes<T> scale,
                                               const LogitRows<T>& matrix) {
    const Buffers<T> more(rows.block.buffers.more, rows.block.cols);
    const T* const t = load_matrix(rows, matrix, more.z);
    const auto entry = [&](std::int64_t i, auto extent, auto& v) SCOREFN_INLINE_LAMBDA {
        const auto p_i = load(x + i, extent, T(0)) * v[0], t_i = load(t + i, extent, T(0));
        return select(p_i == T(0), T(0), p_i * ((t_i - v[1]) - v[2]));
    };
    const auto zero = Lanes<T>::splat(0);
    const auto mean = narrow(rows.sum(more.e, {scale, zero, zero}, entry));
    const auto rest = narrow(rows.sum(more.e, {scale, mean, zero}, entry));
    rows.map({scale, mean, rest}, entry);
}

// p from logits.
template <class T>
std::int64_t fisher_products(const LogitRows<T>& in, const LogitRows<T>& t, const OutRows<T>& out,
                             void* scratch) {
    return for_each_tile(in, &out, false, true, scratch, [&](auto& rows) SCOREFN_INLINE_LAMBDA {
        const auto scale = narrow(1.0 / rows.sum().total());
        fisher_products_of_tile(rows, rows.e(), scale, t);
        rows.for_each_bad_row([&](int r) { rows.fill_row(r, kNaN<T>); });
    });
}

// p as it is.
template <class T>
std::int64_t fisher_products_of_probabilities(const LogitRows<T>& p, const LogitRows<T>& t,
                                              const OutRows<T>& out, void* scratch) {
    return for_each_tile(p, &out, false, true, scratch, [&](auto& rows) SCOREFN_INLINE_LAMBDA {
        fisher_products_of_tile(rows, rows.z(), Lanes<T>::splat(1), t);
    }, nullptr, false);
}

}  // namespace
}  // namespace scorefn
