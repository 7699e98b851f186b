// Features are streamed in blocks of samples: logits = x @ coef, then g = the gradient with respect to them, then
// sums += g^T @ x. The products and sums are in double; only the blocks at work exist at a time.

#include <limits>
#include <scorefn/gradient.hpp>

#include "policies/rows.hpp"
#include "runtime/memory.hpp"
#include "policies/statistics.hpp"

namespace scorefn {
namespace {

constexpr std::int64_t round_up(std::int64_t n, std::int64_t step) { return (n + step - 1) / step * step; }
constexpr std::int64_t kStrip = 8;  // as in kernels/linear.inl

// One block of samples: x in strips, x[f / 8][sample][f % 8], or in columns, x[f][sample], and the logits, whose place the
// gradient takes.
template <class T>
struct Block {
    std::int64_t first = 0, rows = 0;
    bool in_columns = false;
    Zeros<double> x;
    Zeros<T> logits;
    Zeros<std::int64_t> action;
    Zeros<T> weight;
    Zeros<T> log_prob, entropy;  // these three for the statistics
    Zeros<double> squared_norm;

    Block(std::int64_t rows, std::int64_t features, std::int64_t stride, bool has_statistics)
        : x(rows * features),
          logits(rows * stride + kStrip),
          action(rows),
          weight(rows),
          log_prob(has_statistics ? rows : 0),
          entropy(has_statistics ? rows : 0),
          squared_norm(has_statistics ? rows : 0) {}
};

template <class T>
class LinearGradient {
public:
    const std::int64_t num_samples, num_features, num_actions;
    const std::int64_t strips, row_stride;  // of logits
    const std::int64_t block_rows;
    const Kernels<T>& kernel = kernels().of<T>();

    LinearGradient(const Matrix<const T>& features, const Matrix<const T>& coef, const IndexVector& actions,
                   const RealVector& weights, const GradientOptions& options, std::int64_t block_rows,
                   std::int64_t row_stride)
        : num_samples(features.rows),
          num_features(coef.rows),
          num_actions(coef.cols),
          strips((coef.rows + kStrip - 1) / kStrip),
          row_stride(row_stride),
          block_rows(block_rows),
          features_(features),
          coef_(coef),
          actions_(actions),
          weights_(weights),
          options_(options) {
        if (has_statistics()) scale_ = statistics_scale(weights, options.entropy_coef, options.num_threads);
    }

    bool has_statistics() const { return options_.statistics != nullptr; }
    std::int64_t strip_size() const { return block_rows * kStrip; }
    Block<T> make_block() const {
        return Block<T>(block_rows, strips * kStrip, row_stride, has_statistics());
    }

    // The block of the samples from `first` on, up to `end`, without their features.
    void load_samples(Block<T>& block, std::int64_t first, std::int64_t end) {
        block.first = first;
        block.rows = std::min(block_rows, end - first);
        load(weights_, first, block.rows, block.weight.data());
        if (!kernels().load_indices(actions_, first, block.rows, num_actions, block.action.data())) {
            actions_changed_ = true;
            std::fill_n(block.action.data(), block.rows, 0);
        }
    }

    void load_strips(Block<T>& block) const {
        for (std::int64_t s = 0; s < strips; ++s)
            widen(features_, block.first, block.rows, s * kStrip, kStrip, block.x.data() + s * strip_size(),
                  kStrip);
    }

    // The panel of coef that starts with this action.
    void load_panel(std::int64_t action, double* panel) const {
        widen(coef_, 0, num_features, action, kernel.linear_panel_width, panel, kernel.linear_panel_width);
    }

