// log_softmax, softmax and logsumexp of the rows of a block.

template <class T>
std::int64_t log_softmax(const LogitRows<T>& in, const OutRows<T>& out, void* scratch) {
    const TileBuffers<T> buffers(scratch, in.cols);
    return map_tiles(in, out, false, buffers,
                     [&](auto layout, const auto& row, const T* z, T* g, std::int64_t, int) {
        using L = decltype(layout);
        double log_total[L::rows];
        log1p_rows(row.rest, log_total);
        const Lanes<T> largest = L::spread(row.max), log_totals = L::spread_rounded(log_total);
        for_each_vector<T>(in.cols * L::rows, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
            store((load(z + i, extent, T(0)) - largest) - log_totals, g + i, extent);
        });
        canonical_rows<L>(row, g, in.cols);
    });
}

template <class T>
std::int64_t softmax(const LogitRows<T>& in, const OutRows<T>& out, void* scratch) {
    const TileBuffers<T> buffers(scratch, in.cols);
    return map_tiles(in, out, false, buffers,
                     [&](auto layout, const auto& row, const T*, T* g, std::int64_t, int) {
        using L = decltype(layout);
        double inverse[L::rows];
        for (int r = 0; r < L::rows; ++r) inverse[r] = 1.0 / row.total(r);
        const Lanes<T> inverses = L::spread_rounded(inverse);
        for_each_vector<T>(in.cols * L::rows, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
            store(load_padded(buffers.exps + i, extent) * inverses, g + i, extent);
        });
        canonical_rows<L>(row, g, in.cols);
    });
}

template <class T>
std::int64_t logsumexp(const LogitRows<T>& in, T* out, std::int64_t stride, void* scratch) {
    const TileBuffers<T> buffers(scratch, in.cols);
    return for_each_tile(in, buffers,
                         [&](auto layout, const auto& row, const T*, std::int64_t first, int count) {
        using L = decltype(layout);
        double log_total[L::rows];
        log1p_rows(row.rest, log_total);
        for (int r = 0; r < count; ++r)
            out[(first + r) * stride] = canonical(static_cast<T>(row.max[r] + log_total[r]));
    });
}
