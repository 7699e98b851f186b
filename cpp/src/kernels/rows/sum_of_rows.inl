// Sums over rows of one value per row.
#pragma once

#include "kernels/rows/reduce.inl"
#include "kernels/rows/valid.inl"

namespace scorefn {
namespace {

// Adds up rows, lane by lane.
template <class T>
struct SumOfRows {
    Widened<T> sum = Widened<T>::splat(0);

    SCOREFN_INLINE void add(Widened<T> x, const CountedRows& rows) {
        if (rows.count == Lanes<T>::size && !rows.valid.flags) {
            sum = sum + x;
            return;
        }
        double lanes[Lanes<T>::size] = {}, all[Lanes<T>::size];
        x.store(all);
        for (int r = 0; r < rows.count; ++r) lanes[r] = is_valid(rows.valid, rows.first + r) ? all[r] : 0.0;
        sum = sum + Widened<T>::load(lanes);
    }
    SCOREFN_INLINE void add_to(double* total) const {
        if (total) *total += canonical(fold_sum(sum));
    }
};

}  // namespace
}  // namespace scorefn
