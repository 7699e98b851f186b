// Transposition of small squares, 4 x 4 floats or 2 x 2 doubles, in 16-byte vectors: every ISA has them.

template <class T>
struct Square {
    static constexpr int size = 16 / sizeof(T);
    typedef T Row __attribute__((vector_size(16)));
    typedef T Unaligned __attribute__((vector_size(16), aligned(alignof(T)), may_alias));
    Row row[size];

    // Of consecutive rows, `stride` apart.
    SCOREFN_INLINE static Square load(const T* x, std::int64_t stride) {
        Square s;
        for (int i = 0; i < size; ++i) s.row[i] = *reinterpret_cast<const Unaligned*>(x + i * stride);
        return s;
    }
    SCOREFN_INLINE void store(T* x, std::int64_t stride) const {
        for (int i = 0; i < size; ++i) *reinterpret_cast<Unaligned*>(x + i * stride) = row[i];
    }
};

SCOREFN_INLINE Square<double> transpose(Square<double> s) {
    return {{__builtin_shufflevector(s.row[0], s.row[1], 0, 2),
             __builtin_shufflevector(s.row[0], s.row[1], 1, 3)}};
}
SCOREFN_INLINE Square<float> transpose(Square<float> s) {
    const auto low01 = __builtin_shufflevector(s.row[0], s.row[1], 0, 4, 1, 5);
    const auto high01 = __builtin_shufflevector(s.row[0], s.row[1], 2, 6, 3, 7);
    const auto low23 = __builtin_shufflevector(s.row[2], s.row[3], 0, 4, 1, 5);
    const auto high23 = __builtin_shufflevector(s.row[2], s.row[3], 2, 6, 3, 7);
    return {{__builtin_shufflevector(low01, low23, 0, 1, 4, 5),
             __builtin_shufflevector(low01, low23, 2, 3, 6, 7),
             __builtin_shufflevector(high01, high23, 0, 1, 4, 5),
             __builtin_shufflevector(high01, high23, 2, 3, 6, 7)}};
}

// to[j, i] = from[i, j] for i in [0, rows), j in [0, cols); neighbours in a row are contiguous, rows a stride apart.
template <class T>
SCOREFN_INLINE void transpose(const T* from, std::int64_t from_stride, T* to, std::int64_t to_stride,
                              std::int64_t rows, std::int64_t cols) {
    constexpr int size = Square<T>::size;
    const auto one_by_one = [&](std::int64_t i, std::int64_t first, std::int64_t last) {
        for (std::int64_t j = first; j < last; ++j) to[j * to_stride + i] = from[i * from_stride + j];
    };
    const std::int64_t whole_rows = rows / size * size, whole_cols = cols / size * size;
    for (std::int64_t i = 0; i < whole_rows; i += size) {
        for (std::int64_t j = 0; j < whole_cols; j += size)
            transpose(Square<T>::load(from + i * from_stride + j, from_stride))
                .store(to + j * to_stride + i, to_stride);
        for (int k = 0; k < size; ++k) one_by_one(i + k, whole_cols, cols);
    }
    for (std::int64_t i = whole_rows; i < rows; ++i) one_by_one(i, 0, cols);
}
template <class From, class T>
SCOREFN_INLINE void transpose(const From* from, std::int64_t from_stride, T* to, std::int64_t to_stride,
                              std::int64_t rows, std::int64_t cols) {
    for (std::int64_t j = 0; j < cols; ++j)
        for (std::int64_t i = 0; i < rows; ++i)
            to[j * to_stride + i] = static_cast<T>(from[i * from_stride + j]);
}