    // The logits of the block's rows begin .. end - 1, begin a multiple of 8, for the actions of a panel.
    void multiply(const Block<T>& block, std::int64_t begin, std::int64_t end, std::int64_t action,
                  const double* panel) const {
        const std::int64_t next = block.first + begin + block_rows;
        const bool is_ahead = action == 0 && next + end - begin <= num_samples &&
                              features_.row_stride == num_features && features_.col_stride == 1;
        kernel.linear_logits(block.x.data() + begin * kStrip, strip_size(), end - begin, num_features, panel,
                             std::min(kernel.linear_panel_width, num_actions - action),
                             block.logits.data() + begin * row_stride + action, row_stride,
                             is_ahead ? features_.data + next * num_features : nullptr);
    }

    // The features in columns, x[f][sample], and the logits from them and coef as doubles.
    void load_columns(Block<T>& block) const {
        block.in_columns = true;
        kernel.linear_columns(features_.data + block.first * features_.row_stride, features_.row_stride,
                              features_.col_stride, block.rows, num_features, block.x.data(), block_rows);
    }
    void load_coef(double* coef) const {
        for (std::int64_t f = 0; f < num_features; ++f)
            for (std::int64_t k = 0; k < num_actions; ++k) *coef++ = static_cast<double>(coef_(f, k));
    }
    void multiply_columns(const Block<T>& block, const double* coef) const {
        kernel.linear_logits_of_columns(block.x.data(), block_rows, block.rows, num_features, coef,
                                        num_actions, block.logits.data());
    }

    // g in the place of the logits of the block's rows begin .. end - 1.
    void score_rows(Block<T>& block, std::int64_t begin, std::int64_t end) {
        T* const logits = block.logits.data() + begin * row_stride;
        // A weight of 0 contributes 0 even where a feature is not finite. Then no logit is.
        const T* const weight = block.weight.data();
        int zeros = 0;
        for (std::int64_t r = begin; r < end; ++r) zeros += weight[r] == 0;
        for (std::int64_t r = begin; r < end && zeros > 0 && options_.entropy_coef == 0; ++r) {
            const T logit = block.logits[r * row_stride];
            if (weight[r] != 0 || logit - logit == 0) continue;
            for (std::int64_t f = 0; f < num_features; ++f) feature(block, r, f) = 0;
        }
        LogitRows<T> rows{logits, end - begin, num_actions, row_stride, 1, nullptr, 0, 0};
        if (const auto& where = options_.where) {
            rows.where = bytes_of(where) + (block.first + begin) * where.row_stride;
            rows.where_row_stride = where.row_stride;
            rows.where_col_stride = where.col_stride;
        }
        const IndexVector actions(block.action.data() + begin, end - begin);
        const RealVector weights(weight + begin, end - begin);
        GradientRows<T> given{actions, options_.entropy_coef, {}, {}};
        if (has_statistics()) {
            given.log_prob = {block.log_prob.data() + begin, end - begin, 1};
            given.entropy = {block.entropy.data() + begin, end - begin, 1};
        }
        const std::int64_t bad =
            kernel.weighted_log_prob_gradient(rows, &weights, given, {logits, num_actions, row_stride, 1},
                                              false, thread_scratch(scratch_bytes(num_actions)));
        if (bad >= 0) lower(first_bad_, block.first + begin + bad);
        if (has_statistics()) measure_rows(block, begin, end);
    }

    // Adds those of a block whose rows have been scored, in order.
    void add_statistics(const Block<T>& block, double* totals) const {
        if (!has_statistics()) return;
        for (std::int64_t r = 0; r < block.rows; ++r) {
            totals[0] += static_cast<double>(block.entropy[r]);
            totals[1] += block.squared_norm[r];
        }
    }
    void set_statistics(const double* totals) const {
        if (!has_statistics()) return;
        if (first_impossible_ < num_samples) throw_impossible_action(actions_, first_impossible_);
        *options_.statistics = to_statistics(totals, scale_);
    }

    // g of the block for `cols` actions from `action` on, (block_rows, cols rounded up to 8).
    void load_gradient(const Block<T>& block, std::int64_t action, std::int64_t cols, double* g) const {
        const std::int64_t stride = round_up(cols, kStrip);
        kernel.linear_widen(block.logits.data() + action, row_stride, block.rows, stride, g, stride);
    }

