// Kernels work on a block of rows that stays in the nearest cache, step by step: all tiles of the block, then what is one
// value a row, many rows at a time, then all tiles again. One row's chain of operations would keep the CPU waiting; short
// steps over independent data do not.

// max = max_j z_j of the rows of a tile.
template <class L, class T = typename L::value_type>
SCOREFN_INLINE void max_of_tile(const T* z, std::int64_t n, T* out) {
    constexpr std::int64_t size = Lanes<T>::size;
    Lanes<T> m[4];
    for (auto& x : m) x = Lanes<T>::splat(-kInfinity<T>);
    std::int64_t i = 0;
    for (; i + 4 * size <= n; i += 4 * size)
        for (int k = 0; k < 4; ++k) m[k] = max(Lanes<T>::load(z + i + k * size), m[k]);
    for (; i + size <= n; i += size) m[0] = max(Lanes<T>::load(z + i), m[0]);
    if (i < n) m[0] = max(load_partial(z + i, n - i, -kInfinity<T>), m[0]);
    L::store_max(max(max(m[0], m[1]), max(m[2], m[3])), out);
}

// The sums over the terms exp(z - max) of each row of a tile, or of a part of a long row; times 2^spare, but for `ones`.
template <class L>
struct TileSums {
    alignas(64) double below[L::rows];        // of the terms that are not 1
    alignas(64) double ones[L::rows];         // how many are 1
    alignas(64) double differences[L::rows];  // of exp(z - max) (z - max), if asked for
};

// What a kernel wants: the terms themselves, and the sum of their products with z - max.
template <bool Exps, bool Differences>
struct Wants {
    static constexpr bool exps = Exps, differences = Differences;
};

// What is worked on next, fetched from memory while the sums keep the CPU busy. Addresses only: they may lie beyond the end
// of an array.
template <class T>
struct Ahead {
    const T *logits = nullptr, *results = nullptr;

    SCOREFN_INLINE Ahead at(std::int64_t offset) const { return {logits + offset, results + offset}; }
    template <int N>
    SCOREFN_INLINE void fetch(std::int64_t i, Whole<N>) const {
        for (int k = 0; k < N; ++k) {
            __builtin_prefetch(logits + i + k * Lanes<T>::size);
            __builtin_prefetch(results + i + k * Lanes<T>::size);
        }
    }
    SCOREFN_INLINE void fetch(std::int64_t, Part) const {}
};

// NaN or +inf in a row makes its sums NaN. Not inlined: every kernel calls it, and it is most of their code.
template <class L, class Want, class T = typename L::value_type>
SCOREFN_NO_INLINE void sum_tile(const T* z, std::int64_t n, const T* max, T* exps, const Ahead<T>& ahead,
                                TileSums<L>& out) {
    constexpr T one = T(1) / ExpConstants<T>::unspare;
    const Origin<T> origin(L::load(max));
    Sum<T> sums[Want::differences ? 2 : 1];
    Lanes<T> below = Lanes<T>::splat(0);  // counts the terms that are not 1
    sum_vectors<T>(n, sums, [&](std::int64_t j, auto extent, auto& x) SCOREFN_INLINE_LAMBDA {
        ahead.fetch(j, extent);
        const auto e = exp_below(load(z + j, extent, -kInfinity<T>), origin);
        if constexpr (Want::exps) store(e.scaled * ExpConstants<T>::unspare, exps + j, extent);
        const auto is_below = e.scaled != one;
        for (int k = 0; k < e.scaled.parts / kParts; ++k) below = select(is_below[k], below + T(1), below);
        x[0] = select(is_below, e.scaled, T(0));
        if constexpr (Want::differences) x[1] = e.scaled * e.difference;
    });
    const std::int64_t terms = (n + Lanes<T>::size - 1) / Lanes<T>::size * (Lanes<T>::size / L::rows);
    L::store_sum(sums[0].total(), out.below);
    L::store_sum(widen(below), out.ones);
    for (auto& x : out.ones) x = static_cast<double>(terms) - x;
    if constexpr (Want::differences) L::store_sum(sums[1].total(), out.differences);
}

// A long row is worked through in parts that stay in the nearest cache. Each has a maximum of its own, and its terms are
// with respect to that: exp(z - max of the row) = exp(z - max of the part) factor.
template <class T>
struct PartOfRow {
    T max;
    double factor;
    TileSums<LongRow<T>> sums;
};

