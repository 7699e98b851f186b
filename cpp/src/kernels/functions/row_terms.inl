// Terms over all actions of a row, beside the objective of log pi(a) or alone:
//     c H(p) + k sum_j p_j x_j + s times a function whose gradient is d
// The matrix beside the logits has x, or all_actions.inl makes x or d of it. With x = log q and k more added to c, the second is
// -k KL(p || q). The gradient is
//     w (onehot(a) - p)_j + s d_j - p_j (y_j - sum_k p_k y_k),    y_j = c log p_j - k x_j
#pragma once

#include "kernels/functions/all_actions.inl"
#include "kernels/functions/weighted_scores.inl"

namespace scorefn {
namespace {

// The coefficients of the rows of a tile, and the matrix.
template <class T>
struct TileTerms {
    Lanes<T> entropy;      // of H in the objective
    Lanes<T> coef;         // of the term with the matrix
    Lanes<T> log_p;        // c
    Lanes<T> x, gradient;  // k, s: one of them is 0
    const T* matrix;       // x or d, in rows without gaps
    Means<T> means;        // sum_j p_j x_j
    Widened<T> values;     // of the term, without the coefficient, unless it is a divergence

    SCOREFN_INLINE Mask<T> are_zero() const { return (log_p == T(0)) & (coef == T(0)); }
};

template <class T>
SCOREFN_INLINE Lanes<T> load_numbers_of_rows(const PerRow& numbers, std::int64_t first, int count) {
    return numbers.each.data ? load_reals<T>(numbers.each, first, count)
                             : Lanes<T>::splat(static_cast<T>(numbers.number));
}

// The rows of a tile of the matrix, where they are or, if there are gaps or a tile of short rows is not whole, in the buffer.
template <class T>
SCOREFN_INLINE const T* load_matrix(const Tile<T>& rows, LogitRows<T> matrix, T* buffer) {
    const bool is_part = rows.count < Lanes<T>::size && is_short(matrix.cols);
    matrix.rows = rows.first() + rows.count;
    if (!has_gaps(matrix) && !is_part) return matrix.data + rows.first() * matrix.row_stride;
    pack(matrix, rows.first(), rows.count, buffer);
    for (std::int64_t i = rows.count * matrix.cols; is_part && i < Lanes<T>::size * matrix.cols; ++i)
        buffer[i] = T(0);
    return buffer;
}

template <class T, class Rows>
SCOREFN_NO_INLINE TileTerms<T> load_terms(const Rows& rows, const MaxAndRest<T>& sums,
                                          const RowTerms<T>& terms) {
    const auto zero = Lanes<T>::splat(0);
    TileTerms<T> of{};
    of.entropy = of.log_p = load_numbers_of_rows<T>(terms.entropy_coef, rows.first(), rows.count);
    of.matrix = rows.e();  // no number of it counts
    of.coef = of.x = of.gradient = zero;
    if (terms.kind == AllActions::nothing) return of;

    const auto coef = load_numbers_of_rows<T>(terms.matrix_coef, rows.first(), rows.count);
    const Buffers<T> more(rows.block.buffers.more, rows.block.cols);
    T* const buffer = more.z;
    MatrixRows<T, Rows> matrix{rows, sums, load_matrix(rows, terms.matrix, buffer), more.e};
    of.coef = coef;
    const auto set_expectation = [&]() SCOREFN_INLINE_LAMBDA {
        of.x = coef;
        of.means = means_of_rows(matrix);
        of.values = of.means.values();
    };
    switch (terms.kind) {
        case AllActions::nothing: break;
        case AllActions::reverse_kl:
            of.log_p = of.log_p + coef;
            set_expectation();
            break;
        case AllActions::expected_value: set_expectation(); break;
        case AllActions::forward_kl:
        case AllActions::cross_entropy:
            of.gradient = coef;
            of.values = cross_entropy_of_rows(matrix, buffer);
            matrix.x = buffer;
            break;
        case AllActions::regret_matching:
            regrets_of_rows(matrix, means_of_rows(matrix), buffer);
            matrix.x = buffer;
            set_expectation();
            break;
        case AllActions::regret_policy_gradient: {
            Lanes<T> counts;
            set_expectation();
            of.values = minus_regrets_of_rows(matrix, of.means, counts);
            of.x = coef * counts;
            break;
        }
        case AllActions::neurd:
            of.gradient = coef;
            of.values = neurd_of_rows(matrix, static_cast<T>(terms.threshold), buffer);
            matrix.x = buffer;
            break;
    }
    of.matrix = matrix.x;
    return of;
}

// The action of each row, if it has one, and the derivative w of the objective with respect to log pi(a).
template <class T>
struct TakenActions {
    const Actions<T>& actions;
    const TermAndRest<T>& exps;
    Lanes<T> w;
};

// A NaN of the matrix as the one NaN that every ISA gives.
template <class T>
SCOREFN_INLINE Lanes<T> with_one_nan(Lanes<T> x) {
    return select(x == x, x, kNaN<T>);
}

// The gradient, as above. The parts of the mean of x are subtracted from x one after the other, as x may be large beside its
// differences. `taken` null: w is 0.
template <class T, class Rows>
SCOREFN_NO_INLINE void weighted_scores_and_terms(Rows& rows, const TakenActions<T>* taken,
                                                 const MaxAndRest<T>& sums, const TileTerms<T>& terms) {
    const auto zero = Lanes<T>::splat(0);
    // 0 times what is not finite, too.
    const auto product = [&](Lanes<T> coef, Lanes<T> x)
                             SCOREFN_INLINE_LAMBDA { return select(coef == T(0), zero, coef * x); };
    const auto is_zero = [](Lanes<T> e, Lanes<T> below_max) SCOREFN_INLINE_LAMBDA {
        return (e == T(0)) | (below_max < ExpConstants<T>::lowest);
    };
    // z_j - max takes the place of log p_j, from which it differs by the same number for all j.
    const auto w = taken ? taken->w : zero;
    const auto inverse = 1.0 / (taken ? taken->exps.total() : sums.total());
    const auto unit = weight_unit(w, terms.log_p);
    const auto scale = narrow(inverse) * unit, weight = w / unit, c = terms.log_p / unit, k = terms.x / unit,
               m = narrow(sums.differences / sums.total());
    const auto pivot = terms.means.pivot, mean = narrow(terms.means.difference);
    const T *const e_of = rows.e(), *const z_of = rows.z(), *const x_of = terms.matrix;

    const RowValues<T> values[] = {scale, weight, c, m, k, pivot, mean, terms.gradient, sums.max};
    const auto entry = [&](std::int64_t i, auto extent, auto& v) SCOREFN_INLINE_LAMBDA {
        const auto e = load(e_of + i, extent, T(0)), z = load(z_of + i, extent, T(0)),
                   x = load(x_of + i, extent, T(0)), below = z - v[8];
        const auto y = v[2] * (below - v[3]) - product(v[4], (x - v[5]) - v[6]), of_p = e * v[0] * (v[1] + y);
        const auto of_x = product(v[7], x) - select(is_zero(e, below), zero, of_p);
        return select(z == -kInfinity<T>, zero, with_one_nan(of_x));
    };
    if (!taken) return rows.map(values, entry);

    const auto x_a = rows.at(taken->actions, x_of), below_a = rows.at(taken->actions, z_of) - sums.max;
    const auto term = taken->exps.term;
    const auto p_a = narrow(widen(term) * inverse * widen(unit));
    const auto score = narrow(taken->exps.rest * inverse * widen(w)) + product(terms.gradient, x_a);
    const auto inner = c * (below_a - m) - product(k, (x_a - pivot) - mean);
    auto at_action = select(is_zero(term, below_a), score, score - p_a * inner);
    if (any_zero(term)) at_action = zero_where_forbidden(rows, taken->actions, at_action);
    rows.map(values, taken->actions, with_one_nan(at_action), entry);
}

// 0 times what is not finite, too.
template <class T>
SCOREFN_INLINE Widened<T> value_of(Lanes<T> coef, Lanes<T> x) {
    return widen(coef) * widen(select(coef == T(0), T(0), x));
}

// The gradient of a tile whose entropies are h. Returns what is known here of the terms' values: c H, and the term with the
// matrix unless that is a divergence.
template <class T, class Rows>
SCOREFN_NO_INLINE Widened<T> gradient_with_terms(Rows& rows, const TakenActions<T>* taken,
                                                 const MaxAndRest<T>& sums, Lanes<T> h,
                                                 const RowTerms<T>& terms) {
    const TileTerms<T> of_tile = load_terms(rows, sums, terms);
    weighted_scores_and_terms(rows, taken, sums, of_tile);
    const Lanes<T> w = taken ? taken->w : Lanes<T>::splat(0);
    const Lanes<T> is_something = select(of_tile.are_zero() & (w == T(0)), T(0), Lanes<T>::splat(1));
    rows.for_each_bad_row([&](int r) { rows.fill_row(r, lane(is_something, r) == 0 ? T(0) : kNaN<T>); });

    const Widened<T> bonus = value_of(of_tile.entropy, h);
    const bool is_divergence = terms.kind == AllActions::reverse_kl || terms.kind == AllActions::forward_kl;
    if (is_divergence || terms.kind == AllActions::nothing) return bonus;
    const Lanes<T> values = rows.with_nan(narrow(of_tile.values));
    if (terms.values.data)
        store_rows(values, rows.first(), rows.count, terms.values.data, terms.values.stride);
    return bonus + value_of(of_tile.coef, values);
}

}  // namespace
}  // namespace scorefn
