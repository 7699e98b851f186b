// Tiles of short rows, which have a lane each.
#pragma once

#include "kernels/rows/tile.inl"
#include "kernels/rows/tile_layout.inl"

namespace scorefn {
namespace {

// A group of short rows, without a gap between them: what becomes of their entries.
template <class T>
struct ShortRows : Group<T> {
    using Group<T>::Group, Group<T>::block, Group<T>::row, Group<T>::count;
    using Int = typename IntegerOf<T>::type;

    // The results: entry(i, extent, v) for all entries i of the rows, v[k] the values[k] of their rows.
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
        const Spread<T> spread = block.buffers.spread;
        auto here = each_lane<T>();
        set_each(values, [&](std::int64_t i, auto extent, const Lanes<T>(&v)[N]) SCOREFN_INLINE_LAMBDA {
            const auto is_action = spread(place, i) == here;
            here = here + Int(Lanes<T>::size);
            return select(is_action, spread(at, i), entry(i, extent, v));
        });
    }

private:
    template <int N, class Entry>
    SCOREFN_INLINE void set_each(const RowValues<T> (&values)[N], Entry entry) {
        const std::int64_t n = count * block.cols, start = row * block.cols;
        const Spread<T> spread = block.buffers.spread;
        const auto value = [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
            Lanes<T> v[N];
            for (int k = 0; k < N; ++k) v[k] = spread(values[k], i);
            return entry(i, extent, v);
        };
        T* const results = this->to();
        if (!block.is_streamed || this->any_bad)
            return for_each_vector<T, 1>(n, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
                store(value(i, extent), results + i, extent);
            });
        block.stream.put(start, n, value);
    }
};

// The rows of a tile: what is to be known of each.
template <class T, class Tile>
struct TileRows : ShortRows<T> {
    using Int = typename IntegerOf<T>::type;
    static constexpr int width = Tile::width;
    const Tile& tile;

    SCOREFN_INLINE TileRows(Block<T>& block, int row, const Tile& tile)
        : ShortRows<T>(block, row), tile(tile) {}
    // What sets the results is the same for every kind of tile.
    SCOREFN_INLINE ShortRows<T>& results() { return *this; }

