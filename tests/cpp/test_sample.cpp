// The sampler as a function of its uniform u, against the distribution to many digits; and its generator.
//
//     test_sample ISA     77 says that the CPU does not have it
//
// What may differ from the exact cumulative distribution F: each exponential by kExpUlp units in the last place, and so
// F by 2 delta F (1 - F) at most; every addition of doubles by 2^-53 of the sum. Nothing else may, so these are the
// tolerances.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>

#include "check.hpp"
#include "isas.hpp"
#include "kernels/table.hpp"
#include "sample_kernels.hpp"

#define DECLARE(name, is_supported) extern const SampleKernels sample_kernels_##name;
SCOREFN_ISAS(DECLARE)

namespace {

const SampleKernels* kernels_of(const std::string& isa) {
#define COLLECT(name, is_supported) \
    if (isa == #name && (is_supported)) return &sample_kernels_##name;
    SCOREFN_ISAS(COLLECT)
    return nullptr;
}

// The worst of the build's, which every CPU has.
const SampleKernels& first_kernels() {
#define FIRST(name, is_supported) return sample_kernels_##name;
    SCOREFN_ISAS(FIRST)
}

using Integers = std::vector<std::int64_t>;
constexpr std::int64_t kGrid = std::int64_t{1} << 53;  // a uniform is a multiple of 1 / kGrid
constexpr double kExpUlp = 1.5;                        // exp_sweep checks it

template <class T>
struct Row {
    std::string name;
    std::vector<T> logits;
    bool is_exact = false;  // every probability is 0 or the same power of 2

    std::int64_t cols() const { return static_cast<std::int64_t>(logits.size()); }
    T operator[](std::int64_t a) const { return logits[static_cast<std::size_t>(a)]; }
    std::string text() const {
        return name + " row of " + std::to_string(cols()) + (sizeof(T) == 4 ? " floats" : " doubles");
    }
};

// Of each action the probability, and of each boundary after one the cumulative probability.
struct Distribution {
    std::vector<long double> p, cdf;

    template <class T>
    explicit Distribution(const Row<T>& row) : p(row.logits.size()), cdf(row.logits.size()) {
        const T max = *std::max_element(row.logits.begin(), row.logits.end());
        long double total = 0;
        for (std::size_t a = 0; a < p.size(); ++a)
            total += p[a] = std::exp(static_cast<long double>(row.logits[a]) - max), cdf[a] = total;
        for (std::size_t a = 0; a < p.size(); ++a) p[a] /= total, cdf[a] /= total;
    }
};
// How far what is p exactly may be from it by the errors of exponentials.
template <class T>
long double error_of_exps(long double p) {
    return 2 * kExpUlp * std::numeric_limits<T>::epsilon() * p * (1 - p);
}
// In a short row a boundary takes an addition for each entry before it; in a long one, one for each step of 64 and 12 within
// a step. Twice, for the total takes as many; two more are the product with u and the grid.
template <class T>
long double error_of_sums(const Row<T>& row) {
    const std::int64_t cols = row.cols();
    const auto additions = cols <= scorefn::kLongestShortRow ? cols : cols / 64 + 12;
    return static_cast<long double>(2 * additions + 2) / kGrid;
}

template <class T>
struct Sampler {
    const SampleKernels& kernels;
    const Row<T>& row;
    std::unique_ptr<void, decltype(&free)> scratch;

    Sampler(const SampleKernels& kernels, const Row<T>& row)
        : kernels(kernels),
          row(row),
          scratch(
              aligned_alloc(64, static_cast<std::size_t>(scorefn::scratch_bytes(row.cols()) + 63) / 64 * 64),
              &free) {}

    // The actions, each of which has to be one, and of a positive probability.
    Integers actions(const std::vector<double>& u, bool alone = false) const {
        Integers drawn(u.size(), -7);
        kernels.invert<T>()(row.logits.data(), row.cols(), u.data(), static_cast<std::int64_t>(u.size()),
                            drawn.data(), alone, scratch.get());
        for (std::size_t i = 0; i < u.size(); ++i) {
            const bool is_action = drawn[i] >= 0 && drawn[i] < row.cols();
            if (is_action && row[drawn[i]] != -std::numeric_limits<T>::infinity()) continue;
            check(false, __FILE__, __LINE__,
                  row.text() + ": u = " + text(std::vector<double>{u[i]}) + " gives action " +
                      std::to_string(drawn[i]));
            drawn[i] = 0;
        }
        return drawn;
    }

    // After each action a: the least k for which u = k / kGrid gives a later one; kGrid if none does. By bisection, of all
    // actions at once.
    Integers boundaries() const {
        Integers low(row.logits.size(), -1), high(row.logits.size(), kGrid);
        std::vector<double> u(row.logits.size());
        for (int bit = 0; bit <= 53; ++bit) {
            const auto middle = [&](std::size_t a) { return (low[a] + high[a]) / 2; };
            for (std::size_t a = 0; a < u.size(); ++a) u[a] = static_cast<double>(middle(a)) / kGrid;
            const Integers drawn = actions(u);
            for (std::size_t a = 0; a < u.size(); ++a) {
                if (high[a] - low[a] <= 1) continue;
                (drawn[a] > static_cast<std::int64_t>(a) ? high : low)[a] = middle(a);
            }
        }
        return high;
    }
};

std::string numbers(const char* name, std::size_t a, long double got, long double expected) {
    std::ostringstream all;
    all << std::setprecision(20) << ": " << name << " " << a << " is " << got << ", expected " << expected;
    return all.str();
}

// With sanitizers, which take a hundred times as long, a coarser grid.
#ifdef SCOREFN_SANITIZED
constexpr int kBitsOfUniforms = 18;
#else
constexpr int kBitsOfUniforms = 24;
#endif

// Every u on a grid of 2^24: each action as often as it should be, within 1, and they come in order.
template <class T>
void test_every_uniform(const SampleKernels& kernels, const Row<T>& row) {
    constexpr std::int64_t count = std::int64_t{1} << kBitsOfUniforms, step = 1 << 14;
    const Sampler<T> sampler(kernels, row);
    Integers counts(row.logits.size(), 0);
    std::vector<double> u(step);
    std::int64_t latest = 0;
    bool in_order = true;
    for (std::int64_t first = 0; first < count; first += step) {
        for (std::int64_t i = 0; i < step; ++i)
            u[static_cast<std::size_t>(i)] = static_cast<double>(first + i) / count;
        for (const std::int64_t action : sampler.actions(u)) {
            in_order = in_order && latest <= action;
            latest = action;
            ++counts[static_cast<std::size_t>(action)];
        }
    }
    check(in_order, __FILE__, __LINE__, row.text() + ": a larger u gives an earlier action");
    const Distribution exact(row);
    for (std::size_t a = 0; a < counts.size(); ++a) {
        const long double p = exact.p[a], most = 1 + count * (error_of_exps<T>(p) + error_of_sums(row));
        check(std::abs(static_cast<long double>(counts[a]) - count * p) < most, __FILE__, __LINE__,
              row.text() + numbers("the count of action", a, static_cast<long double>(counts[a]), count * p));
    }
}

// Where each action begins and ends, among all the uniforms that there are.
template <class T>
void test_boundaries(const SampleKernels& kernels, const SampleKernels& baseline, const Row<T>& row) {
    const Sampler<T> sampler(kernels, row);
    const Integers ends = sampler.boundaries();
    check(ends == Sampler<T>(baseline, row).boundaries(), __FILE__, __LINE__,
          row.text() + ": differs from baseline");

    const Distribution exact(row);
    std::int64_t start = 0;
    std::vector<double> near;  // the boundaries and the numbers before and after them
    for (std::size_t a = 0; a < ends.size(); start = ends[a], ++a) {
        const long double p = exact.p[a], cdf = exact.cdf[a], end = ends[a];
        const long double rounding = 1 + kGrid * error_of_sums(row);
        const auto require = [&](bool passed, const char* name, long double got, long double expected) {
            check(passed, __FILE__, __LINE__, row.text() + numbers(name, a, got, expected));
        };
        require(std::abs(end - kGrid * cdf) <= rounding + kGrid * error_of_exps<T>(cdf), "the end of",
                end / kGrid, cdf);
        // No action loses its share, however small it is: not even to rounding in float.
        const long double share = static_cast<long double>(ends[a] - start);
        require(std::abs(share - kGrid * p) <= rounding + kGrid * error_of_exps<T>(p), "the share of",
                share / kGrid, p);
        if (row.is_exact) require(end == kGrid * cdf, "the exact end of", end / kGrid, cdf);
        const double u = static_cast<double>(ends[a]) / kGrid;
        for (const double x : {std::nextafter(u, 0.0), u, std::nextafter(u, 1.0)})
            if (x < 1) near.push_back(x);
    }
    for (const double u : {0.0, std::numeric_limits<double>::denorm_min(), 0x1p-53, 1 - 0x1p-53})
        near.push_back(u);
    std::sort(near.begin(), near.end());
    const Integers drawn = sampler.actions(near);
    check(std::is_sorted(drawn.begin(), drawn.end()), __FILE__, __LINE__, row.text() + ": not in order");
    check(drawn == sampler.actions(near, true), __FILE__, __LINE__,
          row.text() + ": differs where it is alone");
    // [start, end): the end itself is the next one's.
    for (std::size_t i = 0; i < near.size(); ++i) {
        const auto a = static_cast<std::size_t>(drawn[i]);
        check(near[i] * kGrid < static_cast<double>(ends[a]) &&
                  (a == 0 || near[i] * kGrid > static_cast<double>(ends[a - 1] - 1)),
              __FILE__, __LINE__, row.text() + numbers("u beyond the range of", a, near[i], exact.cdf[a]));
    }
}

template <class T>
Row<T> random_row(std::int64_t cols, T shift, bool has_forbidden) {
    std::mt19937_64 random(static_cast<std::uint64_t>(cols));
    std::normal_distribution<T> logit(0, 2);
    Row<T> row{has_forbidden ? "partly forbidden" : shift != 0 ? "far" : "random", {}};
    for (std::int64_t a = 0; a < cols; ++a) row.logits.push_back(shift + logit(random));
    for (std::int64_t a = 0; has_forbidden && a < cols; ++a)
        if (a % 3 == 0 || a >= cols - 2) row.logits[static_cast<std::size_t>(a)] = -INFINITY;
    if (has_forbidden) row.logits[static_cast<std::size_t>(cols / 2)] = 0;
    return row;
}
// From 1 down to 2^-60 or, the other way round, up.
template <class T>
Row<T> skewed_row(std::int64_t cols, bool is_falling) {
    Row<T> row{is_falling ? "falling" : "rising", {}};
    for (std::int64_t a = 0; a < cols; ++a)
        row.logits.push_back(T(-41.6) * static_cast<T>(a) /
                             static_cast<T>(std::max<std::int64_t>(cols - 1, 1)));
    if (!is_falling) std::reverse(row.logits.begin(), row.logits.end());
    return row;
}
template <class T>
Row<T> equal_row(std::int64_t cols, std::int64_t step, T logit) {
    Row<T> row{"uniform", std::vector<T>(static_cast<std::size_t>(cols), -INFINITY)};
    std::int64_t allowed = 0;
    for (std::int64_t a = step / 2; a < cols; a += step, ++allowed)
        row.logits[static_cast<std::size_t>(a)] = logit;
    row.is_exact = (allowed & (allowed - 1)) == 0;
    return row;
}
// One action of probability 2^-exponent or so among equal ones, which have the rest.
template <class T>
Row<T> tiny_row(std::int64_t cols, std::int64_t at, int exponent) {
    Row<T> row{"2^-" + std::to_string(exponent) + " at " + std::to_string(at) + " in a",
               std::vector<T>(static_cast<std::size_t>(cols), T(0))};
    row.logits[static_cast<std::size_t>(at)] =
        static_cast<T>(std::log(static_cast<double>(cols - 1)) - exponent * std::log(2.0));
    return row;
}

// Far below the grid: as the first action it has one uniform, 0; as the last it has none.
template <class T>
void test_below_the_grid(const SampleKernels& kernels) {
    for (const std::int64_t cols : {2, 5, 128, 129, 1000}) {
        const Row<T> first = tiny_row<T>(cols, 0, 80), last = tiny_row<T>(cols, cols - 1, 80);
        CHECK(Sampler<T>(kernels, first).boundaries().front() == 1);
        CHECK(Sampler<T>(kernels, last).boundaries()[static_cast<std::size_t>(cols - 2)] == kGrid);
    }
}

template <class T>
void test_rows(const SampleKernels& kernels, const SampleKernels& baseline) {
    // Each layout, a row in several slices, and a long one.
    for (const Row<T>& row : {random_row<T>(2, T(0), false), equal_row<T>(3, 1, T(0)), skewed_row<T>(6, true),
                              random_row<T>(18, T(0), true), random_row<T>(100, T(0), false),
                              skewed_row<T>(129, false), random_row<T>(1000, T(0), true)})
        test_every_uniform(kernels, row);

    for (const std::int64_t cols :
         {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 18, 31, 64, 67, 128, 129, 192, 1000, 4099}) {
        test_boundaries(kernels, baseline, random_row<T>(cols, T(0), false));
        test_boundaries(kernels, baseline, random_row<T>(cols, T(0), true));
        test_boundaries(kernels, baseline, random_row<T>(cols, T(5000), false));
        test_boundaries(kernels, baseline, skewed_row<T>(cols, true));
        test_boundaries(kernels, baseline, skewed_row<T>(cols, false));
        if (cols == 1) continue;
        for (const std::int64_t at : {std::int64_t{0}, std::int64_t{1}, cols / 2, cols - 1})
            for (const int exponent : {25, 40, 48})
                test_boundaries(kernels, baseline, tiny_row<T>(cols, at, exponent));
    }
    for (const std::int64_t cols : {2, 4, 8, 64, 128, 256, 1024, 4096})
        for (const std::int64_t step : {1, 2, 4})
            if (step < cols) test_boundaries(kernels, baseline, equal_row<T>(cols, step, T(0)));
}

// The published known answers of philox4x32-10 (Random123, kat_vectors): there are these three.
void test_philox(const SampleKernels& kernels) {
    struct Answer {
        std::uint32_t counter[4], key[2], words[4];
    };
    constexpr std::uint32_t ones = 0xffffffff;
    constexpr Answer answers[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{ones, ones, ones, ones}, {ones, ones}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};
    for (const Answer& answer : answers) {
        const auto& [counter, key, words] = answer;
        std::uint32_t got[4];
        kernels.philox(counter, key, got);
        CHECK(std::equal(got, got + 4, words));

        // The same through u, whose counter is the row and, with the second half of the mixed key, the draw.
        const std::uint64_t row = std::uint64_t{counter[1]} << 32 | counter[0];
        const std::uint64_t column = std::uint64_t{counter[3]} << 32 | counter[2];
        const std::uint64_t bits = std::uint64_t{words[1]} << 32 | words[0];
        for (const std::uint64_t draw : {std::uint64_t{0}, column, std::uint64_t{12345}})
            for (std::uint64_t lane = 0; lane < 8; ++lane) {
                double u[8];
                kernels.uniforms({std::uint64_t{key[1]} << 32 | key[0], column ^ draw}, row - lane, draw, u);
                CHECK(u[lane] == static_cast<double>(bits >> 11) / kGrid);
                CHECK(std::all_of(u, u + 8, [](double x) { return 0 <= x && x < 1; }));
            }
    }
    std::uint64_t mixed[2];
    kernels.mix({0, 0}, mixed);
    CHECK(mixed[0] == 0xe169c58d6627e8d5 && mixed[1] == 0x9b00dbd8bc57ac4c);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: test_sample ISA\n";
        return 2;
    }
    const SampleKernels* const kernels = kernels_of(argv[1]);
    if (!kernels) return 77;
    test_philox(*kernels);
    test_below_the_grid<float>(*kernels);
    test_below_the_grid<double>(*kernels);
    test_rows<float>(*kernels, first_kernels());
    test_rows<double>(*kernels, first_kernels());
    return failures();
}
