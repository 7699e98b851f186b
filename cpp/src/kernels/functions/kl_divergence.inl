// KL(p || q) = sum_j p_j d_j with d_j = log p_j - log q_j, as sum_j (q_j - p_j + p_j d_j): the two sums differ by
// sum q - sum p = 0, but the terms of this one are all >= 0, so nothing cancels when p is near q.
//
// d_j = (z_p - z_q) - c with c = logsumexp z_p - logsumexp z_q is what is left of larger numbers, so what their rounding
// loses is kept. c itself is as exact as the sums over exp, and that matters little: a c that is wrong by epsilon adds
// epsilon^2 / 2 to the sum. Where that is not little (p is very near q), sum_j (p_j - p_j exp(-d_j)), which is 0 for the
// right c, says what epsilon is (Newton's method).
#pragma once

#include "kernels/math/kl_tail.inl"
#include "kernels/rows/for_each_tile.inl"

namespace scorefn {
namespace {

// What the terms need to know of each row of a tile.
template <class T>
struct KlRows {
    // What is taken from the logits before anything else, without an error: the largest, where that is far from 0, or 0.
    Lanes<T> shift_p, shift_q;
    Lanes<T> c, c_low;          // of what is left
    Lanes<T> scale_p, scale_q;  // of exponentials: to p total and q total
    Widened<T> total;           // from 1 to 2

    SCOREFN_INLINE KlRows(const MaxAndRest<T>& p, const MaxAndRest<T>& q)
        : shift_p(shift_of(p.max)), shift_q(shift_of(q.max)) {
        using Bits = std::uint64_t;
        const auto max_p = widen(p.max - shift_p), minus_max_q = widen(shift_q - q.max);
        const auto log_quotient = p.log_total() - q.log_total();
        Widened<T> sum, lost;
        unrolled<Widened<T>::count>([&](int i) SCOREFN_INLINE_LAMBDA {
            const auto a = max_p.lanes[i], b = minus_max_q.lanes[i], max = a + b;
            sum.lanes[i] = max + log_quotient.lanes[i];
            lost.lanes[i] = lost_in(max, a, b) + lost_in(sum.lanes[i], max, log_quotient.lanes[i]);
            const auto mantissa = bits<Bits>(p.total().lanes[i]) & Bits(0x000fffffffffffff);
            total.lanes[i] = bits<double>(mantissa | Bits(0x3ff0000000000000));
        });
        c = narrow(sum);
        c_low = narrow((sum - widen(c)) + lost);
        scale_p = narrow(total / p.total()), scale_q = narrow(total / q.total());
    }

private:
    SCOREFN_INLINE static Lanes<T> shift_of(Lanes<T> max) {
        using C = ExpConstants<T>;
        return select(max * max < C::shift_from * C::shift_from, T(0), max);
    }
};

// sum = q - p + p d and product = p d of as many entries, times the total of p
template <class T>
struct KlTerms {
    Lanes<T> shift_p, shift_q, c, c_low, scale_p, scale_q;

