// What objectives over all actions make of the matrix x beside the logits, where that takes sums over the row first: of terms
// that are rounded to T, in double. An action is allowed if its logit is not -inf; the x of others may be anything.
#pragma once

#include "kernels/rows/for_each_tile.inl"

namespace scorefn {
namespace {

// Entries of rows. Those of x are 0 where the action is forbidden.
template <class T>
struct RowEntries {
    Lanes<T> e, p, below_max, x;  // below_max: z - max
};

// A tile and its rows of x, without gaps.
template <class T, class Rows>
struct MatrixRows {
    const Rows& rows;
    const MaxAndRest<T>& sums;
    const T* x;
    T* terms;  // room for as many

    // To `out`, which may be x: entry(entries, a, b) with the a and b of their row, and 0 for forbidden actions.
    template <class Entry>
    SCOREFN_INLINE void set(T* out, Lanes<T> a, Lanes<T> b, Entry entry) const {
        rows.set(out, {sums.max, narrow(1.0 / sums.total()), a, b}, entry_at(entry));
    }
    // The sums over each row of term(entries, a, b).
    template <class Term>
    SCOREFN_INLINE Widened<T> sum(Lanes<T> a, Lanes<T> b, Term term) const {
        return rows.sum(terms, {sums.max, narrow(1.0 / sums.total()), a, b}, entry_at(term));
    }
    template <class Term>
    SCOREFN_INLINE Widened<T> sum(Term term) const {
        const auto none = Lanes<T>::splat(0);
        return sum(none, none, [&](const auto& of, auto, auto) SCOREFN_INLINE_LAMBDA { return term(of); });
    }

private:
    template <class Entry>
    SCOREFN_INLINE auto entry_at(Entry entry) const {
        return [z_of = rows.z(), e_of = rows.e(), x_of = x, entry](std::int64_t i, auto extent, auto& v)
                   SCOREFN_INLINE_LAMBDA {
            const auto z = load(z_of + i, extent, -kInfinity<T>), e = load(e_of + i, extent, T(0)),
                       x_i = load(x_of + i, extent, T(0));
            const auto is_allowed = z != -kInfinity<T>;
            const RowEntries<T> of{e, e * v[1], z - v[0], select(is_allowed, x_i, T(0))};
            return select(is_allowed, entry(of, v[2], v[3]), T(0));
        };
    }
};

// sum_j p_j x_j as x of a most likely action, if that is finite, and the mean difference from it. It is exact where all x are
// equal, and an offset of x changes nothing else.
template <class T>
struct Means {
    Lanes<T> pivot;
    Widened<T> difference;

