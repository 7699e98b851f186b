// A value of each row of a tile to the entries of its row: entry i is of row i / cols.
#pragma once

#include "kernels/math/exp.inl"
#include "kernels/rows/tile_layout.inl"

namespace scorefn {
namespace {

// One value a row, where spreading takes it from. One vector has those of all rows if it has a lane for each; else a vector
// is loaded from the first row on that an entry is of.
template <class V>
struct RowValues {
    static constexpr bool in_one_vector = kParts == 1;
    Lanes<V> lanes;
    alignas(64) V memory[in_one_vector ? 1 : 2 * Lanes<V>::size];

    SCOREFN_INLINE RowValues(Lanes<V> values) : lanes(values) {
        if (!in_one_vector) values.store(memory), values.store(memory + Lanes<V>::size);
    }
};

template <class T>
class Spread {
public:
    SCOREFN_INLINE Spread(void* memory, std::int64_t cols)
        : row_(static_cast<Int*>(memory)),
          first_row_(reinterpret_cast<std::int32_t*>(static_cast<char*>(memory) + cols * 64)) {}

    // For the first `count` entries of a tile.
    SCOREFN_NO_INLINE void fill(std::int64_t cols, std::int64_t count) {
        using C = ExpConstants<T>;
        constexpr std::int64_t n = kPartLanes<T>;
        T lane[Lanes<T>::size];
        for (int i = 0; i < Lanes<T>::size; ++i) lane[i] = static_cast<T>(i % n) + T(0.5);
        const T inverse = T(1) / static_cast<T>(cols);
        std::int64_t row = 0, col = 0;  // of the first entry of a vector
        for (std::int64_t i = 0; i < count; i += Lanes<T>::size) {
            Lanes<T> x = Lanes<T>::load(lane);
            for (int p = 0; p < kParts; ++p) {
                first_row_[i / n + p] = static_cast<std::int32_t>(row);
                x.part[p] = (x.part[p] + static_cast<T>(col)) * inverse;
                for (col += n; !RowValues<T>::in_one_vector && col >= cols; col -= cols) ++row;
            }
            // floor(x) = round(x - 1/2), as x is never an integer
            const auto rounded = bits<Int>((x - T(0.5)) + C::round);
            (rounded - static_cast<Int>(C::bits_of_round)).store(row_ + i);
        }
    }
    // For the vector of entries i, i + 1, ... of the tile.
    template <class V>
    SCOREFN_INLINE Lanes<V> operator()(const RowValues<V>& values, std::int64_t i) const {
        static_assert(sizeof(V) == sizeof(T), "as many lanes");
        const auto row = Lanes<Int>::load(row_ + i);
        Lanes<V> r;
        for (int p = 0; p < kParts; ++p) {
            typename Vectors<V>::type from = values.lanes.part[0];
            if (!RowValues<V>::in_one_vector)
                from = *reinterpret_cast<const typename Vectors<V>::unaligned*>(
                    values.memory + first_row_[i / kPartLanes<T> + p]);
            r.part[p] = permute(from, row.part[p]);
        }
        return r;
    }

private:
    using Int = typename IntegerOf<T>::type;
    Int* row_;                 // of each entry, from the first row on that its vector has
    std::int32_t* first_row_;  // of each vector of the ISA
};

}  // namespace
}  // namespace scorefn
