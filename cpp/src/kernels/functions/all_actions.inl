// What objectives over all actions make of the matrix x beside the logits, where that takes sums over the row first: in double,
// one row at a time. An action is allowed if its logit is not -inf; the x of others may be anything.
#pragma once

#include "kernels/rows/for_each_tile.inl"

namespace scorefn {
namespace {

// Entries of a row. Those of x are 0 where the action is forbidden.
struct RowEntries {
    using D = Lanes<double>;
    D e, p, below_max, x;  // below_max: z - max
    Mask<double> is_allowed;

    SCOREFN_INLINE D p_times(D y) const { return select(p == 0.0, 0.0, p * y); }
};

SCOREFN_INLINE Mask<double> is_within(Full<1>) { return Mask<double>::splat(-1); }
SCOREFN_INLINE Mask<double> is_within(Tail tail) {
    return each_lane<double>() < Mask<double>::splat(tail.count);
}

template <class T>
struct DoubleRow {
    const T *z, *e, *x;
    std::int64_t cols;
    T max;
    double total, inverse, log_total;  // of e; of that; of exp(z - max)

    // visit(j, extent, entries)
    template <class Visit>
    SCOREFN_INLINE void for_each(Visit visit) const {
        for_each_vector<double, 1>(cols, [&](std::int64_t j, auto extent) SCOREFN_INLINE_LAMBDA {
            const auto z_j = load_doubles(z + j, extent);
            const auto is_allowed = is_within(extent) & (z_j != -kInfinity<double>);
            const auto x_j = select(is_allowed, load_doubles(x + j, extent), 0.0),
                       e_j = load_doubles(e + j, extent);
            visit(j, extent, RowEntries{e_j, e_j * inverse, z_j - static_cast<double>(max), x_j, is_allowed});
        });
    }
    // term(entries) over the allowed actions
    template <class Term>
    SCOREFN_INLINE double sum(Term term) const {
        auto total_of = Lanes<double>::splat(0);
        for_each([&](std::int64_t, auto, const RowEntries& of)
                     SCOREFN_INLINE_LAMBDA { total_of = total_of + select(of.is_allowed, term(of), 0.0); });
        return fold_sum(total_of);
    }
    // entry(entries) to each `out`, which may be x.
    template <class Entry>
    SCOREFN_INLINE void set(T* out, Entry entry) const {
        for_each([&](std::int64_t j, auto extent, const RowEntries& of) SCOREFN_INLINE_LAMBDA {
            store_doubles(select(of.is_allowed, entry(of), 0.0), out + j, extent);
        });
    }

    // x of a most likely action, if it is finite; of the last action in a row of NaN, whose largest logit is nowhere.
    SCOREFN_INLINE T pivot() const {
        std::int64_t j = 0;
        for (; j + Lanes<T>::size < cols && !any(Lanes<T>::load(z + j) == max); j += Lanes<T>::size) {}
        while (j < cols - 1 && !(z[j] == max)) ++j;
        return x[j] - x[j] == T(0) ? x[j] : T(0);
    }
};

// visit(r, row) for the rows of a tile, whose matrix has rows without gaps.
template <class T, class Visit>
SCOREFN_INLINE void for_each_row(const Tile<T>& rows, const MaxAndRest<T>& sums, const T* x, Visit visit) {
    T max[Lanes<T>::size];
    double totals[Lanes<T>::size], log_totals[Lanes<T>::size];
    sums.max.store(max), sums.total().store(totals), sums.log_total().store(log_totals);
    const std::int64_t cols = rows.block.cols;
    for (int r = 0; r < rows.count; ++r)
        visit(r, DoubleRow<T>{rows.z() + r * cols, rows.e() + r * cols, x + r * cols, cols, max[r], totals[r],
                              1.0 / totals[r], log_totals[r]});
}

// sum_j p_j x_j as x of a most likely action, and the mean difference from it. It is exact where all x are equal, and an
// offset of x changes nothing else.
template <class T>
struct Means {
    T pivot[Lanes<T>::size] = {};
    double difference[Lanes<T>::size] = {};

