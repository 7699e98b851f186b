// Actions and weights, read where they lie, and looks at the arguments before a call writes anything.
#pragma once

#include "kernels/rows/valid.inl"
#include "kernels/simd/vectors.inl"

namespace scorefn {
namespace {

constexpr std::int64_t kBytesAhead = 4096;

// The sign bit of i says i < 0, that of bound - 1 - i says i >= bound.
using Indices = Lanes<std::uint64_t>;
template <class Index>
SCOREFN_INLINE Index signs_of(Index index, std::int64_t bound) {
    return index | (static_cast<std::uint64_t>(bound) - 1 - index);
}
SCOREFN_INLINE bool are_good(Indices signs) { return !any(signs & (std::uint64_t{1} << 63)); }

// visit(x) with the elements from `first` on, of their type.
template <class Visit>
SCOREFN_INLINE bool with_integers(const IndexVector& v, std::int64_t first, Visit visit) {
    const auto as = [&](auto integer) SCOREFN_INLINE_LAMBDA {
        return visit(static_cast<const decltype(integer)*>(v.data) + first * v.stride);
    };
    switch (v.type) {
        case IntegerType::i8: return as(std::int8_t{});
        case IntegerType::i16: return as(std::int16_t{});
        case IntegerType::i32: return as(std::int32_t{});
        case IntegerType::i64: return as(std::int64_t{});
        case IntegerType::u8: return as(std::uint8_t{});
        case IntegerType::u16: return as(std::uint16_t{});
        case IntegerType::u32: return as(std::uint32_t{});
        case IntegerType::u64: return as(std::uint64_t{});
    }
    return false;
}
bool load_indices(const IndexVector& v, std::int64_t first, std::int64_t count, std::int64_t bound,
                  std::int64_t* out) {
    return with_integers(v, first, [&](const auto* x) {
        // Who loads a block will load the next.
        for (std::int64_t i = count; i < 2 * count; i += 64 / sizeof(*x)) __builtin_prefetch(x + i);
        if (v.stride == 1)
            for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<std::int64_t>(x[i]);
        else
            for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<std::int64_t>(x[i * v.stride]);
        asm volatile("" ::: "memory");  // what was read before is not read again
        std::uint64_t signs = 0;
        for (std::int64_t i = 0; i < count; ++i) signs |= signs_of(static_cast<std::uint64_t>(out[i]), bound);
        return signs >> 63 == 0;
    });
}
bool indices_are_in_range(const IndexVector& v, std::int64_t first, std::int64_t count, std::int64_t bound) {
    return with_integers(v, first, [&](const auto* x) {
        bool good = true;
        std::int64_t i = 0;
        if (sizeof(*x) == 8 && v.stride == 1) {
            auto signs = Indices::splat(0);
            for (; i + Indices::size <= count; i += Indices::size) {
                __builtin_prefetch(reinterpret_cast<const char*>(x + i) + kBytesAhead);
                signs = signs | signs_of(Indices::load(reinterpret_cast<const std::uint64_t*>(x + i)), bound);
            }
            good = are_good(signs);
        }
        for (; i < count; ++i)
            good &= static_cast<std::uint64_t>(static_cast<std::int64_t>(x[i * v.stride])) <
                    static_cast<std::uint64_t>(bound);
        return good;
    });
}

// The actions of as many rows as there are lanes; 0 for rows that are not there. Each is read once, as another thread may be
// changing them.
template <class T>
struct Actions {
    alignas(64) std::int64_t index[Lanes<T>::size];

