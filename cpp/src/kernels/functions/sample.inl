// Inverse transform sampling: the first action whose cumulative sum of exponentials exceeds u times the total. A term of 0
// does not raise the sum, so an action of probability 0 is never drawn. The total is the last of these same sums, each in
// double and none of a term rounded to float: so for u < 1, a multiple of 2^-53, there is an action, and whatever stands
// last has its share, however small.
#pragma once

#include "kernels/functions/categorical.inl"
#include "kernels/math/philox.inl"

namespace scorefn {
namespace {

template <class T>
SCOREFN_INLINE std::int64_t draw_from_long_row(const T* e, std::int64_t cols, const double* cdf, double u) {
    const std::int64_t last = number_of_cdf_steps(cols) - 1;
    const double threshold = u * cdf[last];
    std::int64_t i = 0;
    while (i < last && cdf[i] <= threshold) ++i;
    return i * kCdfStep + find_in_cdf_step(e + i * kCdfStep, i < last ? kCdfStep : cols - last * kCdfStep,
                                           i > 0 ? cdf[i - 1] : 0.0, threshold);
}

template <class T>
SCOREFN_INLINE void draw(const LongTile<T>& rows, const double* cdf, Widened<T>, Widened<T> u,
                         std::int64_t* actions) {
    const std::int64_t cols = rows.block.cols;
    double us[Lanes<T>::size];
    u.store(us);
    for (int r = 0; r < Lanes<T>::size; ++r)
        actions[r] = r < rows.count ? draw_from_long_row(rows.e() + r * cols, cols,
                                                         cdf + r * number_of_cdf_steps(cols), us[r])
                                    : 0;
}

// In every lane, over the rows of a tile.
template <class T>
SCOREFN_INLINE void draw(const ShortTile<T>& rows, const double*, Widened<T> total, Widened<T> u,
                         std::int64_t* actions) {
    const Widened<T> threshold = u * total;
    const std::int64_t cols = rows.block.cols;
    if (rows.is_one_row()) {
        const double bound = threshold.lanes[0].reg[0][0];
        const T* const e = rows.e();
        double sum = static_cast<double>(e[0]);
        std::int64_t action = 0;
        while (sum <= bound && action < cols - 1) sum += static_cast<double>(e[++action]);
        auto all = Lanes<std::int64_t>::splat(0);
        for (int p = 1; p < u.count; ++p) all.store(actions + 8 * p);
        all.reg[0][0] = action;
        return all.store(actions);
    }
    Widened<T> sum = Widened<T>::splat(0);
    Lanes<std::int64_t> passed[Widened<T>::count];
    for (auto& p : passed) p = Lanes<std::int64_t>::splat(0);
    rows.for_each_column([&](Widened<T> e) SCOREFN_INLINE_LAMBDA {
        sum = sum + e;
        unrolled<Widened<T>::count>([&](int p) SCOREFN_INLINE_LAMBDA {
            passed[p] = select(sum.lanes[p] <= threshold.lanes[p], passed[p] + std::int64_t{1}, passed[p]);
        });
    });
    // All of them were passed in a row that is not there, or where another mode of rounding has been set.
    unrolled<Widened<T>::count>([&](int p) SCOREFN_INLINE_LAMBDA {
        select(passed[p] == cols, cols - 1, passed[p]).store(actions + 8 * p);
    });
}

// The numbers of eight rows from `row` on.
SCOREFN_INLINE Words load_row_numbers(const RowNumbers& numbers, std::int64_t row) {
    constexpr std::uint64_t index[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    if (numbers.each) return Words::load(reinterpret_cast<const std::uint64_t*>(numbers.each) + row);
    return Words::splat(static_cast<std::uint64_t>(numbers.first + row)) + Words::load(index);
}

// A row with NaN or +inf has no distribution to draw from: it stops the call, as one without an allowed action does.
template <class T>
std::int64_t sample(const LogitRows<T>& in, const std::uint64_t (&key_words)[2], const RowNumbers& numbers,
                    const OutRows<std::int64_t>& actions, const OutRows<T>& log_probs, T* entropies,
                    std::int64_t entropy_stride, void* scratch) {
    const DrawKey key(key_words);
    double* const cdf = reinterpret_cast<double*>(Buffers<T>(scratch, in.cols).more);
    return for_each_tile(in, entropies != nullptr, scratch, [&](auto& rows) SCOREFN_INLINE_LAMBDA {
        rows.block.needs_numbers = true;
        const Widened<T> total = rows.cumulative_sums(cdf).total();
        if (rows.any_bad) return;
        if (entropies) {
            const MaxAndRest<T> sums = rows.template max_and_rest<kWithDifferences>();
            store_rows(entropy(rows, sums), rows.first(), rows.count, entropies, entropy_stride);
        }
        for (std::int64_t d = 0; d < actions.cols; ++d) {
            Widened<T> u = Widened<T>::splat(0);
            for (int p = 0; p < u.count && 8 * p < rows.count; ++p)
                u.lanes[p] = uniforms(key, load_row_numbers(numbers, rows.first() + 8 * p),
                                      static_cast<std::uint64_t>(d));
            Actions<T> drawn;
            draw(rows, cdf, total, u, drawn.index);
            std::int64_t* const a = actions.data + rows.first() * actions.row_stride + d * actions.col_stride;
            if (actions.row_stride == 1 && rows.count == Lanes<T>::size)
                for (int r = 0; r < Lanes<T>::size; r += Lanes<std::int64_t>::size)
                    Lanes<std::int64_t>::load(drawn.index + r).store(a + r);
            else
                for (int r = 0; r < rows.count; ++r) a[r * actions.row_stride] = drawn.index[r];
            if (!log_probs.data) continue;
            const Lanes<T> log_p = log_prob(rows, drawn, rows.term_and_rest(drawn));
            store_rows(log_p, rows.first(), rows.count, log_probs.data + d * log_probs.col_stride,
                       log_probs.row_stride);
        }
    });
}

}  // namespace
}  // namespace scorefn
