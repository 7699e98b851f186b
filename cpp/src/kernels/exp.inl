// exp on (-inf, 0]: exp(d) = 2^n exp(r), n = round(d / ln 2), |r| <= ln(2) / 2.

template <class T>
struct ExpConstants;
template <>
struct ExpConstants<float> {
    static constexpr float lowest = -131.0f;     // exp * 2^spare is no normal number below
    static constexpr float round = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
    static constexpr float log2e = 1.44269504088896341f;
    static constexpr float ln2_high = 0.693145751953125f;  // 16 bits: n * ln2_high is exact
    static constexpr float ln2_low = 1.42860682030941723e-6f;
    static constexpr int bias = 127, mantissa = 23, spare = 64;
    static constexpr float unspare = 0x1p-64f;
    static constexpr int terms = 6;
    static constexpr float tail[terms] = {0.50000000134658096f,   0.16666666681623232f,
                                          0.041666464925285904f,  0.0083333109254809003f,
                                          0.0013933649996309251f, 0.00019890990824673654f};
};
template <>
struct ExpConstants<double> {
    static constexpr double lowest = -796.0;
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

// c[0] + c[1] x + c[2] x^2 + ... by Estrin's scheme, in pairs of pairs: half as long a chain of operations that wait for
// one another as Horner's rule.
template <int Terms, class T, int N>
SCOREFN_INLINE Lanes<T, N> polynomial(Lanes<T, N> x, const T (&c)[Terms]) {
    Lanes<T, N> sum[(Terms + 1) / 2];
    for (int k = 0; k < Terms / 2; ++k) sum[k] = x * c[2 * k + 1] + c[2 * k];
    if (Terms % 2) sum[Terms / 2] = Lanes<T, N>::splat(c[Terms - 1]);
    Lanes<T, N> power = x;
#pragma GCC unroll 8
    for (int count = (Terms + 1) / 2; count > 1; count = (count + 1) / 2) {
        power = power * power;
        for (int k = 0; k < count / 2; ++k) sum[k] = sum[2 * k + 1] * power + sum[2 * k];
        if (count % 2) sum[count / 2] = sum[count - 1];
    }
    return sum[0];
}

// A difference and the rounding error it made, both exact: high + low = a - b (Knuth's two-sum).
template <class T, int N = 1>
struct Difference {
    Lanes<T, N> high, low;
};
template <class T, int N>
SCOREFN_INLINE Difference<T, N> exact_difference(Lanes<T, N> a, Lanes<T> b) {
    const Lanes<T, N> high = a - b;
    const Lanes<T, N> minus_b = high - a;
    return {high, (a - (high - minus_b)) - (minus_b + b)};
}

// 2^spare exp(d.high + d.low) for d <= 0, NaN for NaN. The low part matters: half an ulp of a difference near -100 is
// 32 ulp of its exp. The factor keeps the small ones normal, with all their digits: they may be many, and their sum is
// then what counts.
template <class T, int N>
SCOREFN_INLINE Lanes<T, N> scaled_exp_nonpositive(Difference<T, N> d) {
    using C = ExpConstants<T>;
    using Int = typename IntegerOf<T>::type;
    const Mask<T, N> underflows = d.high < C::lowest;  // -inf too, whose low part is NaN
    const Lanes<T, N> high = select(underflows, T(0), d.high);
    const Lanes<T, N> low = select(underflows, T(0), d.low);

    const Lanes<T, N> shifted = high * C::log2e + C::round;
    const Lanes<T, N> n = shifted - C::round;
    const Lanes<T, N> r = (high - n * C::ln2_high) + (low - n * C::ln2_low);
    const Lanes<T, N> exp_r = T(1) + (r + r * r * polynomial(r, C::tail));
    // 2^(n + spare) is normal for every n that gets here; the bits of `shifted` end in n.
    const Lanes<T, N> power = bits<T>((bits<Int>(shifted) + Int(C::bias + C::spare)) << Int(C::mantissa));
    return select(underflows, T(0), exp_r * power);
}

// exp(d.high + d.low): the only rounding of a subnormal result is that of the last product.
template <class T, int N>
SCOREFN_INLINE Lanes<T, N> exp_nonpositive(Difference<T, N> d) {
    return scaled_exp_nonpositive(d) * ExpConstants<T>::unspare;
}
