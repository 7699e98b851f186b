// What the instruction sets without masks share, written in GCC's vector extensions for vectors of any width.
#pragma once

#include <cstring>
#include <type_traits>

#include "kernels/simd/lanes.inl"

namespace scorefn {
namespace {

// from[index[i] % lanes] in each lane i. Clang has no __builtin_shuffle.
template <class Vector, class Index>
SCOREFN_INLINE Vector permute(Vector from, Index index) {
#if !defined(__clang__)
    return __builtin_shuffle(from, index);
#else
    Vector r;
    constexpr int lanes = sizeof(from) / sizeof(from[0]);
    for (int i = 0; i < lanes; ++i) r[i] = from[index[i] % lanes];
    return r;
#endif
}

// Integers of 64 bits as lanes of the size of T.
template <class T>
SCOREFN_INLINE Mask<T> narrow_integers(const std::int64_t* x) {
    typename IntegerOf<T>::type lanes[Lanes<T>::size];
    for (int i = 0; i < Lanes<T>::size; ++i) lanes[i] = static_cast<typename IntegerOf<T>::type>(x[i]);
    return Mask<T>::load(lanes);
}

typedef float HalfVector __attribute__((vector_size(kVectorBytes / 2)));
typedef float UnalignedHalf
    __attribute__((vector_size(kVectorBytes / 2), aligned(alignof(float)), may_alias));
union VectorOfHalves {
    Lanes<float>::Vector whole;
    HalfVector half[2];
};

SCOREFN_INLINE Doubles<float> widen(Lanes<float> a) {
    Doubles<float> r;
    for (int p = 0; p < kParts; ++p) {
        const VectorOfHalves split = {a.part[p]};
        for (int h = 0; h < 2; ++h)
            r.part[(2 * p + h) / kParts].part[(2 * p + h) % kParts] =
                __builtin_convertvector(split.half[h], Lanes<double>::Vector);
    }
    return r;
}
SCOREFN_INLINE Lanes<float> narrow(Doubles<float> a) {
    Lanes<float> r;
    for (int p = 0; p < kParts; ++p) {
        VectorOfHalves join;
        for (int h = 0; h < 2; ++h)
            join.half[h] =
                __builtin_convertvector(a.part[(2 * p + h) / kParts].part[(2 * p + h) % kParts], HalfVector);
        r.part[p] = join.whole;
    }
    return r;
}

SCOREFN_INLINE Lanes<double> load_widened(const float* x) {
    Lanes<double> r;
    for (int p = 0; p < kParts; ++p)
        r.part[p] =
            __builtin_convertvector(reinterpret_cast<const UnalignedHalf*>(x)[p], Lanes<double>::Vector);
    return r;
}
SCOREFN_INLINE void store_narrowed(Lanes<double> a, float* x) {
    for (int p = 0; p < kParts; ++p)
        reinterpret_cast<UnalignedHalf*>(x)[p] = __builtin_convertvector(a.part[p], HalfVector);
}

template <class T>
SCOREFN_INLINE bool any(Lanes<T> mask) {
    typedef long long Bits __attribute__((vector_size(kVectorBytes)));
    Bits all = (Bits)mask.part[0];
    for (int p = 1; p < kParts; ++p) all |= (Bits)mask.part[p];
    long long seen = 0;
    for (int i = 0; i < kVectorBytes / 8; ++i) seen |= all[i];
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

// One vector of doubles from as many of T.
template <class T>
SCOREFN_INLINE DoubleVector load_vector_widened(const T* x) {
    typedef T Part __attribute__((vector_size(sizeof(T) * kVectorDoubles), aligned(alignof(T)), may_alias));
    return __builtin_convertvector(*reinterpret_cast<const Part*>(x), DoubleVector);
}

// Lanes of two vectors that follow each other in memory as one that begins on a line: the last `from_before` of the first,
// then the first ones of the second. Where vectors are shorter than a line, quarters are stored as they are.
template <class T>
struct Join {
    std::int64_t from_before;
    SCOREFN_INLINE explicit Join(std::int64_t) : from_before(0) {}
    SCOREFN_INLINE Lanes<T> lanes(Lanes<T>, Lanes<T> x) const { return x; }
};

}  // namespace
}  // namespace scorefn