    // sums[k, f] += sum_r g[r, k] x[r, f] over the block, for a range of strips.
    void accumulate(const Block<T>& block, const double* g, std::int64_t cols, std::int64_t first_strip,
                    std::int64_t last_strip, double* sums, std::int64_t sums_stride) const {
        kernel.linear_accumulate(block.x.data() + first_strip * strip_size(), strip_size(),
                                 last_strip - first_strip, g, round_up(cols, kStrip), block.rows,
                                 round_up(cols, 2), sums, sums_stride);
    }

    void accumulate_columns(const Block<T>& block, double* g, double* sums, std::int64_t sums_stride) const {
        kernel.linear_columns(block.logits.data(), num_actions, 1, block.rows, num_actions, g, block_rows);
        kernel.linear_accumulate_columns(block.x.data(), g, block_rows, block.rows, num_features, num_actions,
                                         sums, sums_stride);
    }

    void throw_if_bad() const {
        if (first_bad_ < num_samples) throw_no_allowed_action("features", first_bad_, " @ coef");
        if (actions_changed_) throw std::runtime_error("actions were changed during the call");
    }

private:
    // The gradient of a sample is the outer product of its features and its row.
    void measure_rows(const Block<T>& block, std::int64_t begin, std::int64_t end) {
        for (std::int64_t r = begin; r < end; ++r) {
            const T* const g = block.logits.data() + r * row_stride;
            double of_row = 0, of_features = 0;
            for (std::int64_t k = 0; k < num_actions; ++k) {
                const double entry = scale_.scale * static_cast<double>(g[k]);
                of_row += entry * entry;
            }
            for (std::int64_t f = 0; f < num_features; ++f)
                of_features += feature(block, r, f) * feature(block, r, f);
            block.squared_norm[r] = of_row == 0 ? 0.0 : of_row * of_features;
            if (block.log_prob[r] == -std::numeric_limits<T>::infinity() && block.weight[r] != 0)
                lower(first_impossible_, block.first + r);
        }
    }

    double& feature(const Block<T>& block, std::int64_t r, std::int64_t f) const {
        return block
            .x[block.in_columns ? f * block_rows + r : f / kStrip * strip_size() + r * kStrip + f % kStrip];
    }

    // x[first_row + i, first_col + j] as doubles, for as many of `cols` columns as there are.
    void widen(const Matrix<const T>& x, std::int64_t first_row, std::int64_t rows, std::int64_t first_col,
               std::int64_t cols, double* to, std::int64_t to_stride) const {
        const T* const from = x.data + first_row * x.row_stride + first_col * x.col_stride;
        cols = std::min(cols, x.cols - first_col);
        if (x.col_stride == 1) return kernel.linear_widen(from, x.row_stride, rows, cols, to, to_stride);
        for (std::int64_t i = 0; i < rows; ++i)
            for (std::int64_t j = 0; j < cols; ++j)
                to[i * to_stride + j] = static_cast<double>(from[i * x.row_stride + j * x.col_stride]);
    }

