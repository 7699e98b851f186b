// exp(z) = 2^n exp(r) with n = round(z / ln 2) and r = z - n ln 2, |r| <= ln(2) / 2.
//
// What a row needs is its exponentials up to a factor. So no logit is shifted by the largest of its row as long as all
// logits of the row lie within the safe range, where no exponential, no sum of them and no quotient of 1 and such a
// sum leaves the normal numbers: softmax is then one pass, and the exponentials know nothing of rows. Other rows take
// theirs with respect to their largest logit (Shift). Which it is depends on the row alone.
#pragma once

#include "kernels/simd/native.inl"

namespace scorefn {
namespace {

template <class T>
struct ExpConstants;
template <>
struct ExpConstants<float> {
    static constexpr int safe_range = 64;         // n from -64 to 63
    static constexpr float negligible = -176.0f;  // e^(this - the lowest of the range) < 2^-189
    static constexpr float round = 12582912.0f;   // 1.5 * 2^23: adding it rounds to an integer n
    static constexpr std::uint32_t bits_of_round = 0x4b400000;  // those of n + round are n more
    static constexpr float log2e = 1.44269504088896341f;
    // ln 2 in two summands of 14 and 15 bits: n times the first is exact up to |n| = 1023, times the second up to 511.
    static constexpr float ln2_high = 0.693115234375f, ln2_low = 3.1946226954460144e-05f;
    static constexpr int bias = 127, mantissa = 23;
    static constexpr int terms = 5;
    static constexpr float tail[terms] = {0.49999994f, 0.1666652f, 0.041668393f, 0.008368781f, 0.0013814467f};
    // Of rows that leave the safe range:
    static constexpr float shift_from =
        265.0f;  // z - max is exact where it counts from there on (Sterbenz's lemma)
    static constexpr float lowest = -130.9f;  // less than this below the largest counts as this: 0, but for z
    static constexpr int headroom = 64;  // a factor 2^64 keeps even the smallest normal, with all its digits:
                                         // they may be many, and their sum is then what counts
    static constexpr float inverse_headroom = 0x1p-64f;
    // A weight between these may be divided by any sum of exponentials: the quotient is a normal number.
    static constexpr float smallest_weight = 0x1p-40f, largest_weight = 0x1p60f;
    static constexpr float unit = 0x1p24f, large_unit = 0x1p60f;  // of larger weights
};
template <>
struct ExpConstants<double> {
    static constexpr int safe_range = 512;
    static constexpr double negligible = -1152.0;
    static constexpr double round = 6755399441055744.0;  // 1.5 * 2^52
    static constexpr std::uint64_t bits_of_round = 0x4338000000000000;
    static constexpr double log2e = 1.4426950408889634074;
    static constexpr double ln2_high = 0.69314718036912381649,
                            ln2_low = 1.9082149292705572e-10;  // 32, 43 bits
    static constexpr int bias = 1023, mantissa = 52;
    static constexpr int terms = 11;
    static constexpr double tail[terms] = {0.5,
                                           0.16666666666666671,
                                           0.041666666666666671,
                                           0.0083333333333261358,
                                           0.0013888888888883748,
                                           0.00019841269874820627,
                                           2.4801587325547743e-05,
                                           2.7557255400206422e-06,
                                           2.7557273643110297e-07,
                                           2.5105217004720745e-08,
                                           2.0914686968086876e-09};
    static constexpr double shift_from = 1596.0, lowest = -796.0;
    static constexpr int headroom = 128;
    static constexpr double inverse_headroom = 0x1p-128;
    static constexpr double smallest_weight = 0x1p-400, largest_weight = 0x1p400;
    static constexpr double unit = 0x1p53, large_unit = 0x1p500;
};

// c[0] + c[1] x + c[2] x^2 + ... by Horner's rule for pairs of terms: half as long a chain of operations that wait for one
// another, at one operation more.
template <int Terms, class T, int N>
SCOREFN_INLINE Lanes<T, N> polynomial(Lanes<T, N> x, const T (&c)[Terms]) {
    const Lanes<T, N> x2 = x * x;
    constexpr int last = (Terms - 1) / 2 * 2;
    Lanes<T, N> sum =
        last + 1 < Terms ? x * c[last + 1 < Terms ? last + 1 : 0] + c[last] : Lanes<T, N>::splat(c[last]);
#pragma GCC unroll 8
    for (int k = last - 2; k >= 0; k -= 2) sum = sum * x2 + (x * c[k + 1] + c[k]);
    return sum;
}

// exp(r) for |r| <= ln(2) / 2
template <class T, int N>
SCOREFN_INLINE Lanes<T, N> exp_reduced(Lanes<T, N> r) {
    return T(1) + (r + r * r * polynomial(r, ExpConstants<T>::tail));
}

template <class T, int N>
SCOREFN_INLINE Lanes<T, N> at_least(T lowest, Lanes<T, N> a) {  // a NaN stays one
    return select(a < lowest, lowest, a);
}

// Which n have been seen, those of logits that are as good as -inf left out.
template <class T>
struct SafeRange {
    using C = ExpConstants<T>;
    using Unsigned = typename UnsignedOf<T>::type;
    Lanes<Unsigned> seen = Lanes<Unsigned>::splat(0);  // n + safe_range of all, each bit that any has

