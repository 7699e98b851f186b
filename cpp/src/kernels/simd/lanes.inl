// Lanes<T>: 64 bytes of values computed on together, 16 floats or 8 doubles on every ISA: one register of 512 bits,
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

// body(0) .. body(N - 1), written out from the start. Of a loop, the compiler would keep registers in memory until it unrolls
// it, late, which takes it half as long again.
template <int N, class Body>
SCOREFN_INLINE void unrolled(Body body) {
    static_assert(1 <= N && N <= 4, "one line each");
    body(0);
    if constexpr (N > 1) body(1);
    if constexpr (N > 2) body(2);
    if constexpr (N > 3) body(3);
}

template <class T>
struct Registers {
    typedef T type __attribute__((vector_size(kRegisterBytes)));
    typedef T unaligned __attribute__((vector_size(kRegisterBytes), aligned(alignof(T)), may_alias));
};

template <class T, int N = 1>
struct Lanes {
    static constexpr int size = 64 / sizeof(T);  // of one
    static constexpr int registers = N * kRegisters;
    using Register = typename Registers<T>::type;
    Register reg[registers];

    SCOREFN_INLINE static Lanes splat(T x) {
        Lanes r;
        unrolled<registers>([&](int p) SCOREFN_INLINE_LAMBDA { r.reg[p] = Register{} + x; });
        return r;
    }
    SCOREFN_INLINE static Lanes load(const T* x) {
        Lanes r;
        unrolled<registers>([&](int p) SCOREFN_INLINE_LAMBDA {
            r.reg[p] = reinterpret_cast<const typename Registers<T>::unaligned*>(x)[p];
        });
        return r;
    }
    SCOREFN_INLINE void store(T* x) const {
        unrolled<registers>([&](int p) SCOREFN_INLINE_LAMBDA {
            reinterpret_cast<typename Registers<T>::unaligned*>(x)[p] = reg[p];
        });
    }
    SCOREFN_INLINE Lanes<T> operator[](int n) const {
        Lanes<T> r;
        unrolled<kRegisters>([&](int p) SCOREFN_INLINE_LAMBDA { r.reg[p] = reg[n * kRegisters + p]; });
        return r;
    }
};

// The outcome of a comparison, all ones or all zeros in each lane.
template <class T, int N = 1>
using Mask = Lanes<typename IntegerOf<T>::type, N>;

