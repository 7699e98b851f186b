// Tiles of long rows, which are worked through one after the other.
#pragma once

#include "kernels/rows/tile.inl"

namespace scorefn {
namespace {

// Cumulative sums of a long row, one for each step of kCdfStep entries, added in order: they never decrease, and an entry of
// 0 leaves them as they are.
constexpr std::int64_t kCdfStep = 64;
constexpr std::int64_t number_of_cdf_steps(std::int64_t cols) { return (cols + kCdfStep - 1) / kCdfStep; }
template <class T>
SCOREFN_NO_INLINE void sum_cdf_steps(const T* e, std::int64_t n, double* sums) {
    for (std::int64_t i = 0; i < n; i += kCdfStep) {
        Lanes<double> sum = Lanes<double>::splat(0);
        for_each_vector<double, 1>(n - i < kCdfStep ? n - i : kCdfStep,
                                   [&](std::int64_t j, auto extent) SCOREFN_INLINE_LAMBDA {
            sum = sum + load_doubles(e + i + j, extent);
        });
        sums[i / kCdfStep] = fold_sum(sum);
    }
}
// The first entry of a step of n entries with which the sum, added to `before`, exceeds the threshold.
template <class T>
SCOREFN_INLINE std::int64_t find_in_cdf_step(const T* e, std::int64_t n, double before, double threshold) {
    constexpr std::int64_t size = Lanes<double>::size;
    Lanes<double> sum = Lanes<double>::splat(0);
    std::int64_t i = 0;
    for (; i + size < n; i += size) {
        const Lanes<double> next = sum + load_doubles(e + i, Full<1>{});
        if (before + fold_sum(next) > threshold) break;
        sum = next;
    }
    double lanes[size];
    for (sum.store(lanes); i < n - 1; ++i) {
        lanes[i % size] += static_cast<double>(e[i]);
        if (before + fold_sum(lanes) > threshold) break;
    }
    return i;
}

// A tile of long rows, one after the other.
template <class T>
struct LongTile : Tile<T> {
    using Tile<T>::Tile, Tile<T>::block, Tile<T>::row, Tile<T>::count, Tile<T>::z, Tile<T>::e, Tile<T>::to;
    using Int = typename IntegerOf<T>::type;
    static constexpr int size = Lanes<T>::size;

    SCOREFN_INLINE Total<T> sum() {
        return this->retry_shifted([&]() SCOREFN_INLINE_LAMBDA { return measure_sum(); });
    }
    // For draws: cdf[i] of the first row = the sum of its steps 0 .. i, after them those of the next row.
    SCOREFN_INLINE Total<T> cumulative_sums(double* cdf) {
        return this->retry_shifted([&]() SCOREFN_INLINE_LAMBDA { return measure_cumulative_sums(cdf); });
    }
    SCOREFN_INLINE TermAndRest<T> term_and_rest(const Actions<T>& actions) {
        return this->retry_shifted([&]() SCOREFN_INLINE_LAMBDA { return measure_term_and_rest(actions); });
    }
    template <bool Differences>
    SCOREFN_INLINE MaxAndRest<T> max_and_rest() {
        return this->retry_shifted([&]()
                                       SCOREFN_INLINE_LAMBDA { return measure_max_and_rest<Differences>(); });
    }

    // As of short rows, but at the first of the largest logits; at the last one in a row of NaN, whose largest is nowhere.
    SCOREFN_NO_INLINE Lanes<T> at_max(Lanes<T> z_max, const T* x) const {
        T max[size], found[size] = {};
        z_max.store(max);
        for (int r = 0; r < count; ++r) {
            const T* const logits = z_of(r);
            std::int64_t j = 0;
            for (; j + size < block.cols && !any(Lanes<T>::load(logits + j) == max[r]); j += size) {}
            while (j < block.cols - 1 && !(logits[j] == max[r])) ++j;
            found[r] = x[r * block.cols + j];
        }
        return Lanes<T>::load(found);
    }
    template <int N, class Entry>
    SCOREFN_INLINE void set(T* x, const RowValues<T> (&values)[N], Entry entry) const {
        for (int r = 0; r < count; ++r)
            for_each_entry(r, values, entry,
                           [&](std::int64_t i, auto extent, Lanes<T> value)
                               SCOREFN_INLINE_LAMBDA { store(value, x + i, extent); });
    }
    // Entries beyond the end of a row are to be 0. No x is needed.
    template <int N, class Entry>
    SCOREFN_INLINE Widened<T> sum(T*, const RowValues<T> (&values)[N], Entry entry) const {
        double sums[size] = {};
        for (int r = 0; r < count; ++r) {
            auto sum = Widened<T>::splat(0);
            for_each_entry(r, values, entry, [&](std::int64_t, auto, Lanes<T> value) SCOREFN_INLINE_LAMBDA {
                sum = sum + widen(value);
            });
            sums[r] = fold_sum(sum);
        }
        return Widened<T>::load(sums);
    }

