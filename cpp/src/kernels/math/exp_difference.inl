// exp(a - b) for any a and b.
#pragma once

#include "kernels/math/exp.inl"
#include "kernels/simd/sums.inl"

namespace scorefn {
namespace {

// exp(x) for any x, by way of exp(-|x|): 1 / exp(-x) is infinite where exp(x) is.
SCOREFN_INLINE Lanes<double> exp_of(Lanes<double> x) {
    const auto is_positive = Lanes<double>::splat(0) < x;
    const auto e = exp_nonpositive(select(is_positive, 0.0 - x, x));
    return select(is_positive, 1.0 / e, e);
}
// Whether exp(x) is surely within the safe range: 0.69 = ln 2.
template <class T, class X>
SCOREFN_INLINE Mask<X> is_near_zero(Lanes<X> x) {
    constexpr X most = X(0.6875) * ExpConstants<T>::safe_range;
    return (Lanes<X>::splat(-most) < x) & (x < most);
}
template <class T>
SCOREFN_NO_INLINE Widened<T> with_large_differences(Widened<T> exps, Lanes<T> a, Lanes<T> b) {
    const auto x = widen(a) - widen(b), rounded = widen(a - b);
    unrolled<Widened<T>::count>([&](int p) SCOREFN_INLINE_LAMBDA {
        exps.lanes[p] = select(is_near_zero<T>(rounded.lanes[p]), exps.lanes[p], exp_of(x.lanes[p]));
    });
    return exps;
}
// exp(a - b), exact to a few ULP of T however much a - b is rounded, in double as it may be beyond the range of T.
template <class T>
SCOREFN_INLINE Widened<T> exp_of_difference(Lanes<T> a, Lanes<T> b) {
    const auto x = a - b;
    SafeRange<T> range;
    const auto e = exp_within(x, range);
    auto exps = widen(e + e * lost_in(x, a, T(0) - b));
    if (any(is_near_zero<T>(x) ^ Mask<T>::splat(-1))) {
        // Lane by lane: a copy of the whole result of a call would keep both in memory.
        const auto all = with_large_differences(exps, a, b);
        unrolled<Widened<T>::count>([&](int p) SCOREFN_INLINE_LAMBDA { exps.lanes[p] = all.lanes[p]; });
    }
    return exps;
}

}  // namespace
}  // namespace scorefn
