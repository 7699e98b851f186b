// What the instruction sets without masks share, written in GCC's vector extensions for registers of any width.
#pragma once

#include <cstring>
#include <type_traits>

#include "kernels/simd/lanes.inl"

namespace scorefn {
namespace {

// Integers of 64 bits as lanes of the size of T.
template <class T>
SCOREFN_INLINE Mask<T> narrow_integers(const std::int64_t* x) {
    typename IntegerOf<T>::type lanes[Lanes<T>::size];
    for (int i = 0; i < Lanes<T>::size; ++i) lanes[i] = static_cast<typename IntegerOf<T>::type>(x[i]);
    return Mask<T>::load(lanes);
}

typedef float HalfRegister __attribute__((vector_size(kRegisterBytes / 2)));
typedef float UnalignedHalf
    __attribute__((vector_size(kRegisterBytes / 2), aligned(alignof(float)), may_alias));
union RegisterOfHalves {
    Lanes<float>::Register whole;
    HalfRegister half[2];
};

SCOREFN_INLINE Widened<float> widen(Lanes<float> a) {
    Widened<float> r;
    unrolled<kRegisters>([&](int p) SCOREFN_INLINE_LAMBDA {
        const RegisterOfHalves halves = {a.reg[p]};
        for (int h = 0; h < 2; ++h)
            r.lanes[(2 * p + h) / kRegisters].reg[(2 * p + h) % kRegisters] =
                __builtin_convertvector(halves.half[h], Lanes<double>::Register);
    });
    return r;
}
SCOREFN_INLINE Lanes<float> narrow(Widened<float> a) {
    Lanes<float> r;
    unrolled<kRegisters>([&](int p) SCOREFN_INLINE_LAMBDA {
        RegisterOfHalves join;
        for (int h = 0; h < 2; ++h)
            join.half[h] = __builtin_convertvector(
                a.lanes[(2 * p + h) / kRegisters].reg[(2 * p + h) % kRegisters], HalfRegister);
        r.reg[p] = join.whole;
    });
    return r;
}

SCOREFN_INLINE Lanes<double> load_widened(const float* x) {
    Lanes<double> r;
    unrolled<kRegisters>([&](int p) SCOREFN_INLINE_LAMBDA {
        r.reg[p] =
            __builtin_convertvector(reinterpret_cast<const UnalignedHalf*>(x)[p], Lanes<double>::Register);
    });
    return r;
}
SCOREFN_INLINE void store_narrowed(Lanes<double> a, float* x) {
    unrolled<kRegisters>([&](int p) SCOREFN_INLINE_LAMBDA {
        reinterpret_cast<UnalignedHalf*>(x)[p] = __builtin_convertvector(a.reg[p], HalfRegister);
    });
}

template <class T>
SCOREFN_INLINE bool any(Lanes<T> mask) {
    typedef long long Bits __attribute__((vector_size(kRegisterBytes)));
    Bits all = (Bits)mask.reg[0];
    for (int p = 1; p < kRegisters; ++p) all |= (Bits)mask.reg[p];
    long long seen = 0;
    for (int i = 0; i < kRegisterBytes / 8; ++i) seen |= all[i];
    return seen != 0;
}
template <class T>
SCOREFN_INLINE bool any_zero(Lanes<T> x) {
    return any(x == T(0));
}
// None is 0, negative or NaN.
SCOREFN_INLINE bool all_positive(Lanes<double> x) {
    return !any((Lanes<double>::splat(0) < x) ^ Mask<double>::splat(-1));
}

// A whole vector from fewer than a whole vector's values; the other lanes are `fill`.
template <class T>
SCOREFN_INLINE Lanes<T> load_partial(const T* x, std::int64_t count, T fill) {
    T buffer[Lanes<T>::size];
    Lanes<T>::splat(fill).store(buffer);
    std::memcpy(buffer, x, static_cast<std::size_t>(count) * sizeof(T));
    return Lanes<T>::load(buffer);
}
template <class T>
SCOREFN_INLINE void store_partial(Lanes<T> a, T* x, std::int64_t count) {
    T buffer[Lanes<T>::size];
    a.store(buffer);
    std::memcpy(x, buffer, static_cast<std::size_t>(count) * sizeof(T));
}
SCOREFN_INLINE Lanes<double> load_partial_widened(const float* x, std::int64_t count) {
    float buffer[Lanes<double>::size] = {};
    std::memcpy(buffer, x, static_cast<std::size_t>(count) * sizeof(float));
    return load_widened(buffer);
}
SCOREFN_INLINE void store_partial_narrowed(Lanes<double> a, float* x, std::int64_t count) {
    float buffer[Lanes<double>::size];
    store_narrowed(a, buffer);
    std::memcpy(x, buffer, static_cast<std::size_t>(count) * sizeof(float));
}

// One register of doubles from as many of T.
template <class T>
SCOREFN_INLINE DoubleRegister load_register_widened(const T* x) {
    typedef T Unaligned
        __attribute__((vector_size(sizeof(T) * kRegisterDoubles), aligned(alignof(T)), may_alias));
    return __builtin_convertvector(*reinterpret_cast<const Unaligned*>(x), DoubleRegister);
}

// Lanes of two vectors that follow each other in memory as one that begins on a line: the last `from_before` of the first,
// then the first ones of the second. Where registers are shorter than a line, quarters are stored as they are.
template <class T>
struct Join {
    std::int64_t from_before;
    SCOREFN_INLINE explicit Join(std::int64_t) : from_before(0) {}
    SCOREFN_INLINE Lanes<T> lanes(Lanes<T>, Lanes<T> x) const { return x; }
};

}  // namespace
}  // namespace scorefn
