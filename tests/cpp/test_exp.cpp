// exp and log1p of the kernels against the C library's in long double, over a sweep of their domain. Included here, they
// are compiled for the baseline ISA; test_isas shows that no other differs by a bit.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>

#include "check.hpp"

namespace {

#include "kernels/lanes.inl"
#include "kernels/exp.inl"
#include "kernels/log1p.inl"

// The distance in units in the last place of the exact value; below the smallest normal number all are alike.
template <class T>
double ulps(T got, long double exact) {
    const T rounded = static_cast<T>(exact);
    const T next = std::nextafter(rounded, std::numeric_limits<T>::infinity());
    return static_cast<double>(std::abs(static_cast<long double>(got) - exact) /
                               (static_cast<long double>(next) - static_cast<long double>(rounded)));
}

// exp(a - b) for a <= b, where the difference rounds: the kernel keeps the lost part.
template <class T>
double worst_exp(T lowest, int count, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<T> difference(lowest, 0), largest(-1000, 1000);
    constexpr int size = Lanes<T>::size;
    double error = 0;
    for (int i = 0; i < count; i += size) {
        T a[size], got[size];
        const T b = i / size % 2 == 0 ? T(0) : largest(random);
        for (T& x : a) x = b + difference(random);
        (exp_below(Lanes<T>::load(a), Origin<T>(Lanes<T>::splat(b))).scaled * ExpConstants<T>::unspare)
            .store(got);
        for (int lane = 0; lane < size; ++lane)
            error = std::max(error, ulps(got[lane], std::exp(static_cast<long double>(a[lane]) -
                                                             static_cast<long double>(b))));
    }
    return error;
}

// log1p(x) for x = 2^e, e uniform, and near every power of two, where the reduction changes.
double worst_log1p(double lowest, double highest, int count) {
    std::mt19937_64 random(3);
    std::uniform_real_distribution<double> exponent(lowest, highest);
    double error = 0;
    for (int i = 0; i < count; i += 8) {
        double x[8], got[8];
        for (double& value : x) value = std::exp2(exponent(random));
        if (i % 3 == 0)
            for (double& value : x) value = std::nextafter(std::exp2(std::round(std::log2(value))), value);
        log1p_nonnegative(Lanes<double>::load(x)).store(got);
        for (int lane = 0; lane < 8; ++lane)
            error = std::max(error, ulps(got[lane], std::log1p(static_cast<long double>(x[lane]))));
    }
    return error;
}

template <class T>
T exp_of(T high) {
    T got[Lanes<T>::size];
    exp_nonpositive(Lanes<T>::splat(high)).store(got);
    return got[0];
}

template <class T>
void test_exp_of_special_values() {
    const T inf = std::numeric_limits<T>::infinity(), lowest = std::numeric_limits<T>::lowest();
    CHECK(exp_of(T(0)) == 1 && exp_of(T(-0.0)) == 1);
    CHECK(exp_of(-inf) == 0 && exp_of(lowest) == 0 && exp_of(T(-1e4)) == 0);
    CHECK(std::isnan(exp_of(std::numeric_limits<T>::quiet_NaN())));
    CHECK(exp_of(-std::numeric_limits<T>::denorm_min()) == 1);
}

}  // namespace

int main() {
    const double exp_float = worst_exp<float>(-87, 4000000, 1),
                 exp_double = worst_exp<double>(-708, 2000000, 1);
    // Down to where exp rounds to 0.
    const double tiny_float = worst_exp<float>(-103.9f, 1000000, 2),
                 tiny_double = worst_exp<double>(-745.1, 500000, 2);
    const double log1p = std::max(worst_log1p(-60, 60, 2000000), worst_log1p(-1020, -60, 100000));
    std::printf(
        "worst errors in ULP: exp %.3f (float) %.3f (double), down to subnormals %.3f %.3f, log1p %.3f\n",
        exp_float, exp_double, tiny_float, tiny_double, log1p);
    // Half a unit for rounding 1 + (r + r^2 p(r)), up to a third for each of r, the bracket and what is left of max:
    // all are at most 0.35. exp_sweep.cpp looks at every float.
    CHECK(exp_float < 1.5);
    CHECK(exp_double < 1.5);
    // Below the smallest normal number the same error is a smaller part of the unit, but rounded once more.
    CHECK(tiny_float < 1.5);
    CHECK(tiny_double < 1.5);
    // Twice that near x = sqrt(2) - 1, where log 2 - log(2 / (1 + x)) is half of its terms.
    CHECK(log1p < 1.5);
    test_exp_of_special_values<float>();
    test_exp_of_special_values<double>();
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK(fold_sum(log1p_nonnegative(Lanes<double>::splat(0))) == 0);
    CHECK(std::isnan(fold_sum(log1p_nonnegative(Lanes<double>::splat(nan)))));
    return failures();
}
