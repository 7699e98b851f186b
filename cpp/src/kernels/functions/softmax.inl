// log_softmax, softmax and logsumexp of rows.
#pragma once

#include "kernels/rows/for_each_tile.inl"

namespace scorefn {
namespace {

template <class T>
std::int64_t log_softmax(const LogitRows<T>& in, const OutRows<T>& out, void* scratch) {
    return for_each_tile(in, &out, false, true, scratch, [&](auto& rows) SCOREFN_INLINE_LAMBDA {
        const MaxAndRest<T> sums = rows.template max_and_rest<kNoDifferences>();
        const T* const z = rows.z();
        rows.map({sums.max, narrow(sums.log_total())},
                 [&](std::int64_t i, auto extent, auto& v)
                     SCOREFN_INLINE_LAMBDA { return (load(z + i, extent, T(0)) - v[0]) - v[1]; });
        rows.for_each_bad_row([&](int r) { rows.fill_row(r, kNaN<T>); });
    });
}

template <class T>
std::int64_t softmax(const LogitRows<T>& in, const OutRows<T>& out, void* scratch) {
    return for_each_tile(in, &out, false, false, scratch, [&](auto& rows) SCOREFN_INLINE_LAMBDA {
        const Total<T> exps = rows.sum();
        const T* const e = rows.e();
        rows.map({narrow(1.0 / exps.total())},
                 [&](std::int64_t i, auto extent, auto& v)
                     SCOREFN_INLINE_LAMBDA { return load(e + i, extent, T(0)) * v[0]; });
        rows.for_each_bad_row([&](int r) { rows.fill_row(r, kNaN<T>); });
    });
}

template <class T>
std::int64_t logsumexp(const LogitRows<T>& in, T* out, std::int64_t stride, void* scratch) {
    return for_each_tile(in, true, scratch, [&](auto& rows) SCOREFN_INLINE_LAMBDA {
        const MaxAndRest<T> sums = rows.template max_and_rest<kNoDifferences>();
        const auto values = narrow(widen(sums.max) + sums.log_total());
        store_rows(rows.with_nan(values), rows.first(), rows.count, out, stride);
    });
}

}  // namespace
}  // namespace scorefn
