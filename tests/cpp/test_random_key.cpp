// Different keys give independent draws, whatever their words are: pairs of neighbouring keys, as users make them from seeds,
// steps and indices.
#include <algorithm>
#include <cstdint>
#include <scorefn/categorical.hpp>

#include "check.hpp"

using scorefn::Matrix;
using scorefn::RandomKey;

namespace {

constexpr std::int64_t kRows = 4, kDraws = 16, kActions = 1024;
using Drawn = std::vector<std::int64_t>;

// Of equal actions: each is 10 bits of a uniform.
Drawn draws(const RandomKey& key) {
    const std::vector<float> row(kActions);
    Drawn drawn(kRows * kDraws);
    scorefn::sample(Matrix<const float>(row.data(), kRows, kActions, 0, 1), key,
                    {drawn.data(), kRows, kDraws});
    return drawn;
}

struct Pair {
    RandomKey a, b;
};

// The i-th of each kind.
std::vector<Pair> neighbours(std::uint64_t i) {
    const std::uint64_t bit = std::uint64_t{1} << i % 64, seed = i / 8, step = i % 8;
    return {
        {{{seed, step}}, {{seed, step + 1}}},  // the next step
        {{{seed, step}}, {{seed, step ^ 1}}},
        {{{seed, step}}, {{seed + 1, step}}},  // the next seed
        {{{i, 0}}, {{0, i + 1}}},              // the words swapped, from 0 on
        {{{i, i + 1}}, {{i + 1, i}}},
        {{{i, ~i}}, {{i ^ bit, ~i}}},  // one bit
        {{{i << 32, i}}, {{i << 32, i ^ bit}}},
        {{{i * 0x9e3779b97f4a7c15, 0}}, {{i * 0x9e3779b97f4a7c15, bit}}},
        {{{i, i}}, {{i + 1, i + 1}}},
        {{{~i, ~std::uint64_t{0}}}, {{~i - 1, ~std::uint64_t{0}}}},
    };
}

constexpr std::uint64_t kOfEachKind = 1000;

// Neither the same draws in the same places, nor a permutation of them: 64 draws of 1024 actions have 4 in common with 64
// others, by chance. Of 10^4 Poisson numbers of mean 4 one exceeds 24 with a probability of 10^-8.
void test_permutations() {
    for (std::uint64_t i = 0; i < kOfEachKind; ++i) {
        for (const auto& [a, b] : neighbours(i)) {
            Drawn of_a = draws(a), of_b = draws(b), common;
            std::sort(of_a.begin(), of_a.end());
            std::sort(of_b.begin(), of_b.end());
            std::set_intersection(of_a.begin(), of_a.end(), of_b.begin(), of_b.end(),
                                  std::back_inserter(common));
            check(common.size() <= 24, __FILE__, __LINE__,
                  "keys " + text(std::vector<std::uint64_t>{a.words[0], a.words[1], b.words[0], b.words[1]}) +
                      " have " + std::to_string(common.size()) + " of 64 draws in common");
        }
    }
}

// For each kind, the pairs (draw of one key, draw of the other) in the same place: their upper 3 bits make 64 cells, each
// equally frequent. Chi-square has 63 degrees of freedom and exceeds 156 with a probability of 10^-9.
void test_joint_frequencies() {
    const std::size_t kinds = neighbours(0).size();
    std::vector<std::vector<double>> counts(kinds, std::vector<double>(64));
    for (std::uint64_t i = 0; i < kOfEachKind; ++i) {
        const std::vector<Pair> pairs = neighbours(i);
        for (std::size_t kind = 0; kind < kinds; ++kind) {
            const Drawn a = draws(pairs[kind].a), b = draws(pairs[kind].b);
            for (std::size_t d = 0; d < a.size(); ++d)
                ++counts[kind][static_cast<std::size_t>(a[d] / 128 * 8 + b[d] / 128)];
        }
    }
    for (std::size_t kind = 0; kind < kinds; ++kind) {
        const double expected = static_cast<double>(kOfEachKind * kRows * kDraws) / 64;
        double chi_square = 0;
        for (const double n : counts[kind]) chi_square += (n - expected) * (n - expected) / expected;
        check(chi_square < 156, __FILE__, __LINE__,
              "kind " + std::to_string(kind) + " has a chi-square of " + std::to_string(chi_square));
    }
}

}  // namespace

int main() {
    test_permutations();
    test_joint_frequencies();
    return failures();
}
