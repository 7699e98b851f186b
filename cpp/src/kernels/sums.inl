// Sums over many vectors that lose no digits, however many there are: float lanes are added up in double, double
// lanes in double with the rounding errors kept (Neumaier). Four vectors are first added as a tree, which costs
// at most two roundings.

template <class T>
struct Sum;

template <>
struct Sum<float> {
    Doubles<float> sum = Doubles<float>::splat(0);

    SCOREFN_INLINE void add(Lanes<float> x) {
        const Doubles<float> wide = widen(x);
        for (int p = 0; p < 2; ++p) sum.part[p] = sum.part[p] + wide.part[p];
    }
    SCOREFN_INLINE void store(double (&out)[16]) const { sum.store(out); }
    SCOREFN_INLINE void store(double (&out)[1]) const { out[0] = fold_sum(sum.part[0] + sum.part[1]); }
};

template <>
struct Sum<double> {
    Lanes<double> sum = Lanes<double>::splat(0), lost = Lanes<double>::splat(0);

    SCOREFN_INLINE void add(Lanes<double> x) {
        const Lanes<double> next = sum + x;
        const Lanes<double> added = next - sum;
        lost = lost + ((sum - (next - added)) + (x - added));
        sum = next;
    }
    SCOREFN_INLINE void store(double (&out)[8]) const { (sum + lost).store(out); }
    SCOREFN_INLINE void store(double (&out)[1]) const { out[0] = fold_sum(sum + lost); }
};

// Of N in lockstep, one.
template <class T, int N>
SCOREFN_INLINE Lanes<T> sum_lockstep(Lanes<T, N> x) {
    Lanes<T> sum = x[0];
    for (int n = 1; n < N; ++n) sum = sum + x[n];
    return sum;
}

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
template <int N, class T>
SCOREFN_INLINE void store(Lanes<T, N> a, T* x, Whole<N>) {
    a.store(x);
}
template <class T>
SCOREFN_INLINE void store(Lanes<T> a, T* x, Part part) {
    store_partial(a, x, part.count);
}
// From a buffer padded to whole vectors.
template <int N, class T>
SCOREFN_INLINE Lanes<T, N> load_padded(const T* x, Whole<N>) {
    return Lanes<T, N>::load(x);
}
template <class T>
SCOREFN_INLINE Lanes<T> load_padded(const T* x, Part) {
    return Lanes<T>::load(x);
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

// The sum of term(i, extent) along n elements.
template <class T, class Term>
SCOREFN_INLINE Sum<T> sum_vectors(std::int64_t n, Term term) {
    constexpr std::int64_t size = Lanes<T>::size;
    Sum<T> sum;
    std::int64_t i = 0;
    for (; i + 4 * size <= n; i += 4 * size) {
        Lanes<T> x[4];
#pragma GCC unroll 1
        for (int k = 0; k < 4; k += kLockstep) {
            const Lanes<T, kLockstep> together = term(i + k * size, Whole<kLockstep>{});
            for (int j = 0; j < kLockstep; ++j) x[k + j] = together[j];
        }
        sum.add((x[0] + x[1]) + (x[2] + x[3]));
    }
    for (; i + size <= n; i += size) sum.add(term(i, Whole<1>{}));
    if (i < n) sum.add(term(i, Part{n - i}));
    return sum;
}
