// Inverse transform sampling: the first action whose cumulative sum of exp(z - max) exceeds u times the total. A term
// of 0 does not raise the sum, so an action of probability 0 is never drawn; u < 1 keeps u * total below the total.

template <class L>
struct CumulativeSum;

// Along one long row in chunks, whose sums are taken once for all draws.
template <class T>
struct CumulativeSum<LongRow<T>> {
    static constexpr std::int64_t chunk = 64;
    const T* exps;
    std::int64_t cols;
    double* up_to;  // up_to[c] = the sum of chunks 0 .. c

    CumulativeSum(const T* exps, std::int64_t cols, double* buffer) : exps(exps), cols(cols), up_to(buffer) {
        double sum = 0, of_chunk[1];
        for (std::int64_t c = 0; c * chunk < cols; ++c) {
            const std::int64_t left = cols - c * chunk;
            sum_vectors<T>(left < chunk ? left : chunk,
                           [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
                return load_padded(exps + c * chunk + i, extent);
            }).store(of_chunk);
            up_to[c] = sum += of_chunk[0];
        }
    }

    void first_above(const double (&u)[1], std::int64_t (&actions)[1]) const {
        const double threshold = u[0] * up_to[(cols - 1) / chunk];
        std::int64_t c = 0;
        while (up_to[c] <= threshold) ++c;
        const std::int64_t end = cols < (c + 1) * chunk ? cols : (c + 1) * chunk;
        double sum = c > 0 ? up_to[c - 1] : 0.0;
        // Added one by one a chunk may come to a rounding error less than its sum: then its last action of
        // positive probability is the one.
        for (std::int64_t j = c * chunk; j < end && sum <= threshold; ++j) {
            if (exps[j] == 0) continue;
            sum += exps[j];
            actions[0] = j;
        }
    }
};

// In every lane, over a tile of short rows.
template <class T>
struct CumulativeSum<ShortRows<T>> {
    const T* exps;
    std::int64_t cols;
    Doubles<T> total;

    CumulativeSum(const T* exps, std::int64_t cols, double*)
        : exps(exps), cols(cols), total(Doubles<T>::splat(0)) {
        for (std::int64_t j = 0; j < cols; ++j) add(total, j);
    }

    void first_above(const double (&u)[Lanes<T>::size], std::int64_t (&actions)[Lanes<T>::size]) const {
        Doubles<T> threshold = Doubles<T>::load(u), sum = Doubles<T>::splat(0), passed = sum;
        for (int p = 0; p < Doubles<T>::count; ++p) threshold.part[p] = threshold.part[p] * total.part[p];
        for (std::int64_t j = 0; j < cols; ++j) {
            add(sum, j);
            for (int p = 0; p < Doubles<T>::count; ++p)
                passed.part[p] =
                    passed.part[p] + select(sum.part[p] <= threshold.part[p], Lanes<double>::splat(1), 0.0);
        }
        double index[Lanes<T>::size];
        passed.store(index);
        for (int r = 0; r < Lanes<T>::size; ++r) actions[r] = static_cast<std::int64_t>(index[r]);
    }

private:
    SCOREFN_INLINE void add(Doubles<T>& sum, std::int64_t j) const {
        const Doubles<T> e = widen(Lanes<T>::load(exps + j * Lanes<T>::size));
        for (int p = 0; p < Doubles<T>::count; ++p) sum.part[p] = sum.part[p] + e.part[p];
    }
};

// A row with a NaN has no distribution to draw from: its action is -1, its log-prob NaN.
template <class T>
std::int64_t sample(const LogitRows<T>& in, const std::uint64_t (&key)[2], std::int64_t row_offset,
                    const OutRows<std::int64_t>& actions, const OutRows<T>& log_probs, void* scratch) {
    const TileBuffers<T> buffers(scratch, in.cols);
    return for_each_tile(in, buffers,
                         [&](auto layout, const auto& row, const T* z, std::int64_t first, int count) {
        using L = decltype(layout);
        double log_total[L::rows], u[L::rows];
        std::int64_t drawn[L::rows] = {};
        log1p_rows(row.rest, log_total);
        const CumulativeSum<L> sums(buffers.exps, in.cols, buffers.chunk_sums);
        for (std::int64_t d = 0; d < actions.cols; ++d) {
            uniforms(key, static_cast<std::uint64_t>(row_offset + first), static_cast<std::uint64_t>(d), u);
            sums.first_above(u, drawn);
            for (int r = 0; r < count; ++r) {
                const bool is_nan = row.rest[r] != row.rest[r];
                const std::int64_t i = first + r;
                actions.data[i * actions.row_stride + d * actions.col_stride] = is_nan ? -1 : drawn[r];
                log_probs.data[i * log_probs.row_stride + d * log_probs.col_stride] =
                    is_nan ? kNaN<T> : static_cast<T>(log_prob_of<L>(row, log_total, z, r, drawn[r]));
            }
        }
    });
}
