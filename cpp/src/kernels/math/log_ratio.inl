// log((others + e) / e), where others is the sum of all terms of a row but e: with m = (others + e) / (2^k e) near 1 and
// s = (m - 1) / (m + 1), log m = 2 atanh(s) = 2 s + s^3 p(s^2). Near 0 it is as exact as others / e: there k = 0, and
// m - 1 is others / e itself.
#pragma once

#include "kernels/math/exp.inl"

namespace scorefn {
namespace {

// (2 atanh(s) - 2 s) / s^3 as a polynomial in s^2, |s| <= 1 / 5
template <class T>
struct LogTail;
template <>
struct LogTail<float> {
    static constexpr double c[] = {0.66666666270804897, 0.40000315090930227, 0.28532424561660297,
                                   0.23753746959996089};
};
template <>
struct LogTail<double> {
    static constexpr double c[] = {0.66666666666666663, 0.40000000000008029, 0.28571428567237483,
                                   0.22222223054748161, 0.18181737124755143, 0.1538888782211309,
                                   0.13209314929104482, 0.13612048090203863};
};

// As exact as T needs.
template <class T>
SCOREFN_INLINE Lanes<double> log_ratio(Lanes<double> others, Lanes<double> e) {
    using Bits = std::uint64_t;
    using C = ExpConstants<double>;
    const Lanes<double> total = others + e;
    // The difference of two numbers' bits is about the logarithm of their quotient, times 2^52.
    const Lanes<Bits> log2 = bits<Bits>(total) - bits<Bits>(e) + (Bits(1) << 51);
    const Lanes<double> k = bits<double>((log2 >> Bits(52)) | Bits(0x4330000000000000)) - 0x1p52;
    const Lanes<double> scaled_e = bits<double>(bits<Bits>(e) + (log2 & ~((Bits(1) << 52) - 1)));
    const Lanes<double> s = select(k == 0.0, others, total - scaled_e) / (total + scaled_e);
    const Lanes<double> z = s * s;
    const Lanes<double> log_m = 2.0 * s + s * z * polynomial(z, LogTail<T>::c);
    return k * C::ln2_high + (log_m + k * C::ln2_low);
}

template <class T>
SCOREFN_OFTEN_INLINE Widened<T> log_ratio(Widened<T> others, Widened<T> e) {
    unrolled<Widened<T>::count>(
        [&](int p) SCOREFN_INLINE_LAMBDA { others.lanes[p] = log_ratio<T>(others.lanes[p], e.lanes[p]); });
    return others;
}

}  // namespace
}  // namespace scorefn
