// Terms over all actions of a row, beside the objective of log pi(a):
//     c H(p) + s sum_j tau_j log p_j + k sum_j p_j x_j
// The matrix beside the logits has tau or x. With x = log q and k more added to c, the last is -k KL(p || q). The gradient is
//     w (onehot(a) - p)_j + s (tau_j - p_j) - p_j (y_j - sum_k p_k y_k),    y_j = c log p_j - k x_j
#pragma once

#include "kernels/functions/weighted_scores.inl"

namespace scorefn {
namespace {

// The coefficients of the rows of a tile, and the matrix.
template <class T>
struct TileTerms {
    Lanes<T> entropy;    // of H in the objective
    Lanes<T> log_p;      // c
    Lanes<T> x, target;  // k, s
    const T* matrix;     // in rows without gaps

    SCOREFN_INLINE Mask<T> are_zero() const { return (log_p == T(0)) & (x == T(0)) & (target == T(0)); }
};

template <class T>
SCOREFN_INLINE Lanes<T> load_numbers_of_rows(const PerRow& numbers, std::int64_t first, int count) {
    return numbers.each.data ? load_reals<T>(numbers.each, first, count)
                             : Lanes<T>::splat(static_cast<T>(numbers.number));
}

template <class T>
SCOREFN_NO_INLINE TileTerms<T> load_terms(const Tile<T>& rows, const RowTerms<T>& terms) {
    const Block<T>& block = rows.block;
    const auto coef = load_numbers_of_rows<T>(terms.matrix_coef, rows.first(), rows.count);
    const auto zero = Lanes<T>::splat(0);
    TileTerms<T> of_tile{load_numbers_of_rows<T>(terms.entropy_coef, rows.first(), rows.count), zero, zero,
                         zero, rows.e()};
    of_tile.log_p = of_tile.entropy;
    switch (terms.kind) {
        case AllActions::nothing: return of_tile;  // no number of the matrix counts
        case AllActions::reverse_kl:
            of_tile.log_p = of_tile.log_p + coef;
            of_tile.x = coef;
            break;
        case AllActions::forward_kl: of_tile.target = coef; break;
        case AllActions::expected_value: of_tile.x = coef; break;
    }
    LogitRows<T> matrix = terms.matrix;
    matrix.rows = rows.first() + rows.count;
    if (has_gaps(matrix)) {
        T* const packed = reinterpret_cast<T*>(block.buffers.more);
        pack(matrix, rows.first(), rows.count, packed);
        of_tile.matrix = packed;
    } else {
        of_tile.matrix = matrix.data + rows.first() * matrix.row_stride;
    }
    return of_tile;
}

// sum_j p_j x_j, by the sum of these very terms: no digit of a large x is lost in the rounding of another. Where e is 0, x may be
// anything.
template <class T>
SCOREFN_NO_INLINE Widened<T> means_of_rows(const Tile<T>& rows, const T* x, Widened<T> inverse) {
    const std::int64_t cols = rows.block.cols;
    double scale[Lanes<T>::size], means[Lanes<T>::size] = {};
    inverse.store(scale);
    for (int r = 0; r < rows.count; ++r) {
        const T *const e_of = rows.e() + r * cols, *const x_of = x + r * cols;
        Lanes<double> sum = Lanes<double>::splat(0), total = sum;
        for_each_vector<double, 1>(cols, [&](std::int64_t j, auto extent) SCOREFN_INLINE_LAMBDA {
            const auto p = load_doubles(e_of + j, extent) * scale[r];
            sum = sum + select(p == 0.0, 0.0, p * load_doubles(x_of + j, extent));
            total = total + p;
        });
        means[r] = fold_sum(sum) / fold_sum(total);
    }
    return Widened<T>::load(means);
}

// The gradient, as above. `mean_x`: sum_j p_j x_j, which is subtracted from x with all its digits, as x may be large beside its
// differences.
template <class T, class Rows>
SCOREFN_NO_INLINE void weighted_scores_and_terms(Rows& rows, const Actions<T>& actions,
                                                 const TermAndRest<T>& exps, const MaxAndRest<T>& sums,
                                                 Lanes<T> w, const TileTerms<T>& terms, Widened<T> mean_x) {
    const auto zero = Lanes<T>::splat(0);
    // 0 times what is not finite, too.
    const auto product = [&](Lanes<T> coef, Lanes<T> x)
                             SCOREFN_INLINE_LAMBDA { return select(coef == T(0), zero, coef * x); };
    const auto is_zero = [](Lanes<T> e, Lanes<T> below_max) SCOREFN_INLINE_LAMBDA {
        return (e == T(0)) | (below_max < ExpConstants<T>::lowest);
    };
    // z_j - max takes the place of log p_j, from which it differs by the same number for all j.
    const auto inverse = 1.0 / exps.total();
    const auto unit = weight_unit(w, terms.log_p);
    const auto scale = narrow(inverse) * unit, weight = (w + terms.target) / unit, c = terms.log_p / unit,
               k = terms.x / unit, m = narrow(sums.differences / sums.total());
    const auto mean = narrow(mean_x), rest_of_mean = narrow(mean_x - widen(mean));
    const T *const e_of = rows.e(), *const z_of = rows.z(), *const x_of = terms.matrix;

    const auto x_a = rows.at(actions, x_of), below_a = rows.at(actions, z_of) - sums.max;
    const auto p_a = narrow(widen(exps.term) * inverse * widen(unit));
    const auto score = narrow(exps.rest * inverse * widen(w)) + product(terms.target, x_a);
    const auto inner = terms.target / unit + (c * (below_a - m) - product(k, (x_a - mean) - rest_of_mean));
    auto at_action = select(is_zero(exps.term, below_a), score, score - p_a * inner);
    if (any_zero(exps.term)) at_action = zero_where_forbidden(rows, actions, at_action);

    rows.map({scale, weight, c, m, k, mean, rest_of_mean, terms.target, sums.max}, actions, at_action,
             [&](std::int64_t i, auto extent, auto& v) SCOREFN_INLINE_LAMBDA {
        const auto e = load(e_of + i, extent, T(0)), z = load(z_of + i, extent, T(0)),
                   x = load(x_of + i, extent, T(0)), below = z - v[8];
        const auto y = v[2] * (below - v[3]) - product(v[4], (x - v[5]) - v[6]), of_p = e * v[0] * (v[1] + y);
        return select(z == -kInfinity<T>, zero, product(v[7], x) - select(is_zero(e, below), zero, of_p));
    });
}

// 0 times what is not finite, too.
template <class T>
SCOREFN_INLINE Widened<T> value_of(Lanes<T> coef, Lanes<T> x) {
    return widen(coef) * widen(select(coef == T(0), T(0), x));
}

// The gradient of a tile whose entropies are h. Returns what is known here of the terms' values: c H, and k sum_j p_j x_j of
// an expected value.
template <class T, class Rows>
SCOREFN_NO_INLINE Widened<T> gradient_with_terms(Rows& rows, const Actions<T>& actions,
                                                 const TermAndRest<T>& exps, const MaxAndRest<T>& sums,
                                                 Lanes<T> h, Lanes<T> w, const RowTerms<T>& terms) {
    const TileTerms<T> of_tile = load_terms(rows, terms);
    const bool has_mean = terms.kind == AllActions::reverse_kl || terms.kind == AllActions::expected_value;
    const Widened<T> mean_x =
        has_mean ? means_of_rows(rows, of_tile.matrix, 1.0 / exps.total()) : Widened<T>::splat(0);
    weighted_scores_and_terms(rows, actions, exps, sums, w, of_tile, mean_x);
    const Lanes<T> is_something = select(of_tile.are_zero() & (w == T(0)), T(0), Lanes<T>::splat(1));
    rows.for_each_bad_row([&](int r) { rows.fill_row(r, lane(is_something, r) == 0 ? T(0) : kNaN<T>); });

    const Widened<T> bonus = value_of(of_tile.entropy, h);
    if (terms.kind != AllActions::expected_value) return bonus;
    const Lanes<T> values = rows.with_nan(narrow(mean_x));
    if (terms.values.data)
        store_rows(values, rows.first(), rows.count, terms.values.data, terms.values.stride);
    return bonus + value_of(of_tile.x, values);
}

}  // namespace
}  // namespace scorefn