    SCOREFN_INLINE bool holds() const { return !any(seen & ~Unsigned(2 * C::safe_range - 1)); }
};

// exp(z) if z is within the safe range, 0 if it is far below.
template <class T, int N>
SCOREFN_INLINE Lanes<T, N> exp_within(Lanes<T, N> z, SafeRange<T>& range) {
    using C = ExpConstants<T>;
    using Unsigned = typename SafeRange<T>::Unsigned;
    constexpr Unsigned zero = C::bits_of_round;
    const Lanes<T, N> rounded = z * C::log2e + C::round;
    const Lanes<T, N> n = rounded - C::round;
    // Both products are exact within the range.
    const Lanes<T, N> r = minus_exact_product(minus_exact_product(z, n, C::ln2_high), n, C::ln2_low);
    const auto is_negligible = z <= C::negligible;  // no NaN is
    const auto n_bits = bits<Unsigned>(rounded);
    const auto e = bits<Unsigned>(exp_reduced(r)) + (n_bits << Unsigned(C::mantissa));
    const auto places = select(is_negligible, Unsigned(0), n_bits + Unsigned(C::safe_range - zero));
    for (int k = 0; k < N; ++k) range.seen = range.seen | places[k];
    return bits<T>(select(is_negligible, Unsigned(0), e));
}

// What exp needs to know of the largest logit of a row that leaves the safe range.
template <class T>
struct Shift {
    using C = ExpConstants<T>;
    using Unsigned = typename SafeRange<T>::Unsigned;
    T by;      // max if it is far from 0: then z - by is exact and takes the place of z; else 0
    T max;     // max - by
    T lowest;  // of z - by, if it is not -inf
    // Turns the bits of n + round into the exponent of 2^(n - N + headroom), N the n of max.
    Unsigned bias;

    SCOREFN_INLINE explicit Shift(T largest) {
        const bool is_near = largest * largest < C::shift_from * C::shift_from;
        by = is_near ? T(0) : largest;
        max = is_near ? largest : T(0);
        lowest = max + C::lowest;
        bias = Unsigned(C::bias + C::headroom) -
               bits<Unsigned>(Lanes<T>::splat(max * C::log2e + C::round)).reg[0][0];
    }
};

// 2^headroom exp(z - shift.by - N ln 2), 0 only for -inf; NaN if z is NaN or +inf.
template <class T, int N>
SCOREFN_INLINE Lanes<T, N> exp_shifted(Lanes<T, N> z, const Shift<T>& shift) {
    using C = ExpConstants<T>;
    using Unsigned = typename SafeRange<T>::Unsigned;
    const Lanes<T, N> x = at_least(shift.lowest, z - shift.by);
    const Lanes<T, N> rounded = x * C::log2e + C::round;
    const Lanes<T, N> n = rounded - C::round;
    const Lanes<T, N> r = (x - n * C::ln2_high) - n * C::ln2_low;
    const auto power = bits<T>((bits<Unsigned>(rounded) + shift.bias) << Unsigned(C::mantissa));
    return select(z != -kInfinity<T>, exp_reduced(r) * power, T(0));
}

// exp(x) for x <= 0. The only rounding of a subnormal result is that of the last product.
template <class T, int N>
SCOREFN_INLINE Lanes<T, N> exp_nonpositive(Lanes<T, N> x) {
    return exp_shifted(x, Shift<T>(T(0))) * ExpConstants<T>::inverse_headroom;
}

}  // namespace
}  // namespace scorefn
