// log_softmax, softmax and logsumexp of rows.

template <class T>
std::int64_t log_softmax(const LogitRows<T>& in, const OutRows<T>& out, void* scratch) {
    return map_blocks(Wants<false, false>{}, in, &out, false, scratch, [&](const auto& block) {
        using L = typename std::decay_t<decltype(block)>::Layout;
        alignas(64) T totals[kMostBlockRows];
        block.for_each_row_vector([&](int r) { log_total(block, r).store(totals + r); });
        for (int t = 0; t < block.tiles(); ++t) {
            const T* const z = block.logits_of(t);
            T* const g = block.results_of(t);
            const Lanes<T> max = L::load(block.max + t * L::rows), log_totals = L::load(totals + t * L::rows);
            block.for_each_part([&](std::int64_t first, std::int64_t n, double) {
                for_each_vector<T, 1>(n, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
                    store((load(z + first + i, extent, T(0)) - max) - log_totals, g + first + i, extent);
                });
            });
        }
        block.for_each_nan_row([&](int r) { block.fill_row(r, kNaN<T>); });
    });
}

template <class T>
std::int64_t softmax(const LogitRows<T>& in, const OutRows<T>& out, void* scratch) {
    return map_blocks(Wants<true, false>{}, in, &out, false, scratch, [&](const auto& block) {
        using L = typename std::decay_t<decltype(block)>::Layout;
        alignas(64) T inverses[kMostBlockRows];
        block.for_each_row_vector([&](int r) { (T(1) / total(block, r)).store(inverses + r); });
        for (int t = 0; t < block.tiles(); ++t) {
            T* const g = block.results_of(t);
            const Lanes<T> inverse = L::load(inverses + t * L::rows);
            block.for_each_part([&](std::int64_t first, std::int64_t n, double factor) {
                const Lanes<T> scale = scaled(inverse, factor);
                T* const part = g + first;
                for_each_vector<T, 1>(n, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
                    store(load(part + i, extent, T(0)) * scale, part + i, extent);
                });
            });
        }
        block.for_each_nan_row([&](int r) { block.fill_row(r, kNaN<T>); });
    });
}

template <class T>
std::int64_t logsumexp(const LogitRows<T>& in, T* out, std::int64_t stride, void* scratch) {
    return for_each_block(Wants<false, false>{}, in, scratch, [&](const auto& block) {
        alignas(64) T values[kMostBlockRows];
        block.for_each_row_vector([&](int r) {
            const auto log_total = log1p_nonnegative(Doubles<T>::load(block.rest + r));  // may cancel max
            narrow(widen(Lanes<T>::load(block.max + r)) + log_total).store(values + r);
        });
        store_rows(values, block.count, out + block.first * stride, stride);
    });
}
