// How the entries of a tile of short rows lie in registers. The rows follow each other without gaps. What is one value
// a row is one vector, lane = row. The entries are read in slices of columns, such that a reduction over each row
// takes no more than additions (or the like) of whole vectors and, once for several slices, a fold of those lanes that
// belong to one row.
#pragma once

#include <utility>

#include "kernels/simd/sums.inl"

namespace scorefn {
namespace {

// 16 bytes of a row: 4 floats or 2 doubles.
template <class T>
constexpr int kQuarter = 16 / sizeof(T);
template <class T>
constexpr int kRegisterLanes = kRegisterBytes / sizeof(T);

// Lane i of each register of the result is lane index(i) of those of a and b, one after the other.
template <class T, class Index, int... I>
SCOREFN_INLINE Lanes<T> shuffle(Lanes<T> a, Lanes<T> b, Index index, std::integer_sequence<int, I...>) {
    unrolled<kRegisters>([&](int p) SCOREFN_INLINE_LAMBDA {
        a.reg[p] = __builtin_shufflevector(a.reg[p], b.reg[p], index(I)...);
    });
    return a;
}
template <class T, class Index>
SCOREFN_INLINE Lanes<T> shuffle(Lanes<T> a, Lanes<T> b, Index index) {
    return shuffle(a, b, index, std::make_integer_sequence<int, kRegisterLanes<T>>{});
}

// Within each quarter: runs of so many lanes of the lower (upper) half of a and of b by turns.
template <int Run, class T>
SCOREFN_INLINE Lanes<T> zip_low(Lanes<T> a, Lanes<T> b) {
    return shuffle(a, b, [](int i) constexpr {
        constexpr int q = kQuarter<T>;
        return i / q * q + i % q / (2 * Run) * Run + i % Run + i / Run % 2 * kRegisterLanes<T>;
    });
}
template <int Run, class T>
SCOREFN_INLINE Lanes<T> zip_high(Lanes<T> a, Lanes<T> b) {
    return shuffle(a, b, [](int i) constexpr {
        constexpr int q = kQuarter<T>;
        return i / q * q + q / 2 + i % q / (2 * Run) * Run + i % Run + i / Run % 2 * kRegisterLanes<T>;
    });
}
// Lane I of each quarter in all lanes of it.
template <int I, class T>
SCOREFN_INLINE Lanes<T> broadcast_lane(Lanes<T> a) {
    return shuffle(a, a, [](int i) constexpr { return i / kQuarter<T> * kQuarter<T> + I; });
}

// 0, 1, 2, ...
template <class T>
SCOREFN_INLINE Mask<T> each_lane() {
    using Int = typename IntegerOf<T>::type;
    constexpr Int lanes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return Mask<T>::load(lanes);
}
template <class T>
SCOREFN_INLINE Mask<T> starts_of_rows(std::int64_t cols) {
    return each_lane<T>() * static_cast<typename IntegerOf<T>::type>(cols);
}

// Rows of 16 bytes or more. A slice is as many columns as 16 bytes have: vector i has the entries of rows i, i + width,
// i + 2 width and i + 3 width, a quarter each. The last slice may share columns with the one before.
template <class T>
struct QuarterLayout {
    static constexpr int width = kQuarter<T>;
    std::int64_t cols;
    Mask<T> is_new;  // the lanes of the last slice with columns that no other has

    SCOREFN_INLINE explicit QuarterLayout(std::int64_t cols) : cols(cols) {
        typename IntegerOf<T>::type lanes[Lanes<T>::size];
        for (int i = 0; i < Lanes<T>::size; ++i) lanes[i] = i % width < shared(slices() - 1) ? 0 : -1;
        is_new = Mask<T>::load(lanes);
    }
    SCOREFN_INLINE std::int64_t slices() const { return (cols + width - 1) / width; }
    // How many columns of the slice are in the one before, too.
    SCOREFN_INLINE std::int64_t shared(std::int64_t slice) const {
        return cols < (slice + 1) * width ? (slice + 1) * width - cols : 0;
    }

