// Tiles of short rows, which have a lane each.
#pragma once

#include "kernels/rows/tile.inl"
#include "kernels/rows/tile_layout.inl"

namespace scorefn {
namespace {

// A tile of short rows, without a gap between them.
template <class T>
struct ShortTile : Tile<T> {
    using Tile<T>::block, Tile<T>::row, Tile<T>::count, Tile<T>::z, Tile<T>::e;
    using Int = typename IntegerOf<T>::type;
    const Layout<T>& layout;

    SCOREFN_INLINE ShortTile(Block<T>& block, int row, const Layout<T>& layout)
        : Tile<T>(block, row), layout(layout) {}

    SCOREFN_INLINE Total<T> sum() {
        return measured([&](const auto& columns) SCOREFN_INLINE_LAMBDA { return measure_sum(columns, e()); });
    }
    // For draws: one entry after the other, in double.
    SCOREFN_INLINE Total<T> cumulative_sums(double*) {
        return this->retry_shifted([&]() SCOREFN_INLINE_LAMBDA { return measure_cumulative_sums(); });
    }
    SCOREFN_INLINE TermAndRest<T> term_and_rest(const Actions<T>& actions) {
        return measured([&](const auto& columns)
                            SCOREFN_INLINE_LAMBDA { return measure_term_and_rest(columns, actions); });
    }
    template <bool Differences>
    SCOREFN_INLINE MaxAndRest<T> max_and_rest() {
        return measured([&](const auto& columns)
                            SCOREFN_INLINE_LAMBDA { return measure_max_and_rest<Differences>(columns); });
    }
    // Whose entries are gone through in less time than the columns of a whole tile.
    SCOREFN_INLINE bool is_one_row() const { return count == 1; }
    // visit(its exponentials) for one column after the other.
    template <class Visit>
    SCOREFN_INLINE void for_each_column(Visit visit) const {
        layout.visit([&](const auto& columns) SCOREFN_INLINE_LAMBDA { visit_columns(columns, visit); });
    }

    // Of rows x beside these, a whole tile as e() is, the largest number at a largest logit, which is z_max.
    SCOREFN_NO_INLINE Lanes<T> at_max(Lanes<T> z_max, const T* x) const {
        return layout.visit([&](const auto& columns)
                                SCOREFN_INLINE_LAMBDA { return measure_at_max(columns, z_max, x); });
    }
    // To x, which becomes such a tile: entry(i, extent, v) for all entries i of the rows, v[k] the values[k] of their rows.
    template <int N, class Entry>
    SCOREFN_INLINE void set(T* x, const RowValues<T> (&values)[N], Entry entry) const {
        const RowBroadcast<T> broadcast = block.buffers.broadcast;
        std::int64_t i = 0;
        for (; i < count * block.cols; i += Lanes<T>::size) {
            Lanes<T> v[N];
            for (int k = 0; k < N; ++k) v[k] = broadcast(values[k], i);
            entry(i, Full<1>{}, v).store(x + i);
        }
        for (; i < Lanes<T>::size * block.cols; i += Lanes<T>::size) Lanes<T>::splat(0).store(x + i);
    }
    // Their sums, by way of x.
    template <int N, class Entry>
    SCOREFN_INLINE Widened<T> sum(T* x, const RowValues<T> (&values)[N], Entry entry) const {
        set(x, values, entry);
        return sum_of(x);
    }

