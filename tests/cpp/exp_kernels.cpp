// exp as the kernels compute it, compiled with an ISA's flags as cpp/src/kernels/kernels.cpp is, and so with nothing in it
// that another file may define too.
#pragma GCC diagnostic ignored "-Wunused-function"  // not every function of the kernels is used here

#include "exp_kernels.hpp"

#include "kernels/math/exp.inl"

namespace scorefn {
namespace {

template <class T>
bool within(const T* z, std::int64_t count, T* e) {
    SafeRange<T> range;
    for (std::int64_t i = 0; i < count; i += kExpStep)
        for (int k = 0; k < kExpStep; k += kLockstep * Lanes<T>::size)
            exp_within(Lanes<T, kLockstep>::load(z + i + k), range).store(e + i + k);
    return range.holds();
}
template <class T>
void shifted(const T* z, T max, std::int64_t count, T* e, T& shift, int& power) {
    using C = ExpConstants<T>;
    using Int = typename IntegerOf<T>::type;
    const Shift<T> of_row(max);
    shift = of_row.by;
    power = static_cast<int>(static_cast<Int>(of_row.bias - C::bias + C::bits_of_round));
    for (std::int64_t i = 0; i < count; i += kExpStep)
        for (int k = 0; k < kExpStep; k += kLockstep * Lanes<T>::size)
            exp_shifted(Lanes<T, kLockstep>::load(z + i + k), of_row).store(e + i + k);
}
template <class T>
constexpr ExpOf<T> exp_of() {
    using C = ExpConstants<T>;
    constexpr T ln2 = C::ln2_high + C::ln2_low;
    // A little inside: n is z / ln 2, rounded.
    return {within<T>, shifted<T>, -(C::safe_range + T(0.499)) * ln2, (C::safe_range - T(0.501)) * ln2,
            C::negligible};
}

}  // namespace
}  // namespace scorefn

#define JOIN_(x) exp_kernels_##x
#define JOIN(x) JOIN_(x)

extern const ExpKernels JOIN(SCOREFN_ISA_NAME);
const ExpKernels JOIN(SCOREFN_ISA_NAME) = {scorefn::exp_of<float>(), scorefn::exp_of<double>()};
