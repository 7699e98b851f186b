// The baseline of x86-64: registers of 16 bytes.
#pragma once

#include <immintrin.h>

#include "kernels/simd/vector_extensions.inl"

namespace scorefn {
namespace {

// The product of the lower half of each 64-bit lane and a number of 32 bits.
SCOREFN_INLINE Lanes<std::uint64_t> product32(Lanes<std::uint64_t> a, std::uint32_t factor) {
    const auto b = Lanes<std::uint64_t>::splat(factor);
    unrolled<kRegisters>([&](int p) SCOREFN_INLINE_LAMBDA {
        a.reg[p] = (Registers<std::uint64_t>::type)_mm_mul_epu32((__m128i)a.reg[p], (__m128i)b.reg[p]);
    });
    return a;
}

// from[index[i]] in each lane i of a register.
template <class V, class Index>
SCOREFN_INLINE typename Registers<V>::type pick(const V* from, const Index* index) {
    typename Registers<V>::type r;
    for (int i = 0; i < kRegisterBytes / static_cast<int>(sizeof(V)); ++i) r[i] = from[index[i]];
    return r;
}

// a - b c for a product that is exact.
template <class T, int N>
SCOREFN_INLINE Lanes<T, N> minus_exact_product(Lanes<T, N> a, Lanes<T, N> b, T c) {
    return a - b * c;
}

// sum + a b. The products of two floats are exact in double; those of two doubles are rounded on every ISA.
template <class T>
SCOREFN_INLINE DoubleRegister multiply_add(DoubleRegister a, DoubleRegister b, DoubleRegister sum) {
    return sum + a * b;
}

// Quarter q of a register, 16 bytes, from and to x + q * stride.
template <class T>
SCOREFN_INLINE typename Registers<T>::type load_quarters(const T* x, std::int64_t) {
    return *reinterpret_cast<const typename Registers<T>::unaligned*>(x);
}
template <class T>
SCOREFN_INLINE void store_quarters(typename Registers<T>::type q, T* x, std::int64_t) {
    *reinterpret_cast<typename Registers<T>::unaligned*>(x) = q;
}

// A store past the caches; store_fence() before another thread reads it.
template <class T>
SCOREFN_INLINE void store_nontemporal(Lanes<T> a, T* x) {
    if (reinterpret_cast<std::uintptr_t>(x) % 16 != 0) return a.store(x);
    unrolled<kRegisters>([&](int p) SCOREFN_INLINE_LAMBDA {
        _mm_stream_si128(reinterpret_cast<__m128i*>(x) + p, (__m128i)a.reg[p]);
    });
}
SCOREFN_INLINE void store_fence() { _mm_sfence(); }

}  // namespace
}  // namespace scorefn