    SCOREFN_INLINE void set(int r, const DoubleRow<T>& row) {
        pivot[r] = row.pivot();
        difference[r] =
            row.sum([&](const RowEntries& of) SCOREFN_INLINE_LAMBDA { return of.p_times(of.x - at(r)); });
    }
    SCOREFN_INLINE double at(int r) const { return static_cast<double>(pivot[r]); }
    // x_j minus the mean
    SCOREFN_INLINE Lanes<double> centred(int r, Lanes<double> x) const { return (x - at(r)) - difference[r]; }
    SCOREFN_INLINE Widened<T> values() const {
        return widen(Lanes<T>::load(pivot)) + Widened<T>::load(difference);
    }
};

template <class T>
SCOREFN_NO_INLINE Means<T> means_of_rows(const Tile<T>& rows, const MaxAndRest<T>& sums, const T* x) {
    Means<T> means;
    for_each_row(rows, sums, x,
                 [&](int r, const DoubleRow<T>& row) SCOREFN_INLINE_LAMBDA { means.set(r, row); });
    return means;
}

// sum_j x_j log p_j, whose gradient x_j - p_j sum_k x_k goes to `out`. It is exactly 0 where one action is allowed, as its
// quotient e / total is exactly 1.
template <class T>
SCOREFN_NO_INLINE Widened<T> cross_entropy_of_rows(const Tile<T>& rows, const MaxAndRest<T>& sums, const T* x,
                                                   T* out) {
    double values[Lanes<T>::size] = {};
    for_each_row(rows, sums, x, [&](int r, const DoubleRow<T>& row) SCOREFN_INLINE_LAMBDA {
        values[r] = row.sum([&](const RowEntries& of) SCOREFN_INLINE_LAMBDA {
            return select(of.x == 0.0, 0.0, of.x * (of.below_max - row.log_total));
        });
        const double sum = row.sum([](const RowEntries& of) SCOREFN_INLINE_LAMBDA { return of.x; });
        row.set(out + r * row.cols,
                [&](const RowEntries& of) SCOREFN_INLINE_LAMBDA { return of.x - of.e / row.total * sum; });
    });
    return Widened<T>::load(values);
}

// The regrets max(0, x_j - sum_k p_k x_k), NaN where x is, to `out`.
SCOREFN_INLINE Lanes<double> regret(Lanes<double> advantage) {
    return select(advantage <= 0.0, 0.0, advantage);
}
template <class T>
SCOREFN_NO_INLINE void regrets_of_rows(const Tile<T>& rows, const MaxAndRest<T>& sums, const T* x, T* out) {
    Means<T> means;
    for_each_row(rows, sums, x, [&](int r, const DoubleRow<T>& row) SCOREFN_INLINE_LAMBDA {
        means.set(r, row);
        row.set(out + r * row.cols,
                [&](const RowEntries& of) SCOREFN_INLINE_LAMBDA { return regret(means.centred(r, of.x)); });
    });
}
// Minus the sum of the regrets; how many are not 0, to `counts`.
template <class T>
SCOREFN_NO_INLINE Widened<T> minus_regrets_of_rows(const Tile<T>& rows, const MaxAndRest<T>& sums, const T* x,
                                                   const Means<T>& means, Lanes<T>& counts) {
    double values[Lanes<T>::size] = {};
    T number[Lanes<T>::size] = {};
    for_each_row(rows, sums, x, [&](int r, const DoubleRow<T>& row) SCOREFN_INLINE_LAMBDA {
        const auto regret_at = [&](const RowEntries& of)
                                   SCOREFN_INLINE_LAMBDA { return regret(means.centred(r, of.x)); };
        values[r] = 0.0 - row.sum(regret_at);
        number[r] = static_cast<T>(row.sum([&](const RowEntries& of) SCOREFN_INLINE_LAMBDA {
            return select(regret_at(of) == 0.0, 0.0, Lanes<double>::splat(1));
        }));
    });
    counts = Lanes<T>::load(number);
    return Widened<T>::load(values);
}

// NeuRD (Hennes et al. 2020, "Neural replicator dynamics"). With the logits y_j centred over the allowed actions and the
// advantages A_j = x_j - sum_k p_k x_k, of which one that would push a logit further beyond the threshold counts as 0:
// sum_j y_j A_j, and A_j minus the mean of A over the allowed actions to `out`.
template <class T>
SCOREFN_NO_INLINE Widened<T> neurd_of_rows(const Tile<T>& rows, const MaxAndRest<T>& sums, const T* x,
                                           double threshold, T* out) {
    using D = Lanes<double>;
    Means<T> means;
    double values[Lanes<T>::size] = {};
    for_each_row(rows, sums, x, [&](int r, const DoubleRow<T>& row) SCOREFN_INLINE_LAMBDA {
        means.set(r, row);
        const double allowed = row.sum([](const RowEntries&) SCOREFN_INLINE_LAMBDA { return D::splat(1); });
        const double centre =
            row.sum([](const RowEntries& of) SCOREFN_INLINE_LAMBDA { return of.below_max; }) / allowed;
        const auto advantage = [&](const RowEntries& of) SCOREFN_INLINE_LAMBDA {
            const D a = means.centred(r, of.x), y = of.below_max - centre;
            const auto is_beyond =
                ((a < 0.0) & (y <= -threshold)) | ((D::splat(0) < a) & (D::splat(threshold) <= y));
            return select(is_beyond, 0.0, a);
        };
        values[r] = row.sum([&](const RowEntries& of)
                                SCOREFN_INLINE_LAMBDA { return (of.below_max - centre) * advantage(of); });
        const double mean = row.sum(advantage) / allowed;
        row.set(out + r * row.cols,
                [&](const RowEntries& of) SCOREFN_INLINE_LAMBDA { return advantage(of) - mean; });
    });
    return Widened<T>::load(values);
}

}  // namespace
}  // namespace scorefn
