// Lanes<T>: 64 bytes of values computed on together, 16 floats or 8 doubles on every ISA: one 512-bit vector,
// two of 256 or four of 128. All arithmetic is one operation a lane, so the ISA cannot change a bit.
// Lanes<T, N> are N of them in lockstep, to give the CPU independent work while it waits for a result.
#pragma once

#include <cstdint>

#include "kernels/simd/isa.inl"

namespace scorefn {
namespace {

template <class T>
struct IntegerOf;
template <>
struct IntegerOf<float> {
    using type = std::int32_t;
};
template <>
struct IntegerOf<double> {
    using type = std::int64_t;
};
template <>
struct IntegerOf<std::int32_t> : IntegerOf<float> {};
template <>
struct IntegerOf<std::int64_t> : IntegerOf<double> {};
template <class T>
struct UnsignedOf;
template <>
struct UnsignedOf<float> {
    using type = std::uint32_t;
};
template <>
struct UnsignedOf<double> {
    using type = std::uint64_t;
};

template <class T>
constexpr T kInfinity = static_cast<T>(__builtin_inf());
template <class T>
constexpr T kNaN = static_cast<T>(__builtin_nan(""));

template <class T>
struct Vectors {
    typedef T type __attribute__((vector_size(kVectorBytes)));
    typedef T unaligned __attribute__((vector_size(kVectorBytes), aligned(alignof(T)), may_alias));
};

template <class T, int N = 1>
struct Lanes {
    static constexpr int size = 64 / sizeof(T);  // of one
    static constexpr int parts = N * kParts;
    using Vector = typename Vectors<T>::type;
    Vector part[parts];

    SCOREFN_INLINE static Lanes splat(T x) {
        Lanes r;
        for (int p = 0; p < parts; ++p) r.part[p] = Vector{} + x;
        return r;
    }
    SCOREFN_INLINE static Lanes load(const T* x) {
        Lanes r;
        for (int p = 0; p < parts; ++p)
            r.part[p] = reinterpret_cast<const typename Vectors<T>::unaligned*>(x)[p];
        return r;
    }
    SCOREFN_INLINE void store(T* x) const {
        for (int p = 0; p < parts; ++p) reinterpret_cast<typename Vectors<T>::unaligned*>(x)[p] = part[p];
    }
    SCOREFN_INLINE Lanes<T> operator[](int n) const {
        Lanes<T> r;
        for (int p = 0; p < kParts; ++p) r.part[p] = part[n * kParts + p];
        return r;
    }
};

// The outcome of a comparison, all ones or all zeros in each lane.
template <class T, int N = 1>
using Mask = Lanes<typename IntegerOf<T>::type, N>;

// The right side may be a single Lanes<T>, meant for each of the N.
#define SCOREFN_LANEWISE(op)                                                            \
    template <class T, int N, int M>                                                    \
    SCOREFN_INLINE Lanes<T, N> operator op(Lanes<T, N> a, Lanes<T, M> b) {              \
        static_assert(M == N || M == 1, "as many lanes, or one for each");              \
        for (int p = 0; p < a.parts; ++p) a.part[p] = a.part[p] op b.part[p % b.parts]; \
        return a;                                                                       \
    }                                                                                   \
    template <class T, int N>                                                           \
    SCOREFN_INLINE Lanes<T, N> operator op(Lanes<T, N> a, T b) {                        \
        for (int p = 0; p < a.parts; ++p) a.part[p] = a.part[p] op b;                   \
        return a;                                                                       \
    }                                                                                   \
    template <class T, int N>                                                           \
    SCOREFN_INLINE Lanes<T, N> operator op(T a, Lanes<T, N> b) {                        \
        for (int p = 0; p < b.parts; ++p) b.part[p] = a op b.part[p];                   \
        return b;                                                                       \
    }
SCOREFN_LANEWISE(+)
SCOREFN_LANEWISE(-)
SCOREFN_LANEWISE(*)
SCOREFN_LANEWISE(/)
SCOREFN_LANEWISE(&)
SCOREFN_LANEWISE(|)
SCOREFN_LANEWISE(<<)
SCOREFN_LANEWISE(>>)
SCOREFN_LANEWISE(^)
#undef SCOREFN_LANEWISE

#define SCOREFN_COMPARISON(op)                                                          \
    template <class T, int N, int M>                                                    \
    SCOREFN_INLINE Mask<T, N> operator op(Lanes<T, N> a, Lanes<T, M> b) {               \
        static_assert(M == N || M == 1, "as many lanes, or one for each");              \
        Mask<T, N> r;                                                                   \
        for (int p = 0; p < a.parts; ++p) r.part[p] = a.part[p] op b.part[p % b.parts]; \
        return r;                                                                       \
    }                                                                                   \
    template <class T, int N>                                                           \
    SCOREFN_INLINE Mask<T, N> operator op(Lanes<T, N> a, T b) {                         \
        return a op Lanes<T, N>::splat(b);                                              \
    }
SCOREFN_COMPARISON(<)
SCOREFN_COMPARISON(<=)
SCOREFN_COMPARISON(==)
SCOREFN_COMPARISON(!=)
#undef SCOREFN_COMPARISON

template <class T, int N>
SCOREFN_INLINE Lanes<T, N> select(Lanes<std::int32_t, N> mask, Lanes<T, N> yes, Lanes<T, N> no) {
    for (int p = 0; p < yes.parts; ++p) yes.part[p] = mask.part[p] ? yes.part[p] : no.part[p];
    return yes;
}
template <class T, int N>
SCOREFN_INLINE Lanes<T, N> select(Lanes<std::int64_t, N> mask, Lanes<T, N> yes, Lanes<T, N> no) {
    for (int p = 0; p < yes.parts; ++p) yes.part[p] = mask.part[p] ? yes.part[p] : no.part[p];
    return yes;
}
template <class T, int N, class M>
SCOREFN_INLINE Lanes<T, N> select(Lanes<M, N> mask, T yes, Lanes<T, N> no) {
    return select(mask, Lanes<T, N>::splat(yes), no);
}
template <class T, int N, class M>
SCOREFN_INLINE Lanes<T, N> select(Lanes<M, N> mask, Lanes<T, N> yes, T no) {
    return select(mask, yes, Lanes<T, N>::splat(no));
}
template <class T, int N>
SCOREFN_INLINE Lanes<T, N> max(Lanes<T, N> a, Lanes<T, N> b) {
    return select(b < a, a, b);
}

// The same 64 bytes, read as another type.
template <class To, class From, int N>
SCOREFN_INLINE Lanes<To, N> bits(Lanes<From, N> a) {
    static_assert(sizeof(To) == sizeof(From), "one lane for one lane");
    Lanes<To, N> r;
    for (int p = 0; p < r.parts; ++p) r.part[p] = (typename Vectors<To>::type)a.part[p];
    return r;
}

// The lanes as doubles, eight at a time, lower lanes first.
template <class T>
struct Doubles {
    static constexpr int count = Lanes<T>::size / 8;
    Lanes<double> part[count];

