// AVX-512 (F, BW, DQ, VL): a register is all 64 bytes of Lanes, and masks load and store parts of one.
#pragma once

#include <immintrin.h>

#include "kernels/simd/lanes.inl"

namespace scorefn {
namespace {

// The product of the lower half of each 64-bit lane and a number of 32 bits.
SCOREFN_INLINE Lanes<std::uint64_t> product32(Lanes<std::uint64_t> a, std::uint32_t factor) {
    const auto b = Lanes<std::uint64_t>::splat(factor);
    return {{(Registers<std::uint64_t>::type)_mm512_mul_epu32((__m512i)a.reg[0], (__m512i)b.reg[0])}};
}

// from[index[i]] in each lane i of a register, for indices below the number of lanes.
template <class V, class Index>
SCOREFN_INLINE typename Registers<V>::type pick(const V* from, const Index* index) {
    const __m512i x = _mm512_loadu_si512(from), i = _mm512_loadu_si512(index);
    return (typename Registers<V>::type)(sizeof(V) == 4 ? _mm512_permutexvar_epi32(i, x)
                                                        : _mm512_permutexvar_epi64(i, x));
}

// Integers of 64 bits as lanes of the size of T.
template <class T>
SCOREFN_INLINE Mask<T> narrow_integers(const std::int64_t* x) {
    if constexpr (sizeof(T) == 8) {
        return Mask<T>::load(x);
    } else {
        const __m256i low = _mm512_cvtepi64_epi32(_mm512_loadu_si512(x)),
                      high = _mm512_cvtepi64_epi32(_mm512_loadu_si512(x + 8));
        return {{(Registers<std::int32_t>::type)_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1)}};
    }
}

// a - b c for a product that is exact: the fused instruction, which does not round it, gives the same bits.
template <class T, int N>
SCOREFN_INLINE Lanes<T, N> minus_exact_product(Lanes<T, N> a, Lanes<T, N> b, T c) {
    unrolled<N * kRegisters>([&](int p) SCOREFN_INLINE_LAMBDA {
        if constexpr (sizeof(T) == sizeof(float))
            a.reg[p] = _mm512_fnmadd_ps(b.reg[p], _mm512_set1_ps(c), a.reg[p]);
        else
            a.reg[p] = _mm512_fnmadd_pd(b.reg[p], _mm512_set1_pd(c), a.reg[p]);
    });
    return a;
}

// sum + a b. The products of two floats are exact in double, so the fused instruction gives the same bits. Those of two
// doubles are rounded on every ISA.
template <class T>
SCOREFN_INLINE DoubleRegister multiply_add(DoubleRegister a, DoubleRegister b, DoubleRegister sum) {
    if constexpr (sizeof(T) == sizeof(float)) return _mm512_fmadd_pd(a, b, sum);
    return sum + a * b;
}

SCOREFN_INLINE Widened<float> widen(Lanes<float> a) {
    const __m512 x = (__m512)a.reg[0];
    const __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x), 1));
    return {{{{_mm512_cvtps_pd(_mm512_castps512_ps256(x))}}, {{_mm512_cvtps_pd(high)}}}};
}
SCOREFN_INLINE Lanes<float> narrow(Widened<float> a) {
    const __m256 low = _mm512_cvtpd_ps(a.lanes[0].reg[0]), high = _mm512_cvtpd_ps(a.lanes[1].reg[0]);
    const __m512d both =
        _mm512_insertf64x4(_mm512_castps_pd(_mm512_castps256_ps512(low)), _mm256_castps_pd(high), 1);
    return {{_mm512_castpd_ps(both)}};
}

SCOREFN_INLINE Lanes<double> load_widened(const float* x) { return {{_mm512_cvtps_pd(_mm256_loadu_ps(x))}}; }
SCOREFN_INLINE void store_narrowed(Lanes<double> a, float* x) {
    _mm256_storeu_ps(x, _mm512_cvtpd_ps(a.reg[0]));
}

// One register of doubles from as many of T.
SCOREFN_INLINE DoubleRegister load_register_widened(const float* x) {
    return _mm512_cvtps_pd(_mm256_loadu_ps(x));
}
SCOREFN_INLINE DoubleRegister load_register_widened(const double* x) { return _mm512_loadu_pd(x); }

template <class T>
SCOREFN_INLINE bool any(Lanes<T> mask) {
    return _mm512_test_epi32_mask((__m512i)mask.reg[0], (__m512i)mask.reg[0]) != 0;
}
SCOREFN_INLINE bool any_zero(Lanes<float> x) {
    return _mm512_cmp_ps_mask(x.reg[0], _mm512_setzero_ps(), _CMP_EQ_OQ) != 0;
}
SCOREFN_INLINE bool any_zero(Lanes<double> x) {
    return _mm512_cmp_pd_mask(x.reg[0], _mm512_setzero_pd(), _CMP_EQ_OQ) != 0;
}
// None is 0, negative or NaN.
SCOREFN_INLINE bool all_positive(Lanes<double> x) {
    return _mm512_cmp_pd_mask(x.reg[0], _mm512_setzero_pd(), _CMP_GT_OQ) == 0xff;
}

