// What GCC's vector extensions leave to chance or cannot say: conversions between float and double lanes, products of
// half lanes, and parts of a vector. Nothing here rounds but narrow().

SCOREFN_INLINE Doubles<double> widen(Lanes<double> a) { return {{a}}; }
SCOREFN_INLINE Lanes<double> narrow(Doubles<double> a) { return a.part[0]; }

// The product of the lower halves of each 64-bit lane.
SCOREFN_INLINE Lanes<std::uint64_t> product32(Lanes<std::uint64_t> a, Lanes<std::uint64_t> b) {
    for (int p = 0; p < kParts; ++p) {
#if defined(__AVX512F__)
        a.part[p] = (Vectors<std::uint64_t>::type)_mm512_mul_epu32((__m512i)a.part[p], (__m512i)b.part[p]);
#elif defined(__AVX2__)
        a.part[p] = (Vectors<std::uint64_t>::type)_mm256_mul_epu32((__m256i)a.part[p], (__m256i)b.part[p]);
#elif defined(__SSE2__)
        a.part[p] = (Vectors<std::uint64_t>::type)_mm_mul_epu32((__m128i)a.part[p], (__m128i)b.part[p]);
#else
        a.part[p] = (a.part[p] & 0xffffffff) * (b.part[p] & 0xffffffff);
#endif
    }
    return a;
}

#if SCOREFN_VECTOR_BYTES == 64

SCOREFN_INLINE Doubles<float> widen(Lanes<float> a) {
    const __m512 x = (__m512)a.part[0];
    const __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x), 1));
    return {{{{_mm512_cvtps_pd(_mm512_castps512_ps256(x))}}, {{_mm512_cvtps_pd(high)}}}};
}
SCOREFN_INLINE Lanes<float> narrow(Doubles<float> a) {
    const __m256 low = _mm512_cvtpd_ps(a.part[0].part[0]), high = _mm512_cvtpd_ps(a.part[1].part[0]);
    const __m512d both =
        _mm512_insertf64x4(_mm512_castps_pd(_mm512_castps256_ps512(low)), _mm256_castps_pd(high), 1);
    return {{_mm512_castpd_ps(both)}};
}

template <class T>
SCOREFN_INLINE bool any(Lanes<T> mask) {
    return _mm512_test_epi32_mask((__m512i)mask.part[0], (__m512i)mask.part[0]) != 0;
}

// A whole vector from fewer than a whole vector's values; the other lanes are `fill`.
SCOREFN_INLINE Lanes<float> load_partial(const float* x, std::int64_t count, float fill) {
    return {{_mm512_mask_loadu_ps(_mm512_set1_ps(fill), static_cast<__mmask16>((1u << count) - 1), x)}};
}
SCOREFN_INLINE Lanes<double> load_partial(const double* x, std::int64_t count, double fill) {
    return {{_mm512_mask_loadu_pd(_mm512_set1_pd(fill), static_cast<__mmask8>((1u << count) - 1), x)}};
}
SCOREFN_INLINE void store_partial(Lanes<float> a, float* x, std::int64_t count) {
    _mm512_mask_storeu_ps(x, static_cast<__mmask16>((1u << count) - 1), a.part[0]);
}
SCOREFN_INLINE void store_partial(Lanes<double> a, double* x, std::int64_t count) {
    _mm512_mask_storeu_pd(x, static_cast<__mmask8>((1u << count) - 1), a.part[0]);
}

#else

SCOREFN_INLINE Doubles<float> widen(Lanes<float> a) {
    typedef float Half __attribute__((vector_size(SCOREFN_VECTOR_BYTES / 2)));
    Doubles<float> r;
    for (int p = 0; p < kParts; ++p) {
        union {
            Lanes<float>::Vector whole;
            Half half[2];
        } split = {a.part[p]};
        for (int h = 0; h < 2; ++h)
            r.part[(2 * p + h) / kParts].part[(2 * p + h) % kParts] =
                __builtin_convertvector(split.half[h], Lanes<double>::Vector);
    }
    return r;
}
SCOREFN_INLINE Lanes<float> narrow(Doubles<float> a) {
    typedef float Half __attribute__((vector_size(SCOREFN_VECTOR_BYTES / 2)));
    Lanes<float> r;
    for (int p = 0; p < kParts; ++p) {
        union {
            Half half[2];
            Lanes<float>::Vector whole;
        } join;
        for (int h = 0; h < 2; ++h)
            join.half[h] =
                __builtin_convertvector(a.part[(2 * p + h) / kParts].part[(2 * p + h) % kParts], Half);
        r.part[p] = join.whole;
    }
    return r;
}

template <class T>
SCOREFN_INLINE bool any(Lanes<T> mask) {
    typedef long long Bits __attribute__((vector_size(SCOREFN_VECTOR_BYTES)));
    Bits all = (Bits)mask.part[0];
    for (int p = 1; p < kParts; ++p) all |= (Bits)mask.part[p];
    long long seen = 0;
    for (int i = 0; i < SCOREFN_VECTOR_BYTES / 8; ++i) seen |= all[i];
    return seen != 0;
}

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

#endif