// task(first entry, number of entries) for the ranges of a long row of `cols` entries that the team shares out, each
// several whole parts.
template <class T, class Task>
SCOREFN_INLINE void share_out(const Team& team, std::int64_t cols, Task task) {
    constexpr std::int64_t range = 4 * kPartSize<T>;
    struct Work {
        std::int64_t cols;
        Task* task;
    } work = {cols, &task};
    const std::int64_t count = (cols + range - 1) / range;
    void (*const run)(void*, std::int64_t) = [](void* context, std::int64_t i) {
        const auto [cols, task] = *static_cast<const Work*>(context);
        const std::int64_t first = i * range, left = cols - first;
        (*task)(first, left < range ? left : range);
    };
    if (team.parallel_for) return team.parallel_for(count, team.num_threads, run, &work);
    for (std::int64_t i = 0; i < count; ++i) run(&work, i);
}

// Rows of logits and what normalises them: max = max_j z_j and rest = sum_j exp(z_j - max) - 1, the sum of all terms but the
// largest. Keeping 1 out of the sum is what makes log1p(rest), 1 - p and log p exact near 0 and 1.
template <class L>
struct Block {
    using Layout = L;
    using T = typename L::value_type;

    std::int64_t first, cols;
    int count;  // rows
    const T* logits;
    std::int64_t logits_stride;  // from tile to tile
    // Where the results of a tile go. If exp(z - max) is asked for, it lies there before.
    T* results;
    std::int64_t results_stride;
    Ahead<T> ahead;       // of the first tile
    PartOfRow<T>* parts;  // of a row in several; of the only row, then
    Team team;            // that shares these out

    // Of each row; of a few more, to fill a vector, anything.
    alignas(64) T max[kMostBlockRows];
    alignas(64) double rest[kMostBlockRows];
    alignas(64) double differences[kMostBlockRows];  // sum_j exp(z_j - max) (z_j - max), if asked for
    bool has_nan;

    SCOREFN_INLINE int tiles() const { return (count + L::rows - 1) / L::rows; }
    SCOREFN_INLINE int rows_of(int tile) const {
        return count - tile * L::rows < L::rows ? count - tile * L::rows : L::rows;
    }
    SCOREFN_INLINE const T* logits_of(int tile) const { return logits + tile * logits_stride; }
    SCOREFN_INLINE T* results_of(int tile) const { return results + tile * results_stride; }
    SCOREFN_INLINE const T& logit(int row, std::int64_t col) const {
        return logits_of(row / L::rows)[L::offset(row % L::rows, col)];
    }
    SCOREFN_INLINE T& result(int row, std::int64_t col) const {
        return results_of(row / L::rows)[L::offset(row % L::rows, col)];
    }
    SCOREFN_INLINE void fill_row(int row, T value) const {
        for (std::int64_t j = 0; j < cols; ++j) result(row, j) = value;
    }
    // visit(row) for the rows with a NaN.
    template <class Visit>
    SCOREFN_INLINE void for_each_nan_row(Visit visit) const {
        if (!has_nan) return;
        for (int r = 0; r < count; ++r)
            if (rest[r] != rest[r]) visit(r);
    }
    // visit(r) for as many rows from r on as there are lanes, until there are no more.
    template <class Visit>
    SCOREFN_INLINE void for_each_row_vector(Visit visit) const {
        for (int r = 0; r < count; r += Lanes<T>::size) visit(r);
    }

    SCOREFN_INLINE bool in_parts() const { return L::rows == 1 && cols > kPartSize<T>; }
    SCOREFN_INLINE double factor(std::int64_t col) const {
        return in_parts() ? parts[col / kPartSize<T>].factor : 1.0;
    }
    // visit(part, its first entry, number of entries) for the parts of the row.
    template <class Visit>
    SCOREFN_INLINE void share_parts(Visit visit) const {
        share_out<T>(team, cols, [&](std::int64_t first, std::int64_t count) SCOREFN_INLINE_LAMBDA {
            for (std::int64_t i = first; i < first + count; i += kPartSize<T>)
                visit(parts[i / kPartSize<T>], i, cols - i < kPartSize<T> ? cols - i : kPartSize<T>);
        });
    }
    // visit(first entry, number of entries, factor) for the parts of a tile.
    template <class Visit>
    SCOREFN_INLINE void for_each_part(Visit visit) const {
        if (!in_parts()) return visit(std::int64_t{0}, cols * L::rows, 1.0);
        share_parts([&](const PartOfRow<T>& part, std::int64_t first, std::int64_t count)
                        SCOREFN_INLINE_LAMBDA { visit(first, count, part.factor); });
    }

