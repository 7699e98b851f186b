// exp(z - max) for many z <= max: 2^n exp(r) with n = round((z - max) / ln 2), |r| <= ln(2) / 2.
// z - max rounded would not do: half an ulp of a difference near -100 is 32 ulp of its exp. So max is split once, into
// N ln 2 + rest, and r = z - (n + N) ln 2 - rest, where every difference is exact or small.

template <class T>
struct ExpConstants;
template <>
struct ExpConstants<float> {
    static constexpr float lowest = -132.4f;     // n = -191, where the bits of 2^(n + spare) are those of 0
    static constexpr float far = 265.0f;         // z - max is exact from twice -lowest on (Sterbenz's lemma)
    static constexpr float round = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
    static constexpr float log2e = 1.44269504088896341f;
    static constexpr float ln2_high = 0.693115234375f;  // 13 bits: times n + N it is exact
    static constexpr float ln2_low = 3.1946184945309417e-05f;
    static constexpr int bias = 127, mantissa = 23, spare = 64;
    static constexpr float unspare = 0x1p-64f;
    static constexpr int terms = 5;
    static constexpr float tail[terms] = {0.49999994f, 0.1666652f, 0.041668393f, 0.008368781f, 0.0013814467f};
};
template <>
struct ExpConstants<double> {
    static constexpr double lowest = -797.8;
    static constexpr double far = 1596.0;
    static constexpr double round = 6755399441055744.0;  // 1.5 * 2^52
    static constexpr double log2e = 1.4426950408889634074;
    static constexpr double ln2_high = 0.69314718036912381649;  // 32 bits
    static constexpr double ln2_low = 1.9082149292705877e-10;
    static constexpr int bias = 1023, mantissa = 52, spare = 128;
    static constexpr double unspare = 0x1p-128;
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

// What exp(z - max) needs to know of max, in every lane.
template <class T>
struct Origin {
    using C = ExpConstants<T>;
    using Int = typename IntegerOf<T>::type;
    Lanes<T> shift;   // max if it is far from 0: then z - shift is exact and takes the place of z; else 0
    Lanes<T> max;     // max - shift
    Lanes<T> lowest;  // of z - shift: exp is 0 from there on down
    Lanes<T> round;   // adding it rounds to an integer and adds N
    Lanes<T> rest;    // max - shift - N ln 2
    Lanes<Int>
        bias;  // bias + spare - N in its last bits: what turns those of n + N into the exponent of 2^(n + spare)

    SCOREFN_INLINE explicit Origin(Lanes<T> largest) {
        const Mask<T> is_near = largest * largest < C::far * C::far;
        shift = select(is_near, T(0), largest);
        max = select(is_near, largest, T(0));
        lowest = max + C::lowest;
        round = max * C::log2e + C::round;
        const Lanes<T> n = round - C::round;
        rest = (max - n * C::ln2_high) - n * C::ln2_low;
        bias = Int(C::bias + C::spare) - bits<Int>(round);
    }
};

template <class T, int N>
SCOREFN_INLINE Lanes<T, N> at_least(Lanes<T> lowest, Lanes<T, N> a) {  // a NaN stays one
    for (int p = 0; p < a.parts; ++p)
        a.part[p] = a.part[p] < lowest.part[p % kParts] ? lowest.part[p % kParts] : a.part[p];
    return a;
}

template <class T, int N>
struct Exp {
    Lanes<T, N> scaled;  // 2^spare exp(z - max), which keeps even the smallest normal, with all its digits:
                         // they may be many, and their sum is then what counts
    Lanes<T, N> difference;  // z - max, rounded; never below ExpConstants<T>::lowest
};
template <class T, int N>
SCOREFN_INLINE Exp<T, N> exp_below(Lanes<T, N> z, const Origin<T>& origin) {
    using C = ExpConstants<T>;
    using Int = typename IntegerOf<T>::type;
    z = at_least(origin.lowest, z - origin.shift);
    const Lanes<T, N> difference = z - origin.max;
    const Lanes<T, N> rounded = difference * C::log2e + origin.round;
    const Lanes<T, N> n = rounded - C::round;
    const Lanes<T, N> r = (z - n * C::ln2_high) - (n * C::ln2_low + origin.rest);
    const Lanes<T, N> exp_r = T(1) + (r + r * r * polynomial(r, C::tail));
    const Lanes<T, N> power = bits<T>((bits<Int>(rounded) + origin.bias) << Int(C::mantissa));
    return {exp_r * power, difference};
}

// exp(x) for x <= 0. The only rounding of a subnormal result is that of the last product.
template <class T, int N>
SCOREFN_INLINE Lanes<T, N> exp_nonpositive(Lanes<T, N> x) {
    return exp_below(x, Origin<T>(Lanes<T>::splat(0))).scaled * ExpConstants<T>::unspare;
}
