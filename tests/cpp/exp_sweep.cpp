// The largest error of exp(z - max) as the kernels compute it, over all floats z in [max - 104, max] or a part of them,
// and over random doubles in [max - 745.2, max]; docs/accuracy.md has what came out.
//
//     exp_sweep ISA float STRIDE [MAX ...]     every STRIDE-th float
//     exp_sweep ISA double COUNT [MAX ...]     so many doubles
//
// Without MAX: a list of them, near 0, far from it, and where the kernel changes its way. 77 says that the CPU does not
// have the ISA.
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
template <class T>
void exp_below(const ExpKernels& kernels, const T* z, T max, std::int64_t count, T* scaled) {
    if constexpr (sizeof(T) == sizeof(float))
        kernels.of_floats(z, max, count, scaled);
    else
        kernels.of_doubles(z, max, count, scaled);
}
template <class T>
T unspare(const ExpKernels& kernels) {
    return sizeof(T) == sizeof(float) ? static_cast<T>(kernels.unspare_float)
                                      : static_cast<T>(kernels.unspare_double);
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
        if (!(error <= ulp)) ulp = error, at = z;
    }
    void merge(const Worst& other) { see(other.ulp, other.at); }
};
template <class T>
struct Errors {
    Worst<T> normal;     // of results that are normal numbers
    Worst<T> subnormal;  // of those below, whose unit is the smallest subnormal
    Worst<T> scaled;     // of what the sums over a row take: scaled by a power of two, never subnormal
    std::int64_t count = 0;
    std::uint64_t checksum = 0;  // of the bits of all results with their logits, in any order

    void merge(const Errors& other) {
        normal.merge(other.normal), subnormal.merge(other.subnormal), scaled.merge(other.scaled);
        count += other.count, checksum += other.checksum;
    }
};

// exp for -200 <= x <= 0, within 2^-51 of the exact value: to a float's ULP that is as good as exact, and it takes a
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
    std::uniform_real_distribution<double> difference(-200, 0);
    double error = 0;
    for (int i = 0; i < 200000; ++i) {
        const double x = difference(random);
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

constexpr int kBatch = 4096;

void add_batch(const ExpKernels& kernels, const float* z, float max, int count, Errors<float>& errors) {
    alignas(64) float scaled[kBatch];
    alignas(64) double normal[kBatch], subnormal[kBatch], of_scaled[kBatch];
    exp_below(kernels, z, max, kBatch, scaled);
    const double rescale = kernels.unspare_float;
    std::uint64_t checksum = 0;
    for (int i = 0; i < count; ++i)
        checksum += (bits<std::uint32_t>(scaled[i]) + std::uint64_t{1}) *
                    (2 * std::uint64_t{bits<std::uint32_t>(z[i])} + 1);
    for (int i = 0; i < kBatch; ++i) {
        const double exact = reference_exp(static_cast<double>(z[i]) - static_cast<double>(max));
        const double power = bits<double>(bits<std::uint64_t>(exact) & 0x7ff0000000000000u);
        const double got = scaled[i] * kernels.unspare_float;
        const double error = std::abs(got - exact);
        const double in_range = error / (power * 0x1p-23), below = error * 0x1p149;
        normal[i] = exact >= 0x1p-126 ? in_range : 0;
        subnormal[i] = exact >= 0x1p-126 ? 0 : below;
        of_scaled[i] = std::abs(scaled[i] * rescale - exact) / (power * 0x1p-23);
    }
    for (int i = 0; i < count; ++i) {
        errors.normal.see(normal[i], z[i]);
        errors.subnormal.see(subnormal[i], z[i]);
        errors.scaled.see(of_scaled[i], z[i]);
    }
    errors.count += count;
    errors.checksum += checksum;
}

Errors<float> sweep(const ExpKernels& kernels, float max, std::int64_t stride) {
    const std::int64_t first = index_of(max - 104.0f), last = index_of(max);
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
            for (int i = 0; i < kBatch; ++i) z[i] = i < count ? float_of(last - (begin + i) * stride) : max;
            add_batch(kernels, z, max, count, errors);
        }
        const std::lock_guard<std::mutex> lock(mutex);
        all.merge(errors);
    };
    std::thread other(work);
    work();
    other.join();
    return all;
}

