// Rows as they lie in memory, and rows without gaps, as kernels want them.
#pragma once

#include <cstring>

#include "kernels/rows/valid.inl"
#include "kernels/simd/nontemporal.inl"

namespace scorefn {
namespace {

template <class T>
SCOREFN_INLINE bool has_gaps(const LogitRows<T>& in) {
    return in.col_stride != 1 || in.where || (in.row_stride != in.cols && in.rows > 1);
}
template <class T>
SCOREFN_INLINE bool has_gaps(const OutRows<T>& out, std::int64_t rows) {
    return out.col_stride != 1 || (out.row_stride != out.cols && rows > 1);
}

// Columns first .. first + count - 1.
template <class T>
SCOREFN_INLINE LogitRows<T> columns(LogitRows<T> in, std::int64_t first, std::int64_t count) {
    in.data += first * in.col_stride;
    if (in.where) in.where += first * in.where_col_stride;
    in.cols = count;
    return in;
}
template <class T>
SCOREFN_INLINE OutRows<T> columns(OutRows<T> out, std::int64_t first, std::int64_t count) {
    out.data += first * out.col_stride;
    out.cols = count;
    return out;
}

// -inf where masked; rows that do not count are 0.
template <class T>
SCOREFN_NO_INLINE void pack(const LogitRows<T>& in, std::int64_t first, std::int64_t count, T* z) {
    T* const rows = z;
    if (!has_gaps(in)) {
        std::memcpy(z, in.data + first * in.cols, static_cast<std::size_t>(count * in.cols) * sizeof(T));
        return clear_invalid(in.valid, first, count, in.cols, rows);
    }
    for (std::int64_t r = first; r < first + count; ++r, z += in.cols) {
        const T* const x = in.data + r * in.row_stride;
        if (in.col_stride == 1)
            for (std::int64_t j = 0; j < in.cols; ++j) z[j] = x[j];
        else
            for (std::int64_t j = 0; j < in.cols; ++j) z[j] = x[j * in.col_stride];
        if (!in.where) continue;
        const unsigned char* const allowed = in.where + r * in.where_row_stride;
        if (in.where_col_stride == 1)
            for (std::int64_t j = 0; j < in.cols; ++j) z[j] = allowed[j] ? z[j] : -kInfinity<T>;
        else
            for (std::int64_t j = 0; j < in.cols; ++j)
                z[j] = allowed[j * in.where_col_stride] ? z[j] : -kInfinity<T>;
    }
    if (in.valid.flags) clear_invalid(in.valid, first, count, in.cols, rows);
}

// NaN with one sign and payload: which of its operands' an addition passes on may depend on the ISA.
template <class T>
SCOREFN_INLINE T sum_of(T a, T b) {
    const T sum = a + b;
    return sum == sum ? sum : kNaN<T>;
}
template <class T>
SCOREFN_NO_INLINE void unpack(const T* g, const OutRows<T>& out, std::int64_t first, std::int64_t count,
                              bool accumulate) {
    T* const to = out.data + first * out.row_stride;
    if (!has_gaps(out, count)) {
        const std::int64_t n = count * out.cols;
        if (accumulate) {
            for (std::int64_t i = 0; i < n; ++i) to[i] = sum_of(to[i], g[i]);
        } else if (out.is_nontemporal) {
            NonTemporalStore<T> nontemporal(to);
            nontemporal.put(0, n, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
                return load(g + i, extent, T(0));
            });
            nontemporal.finish();
            store_fence();
        } else {
            std::memcpy(to, g, static_cast<std::size_t>(n) * sizeof(T));
        }
        return;
    }
    for (std::int64_t r = 0; r < count; ++r, g += out.cols) {
        T* const x = to + r * out.row_stride;
        for (std::int64_t j = 0; j < out.cols; ++j) {
            T& entry = x[j * out.col_stride];
            entry = accumulate ? sum_of(entry, g[j]) : g[j];
        }
    }
}

}  // namespace
}  // namespace scorefn