    template <int N, class Entry>
    SCOREFN_INLINE void map(const RowValues<T> (&values)[N], Entry entry) {
        set_each(values, [&](int, std::int64_t, std::int64_t i, auto extent, const Lanes<T>(&v)[N])
                             SCOREFN_INLINE_LAMBDA { return entry(i, extent, v); });
    }
    template <int N, class Entry>
    SCOREFN_INLINE void map(const RowValues<T> (&values)[N], const Actions<T>& actions, Lanes<T> at_action,
                            Entry entry) {
        T at[size];
        at_action.store(at);
        const Mask<T> lanes = each_lane<T>();
        set_each(values, [&](int r, std::int64_t col, std::int64_t i, auto extent, const Lanes<T>(&v)[N])
                             SCOREFN_INLINE_LAMBDA {
            auto results = entry(i, extent, v);
            const std::int64_t place = actions.index[r] - col;
            if (static_cast<std::uint64_t>(place) < size)
                results =
                    select(lanes == Mask<T>::splat(static_cast<Int>(place)), Lanes<T>::splat(at[r]), results);
            return results;
        });
    }

private:
    SCOREFN_NO_INLINE Total<T> measure_sum() const {
        double sum[size];
        fill(sum, 1.0);
        if (has_splits<T>(block.cols)) {
            sum_splits();
            sum[0] = merge_sums(splits(), num_splits());
        } else {
            for (int r = 0; r < count; ++r) sum[r] = sum_of_row(e_of(r), block.cols);
        }
        return {Widened<T>::load(sum)};
    }
    SCOREFN_NO_INLINE Total<T> measure_cumulative_sums(double* cdf) const {
        const std::int64_t steps = number_of_cdf_steps(block.cols);
        if (has_splits<T>(block.cols))
            measure_splits([&](Split<T>&, std::int64_t first, std::int64_t n) {
                sum_cdf_steps(e() + first, n, cdf + first / kCdfStep);
            });
        else
            for (int r = 0; r < count; ++r) sum_cdf_steps(e_of(r), block.cols, cdf + r * steps);
        double sum[size];
        fill(sum, 1.0);
        for (int r = 0; r < count; ++r, cdf += steps) {
            for (std::int64_t i = 1; i < steps; ++i) cdf[i] += cdf[i - 1];
            sum[r] = cdf[steps - 1];
        }
        return {Widened<T>::load(sum)};
    }
    SCOREFN_NO_INLINE TermAndRest<T> measure_term_and_rest(const Actions<T>& actions) const {
        double sum[size];
        T e_a[size];
        fill(sum, 1.0), fill(e_a, T(1));
        if (has_splits<T>(block.cols)) sum_splits();
        for (int r = 0; r < count; ++r) {
            const std::int64_t a = actions.index[r];
            e_a[r] = e_of(r)[a];
            sum[r] = has_splits<T>(block.cols) ? rest_of_splits(a) : rest_of_row(e_of(r), block.cols, a);
        }
        return {Lanes<T>::load(e_a), Widened<T>::load(sum)};
    }
    template <bool Differences>
    SCOREFN_NO_INLINE MaxAndRest<T> measure_max_and_rest() const {
        T max[size], e_max[size];
        double rest[size], differences[size];
        fill(max, T(0)), fill(e_max, T(1)), fill(rest, 0.0), fill(differences, 0.0);
        if (has_splits<T>(block.cols)) {
            measure_splits([&](Split<T>& split, std::int64_t first, std::int64_t n) {
                split.max = max_of_row(z() + first, n);
                split.e_max = block.any_shifted ? exp_shifted(block.shifted_max[row], split.max)
                                                : exp_within(split.max);
                split.sums = sums_of_row<Differences>(z() + first, e() + first, n, split.max, split.e_max);
            });
            const auto merged = merge_max_and_rest<Differences>(splits(), num_splits());
            max[0] = merged.max, e_max[0] = merged.e_max, rest[0] = merged.rest,
            differences[0] = merged.differences;
        } else {
            for (int r = 0; r < count; ++r) max[r] = max_of_row(z_of(r), block.cols);
            this->exps_of(Lanes<T>::load(max)).store(e_max);
            for (int r = 0; r < count; ++r) {
                const auto sums = sums_of_row<Differences>(z_of(r), e_of(r), block.cols, max[r], e_max[r]);
                rest[r] = sums.rest(static_cast<double>(e_max[r])), differences[r] = sums.differences;
            }
        }
        return {Lanes<T>::load(max), Lanes<T>::load(e_max), Widened<T>::load(rest),
                Widened<T>::load(differences)};
    }