    SCOREFN_INLINE void load(const T* rows, std::int64_t slice, T fill, Lanes<T> (&x)[width]) const {
        const T* const first = rows + first_column(slice);
        for (int i = 0; i < width; ++i)
            unrolled<kRegisters>([&](int p) SCOREFN_INLINE_LAMBDA {
                x[i].reg[p] = load_quarters(first + (i + p * kRegisterLanes<T>)*cols, width * cols);
            });
        if (shared(slice) > 0)
            for (auto& row : x) row = select(is_new, row, fill);
    }
    SCOREFN_INLINE void store(const Lanes<T> (&x)[width], T* rows, std::int64_t slice) const {
        T* const first = rows + first_column(slice);
        for (int i = 0; i < width; ++i)
            unrolled<kRegisters>([&](int p) SCOREFN_INLINE_LAMBDA {
                store_quarters(x[i].reg[p], first + (i + p * kRegisterLanes<T>)*cols, width * cols);
            });
    }
    // The column of the first lane, and that of every lane of a vector counted from there.
    SCOREFN_INLINE std::int64_t first_column(std::int64_t slice) const {
        return slice * width - shared(slice);
    }
    SCOREFN_INLINE static Mask<T> further_columns(int) {
        typename IntegerOf<T>::type lanes[Lanes<T>::size];
        for (int i = 0; i < Lanes<T>::size; ++i) lanes[i] = i % width;
        return Mask<T>::load(lanes);
    }
    // One value a row, in all lanes of the row.
    template <class V>
    SCOREFN_INLINE static void broadcast(Lanes<V> values, Lanes<V> (&x)[width]) {
        x[0] = broadcast_lane<0>(values), x[1] = broadcast_lane<1>(values);
        if constexpr (width == 4) x[2] = broadcast_lane<2>(values), x[3] = broadcast_lane<3>(values);
    }
    // op over the lanes of each row.
    template <class Op>
    SCOREFN_INLINE static Lanes<T> fold(const Lanes<T> (&x)[width], Op op) {
        const auto a = op(zip_low<1>(x[0], x[1]), zip_high<1>(x[0], x[1]));
        if constexpr (width == 2) {
            return a;
        } else {
            const auto b = op(zip_low<1>(x[2], x[3]), zip_high<1>(x[2], x[3]));
            return op(zip_low<2>(a, b), zip_high<2>(a, b));
        }
    }
    // The sum of each row, with one rounding of T.
    SCOREFN_INLINE static void add_to(Sum<T>& sum, const Lanes<T> (&x)[width]) {
        const auto a = zip_low<1>(x[0], x[1]) + zip_high<1>(x[0], x[1]);
        if constexpr (width == 2) {
            sum.add(a);
        } else {
            const auto b = zip_low<1>(x[2], x[3]) + zip_high<1>(x[2], x[3]);
            sum.add(zip_low<2>(a, b)), sum.add(zip_high<2>(a, b));
        }
    }
    // The columns of a slice, lane = row; and back.
    SCOREFN_INLINE static void transpose(Lanes<T> (&x)[width]) {
        const auto low = zip_low<1>(x[0], x[1]), high = zip_high<1>(x[0], x[1]);
        if constexpr (width == 2) {
            x[0] = low, x[1] = high;
        } else {
            const auto low2 = zip_low<1>(x[2], x[3]), high2 = zip_high<1>(x[2], x[3]);
            x[0] = zip_low<2>(low, low2), x[1] = zip_high<2>(low, low2);
            x[2] = zip_low<2>(high, high2), x[3] = zip_high<2>(high, high2);
        }
    }
};

// Rows of Cols entries, fewer than 16 bytes: the only slice has all columns, lane = row.
template <class T, int Cols>
struct ColumnLayout {
    static constexpr int width = Cols;
    SCOREFN_INLINE static constexpr std::int64_t slices() { return 1; }
    SCOREFN_INLINE static constexpr std::int64_t shared(std::int64_t) { return 0; }

