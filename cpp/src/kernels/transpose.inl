// Rows of a matrix to and from the layout of a tile of short rows, lane = row. Any number of columns of 16 bytes or more
// goes in blocks of 16 bytes a row; the last block may overlap the one before. Fewer columns, without gaps between the
// rows, are whole vectors to be permuted.

// 16 bytes of a row: 4 floats or 2 doubles.
template <class T>
constexpr int kQuarter = 16 / sizeof(T);

#if SCOREFN_VECTOR_BYTES == 64
SCOREFN_INLINE __m512 unpack_low(__m512 a, __m512 b) { return _mm512_unpacklo_ps(a, b); }
SCOREFN_INLINE __m512 unpack_high(__m512 a, __m512 b) { return _mm512_unpackhi_ps(a, b); }
SCOREFN_INLINE __m512d unpack_low(__m512d a, __m512d b) { return _mm512_unpacklo_pd(a, b); }
SCOREFN_INLINE __m512d unpack_high(__m512d a, __m512d b) { return _mm512_unpackhi_pd(a, b); }

// Quarter q of the vector is at x + q * stride.
SCOREFN_INLINE __m512 load_quarters(const float* x, std::int64_t stride) {
    __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(x));
    v = _mm512_insertf32x4(v, _mm_loadu_ps(x + stride), 1);
    v = _mm512_insertf32x4(v, _mm_loadu_ps(x + 2 * stride), 2);
    return _mm512_insertf32x4(v, _mm_loadu_ps(x + 3 * stride), 3);
}
SCOREFN_INLINE void store_quarters(__m512 v, float* x, std::int64_t stride) {
    _mm_storeu_ps(x, _mm512_castps512_ps128(v));
    _mm_storeu_ps(x + stride, _mm512_extractf32x4_ps(v, 1));
    _mm_storeu_ps(x + 2 * stride, _mm512_extractf32x4_ps(v, 2));
    _mm_storeu_ps(x + 3 * stride, _mm512_extractf32x4_ps(v, 3));
}
SCOREFN_INLINE __m512d load_quarters(const double* x, std::int64_t stride) {
    __m512d v = _mm512_castpd128_pd512(_mm_loadu_pd(x));
    v = _mm512_insertf64x2(v, _mm_loadu_pd(x + stride), 1);
    v = _mm512_insertf64x2(v, _mm_loadu_pd(x + 2 * stride), 2);
    return _mm512_insertf64x2(v, _mm_loadu_pd(x + 3 * stride), 3);
}
SCOREFN_INLINE void store_quarters(__m512d v, double* x, std::int64_t stride) {
    _mm_storeu_pd(x, _mm512_castpd512_pd128(v));
    _mm_storeu_pd(x + stride, _mm512_extractf64x2_pd(v, 1));
    _mm_storeu_pd(x + 2 * stride, _mm512_extractf64x2_pd(v, 2));
    _mm_storeu_pd(x + 3 * stride, _mm512_extractf64x2_pd(v, 3));
}
#elif SCOREFN_VECTOR_BYTES == 32
SCOREFN_INLINE __m256 unpack_low(__m256 a, __m256 b) { return _mm256_unpacklo_ps(a, b); }
SCOREFN_INLINE __m256 unpack_high(__m256 a, __m256 b) { return _mm256_unpackhi_ps(a, b); }
SCOREFN_INLINE __m256d unpack_low(__m256d a, __m256d b) { return _mm256_unpacklo_pd(a, b); }
SCOREFN_INLINE __m256d unpack_high(__m256d a, __m256d b) { return _mm256_unpackhi_pd(a, b); }