    const Matrix<const T>& features_;
    const Matrix<const T>& coef_;
    const IndexVector& actions_;
    const RealVector& weights_;
    const GradientOptions& options_;
    std::atomic<std::int64_t> first_bad_{num_samples};
    std::atomic<std::int64_t> first_impossible_{num_samples};
    std::atomic<bool> actions_changed_{false};
    StatisticsScale scale_{1.0, 0.0};
};

// NaN with one sign and payload: which of its operands' an operation passes on may depend on the ISA.
template <class T>
void add(T& entry, double sum, bool accumulate) {
    const T value = static_cast<T>(accumulate ? static_cast<double>(entry) + sum : sum);
    entry = value == value ? value : std::numeric_limits<T>::quiet_NaN();
}

// How a thread adds the gradient of a block to its sums, sums[k, f]: for few features and actions lane = sample,
template <class T>
class ByColumns {
public:
    explicit ByColumns(LinearGradient<T>& gradient)
        : gradient_(gradient), coef_(gradient.num_features * gradient.num_actions) {
        gradient.load_coef(coef_.data());
    }
    void add(Block<T>& block, double* g, double* sums, std::int64_t stride) const {
        gradient_.load_columns(block);
        gradient_.multiply_columns(block, coef_.data());
        gradient_.score_rows(block, 0, block.rows);
        gradient_.accumulate_columns(block, g, sums, stride);
    }

private:
    LinearGradient<T>& gradient_;
    Array<double> coef_;
};

// otherwise lane = action, and then lane = feature.
template <class T>
class ByStrips {
public:
    explicit ByStrips(LinearGradient<T>& gradient)
        : gradient_(gradient),
          panels_((gradient.num_actions + width_ - 1) / width_ * gradient.num_features * width_) {
        for (std::int64_t k = 0; k < gradient.num_actions; k += width_) gradient.load_panel(k, panel(k));
    }
    void add(Block<T>& block, double* g, double* sums, std::int64_t stride) const {
        gradient_.load_strips(block);
        for (std::int64_t k = 0; k < gradient_.num_actions; k += width_)
            gradient_.multiply(block, 0, block.rows, k, panel(k));
        gradient_.score_rows(block, 0, block.rows);
        gradient_.load_gradient(block, 0, gradient_.num_actions, g);
        gradient_.accumulate(block, g, gradient_.num_actions, 0, gradient_.strips, sums, stride);
    }

private:
    double* panel(std::int64_t action) const { return panels_.data() + action * gradient_.num_features; }