    SCOREFN_INLINE const T* z_of(int r) const { return z() + r * block.cols; }
    SCOREFN_INLINE T* e_of(int r) const { return e() + r * block.cols; }
    SCOREFN_INLINE Split<T>* splits() const { return block.buffers.splits; }
    SCOREFN_INLINE std::int64_t num_splits() const { return number_of_splits<T>(block.cols); }
    template <class V>
    SCOREFN_INLINE static void fill(V (&x)[size], V value) {
        for (auto& v : x) v = value;
    }

    // measure(split, its first entry, number of entries) for all splits, after their exponentials.
    template <class Measure>
    SCOREFN_INLINE void measure_splits(Measure measure) const {
        if (block.splits_have_exps) return for_each_split(block.in.team, block.cols, splits(), measure);
        block.splits_have_exps = true;
        if (!block.any_shifted) {
            for_each_split(block.in.team, block.cols, splits(),
                           [&](Split<T>& split, std::int64_t first, std::int64_t n) {
                const T* const x = z() + first;
                split.is_outside = !exps(x, n, e() + first, x + n);
                if (!split.is_outside) measure(split, first, n);
            });
            bool any_outside = false;
            for (std::int64_t p = 0; p < num_splits(); ++p)
                any_outside = any_outside || splits()[p].is_outside;
            if (!any_outside) return;
            block.set_shift(row);  // of the only row
        }
        for_each_split(block.in.team, block.cols, splits(),
                       [&](Split<T>& split, std::int64_t first, std::int64_t n) {
            shifted_exps(block.shifted_max[row], z() + first, n, e() + first);
            measure(split, first, n);
        });
    }
    SCOREFN_INLINE void sum_splits() const {
        if (block.splits_have_sums) return;
        measure_splits([&](Split<T>& split, std::int64_t first, std::int64_t n) {
            split.sum = sum_of_row(e() + first, n);
        });
        block.splits_have_sums = true;
    }
    SCOREFN_INLINE double rest_of_splits(std::int64_t action) const {
        const std::int64_t p = action / kSplitSize<T>, first = p * kSplitSize<T>, left = block.cols - first;
        const std::int64_t n = left < kSplitSize<T> ? left : kSplitSize<T>;
        return merge_sums(splits(), num_splits(), p, rest_of_row(e() + first, n, action - first));
    }

    // visit(i, extent, entry(i, extent, v)) for the entries of row r.
    template <int N, class Entry, class Visit>
    SCOREFN_INLINE void for_each_entry(int r, const RowValues<T> (&values)[N], Entry entry,
                                       Visit visit) const {
        Lanes<T> v[N];
        for (int k = 0; k < N; ++k) v[k] = Lanes<T>::splat(values[k].memory[r]);
        const std::int64_t start = r * block.cols;
        for_each_vector<T, 1>(block.cols, [&](std::int64_t j, auto extent) SCOREFN_INLINE_LAMBDA {
            visit(start + j, extent, entry(start + j, extent, v));
        });
    }
    // entry(row, column, entry of all rows, extent, v)
    template <int N, class Entry>
    SCOREFN_INLINE void set_each(const RowValues<T> (&values)[N], Entry entry) {
        T all[N][size];
        for (int k = 0; k < N; ++k) values[k].lanes.store(all[k]);
        for (int r = 0; r < count; ++r) {
            Lanes<T> v[N];
            for (int k = 0; k < N; ++k) v[k] = Lanes<T>::splat(all[k][r]);
            const std::int64_t start = r * block.cols;
            T* const results = to() + start;
            const auto set_range = [&](std::int64_t first, std::int64_t n) SCOREFN_INLINE_LAMBDA {
                const auto value = [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
                    return entry(r, first + i, start + first + i, extent, v);
                };
                if (this->writes_past_caches())
                    return block.nontemporal.put(row * block.cols + start + first, n, value);
                for_each_vector<T, 1>(n, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
                    store(value(i, extent), results + first + i, extent);
                });
            };
            if (has_splits<T>(block.cols))
                share_out<T>(block.in.team, block.cols, set_range);
            else
                set_range(0, block.cols);
        }
    }
};

}  // namespace
}  // namespace scorefn
