// log1p on [0, inf): log(1 + x) = k ln 2 + log(m), m in [sqrt(1/2), sqrt(2)); with f = m - 1 and s = f / (2 + f),
// log(m) = 2 atanh(s) = f - s (f - (2 atanh(s) - 2 s) / s), where the last term is a polynomial in s^2.

constexpr double kLogTail[] = {0.66666666666666663, 0.40000000000000879, 0.28571428570802848,
                               0.22222222391887064, 0.18181795621632782, 0.15386240708969665,
                               0.13268746195596595, 0.13086907887965027};

SCOREFN_INLINE Lanes<double> log1p_nonnegative(Lanes<double> x) {
    using Bits = std::uint64_t;  // unsigned, as a NaN overflows
    constexpr Bits one = 0x3ff0000000000000, sqrt_half = 0x3fe6a09e667f3bcd;
    const Lanes<double> u = 1.0 + x;

    const Lanes<Bits> scaled = bits<Bits>(u) + (one - sqrt_half);
    const Lanes<double> m = bits<double>((scaled & Bits(0x000fffffffffffff)) + sqrt_half);
    // k = (scaled >> 52) - 1023 as a double, by way of the mantissa of 2^52
    const Lanes<double> k =
        bits<double>((scaled >> Bits(52)) | Bits(0x4330000000000000)) - (4503599627370496.0 + 1023.0);

    const Lanes<double> f = m - 1.0;
    const Lanes<double> inverse = 1.0 / (u * (2.0 + f));                 // one division for two quotients
    const Lanes<double> lost = (x - (u - 1.0)) * ((2.0 + f) * inverse);  // by rounding 1 + x, to first order
    const Lanes<double> s = f * (u * inverse);
    const Lanes<double> z = s * s;
    const Lanes<double> log_m = f - s * (f - z * polynomial(z, kLogTail));
    using C = ExpConstants<double>;
    return k * C::ln2_high + (log_m + (k * C::ln2_low + lost));
}

template <class T>
SCOREFN_INLINE Doubles<T> log1p_nonnegative(Doubles<T> x) {
    for (auto& part : x.part) part = log1p_nonnegative(part);
    return x;
}
