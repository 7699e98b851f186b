// log1p on [0, inf): log(1 + x) = k ln 2 + log(m), m in [sqrt(1/2), sqrt(2)); with f = m - 1 and s = f / (2 + f),
// log(m) = 2 atanh(s) = f - s (f - (2 atanh(s) - 2 s) / s), where the last term is a polynomial in s^2.

constexpr double kLogTail[] = {0.66666666666666663, 0.40000000000000879, 0.28571428570802848,
                               0.22222222391887064, 0.18181795621632782, 0.15386240708969665,
                               0.13268746195596595, 0.13086907887965027};

SCOREFN_INLINE Lanes<double> log1p_nonnegative(Lanes<double> x) {
    using Bits = std::uint64_t;  // unsigned, as a NaN overflows
    constexpr Bits one = 0x3ff0000000000000, sqrt_half = 0x3fe6a09e667f3bcd;
    const Lanes<double> u = 1.0 + x;
    const Lanes<double> lost = (x - (u - 1.0)) / u;  // what rounding 1 + x lost, to first order

    const Lanes<Bits> scaled = bits<Bits>(u) + (one - sqrt_half);
    const Lanes<double> m = bits<double>((scaled & Bits(0x000fffffffffffff)) + sqrt_half);
    // k = (scaled >> 52) - 1023 as a double, by way of the mantissa of 2^52
    const Lanes<double> k =
        bits<double>((scaled >> Bits(52)) | Bits(0x4330000000000000)) - (4503599627370496.0 + 1023.0);

    const Lanes<double> f = m - 1.0;
    const Lanes<double> s = f / (2.0 + f);
    const Lanes<double> z = s * s;
    const Lanes<double> log_m = f - s * (f - z * polynomial(z, kLogTail));
    using C = ExpConstants<double>;
    return k * C::ln2_high + (log_m + (k * C::ln2_low + lost));
}

// Of one value a row.
template <int Rows>
SCOREFN_NO_INLINE void log1p_rows(const double (&x)[Rows], double (&out)[Rows]) {
    if constexpr (Rows < 8) {
        double padded[8] = {};
        for (int r = 0; r < Rows; ++r) padded[r] = x[r];
        log1p_nonnegative(Lanes<double>::load(padded)).store(padded);
        for (int r = 0; r < Rows; ++r) out[r] = padded[r];
    } else {
        for (int r = 0; r < Rows; r += 8) log1p_nonnegative(Lanes<double>::load(x + r)).store(out + r);
    }
}
