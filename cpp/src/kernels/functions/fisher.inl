// The product of a row's Fisher matrix diag(p) - p p^T and a row t: p * (t - p . t).
#pragma once

#include "kernels/rows/pack.inl"
#include "kernels/rows/reduce.inl"

namespace scorefn {
namespace {

// `out` may be p or t. Where p is 0, t may be anything, and the product is 0. What the mean loses where t is large beside its
// differences is in the mean of what is left.
template <class T>
SCOREFN_INLINE void fisher_product_of_row(const T* p, const T* t, std::int64_t cols, T* out) {
    const auto product = [&](std::int64_t j, auto extent, T mean, T rest) SCOREFN_INLINE_LAMBDA {
        const auto p_j = load(p + j, extent, T(0));
        return select(p_j == T(0), T(0), p_j * ((load(t + j, extent, T(0)) - mean) - rest));
    };
    const auto sum = [&](T mean) SCOREFN_INLINE_LAMBDA {
        Sum<T> sum;
        for_each_vector<T, 1>(cols, [&](std::int64_t j, auto extent)
                                        SCOREFN_INLINE_LAMBDA { sum.add(product(j, extent, mean, T(0))); });
        return static_cast<T>(fold_sum(sum.total()));
    };
    const T mean = sum(T(0)), rest = sum(mean);
    for_each_vector<T, 1>(cols, [&](std::int64_t j, auto extent) SCOREFN_INLINE_LAMBDA {
        store(product(j, extent, mean, rest), out + j, extent);
    });
}

// For rows of t, and of `out`, whose columns follow each other; 0 for those of t that do not count. `scratch` holds a row.
template <class T>
void fisher_products(const LogitRows<T>& p, const LogitRows<T>& t, const OutRows<T>& out, void* scratch) {
    T* const copy = static_cast<T*>(scratch);
    for (std::int64_t r = 0; r < p.rows; ++r) {
        if (!is_valid(t.valid, r)) {
            for (std::int64_t j = 0; j < p.cols; ++j) out.data[r * out.row_stride + j] = T(0);
            continue;
        }
        if (p.col_stride != 1) pack(p, r, 1, copy);
        fisher_product_of_row(p.col_stride == 1 ? p.data + r * p.row_stride : copy, t.data + r * t.row_stride,
                              p.cols, out.data + r * out.row_stride);
    }
}

}  // namespace
}  // namespace scorefn
