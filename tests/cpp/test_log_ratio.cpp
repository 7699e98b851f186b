// log((others + e) / e) of the kernels against the C library's log1p in long double, over a sweep of its domain, and the exp
// of objectives at special values. Included here, they are compiled for the baseline ISA; test_isas shows that no other
// differs by a bit, and exp_sweep looks at every float's exp.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>

#include "check.hpp"
#include "kernels/math/log_ratio.inl"

namespace scorefn {
namespace {

// The distance in units in the last place of the exact value.
template <class T>
double ulps(double got, long double exact) {
    if (got != got) return std::numeric_limits<double>::infinity();
    const T rounded = static_cast<T>(exact);
    const T next = std::nextafter(rounded, std::numeric_limits<T>::infinity());
    return static_cast<double>(std::abs(static_cast<long double>(got) - exact) /
                               (static_cast<long double>(next) - static_cast<long double>(rounded)));
}

// For others / e = 2^t, t uniform, and near powers of two and of sqrt(2), where the reduction changes.
template <class T>
double worst_log_ratio(double lowest, double highest, int count) {
    std::mt19937_64 random(3);
    std::uniform_real_distribution<double> exponent(lowest, highest), size(-30, 30);
    double error = 0;
    for (int i = 0; i < count; i += 8) {
        double e[8], others[8], got[8];
        for (int lane = 0; lane < 8; ++lane) {
            e[lane] = std::exp2(size(random));
            double t = exponent(random);
            if (i % 3 == 0) t = std::round(2 * t) / 2;
            // The total is a power of two times e or sqrt(2) e.
            others[lane] = i % 6 == 0 && t > 0 ? (std::exp2(t) - 1) * e[lane] : std::exp2(t) * e[lane];
            if (i % 3 == 0) others[lane] = std::nextafter(others[lane], random() % 2 ? 0.0 : 1e300);
        }
        log_ratio<T>(Lanes<double>::load(others), Lanes<double>::load(e)).store(got);
        for (int lane = 0; lane < 8; ++lane) {
            const long double exact = std::log1p(static_cast<long double>(others[lane]) / e[lane]);
            error = std::max(error, ulps<T>(got[lane], exact));
        }
    }
    return error;
}
template <class T>
double log_ratio_of(double others, double e) {
    double got[8];
    log_ratio<T>(Lanes<double>::splat(others), Lanes<double>::splat(e)).store(got);
    return got[0];
}

template <class T>
T exp_of(T x) {
    T got[Lanes<T>::size];
    exp_nonpositive(Lanes<T>::splat(x)).store(got);
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
}  // namespace scorefn

int main() {
    using namespace scorefn;
    const double for_float = worst_log_ratio<float>(-180, 180, 2000000),
                 for_double = std::max(worst_log_ratio<double>(-60, 60, 2000000),
                                       worst_log_ratio<double>(-900, 900, 1000000));
    std::printf("worst errors of log_ratio in ULP: %.4f (float, before it is one) %.3f (double)\n", for_float,
                for_double);
    // In double already: the polynomial's own error is all that counts for a float.
    CHECK(for_float < 0.01);
    // The worst is near log 1.42 = 0.35, where a unit is the smallest beside what is rounded, 2^-54: rounding the total,
    // by 2^-53 of it, costs two units, that of s's divisor and of s 0.7 each, and the last two sums half a unit each.
    CHECK(for_double < 4.4);
    const double inf = std::numeric_limits<double>::infinity(),
                 nan = std::numeric_limits<double>::quiet_NaN();
    CHECK(log_ratio_of<double>(0, 1) == 0 && log_ratio_of<float>(0, 0x1p-80) == 0);
    CHECK(std::isnan(log_ratio_of<double>(nan, 1)) && std::isnan(log_ratio_of<float>(inf, 1)));
    test_exp_of_special_values<float>();
    test_exp_of_special_values<double>();
    return failures();
}
