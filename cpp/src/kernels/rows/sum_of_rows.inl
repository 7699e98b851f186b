// Sums over rows of one value per row.
#pragma once

#include "kernels/rows/reduce.inl"

namespace scorefn {
namespace {

// Adds up rows, lane by lane; those that are not there do not count.
template <class T>
struct SumOfRows {
    Widened<T> sum = Widened<T>::splat(0);

    SCOREFN_INLINE void add(Widened<T> x, int count) {
        if (count == Lanes<T>::size) {
            sum = sum + x;
            return;
        }
        double lanes[Lanes<T>::size] = {}, all[Lanes<T>::size];
        x.store(all);
        for (int r = 0; r < count; ++r) lanes[r] = all[r];
        sum = sum + Widened<T>::load(lanes);
    }
    SCOREFN_INLINE void add_to(double* total) const {
        if (total) *total += canonical(fold_sum(sum));
    }
};

}  // namespace
}  // namespace scorefn
