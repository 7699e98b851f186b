// Inverse transform sampling: the first action whose cumulative sum of exponentials exceeds u times the total. A term of 0
// does not raise the sum, so an action of probability 0 is never drawn. u < 1, but the total was added up in another order,
// so the sum may end a rounding error below the threshold: then the last action of positive probability is the one.

// Along a long row in chunks, whose sums are taken once for all draws: up_to[c] = the sum of chunks 0 .. c.
constexpr std::int64_t kDrawChunk = 64;
constexpr std::int64_t draw_chunks(std::int64_t cols) { return (cols + kDrawChunk - 1) / kDrawChunk; }

template <class T>
SCOREFN_INLINE void prepare_draws(const LongRows<T>& rows, double* up_to) {
    const std::int64_t cols = rows.block.cols;
    for (int r = 0; r < rows.count; ++r, up_to += draw_chunks(cols)) {
        const T* const e = rows.e() + r * cols;
        share_out<T>(rows.block.in.team, cols, [&](std::int64_t first, std::int64_t n) {
            for (std::int64_t i = first; i < first + n; i += kDrawChunk) {
                const std::int64_t left = first + n - i;
                up_to[i / kDrawChunk] = sum_of_row(e + i, left < kDrawChunk ? left : kDrawChunk);
            }
        });
        for (std::int64_t c = 1; c < draw_chunks(cols); ++c) up_to[c] += up_to[c - 1];
    }
}
template <class T>
SCOREFN_INLINE std::int64_t draw_from_long_row(const T* e, std::int64_t cols, const double* up_to, double u) {
    const double threshold = u * up_to[draw_chunks(cols) - 1];
    std::int64_t c = 0, action = 0;
    while (up_to[c] <= threshold) ++c;
    const std::int64_t end = cols < (c + 1) * kDrawChunk ? cols : (c + 1) * kDrawChunk;
    double sum = c > 0 ? up_to[c - 1] : 0.0;
    for (std::int64_t j = c * kDrawChunk; j < end && sum <= threshold; ++j) {
        if (e[j] == 0) continue;
        sum += static_cast<double>(e[j]);
        action = j;
    }
    return action;
}

template <class T>
SCOREFN_INLINE void draw(const LongRows<T>& rows, const double* up_to, Doubles<T>, Doubles<T> u,
                         std::int64_t* actions) {
    const std::int64_t cols = rows.block.cols;
    double us[Lanes<T>::size];
    u.store(us);
    for (int r = 0; r < Lanes<T>::size; ++r)
        actions[r] = r < rows.count && !rows.is_bad_row(r)
                         ? draw_from_long_row(rows.e() + r * cols, cols, up_to + r * draw_chunks(cols), us[r])
                         : 0;
}

template <class T>
SCOREFN_NO_INLINE void take_last_positive(const T* e, std::int64_t cols, std::int64_t* actions) {
    for (int r = 0; r < Lanes<T>::size; ++r) {
        std::int64_t& a = actions[r];
        if (a < cols) continue;
        do --a;
        while (a > 0 && e[r * cols + a] == 0);
    }
}
// In every lane, over the rows of a tile.
template <class T, class Tile>
SCOREFN_INLINE void prepare_draws(const TileRows<T, Tile>&, double*) {}
template <class T, class Tile>
SCOREFN_INLINE void draw(const TileRows<T, Tile>& rows, const double*, Doubles<T> total, Doubles<T> u,
                         std::int64_t* actions) {
    constexpr int width = Tile::width;
    const std::int64_t cols = rows.block.cols;
    const Doubles<T> threshold = u * total;
    Doubles<T> sum = Doubles<T>::splat(0);
    Lanes<std::int64_t> passed[Doubles<T>::count];
    for (auto& p : passed) p = Lanes<std::int64_t>::splat(0);
    for (std::int64_t slice = 0; slice < rows.tile.slices(); ++slice) {
        Lanes<T> column[width];
        rows.tile.load(rows.e(), slice, T(0), column);
        rows.tile.transpose(column);
        for (std::int64_t k = rows.tile.shared(slice); k < width; ++k) {
            sum = sum + widen(column[k]);
            for (int p = 0; p < sum.count; ++p)
                passed[p] = select(sum.part[p] <= threshold.part[p], passed[p] + std::int64_t{1}, passed[p]);
        }
    }
    auto beyond = passed[0] == cols;
    for (int p = 1; p < sum.count; ++p) beyond = beyond | (passed[p] == cols);
    for (int p = 0; p < sum.count; ++p) passed[p].store(actions + 8 * p);
    if (any(beyond)) take_last_positive(rows.e(), cols, actions);
    rows.for_each_bad_row([&](int r) { actions[r] = 0; });
}

// A row with a NaN has no distribution to draw from: its action is -1, its log-prob NaN.
template <bool Entropies, class T>
std::int64_t sample_rows(const LogitRows<T>& in, const std::uint64_t (&key)[2], std::int64_t row_offset,
                         const OutRows<std::int64_t>& actions, const OutRows<T>& log_probs, T* entropies,
                         std::int64_t entropy_stride, void* scratch) {
    double* const up_to = reinterpret_cast<double*>(Buffers<T>(scratch, in.cols).more);
    return for_each_group(in, Entropies, scratch, [&](auto& rows) SCOREFN_INLINE_LAMBDA {
        if constexpr (Entropies) {
            const Peak<T> peak = rows.template peak<true>();
            store_rows(entropy(rows, peak), rows.first(), rows.count, entropies, entropy_stride);
        }
        const Doubles<T> total = rows.sum().total();
        prepare_draws(rows, up_to);
        for (std::int64_t d = 0; d < actions.cols; ++d) {
            Doubles<T> u;
            for (int p = 0; p < u.count; ++p)
                u.part[p] = uniforms(key, static_cast<std::uint64_t>(row_offset + rows.first() + 8 * p),
                                     static_cast<std::uint64_t>(d));
            Actions<T> drawn;
            draw(rows, up_to, total, u, drawn.index);
            const Lanes<T> log_p = log_prob(rows, drawn, rows.without(drawn));
            store_rows(log_p, rows.first(), rows.count, log_probs.data + d * log_probs.col_stride,
                       log_probs.row_stride);
            rows.for_each_bad_row([&](int r) { drawn.index[r] = -1; });
            std::int64_t* const a = actions.data + rows.first() * actions.row_stride + d * actions.col_stride;
            for (int r = 0; r < rows.count; ++r) a[r * actions.row_stride] = drawn.index[r];
        }
    });
}

template <class T>
std::int64_t sample(const LogitRows<T>& in, const std::uint64_t (&key)[2], std::int64_t row_offset,
                    const OutRows<std::int64_t>& actions, const OutRows<T>& log_probs, T* entropies,
                    std::int64_t entropy_stride, void* scratch) {
    const auto rows = entropies ? sample_rows<true, T> : sample_rows<false, T>;
    return rows(in, key, row_offset, actions, log_probs, entropies, entropy_stride, scratch);
}