    SCOREFN_INLINE static Doubles splat(double x) {
        Doubles r;
        for (auto& part : r.part) part = Lanes<double>::splat(x);
        return r;
    }
    SCOREFN_INLINE static Doubles load(const double* x) {
        Doubles r;
        for (int p = 0; p < count; ++p) r.part[p] = Lanes<double>::load(x + 8 * p);
        return r;
    }
    SCOREFN_INLINE void store(double* x) const {
        for (int p = 0; p < count; ++p) part[p].store(x + 8 * p);
    }
};

#define SCOREFN_DOUBLES(op)                                                   \
    template <class T>                                                        \
    SCOREFN_INLINE Doubles<T> operator op(Doubles<T> a, Doubles<T> b) {       \
        for (int p = 0; p < a.count; ++p) a.part[p] = a.part[p] op b.part[p]; \
        return a;                                                             \
    }                                                                         \
    template <class T>                                                        \
    SCOREFN_INLINE Doubles<T> operator op(Doubles<T> a, double b) {           \
        for (auto& part : a.part) part = part op b;                           \
        return a;                                                             \
    }                                                                         \
    template <class T>                                                        \
    SCOREFN_INLINE Doubles<T> operator op(double a, Doubles<T> b) {           \
        for (auto& part : b.part) part = a op part;                           \
        return b;                                                             \
    }
SCOREFN_DOUBLES(+)
SCOREFN_DOUBLES(-)
SCOREFN_DOUBLES(*)
SCOREFN_DOUBLES(/)
#undef SCOREFN_DOUBLES

// Over the lanes, halves folded together in a fixed tree.
template <class T>
SCOREFN_INLINE T fold_max(Lanes<T> a) {
    T x[Lanes<T>::size];
    a.store(x);
    T m[4] = {x[0], x[1], x[2], x[3]};
#pragma GCC unroll 16
    for (int i = 4; i < Lanes<T>::size; ++i) m[i % 4] = m[i % 4] < x[i] ? x[i] : m[i % 4];
    m[0] = m[0] < m[2] ? m[2] : m[0];
    m[1] = m[1] < m[3] ? m[3] : m[1];
    return m[0] < m[1] ? m[1] : m[0];
}
SCOREFN_INLINE double fold_sum(const double (&x)[8]) {
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}
SCOREFN_INLINE double fold_sum(Lanes<double> a) {
    double x[8];
    a.store(x);
    return fold_sum(x);
}
template <class T>
SCOREFN_INLINE double fold_sum(Doubles<T> a) {
    for (int p = 1; p < a.count; ++p) a.part[0] = a.part[0] + a.part[p];
    return fold_sum(a.part[0]);
}

// Lanes of T as doubles and back, where T is double already.
SCOREFN_INLINE Doubles<double> widen(Lanes<double> a) { return {{a}}; }
SCOREFN_INLINE Lanes<double> narrow(Doubles<double> a) { return a.part[0]; }

// One vector of the instruction set.
using DoubleVector = Vectors<double>::type;
constexpr int kVectorDoubles = kVectorBytes / 8;

// The product of the lower half of a number and one of 32 bits. For Lanes: simd/native.inl.
SCOREFN_INLINE std::uint64_t product32(std::uint64_t a, std::uint32_t factor) {
    return (a & 0xffffffff) * factor;
}

}  // namespace
}  // namespace scorefn
