// What the samples that share a row of logits add to the statistics of their gradient. Sample i with action a adds
//     g_i = w_i (onehot(a) - p) + b  with  b_j = -c p_j (log p_j + H)
// to the gradient, so that from the sums over the samples of an action, s_a of w_i and q_a of w_i^2, and their number n
//     sum_i ||g_i||^2 = sum_a q_a ((1 - p_a)^2 + sum_{j != a} p_j^2) + 2 sum_a s_a (b_a - p . b) + n ||b||^2.
// 1 - p_a and the sum of the other squares leave out the largest p: 1 - 2 p_a + sum_j p_j^2 would cancel.
#pragma once

#include "kernels/rows/for_each_tile.inl"

namespace scorefn {
namespace {

// What is known of a row.
struct StateDistribution {
    double max, e_max, rest, differences, entropy;
};

// Adds the row's share to totals[0 .. 1]. Whether a sample has an action of probability 0 and a weight.
template <class T>
SCOREFN_NO_INLINE bool add_row_statistics(const StateDistribution& row, const T* z, const T* e,
                                          std::int64_t cols, const double* weights, const double* squares,
                                          double visits, const StatisticsScale& by, double* totals) {
    const double inverse = 1.0 / (row.rest + row.e_max), m = row.differences * inverse;
    const double c = by.entropy_coef * by.scale;
    const auto bonus = [&](std::int64_t j) SCOREFN_INLINE_LAMBDA {
        const bool is_zero = c == 0 || e[j] == 0;
        return is_zero ? 0.0 : -c * (e[j] * inverse) * ((static_cast<double>(z[j]) - row.max) - m);
    };
    std::int64_t top = 0;
    while (top < cols - 1 && e[top] != row.e_max) ++top;
    double other_squares = 0, dot = 0, bonus_square = 0;
    for (std::int64_t j = 0; j < cols; ++j) {
        const double p = e[j] * inverse, b = bonus(j);
        other_squares += j == top ? 0.0 : p * p;
        dot += p * b;
        bonus_square += b * b;
    }
    const double p_top = row.e_max * inverse;
    double sum = 0;
    bool is_possible = true;
    for (std::int64_t a = 0; a < cols; ++a) {
        if (weights[a] == 0 && squares[a] == 0) continue;
        is_possible &= z[a] != -kInfinity<T>;
        const double p = e[a] * inverse;
        const double others = (a == top ? row.rest : row.rest + (row.e_max - e[a])) * inverse;
        const double other_square = a == top ? other_squares : (other_squares - p * p) + p_top * p_top;
        sum +=
            squares[a] * (others * others + other_square) + 2.0 * (by.scale * weights[a]) * (bonus(a) - dot);
    }
    totals[0] += visits * row.entropy;
    totals[1] += sum + visits * bonus_square;
    return is_possible;
}

template <class T>
std::int64_t state_statistics(const LogitRows<T>& in, const double* weight_sums, const double* square_sums,
                              const double* visits, const StatisticsScale& by, double* totals,
                              bool* all_possible, void* scratch) {
    const OutRows<T>* const no_results = nullptr;
    return for_each_tile(in, no_results, false, true, scratch, [&](auto& rows) SCOREFN_INLINE_LAMBDA {
        const MaxAndRest<T> sums = rows.template max_and_rest<kWithDifferences>();
        constexpr int size = Lanes<T>::size;
        double max[size], e_max[size], rest[size], differences[size], entropies[size];
        widen(sums.max).store(max), widen(sums.e_max).store(e_max), sums.rest.store(rest);
        sums.differences.store(differences), widen(entropy(rows, sums)).store(entropies);
        for (int r = 0; r < rows.count; ++r) {
            const std::int64_t row = rows.first() + r, start = r * in.cols;
            if (visits[row] == 0) continue;
            const bool is_good = add_row_statistics<T>(
                {max[r], e_max[r], rest[r], differences[r], entropies[r]}, rows.z() + start, rows.e() + start,
                in.cols, weight_sums + row * in.cols, square_sums + row * in.cols, visits[row], by, totals);
            if (!is_good) *all_possible = false;
        }
    }, visits);
}

}  // namespace
}  // namespace scorefn