    LinearGradient<T>& gradient_;
    const std::int64_t width_ = gradient_.kernel.linear_panel_width;
    Zeros<double> panels_;
};

// Few parameters: chunks of samples in parallel, each with sums of its own, merged in a fixed tree. A chunk has no
// fewer samples than it has sums, so they take no more memory than the features.
template <class T, class Blocks>
void sum_over_chunks(LinearGradient<T>& gradient, const Blocks& blocks, std::int64_t per_chunk,
                     const Matrix<T>& out, const GradientOptions& options) {
    const std::int64_t stride = gradient.strips * kStrip, g_stride = round_up(gradient.num_actions, kStrip);
    const std::int64_t num_sums = stride * g_stride,
                       size = num_sums + (gradient.has_statistics() ? kStrip : 0);
    const std::int64_t chunks = std::max<std::int64_t>(1, (gradient.num_samples + per_chunk - 1) / per_chunk);
    const Zeros<double> sums(chunks * size);
    parallel_for(chunks, options.num_threads, [&](std::int64_t chunk) {
        Block<T> block = gradient.make_block();
        const Zeros<double> g(gradient.block_rows * g_stride);
        const std::int64_t end = std::min(gradient.num_samples, (chunk + 1) * per_chunk);
        for (std::int64_t first = chunk * per_chunk; first < end; first += gradient.block_rows) {
            check_interrupt();
            gradient.load_samples(block, first, end);
            blocks.add(block, g.data(), sums.data() + chunk * size, stride);
            gradient.add_statistics(block, sums.data() + chunk * size + num_sums);
        }
    });
    merge_tree(sums.data(), chunks, size, options.num_threads);
    gradient.throw_if_bad();
    for (std::int64_t f = 0; f < out.rows; ++f)
        for (std::int64_t k = 0; k < out.cols; ++k) add(out(f, k), sums[k * stride + f], options.accumulate);
    gradient.set_statistics(sums.data() + num_sums);
}

// Many parameters: one set of sums, to which each block adds its own. Threads share out its actions, its rows and its
// actions again.
template <class T, class Sum>
void sum_over_blocks(LinearGradient<T>& gradient, const Matrix<Sum>& sums, int num_threads) {
    // What a thread goes through again and again stays in its second-level cache, 1 MiB or more: the panels of a group of
    // actions, a group of rows, and the strips of a part of the features.
    constexpr std::int64_t kPanelBytes = 1 << 20, kRowBytes = 1 << 19, kTileStrips = 16;
    constexpr std::int64_t kWholePanels = 24, kMostActions = 5 * kWholePanels;  // whole ones on every ISA
    constexpr std::int64_t kRowsScored = 4;
    const std::int64_t feature_bytes = gradient.num_features * 8;
    const std::int64_t group_size = std::clamp<std::int64_t>(
        kPanelBytes / feature_bytes / kWholePanels * kWholePanels, kWholePanels, kMostActions);
    const std::int64_t group_rows = std::max<std::int64_t>(8, kRowBytes / feature_bytes / 8 * 8);
    const std::int64_t groups = (gradient.num_actions + group_size - 1) / group_size;
    // Rows and features are cut in parts, too, where there are few groups of actions to share out.
    const std::int64_t parts = groups < 16 ? 16 : 1;
    const std::int64_t width = gradient.kernel.linear_panel_width;
    const std::int64_t part_rows = round_up((gradient.block_rows + parts - 1) / parts, 8);
    const std::int64_t part_strips = (gradient.strips + parts - 1) / parts;
    const std::int64_t tile_strips = std::min(part_strips, kTileStrips);

    Block<T> block = gradient.make_block();
    double statistics[kStatistics] = {};
    for (std::int64_t first = 0; first == 0 || first < gradient.num_samples; first += gradient.block_rows) {
        gradient.load_samples(block, first, gradient.num_samples);
        gradient.load_strips(block);
        parallel_for(groups * parts, num_threads, [&](std::int64_t task) {
            const std::int64_t action = task / parts * group_size, begin = task % parts * part_rows;
            const std::int64_t last = std::min(action + group_size, gradient.num_actions);
            const std::int64_t end = std::min(block.rows, begin + part_rows);
            auto* const panels = static_cast<double*>(thread_scratch(feature_bytes * group_size));
            const auto panel = [&](std::int64_t k) { return panels + (k - action) * gradient.num_features; };
            for (std::int64_t k = action; k < last; k += width) gradient.load_panel(k, panel(k));
            for (std::int64_t r = begin; r < end; r += group_rows) {
                check_interrupt();
                for (std::int64_t k = action; k < last; k += width)
                    gradient.multiply(block, r, std::min(end, r + group_rows), k, panel(k));
            }
        });
        parallel_for((block.rows + kRowsScored - 1) / kRowsScored, num_threads, [&](std::int64_t i) {
            gradient.score_rows(block, i * kRowsScored, std::min(block.rows, (i + 1) * kRowsScored));
        });
        gradient.add_statistics(block, statistics);
        parallel_for(groups * parts, num_threads, [&](std::int64_t task) {
            const std::int64_t action = task / parts * group_size, strip = task % parts * part_strips;
            const std::int64_t cols = std::min(group_size, gradient.num_actions - action);
            const std::int64_t end = std::min(gradient.strips, strip + part_strips);
            // One strip more, lest the entries of a feature fall on few sets of a cache.
            const std::int64_t stride = (tile_strips + 1) * kStrip;
            auto* const tile =
                static_cast<double*>(thread_scratch(group_size * (stride + gradient.block_rows) * 8));
            double* const g = tile + group_size * stride;
            gradient.load_gradient(block, action, cols, g);
            for (std::int64_t s = strip; s < end; s += tile_strips) {
                check_interrupt();
                const std::int64_t last = std::min(end, s + tile_strips);
                const std::int64_t features = std::min(last * kStrip, gradient.num_features) - s * kStrip;
                std::fill_n(tile, group_size * stride, 0.0);
                gradient.accumulate(block, g, cols, s, last, tile, stride);
                for (std::int64_t f = 0; f < features; ++f)
                    for (std::int64_t k = 0; k < cols; ++k)
                        add(sums(s * kStrip + f, action + k), tile[k * stride + f], first > 0);
            }
        });
    }
    gradient.throw_if_bad();
    gradient.set_statistics(statistics);
}

template <class T, class Sum>
void sum_over_blocks(LinearGradient<T>& gradient, const Matrix<T>& out, const GradientOptions& options) {
    const Zeros<Sum> memory(out.rows * out.cols);
    const Matrix<Sum> sums(memory.data(), out.rows, out.cols);
    sum_over_blocks(gradient, sums, options.num_threads);
    for (std::int64_t f = 0; f < out.rows; ++f)
        for (std::int64_t k = 0; k < out.cols; ++k)
            add(out(f, k), static_cast<double>(sums(f, k)), options.accumulate);
}

template <class T>
void linear_gradient(Matrix<const T> features, Matrix<const T> coef, const IndexVector& actions,
                     const RealVector& weights, const Matrix<T>& out, const GradientOptions& options) {
    const StandardFloatEnvironment environment;
    require_view("features", features);
    require_num_actions("coef", coef.cols);
    require_shape("coef", coef, features.cols, coef.cols);
    require_shape("out", out, coef.rows, coef.cols);
    require_size("actions", actions, features.rows);
    require_size("weights", weights, features.rows);
    if (is_given(options.where)) require_shape("where", options.where, features.rows, coef.cols);
    require_in_range("actions", actions, coef.cols, "actions", options.num_threads);
    for (Matrix<const T>* m : {&features, &coef})  // no step from where there may be no memory
        if (m->rows == 0 || m->cols == 0) m->row_stride = m->col_stride = 0;

    // All choices depend on the shapes alone, so the bits do not depend on the number of threads.
    using namespace tuning;
    const std::int64_t row = round_up(coef.rows, kStrip) + round_up(coef.cols, kStrip);
    const auto rows_of = [&](std::int64_t block) {
        return std::clamp<std::int64_t>(block / row / 16 * 16, 16, kMostSamplesPerBlock);
    };
    const std::int64_t parameters = round_up(coef.rows, kStrip) * round_up(coef.cols, kStrip);
    if (parameters <= std::max(kSmallestLinearChunk, features.rows)) {
        // Rows of so few logits follow each other, as the kernels like them: what is written or read beyond one is of the
        // next. Elsewhere they are whole vectors: threads share out the rows.
        const bool are_few = coef.rows <= kStrip && coef.rows * coef.cols <= 4 * kStrip;
        const std::int64_t row_stride = are_few || coef.cols < 4 ? coef.cols : round_up(coef.cols, kStrip);
        LinearGradient<T> gradient(features, coef, actions, weights, options, rows_of(kOwnBlock), row_stride);
        const std::int64_t per_chunk = std::max(kSmallestLinearChunk, parameters);
        if (are_few) return sum_over_chunks(gradient, ByColumns<T>(gradient), per_chunk, out, options);
        return sum_over_chunks(gradient, ByStrips<T>(gradient), per_chunk, out, options);
    }
    LinearGradient<T> gradient(features, coef, actions, weights, options, rows_of(kSharedBlock),
                               round_up(coef.cols, kStrip));
    if (features.rows > kMostRoundings * gradient.block_rows)
        sum_over_blocks<T, double>(gradient, out, options);
    else if (options.may_write_on_error && !options.accumulate)
        sum_over_blocks(gradient, out, options.num_threads);
    else
        sum_over_blocks<T, T>(gradient, out, options);
}

}  // namespace

#define SCOREFN_DEFINE(T)                                                                     \
    void linear_gradient(Matrix<const T> features, Matrix<const T> coef, IndexVector actions, \
                         RealVector weights, Matrix<T> out, const GradientOptions& options) { \
        linear_gradient<T>(features, coef, actions, weights, out, options);                   \
    }
SCOREFN_DEFINE(float)
SCOREFN_DEFINE(double)

}  // namespace scorefn