    SCOREFN_INLINE static void load(const T* rows, std::int64_t, T, Lanes<T> (&x)[width]) {
        using Register = typename Registers<T>::type;
        constexpr int n = kRegisterLanes<T>;
        for (int p = 0; p < kRegisters; ++p, rows += Cols * n) {
            Register v[Cols];
            for (int k = 0; k < Cols; ++k)
                v[k] = *reinterpret_cast<const typename Registers<T>::unaligned*>(rows + k * n);
            x[0].reg[p] = column<0>(v, std::make_integer_sequence<int, n>{});
            if constexpr (Cols > 1) x[1].reg[p] = column<1>(v, std::make_integer_sequence<int, n>{});
            if constexpr (Cols > 2) x[2].reg[p] = column<2>(v, std::make_integer_sequence<int, n>{});
        }
    }
    SCOREFN_INLINE static void store(const Lanes<T> (&x)[width], T* rows, std::int64_t) {
        constexpr int n = kRegisterLanes<T>;
        for (int p = 0; p < kRegisters; ++p, rows += Cols * n) {
            typename Registers<T>::type c[Cols];
            for (int k = 0; k < Cols; ++k) c[k] = x[k].reg[p];
            auto* const v = reinterpret_cast<typename Registers<T>::unaligned*>(rows);
            v[0] = entries<0>(c, std::make_integer_sequence<int, n>{});
            if constexpr (Cols > 1) v[1] = entries<1>(c, std::make_integer_sequence<int, n>{});
            if constexpr (Cols > 2) v[2] = entries<2>(c, std::make_integer_sequence<int, n>{});
        }
    }
    SCOREFN_INLINE static std::int64_t first_column(std::int64_t) { return 0; }
    SCOREFN_INLINE static Mask<T> further_columns(int i) {
        return Mask<T>::splat(static_cast<typename IntegerOf<T>::type>(i));
    }
    template <class V>
    SCOREFN_INLINE static void broadcast(Lanes<V> values, Lanes<V> (&x)[width]) {
        for (auto& column : x) column = values;
    }
    template <class Op>
    SCOREFN_INLINE static Lanes<T> fold(const Lanes<T> (&x)[width], Op op) {
        Lanes<T> all = x[0];
        for (int k = 1; k < Cols; ++k) all = op(all, x[k]);
        return all;
    }
    SCOREFN_INLINE static void add_to(Sum<T>& sum, const Lanes<T> (&x)[width]) {
        if constexpr (Cols == 2)
            sum.add(x[0] + x[1]);
        else
            for (auto& column : x) sum.add(column);
    }
    SCOREFN_INLINE static void transpose(Lanes<T> (&)[width]) {}

private:
    // Entries K, K + Cols, K + 2 Cols, ... of Cols registers.
    template <int K, class Register, int... I>
    SCOREFN_INLINE static Register column(const Register (&v)[Cols], std::integer_sequence<int, I...>) {
        static_assert(Cols <= 3, "from at most three registers");
        constexpr int n = sizeof...(I), two = Cols > 1 ? 2 * n : n;
        const Register first =
            __builtin_shufflevector(v[0], v[Cols > 1 ? 1 : 0], (I * Cols + K < two ? I * Cols + K : -1)...);
        if constexpr (Cols <= 2)
            return first;
        else
            return __builtin_shufflevector(first, v[2], (I * Cols + K < two ? I : I * Cols + K - n)...);
    }
    // The other way round: entry V n + I is of row (V n + I) / Cols.
    template <int V, class Register, int... I>
    SCOREFN_INLINE static Register entries(const Register (&c)[Cols], std::integer_sequence<int, I...>) {
        constexpr int n = sizeof...(I), first = V * n;
        if constexpr (Cols == 1) return c[0];
        const Register two = __builtin_shufflevector(
            c[0], c[Cols > 1 ? 1 : 0],
            ((first + I) % Cols < 2 ? (first + I) / Cols + (first + I) % Cols * n : -1)...);
        if constexpr (Cols <= 2)
            return two;
        else
            return __builtin_shufflevector(two, c[2],
                                           ((first + I) % Cols < 2 ? I : (first + I) / Cols + n)...);
    }
};

// The layout of short rows of a length that is known at run time.
template <class T>
class Layout {
public:
    SCOREFN_INLINE explicit Layout(std::int64_t cols) : quarters_(cols) {}

    // f(layout) with the one of these that it is.
    template <class F>
    SCOREFN_INLINE auto visit(F f) const {
        if (quarters_.cols == 1) return f(ColumnLayout<T, 1>());
        if constexpr (kQuarter<T> == 4) {
            if (quarters_.cols == 2) return f(ColumnLayout<T, 2>());
            if (quarters_.cols == 3) return f(ColumnLayout<T, 3>());
        }
        return f(quarters_);
    }

private:
    const QuarterLayout<T> quarters_;
};

// As sum_vectors, over the slices of a layout, for all its rows at once: term(slice, x) sets x[s] to the slice's terms
// of sum s.
template <class T, int S, class OfRows, class Term>
SCOREFN_INLINE void sum_slices(const OfRows& layout, Sum<T> (&sums)[S], Term term) {
    for (std::int64_t slice = 0; slice < layout.slices(); ++slice) {
        Lanes<T> x[S][OfRows::width];
        term(slice, x);
        for (int s = 0; s < S; ++s) layout.add_to(sums[s], x[s]);
    }
}

}  // namespace
}  // namespace scorefn