SCOREFN_INLINE __m256 load_quarters(const float* x, std::int64_t stride) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(x)), _mm_loadu_ps(x + stride), 1);
}
SCOREFN_INLINE void store_quarters(__m256 v, float* x, std::int64_t stride) {
    _mm_storeu_ps(x, _mm256_castps256_ps128(v));
    _mm_storeu_ps(x + stride, _mm256_extractf128_ps(v, 1));
}
SCOREFN_INLINE __m256d load_quarters(const double* x, std::int64_t stride) {
    return _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(x)), _mm_loadu_pd(x + stride), 1);
}
SCOREFN_INLINE void store_quarters(__m256d v, double* x, std::int64_t stride) {
    _mm_storeu_pd(x, _mm256_castpd256_pd128(v));
    _mm_storeu_pd(x + stride, _mm256_extractf128_pd(v, 1));
}
#else
typedef Vectors<float>::type Floats;
typedef Vectors<double>::type TwoDoubles;
SCOREFN_INLINE Floats unpack_low(Floats a, Floats b) { return __builtin_shufflevector(a, b, 0, 4, 1, 5); }
SCOREFN_INLINE Floats unpack_high(Floats a, Floats b) { return __builtin_shufflevector(a, b, 2, 6, 3, 7); }
SCOREFN_INLINE TwoDoubles unpack_low(TwoDoubles a, TwoDoubles b) {
    return __builtin_shufflevector(a, b, 0, 2);
}
SCOREFN_INLINE TwoDoubles unpack_high(TwoDoubles a, TwoDoubles b) {
    return __builtin_shufflevector(a, b, 1, 3);
}
template <class T>
SCOREFN_INLINE typename Vectors<T>::type load_quarters(const T* x, std::int64_t) {
    return *reinterpret_cast<const typename Vectors<T>::unaligned*>(x);
}
template <class T>
SCOREFN_INLINE void store_quarters(typename Vectors<T>::type v, T* x, std::int64_t) {
    *reinterpret_cast<typename Vectors<T>::unaligned*>(x) = v;
}
#endif

// The squares within the quarters, transposed: lane i of quarter q of row[j] <-> lane j of quarter q of row[i].
SCOREFN_INLINE void transpose_quarters(Vectors<double>::type (&row)[2]) {
    const auto first = row[0];
    row[0] = unpack_low(first, row[1]);
    row[1] = unpack_high(first, row[1]);
}
SCOREFN_INLINE void transpose_quarters(Vectors<float>::type (&row)[4]) {
    using Pair = Vectors<double>::type;
    using Vector = Vectors<float>::type;
    const Pair low01 = (Pair)unpack_low(row[0], row[1]), high01 = (Pair)unpack_high(row[0], row[1]);
    const Pair low23 = (Pair)unpack_low(row[2], row[3]), high23 = (Pair)unpack_high(row[2], row[3]);
    row[0] = (Vector)unpack_low(low01, low23);
    row[1] = (Vector)unpack_high(low01, low23);
    row[2] = (Vector)unpack_low(high01, high23);
    row[3] = (Vector)unpack_high(high01, high23);
}

// visit(first row, first column) for the blocks of a tile, each of as many rows as a vector has lanes.
template <class T, class Visit>
SCOREFN_INLINE void for_each_quarter(std::int64_t cols, Visit visit) {
    constexpr int q = kQuarter<T>, rows = SCOREFN_VECTOR_BYTES / sizeof(T);
    for (int r = 0; r < Lanes<T>::size; r += rows) {
        std::int64_t j = 0;
        for (; j + q <= cols; j += q) visit(r, j);
        if (j < cols) visit(r, cols - q);
    }
}

// Lane i of the result: from[lane(i) / n][lane(i) % n], n lanes in each of the K vectors.
template <int K, class Lane, class Vector, int... I>
SCOREFN_INLINE Vector permute(const Vector (&from)[K], Lane lane, std::integer_sequence<int, I...>) {
    constexpr int n = sizeof...(I);
    const Vector two =
        __builtin_shufflevector(from[0], from[1], (lane(I) < 2 * n ? static_cast<int>(lane(I)) : -1)...);
    if constexpr (K == 2)
        return two;
    else
        return __builtin_shufflevector(two, from[2],
                                       (lane(I) < 2 * n ? I : static_cast<int>(lane(I)) - n)...);
}