// Half of them uniform, half with a uniform logarithm of max - z.
Errors<double> sweep(const ExpKernels& kernels, double max, std::int64_t count) {
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> uniform(-745.2, 0), exponent(-60, 9.5);
    Errors<double> errors;
    for (std::int64_t done = 0; done < count; done += kExpStep) {
        double z[kExpStep], scaled[kExpStep];
        for (int i = 0; i < kExpStep; ++i)
            z[i] = std::min(max, max + (i % 2 == 0 ? uniform(random) : -std::exp2(exponent(random))));
        exp_below(kernels, z, max, kExpStep, scaled);
        for (int i = 0; i < kExpStep; ++i) {
            // z - max = high + low without an error
            const long double a = z[i], b = -static_cast<long double>(max), high = a + b, b_part = high - a;
            const long double low = (a - (high - b_part)) + (b - b_part);
            const long double exact = std::exp(high) * (1 + low);
            int binade;
            std::frexp(exact, &binade);
            const double got = scaled[i] * kernels.unspare_double;
            const auto ulps = [&](long double x, int exponent_of_ulp) {
                return static_cast<double>(std::ldexp(std::abs(x - exact), -exponent_of_ulp));
            };
            if (binade - 1 >= -1022)
                errors.normal.see(ulps(got, binade - 53), z[i]);
            else
                errors.subnormal.see(ulps(got, -1074), z[i]);
            errors.scaled.see(
                ulps(static_cast<long double>(scaled[i]) * static_cast<long double>(kernels.unspare_double),
                     binade - 53),
                z[i]);
            errors.checksum += (bits<std::uint64_t>(scaled[i]) + 1) * (2 * bits<std::uint64_t>(z[i]) + 1);
        }
        errors.count += kExpStep;
    }
    return errors;
}

template <class T>
void report(const char* isa, T max, const Errors<T>& errors) {
    constexpr int digits = std::numeric_limits<T>::max_digits10;
    std::printf("%s %s max %.*g: %lld values, checksum %016llx\n", isa, sizeof(T) == 4 ? "float" : "double",
                digits, static_cast<double>(max), static_cast<long long>(errors.count),
                static_cast<unsigned long long>(errors.checksum));
    const auto line = [&](const char* name, const Worst<T>& worst) {
        std::printf("    %-10s %.4f ULP at z = %.*g, z - max = %.*g\n", name, worst.ulp, digits,
                    static_cast<double>(worst.at), digits,
                    static_cast<double>(worst.at) - static_cast<double>(max));
    };
    line("normal", errors.normal), line("subnormal", errors.subnormal), line("scaled", errors.scaled);
    std::fflush(stdout);
}

// What is exact: exp(0) = 1 whatever max is, exp(-inf) = 0, and so is all that is far below; NaN stays NaN.
template <class T>
void test_special_values(const ExpKernels& kernels) {
    using Int = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    constexpr T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
    constexpr T largest = std::numeric_limits<T>::max();
    std::mt19937_64 random(11);
    bool is_one = true, is_zero = true, is_nan = true;
    for (int i = 0; i < 1000000; ++i) {
        const T special[] = {T(0), -T(0), largest, -largest, std::numeric_limits<T>::denorm_min(), T(1)};
        const T max = i < 6 ? special[i] : bits<T>(static_cast<Int>(random()));
        if (!std::isfinite(max)) continue;
        T z[kExpStep], got[kExpStep];
        for (int k = 0; k < kExpStep; ++k)
            z[k] = k % 4 == 0 ? max : k % 4 == 1 ? -inf : k % 4 == 2 ? nan : -largest;
        exp_below(kernels, z, max, kExpStep, got);
        for (int k = 0; k < kExpStep; ++k) {
            const T e = got[k] * unspare<T>(kernels);
            if (k % 4 == 0) is_one = is_one && e == 1;
            if (k % 4 == 1) is_zero = is_zero && e == 0 && got[k] == 0;
            if (k % 4 == 2) is_nan = is_nan && e != e;
            if (k % 4 == 3 && max > -largest / 2) is_zero = is_zero && e == 0 && got[k] == 0;
        }
    }
    CHECK(is_one);
    CHECK(is_zero);
    CHECK(is_nan);
}

// Half a unit for rounding 1 + (r + r^2 p(r)), and for the smallest such sum, 0.7, up to a third of one for each of the
// other three: r, the bracket, and what is left of max, all at most 0.35. A subnormal result is rounded once more, in a
// larger unit.
constexpr double kMostUlp = 1.5;

template <class T>
int run(const char* isa, const ExpKernels& kernels, std::int64_t amount, std::vector<T> largest) {
    if (largest.empty()) {
        const T far = sizeof(T) == 4 ? T(265) : T(1596);  // from there on max takes the place of 0
        for (const double x : {0.0, 1.0, -1.0, 20.1, -33.3, 100.7, 263.9, 264.0, -300.7, 12345.6})
            largest.push_back(static_cast<T>(x));
        for (const T x : {std::nextafter(far, T(0)), far, -std::nextafter(far, T(0)), -far})
            largest.push_back(x);
    }
    test_special_values<T>(kernels);
    for (const T max : largest) {
        const Errors<T> errors = sweep(kernels, max, amount);
        report(isa, max, errors);
        CHECK(errors.normal.ulp < kMostUlp);
        CHECK(errors.subnormal.ulp < kMostUlp);
        CHECK(errors.scaled.ulp < kMostUlp);
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
    if (type == "double") return run<double>(argv[1], *kernels, amount, largest);
    std::vector<float> floats;
    for (const double x : largest) floats.push_back(static_cast<float>(x));
    return run<float>(argv[1], *kernels, amount, floats);
}
