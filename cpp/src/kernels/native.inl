// What GCC's vector extensions leave to chance or cannot say: conversions between float and double lanes, products of
// half lanes, and parts of a vector. Nothing here rounds but what narrows, and minus_exact_product() the difference.

SCOREFN_INLINE Doubles<double> widen(Lanes<double> a) { return {{a}}; }
SCOREFN_INLINE Lanes<double> narrow(Doubles<double> a) { return a.part[0]; }

// The product of the lower halves of a 64-bit number, or of each 64-bit lane, and a number of 32 bits.
SCOREFN_INLINE std::uint64_t product32(std::uint64_t a, std::uint32_t factor) {
    return (a & 0xffffffff) * factor;
}
SCOREFN_INLINE Lanes<std::uint64_t> product32(Lanes<std::uint64_t> a, std::uint32_t factor) {
    const auto b = Lanes<std::uint64_t>::splat(factor);
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

// from[index[i] % lanes] in each lane i. Clang has no __builtin_shuffle.
template <class Vector, class Index>
SCOREFN_INLINE Vector permute(Vector from, Index index) {
#if !defined(__clang__)
    return __builtin_shuffle(from, index);
#elif SCOREFN_VECTOR_BYTES == 64
    return sizeof(from[0]) == 4 ? (Vector)_mm512_permutexvar_epi32((__m512i)index, (__m512i)from)
                                : (Vector)_mm512_permutexvar_epi64((__m512i)index, (__m512i)from);
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
    if constexpr (sizeof(T) == 8) {
        return Mask<T>::load(x);
    } else {
#if SCOREFN_VECTOR_BYTES == 64
        const __m256i low = _mm512_cvtepi64_epi32(_mm512_loadu_si512(x)),
                      high = _mm512_cvtepi64_epi32(_mm512_loadu_si512(x + 8));
        return {{(Vectors<std::int32_t>::type)_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1)}};
#else
        std::int32_t lanes[Lanes<T>::size];
        for (int i = 0; i < Lanes<T>::size; ++i) lanes[i] = static_cast<std::int32_t>(x[i]);
        return Mask<T>::load(lanes);
#endif
    }
}

