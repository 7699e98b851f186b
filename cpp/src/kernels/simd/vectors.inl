// Steps along an array: full vectors of its elements, then the tail.
#pragma once

#include "kernels/simd/native.inl"

namespace scorefn {
namespace {

// The extent of one step along n elements: N full vectors, or the tail, less than one.
template <int N>
struct Full {};
struct Tail {
    std::int64_t count;
};

template <int N, class T>
SCOREFN_INLINE Lanes<T, N> load(const T* x, Full<N>, T) {
    return Lanes<T, N>::load(x);
}
template <class T>
SCOREFN_INLINE Lanes<T> load(const T* x, Tail tail, T fill) {
    return load_partial(x, tail.count, fill);
}
// From memory into the nearest cache. Only the address counts: it may lie beyond the end of an array.
template <int N, class T>
SCOREFN_INLINE void fetch(const T* x, Full<N>) {
    for (int k = 0; k < N; ++k) __builtin_prefetch(x + k * Lanes<T>::size);
}
template <class T>
SCOREFN_INLINE void fetch(const T*, Tail) {}
template <int N, class T>
SCOREFN_INLINE void store(Lanes<T, N> a, T* x, Full<N>) {
    a.store(x);
}
template <class T>
SCOREFN_INLINE void store(Lanes<T> a, T* x, Tail tail) {
    store_partial(a, x, tail.count);
}
// Widened from and to an array of them, or of floats.
SCOREFN_INLINE Lanes<double> load_doubles(const double* x, Full<1> extent) { return load(x, extent, 0.0); }
SCOREFN_INLINE Lanes<double> load_doubles(const double* x, Tail tail) { return load(x, tail, 0.0); }
SCOREFN_INLINE Lanes<double> load_doubles(const float* x, Full<1>) { return load_widened(x); }
SCOREFN_INLINE Lanes<double> load_doubles(const float* x, Tail tail) {
    return load_partial_widened(x, tail.count);
}
template <class Extent>
SCOREFN_INLINE void store_doubles(Lanes<double> a, double* x, Extent extent) {
    store(a, x, extent);
}
SCOREFN_INLINE void store_doubles(Lanes<double> a, float* x, Full<1>) { store_narrowed(a, x); }
SCOREFN_INLINE void store_doubles(Lanes<double> a, float* x, Tail tail) {
    store_partial_narrowed(a, x, tail.count);
}
// step(i, extent) along n elements, i its first element.
template <class T, int Lockstep = kLockstep, class Step>
SCOREFN_INLINE void for_each_vector(std::int64_t n, Step step) {
    constexpr std::int64_t size = Lanes<T>::size;
    std::int64_t i = 0;
    for (; i + Lockstep * size <= n; i += Lockstep * size) step(i, Full<Lockstep>{});
    for (; Lockstep > 1 && i + size <= n; i += size) step(i, Full<1>{});
    if (i < n) step(i, Tail{n - i});
}

}  // namespace
}  // namespace scorefn
