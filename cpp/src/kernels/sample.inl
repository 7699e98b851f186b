// Inverse transform sampling: the first action whose cumulative sum of exp(z - max) exceeds u times the total. A term
// of 0 does not raise the sum, so an action of probability 0 is never drawn. u < 1, but the total was added up in another
// order, so the sum may end a rounding error below the threshold: then the last action of positive probability is the one.

// Along a long row in chunks, whose sums are taken once for all draws: up_to[c] = the sum of chunks 0 .. c.
constexpr std::int64_t kDrawChunk = 64;
constexpr std::int64_t draw_chunks(std::int64_t cols) { return (cols + kDrawChunk - 1) / kDrawChunk; }

template <class T>
SCOREFN_INLINE void prepare_draws(const Block<LongRow<T>>& block, int row, double* up_to) {
    const T* const exps = block.results_of(row);
    const std::int64_t cols = block.cols;
    block.for_each_part([&](std::int64_t first, std::int64_t n, double factor) {
        for (std::int64_t i = first; i < first + n; i += kDrawChunk) {
            const std::int64_t left = first + n - i;
            Sum<T> sums[1];
            sum_vectors<T>(left < kDrawChunk ? left : kDrawChunk, sums,
                           [&](std::int64_t j, auto extent, auto& x)
                               SCOREFN_INLINE_LAMBDA { x[0] = load(exps + i + j, extent, T(0)); });
            double& of_chunk = up_to[i / kDrawChunk];
            LongRow<T>::store_sum(sums[0].total(), &of_chunk);
            of_chunk *= factor;
        }
    });
    for (std::int64_t c = 1; c < draw_chunks(cols); ++c) up_to[c] += up_to[c - 1];
}
template <class T>
SCOREFN_INLINE void draw(const Block<LongRow<T>>& block, int row, const double* up_to, const double* u,
                         std::int64_t* actions) {
    const T* const exps = block.results_of(row);
    const std::int64_t cols = block.cols;
    const double threshold = u[row] * up_to[draw_chunks(cols) - 1];
    std::int64_t c = 0;
    while (up_to[c] <= threshold) ++c;
    const std::int64_t end = cols < (c + 1) * kDrawChunk ? cols : (c + 1) * kDrawChunk;
    double sum = c > 0 ? up_to[c - 1] : 0.0;
    const double factor = block.factor(c * kDrawChunk);
    actions[row] = 0;
    for (std::int64_t j = c * kDrawChunk; j < end && sum <= threshold; ++j) {
        if (exps[j] == 0 || factor == 0) continue;
        sum += exps[j] * factor;
        actions[row] = j;
    }
}

// In every lane, over a tile of short rows.
template <class T>
SCOREFN_INLINE void prepare_draws(const Block<ShortRows<T>>&, int, double*) {}
template <class T>
SCOREFN_NO_INLINE void take_last_positive(const T* exps, std::int64_t cols, std::int64_t* actions) {
    constexpr int rows = ShortRows<T>::rows;
    for (int r = 0; r < rows; ++r) {
        std::int64_t& a = actions[r];
        if (a < cols) continue;
        do --a;
        while (a > 0 && exps[a * rows + r] == 0);
    }
}
template <class T>
SCOREFN_INLINE void draw(const Block<ShortRows<T>>& block, int tile, const double*, const double* u,
                         std::int64_t* actions) {
    const T* const exps = block.results_of(tile);
    const int first = tile * ShortRows<T>::rows;
    const std::int64_t cols = block.cols;
    const Doubles<T> threshold = Doubles<T>::load(u + first) * (1.0 + Doubles<T>::load(block.rest + first));
    Doubles<T> sum = Doubles<T>::splat(0);
    Lanes<std::int64_t> passed[Doubles<T>::count];
    for (auto& p : passed) p = Lanes<std::int64_t>::splat(0);
    for (std::int64_t j = 0; j < cols; ++j) {
        sum = sum + widen(Lanes<T>::load(exps + j * ShortRows<T>::rows));
        for (int p = 0; p < sum.count; ++p)
            passed[p] = select(sum.part[p] <= threshold.part[p], passed[p] + std::int64_t{1}, passed[p]);
    }
    auto beyond = passed[0] == cols;
    for (int p = 1; p < sum.count; ++p) beyond = beyond | (passed[p] == cols);
    for (int p = 0; p < sum.count; ++p) passed[p].store(actions + first + 8 * p);
    if (any(beyond)) take_last_positive(exps, cols, actions + first);
}

// A row with a NaN has no distribution to draw from: its action is -1, its log-prob NaN.
template <class Want, class T>
std::int64_t sample_rows(Want want, const LogitRows<T>& in, const std::uint64_t (&key)[2],
                         std::int64_t row_offset, const OutRows<std::int64_t>& actions,
                         const OutRows<T>& log_probs, T* entropies, std::int64_t entropy_stride,
                         void* scratch) {
    const BlockBuffers<T> buffers(scratch, in.cols);
    return for_each_block(want, in, scratch, [&](const auto& block) {
        alignas(64) double u[kMostBlockRows];
        alignas(64) T z_a[kMostBlockRows], values[kMostBlockRows], log_totals[kMostBlockRows];
        std::int64_t drawn[kMostBlockRows];
        double* const up_to = reinterpret_cast<double*>(buffers.spare);
        for (int t = 0; t < block.tiles(); ++t) prepare_draws(block, t, up_to + t * draw_chunks(in.cols));
        block.for_each_row_vector([&](int r) { log_total(block, r).store(log_totals + r); });
        for (std::int64_t d = 0; d < actions.cols; ++d) {
            for (int r = 0; r < block.count; r += 8)
                uniforms(key, static_cast<std::uint64_t>(row_offset + block.first + r),
                         static_cast<std::uint64_t>(d))
                    .store(u + r);
            for (int t = 0; t < block.tiles(); ++t)
                draw(block, t, up_to + t * draw_chunks(in.cols), u, drawn);
            block.for_each_nan_row([&](int r) { drawn[r] = 0; });
            logits_of_actions(block, drawn, z_a);
            block.for_each_row_vector(
                [&](int r) { log_prob(block, r, z_a, Lanes<T>::load(log_totals + r)).store(values + r); });
            store_rows(values, block.count,
                       log_probs.data + block.first * log_probs.row_stride + d * log_probs.col_stride,
                       log_probs.row_stride);
            block.for_each_nan_row([&](int r) { drawn[r] = -1; });
            std::int64_t* const a = actions.data + block.first * actions.row_stride + d * actions.col_stride;
            for (int r = 0; r < block.count; ++r) a[r * actions.row_stride] = drawn[r];
        }
        if constexpr (Want::differences) {
            block.for_each_row_vector(
                [&](int r) { entropy(block, r, Lanes<T>::load(log_totals + r)).store(values + r); });
            store_rows(values, block.count, entropies + block.first * entropy_stride, entropy_stride);
        }
    });
}

template <class T>
std::int64_t sample(const LogitRows<T>& in, const std::uint64_t (&key)[2], std::int64_t row_offset,
                    const OutRows<std::int64_t>& actions, const OutRows<T>& log_probs, T* entropies,
                    std::int64_t entropy_stride, void* scratch) {
    return entropies ? sample_rows(Wants<true, true>{}, in, key, row_offset, actions, log_probs, entropies,
                                   entropy_stride, scratch)
                     : sample_rows(Wants<true, false>{}, in, key, row_offset, actions, log_probs, entropies,
                                   entropy_stride, scratch);
}
