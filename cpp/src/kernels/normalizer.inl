// The normaliser of each row of a tile: max = max_j z_j and rest = sum_j exp(z_j - max) - 1, the sum of all terms but
// the largest. Keeping 1 out of the sum is what makes log1p(rest), 1 - p and log p exact near 0 and 1.

template <class L, class T = typename L::value_type>
struct Normalizer {
    T max[L::rows];
    double rest[L::rows];

    double total(int r) const { return 1.0 + rest[r]; }
    // total - exps[r, a], where exps[r, a] is one of its terms
    double others(int r, double exp_a) const { return exp_a == 1.0 ? rest[r] : 1.0 + (rest[r] - exp_a); }
};

// Fills `exps` with exp(z - max), padding with zeros. NaN or +inf in a row makes its `rest` NaN.
// Not inlined: every kernel calls it, and it is most of their code.
template <class L, class T = typename L::value_type>
SCOREFN_NO_INLINE Normalizer<L> normalize(const T* z, std::int64_t n, T* exps) {
    constexpr std::int64_t size = Lanes<T>::size;
    Normalizer<L> row;

    Lanes<T> m[4];
    for (auto& x : m) x = Lanes<T>::splat(-kInfinity<T>);
    std::int64_t i = 0;
    for (; i + 4 * size <= n; i += 4 * size)
        for (int k = 0; k < 4; ++k) m[k] = max(Lanes<T>::load(z + i + k * size), m[k]);
    for (; i + size <= n; i += size) m[0] = max(Lanes<T>::load(z + i), m[0]);
    if (i < n) m[0] = max(load_partial(z + i, n - i, -kInfinity<T>), m[0]);
    L::store_max(max(max(m[0], m[1]), max(m[2], m[3])), row.max);

    const Lanes<T> largest = L::spread(row.max);
    Lanes<T> ones = Lanes<T>::splat(0);
    const Sum<T> below = sum_vectors<T>(n, [&](std::int64_t j, auto extent) SCOREFN_INLINE_LAMBDA {
        const auto scaled =
            scaled_exp_nonpositive(exact_difference(load(z + j, extent, -kInfinity<T>), largest));
        const auto e = scaled * ExpConstants<T>::unspare;
        e.store(exps + j);
        const auto is_one = e == T(1);
        ones = ones + sum_lockstep(select(is_one, decltype(e)::splat(1), T(0)));
        return select(is_one, T(0), scaled);
    });
    double count[L::rows];
    Sum<T> counted;
    counted.add(ones);
    counted.store(count);
    below.store(row.rest);
    for (int r = 0; r < L::rows; ++r)
        row.rest[r] = row.rest[r] * double{ExpConstants<T>::unspare} + (count[r] - 1.0);
    return row;
}

template <class L, class T = typename L::value_type>
SCOREFN_INLINE bool has_no_action(const Normalizer<L>& rows, const T* z, std::int64_t cols, int r) {
    if (rows.max[r] != -kInfinity<T>) return false;
    for (std::int64_t j = 0; j < cols; ++j)  // a NaN is an allowed action with a bad value
        if (z[L::offset(r, j)] != z[L::offset(r, j)]) return false;
    return true;
}

// One NaN for all: which NaN an operation gives, and so its bits, may depend on the ISA.
template <class T>
SCOREFN_INLINE T canonical(T x) {
    return x == x ? x : kNaN<T>;
}
template <class L, class T = typename L::value_type>
SCOREFN_INLINE void fill_row(T* g, int r, std::int64_t cols, T value) {
    for (std::int64_t j = 0; j < cols; ++j) g[L::offset(r, j)] = value;
}
template <class L, class T = typename L::value_type>
SCOREFN_INLINE void canonical_rows(const Normalizer<L>& rows, T* g, std::int64_t cols) {
    for (int r = 0; r < L::rows; ++r)
        if (rows.rest[r] != rows.rest[r]) fill_row<L>(g, r, cols, kNaN<T>);
}

struct EveryRow {
    SCOREFN_INLINE bool operator()(std::int64_t) const { return true; }
};

// kernel(layout, normalizer, logits, first row, number of rows) for every tile of the rows. Stops at a row that has
// no allowed action, if needs_action(row), and returns it; else -1.
template <class T, class Kernel, class NeedsAction = EveryRow>
SCOREFN_INLINE std::int64_t for_each_tile(const LogitRows<T>& in, const TileBuffers<T>& buffers,
                                          Kernel kernel, NeedsAction needs_action = {}) {
    const auto run = [&](auto layout, const T* z, std::int64_t first, int count) -> std::int64_t {
        using L = decltype(layout);
        const Normalizer<L> row = normalize<L>(z, in.cols * L::rows, buffers.exps);
        for (int r = 0; r < count; ++r)
            if (has_no_action<L>(row, z, in.cols, r) && needs_action(first + r)) return first + r;
        kernel(layout, row, z, first, count);
        return -1;
    };
    return for_each_row_group<T>(in, [&](auto layout, std::int64_t first, int count) {
        using L = decltype(layout);
        if (L::rows == 1 && in.col_stride == 1 && !in.where)
            return run(layout, in.data + first * in.row_stride, first, count);
        gather_tile<L>(in, first, count, buffers.logits);
        return run(layout, buffers.logits, first, count);
    });
}

// As for_each_tile, for a kernel that fills a tile of results: kernel(layout, normalizer, logits, results, first row,
// number of rows).
template <class T, class Kernel, class NeedsAction = EveryRow>
SCOREFN_INLINE std::int64_t map_tiles(const LogitRows<T>& in, const OutRows<T>& out, bool accumulate,
                                      const TileBuffers<T>& buffers, Kernel kernel,
                                      NeedsAction needs_action = {}) {
    const auto run = [&](auto layout, const auto& row, const T* z, std::int64_t first, int count) {
        using L = decltype(layout);
        const bool direct = L::rows == 1 && out.col_stride == 1 && !accumulate;
        T* g = direct ? out.data + first * out.row_stride : buffers.result;
        kernel(layout, row, z, g, first, count);
        if (!direct) scatter_tile<L>(g, out, first, count, accumulate);
    };
    return for_each_tile(in, buffers, run, needs_action);
}