// K contiguous columns: n rows are K vectors.
template <int K, class T>
SCOREFN_INLINE void columns_of(const T* x, T* z) {
    using V = Vectors<T>;
    constexpr int n = SCOREFN_VECTOR_BYTES / sizeof(T);
    using Index = std::make_integer_sequence<int, n>;
    for (int r = 0; r < Lanes<T>::size; r += n, x += K * n) {
        typename V::type v[K];
        for (int k = 0; k < K; ++k) v[k] = reinterpret_cast<const typename V::unaligned*>(x)[k];
        const auto store = [&](int k, typename V::type c) {
            *reinterpret_cast<typename V::unaligned*>(z + k * Lanes<T>::size + r) = c;
        };
        store(0, permute<K>(v, [](int i) constexpr { return i * K; }, Index{}));
        store(1, permute<K>(v, [](int i) constexpr { return i * K + 1; }, Index{}));
        if constexpr (K == 3) store(2, permute<K>(v, [](int i) constexpr { return i * K + 2; }, Index{}));
    }
}
template <int K, class T>
SCOREFN_INLINE void rows_of(const T* z, T* x) {
    using V = Vectors<T>;
    constexpr int n = SCOREFN_VECTOR_BYTES / sizeof(T);
    using Index = std::make_integer_sequence<int, n>;
    for (int r = 0; r < Lanes<T>::size; r += n, x += K * n) {
        typename V::type c[K];
        for (int k = 0; k < K; ++k)
            c[k] = *reinterpret_cast<const typename V::unaligned*>(z + k * Lanes<T>::size + r);
        const auto store = [&](int k, typename V::type v) {
            reinterpret_cast<typename V::unaligned*>(x)[k] = v;
        };
        // entry f = k n + i of the rows is column f % K of row f / K
        store(0, permute<K>(c, [](int i) constexpr { return i % K * n + i / K; }, Index{}));
        store(1, permute<K>(c, [](int i) constexpr { return (n + i) % K * n + (n + i) / K; }, Index{}));
        if constexpr (K == 3)
            store(2, permute<K>(c, [](int i) constexpr { return (2 * n + i) % K * n + (2 * n + i) / K; },
                                Index{}));
    }
}

// z[j, i] = x[i, j] for a tile of rows with contiguous columns. False, and nothing is done, for the few columns with gaps
// between the rows that none of the above serves.
template <class T>
SCOREFN_INLINE bool transpose_in(const T* x, std::int64_t stride, std::int64_t cols, T* z) {
    constexpr int q = kQuarter<T>, size = Lanes<T>::size;
    if (cols >= q) {
        for_each_quarter<T>(cols, [&](int r, std::int64_t j) SCOREFN_INLINE_LAMBDA {
            typename Vectors<T>::type block[q];
            for (int i = 0; i < q; ++i) block[i] = load_quarters(x + (r + i) * stride + j, q * stride);
            transpose_quarters(block);
            for (int k = 0; k < q; ++k)
                *reinterpret_cast<typename Vectors<T>::unaligned*>(z + (j + k) * size + r) = block[k];
        });
        return true;
    }
    if (stride != cols) return false;
    if (cols == 1) Lanes<T>::load(x).store(z);
    if constexpr (q > 2) {
        if (cols == 2) columns_of<2>(x, z);
        if (cols == 3) columns_of<3>(x, z);
    }
    return true;
}
template <class T>
SCOREFN_INLINE bool transpose_out(const T* z, T* x, std::int64_t stride, std::int64_t cols) {
    constexpr int q = kQuarter<T>, size = Lanes<T>::size;
    if (cols >= q) {
        for_each_quarter<T>(cols, [&](int r, std::int64_t j) SCOREFN_INLINE_LAMBDA {
            typename Vectors<T>::type block[q];
            for (int k = 0; k < q; ++k)
                block[k] = *reinterpret_cast<const typename Vectors<T>::unaligned*>(z + (j + k) * size + r);
            transpose_quarters(block);
            for (int i = 0; i < q; ++i) store_quarters(block[i], x + (r + i) * stride + j, q * stride);
        });
        return true;
    }
    if (stride != cols) return false;
    if (cols == 1) Lanes<T>::load(z).store(x);
    if constexpr (q > 2) {
        if (cols == 2) rows_of<2>(z, x);
        if (cols == 3) rows_of<3>(z, x);
    }
    return true;
}