    template <class Want>
    SCOREFN_INLINE void normalize(Want want) {
        if constexpr (L::rows == 1) {
            if (in_parts())
                normalize_parts(want);
            else
                normalize_tiles(want);
        } else {
            normalize_tiles(want);
        }
        for (int r = count; r % Lanes<T>::size != 0; ++r) max[r] = 0, rest[r] = 0, differences[r] = 0;
        auto is_nan = Mask<double>::splat(0);
        for (int r = 0; r < count; r += 8) {
            const auto x = Lanes<double>::load(rest + r);
            is_nan = is_nan | (x != x);
        }
        has_nan = any(is_nan);
    }

    template <class Want>
    SCOREFN_INLINE void normalize_tiles(Want) {
        constexpr double unspare = ExpConstants<T>::unspare;
        const std::int64_t n = cols * L::rows;
        for (int t = 0; t < tiles(); ++t) max_of_tile<L>(logits_of(t), n, max + t * L::rows);
        for (int t = 0; t < tiles(); ++t) {
            const int row = t * L::rows;
            TileSums<L> sums;
            sum_tile<L, Want>(logits_of(t), n, max + row, results_of(t), ahead.at(t * n), sums);
            for (int r = 0; r < L::rows; ++r) rest[row + r] = sums.below[r] * unspare + (sums.ones[r] - 1.0);
            if (Want::differences)
                for (int r = 0; r < L::rows; ++r) differences[row + r] = sums.differences[r] * unspare;
        }
    }
    template <class Want>
    SCOREFN_INLINE void normalize_parts(Want) {
        share_parts([&](PartOfRow<T>& part, std::int64_t first, std::int64_t count) SCOREFN_INLINE_LAMBDA {
            max_of_tile<L>(logits + first, count, &part.max);
            // Nothing allowed: any number far below all others will do.
            const T origin = part.max == -kInfinity<T> ? kLowest<T> : part.max;
            sum_tile<L, Want>(logits + first, count, &origin, Want::exps ? results + first : nullptr,
                              ahead.at(first), part.sums);
        });
        merge_parts<Want>((cols + kPartSize<T> - 1) / kPartSize<T>);
    }
    template <class Want>
    SCOREFN_NO_INLINE void merge_parts(std::int64_t num_parts) {
        constexpr double unspare = ExpConstants<T>::unspare;
        max[0] = -kInfinity<T>;
        for (std::int64_t p = 0; p < num_parts; ++p) max[0] = max[0] < parts[p].max ? parts[p].max : max[0];
        const Origin<double> origin(Lanes<double>::splat(max[0]));
        double ones = 0;
        Compensated<double> below, with_differences;  // times 2^spare, as those of the parts
        for (std::int64_t p = 0; p < num_parts; ++p) {
            const auto& sums = parts[p].sums;
            const double part_max = parts[p].max;
            const double scaled = exp_below(Lanes<double>::splat(part_max), origin).scaled.part[0][0];
            parts[p].factor = scaled * ExpConstants<double>::unspare;
            const double factor = scaled * (ExpConstants<double>::unspare / unspare);
            const double total = sums.ones[0] + sums.below[0] * unspare;
            if (parts[p].factor == 1.0) {
                ones += sums.ones[0];
                below.add(sums.below[0]);
            } else {
                below.add(total * factor);
            }
            if (Want::differences && factor != 0) {
                // z - max = (z - max of the part) + (max of the part - max)
                with_differences.add(sums.differences[0] * unspare * factor);
                with_differences.add(total * factor * (part_max - max[0]));
            }
        }
        rest[0] = below.total() * unspare + (ones - 1.0);
        differences[0] = with_differences.total() * unspare;
    }

    // The first row without an allowed action that needs one, or -1.
    template <class NeedsAction>
    SCOREFN_INLINE std::int64_t bad_row(NeedsAction needs_action) const {
        std::int64_t bad = -1;
        for_each_nan_row([&](int r) {
            bool none = true;  // a NaN is an allowed action with a bad value
            for (std::int64_t j = 0; j < cols; ++j) none = none && logit(r, j) == -kInfinity<T>;
            if (none && bad < 0 && needs_action(first + r)) bad = first + r;
        });
        return bad;
    }
};

struct EveryRow {
    SCOREFN_INLINE bool operator()(std::int64_t) const { return true; }
};

// One thread's buffers for a block; scratch_bytes(cols) is their size.
template <class T>
struct BlockBuffers {
    T* logits;
    T* results;
    T* spare;
    PartOfRow<T>* parts;

