// Exponentials, whatever rows they are of, and what reduces a long row (lane = column) to a few numbers.
#pragma once

#include "kernels/math/exp.inl"
#include "kernels/simd/sums.inl"
#include "kernels/table.hpp"

namespace scorefn {
namespace {

// One NaN for all: which NaN an operation gives, and so its bits, may depend on the ISA.
template <class T>
SCOREFN_INLINE T canonical(T x) {
    return x == x ? x : kNaN<T>;
}

SCOREFN_INLINE bool is_short(std::int64_t cols) { return cols <= kLongestShortRow; }

// e[i] = exp(z[i]). False if a z was outside the safe range: then the e are of no use. `ahead` is what is read next,
// fetched from memory while this keeps the CPU busy. The last vector is written whole, with 1 = exp(0) behind the end.
template <class T>
SCOREFN_NO_INLINE bool exps(const T* z, std::int64_t n, T* e, const T* ahead) {
    SafeRange<T> range;
    for_each_vector<T>(n, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        fetch(ahead + i, extent);
        exp_within(load(z + i, extent, T(0)), range).store(e + i);
    });
    return range.holds();
}
// The same shifted by the largest z of the row: see exp_shifted.
template <class T>
SCOREFN_NO_INLINE void shifted_exps(T max, const T* z, std::int64_t n, T* e) {
    const Shift<T> shift(max);
    for_each_vector<T>(n, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        store(exp_shifted(load(z + i, extent, T(0)), shift), e + i, extent);
    });
}
// The same of one logit.
template <class T>
SCOREFN_INLINE T exp_within(T z) {
    SafeRange<T> range;
    return exp_within(Lanes<T>::splat(z), range).reg[0][0];
}
template <class T>
SCOREFN_INLINE T exp_shifted(T max, T z) {
    return exp_shifted(Lanes<T>::splat(z), Shift<T>(max)).reg[0][0];
}

// max_j z_j, leaving out NaN.
template <class T>
SCOREFN_NO_INLINE T max_of_row(const T* z, std::int64_t n) {
    constexpr std::int64_t size = Lanes<T>::size;
    Lanes<T> m[4];
    for (auto& x : m) x = Lanes<T>::splat(-kInfinity<T>);
    std::int64_t i = 0;
    for (; i + 4 * size <= n; i += 4 * size)
        for (int k = 0; k < 4; ++k) m[k] = max(Lanes<T>::load(z + i + k * size), m[k]);
    for (; i + size <= n; i += size) m[0] = max(Lanes<T>::load(z + i), m[0]);
    if (i < n) m[0] = max(load_partial(z + i, n - i, -kInfinity<T>), m[0]);
    return fold_max(max(max(m[0], m[1]), max(m[2], m[3])));
}

// sum_j e_j
template <class T>
SCOREFN_NO_INLINE double sum_of_row(const T* e, std::int64_t n) {
    Sum<T> sums[1];
    sum_vectors<T>(n, sums, [&](std::int64_t j, auto extent, auto& x) SCOREFN_INLINE_LAMBDA {
        x[0] = load(e + j, extent, T(0));
    });
    return fold_sum(sums[0].total());
}
// The same without e[action].
template <class T>
SCOREFN_INLINE double rest_of_row(T* e, std::int64_t n, std::int64_t action) {
    const T term = e[action];
    e[action] = T(0);
    const double sum = sum_of_row(e, n);
    e[action] = term;
    return sum;
}

// sum_j e_j without the largest terms, which makes log p and entropy exact where these are nearly all.
struct SumsBelowMax {
    double below;        // of the e_j that are not e_max, that of the largest logit
    double num_largest;  // how many are
    double differences;  // of e_j (z_j - max), if asked for; every term is <= 0

    SCOREFN_INLINE double rest(double e_max) const { return below + (num_largest - 1.0) * e_max; }
};

// z - max, where it counts: an e that is far below the largest, or 0, may be multiplied with it.
template <class T>
constexpr double kLowestDifference = ExpConstants<T>::lowest;
template <class T, int N>
SCOREFN_INLINE Lanes<T, N> difference(Lanes<T, N> z, Lanes<T> max) {
    return at_least(T(kLowestDifference<T>), z - max);
}

// Whether sums_of_row() and the like take the differences, too.
constexpr bool kWithDifferences = true, kNoDifferences = false;

template <bool Differences, class T>
SCOREFN_NO_INLINE SumsBelowMax sums_of_row(const T* z, const T* e, std::int64_t n, T max, T e_max) {
    const auto largest = Lanes<T>::splat(max), e_largest = Lanes<T>::splat(e_max);
    Lanes<T> below = Lanes<T>::splat(0);
    Sum<T> sums[Differences ? 2 : 1];
    sum_vectors<T>(n, sums, [&](std::int64_t j, auto extent, auto& x) SCOREFN_INLINE_LAMBDA {
        const auto term = load(e + j, extent, T(0));
        const auto is_below = term != e_largest;
        for (int k = 0; k < term.registers / kRegisters; ++k)
            below = select(is_below[k], below + T(1), below);
        x[0] = select(is_below, term, T(0));
        if constexpr (Differences) x[1] = term * difference(load(z + j, extent, T(0)), largest);
    });
    const std::int64_t terms = (n + Lanes<T>::size - 1) / Lanes<T>::size * Lanes<T>::size;
    return {fold_sum(sums[0].total()), static_cast<double>(terms) - fold_sum(widen(below)),
            Differences ? fold_sum(sums[Differences ? 1 : 0].total()) : 0.0};
}

}  // namespace
}  // namespace scorefn
