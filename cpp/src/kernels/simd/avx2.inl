// AVX2 with FMA: registers of 32 bytes.
#pragma once

#include <immintrin.h>

#include "kernels/simd/vector_extensions.inl"

namespace scorefn {
namespace {

// The product of the lower half of each 64-bit lane and a number of 32 bits.
SCOREFN_INLINE Lanes<std::uint64_t> product32(Lanes<std::uint64_t> a, std::uint32_t factor) {
    const auto b = Lanes<std::uint64_t>::splat(factor);
    unrolled<kRegisters>([&](int p) SCOREFN_INLINE_LAMBDA {
        a.reg[p] = (Registers<std::uint64_t>::type)_mm256_mul_epu32((__m256i)a.reg[p], (__m256i)b.reg[p]);
    });
    return a;
}

// from[index[i]] in each lane i of a register, for indices below the number of lanes. Clang has no __builtin_shuffle.
template <class V, class Index>
SCOREFN_INLINE typename Registers<V>::type pick(const V* from, const Index* index) {
#if !defined(__clang__)
    return __builtin_shuffle(*reinterpret_cast<const typename Registers<V>::unaligned*>(from),
                             *reinterpret_cast<const typename Registers<Index>::unaligned*>(index));
#else
    typename Registers<V>::type r;
    for (int i = 0; i < kRegisterBytes / static_cast<int>(sizeof(V)); ++i) r[i] = from[index[i]];
    return r;
#endif
}

// a - b c for a product that is exact: the fused instruction, which does not round it, gives the same bits.
template <class T, int N>
SCOREFN_INLINE Lanes<T, N> minus_exact_product(Lanes<T, N> a, Lanes<T, N> b, T c) {
    unrolled<N * kRegisters>([&](int p) SCOREFN_INLINE_LAMBDA {
        if constexpr (sizeof(T) == sizeof(float))
            a.reg[p] = _mm256_fnmadd_ps(b.reg[p], _mm256_set1_ps(c), a.reg[p]);
        else
            a.reg[p] = _mm256_fnmadd_pd(b.reg[p], _mm256_set1_pd(c), a.reg[p]);
    });
    return a;
}

// sum + a b. The products of two floats are exact in double, so the fused instruction gives the same bits. Those of two
// doubles are rounded on every ISA.
template <class T>
SCOREFN_INLINE DoubleRegister multiply_add(DoubleRegister a, DoubleRegister b, DoubleRegister sum) {
    if constexpr (sizeof(T) == sizeof(float)) return _mm256_fmadd_pd(a, b, sum);
    return sum + a * b;
}

// Quarter q of the two of a register, 16 bytes, from and to x + q * stride.
SCOREFN_INLINE __m256 load_quarters(const float* x, std::int64_t stride) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(x)), _mm_loadu_ps(x + stride), 1);
}
SCOREFN_INLINE __m256d load_quarters(const double* x, std::int64_t stride) {
    return _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(x)), _mm_loadu_pd(x + stride), 1);
}
SCOREFN_INLINE void store_quarters(__m256 q, float* x, std::int64_t stride) {
    _mm_storeu_ps(x, _mm256_castps256_ps128(q));
    _mm_storeu_ps(x + stride, _mm256_extractf128_ps(q, 1));
}
SCOREFN_INLINE void store_quarters(__m256d q, double* x, std::int64_t stride) {
    _mm_storeu_pd(x, _mm256_castpd256_pd128(q));
    _mm_storeu_pd(x + stride, _mm256_extractf128_pd(q, 1));
}

// A store past the caches; store_fence() before another thread reads it.
template <class T>
SCOREFN_INLINE void store_nontemporal(Lanes<T> a, T* x) {
    if (reinterpret_cast<std::uintptr_t>(x) % 16 != 0) return a.store(x);
    auto* quarters = reinterpret_cast<__m128i*>(x);
    for (int p = 0; p < kRegisters; ++p, quarters += 2) {
        _mm_stream_si128(quarters, _mm256_castsi256_si128((__m256i)a.reg[p]));
        _mm_stream_si128(quarters + 1, _mm256_extracti128_si256((__m256i)a.reg[p], 1));
    }
}
SCOREFN_INLINE void store_fence() { _mm_sfence(); }

}  // namespace
}  // namespace scorefn