    BlockBuffers(void* scratch, std::int64_t cols)
        : logits(static_cast<T*>(scratch)),
          results(logits + block_size<T>(cols)),
          spare(results + block_size<T>(cols)),
          parts(reinterpret_cast<PartOfRow<T>*>(spare + block_size<T>(cols))) {
        static_assert(sizeof(PartOfRow<T>) == kPartBytes, "scratch_bytes() counts on it");
    }
};

// Sets the block to rows first .. first + count - 1, read where they lie if they can be, else copied to `buffer`.
template <class L, class From, class T = typename L::value_type>
SCOREFN_INLINE void load_block(const LogitRows<From>& in, std::int64_t first, int count, T* buffer, T* spare,
                               Block<L>& block) {
    block.first = first;
    block.cols = in.cols;
    block.count = count;
    block.team = in.team;
    if constexpr (sizeof(From) == sizeof(T)) {
        if (L::rows == 1 && in.col_stride == 1 && !in.where) {
            block.logits = in.data + first * in.row_stride;
            block.logits_stride = in.row_stride;
            return;
        }
    }
    block.logits = buffer;
    block.logits_stride = tile_size<T>(in.cols);
    if (block.in_parts())
        return share_out<T>(in.team, in.cols, [&](std::int64_t col, std::int64_t n) SCOREFN_INLINE_LAMBDA {
            gather_tile<L>(columns(in, col, n), first, 1, buffer + col, static_cast<T*>(nullptr));
        });
    for (int t = 0; t < block.tiles(); ++t)
        gather_tile<L>(in, first + t * L::rows, block.rows_of(t), buffer + t * block.logits_stride, spare);
}

// kernel(block) for every block of the rows, whose results go to `out`, if there is one. Stops at a row without an allowed
// action, if needs_action(row), and returns it; else -1.
template <class Want, class T, class Kernel, class NeedsAction = EveryRow>
SCOREFN_INLINE std::int64_t map_blocks(Want want, const LogitRows<T>& in, const OutRows<T>* out,
                                       bool accumulate, void* scratch, Kernel kernel,
                                       NeedsAction needs_action = {}) {
    const BlockBuffers<T> buffers(scratch, in.cols);
    const auto run = [&](auto layout) -> std::int64_t {
        using L = decltype(layout);
        // A long row's results go where they belong at once, unless the logits lie there.
        const bool direct =
            L::rows == 1 && out && out->col_stride == 1 && !accumulate && out->data != in.data;
        const std::int64_t most = block_rows<T>(in.cols);
        Block<L> block;
        for (std::int64_t first = 0; first < in.rows; first += most) {
            const int count = static_cast<int>(in.rows - first < most ? in.rows - first : most);
            load_block(in, first, count, buffers.logits, buffers.spare, block);
            block.parts = buffers.parts;
            block.results = direct ? out->data + first * out->row_stride : buffers.results;
            block.ahead.logits = in.data + (first + most) * in.row_stride;
            block.ahead.results = out ? out->data + (first + most) * out->row_stride : block.ahead.logits;
            if (block.in_parts()) block.ahead = block.ahead.at(kPartSize<T> - in.cols);
            block.results_stride = direct ? out->row_stride : tile_size<T>(in.cols);
            block.normalize(want);
            const std::int64_t bad = block.bad_row(needs_action);
            if (bad >= 0) return bad;
            kernel(block);
            if (!out || direct) continue;
            if (block.in_parts()) {
                share_out<T>(in.team, in.cols, [&](std::int64_t col, std::int64_t n) SCOREFN_INLINE_LAMBDA {
                    scatter_tile<L>(block.results + col, columns(*out, col, n), first, 1, accumulate,
                                    static_cast<T*>(nullptr));
                });
                continue;
            }
            for (int t = 0; t < block.tiles(); ++t)
                scatter_tile<L>(block.results_of(t), *out, first + t * L::rows, block.rows_of(t), accumulate,
                                buffers.spare);
        }
        return -1;
    };
    return in.cols <= kLongestShortRow ? run(ShortRows<T>{}) : run(LongRow<T>{});
}
template <class Want, class T, class Kernel>
SCOREFN_INLINE std::int64_t for_each_block(Want want, const LogitRows<T>& in, void* scratch, Kernel kernel) {
    return map_blocks(want, in, static_cast<const OutRows<T>*>(nullptr), false, scratch, kernel);
}

// What is one value a row, for as many rows as there are lanes.

