// The product of a row's Fisher matrix diag(p) - p p^T and a row t: p * (t - p . t).
#pragma once

#include "kernels/rows/pack.inl"
#include "kernels/rows/reduce.inl"

namespace scorefn {
namespace {

// The largest t of a most likely action, if it is finite. What is taken from t first changes nothing but the rounding: little
// cancels where one action has nearly all the probability, and equal t give exactly 0.
template <class T>
SCOREFN_INLINE T pivot_of_row(const T* p, const T* t, std::int64_t cols) {
    const auto largest = Lanes<T>::splat(max_of_row(p, cols));
    auto found = Lanes<T>::splat(-kInfinity<T>);
    for_each_vector<T, 1>(cols, [&](std::int64_t j, auto extent) SCOREFN_INLINE_LAMBDA {
        const auto is_largest = load(p + j, extent, T(-1)) == largest;
        found = max(select(is_largest, load(t + j, extent, T(0)), -kInfinity<T>), found);
    });
    const T pivot = fold_max(found);
    return pivot - pivot == T(0) ? pivot : T(0);
}

// `out` may be p or t. Where p is 0, t may be anything, and the product is 0.
template <class T>
SCOREFN_INLINE void fisher_product_of_row(const T* p, const T* t, std::int64_t cols, T* out) {
    const T pivot = pivot_of_row(p, t, cols);
    const auto times_p = [&](std::int64_t j, auto extent, T centre) SCOREFN_INLINE_LAMBDA {
        const auto p_j = load(p + j, extent, T(0));
        return select(p_j == T(0), T(0), p_j * ((load(t + j, extent, T(0)) - pivot) - centre));
    };
    Sum<T> sum[1];
    for_each_vector<T, 1>(cols, [&](std::int64_t j, auto extent)
                                    SCOREFN_INLINE_LAMBDA { sum[0].add(times_p(j, extent, T(0))); });
    const T mean = static_cast<T>(fold_sum(sum[0].total()));
    for_each_vector<T, 1>(cols, [&](std::int64_t j, auto extent) SCOREFN_INLINE_LAMBDA {
        store(times_p(j, extent, mean), out + j, extent);
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