// The right side may be a single Lanes<T>, meant for each of the N.
#define SCOREFN_LANEWISE(op)                                                                      \
    template <class T, int N, int M>                                                              \
    SCOREFN_INLINE Lanes<T, N> operator op(Lanes<T, N> a, Lanes<T, M> b) {                        \
        static_assert(M == N || M == 1, "as many lanes, or one for each");                        \
        unrolled<N * kRegisters>(                                                                 \
            [&](int p) SCOREFN_INLINE_LAMBDA { a.reg[p] = a.reg[p] op b.reg[p % b.registers]; }); \
        return a;                                                                                 \
    }                                                                                             \
    template <class T, int N>                                                                     \
    SCOREFN_INLINE Lanes<T, N> operator op(Lanes<T, N> a, T b) {                                  \
        unrolled<N * kRegisters>([&](int p) SCOREFN_INLINE_LAMBDA { a.reg[p] = a.reg[p] op b; }); \
        return a;                                                                                 \
    }                                                                                             \
    template <class T, int N>                                                                     \
    SCOREFN_INLINE Lanes<T, N> operator op(T a, Lanes<T, N> b) {                                  \
        unrolled<N * kRegisters>([&](int p) SCOREFN_INLINE_LAMBDA { b.reg[p] = a op b.reg[p]; }); \
        return b;                                                                                 \
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

#define SCOREFN_COMPARISON(op)                                                                    \
    template <class T, int N, int M>                                                              \
    SCOREFN_INLINE Mask<T, N> operator op(Lanes<T, N> a, Lanes<T, M> b) {                         \
        static_assert(M == N || M == 1, "as many lanes, or one for each");                        \
        Mask<T, N> r;                                                                             \
        unrolled<N * kRegisters>(                                                                 \
            [&](int p) SCOREFN_INLINE_LAMBDA { r.reg[p] = a.reg[p] op b.reg[p % b.registers]; }); \
        return r;                                                                                 \
    }                                                                                             \
    template <class T, int N>                                                                     \
    SCOREFN_INLINE Mask<T, N> operator op(Lanes<T, N> a, T b) {                                   \
        return a op Lanes<T, N>::splat(b);                                                        \
    }
SCOREFN_COMPARISON(<)
SCOREFN_COMPARISON(<=)
SCOREFN_COMPARISON(==)
SCOREFN_COMPARISON(!=)
#undef SCOREFN_COMPARISON

template <class T, int N>
SCOREFN_INLINE Lanes<T, N> select(Lanes<std::int32_t, N> mask, Lanes<T, N> yes, Lanes<T, N> no) {
    unrolled<N * kRegisters>(
        [&](int p) SCOREFN_INLINE_LAMBDA { yes.reg[p] = mask.reg[p] ? yes.reg[p] : no.reg[p]; });
    return yes;
}
template <class T, int N>
SCOREFN_INLINE Lanes<T, N> select(Lanes<std::int64_t, N> mask, Lanes<T, N> yes, Lanes<T, N> no) {
    unrolled<N * kRegisters>(
        [&](int p) SCOREFN_INLINE_LAMBDA { yes.reg[p] = mask.reg[p] ? yes.reg[p] : no.reg[p]; });
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
    unrolled<N * kRegisters>(
        [&](int p) SCOREFN_INLINE_LAMBDA { r.reg[p] = (typename Registers<To>::type)a.reg[p]; });
    return r;
}

// The lanes as doubles, eight at a time, lower lanes first.
template <class T>
struct Widened {
    static constexpr int count = Lanes<T>::size / 8;
    Lanes<double> lanes[count];

    SCOREFN_INLINE static Widened splat(double x) {
        Widened r;
        unrolled<count>([&](int p) SCOREFN_INLINE_LAMBDA { r.lanes[p] = Lanes<double>::splat(x); });
        return r;
    }
    SCOREFN_INLINE static Widened load(const double* x) {
        Widened r;
        unrolled<count>([&](int p) SCOREFN_INLINE_LAMBDA { r.lanes[p] = Lanes<double>::load(x + 8 * p); });
        return r;
    }
    SCOREFN_INLINE void store(double* x) const {
        unrolled<count>([&](int p) SCOREFN_INLINE_LAMBDA { lanes[p].store(x + 8 * p); });
    }
};

#define SCOREFN_WIDENED(op)                                                                                \
    template <class T>                                                                                     \
    SCOREFN_INLINE Widened<T> operator op(Widened<T> a, Widened<T> b) {                                    \
        unrolled<Widened<T>::count>([&](int p)                                                             \
                                        SCOREFN_INLINE_LAMBDA { a.lanes[p] = a.lanes[p] op b.lanes[p]; }); \
        return a;                                                                                          \
    }                                                                                                      \
    template <class T>                                                                                     \
    SCOREFN_INLINE Widened<T> operator op(Widened<T> a, double b) {                                        \
        unrolled<Widened<T>::count>([&](int p) SCOREFN_INLINE_LAMBDA { a.lanes[p] = a.lanes[p] op b; });   \
        return a;                                                                                          \
    }                                                                                                      \
    template <class T>                                                                                     \
    SCOREFN_INLINE Widened<T> operator op(double a, Widened<T> b) {                                        \
        unrolled<Widened<T>::count>([&](int p) SCOREFN_INLINE_LAMBDA { b.lanes[p] = a op b.lanes[p]; });   \
        return b;                                                                                          \
    }
SCOREFN_WIDENED(+)
SCOREFN_WIDENED(-)
SCOREFN_WIDENED(*)
SCOREFN_WIDENED(/)
#undef SCOREFN_WIDENED

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
SCOREFN_INLINE double fold_sum(Widened<T> a) {
    for (int p = 1; p < a.count; ++p) a.lanes[0] = a.lanes[0] + a.lanes[p];
    return fold_sum(a.lanes[0]);
}

// Lanes of T as doubles and back, where T is double already.
SCOREFN_INLINE Widened<double> widen(Lanes<double> a) { return {{a}}; }
SCOREFN_INLINE Lanes<double> narrow(Widened<double> a) { return a.lanes[0]; }

// One register of the instruction set.
using DoubleRegister = Registers<double>::type;
constexpr int kRegisterDoubles = kRegisterBytes / 8;

// The product of the lower half of a number and one of 32 bits. For Lanes: simd/native.inl.
SCOREFN_INLINE std::uint64_t product32(std::uint64_t a, std::uint32_t factor) {
    return (a & 0xffffffff) * factor;
}

}  // namespace
}  // namespace scorefn
