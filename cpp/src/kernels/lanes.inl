// Lanes<T>: 64 bytes of values computed on together, 16 floats or 8 doubles on every ISA: one 512-bit vector,
// two of 256 or four of 128. All arithmetic is one operation a lane, so the ISA cannot change a bit.
// Lanes<T, N> are N of them in lockstep, to give the CPU independent work while it waits for a result.

#if defined(__AVX512F__)
#define SCOREFN_VECTOR_BYTES 64
#elif defined(__AVX__)
#define SCOREFN_VECTOR_BYTES 32
#else
#define SCOREFN_VECTOR_BYTES 16
#endif
#define SCOREFN_INLINE inline __attribute__((always_inline))

#define SCOREFN_NO_INLINE __attribute__((noinline))
#define SCOREFN_INLINE_LAMBDA __attribute__((always_inline))

constexpr int kParts = 64 / SCOREFN_VECTOR_BYTES;

// How many of them the registers of the ISA hold in a long formula.
constexpr int kLockstep = SCOREFN_VECTOR_BYTES == 64 ? 4 : 1;

template <class T>
struct IntegerOf;
template <>
struct IntegerOf<float> {
    using type = std::int32_t;
};
template <>
struct IntegerOf<double> {
    using type = std::int64_t;
};

template <class T>
struct Vectors {
    typedef T type __attribute__((vector_size(SCOREFN_VECTOR_BYTES)));
    typedef T unaligned __attribute__((vector_size(SCOREFN_VECTOR_BYTES), aligned(alignof(T)), may_alias));
};

template <class T, int N = 1>
struct Lanes {
    static constexpr int size = 64 / sizeof(T);  // of one
    static constexpr int parts = N * kParts;
    using Vector = typename Vectors<T>::type;
    Vector part[parts];

    SCOREFN_INLINE static Lanes splat(T x) {
        Lanes r;
        for (int p = 0; p < parts; ++p) r.part[p] = Vector{} + x;
        return r;
    }
    SCOREFN_INLINE static Lanes load(const T* x) {
        Lanes r;
        for (int p = 0; p < parts; ++p)
            r.part[p] = reinterpret_cast<const typename Vectors<T>::unaligned*>(x)[p];
        return r;
    }
    SCOREFN_INLINE void store(T* x) const {
        for (int p = 0; p < parts; ++p) reinterpret_cast<typename Vectors<T>::unaligned*>(x)[p] = part[p];
    }
    SCOREFN_INLINE Lanes<T> operator[](int n) const {
        Lanes<T> r;
        for (int p = 0; p < kParts; ++p) r.part[p] = part[n * kParts + p];
        return r;
    }
};

// The outcome of a comparison, all ones or all zeros in each lane.
template <class T, int N = 1>
using Mask = Lanes<typename IntegerOf<T>::type, N>;

// The right side may be a single Lanes<T>, meant for each of the N.
#define SCOREFN_LANEWISE(op)                                                            \
    template <class T, int N, int M>                                                    \
    SCOREFN_INLINE Lanes<T, N> operator op(Lanes<T, N> a, Lanes<T, M> b) {              \
        static_assert(M == N || M == 1, "as many lanes, or one for each");              \
        for (int p = 0; p < a.parts; ++p) a.part[p] = a.part[p] op b.part[p % b.parts]; \
        return a;                                                                       \
    }                                                                                   \
    template <class T, int N>                                                           \
    SCOREFN_INLINE Lanes<T, N> operator op(Lanes<T, N> a, T b) {                        \
        for (int p = 0; p < a.parts; ++p) a.part[p] = a.part[p] op b;                   \
        return a;                                                                       \
    }                                                                                   \
    template <class T, int N>                                                           \
    SCOREFN_INLINE Lanes<T, N> operator op(T a, Lanes<T, N> b) {                        \
        for (int p = 0; p < b.parts; ++p) b.part[p] = a op b.part[p];                   \
        return b;                                                                       \
    }
SCOREFN_LANEWISE(+)
SCOREFN_LANEWISE(-)
SCOREFN_LANEWISE(*)
SCOREFN_LANEWISE(/)
SCOREFN_LANEWISE(&)
SCOREFN_LANEWISE(|)
SCOREFN_LANEWISE(<<)
SCOREFN_LANEWISE(>>)
#undef SCOREFN_LANEWISE

