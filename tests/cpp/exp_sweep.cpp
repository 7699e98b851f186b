// The largest error of the two ways to take exponentials that the kernels have; docs/accuracy.md has what came out.
//
//     exp_sweep ISA float STRIDE [MAX ...]     every STRIDE-th float
//     exp_sweep ISA double COUNT [MAX ...]     so many random doubles
//
// Within the safe range, which is there without MAX: exp(z). Beyond it, shifted by the largest logit of the row:
// exp(z - max) for z from max - 104 (double: - 745.2) to max. Without MAX: a list of them, near 0, far from it, and where
// the kernel changes its way. 77 says that the CPU does not have the ISA.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>
#include <thread>

#include "check.hpp"
#include "exp_kernels.hpp"
#include "isas.hpp"

#define DECLARE(name, is_supported) extern const ExpKernels exp_kernels_##name;
SCOREFN_ISAS(DECLARE)

namespace {

const ExpKernels* kernels_of(const std::string& isa) {
#define COLLECT(name, is_supported) \
    if (isa == #name && (is_supported)) return &exp_kernels_##name;
    SCOREFN_ISAS(COLLECT)
    return nullptr;
}
template <class To, class From>
To bits(From x) {
    static_assert(sizeof(To) == sizeof(From), "the same bytes");
    To to;
    std::memcpy(&to, &x, sizeof to);
    return to;
}

// Which error is the largest, in units in the last place of the exact result.
template <class T>
struct Worst {
    double ulp = 0;
    T at = 0;

    void see(double error, T z) {
        if (!(error <= ulp) && ulp == ulp) ulp = error, at = z;  // a NaN is the worst
    }
    void merge(const Worst& other) { see(other.ulp, other.at); }
};
template <class T>
struct Errors {
    Worst<T> worst;
    std::int64_t count = 0;
    std::uint64_t checksum = 0;  // of the bits of all results with their logits, in any order

    void merge(const Errors& other) {
        worst.merge(other.worst);
        count += other.count, checksum += other.checksum;
    }
};

// exp for |x| <= 400, within 2^-51 of the exact value: to a float's ULP that is as good as exact, and it takes a
// hundredth of the time of long double. Shares no constant with the kernel but ln 2.
inline double reference_exp(double x) {
    constexpr double round = 6755399441055744.0;  // 1.5 * 2^52
    const double shifted = x * 1.4426950408889634074 + round, n = shifted - round;
    const double r = (x - n * 0x1.62e42fefap-1) - n * 0x1.cf79abc9e3b3ap-40;
    double sum = 1.0 / 6227020800.0;  // Taylor's series up to r^13 / 13!
    constexpr double factorials[] = {479001600, 39916800, 3628800, 362880, 40320, 5040, 720, 120, 24, 6, 2};
    for (const double f : factorials) sum = sum * r + 1.0 / f;
    return (1.0 + (r + r * r * sum)) * bits<double>((bits<std::uint64_t>(shifted) + 1023) << 52);
}
void test_reference() {
    std::mt19937_64 random(7);
    std::uniform_real_distribution<double> argument(-400, 400);
    double error = 0;
    for (int i = 0; i < 200000; ++i) {
        const double x = argument(random);
        const long double exact = std::exp(static_cast<long double>(x));
        error = std::max(error, static_cast<double>(std::abs(reference_exp(x) - exact) / exact));
    }
    CHECK(error < 0x1p-51);
    CHECK(reference_exp(0) == 1);
}

// Floats in their order as integers, the two zeros apart.
std::int64_t index_of(float x) {
    const auto i = bits<std::int32_t>(x);
    return i >= 0 ? i : -1 - std::int64_t{i & 0x7fffffff};
}
float float_of(std::int64_t index) {
    return bits<float>(index >= 0 ? static_cast<std::uint32_t>(index)
                                  : static_cast<std::uint32_t>(-1 - index) | 0x80000000u);
}

// Which exponentials: those within the safe range, or those that are shifted by a largest logit.
template <class T>
struct Way {
    const ExpOf<T>& exp;
    bool is_within;
    T max;  // of the logits

    // e = 2^power exp(z - shift)
    bool run(const T* z, std::int64_t count, T* e, T& shift, int& power) const {
        shift = T(0), power = 0;
        if (is_within) return exp.within(z, count, e);
        exp.shifted(z, max, count, e, shift, power);
        return true;
    }
    T lowest(double depth) const {
        return is_within ? exp.lowest : static_cast<T>(max - static_cast<T>(depth));
    }
};

constexpr int kBatch = 4096;

void add_batch(const Way<float>& way, const float* z, int count, Errors<float>& errors) {
    alignas(64) float e[kBatch];
    alignas(64) double ulps[kBatch];
    float shift;
    int power;
    CHECK(way.run(z, kBatch, e, shift, power));
    const double scale = std::ldexp(1.0, -power);
    std::uint64_t checksum = 0;
    for (int i = 0; i < count; ++i)
        checksum += (bits<std::uint32_t>(e[i]) + std::uint64_t{1}) *
                    (2 * std::uint64_t{bits<std::uint32_t>(z[i])} + 1);
    for (int i = 0; i < kBatch; ++i) {
        const double exact = reference_exp(static_cast<double>(z[i]) - static_cast<double>(shift));
        const double binade = bits<double>(bits<std::uint64_t>(exact) & 0x7ff0000000000000u);
        ulps[i] = std::abs(static_cast<double>(e[i]) * scale - exact) / (binade * 0x1p-23);
    }
    for (int i = 0; i < count; ++i) errors.worst.see(ulps[i], z[i]);
    errors.count += count;
    errors.checksum += checksum;
}

Errors<float> sweep(const Way<float>& way, std::int64_t stride) {
    const std::int64_t first = index_of(way.lowest(104)), last = index_of(way.max);
    const std::int64_t floats = (last - first) / stride + 1;
    Errors<float> all;
    std::mutex mutex;
    std::atomic<std::int64_t> next{0};
    const auto work = [&] {
        Errors<float> errors;
        alignas(64) float z[kBatch];
        for (;;) {
            const std::int64_t begin = next.fetch_add(kBatch);
            if (begin >= floats) break;
            const int count = static_cast<int>(std::min<std::int64_t>(kBatch, floats - begin));
            for (int i = 0; i < kBatch; ++i)
                z[i] = i < count ? float_of(last - (begin + i) * stride) : way.max;
            add_batch(way, z, count, errors);
        }
        const std::lock_guard<std::mutex> lock(mutex);
        all.merge(errors);
    };
    std::thread other(work);
    work();
    other.join();
    return all;
}

// Half of them uniform, half with a uniform logarithm of what they are below max, or away from 0.
Errors<double> sweep(const Way<double>& way, std::int64_t count) {
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> uniform(way.lowest(745.2), way.max), exponent(-60, 9.5);
    Errors<double> errors;
    for (std::int64_t done = 0; done < count; done += kExpStep) {
        double z[kExpStep], e[kExpStep], shift;
        for (int i = 0; i < kExpStep; ++i) {
            const double step = std::exp2(exponent(random)), sign = random() % 2 ? 1 : -1;
            const double other = way.is_within ? std::fmod(sign * step, way.max) : way.max - step;
            z[i] = i % 2 == 0 ? uniform(random) : other;
        }
        int power;
        CHECK(way.run(z, kExpStep, e, shift, power));
        for (int i = 0; i < kExpStep; ++i) {
            // z - shift = high + low without an error
            const long double a = z[i], b = -static_cast<long double>(shift), high = a + b, b_part = high - a;
            const long double low = (a - (high - b_part)) + (b - b_part);
            const long double exact = std::ldexp(std::exp(high) * (1 + low), power);
            int binade;
            std::frexp(exact, &binade);
            errors.worst.see(static_cast<double>(std::ldexp(std::abs(e[i] - exact), 53 - binade)), z[i]);
            errors.checksum += (bits<std::uint64_t>(e[i]) + 1) * (2 * bits<std::uint64_t>(z[i]) + 1);
        }
        errors.count += kExpStep;
    }
    return errors;
}

template <class T>
void report(const char* isa, const Way<T>& way, const Errors<T>& errors) {
    constexpr int digits = std::numeric_limits<T>::max_digits10;
    std::printf("%s %s ", isa, sizeof(T) == 4 ? "float" : "double");
    if (way.is_within)
        std::printf("from %.*g to %.*g", digits, static_cast<double>(way.exp.lowest), digits,
                    static_cast<double>(way.exp.highest));
    else
        std::printf("below %.*g", digits, static_cast<double>(way.max));
    std::printf(": %lld values, checksum %016llx, %.4f ULP at %.*g\n", static_cast<long long>(errors.count),
                static_cast<unsigned long long>(errors.checksum), errors.worst.ulp, digits,
                static_cast<double>(errors.worst.at));
    std::fflush(stdout);
}

constexpr double kInf = std::numeric_limits<double>::infinity(),
                 kNan = std::numeric_limits<double>::quiet_NaN();

// Within the safe range: exp(0) is 1, all far below is 0, and what is not in the range is seen.
template <class T>
void test_special_values_within(const ExpOf<T>& exp) {
    const T inf = static_cast<T>(kInf), nan = static_cast<T>(kNan), largest = std::numeric_limits<T>::max();
    T z[kExpStep], e[kExpStep];
    const T inside[] = {0, -T(0), -inf, exp.negligible, -largest, exp.lowest, exp.highest};
    for (int i = 0; i < kExpStep; ++i) z[i] = inside[i % 7];
    CHECK(exp.within(z, kExpStep, e));
    for (int i = 0; i < kExpStep; ++i) {
        if (i % 7 < 2) CHECK(e[i] == 1);
        if (i % 7 >= 2 && i % 7 < 5) CHECK(e[i] == 0 && !std::signbit(e[i]));
        if (i % 7 >= 5) CHECK(e[i] > 0 && std::isnormal(e[i]));
    }
    const T beyond = T(1.01) * exp.lowest;
    for (const T x : {inf, nan, largest, T(1.01) * exp.highest, beyond, std::nextafter(exp.negligible, T(0))})
        for (int at = 0; at < kExpStep; ++at) {
            z[at] = x;
            CHECK(!exp.within(z, kExpStep, e));
            z[at] = T(0);
        }
    // Every number between the two ends of what is left out.
    std::mt19937_64 random(5);
    std::uniform_real_distribution<T> gap(std::nextafter(exp.negligible, T(0)), beyond);
    for (int i = 0; i < 100000; ++i) {
        z[i % kExpStep] = gap(random);
        CHECK(!exp.within(z, kExpStep, e));
        z[i % kExpStep] = T(0);
    }
}

// Shifted by the largest: that itself is at most a factor sqrt(2) from the power of two, exp(-inf) is 0 and nothing
// else is, and NaN stays NaN.
template <class T>
void test_special_values_from(const ExpOf<T>& exp) {
    using Int = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    const T inf = static_cast<T>(kInf), nan = static_cast<T>(kNan), largest = std::numeric_limits<T>::max();
    std::mt19937_64 random(11);
    bool is_near_one = true, is_zero = true, is_nan = true, is_positive = true;
    for (int i = 0; i < 1000000; ++i) {
        const T special[] = {T(0), -T(0), largest, -largest, std::numeric_limits<T>::denorm_min(), T(1)};
        const T max = i < 6 ? special[i] : bits<T>(static_cast<Int>(random()));
        if (!std::isfinite(max)) continue;
        T z[kExpStep], e[kExpStep], shift;
        for (int k = 0; k < kExpStep; ++k)
            z[k] = k % 4 == 0 ? max : k % 4 == 1 ? -inf : k % 4 == 2 ? nan : -largest;
        int power;
        exp.shifted(z, max, kExpStep, e, shift, power);
        const T one = std::ldexp(T(1), sizeof(T) == 4 ? 64 : 128);
        for (int k = 0; k < kExpStep; ++k) {
            if (k % 4 == 0) is_near_one = is_near_one && e[k] > T(0.7) * one && e[k] < T(1.42) * one;
            if (k % 4 == 1) is_zero = is_zero && e[k] == 0;
            if (k % 4 == 2) is_nan = is_nan && e[k] != e[k];
            if (k % 4 == 3) is_positive = is_positive && std::isnormal(e[k]) && e[k] > 0;
        }
    }
    CHECK(is_near_one);
    CHECK(is_zero);
    CHECK(is_nan);
    CHECK(is_positive);
}

// Half a unit for rounding 1 + (r + r^2 p(r)), and for the smallest such sum, 0.7, up to a third of one for each of r and
// the bracket, both at most 0.35.
constexpr double kMostUlp = 1.2;
// A quarter more for what is left of max.
constexpr double kMostUlpFrom = 1.5;

template <class T>
int run(const char* isa, const ExpKernels& kernels, std::int64_t amount, const std::vector<double>& largest) {
    const ExpOf<T>& exp = kernels.of<T>();
    std::vector<Way<T>> ways;
    for (const double x : largest) ways.push_back({exp, false, static_cast<T>(x)});
    if (largest.empty()) {
        ways.push_back({exp, true, exp.highest});
        const T far = sizeof(T) == 4 ? T(265) : T(1596);  // from there on max takes the place of 0
        for (const double x : {0.0, 1.0, -1.0, 20.1, -33.3, 100.7, 263.9, 264.0, -300.7, 12345.6})
            ways.push_back({exp, false, static_cast<T>(x)});
        for (const T x : {std::nextafter(far, T(0)), far, -std::nextafter(far, T(0)), -far})
            ways.push_back({exp, false, x});
    }
    test_special_values_within(exp);
    test_special_values_from(exp);
    for (const Way<T>& way : ways) {
        const Errors<T> errors = sweep(way, amount);
        report(isa, way, errors);
        CHECK(errors.worst.ulp < (way.is_within ? kMostUlp : kMostUlpFrom));
    }
    return failures();
}

}  // namespace

int main(int argc, char** argv) {
    const std::string type = argc > 2 ? argv[2] : "";
    if (argc < 4 || (type != "float" && type != "double") || std::atoll(argv[3]) < 1) {
        std::fprintf(stderr, "usage: exp_sweep ISA float STRIDE [MAX ...] | ISA double COUNT [MAX ...]\n");
        return 2;
    }
    const ExpKernels* const kernels = kernels_of(argv[1]);
    if (!kernels) return 77;
    std::vector<double> largest;
    for (int i = 4; i < argc; ++i) largest.push_back(std::atof(argv[i]));
    test_reference();
    const std::int64_t amount = std::atoll(argv[3]);
    return type == "float" ? run<float>(argv[1], *kernels, amount, largest)
                           : run<double>(argv[1], *kernels, amount, largest);
}