    template <int N>
    SCOREFN_INLINE void of(Lanes<T, N> z_p, Lanes<T, N> z_q, Lanes<T, N> e_p, Lanes<T, N> e_q,
                           Lanes<T, N>& sum, Lanes<T, N>& product) const {
        const auto p = e_p * scale_p, q = e_q * scale_q;
        const auto a = z_p - shift_p, b = T(0) - (z_q - shift_q), both = a + b;
        const auto lost = lost_in(both, a, b);
        const auto d = (both - c) + (select(lost == lost, lost, T(0)) - c_low);  // inf where z_q is -inf
        product = select(p == T(0), T(0), p * d);
        const auto near = p * (d * d * polynomial(d, KlTail<T>::c));
        sum = select(d * d < T(4), near, (q - p) + product);
    }
};

// The sums over both, of the rows of two tiles.
template <class T>
struct KlSums {
    Widened<T> terms, products;
};

template <class T, class Columns>
SCOREFN_NO_INLINE KlSums<T> kl_sums(const ShortTile<T>& p, const ShortTile<T>& q, const KlRows<T>& rows,
                                    const Columns& layout) {
    constexpr int width = Columns::width;
    Lanes<T> shift_p[width], shift_q[width], c[width], c_low[width], scale_p[width], scale_q[width];
    layout.broadcast(rows.shift_p, shift_p), layout.broadcast(rows.shift_q, shift_q);
    layout.broadcast(rows.c, c), layout.broadcast(rows.c_low, c_low);
    layout.broadcast(rows.scale_p, scale_p), layout.broadcast(rows.scale_q, scale_q);
    Sum<T> sums[2];
    sum_slices<T>(layout, sums, [&](std::int64_t slice, auto& x) SCOREFN_INLINE_LAMBDA {
        Lanes<T> z_p[width], z_q[width], e_p[width], e_q[width];
        layout.load(p.z(), slice, -kInfinity<T>, z_p), layout.load(q.z(), slice, -kInfinity<T>, z_q);
        layout.load(p.e(), slice, T(0), e_p), layout.load(q.e(), slice, T(0), e_q);
        for (int i = 0; i < width; ++i)
            KlTerms<T>{shift_p[i], shift_q[i], c[i], c_low[i], scale_p[i], scale_q[i]}.of(
                z_p[i], z_q[i], e_p[i], e_q[i], x[0][i], x[1][i]);
    });
    return {sums[0].total(), sums[1].total()};
}
template <class T>
SCOREFN_INLINE KlSums<T> kl_sums(const ShortTile<T>& p, const ShortTile<T>& q, const KlRows<T>& rows) {
    return p.layout.visit([&](const auto& layout)
                              SCOREFN_INLINE_LAMBDA { return kl_sums(p, q, rows, layout); });
}

template <class T>
SCOREFN_NO_INLINE void kl_sums_of_row(const T* z_p, const T* z_q, const T* e_p, const T* e_q, std::int64_t n,
                                      const KlTerms<T>& row, double& terms, double& products) {
    Sum<T> sums[2];
    sum_vectors<T>(n, sums, [&](std::int64_t i, auto extent, auto& x) SCOREFN_INLINE_LAMBDA {
        row.of(load(z_p + i, extent, -kInfinity<T>), load(z_q + i, extent, -kInfinity<T>),
               load(e_p + i, extent, T(0)), load(e_q + i, extent, T(0)), x[0], x[1]);
    });
    terms = fold_sum(sums[0].total()), products = fold_sum(sums[1].total());
}
template <class T>
SCOREFN_NO_INLINE KlSums<T> kl_sums(const LongTile<T>& p, const LongTile<T>& q, const KlRows<T>& rows) {
    const std::int64_t cols = p.block.cols;
    double terms[Lanes<T>::size] = {}, products[Lanes<T>::size] = {};
    for (int r = 0; r < p.count; ++r) {
        const auto of_row = [&](Lanes<T> values)
                                SCOREFN_INLINE_LAMBDA { return Lanes<T>::splat(lane(values, r)); };
        const KlTerms<T> row = {of_row(rows.shift_p), of_row(rows.shift_q), of_row(rows.c),
                                of_row(rows.c_low),   of_row(rows.scale_p), of_row(rows.scale_q)};
        const std::int64_t start = r * cols;
        const T *const z_p = p.z() + start, *const z_q = q.z() + start, *const e_p = p.e() + start,
                       *const e_q = q.e() + start;
        if (!has_splits<T>(cols)) {
            kl_sums_of_row(z_p, z_q, e_p, e_q, cols, row, terms[r], products[r]);
            continue;
        }
        // What the splits held is no longer needed.
        Split<T>* const splits = p.block.buffers.splits;
        for_each_split(p.block.in.team, cols, splits, [&](Split<T>& split, std::int64_t i, std::int64_t n) {
            kl_sums_of_row(z_p + i, z_q + i, e_p + i, e_q + i, n, row, split.sums.below,
                           split.sums.differences);
        });
        Compensated<double> all_terms, all_products;
        for (std::int64_t i = 0; i < number_of_splits<T>(cols); ++i)
            all_terms.add(splits[i].sums.below), all_products.add(splits[i].sums.differences);
        terms[r] = all_terms.total(), products[r] = all_products.total();
    }
    return {Widened<T>::load(terms), Widened<T>::load(products)};
}

// The divergence from the two sums, each divided by the total: epsilon is what rounding leaves of 1 - sum_j q_j.
template <class D>
SCOREFN_INLINE D divergence(D sum, D epsilon) {
    return sum - epsilon * epsilon * (0.5 + epsilon * (1.0 / 3.0));  // sum + epsilon + log(1 - epsilon)
}

// The divergences of rows some of which have to be corrected until their sums are good. Others get the same sums again.
template <class T, class Rows>
SCOREFN_NO_INLINE Lanes<T> corrected_divergences(const Rows& p, const Rows& q, KlRows<T> rows) {
    constexpr int most_tries = 5, size = Lanes<T>::size;
    constexpr T inverse_headroom = ExpConstants<T>::inverse_headroom;
    T out[size] = {};
    for (int tries = 0; tries < most_tries; ++tries) {
        const KlSums<T> sums = kl_sums(p, q, rows);
        double terms[size], products[size], total[size];
        T c_low[size], scale_p[size], scale_q[size];
        sums.terms.store(terms), sums.products.store(products), rows.total.store(total);
        rows.c_low.store(c_low), rows.scale_p.store(scale_p), rows.scale_q.store(scale_q);
        bool again = false;
        for (int r = 0; r < p.count; ++r) {
            const double sum = terms[r] / total[r], epsilon = products[r] / total[r] - sum;
            if (sum == kInfinity<double>) {
                out[r] = kInfinity<T>;
                if (total[r] < 1.0) continue;
                // It may have overflowed in T.
                scale_p[r] *= inverse_headroom, scale_q[r] *= inverse_headroom,
                    total[r] *= static_cast<double>(inverse_headroom);
                again = true;
                continue;
            }
            out[r] = static_cast<T>(divergence(sum, epsilon));
            if (!(8.0 * epsilon * epsilon > sum)) continue;
            c_low[r] += static_cast<T>(epsilon);
            again = true;
        }
        if (!again) break;
        rows.c_low = Lanes<T>::load(c_low), rows.total = Widened<T>::load(total);
        rows.scale_p = Lanes<T>::load(scale_p), rows.scale_q = Lanes<T>::load(scale_q);
    }
    return Lanes<T>::load(out);
}
template <class T, class Rows>
SCOREFN_INLINE Lanes<T> divergences(const Rows& p, const Rows& q, const KlRows<T>& rows) {
    const KlSums<T> sums = kl_sums(p, q, rows);
    const auto sum = sums.terms / rows.total, epsilon = sums.products / rows.total - sum;
    auto is_rough = Mask<double>::splat(0);
    for (int i = 0; i < sum.count; ++i)
        is_rough = is_rough | (sum.lanes[i] == kInfinity<double>) |
                   (sum.lanes[i] < 8.0 * epsilon.lanes[i] * epsilon.lanes[i]);
    return any(is_rough) ? corrected_divergences(p, q, rows) : narrow(divergence(sum, epsilon));
}

template <class T>
std::int64_t kl_divergence(const LogitRows<T>& in_p, const LogitRows<T>& in_q, T* out, std::int64_t stride,
                           void* scratch) {
    const std::int64_t cols = in_p.cols, most = block_rows<T>(cols);
    Block<T> p(in_p, scratch), q(in_q, Buffers<T>(scratch, cols).more);
    const auto run = [&](auto tile_at) SCOREFN_NO_INLINE_LAMBDA -> std::int64_t {
        for (std::int64_t first = 0; first < in_p.rows; first += most) {
            const int count = static_cast<int>(in_p.rows - first < most ? in_p.rows - first : most);
            p.load(first, count, true), q.load(first, count, true);
            for (int row = 0; row < count; row += Lanes<T>::size) {
                auto rows_p = tile_at(p, row), rows_q = tile_at(q, row);
                const KlRows<T> rows(rows_p.template max_and_rest<kNoDifferences>(),
                                     rows_q.template max_and_rest<kNoDifferences>());
                if (p.stopped_at != -1) return p.stopped_at;
                if (q.stopped_at != -1) return q.stopped_at;
                const Lanes<T> kl = rows_q.with_nan(rows_p.with_nan(divergences(rows_p, rows_q, rows)));
                store_rows(kl, rows_p.first(), rows_p.count, out, stride);
            }
        }
        return -1;
    };
    return with_tiles<T>(cols, run);
}

}  // namespace
}  // namespace scorefn