    SCOREFN_INLINE Widened<T> values() const { return widen(pivot) + difference; }
};

template <class T, class Rows>
SCOREFN_NO_INLINE Means<T> means_of_rows(const MatrixRows<T, Rows>& matrix) {
    const auto of_likely = matrix.rows.at_max(matrix.sums.max, matrix.x);
    const auto pivot = select(of_likely - of_likely == T(0), of_likely, T(0));
    return {pivot, matrix.sum(pivot, pivot, [](const auto& of, auto pivot, auto) SCOREFN_INLINE_LAMBDA {
        return select(of.p == T(0), T(0), of.p * (of.x - pivot));
    })};
}

// sum_j x_j log p_j, whose gradient x_j - p_j sum_k x_k goes to `out`. It is exactly 0 where one action is allowed, as its
// quotient e / total is exactly 1.
template <class T, class Rows>
SCOREFN_NO_INLINE Widened<T> cross_entropy_of_rows(const MatrixRows<T, Rows>& matrix, T* out) {
    const auto log_total = narrow(matrix.sums.log_total()), total = narrow(matrix.sums.total());
    const auto values =
        matrix.sum(log_total, log_total, [](const auto& of, auto log_total, auto) SCOREFN_INLINE_LAMBDA {
        return select(of.x == T(0), T(0), of.x * (of.below_max - log_total));
    });
    const auto sum = narrow(matrix.sum([](const auto& of) SCOREFN_INLINE_LAMBDA { return of.x; }));
    matrix.set(out, total, sum, [](const auto& of, auto total, auto sum) SCOREFN_INLINE_LAMBDA {
        return of.x - of.e / total * sum;
    });
    return values;
}

// The regrets max(0, x_j - sum_k p_k x_k), NaN where x is, to `out`.
template <class T>
SCOREFN_INLINE Lanes<T> regret(Lanes<T> advantage) {
    return select(advantage <= T(0), T(0), advantage);
}
template <class T, class Rows>
SCOREFN_NO_INLINE void regrets_of_rows(const MatrixRows<T, Rows>& matrix, const Means<T>& means, T* out) {
    matrix.set(out, means.pivot, narrow(means.difference),
               [](const auto& of, auto pivot, auto difference)
                   SCOREFN_INLINE_LAMBDA { return regret((of.x - pivot) - difference); });
}
// Minus the sum of the regrets; how many are not 0, to `counts`.
template <class T, class Rows>
SCOREFN_NO_INLINE Widened<T> minus_regrets_of_rows(const MatrixRows<T, Rows>& matrix, const Means<T>& means,
                                                   Lanes<T>& counts) {
    const auto difference = narrow(means.difference);
    const auto value = matrix.sum(means.pivot, difference,
                                  [](const auto& of, auto pivot, auto difference)
                                      SCOREFN_INLINE_LAMBDA { return regret((of.x - pivot) - difference); });
    counts = narrow(matrix.sum(means.pivot, difference,
                               [](const auto& of, auto pivot, auto difference) SCOREFN_INLINE_LAMBDA {
        return select(regret((of.x - pivot) - difference) == T(0), T(0), Lanes<T>::splat(1));
    }));
    return 0.0 - value;
}

// NeuRD (Hennes et al. 2020, "Neural replicator dynamics"). With the logits y_j centred over the allowed actions and the
// advantages A_j = x_j - sum_k p_k x_k, of which one that would push a logit further beyond the threshold counts as 0:
// sum_j y_j A_j, and A_j minus the mean of A over the allowed actions to `out`.
template <class T, class Rows>
SCOREFN_NO_INLINE Widened<T> neurd_of_rows(const MatrixRows<T, Rows>& matrix, T threshold, T* out) {
    const auto allowed = matrix.sum([](const auto&) SCOREFN_INLINE_LAMBDA { return Lanes<T>::splat(1); });
    const auto centre =
        narrow(matrix.sum([](const auto& of) SCOREFN_INLINE_LAMBDA { return of.below_max; }) / allowed);
    const Means<T> means = means_of_rows(matrix);
    matrix.set(out, means.pivot, narrow(means.difference),
               [](const auto& of, auto pivot, auto difference)
                   SCOREFN_INLINE_LAMBDA { return (of.x - pivot) - difference; });

    const MatrixRows<T, Rows> advantages{matrix.rows, matrix.sums, out, matrix.terms};
    advantages.set(out, centre, centre, [&](const auto& of, auto centre, auto) SCOREFN_INLINE_LAMBDA {
        const auto y = of.below_max - centre, zero = Lanes<T>::splat(0);
        const auto is_beyond =
            ((of.x < T(0)) & (y <= -threshold)) | ((zero < of.x) & (Lanes<T>::splat(threshold) <= y));
        return select(is_beyond, zero, of.x);
    });
    const auto values = advantages.sum(centre, centre,
                                       [](const auto& of, auto centre, auto)
                                           SCOREFN_INLINE_LAMBDA { return (of.below_max - centre) * of.x; });
    const auto mean =
        narrow(advantages.sum([](const auto& of) SCOREFN_INLINE_LAMBDA { return of.x; }) / allowed);
    advantages.set(out, mean, mean,
                   [](const auto& of, auto mean, auto) SCOREFN_INLINE_LAMBDA { return of.x - mean; });
    return values;
}

}  // namespace
}  // namespace scorefn
