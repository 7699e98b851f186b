// Tiles of long rows, which are worked through one after the other.
#pragma once

#include "kernels/rows/tile.inl"

namespace scorefn {
namespace {

// Along a row in chunks: their sums, as the first so many entries of one add up. Every addition rounds in order, so such a
// sum never falls as there are more of them, and grows by no entry that is 0.
constexpr std::int64_t kChunk = 64;
constexpr std::int64_t number_of_chunks(std::int64_t cols) { return (cols + kChunk - 1) / kChunk; }
template <class T>
SCOREFN_NO_INLINE void sum_chunks(const T* e, std::int64_t n, double* sums) {
    for (std::int64_t i = 0; i < n; i += kChunk) {
        Lanes<double> sum = Lanes<double>::splat(0);
        for_each_vector<double, 1>(n - i < kChunk ? n - i : kChunk,
                                   [&](std::int64_t j, auto extent) SCOREFN_INLINE_LAMBDA {
            sum = sum + load_doubles(e + i + j, extent);
        });
        sums[i / kChunk] = fold_sum(sum);
    }
}
// The first entry of a chunk of n with which the sum, added to `before`, exceeds the threshold.
template <class T>
SCOREFN_INLINE std::int64_t place_in_chunk(const T* e, std::int64_t n, double before, double threshold) {
    constexpr std::int64_t size = Lanes<double>::size;
    Lanes<double> sum = Lanes<double>::splat(0);
    std::int64_t i = 0;
    for (; i + size < n; i += size) {
        const Lanes<double> next = sum + load_doubles(e + i, Whole<1>{});
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

// A group of long rows, one after the other.
template <class T>
struct LongRows : Group<T> {
    using Group<T>::Group, Group<T>::block, Group<T>::row, Group<T>::count, Group<T>::z, Group<T>::e,
        Group<T>::to;
    using Int = typename IntegerOf<T>::type;
    static constexpr int size = Lanes<T>::size;

    SCOREFN_INLINE LongRows& results() { return *this; }

    SCOREFN_INLINE Total<T> sum() {
        return this->settled([&]() SCOREFN_INLINE_LAMBDA { return measure_sum(); });
    }
    // For draws: up_to[c] of the first row = the sum of its chunks 0 .. c, after them those of the next row.
    SCOREFN_INLINE Total<T> sum_in_order(double* up_to) {
        return this->settled([&]() SCOREFN_INLINE_LAMBDA { return measure_sum_in_order(up_to); });
    }
    SCOREFN_INLINE Others<T> without(const Actions<T>& actions) {
        return this->settled([&]() SCOREFN_INLINE_LAMBDA { return measure_without(actions); });
    }
    template <bool Differences>
    SCOREFN_INLINE Peak<T> peak() {
        return this->settled([&]() SCOREFN_INLINE_LAMBDA { return measure_peak<Differences>(); });
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
        if (has_parts<T>(block.cols)) {
            sum_parts();
            sum[0] = merge_sums(parts(), num_parts());
        } else {
            for (int r = 0; r < count; ++r) sum[r] = sum_of_row(e_of(r), block.cols);
        }
        return {Doubles<T>::load(sum)};
    }
    SCOREFN_NO_INLINE Total<T> measure_sum_in_order(double* up_to) const {
        const std::int64_t chunks = number_of_chunks(block.cols);
        if (has_parts<T>(block.cols))
            measure_parts([&](PartOfRow<T>&, std::int64_t first, std::int64_t n) {
                sum_chunks(e() + first, n, up_to + first / kChunk);
            });
        else
            for (int r = 0; r < count; ++r) sum_chunks(e_of(r), block.cols, up_to + r * chunks);
        double sum[size];
        fill(sum, 1.0);
        for (int r = 0; r < count; ++r, up_to += chunks) {
            for (std::int64_t c = 1; c < chunks; ++c) up_to[c] += up_to[c - 1];
            sum[r] = up_to[chunks - 1];
        }
        return {Doubles<T>::load(sum)};
    }
    SCOREFN_NO_INLINE Others<T> measure_without(const Actions<T>& actions) const {
        double sum[size];
        T e_a[size];
        fill(sum, 1.0), fill(e_a, T(1));
        if (has_parts<T>(block.cols)) sum_parts();
        for (int r = 0; r < count; ++r) {
            const std::int64_t a = actions.index[r];
            e_a[r] = e_of(r)[a];
            sum[r] = has_parts<T>(block.cols) ? parts_without(a) : sum_of_row_without(e_of(r), block.cols, a);
        }
        return {Doubles<T>::load(sum), Lanes<T>::load(e_a)};
    }
    template <bool Differences>
    SCOREFN_NO_INLINE Peak<T> measure_peak() const {
        T max[size], e_max[size];
        double rest[size], differences[size];
        fill(max, T(0)), fill(e_max, T(1)), fill(rest, 0.0), fill(differences, 0.0);
        if (has_parts<T>(block.cols)) {
            measure_parts([&](PartOfRow<T>& part, std::int64_t first, std::int64_t n) {
                part.max = max_of_row(z() + first, n);
                part.e_max = block.any_far ? exp_from(block.far_max[row], part.max) : exp_within(part.max);
                part.sums = sums_of_row<Differences>(z() + first, e() + first, n, part.max, part.e_max);
            });
            const auto apart = merge_apart<Differences>(parts(), num_parts());
            max[0] = apart.max, e_max[0] = apart.e_max, rest[0] = apart.rest,
            differences[0] = apart.differences;
        } else {
            for (int r = 0; r < count; ++r) max[r] = max_of_row(z_of(r), block.cols);
            this->exps_of(Lanes<T>::load(max)).store(e_max);
            for (int r = 0; r < count; ++r) {
                const auto sums = sums_of_row<Differences>(z_of(r), e_of(r), block.cols, max[r], e_max[r]);
                rest[r] = sums.rest(static_cast<double>(e_max[r])), differences[r] = sums.differences;
            }
        }
        return {Lanes<T>::load(max), Lanes<T>::load(e_max), Doubles<T>::load(rest),
                Doubles<T>::load(differences)};
    }

    SCOREFN_INLINE const T* z_of(int r) const { return z() + r * block.cols; }
    SCOREFN_INLINE T* e_of(int r) const { return e() + r * block.cols; }
    SCOREFN_INLINE PartOfRow<T>* parts() const { return block.buffers.parts; }
    SCOREFN_INLINE std::int64_t num_parts() const { return number_of_parts<T>(block.cols); }
    template <class V>
    SCOREFN_INLINE static void fill(V (&x)[size], V value) {
        for (auto& v : x) v = value;
    }

    // measure(part, its first entry, number of entries) for all parts, after their exponentials.
    template <class Measure>
    SCOREFN_INLINE void measure_parts(Measure measure) const {
        if (block.parts_have_exps) return for_each_part(block.in.team, block.cols, parts(), measure);
        block.parts_have_exps = true;
        if (!block.any_far) {
            for_each_part(block.in.team, block.cols, parts(),
                          [&](PartOfRow<T>& part, std::int64_t first, std::int64_t n) {
                const T* const x = z() + first;
                part.is_far = !exps(x, n, e() + first, x + n);
                if (!part.is_far) measure(part, first, n);
            });
            bool is_far = false;
            for (std::int64_t p = 0; p < num_parts(); ++p) is_far = is_far || parts()[p].is_far;
            if (!is_far) return;
            block.set_origin(row);  // of the only row
        }
        for_each_part(block.in.team, block.cols, parts(),
                      [&](PartOfRow<T>& part, std::int64_t first, std::int64_t n) {
            exps_from(block.far_max[row], z() + first, n, e() + first);
            measure(part, first, n);
        });
    }
    SCOREFN_INLINE void sum_parts() const {
        if (block.parts_have_sums) return;
        measure_parts([&](PartOfRow<T>& part, std::int64_t first, std::int64_t n) {
            part.sum = sum_of_row(e() + first, n);
        });
        block.parts_have_sums = true;
    }
    SCOREFN_INLINE double parts_without(std::int64_t action) const {
        const std::int64_t p = action / kPartSize<T>, first = p * kPartSize<T>, left = block.cols - first;
        const std::int64_t n = left < kPartSize<T> ? left : kPartSize<T>;
        return merge_sums(parts(), num_parts(), p, sum_of_row_without(e() + first, n, action - first));
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
                if (block.is_streamed && !this->any_bad)
                    return block.stream.put(row * block.cols + start + first, n, value);
                for_each_vector<T, 1>(n, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
                    store(value(i, extent), results + first + i, extent);
                });
            };
            if (has_parts<T>(block.cols))
                share_out<T>(block.in.team, block.cols, set_range);
            else
                set_range(0, block.cols);
        }
    }
};

}  // namespace
}  // namespace scorefn
