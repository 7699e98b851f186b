// A tile is what a kernel works on at a time: one long row (lane = column), or as many short rows as there are
// lanes (lane = row), transposed. The formulas are the same for both; only a reduction over a row differs, and
// where an entry lies. Which layout a row gets depends on its length alone, never on the batch (contract C1).

template <class T>
struct LongRow {
    using value_type = T;
    static constexpr int rows = 1;
    static SCOREFN_INLINE std::int64_t offset(int, std::int64_t col) { return col; }
    static SCOREFN_INLINE Lanes<T> spread(const T (&x)[1]) { return Lanes<T>::splat(x[0]); }
    static SCOREFN_INLINE Lanes<T> spread_rounded(const double (&x)[1]) {
        return Lanes<T>::splat(static_cast<T>(x[0]));
    }
    static SCOREFN_INLINE void store_max(Lanes<T> a, T (&out)[1]) { out[0] = fold_max(a); }
};

template <class T>
struct ShortRows {
    using value_type = T;
    static constexpr int rows = Lanes<T>::size;
    static SCOREFN_INLINE std::int64_t offset(int row, std::int64_t col) { return col * rows + row; }
    static SCOREFN_INLINE Lanes<T> spread(const T (&x)[rows]) { return Lanes<T>::load(x); }
    static SCOREFN_INLINE Lanes<T> spread_rounded(const double (&x)[rows]) {
        T rounded[rows];
        for (int r = 0; r < rows; ++r) rounded[r] = static_cast<T>(x[r]);
        return Lanes<T>::load(rounded);
    }
    static SCOREFN_INLINE void store_max(Lanes<T> a, T (&out)[rows]) { a.store(out); }
};

template <class T>
constexpr T kInfinity = static_cast<T>(__builtin_inf());
template <class T>
constexpr T kNaN = static_cast<T>(__builtin_nan(""));

// Copies `count` rows in the tile's layout, -inf where masked. Rows that are not there are copies of the first: any
// values do, as long as they are values.
template <class L, class From, class T = typename L::value_type>
SCOREFN_NO_INLINE void gather_tile(const LogitRows<From>& in, std::int64_t row, int count, T* z) {
    const From* const x = in.data + row * in.row_stride;
    if (L::rows > 1 && in.col_stride == 1 && count == L::rows) {
        transpose(x, in.row_stride, z, L::rows, L::rows, in.cols);
    } else {
        for (std::int64_t j = 0; j < in.cols; ++j) {
            const From* const column = x + j * in.col_stride;
            for (int r = 0; r < L::rows; ++r) z[L::offset(r, j)] = static_cast<T>(column[0]);
            for (int r = 1; r < count; ++r) z[L::offset(r, j)] = static_cast<T>(column[r * in.row_stride]);
        }
    }
    if (!in.where) return;
    for (int r = 0; r < count; ++r) {
        const bool* allowed = in.where + (row + r) * in.where_row_stride;
        for (std::int64_t j = 0; j < in.cols; ++j)
            if (!allowed[j * in.where_col_stride]) z[L::offset(r, j)] = -kInfinity<T>;
    }
}

template <class L, class T>
SCOREFN_NO_INLINE void scatter_tile(const T* g, const OutRows<T>& out, std::int64_t row, int count,
                                    bool accumulate) {
    T* const x = out.data + row * out.row_stride;
    if (L::rows > 1 && out.col_stride == 1 && count == L::rows && !accumulate)
        return transpose(g, L::rows, x, out.row_stride, out.cols, L::rows);
    for (int r = 0; r < count; ++r) {
        for (std::int64_t j = 0; j < out.cols; ++j) {
            T& entry = x[r * out.row_stride + j * out.col_stride];
            entry = accumulate ? entry + g[L::offset(r, j)] : g[L::offset(r, j)];
        }
    }
}

// One thread's buffers for a tile; scratch_bytes(cols) is their size.
template <class T>
struct TileBuffers {
    T* logits;
    T* exps;
    T* result;
    double* chunk_sums;

    TileBuffers(void* scratch, std::int64_t cols)
        : logits(static_cast<T*>(scratch)),
          exps(logits + tile_size<T>(cols)),
          result(exps + tile_size<T>(cols)),
          chunk_sums(reinterpret_cast<double*>(result + tile_size<T>(cols))) {}
};

// visit(layout, first row, number of rows) for the rows of each tile, as long as it returns -1; its last answer.
template <class T, class From, class Visit>
SCOREFN_INLINE std::int64_t for_each_row_group(const LogitRows<From>& in, Visit visit) {
    std::int64_t answer = -1;
    if (in.cols <= kLongestShortRow) {
        constexpr int step = ShortRows<T>::rows;
        for (std::int64_t first = 0; answer < 0 && first < in.rows; first += step)
            answer = visit(ShortRows<T>{}, first,
                           static_cast<int>(in.rows - first < step ? in.rows - first : step));
    } else {
        for (std::int64_t first = 0; answer < 0 && first < in.rows; ++first)
            answer = visit(LongRow<T>{}, first, 1);
    }
    return answer;
}