template <class L, class T = typename L::value_type>
SCOREFN_INLINE Lanes<T> total(const Block<L>& block, int r) {
    return narrow(1.0 + Doubles<T>::load(block.rest + r));
}
template <class L, class T = typename L::value_type>
SCOREFN_INLINE Lanes<T> log_total(const Block<L>& block, int r) {
    return narrow(log1p_nonnegative(Doubles<T>::load(block.rest + r)));
}
// total - exp_a, where exp_a is one of its terms.
template <class L, class T = typename L::value_type>
SCOREFN_INLINE Lanes<T> others(const Block<L>& block, int r, Lanes<T> exp_a) {
    const auto rest = Doubles<T>::load(block.rest + r), e = widen(exp_a);
    Doubles<T> x = 1.0 + (rest - e);
    for (int p = 0; p < x.count; ++p) x.part[p] = select(e.part[p] == 1.0, rest.part[p], x.part[p]);
    return narrow(x);
}
// log p(a) = (z_a - max) - log_total: both terms are <= 0, so nothing cancels.
template <class L, class T = typename L::value_type>
SCOREFN_INLINE Lanes<T> log_prob(const Block<L>& block, int r, const T* z_a, Lanes<T> log_total) {
    return (Lanes<T>::load(z_a + r) - Lanes<T>::load(block.max + r)) - log_total;
}
// H = log_total - sum_j p_j (z_j - max): both terms are >= 0.
template <class L, class T = typename L::value_type>
SCOREFN_INLINE Lanes<T> entropy(const Block<L>& block, int r, Lanes<T> log_total) {
    return log_total - narrow(Doubles<T>::load(block.differences + r)) / total(block, r);
}

// The actions of `count` rows, and 0 for those that are not there.
template <class T>
SCOREFN_INLINE Mask<T> lanes_of(const std::int64_t* actions, int count) {
    using Int = typename IntegerOf<T>::type;
    alignas(64) Int a[Lanes<T>::size] = {};
    if (count == Lanes<T>::size)
        for (int r = 0; r < Lanes<T>::size; ++r) a[r] = static_cast<Int>(actions[r]);
    else
        for (int r = 0; r < count; ++r) a[r] = static_cast<Int>(actions[r]);
    return Mask<T>::load(a);
}

// a factor, rounded once.
template <class T>
SCOREFN_INLINE Lanes<T> scaled(Lanes<T> a, double factor) {
    return factor == 1.0 ? a : narrow(widen(a) * factor);
}

// Of each row, the entry of its action; tile_of(t) is a tile.
template <class T, class TileOf>
SCOREFN_INLINE void entries_of_actions(const Block<LongRow<T>>& block, const std::int64_t* actions,
                                       TileOf tile_of, T* out) {
    for (int r = 0; r < block.count; ++r) out[r] = tile_of(r)[actions[r]];
    for (int r = block.count; r % Lanes<T>::size != 0; ++r) out[r] = T(0);
}
template <class T, class TileOf>
SCOREFN_INLINE void entries_of_actions(const Block<ShortRows<T>>& block, const std::int64_t* actions,
                                       TileOf tile_of, T* out) {
    constexpr int rows = ShortRows<T>::rows;
    // Looking at every entry of a row is less work than finding one only if there are few.
    constexpr int few = 16;
    for (int t = 0; t < block.tiles(); ++t) {
        const T* const tile = tile_of(t);
        const Mask<T> action = lanes_of<T>(actions + t * rows, block.rows_of(t));
        if (block.cols <= few) {
            auto entry = Lanes<T>::load(tile);
            for (int j = 1; j < block.cols; ++j)
                entry = select(action == Mask<T>::splat(static_cast<typename IntegerOf<T>::type>(j)),
                               Lanes<T>::load(tile + j * rows), entry);
            entry.store(out + t * rows);
        } else {
            alignas(64) typename IntegerOf<T>::type a[rows];
            action.store(a);
            for (int r = 0; r < rows; ++r)
                out[t * rows + r] = tile[static_cast<std::size_t>(a[r]) * rows + r];
        }
    }
}
template <class L, class T = typename L::value_type>
SCOREFN_INLINE void logits_of_actions(const Block<L>& block, const std::int64_t* actions, T* out) {
    entries_of_actions(block, actions, [&](int t) { return block.logits_of(t); }, out);
}

// One value of each row of a block to an array; a NaN as the one.
template <class T>
SCOREFN_INLINE void store_rows(const T* values, int count, T* out, std::int64_t stride) {
    int r = 0;
    for (; stride == 1 && r + Lanes<T>::size <= count; r += Lanes<T>::size) {
        const auto x = Lanes<T>::load(values + r);
        select(x == x, x, kNaN<T>).store(out + r);
    }
    for (; r < count; ++r) out[r * stride] = canonical(values[r]);
}