    // Whether all are in [0, bound).
    SCOREFN_INLINE bool load(const IndexVector& v, std::int64_t first, std::int64_t count,
                             std::int64_t bound) {
        if (v.type == IntegerType::i64 && v.stride == 1 && count >= Lanes<T>::size) {
            constexpr int vectors = Lanes<T>::size / Indices::size;
            const auto* const from = static_cast<const std::uint64_t*>(v.data) + first;
            auto* const to = reinterpret_cast<std::uint64_t*>(index);
            Indices read[vectors], signs = Indices::splat(0);
            for (int k = 0; k < vectors; ++k) read[k] = Indices::load(from + k * Indices::size);
            asm volatile("" ::: "memory");  // what was read before is not read again
            for (int k = 0; k < vectors; ++k) {
                read[k].store(to + k * Indices::size);
                signs = signs | signs_of(read[k], bound);
            }
            return are_good(signs);
        }
        const std::int64_t n = count < Lanes<T>::size ? count : Lanes<T>::size;
        for (std::int64_t i = n; i < Lanes<T>::size; ++i) index[i] = 0;
        return load_indices(v, first, n, bound, index);
    }
    // Those of rows that do not count are 0.
    SCOREFN_NO_INLINE bool load(const IndexVector& v, std::int64_t first, std::int64_t count,
                                std::int64_t bound, const ValidRows& valid) {
        for (auto& i : index) i = 0;
        load_indices(v, first, count, bound, index);
        std::uint64_t signs = 0;
        for (std::int64_t i = 0; i < count; ++i) {
            index[i] = is_valid(valid, first + i) ? index[i] : 0;
            signs |= signs_of(static_cast<std::uint64_t>(index[i]), bound);
        }
        return signs >> 63 == 0;
    }
    SCOREFN_INLINE Mask<T> lanes() const { return narrow_integers<T>(index); }
};

// The weights of as many rows as there are lanes; 0 for rows that are not there.
template <class T>
SCOREFN_INLINE Lanes<T> load_reals(const RealVector& v, std::int64_t first, std::int64_t count) {
    constexpr int size = Lanes<T>::size;
    if (v.stride == 1 && v.is_float64 == (sizeof(T) == sizeof(double)) && count >= size)
        return Lanes<T>::load(static_cast<const T*>(v.data) + first);
    T values[size];
    for (int i = 0; i < size; ++i) {
        const std::int64_t at = (first + i) * v.stride;
        values[i] = i >= count     ? T(0)
                    : v.is_float64 ? static_cast<T>(static_cast<const double*>(v.data)[at])
                                   : static_cast<T>(static_cast<const float*>(v.data)[at]);
    }
    return Lanes<T>::load(values);
}

// Whether any of them is -inf.
template <class T>
bool has_minus_infinity(const T* x, std::int64_t count) {
    constexpr std::int64_t size = Lanes<T>::size, ahead = kBytesAhead / static_cast<std::int64_t>(sizeof(T));
    Lanes<T> least[4];
    for (auto& m : least) m = Lanes<T>::splat(0);
    const auto smaller = [](Lanes<T> a, Lanes<T> b)
                             SCOREFN_INLINE_LAMBDA { return select(a < b, a, b); };  // b if NaN
    std::int64_t i = 0;
    for (; i + 4 * size <= count; i += 4 * size) {
        fetch(x + ahead + i, Full<4>{});
        for (int k = 0; k < 4; ++k) least[k] = smaller(Lanes<T>::load(x + i + k * size), least[k]);
    }
    for (; i + size <= count; i += size) least[0] = smaller(Lanes<T>::load(x + i), least[0]);
    if (i < count) least[0] = smaller(load_partial(x + i, count - i, T(0)), least[0]);
    const auto all = smaller(smaller(least[0], least[1]), smaller(least[2], least[3]));
    return any(all == Lanes<T>::splat(-kInfinity<T>));
}

// Whether each row has an allowed action, and no NaN or +inf among those: whether an action can be drawn from it.
template <class T>
SCOREFN_NO_INLINE bool is_distribution(const T* z, std::int64_t col_stride, const unsigned char* where,
                                       std::int64_t where_col_stride, std::int64_t cols) {
    bool has_action = false, has_bad = false;
    for (std::int64_t j = 0; j < cols; ++j) {
        const T x = z[j * col_stride];
        const bool is_allowed = !where || where[j * where_col_stride] != 0;
        has_action |= is_allowed & (x != -kInfinity<T>);
        has_bad |= is_allowed & !(x < kInfinity<T>);
    }
    return has_action & !has_bad;
}
template <class T>
bool are_distributions(const LogitRows<T>& in) {
    const bool is_plain = !in.where && !in.valid.flags && in.col_stride == 1 && in.row_stride == in.cols;
    if (is_plain) {
        Mask<T> bad = Mask<T>::splat(0), forbidden = bad;
        for_each_vector<T, 1>(in.rows * in.cols, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
            const auto x = load(in.data + i, extent, T(0));
            bad = bad | ((x < kInfinity<T>)^Mask<T>::splat(-1));
            forbidden = forbidden | (x == -kInfinity<T>);
        });
        if (any(bad)) return false;
        if (!any(forbidden)) return true;
    }
    for (std::int64_t r = 0; r < in.rows; ++r) {
        const T* const z = in.data + r * in.row_stride;
        if (!is_valid(in.valid, r) || (is_plain && z[0] != -kInfinity<T>)) continue;
        const unsigned char* const where = in.where ? in.where + r * in.where_row_stride : nullptr;
        if (!is_distribution(z, in.col_stride, where, in.where_col_stride, in.cols)) return false;
    }
    return true;
}

}  // namespace
}  // namespace scorefn
