// log_prob and entropy of rows.
#pragma once

#include "kernels/rows/for_each_tile.inl"

namespace scorefn {
namespace {

// log p(a) where e_a says no more than that it is small: in rows that leave the safe range and for logits far below
// it. There log p(a) = (z_a - max) - log(sum_j e_j / e_max), and neither term cancels the other.
template <class T>
SCOREFN_NO_INLINE Lanes<T> log_probs_of_small_terms(const Tile<T>& rows, const Actions<T>& actions,
                                                    const TermAndRest<T>& exps, Lanes<T> log_probs) {
    const Block<T>& block = rows.block;
    T out[Lanes<T>::size], e_a[Lanes<T>::size];
    double others[Lanes<T>::size];
    log_probs.store(out), exps.term.store(e_a), exps.rest.store(others);
    for (int r = 0; r < rows.count; ++r) {
        const bool is_shifted = block.any_shifted && block.is_shifted[rows.row + r];
        if (!is_shifted && e_a[r] != T(0)) continue;
        const T* const z = rows.z() + r * block.cols;
        const T z_a = z[actions.index[r]],
                max = is_shifted ? block.shifted_max[rows.row + r] : max_of_row(z, block.cols);
        if (z_a == max || z_a == -kInfinity<T>) continue;
        const T e_max = is_shifted ? block.shifted_e_max[rows.row + r] : exp_within(max);
        const double largest = static_cast<double>(e_max);
        const double rest = others[r] + (static_cast<double>(e_a[r]) - largest);
        const auto log_total =
            log_ratio<T>(Lanes<double>::splat(rest < 0 ? 0 : rest), Lanes<double>::splat(largest));
        out[r] = (z_a - max) - static_cast<T>(log_total.reg[0][0]);
    }
    return Lanes<T>::load(out);
}
// log p(a) = -log((e_a + the others) / e_a)
template <class T>
SCOREFN_INLINE Lanes<T> log_prob(const Tile<T>& rows, const Actions<T>& actions, const TermAndRest<T>& exps) {
    const auto is_zero = exps.term == T(0);
    auto log_probs = select(is_zero, -kInfinity<T>, T(0) - narrow(log_ratio(exps.rest, widen(exps.term))));
    if (rows.block.any_shifted || any_zero(exps.term))
        log_probs = log_probs_of_small_terms(rows, actions, exps, log_probs);
    return rows.with_nan(log_probs);
}

// H = log_total - sum_j p_j (z_j - max): both terms are >= 0.
template <class T>
SCOREFN_INLINE Lanes<T> entropy(const Tile<T>& rows, const MaxAndRest<T>& sums) {
    return rows.with_nan(narrow(sums.log_total() - sums.differences / sums.total()));
}

template <class T>
std::int64_t log_prob(const LogitRows<T>& in, const IndexVector& actions, T* out, std::int64_t stride,
                      void* scratch) {
    return for_each_tile(in, false, scratch, [&](auto& rows) SCOREFN_INLINE_LAMBDA {
        Actions<T> taken;
        if (!rows.load(taken, actions)) return;
        const TermAndRest<T> exps = rows.term_and_rest(taken);
        store_rows(log_prob(rows, taken, exps), rows.first(), rows.count, out, stride);
    });
}

template <class T>
std::int64_t entropy(const LogitRows<T>& in, T* out, std::int64_t stride, void* scratch) {
    return for_each_tile(in, true, scratch, [&](auto& rows) SCOREFN_INLINE_LAMBDA {
        const MaxAndRest<T> sums = rows.template max_and_rest<kWithDifferences>();
        store_rows(entropy(rows, sums), rows.first(), rows.count, out, stride);
    });
}

}  // namespace
}  // namespace scorefn
