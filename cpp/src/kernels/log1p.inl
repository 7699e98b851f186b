// log1p on [0, inf): log(1 + x) = k ln 2 + log(m), m in [sqrt(1/2), sqrt(2)); with f = m - 1 and s = f / (2 + f),
// log(m) = 2 atanh(s) = f - s (f - (2 atanh(s) - 2 s) / s), where the last term is a polynomial in s^2.

template <class T>
struct LogConstants;
template <>
struct LogConstants<float> {
    using Bits = std::uint32_t;  // unsigned, as a NaN overflows
    static constexpr Bits one = 0x3f800000, sqrt_half = 0x3f3504f3, mantissa = 0x007fffff,
                          integer = 0x4b000000;
    static constexpr float integer_zero = 8388608.0f + 127.0f;
    static constexpr float ln2_high = 0.693145751953125f, ln2_low = 1.42860682030941723e-6f;
    static constexpr float tail[] = {0.66666687f, 0.39988777f, 0.29580158f};
};
template <>
struct LogConstants<double> {
    using Bits = std::uint64_t;
    static constexpr Bits one = 0x3ff0000000000000, sqrt_half = 0x3fe6a09e667f3bcd,
                          mantissa = 0x000fffffffffffff, integer = 0x4330000000000000;
    static constexpr double integer_zero = 4503599627370496.0 + 1023.0;
    static constexpr double ln2_high = 0.69314718036912381649, ln2_low = 1.9082149292705877e-10;
    static constexpr double tail[] = {0.66666666666666663, 0.40000000000000879, 0.28571428570802848,
                                      0.22222222391887064, 0.18181795621632782, 0.15386240708969665,
                                      0.13268746195596595, 0.13086907887965027};
};

template <class T>
SCOREFN_INLINE Lanes<T> log1p_nonnegative(Lanes<T> x) {
    using C = LogConstants<T>;
    using Bits = typename C::Bits;
    const Lanes<T> u = T(1) + x;

    const Lanes<Bits> scaled = bits<Bits>(u) + (C::one - C::sqrt_half);
    const Lanes<T> m = bits<T>((scaled & C::mantissa) + C::sqrt_half);
    // k = the exponent of `scaled`, by way of the mantissa of an integer
    const Lanes<T> k = bits<T>((scaled >> Bits(ExpConstants<T>::mantissa)) | C::integer) - C::integer_zero;

    const Lanes<T> f = m - T(1);
    const Lanes<T> inverse = T(1) / (u * (T(2) + f));                 // one division for two quotients
    const Lanes<T> lost = (x - (u - T(1))) * ((T(2) + f) * inverse);  // by rounding 1 + x, to first order
    const Lanes<T> s = f * (u * inverse);
    const Lanes<T> z = s * s;
    const Lanes<T> log_m = f - s * (f - z * polynomial(z, C::tail));
    return k * C::ln2_high + (log_m + (k * C::ln2_low + lost));
}
template <class T>
SCOREFN_INLINE Doubles<T> log1p_nonnegative(Doubles<T> x) {
    for (auto& part : x.part) part = log1p_nonnegative(part);
    return x;
}
