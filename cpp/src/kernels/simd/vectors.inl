// Steps along an array: whole vectors of its elements, then what is left of one.
#pragma once

#include "kernels/simd/native.inl"

namespace scorefn {
namespace {

// The extent of one step along n elements: N whole vectors, or a part of one.
template <int N>
struct Whole {};
struct Part {
    std::int64_t count;
};

template <int N, class T>
SCOREFN_INLINE Lanes<T, N> load(const T* x, Whole<N>, T) {
    return Lanes<T, N>::load(x);
}
template <class T>
SCOREFN_INLINE Lanes<T> load(const T* x, Part part, T fill) {
    return load_partial(x, part.count, fill);
}
// From memory into the nearest cache. Only the address counts: it may lie beyond the end of an array.
template <int N, class T>
SCOREFN_INLINE void fetch(const T* x, Whole<N>) {
    for (int k = 0; k < N; ++k) __builtin_prefetch(x + k * Lanes<T>::size);
}
template <class T>
SCOREFN_INLINE void fetch(const T*, Part) {}
template <int N, class T>
SCOREFN_INLINE void store(Lanes<T, N> a, T* x, Whole<N>) {
    a.store(x);
}
template <class T>
SCOREFN_INLINE void store(Lanes<T> a, T* x, Part part) {
    store_partial(a, x, part.count);
}
// Doubles from and to an array of them, or of floats.
SCOREFN_INLINE Lanes<double> load_doubles(const double* x, Whole<1> extent) { return load(x, extent, 0.0); }
SCOREFN_INLINE Lanes<double> load_doubles(const double* x, Part part) { return load(x, part, 0.0); }
SCOREFN_INLINE Lanes<double> load_doubles(const float* x, Whole<1>) { return load_widened(x); }
SCOREFN_INLINE Lanes<double> load_doubles(const float* x, Part part) {
    return load_partial_widened(x, part.count);
}
template <class Extent>
SCOREFN_INLINE void store_doubles(Lanes<double> a, double* x, Extent extent) {
    store(a, x, extent);
}
SCOREFN_INLINE void store_doubles(Lanes<double> a, float* x, Whole<1>) { store_narrowed(a, x); }
SCOREFN_INLINE void store_doubles(Lanes<double> a, float* x, Part part) {
    store_partial_narrowed(a, x, part.count);
}
// step(i, extent) along n elements, i its first element.
template <class T, int Lockstep = kLockstep, class Step>
SCOREFN_INLINE void for_each_vector(std::int64_t n, Step step) {
    constexpr std::int64_t size = Lanes<T>::size;
    std::int64_t i = 0;
    for (; i + Lockstep * size <= n; i += Lockstep * size) step(i, Whole<Lockstep>{});
    for (; Lockstep > 1 && i + size <= n; i += size) step(i, Whole<1>{});
    if (i < n) step(i, Part{n - i});
}

}  // namespace
}  // namespace scorefn
