// Features are read in blocks of samples: logits = x @ coef, then g = the gradient with respect to them, then
// sums += g^T @ x. The products and sums are in double; only the blocks at work exist at a time.

#include <limits>
#include <scorefn/objectives.hpp>

#include "policies/linear_rows.hpp"

namespace scorefn {
namespace {

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
        : gradient_(gradient), coef_(gradient.num_features * gradient.num_logits) {
        gradient.load_coef(coef_.data());
    }
    void add(LinearBlock<T>& block, double* g, double* sums, std::int64_t stride) const {
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
class ByPanels {
public:
    explicit ByPanels(LinearGradient<T>& gradient)
        : gradient_(gradient),
          coef_panels_((gradient.num_logits + width_ - 1) / width_ * gradient.num_features * width_) {
        for (std::int64_t k = 0; k < gradient.num_logits; k += width_)
            gradient.load_coef_panel(k, coef_panel(k));
    }
    void add(LinearBlock<T>& block, double* g, double* sums, std::int64_t stride) const {
        gradient_.load_feature_panels(block);
        for (std::int64_t k = 0; k < gradient_.num_logits; k += width_)
            gradient_.multiply(block, 0, block.rows, k, coef_panel(k));
        gradient_.score_rows(block, 0, block.rows);
        gradient_.load_gradient(block, 0, gradient_.num_actions, g);
        gradient_.accumulate(block, g, gradient_.num_actions, 0, gradient_.feature_panels, sums, stride);
    }

private:
    double* coef_panel(std::int64_t action) const {
        return coef_panels_.data() + action * gradient_.num_features;
    }

    LinearGradient<T>& gradient_;
    const std::int64_t width_ = gradient_.kernel.linear_coef_panel_width;
    Zeros<double> coef_panels_;
};

// Few parameters: chunks of samples in parallel, each with sums of its own, merged in a fixed tree. A chunk has no
// fewer samples than it has sums, so they take no more memory than the features.
template <class T, class Blocks>
void sum_over_chunks(LinearGradient<T>& gradient, const Blocks& blocks, std::int64_t per_chunk,
                     const Matrix<T>& out, const GradientOptions& options) {
    const std::int64_t stride = gradient.feature_panels * kFeaturePanel,
                       g_stride = round_up(gradient.num_actions, kFeaturePanel);
    const std::int64_t num_sums = stride * g_stride,
                       size = num_sums + kFeaturePanel;  // statistics, objective
    const std::int64_t chunks = std::max<std::int64_t>(1, (gradient.num_samples + per_chunk - 1) / per_chunk);
    const Zeros<double> sums(chunks * size);
    parallel_for(chunks, options.num_threads, [&](std::int64_t chunk) {
        LinearBlock<T> block = gradient.make_block();
        const Zeros<double> g(gradient.block_rows * g_stride);
        const std::int64_t end = std::min(gradient.num_samples, (chunk + 1) * per_chunk);
        for (std::int64_t first = chunk * per_chunk; first < end; first += gradient.block_rows) {
            check_interrupt();
            gradient.load_samples(block, first, end);
            blocks.add(block, g.data(), sums.data() + chunk * size, stride);
            gradient.add_statistics(block, sums.data() + chunk * size + num_sums);
            gradient.add_objective(block, sums.data() + chunk * size + num_sums + kStatistics);
        }
    });
    merge_tree(sums.data(), chunks, size, options.num_threads);
    gradient.throw_if_bad();
    for (std::int64_t f = 0; f < out.rows; ++f)
        for (std::int64_t k = 0; k < out.cols; ++k) add(out(f, k), sums[k * stride + f], options.accumulate);
    gradient.set_statistics(sums.data() + num_sums);
    gradient.set_objective(sums.data() + num_sums + kStatistics);
}

// Many parameters: one set of sums, to which each block adds its own. Threads share out its actions, its rows and its
// actions again.
template <class T, class Sum>
void sum_over_blocks(LinearGradient<T>& gradient, const Matrix<Sum>& sums, int num_threads) {
    // What a thread goes through again and again stays in its second-level cache, 1 MiB or more: the coef
    // panels of a range of actions, a range of rows, and the feature panels of a share of the features.
    constexpr std::int64_t kPanelBytes = 1 << 20, kRowBytes = 1 << 19, kBufferPanels = 16;
    constexpr std::int64_t kWholePanels = 24, kMostActions = 5 * kWholePanels;  // whole ones on every ISA
    constexpr std::int64_t kRowsScored = 4;
    const std::int64_t feature_bytes = gradient.num_features * 8;
    const std::int64_t range_actions = std::clamp<std::int64_t>(
        kPanelBytes / feature_bytes / kWholePanels * kWholePanels, kWholePanels, kMostActions);
    const std::int64_t range_rows = std::max<std::int64_t>(8, kRowBytes / feature_bytes / 8 * 8);
    const auto ranges_of = [&](std::int64_t cols) { return (cols + range_actions - 1) / range_actions; };
    const std::int64_t ranges = ranges_of(gradient.num_actions);
    // Rows and features are cut in shares, too, where there are few ranges of actions to hand out.
    const std::int64_t shares = ranges < 16 ? 16 : 1;
    const std::int64_t width = gradient.kernel.linear_coef_panel_width;
    const std::int64_t share_rows = round_up((gradient.block_rows + shares - 1) / shares, 8);
    const std::int64_t share_panels = (gradient.feature_panels + shares - 1) / shares;
    const std::int64_t buffer_panels = std::min(share_panels, kBufferPanels);

    LinearBlock<T> block = gradient.make_block();
    double statistics[kStatistics] = {}, objective[kMostTerms] = {};
    for (std::int64_t first = 0; first == 0 || first < gradient.num_samples; first += gradient.block_rows) {
        gradient.load_samples(block, first, gradient.num_samples);
        gradient.load_feature_panels(block);
        parallel_for(ranges_of(gradient.num_logits) * shares, num_threads, [&](std::int64_t task) {
            const std::int64_t action = task / shares * range_actions, begin = task % shares * share_rows;
            const std::int64_t last = std::min(action + range_actions, gradient.num_logits);
            const std::int64_t end = std::min(block.rows, begin + share_rows);
            auto* const coef_panels = static_cast<double*>(thread_scratch(feature_bytes * range_actions));
            const auto coef_panel = [&](std::int64_t k) {
                return coef_panels + (k - action) * gradient.num_features;
            };
            for (std::int64_t k = action; k < last; k += width) gradient.load_coef_panel(k, coef_panel(k));
            for (std::int64_t r = begin; r < end; r += range_rows) {
                check_interrupt();
                for (std::int64_t k = action; k < last; k += width)
                    gradient.multiply(block, r, std::min(end, r + range_rows), k, coef_panel(k));
            }
        });
        parallel_for((block.rows + kRowsScored - 1) / kRowsScored, num_threads, [&](std::int64_t i) {
            gradient.score_rows(block, i * kRowsScored, std::min(block.rows, (i + 1) * kRowsScored));
        });
        gradient.add_statistics(block, statistics);
        gradient.add_objective(block, objective);
        parallel_for(ranges * shares, num_threads, [&](std::int64_t task) {
            const std::int64_t action = task / shares * range_actions,
                               first_panel = task % shares * share_panels;
            const std::int64_t cols = std::min(range_actions, gradient.num_actions - action);
            const std::int64_t end = std::min(gradient.feature_panels, first_panel + share_panels);
            // One panel more, lest the entries of a feature fall on few sets of a cache.
            const std::int64_t stride = (buffer_panels + 1) * kFeaturePanel;
            auto* const buffer =
                static_cast<double*>(thread_scratch(range_actions * (stride + gradient.block_rows) * 8));
            double* const g = buffer + range_actions * stride;
            gradient.load_gradient(block, action, cols, g);
            for (std::int64_t s = first_panel; s < end; s += buffer_panels) {
                check_interrupt();
                const std::int64_t last = std::min(end, s + buffer_panels);
                const std::int64_t features =
                    std::min(last * kFeaturePanel, gradient.num_features) - s * kFeaturePanel;
                std::fill_n(buffer, range_actions * stride, 0.0);
                gradient.accumulate(block, g, cols, s, last, buffer, stride);
                for (std::int64_t f = 0; f < features; ++f)
                    for (std::int64_t k = 0; k < cols; ++k)
                        add(sums(s * kFeaturePanel + f, action + k), buffer[k * stride + f], first > 0);
            }
        });
    }
    gradient.throw_if_bad();
    gradient.set_statistics(statistics);
    gradient.set_objective(objective);
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
void linear_gradient(LinearProblem<T> problem, const Matrix<T>& out, const GradientOptions& options) {
    Matrix<const T>&features = problem.features, &coef = problem.coef;
    const std::int64_t num_actions = problem.num_actions;
    require_shape("out", out, coef.rows, num_actions);
    if (is_given(options.where)) require_shape("where", options.where, features.rows, num_actions);
    require_valid(options.valid, features.rows);
    if (problem.has_actions()) {
        require_size("actions", problem.actions, features.rows);
        require_in_range("actions", problem.actions, num_actions, "actions", options.num_threads,
                         valid_rows(options.valid));
    }
    for (Matrix<const T>* m : {&features, &coef})  // no step from where there may be no memory
        if (m->rows == 0 || m->cols == 0) m->row_stride = m->col_stride = 0;

    // All choices depend on the shapes alone, so the bits do not depend on the number of threads.
    using namespace tuning;
    const std::int64_t row = round_up(coef.rows, kFeaturePanel) + round_up(coef.cols, kFeaturePanel);
    const auto rows_of = [&](std::int64_t block) {
        return std::clamp<std::int64_t>(block / row / 16 * 16, 16, kMostSamplesPerBlock);
    };
    const std::int64_t parameters = round_up(coef.rows, kFeaturePanel) * round_up(coef.cols, kFeaturePanel);
    if (parameters <= std::max(kSmallestLinearChunk, features.rows)) {
        // Rows of so few logits follow each other, as the kernels like them: what is written or read beyond one is of the
        // next. Elsewhere they are whole vectors: threads share out the rows.
        const bool are_few = coef.rows <= kFeaturePanel && coef.rows * coef.cols <= 4 * kFeaturePanel;
        const std::int64_t row_stride =
            are_few || coef.cols < 4 ? coef.cols : round_up(coef.cols, kFeaturePanel);
        LinearGradient<T> gradient(problem, options, rows_of(kOwnBlock), row_stride);
        const std::int64_t per_chunk = std::max(kSmallestLinearChunk, parameters);
        if (are_few) return sum_over_chunks(gradient, ByColumns<T>(gradient), per_chunk, out, options);
        return sum_over_chunks(gradient, ByPanels<T>(gradient), per_chunk, out, options);
    }
    LinearGradient<T> gradient(problem, options, rows_of(kSharedBlock), round_up(coef.cols, kFeaturePanel));
    if (features.rows > kMostRoundings * gradient.block_rows)
        sum_over_blocks<T, double>(gradient, out, options);
    else if (options.may_write_on_error && !options.accumulate)
        sum_over_blocks(gradient, out, options.num_threads);
    else
        sum_over_blocks<T, T>(gradient, out, options);
}

template <class T>
void require_linear(const Matrix<const T>& features, const Matrix<const T>& coef) {
    require_view("features", features);
    require_num_actions("coef", coef.cols);
    require_shape("coef", coef, features.cols, coef.cols);
}

// The columns of a, then those of b.
template <class T>
void join(const Matrix<const T>& a, const Matrix<const T>& b, T* to) {
    for (std::int64_t i = 0; i < a.rows; ++i) {
        for (std::int64_t j = 0; j < a.cols; ++j) *to++ = a(i, j);
        for (std::int64_t j = 0; j < b.cols; ++j) *to++ = b(i, j);
    }
}

// With the terms of the problem.
template <class T>
void linear_gradient(LinearProblem<T> problem, const AllActionObjective<T>& term, const Matrix<T>& out,
                     const PassOptions& options) {
    const Matrix<const T>&coef = problem.coef, &reference = term.reference_coef;
    const std::int64_t samples = problem.features.rows;
    problem.terms->check(samples);
    const bool has_reference = problem.terms->is_divergence() && is_given(reference);
    if (has_reference)
        require_shape("reference_coef", reference, coef.rows, coef.cols);
    else
        problem.terms->check_matrix(options, samples, coef.cols);
    const Array<T> joined(has_reference ? 2 * coef.rows * coef.cols : 0);
    if (has_reference) {
        join(coef, reference, joined.data());
        problem.coef = {joined.data(), coef.rows, 2 * coef.cols};
    }
    linear_gradient(problem, out, gradient_options(options));
}

template <class T>
void linear_gradient(const Matrix<const T>& features, const Matrix<const T>& coef, const IndexVector& actions,
                     const RealVector& weights, const Matrix<T>& out, const GradientOptions& options) {
    const StandardFloatEnvironment environment;
    require_linear(features, coef);
    require_size("weights", weights, features.rows);
    linear_gradient<T>({features, coef, actions, weights}, out, options);
}

template <class T>
void linear_gradient(const Matrix<const T>& features, const Matrix<const T>& coef, const IndexVector& actions,
                     const Objective& objective, const Matrix<T>& out, ObjectiveResults<T>& results,
                     const ObjectiveOptions<T>& options) {
    const StandardFloatEnvironment environment;
    const ObjectivePass<T> pass(objective, results, options.valid);
    const TermPass<T> terms(options.term, options.entropy_coef, results.term);
    require_linear(features, coef);
    pass.check(features.rows, options.num_threads);
    linear_gradient({features, coef, actions, {}, &pass, &terms, &results}, options.term, out, options);
}

template <class T>
void linear_gradient(const Matrix<const T>& features, const Matrix<const T>& coef,
                     const AllActionObjective<T>& objective, const Matrix<T>& out,
                     ObjectiveResults<T>& results, const PassOptions& options) {
    const StandardFloatEnvironment environment;
    const TermPass<T> terms(objective, options.entropy_coef, results.term);
    require_linear(features, coef);
    terms.check_alone(results, features.rows);
    linear_gradient({features, coef, {}, {}, nullptr, &terms, &results}, objective, out, options);
}

template <class T>
void fisher_vector_product(const Matrix<const T>& features, const Matrix<const T>& coef,
                           const Matrix<const T>& vector, const Matrix<T>& out, const Options& options) {
    const StandardFloatEnvironment environment;
    require_linear(features, coef);
    require_shape("vector", vector, coef.rows, coef.cols);
    const Array<T> joined(2 * coef.rows * coef.cols);
    join(coef, vector, joined.data());
    LinearProblem<T> problem{features, {joined.data(), coef.rows, 2 * coef.cols}, {}};
    problem.num_actions = coef.cols;
    problem.is_fisher_product = true;
    linear_gradient(problem, out, gradient_options(options));
}

template <class T>
void fisher_product_of_probabilities(const Matrix<const T>& features, const Matrix<const T>& probabilities,
                                     const Matrix<const T>& vector, const Matrix<T>& out,
                                     const Options& options) {
    const StandardFloatEnvironment environment;
    require_view("features", features);
    require_num_actions("probabilities", probabilities.cols);
    require_shape("probabilities", probabilities, features.rows, probabilities.cols);
    require_shape("vector", vector, features.cols, probabilities.cols);
    LinearProblem<T> problem{features, vector, {}};
    problem.is_fisher_product = true;
    problem.probabilities = probabilities;
    linear_gradient(problem, out, gradient_options(options));
}

}  // namespace

#define SCOREFN_DEFINE(T)                                                                                 \
    void linear_gradient(Matrix<const T> features, Matrix<const T> coef, IndexVector actions,             \
                         RealVector weights, Matrix<T> out, const GradientOptions& options) {             \
        linear_gradient<T>(features, coef, actions, weights, out, options);                               \
    }                                                                                                     \
    void linear_gradient(Matrix<const T> features, Matrix<const T> coef, IndexVector actions,             \
                         const Objective& objective, Matrix<T> out, ObjectiveResults<T>& results,         \
                         const ObjectiveOptions<T>& options) {                                            \
        linear_gradient<T>(features, coef, actions, objective, out, results, options);                    \
    }                                                                                                     \
    void linear_gradient(Matrix<const T> features, Matrix<const T> coef,                                  \
                         const AllActionObjective<T>& objective, Matrix<T> out,                           \
                         ObjectiveResults<T>& results, const PassOptions& options) {                      \
        linear_gradient<T>(features, coef, objective, out, results, options);                             \
    }                                                                                                     \
    void fisher_vector_product(Matrix<const T> features, Matrix<const T> coef, Matrix<const T> vector,    \
                               Matrix<T> out, const Options& options) {                                   \
        fisher_vector_product<T>(features, coef, vector, out, options);                                   \
    }                                                                                                     \
    void fisher_product_of_probabilities(Matrix<const T> features, Matrix<const T> probabilities,         \
                                         Matrix<const T> vector, Matrix<T> out, const Options& options) { \
        fisher_product_of_probabilities<T>(features, probabilities, vector, out, options);                \
    }
SCOREFN_DEFINE(float)
SCOREFN_DEFINE(double)

}  // namespace scorefn
