// A tile is what a kernel works on at a time: one long row (lane = column), or as many short rows as there are
// lanes (lane = row), transposed. The formulas are the same for both; only a reduction over a row differs, and
// where an entry lies. Which layout a row gets depends on its length alone, never on the batch (contract C1).

template <class T>
struct LongRow {
    using value_type = T;
    static constexpr int rows = 1;
    static SCOREFN_INLINE std::int64_t offset(int, std::int64_t col) { return col; }
    // A value of each row, in every lane of it.
    static SCOREFN_INLINE Lanes<T> load(const T* x) { return Lanes<T>::splat(x[0]); }
    // Over the lanes of a row.
    static SCOREFN_INLINE void store_max(Lanes<T> a, T* x) { x[0] = fold_max(a); }
    static SCOREFN_INLINE void store_sum(Doubles<T> a, double* x) {
        for (int p = 1; p < a.count; ++p) a.part[0] = a.part[0] + a.part[p];
        x[0] = fold_sum(a.part[0]);
    }
};

template <class T>
struct ShortRows {
    using value_type = T;
    static constexpr int rows = Lanes<T>::size;
    static SCOREFN_INLINE std::int64_t offset(int row, std::int64_t col) { return col * rows + row; }
    static SCOREFN_INLINE Lanes<T> load(const T* x) { return Lanes<T>::load(x); }
    static SCOREFN_INLINE void store_max(Lanes<T> a, T* x) { a.store(x); }
    static SCOREFN_INLINE void store_sum(Doubles<T> a, double* x) { a.store(x); }
};

template <class T>
constexpr T kInfinity = static_cast<T>(__builtin_inf());
template <class T>
constexpr T kLowest =
    sizeof(T) == sizeof(float) ? static_cast<T>(-__FLT_MAX__) : static_cast<T>(-__DBL_MAX__);
template <class T>
constexpr T kNaN = static_cast<T>(__builtin_nan(""));

// One NaN for all: which NaN an operation gives, and so its bits, may depend on the ISA.
template <class T>
SCOREFN_INLINE T canonical(T x) {
    return x == x ? x : kNaN<T>;
}

template <class T>
SCOREFN_INLINE void copy_allowed(const T* x, const bool* allowed, std::int64_t cols, T* z) {
    for (std::int64_t j = 0; j < cols; ++j) z[j] = allowed[j] ? x[j] : -kInfinity<T>;
}

// Columns first .. first + count - 1.
template <class T>
SCOREFN_INLINE LogitRows<T> columns(LogitRows<T> in, std::int64_t first, std::int64_t count) {
    in.data += first * in.col_stride;
    if (in.where) in.where += first * in.where_col_stride;
    in.cols = count;
    return in;
}
template <class T>
SCOREFN_INLINE OutRows<T> columns(OutRows<T> out, std::int64_t first, std::int64_t count) {
    out.data += first * out.col_stride;
    out.cols = count;
    return out;
}

// Copies `count` rows in the tile's layout, -inf where masked. Rows that are not there are 0: any values do,
// as long as they are values.
template <class L, class From, class T = typename L::value_type>
SCOREFN_NO_INLINE void gather_one_by_one(const LogitRows<From>& in, std::int64_t row, int count, T* z) {
    for (std::int64_t j = 0; count < L::rows && j < in.cols * L::rows; ++j) z[j] = T(0);
    for (int r = 0; r < count; ++r) {
        const std::int64_t i = row + r;
        const From* const x = in.data + i * in.row_stride;
        for (std::int64_t j = 0; j < in.cols; ++j) z[L::offset(r, j)] = static_cast<T>(x[j * in.col_stride]);
        if (!in.where) continue;
        const bool* const allowed = in.where + i * in.where_row_stride;
        for (std::int64_t j = 0; j < in.cols; ++j)
            if (!allowed[j * in.where_col_stride]) z[L::offset(r, j)] = -kInfinity<T>;
    }
}
template <class L, class From, class T = typename L::value_type>
SCOREFN_INLINE void gather_tile(const LogitRows<From>& in, std::int64_t row, int count, T* z, T* buffer) {
    if constexpr (sizeof(From) == sizeof(T)) {
        const T* const x = in.data + row * in.row_stride;
        if (in.col_stride == 1 && count == L::rows && (!in.where || in.where_col_stride == 1)) {
            if (!in.where) {
                if (L::rows > 1 && transpose_in(x, in.row_stride, in.cols, z)) return;
            } else {
                T* const rows = L::rows > 1 ? buffer : z;
                for (int r = 0; r < L::rows; ++r)
                    copy_allowed(x + r * in.row_stride, in.where + (row + r) * in.where_row_stride, in.cols,
                                 rows + r * in.cols);
                if (L::rows > 1) transpose_in(buffer, in.cols, in.cols, z);
                return;
            }
        }
    }
    gather_one_by_one<L>(in, row, count, z);
}

// The way back; overwrites `g` if it accumulates.
template <class L, class T>
SCOREFN_NO_INLINE void scatter_one_by_one(const T* g, const OutRows<T>& out, std::int64_t row, int count,
                                          bool accumulate) {
    for (int r = 0; r < count; ++r) {
        T* const x = out.data + (row + r) * out.row_stride;
        for (std::int64_t j = 0; j < out.cols; ++j) {
            T& entry = x[j * out.col_stride];
            entry = accumulate ? entry + g[L::offset(r, j)] : g[L::offset(r, j)];
        }
    }
}
template <class L, class T>
SCOREFN_INLINE void scatter_tile(T* g, const OutRows<T>& out, std::int64_t row, int count, bool accumulate,
                                 T* buffer) {
    if constexpr (L::rows > 1) {
        T* const x = out.data + row * out.row_stride;
        if (out.col_stride == 1 && count == L::rows) {
            if (!accumulate) {
                if (transpose_out(g, x, out.row_stride, out.cols)) return;
            } else if (transpose_in(x, out.row_stride, out.cols, buffer)) {
                for (std::int64_t i = 0; i < out.cols * L::rows; i += L::rows)
                    (Lanes<T>::load(buffer + i) + Lanes<T>::load(g + i)).store(g + i);
                transpose_out(g, x, out.row_stride, out.cols);
                return;
            }
        }
    }
    scatter_one_by_one<L>(g, out, row, count, accumulate);
}