    // The results, as set() has it.
    template <int N, class Entry>
    SCOREFN_INLINE void map(const RowValues<T> (&values)[N], Entry entry) {
        set_each(values, [&](std::int64_t i, auto extent, const Lanes<T>(&v)[N])
                             SCOREFN_INLINE_LAMBDA { return entry(i, extent, v); });
    }
    // But `at_action` for the entries of the actions.
    template <int N, class Entry>
    SCOREFN_INLINE void map(const RowValues<T> (&values)[N], const Actions<T>& actions, Lanes<T> at_action,
                            Entry entry) {
        const RowValues<Int> place(starts_of_rows<T>(block.cols) + actions.lanes());
        const RowValues<T> at(at_action);
        const RowBroadcast<T> broadcast = block.buffers.broadcast;
        auto here = each_lane<T>();
        set_each(values, [&](std::int64_t i, auto extent, const Lanes<T>(&v)[N]) SCOREFN_INLINE_LAMBDA {
            const auto is_action = broadcast(place, i) == here;
            here = here + Int(Lanes<T>::size);
            return select(is_action, broadcast(at, i), entry(i, extent, v));
        });
    }

private:
    SCOREFN_NO_INLINE Widened<T> sum_of(const T* x) const {
        return layout.visit([&](const auto& columns)
                                SCOREFN_INLINE_LAMBDA { return measure_sum(columns, x).sum; });
    }
    template <int N, class Entry>
    SCOREFN_INLINE void set_each(const RowValues<T> (&values)[N], Entry entry) {
        const std::int64_t n = count * block.cols, start = row * block.cols;
        const RowBroadcast<T> broadcast = block.buffers.broadcast;
        const auto value = [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
            Lanes<T> v[N];
            for (int k = 0; k < N; ++k) v[k] = broadcast(values[k], i);
            return entry(i, extent, v);
        };
        T* const results = this->to();
        if (!this->writes_past_caches())
            return for_each_vector<T, 1>(n, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
                store(value(i, extent), results + i, extent);
            });
        block.nontemporal.put(start, n, value);
    }
    // measure(layout), as the layout of these rows has it.
    template <class Measure>
    SCOREFN_INLINE auto measured(Measure measure) {
        return this->retry_shifted([&]() SCOREFN_INLINE_LAMBDA { return layout.visit(measure); });
    }
    template <class Columns, class Visit>
    SCOREFN_INLINE void visit_columns(const Columns& columns, Visit visit) const {
        for (std::int64_t slice = 0; slice < columns.slices(); ++slice) {
            Lanes<T> column[Columns::width];
            columns.load(e(), slice, T(0), column);
            columns.transpose(column);
            const std::int64_t shared = columns.shared(slice);
#pragma GCC unroll 4
            for (int k = 0; k < Columns::width; ++k)  // of known k, so that the columns stay in registers
                if (k >= shared) visit(widen(column[k]));
        }
    }
    SCOREFN_OFTEN_INLINE Total<T> measure_cumulative_sums() const {
        if (is_one_row()) {  // the same sum
            double total = 0;
            for (std::int64_t j = 0; j < block.cols; ++j) total += static_cast<double>(e()[j]);
            Widened<T> sum = Widened<T>::splat(1);
            sum.lanes[0].reg[0][0] = total;
            return {sum};
        }
        Widened<T> sum = Widened<T>::splat(0);
        for_each_column([&](Widened<T> x) SCOREFN_INLINE_LAMBDA { sum = sum + x; });
        return {sum};
    }
    template <class Columns>
    SCOREFN_OFTEN_INLINE Total<T> measure_sum(const Columns& columns, const T* rows) const {
        Sum<T> sums[1];
        sum_slices<T>(columns, sums, [&](std::int64_t slice, auto& x) SCOREFN_INLINE_LAMBDA {
            columns.load(rows, slice, T(0), x[0]);
        });
        return {sums[0].total()};
    }
    template <class Columns>
    SCOREFN_OFTEN_INLINE Lanes<T> measure_at_max(const Columns& columns, Lanes<T> z_max, const T* of) const {
        constexpr int width = Columns::width;
        Lanes<T> logits[width], x[width], largest[width], found[width];
        columns.broadcast(z_max, largest);
        for (auto& m : found) m = Lanes<T>::splat(-kInfinity<T>);
        for (std::int64_t slice = 0; slice < columns.slices(); ++slice) {
            columns.load(z(), slice, -kInfinity<T>, logits), columns.load(of, slice, -kInfinity<T>, x);
            for (int i = 0; i < width; ++i)
                found[i] = max(select(logits[i] == largest[i], x[i], -kInfinity<T>), found[i]);
        }
        return columns.fold(found, larger);
    }
    template <class Columns>
    SCOREFN_OFTEN_INLINE TermAndRest<T> measure_term_and_rest(const Columns& columns,
                                                              const Actions<T>& actions) const {
        constexpr int width = Columns::width;
        Mask<T> action[width];
        Lanes<T> of_action[width];
        columns.broadcast(actions.lanes(), action);
        for (int i = 0; i < width; ++i) {
            action[i] = action[i] - columns.further_columns(i);
            of_action[i] = Lanes<T>::splat(0);
        }
        Sum<T> sums[1];
        sum_slices<T>(columns, sums, [&](std::int64_t slice, auto& x) SCOREFN_INLINE_LAMBDA {
            columns.load(e(), slice, T(0), x[0]);
            for (int i = 0; i < width; ++i) {
                const auto is_action =
                    action[i] == Mask<T>::splat(static_cast<Int>(columns.first_column(slice)));
                of_action[i] = select(is_action, of_action[i] + x[0][i], of_action[i]);
                x[0][i] = select(is_action, T(0), x[0][i]);
            }
        });
        return {columns.fold(of_action, added), sums[0].total()};
    }
    template <bool Differences, class Columns>
    SCOREFN_OFTEN_INLINE MaxAndRest<T> measure_max_and_rest(const Columns& columns) const {
        constexpr int width = Columns::width;
        Lanes<T> x[width], largest[width], e_largest[width];
        for (auto& m : largest) m = Lanes<T>::splat(-kInfinity<T>);
        for (std::int64_t slice = 0; slice < columns.slices(); ++slice) {
            columns.load(z(), slice, -kInfinity<T>, x);
            for (int i = 0; i < width; ++i) largest[i] = max(x[i], largest[i]);
        }
        const Lanes<T> z_max = columns.fold(largest, larger), e_max = this->exps_of(z_max);
        columns.broadcast(z_max, largest), columns.broadcast(e_max, e_largest);
        Lanes<T> below[width];  // how many terms are not e_max
        for (auto& n : below) n = Lanes<T>::splat(0);
        Sum<T> sums[Differences ? 2 : 1];
        sum_slices<T>(columns, sums, [&](std::int64_t slice, auto& terms) SCOREFN_INLINE_LAMBDA {
            columns.load(e(), slice, T(0), terms[0]);
            if constexpr (Differences) {
                columns.load(z(), slice, T(0), x);
                for (int i = 0; i < width; ++i) terms[1][i] = terms[0][i] * difference(x[i], largest[i]);
            }
            for (int i = 0; i < width; ++i) {
                const auto is_below = terms[0][i] != e_largest[i];
                below[i] = select(is_below, below[i] + T(1), below[i]);
                terms[0][i] = select(is_below, terms[0][i], T(0));
            }
        });
        const auto num_largest = T(columns.slices() * width) - columns.fold(below, added);
        return {z_max, e_max, sums[0].total() + widen(num_largest - T(1)) * widen(e_max),
                Differences ? sums[Differences ? 1 : 0].total() : Widened<T>::splat(0)};
    }
    SCOREFN_INLINE static Lanes<T> added(Lanes<T> a, Lanes<T> b) { return a + b; }
    SCOREFN_INLINE static Lanes<T> larger(Lanes<T> a, Lanes<T> b) { return max(b, a); }
};

}  // namespace
}  // namespace scorefn