    SCOREFN_INLINE Total<T> sum() {
        return this->settled([&]() SCOREFN_INLINE_LAMBDA { return measure_sum(); });
    }
    // For draws: one entry after the other, in double.
    SCOREFN_INLINE Total<T> sum_in_order(double*) {
        return this->settled([&]() SCOREFN_INLINE_LAMBDA { return measure_sum_in_order(); });
    }
    SCOREFN_INLINE Others<T> without(const Actions<T>& actions) {
        return this->settled([&]() SCOREFN_INLINE_LAMBDA { return measure_without(actions); });
    }
    template <bool Differences>
    SCOREFN_INLINE Peak<T> peak() {
        return this->settled([&]() SCOREFN_INLINE_LAMBDA { return measure_peak<Differences>(); });
    }
    // Whose entries are gone through in less time than the columns of a whole tile.
    SCOREFN_INLINE bool is_one_row() const { return this->count == 1; }
    // visit(its exponentials) for one column after the other.
    template <class Visit>
    SCOREFN_INLINE void for_each_column(Visit visit) const {
        for (std::int64_t slice = 0; slice < tile.slices(); ++slice) {
            Lanes<T> column[width];
            tile.load(this->e(), slice, T(0), column);
            tile.transpose(column);
            const std::int64_t shared = tile.shared(slice);
#pragma GCC unroll 4
            for (int k = 0; k < width; ++k)  // of known k, so that the columns stay in registers
                if (k >= shared) visit(widen(column[k]));
        }
    }

private:
    SCOREFN_OFTEN_INLINE Total<T> measure_sum_in_order() const {
        Doubles<T> sum = Doubles<T>::splat(0);
        if (this->is_one_row()) {  // the same sum
            double total = 0;
            for (std::int64_t j = 0; j < this->block.cols; ++j) total += static_cast<double>(this->e()[j]);
            sum = Doubles<T>::splat(1);
            sum.part[0].part[0][0] = total;
            return {sum};
        }
        for_each_column([&](Doubles<T> e) SCOREFN_INLINE_LAMBDA { sum = sum + e; });
        return {sum};
    }
    SCOREFN_OFTEN_INLINE Total<T> measure_sum() const {
        Sum<T> sums[1];
        sum_slices<T>(tile, sums, [&](std::int64_t slice, auto& x) SCOREFN_INLINE_LAMBDA {
            tile.load(this->e(), slice, T(0), x[0]);
        });
        return {sums[0].total()};
    }
    SCOREFN_OFTEN_INLINE Others<T> measure_without(const Actions<T>& actions) const {
        Mask<T> action[width];
        Lanes<T> of_action[width];
        tile.spread(actions.lanes(), action);
        for (int i = 0; i < width; ++i) {
            action[i] = action[i] - tile.further_columns(i);
            of_action[i] = Lanes<T>::splat(0);
        }
        Sum<T> sums[1];
        sum_slices<T>(tile, sums, [&](std::int64_t slice, auto& x) SCOREFN_INLINE_LAMBDA {
            tile.load(this->e(), slice, T(0), x[0]);
            for (int i = 0; i < width; ++i) {
                const auto is_action =
                    action[i] == Mask<T>::splat(static_cast<Int>(tile.first_column(slice)));
                of_action[i] = select(is_action, of_action[i] + x[0][i], of_action[i]);
                x[0][i] = select(is_action, T(0), x[0][i]);
            }
        });
        return {sums[0].total(), tile.fold(of_action, added)};
    }
    template <bool Differences>
    SCOREFN_OFTEN_INLINE Peak<T> measure_peak() const {
        Lanes<T> x[width], largest[width], e_largest[width];
        for (auto& m : largest) m = Lanes<T>::splat(-kInfinity<T>);
        for (std::int64_t slice = 0; slice < tile.slices(); ++slice) {
            tile.load(this->z(), slice, -kInfinity<T>, x);
            for (int i = 0; i < width; ++i) largest[i] = max(x[i], largest[i]);
        }
        const auto larger = [](Lanes<T> a, Lanes<T> b) SCOREFN_INLINE_LAMBDA { return max(b, a); };
        const Lanes<T> z_max = tile.fold(largest, larger), e_max = this->exps_of(z_max);
        tile.spread(z_max, largest), tile.spread(e_max, e_largest);
        Lanes<T> below[width];  // how many terms are not e_max
        for (auto& n : below) n = Lanes<T>::splat(0);
        Sum<T> sums[Differences ? 2 : 1];
        sum_slices<T>(tile, sums, [&](std::int64_t slice, auto& terms) SCOREFN_INLINE_LAMBDA {
            tile.load(this->e(), slice, T(0), terms[0]);
            if constexpr (Differences) {
                tile.load(this->z(), slice, T(0), x);
                for (int i = 0; i < width; ++i) terms[1][i] = terms[0][i] * difference(x[i], largest[i]);
            }
            for (int i = 0; i < width; ++i) {
                const auto is_below = terms[0][i] != e_largest[i];
                below[i] = select(is_below, below[i] + T(1), below[i]);
                terms[0][i] = select(is_below, terms[0][i], T(0));
            }
        });
        const auto num_largest = T(tile.slices() * width) - tile.fold(below, added);
        return {z_max, e_max, sums[0].total() + widen(num_largest - T(1)) * widen(e_max),
                Differences ? sums[Differences ? 1 : 0].total() : Doubles<T>::splat(0)};
    }
    SCOREFN_INLINE static Lanes<T> added(Lanes<T> a, Lanes<T> b) { return a + b; }
};

}  // namespace
}  // namespace scorefn