// a - b c for a product that is exact: whether it is rounded before it is subtracted makes no difference, and the fused
// instruction gives the same bits.
template <class T, int N>
SCOREFN_INLINE Lanes<T, N> minus_exact_product(Lanes<T, N> a, Lanes<T, N> b, T c) {
#if defined(__FMA__)
    for (int p = 0; p < a.parts; ++p) {
#if SCOREFN_VECTOR_BYTES == 64
        if constexpr (sizeof(T) == sizeof(float))
            a.part[p] = _mm512_fnmadd_ps(b.part[p], _mm512_set1_ps(c), a.part[p]);
        else
            a.part[p] = _mm512_fnmadd_pd(b.part[p], _mm512_set1_pd(c), a.part[p]);
#else
        if constexpr (sizeof(T) == sizeof(float))
            a.part[p] = _mm256_fnmadd_ps(b.part[p], _mm256_set1_ps(c), a.part[p]);
        else
            a.part[p] = _mm256_fnmadd_pd(b.part[p], _mm256_set1_pd(c), a.part[p]);
#endif
    }
    return a;
#else
    return a - b * c;
#endif
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

SCOREFN_INLINE Lanes<double> load_widened(const float* x) { return {{_mm512_cvtps_pd(_mm256_loadu_ps(x))}}; }
SCOREFN_INLINE void store_narrowed(Lanes<double> a, float* x) {
    _mm256_storeu_ps(x, _mm512_cvtpd_ps(a.part[0]));
}

template <class T>
SCOREFN_INLINE bool any(Lanes<T> mask) {
    return _mm512_test_epi32_mask((__m512i)mask.part[0], (__m512i)mask.part[0]) != 0;
}

SCOREFN_INLINE bool any_zero(Lanes<float> x) {
    return _mm512_cmp_ps_mask(x.part[0], _mm512_setzero_ps(), _CMP_EQ_OQ) != 0;
}
SCOREFN_INLINE bool any_zero(Lanes<double> x) {
    return _mm512_cmp_pd_mask(x.part[0], _mm512_setzero_pd(), _CMP_EQ_OQ) != 0;
}
// None is 0, negative or NaN.
SCOREFN_INLINE bool all_positive(Lanes<double> x) {
    return _mm512_cmp_pd_mask(x.part[0], _mm512_setzero_pd(), _CMP_GT_OQ) == 0xff;
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
    _mm256_mask_storeu_ps(x, static_cast<__mmask8>((1u << count) - 1), _mm512_cvtpd_ps(a.part[0]));
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

SCOREFN_INLINE Lanes<double> load_widened(const float* x) {
    typedef float Half
        __attribute__((vector_size(SCOREFN_VECTOR_BYTES / 2), aligned(alignof(float)), may_alias));
    Lanes<double> r;
    for (int p = 0; p < kParts; ++p)
        r.part[p] = __builtin_convertvector(reinterpret_cast<const Half*>(x)[p], Lanes<double>::Vector);
    return r;
}
SCOREFN_INLINE void store_narrowed(Lanes<double> a, float* x) {
    typedef float Half __attribute__((vector_size(SCOREFN_VECTOR_BYTES / 2)));
    typedef float Unaligned
        __attribute__((vector_size(SCOREFN_VECTOR_BYTES / 2), aligned(alignof(float)), may_alias));
    for (int p = 0; p < kParts; ++p)
        reinterpret_cast<Unaligned*>(x)[p] = __builtin_convertvector(a.part[p], Half);
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
SCOREFN_INLINE bool any_zero(Lanes<T> x) {
    return any(x == T(0));
}
SCOREFN_INLINE bool all_positive(Lanes<double> x) {
    return !any((Lanes<double>::splat(0) < x) ^ Mask<double>::splat(-1));
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

#endif

// Lanes of two vectors that follow each other in memory as one that begins on a line: the last `from_before` of the first,
// then the first ones of the second. Where vectors are shorter than a line, quarters are stored as they are.
template <class T>
struct Join {
    std::int64_t from_before;
#if SCOREFN_VECTOR_BYTES == 64
    Mask<T> index;

    SCOREFN_INLINE explicit Join(std::int64_t count) : from_before(count) {
        typename IntegerOf<T>::type lanes[Lanes<T>::size];
        for (int i = 0; i < Lanes<T>::size; ++i)
            lanes[i] = static_cast<typename IntegerOf<T>::type>(Lanes<T>::size - count + i);
        index = Mask<T>::load(lanes);
    }
    SCOREFN_INLINE Lanes<float> lanes(Lanes<float> before, Lanes<float> x) const {
        return {{_mm512_permutex2var_ps(before.part[0], (__m512i)index.part[0], x.part[0])}};
    }
    SCOREFN_INLINE Lanes<double> lanes(Lanes<double> before, Lanes<double> x) const {
        return {{_mm512_permutex2var_pd(before.part[0], (__m512i)index.part[0], x.part[0])}};
    }
#else
    SCOREFN_INLINE explicit Join(std::int64_t) : from_before(0) {}
    SCOREFN_INLINE Lanes<T> lanes(Lanes<T>, Lanes<T> x) const { return x; }
#endif
};
// Past the caches; fence_streamed() before another thread reads it.
template <class T>
SCOREFN_INLINE void store_streamed(Lanes<T> a, T* x) {
#if SCOREFN_VECTOR_BYTES == 64
    _mm512_stream_si512(reinterpret_cast<__m512i*>(x), (__m512i)a.part[0]);
#elif defined(__SSE2__)
    if (reinterpret_cast<std::uintptr_t>(x) % 16 != 0) return a.store(x);
    for (int p = 0; p < kParts; ++p, x += SCOREFN_VECTOR_BYTES / sizeof(T)) {
        const auto part = (Vectors<std::int64_t>::type)a.part[p];
        auto* const quarters = reinterpret_cast<__m128i*>(x);
#if SCOREFN_VECTOR_BYTES == 32
        _mm_stream_si128(quarters, _mm256_castsi256_si128((__m256i)part));
        _mm_stream_si128(quarters + 1, _mm256_extracti128_si256((__m256i)part, 1));
#else
        _mm_stream_si128(quarters, (__m128i)part);
#endif
    }
#else
    a.store(x);
#endif
}
SCOREFN_INLINE void fence_streamed() {
#if defined(__SSE2__)
    _mm_sfence();
#endif
}
