// Sums over many vectors that lose no digits, however many there are: float lanes are added up in double, double
// lanes in double with the rounding errors kept (Neumaier). Two vectors are added before, at the cost of one
// rounding.
#pragma once

#include "kernels/simd/vectors.inl"

namespace scorefn {
namespace {

// What a + b loses where it is rounded to `sum` (Knuth).
template <class T, int N>
SCOREFN_INLINE Lanes<T, N> lost_in(Lanes<T, N> sum, Lanes<T, N> a, Lanes<T, N> b) {
    const auto added = sum - a;
    return (a - (sum - added)) + (b - added);
}

// A sum of doubles, or of lanes of them, that keeps what rounding loses.
template <class Value>
struct Compensated {
    Value sum{}, lost{};

    SCOREFN_INLINE void add(Value x) {
        const Value next = sum + x;
        const Value added = next - sum;
        lost = lost + ((sum - (next - added)) + (x - added));
        sum = next;
    }
    SCOREFN_INLINE Value total() const { return sum + number_or_zero(lost); }

private:
    // What an infinite sum has lost is NaN.
    SCOREFN_INLINE static double number_or_zero(double x) { return x == x ? x : 0.0; }
    SCOREFN_INLINE static Lanes<double> number_or_zero(Lanes<double> x) { return select(x == x, x, 0.0); }
};

template <class T>
struct Sum;

template <>
struct Sum<float> {
    Widened<float> sum = Widened<float>::splat(0);

    SCOREFN_INLINE void add(Lanes<float> x) { sum = sum + widen(x); }
    SCOREFN_INLINE Widened<float> total() const { return sum; }
};

template <>
struct Sum<double> {
    Compensated<Lanes<double>> sum;

    SCOREFN_INLINE void add(Lanes<double> x) { sum.add(x); }
    SCOREFN_INLINE Widened<double> total() const { return {{sum.total()}}; }
};

// S sums along n elements: term(i, extent, x) sets x[0 .. S - 1] to the terms of elements i, i + 1, ... Two vectors
// are added before they are widened, so that one rounding is that of T.
template <class T, int S, class Term>
SCOREFN_INLINE void sum_vectors(std::int64_t n, Sum<T> (&sums)[S], Term term) {
    constexpr std::int64_t size = Lanes<T>::size;
    const auto add_one = [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        Lanes<T> x[S];
        term(i, extent, x);
        for (int s = 0; s < S; ++s) sums[s].add(x[s]);
    };
    std::int64_t i = 0;
    for (; i + 4 * size <= n; i += 4 * size) {
        Lanes<T> x[S][4];
#pragma GCC unroll 1
        for (int k = 0; k < 4; k += kLockstep) {
            Lanes<T, kLockstep> together[S];
            term(i + k * size, Full<kLockstep>{}, together);
            for (int s = 0; s < S; ++s)
                for (int j = 0; j < kLockstep; ++j) x[s][k + j] = together[s][j];
        }
        for (int s = 0; s < S; ++s) {
            sums[s].add(x[s][0] + x[s][1]);
            sums[s].add(x[s][2] + x[s][3]);
        }
    }
    for (; i + size <= n; i += size) add_one(i, Full<1>{});
    if (i < n) add_one(i, Tail{n - i});
}

}  // namespace
}  // namespace scorefn