// A whole vector from fewer than a whole vector's values; the other lanes are `fill`.
SCOREFN_INLINE Lanes<float> load_partial(const float* x, std::int64_t count, float fill) {
    return {{_mm512_mask_loadu_ps(_mm512_set1_ps(fill), static_cast<__mmask16>((1u << count) - 1), x)}};
}
SCOREFN_INLINE Lanes<double> load_partial(const double* x, std::int64_t count, double fill) {
    return {{_mm512_mask_loadu_pd(_mm512_set1_pd(fill), static_cast<__mmask8>((1u << count) - 1), x)}};
}
SCOREFN_INLINE Lanes<double> load_partial_widened(const float* x, std::int64_t count) {
    return {{_mm512_cvtps_pd(_mm256_maskz_loadu_ps(static_cast<__mmask8>((1u << count) - 1), x))}};
}
SCOREFN_INLINE void store_partial_narrowed(Lanes<double> a, float* x, std::int64_t count) {
    _mm256_mask_storeu_ps(x, static_cast<__mmask8>((1u << count) - 1), _mm512_cvtpd_ps(a.reg[0]));
}
SCOREFN_INLINE void store_partial(Lanes<float> a, float* x, std::int64_t count) {
    _mm512_mask_storeu_ps(x, static_cast<__mmask16>((1u << count) - 1), a.reg[0]);
}
SCOREFN_INLINE void store_partial(Lanes<double> a, double* x, std::int64_t count) {
    _mm512_mask_storeu_pd(x, static_cast<__mmask8>((1u << count) - 1), a.reg[0]);
}

// Quarter q of four, 16 bytes, from and to x + q * stride. Joined by halves: that takes less work than one quarter after
// the other.
SCOREFN_INLINE __m256 load_two_quarters(const float* x, std::int64_t stride) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(x)), _mm_loadu_ps(x + stride), 1);
}
SCOREFN_INLINE __m256d load_two_quarters(const double* x, std::int64_t stride) {
    return _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(x)), _mm_loadu_pd(x + stride), 1);
}
SCOREFN_INLINE __m512 load_quarters(const float* x, std::int64_t stride) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(load_two_quarters(x, stride)),
                              load_two_quarters(x + 2 * stride, stride), 1);
}
SCOREFN_INLINE __m512d load_quarters(const double* x, std::int64_t stride) {
    return _mm512_insertf64x4(_mm512_castpd256_pd512(load_two_quarters(x, stride)),
                              load_two_quarters(x + 2 * stride, stride), 1);
}
SCOREFN_INLINE void store_two_quarters(__m256 q, float* x, std::int64_t stride) {
    _mm_storeu_ps(x, _mm256_castps256_ps128(q));
    _mm_storeu_ps(x + stride, _mm256_extractf128_ps(q, 1));
}
SCOREFN_INLINE void store_two_quarters(__m256d q, double* x, std::int64_t stride) {
    _mm_storeu_pd(x, _mm256_castpd256_pd128(q));
    _mm_storeu_pd(x + stride, _mm256_extractf128_pd(q, 1));
}
SCOREFN_INLINE void store_quarters(__m512 q, float* x, std::int64_t stride) {
    store_two_quarters(_mm512_castps512_ps256(q), x, stride);
    store_two_quarters(_mm512_extractf32x8_ps(q, 1), x + 2 * stride, stride);
}
SCOREFN_INLINE void store_quarters(__m512d q, double* x, std::int64_t stride) {
    store_two_quarters(_mm512_castpd512_pd256(q), x, stride);
    store_two_quarters(_mm512_extractf64x4_pd(q, 1), x + 2 * stride, stride);
}

// Lanes of two vectors that follow each other in memory as one that begins on a line: the last `from_before` of the first,
// then the first ones of the second.
template <class T>
struct Join {
    std::int64_t from_before;
    Mask<T> index;

    SCOREFN_INLINE explicit Join(std::int64_t count) : from_before(count) {
        typename IntegerOf<T>::type lanes[Lanes<T>::size];
        for (int i = 0; i < Lanes<T>::size; ++i)
            lanes[i] = static_cast<typename IntegerOf<T>::type>(Lanes<T>::size - count + i);
        index = Mask<T>::load(lanes);
    }
    SCOREFN_INLINE Lanes<float> lanes(Lanes<float> before, Lanes<float> x) const {
        return {{_mm512_permutex2var_ps(before.reg[0], (__m512i)index.reg[0], x.reg[0])}};
    }
    SCOREFN_INLINE Lanes<double> lanes(Lanes<double> before, Lanes<double> x) const {
        return {{_mm512_permutex2var_pd(before.reg[0], (__m512i)index.reg[0], x.reg[0])}};
    }
};

// A store past the caches; store_fence() before another thread reads it.
template <class T>
SCOREFN_INLINE void store_nontemporal(Lanes<T> a, T* x) {
    _mm512_stream_si512(reinterpret_cast<__m512i*>(x), (__m512i)a.reg[0]);
}
SCOREFN_INLINE void store_fence() { _mm_sfence(); }

}  // namespace
}  // namespace scorefn
