// Sums over many vectors that lose no digits, however many there are: float lanes are added up in double, double
// lanes in double with the rounding errors kept (Neumaier). Two vectors are added before, at the cost of one
// rounding.

// What a + b loses where it is rounded to `sum` (Knuth).
template <class T, int N>
SCOREFN_INLINE Lanes<T, N> lost_in(Lanes<T, N> sum, Lanes<T, N> a, Lanes<T, N> b) {
    const auto added = sum - a;
    return (a - (sum - added)) + (b - added);
}

// A sum of doubles, or of lanes of them, that keeps what rounding loses.
template <class Value>
struct Compensated {
    Value sum{}, lost{};

    SCOREFN_INLINE void add(Value x) {
        const Value next = sum + x;
        const Value added = next - sum;
        lost = lost + ((sum - (next - added)) + (x - added));
        sum = next;
    }
    SCOREFN_INLINE Value total() const { return sum + number_or_zero(lost); }

private:
    // What an infinite sum has lost is NaN.
    SCOREFN_INLINE static double number_or_zero(double x) { return x == x ? x : 0.0; }
    SCOREFN_INLINE static Lanes<double> number_or_zero(Lanes<double> x) { return select(x == x, x, 0.0); }
};

template <class T>
struct Sum;

template <>
struct Sum<float> {
    Doubles<float> sum = Doubles<float>::splat(0);

    SCOREFN_INLINE void add(Lanes<float> x) { sum = sum + widen(x); }
    SCOREFN_INLINE Doubles<float> total() const { return sum; }
};

template <>
struct Sum<double> {
    Compensated<Lanes<double>> sum;

    SCOREFN_INLINE void add(Lanes<double> x) { sum.add(x); }
    SCOREFN_INLINE Doubles<double> total() const { return {{sum.total()}}; }
};

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

// S sums along n elements: term(i, extent, x) sets x[0 .. S - 1] to the terms of elements i, i + 1, ... Two vectors are added
// before they are widened, so that one rounding is that of T.
template <class T, int S, class Term>
SCOREFN_INLINE void sum_vectors(std::int64_t n, Sum<T> (&sums)[S], Term term) {
    constexpr std::int64_t size = Lanes<T>::size;
    const auto add_one = [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        Lanes<T> x[S];
        term(i, extent, x);
        for (int s = 0; s < S; ++s) sums[s].add(x[s]);
    };
    std::int64_t i = 0;
    for (; i + 4 * size <= n; i += 4 * size) {
        Lanes<T> x[S][4];
#pragma GCC unroll 1
        for (int k = 0; k < 4; k += kLockstep) {
            Lanes<T, kLockstep> together[S];
            term(i + k * size, Whole<kLockstep>{}, together);
            for (int s = 0; s < S; ++s)
                for (int j = 0; j < kLockstep; ++j) x[s][k + j] = together[s][j];
        }
        for (int s = 0; s < S; ++s) {
            sums[s].add(x[s][0] + x[s][1]);
            sums[s].add(x[s][2] + x[s][3]);
        }
    }
    for (; i + size <= n; i += size) add_one(i, Whole<1>{});
    if (i < n) add_one(i, Part{n - i});
}

// The same over the slices of a tile, for all its rows at once: term(slice, x) sets x[s] to the slice's terms of sum s.
template <class T, int S, class Tile, class Term>
SCOREFN_INLINE void sum_slices(const Tile& tile, Sum<T> (&sums)[S], Term term) {
    for (std::int64_t slice = 0; slice < tile.slices(); ++slice) {
        Lanes<T> x[S][Tile::width];
        term(slice, x);
        for (int s = 0; s < S; ++s) tile.add_to(sums[s], x[s]);
    }
}
