// A value of each row of a tile to the entries of its row: entry i is of row i / cols.
#pragma once

#include "kernels/math/exp.inl"
#include "kernels/rows/tile_layout.inl"

namespace scorefn {
namespace {

// One value per row. A register takes its values from the first row on that it needs: so they are stored twice where it does
// not hold those of all rows.
template <class V>
struct RowValues {
    Lanes<V> lanes;
    alignas(64) V memory[kRegisters == 1 ? Lanes<V>::size : 2 * Lanes<V>::size];

    SCOREFN_INLINE RowValues(Lanes<V> values) : lanes(values) {
        values.store(memory);
        if (kRegisters > 1) values.store(memory + Lanes<V>::size);
    }
};

template <class T>
class RowBroadcast {
public:
    SCOREFN_INLINE RowBroadcast(void* memory, std::int64_t cols)
        : row_(static_cast<Int*>(memory)),
          first_row_(reinterpret_cast<std::int32_t*>(static_cast<char*>(memory) + cols * 64)) {}

    // For the first `count` entries of a tile.
    SCOREFN_NO_INLINE void fill(std::int64_t cols, std::int64_t count) {
        using C = ExpConstants<T>;
        constexpr std::int64_t n = kRegisterLanes<T>;
        T lane[Lanes<T>::size];
        for (int i = 0; i < Lanes<T>::size; ++i) lane[i] = static_cast<T>(i % n) + T(0.5);
        const T inverse = T(1) / static_cast<T>(cols);
        std::int64_t row = 0, col = 0;  // of the first entry of a register
        for (std::int64_t i = 0; i < count; i += Lanes<T>::size) {
            Lanes<T> x = Lanes<T>::load(lane);
            for (int p = 0; p < kRegisters; ++p) {
                first_row_[i / n + p] = static_cast<std::int32_t>(row);
                x.reg[p] = (x.reg[p] + static_cast<T>(col)) * inverse;
                for (col += n; kRegisters > 1 && col >= cols; col -= cols) ++row;
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
        constexpr std::int64_t n = kRegisterLanes<T>;
        Lanes<V> r;
        unrolled<kRegisters>([&](int p) SCOREFN_INLINE_LAMBDA {
            r.reg[p] = pick(values.memory + (kRegisters == 1 ? 0 : first_row_[i / n + p]), row_ + i + p * n);
        });
        return r;
    }

private:
    using Int = typename IntegerOf<T>::type;
    Int* row_;                 // of each entry, from the first row on that its register has
    std::int32_t* first_row_;  // of each register
};

}  // namespace
}  // namespace scorefn