#define SCOREFN_COMPARISON(op)                                                \
    template <class T, int N>                                                 \
    SCOREFN_INLINE Mask<T, N> operator op(Lanes<T, N> a, Lanes<T, N> b) {     \
        Mask<T, N> r;                                                         \
        for (int p = 0; p < a.parts; ++p) r.part[p] = a.part[p] op b.part[p]; \
        return r;                                                             \
    }                                                                         \
    template <class T, int N>                                                 \
    SCOREFN_INLINE Mask<T, N> operator op(Lanes<T, N> a, T b) {               \
        return a op Lanes<T, N>::splat(b);                                    \
    }
SCOREFN_COMPARISON(<)
SCOREFN_COMPARISON(<=)
SCOREFN_COMPARISON(==)
#undef SCOREFN_COMPARISON

template <class T, int N>
SCOREFN_INLINE Lanes<T, N> select(Lanes<std::int32_t, N> mask, Lanes<T, N> yes, Lanes<T, N> no) {
    for (int p = 0; p < yes.parts; ++p) yes.part[p] = mask.part[p] ? yes.part[p] : no.part[p];
    return yes;
}
template <class T, int N>
SCOREFN_INLINE Lanes<T, N> select(Lanes<std::int64_t, N> mask, Lanes<T, N> yes, Lanes<T, N> no) {
    for (int p = 0; p < yes.parts; ++p) yes.part[p] = mask.part[p] ? yes.part[p] : no.part[p];
    return yes;
}
template <class T, int N, class M>
SCOREFN_INLINE Lanes<T, N> select(Lanes<M, N> mask, T yes, Lanes<T, N> no) {
    return select(mask, Lanes<T, N>::splat(yes), no);
}
template <class T, int N, class M>
SCOREFN_INLINE Lanes<T, N> select(Lanes<M, N> mask, Lanes<T, N> yes, T no) {
    return select(mask, yes, Lanes<T, N>::splat(no));
}
template <class T, int N>
SCOREFN_INLINE Lanes<T, N> max(Lanes<T, N> a, Lanes<T, N> b) {
    return select(b < a, a, b);
}

// The same 64 bytes, read as another type.
template <class To, class From, int N>
SCOREFN_INLINE Lanes<To, N> bits(Lanes<From, N> a) {
    static_assert(sizeof(To) == sizeof(From), "one lane for one lane");
    Lanes<To, N> r;
    for (int p = 0; p < r.parts; ++p) r.part[p] = (typename Vectors<To>::type)a.part[p];
    return r;
}

// The lanes as doubles, eight at a time, lower lanes first.
template <class T>
struct Doubles {
    static constexpr int count = Lanes<T>::size / 8;
    Lanes<double> part[count];

    SCOREFN_INLINE static Doubles splat(double x) {
        Doubles r;
        for (int p = 0; p < count; ++p) r.part[p] = Lanes<double>::splat(x);
        return r;
    }
    SCOREFN_INLINE static Doubles load(const double* x) {
        Doubles r;
        for (int p = 0; p < count; ++p) r.part[p] = Lanes<double>::load(x + 8 * p);
        return r;
    }
    SCOREFN_INLINE void store(double* x) const {
        for (int p = 0; p < count; ++p) part[p].store(x + 8 * p);
    }
};
SCOREFN_INLINE Doubles<double> widen(Lanes<double> a) { return {{a}}; }
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

// The doubles rounded to T.
template <class T>
SCOREFN_INLINE Lanes<T> narrow(const Doubles<T>& a) {
    if constexpr (sizeof(T) == sizeof(double)) {
        return a.part[0];
    } else {
        typedef float Half __attribute__((vector_size(SCOREFN_VECTOR_BYTES / 2)));
        Lanes<float> r;
        for (int p = 0; p < kParts; ++p) {
            union {
                Half half[2];
                Lanes<float>::Vector whole;
            } joined;
            for (int h = 0; h < 2; ++h)
                joined.half[h] =
                    __builtin_convertvector(a.part[(2 * p + h) / kParts].part[(2 * p + h) % kParts], Half);
            r.part[p] = joined.whole;
        }
        return r;
    }
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

// Over the lanes, halves folded together in a fixed tree.
template <class T>
SCOREFN_INLINE T fold_max(Lanes<T> a) {
    T x[Lanes<T>::size];
    a.store(x);
    T m[4] = {x[0], x[1], x[2], x[3]};
#pragma GCC unroll 16
    for (int i = 4; i < Lanes<T>::size; ++i) m[i % 4] = m[i % 4] < x[i] ? x[i] : m[i % 4];
    m[0] = m[0] < m[2] ? m[2] : m[0];
    m[1] = m[1] < m[3] ? m[3] : m[1];
    return m[0] < m[1] ? m[1] : m[0];
}
SCOREFN_INLINE double fold_sum(Lanes<double> a) {
    double x[8];
    a.store(x);
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}
