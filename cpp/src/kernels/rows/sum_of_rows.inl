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

    SCOREFN_INLINE void add(Widened<T> x, const CountedRows<T>& rows) {
        if (rows.are_a_whole_tile) {
            sum = sum + x;
            return;
        }
        const auto flags = Widened<T>::load(rows.flags);
        unrolled<Widened<T>::count>([&](int p) SCOREFN_INLINE_LAMBDA {
            sum.lanes[p] = select(flags.lanes[p] == 0.0, sum.lanes[p], sum.lanes[p] + x.lanes[p]);
        });
    }
    SCOREFN_INLINE void add_to(double* total) const {
        if (total) *total += canonical(fold_sum(sum));
    }
};

}  // namespace
}  // namespace scorefn
