// How a linear policy brings rows of logits and takes rows of gradients, a block of samples at a time: logits = x @
// coef, then g = the gradient with respect to them, then sums += g^T @ x. The products and sums are in double.
#pragma once

#include <limits>

#include "policies/objective_pass.hpp"
#include "policies/term_pass.hpp"
#include "policies/statistics.hpp"
#include "runtime/memory.hpp"

namespace scorefn {

inline constexpr std::int64_t round_up(std::int64_t n, std::int64_t step) {
    return (n + step - 1) / step * step;
}
constexpr std::int64_t kFeaturePanel = 8;  // as in kernels/linear.inl

// One block of samples: x in panels, x[f / 8][sample][f % 8], or in columns, x[f][sample], and the logits, whose place the
// gradient takes.
template <class T>
struct LinearBlock {
    std::int64_t first = 0, rows = 0;
    bool in_columns = false;
    Zeros<double> x;
    Zeros<T> logits;
    Zeros<std::int64_t> action;
    Zeros<T> weight;
    Zeros<T> log_prob, entropy;  // these three for the statistics
    Zeros<double> squared_norm;
    Zeros<double> objective;  // its sums over each piece of rows that is scored at once

    LinearBlock(std::int64_t rows, std::int64_t features, std::int64_t stride, bool has_statistics)
        : x(rows * features),
          logits(rows * stride + kFeaturePanel),
          action(rows),
          weight(rows),
          log_prob(has_statistics ? rows : 0),
          entropy(has_statistics ? rows : 0),
          squared_norm(has_statistics ? rows : 0),
          objective(rows * kMostTerms) {}
};

// The samples and what is asked of them: REINFORCE with the weights; if they are given, the objective with its terms; or the
// terms alone, without actions; or the product of the Fisher matrix and a vector, which stands in the place of coef if there
// are probabilities, or behind it.
template <class T>
struct LinearProblem {
    Matrix<const T> features, coef;
    IndexVector actions;
    RealVector weights{};
    const ObjectivePass<T>* objective = nullptr;
    const TermPass<T>* terms = nullptr;
    ObjectiveResults<T>* results = nullptr;  // of the objective or the terms
    std::int64_t num_actions = coef.cols;  // after which coef may have the columns of a reference or a vector
    bool is_fisher_product = false;
    Matrix<const T> probabilities{};

    bool has_weights() const { return !terms && !is_fisher_product; }
    bool has_actions() const { return objective || has_weights(); }
    bool has_second_coef() const { return coef.cols > num_actions; }
};

template <class T>
class LinearGradient {
public:
    const std::int64_t num_samples, num_features, num_actions;
    const std::int64_t
        num_logits;  // as many as actions or, with those of a reference or a vector behind them, twice that
    const std::int64_t feature_panels, row_stride;  // of logits
    const std::int64_t block_rows;
    const Kernels<T>& kernel = kernels().of<T>();

    LinearGradient(const LinearProblem<T>& problem, const GradientOptions& options, std::int64_t block_rows,
                   std::int64_t row_stride)
        : num_samples(problem.features.rows),
          num_features(problem.coef.rows),
          num_actions(problem.num_actions),
          num_logits(problem.coef.cols),
          feature_panels((problem.coef.rows + kFeaturePanel - 1) / kFeaturePanel),
          row_stride(row_stride),
          block_rows(block_rows),
          problem_(problem),
          options_(options) {
        if (has_statistics())
            scale_ = statistics_scale(problem.weights, valid_rows(options.valid), options.entropy_coef,
                                      options.num_threads);
    }

    bool has_statistics() const { return options_.statistics != nullptr; }
    std::int64_t feature_panel_size() const { return block_rows * kFeaturePanel; }
    LinearBlock<T> make_block() const {
        return LinearBlock<T>(block_rows, feature_panels * kFeaturePanel, row_stride, has_statistics());
    }

    // The block of the samples from `first` on, up to `end`, without their features.
    void load_samples(LinearBlock<T>& block, std::int64_t first, std::int64_t end) {
        block.first = first;
        block.rows = std::min(block_rows, end - first);
        if (problem_.has_weights()) load(problem_.weights, first, block.rows, block.weight.data());
        if (!problem_.has_actions()) return;
        if (!kernels().load_indices(problem_.actions, first, block.rows, num_actions, block.action.data())) {
            std::int64_t* const action = block.action.data();
            for (std::int64_t r = 0; r < block.rows; ++r) {
                if (0 <= action[r] && action[r] < num_actions) continue;
                if (counts(first + r)) actions_changed_ = true;
                action[r] = 0;
            }
        }
        if (!options_.valid.data) return;
        for (std::int64_t r = 0; r < block.rows; ++r)
            if (!counts(first + r)) block.weight[r] = 0;
    }

    void load_feature_panels(LinearBlock<T>& block) const {
        for (std::int64_t s = 0; s < feature_panels; ++s)
            widen(problem_.features, block.first, block.rows, s * kFeaturePanel, kFeaturePanel,
                  block.x.data() + s * feature_panel_size(), kFeaturePanel);
    }

    // The panel of coef that starts with this action.
    void load_coef_panel(std::int64_t action, double* coef_panel) const {
        widen(problem_.coef, 0, num_features, action, kernel.linear_coef_panel_width, coef_panel,
              kernel.linear_coef_panel_width);
    }

    // The logits of the block's rows begin .. end - 1, begin a multiple of 8, for the actions of a panel of coef.
    void multiply(const LinearBlock<T>& block, std::int64_t begin, std::int64_t end, std::int64_t action,
                  const double* coef_panel) const {
        const std::int64_t next = block.first + begin + block_rows;
        const bool is_ahead = action == 0 && next + end - begin <= num_samples &&
                              problem_.features.row_stride == num_features &&
                              problem_.features.col_stride == 1;
        kernel.linear_logits(block.x.data() + begin * kFeaturePanel, feature_panel_size(), end - begin,
                             num_features, coef_panel,
                             std::min(kernel.linear_coef_panel_width, num_logits - action),
                             block.logits.data() + begin * row_stride + action, row_stride,
                             is_ahead ? problem_.features.data + next * num_features : nullptr);
    }

    // The features in columns, x[f][sample], and the logits from them and coef as doubles.
    void load_columns(LinearBlock<T>& block) const {
        block.in_columns = true;
        kernel.linear_columns(problem_.features.data + block.first * problem_.features.row_stride,
                              problem_.features.row_stride, problem_.features.col_stride, block.rows,
                              num_features, block.x.data(), block_rows);
    }
    void load_coef(double* coef) const {
        for (std::int64_t f = 0; f < num_features; ++f)
            for (std::int64_t k = 0; k < num_logits; ++k) *coef++ = static_cast<double>(problem_.coef(f, k));
    }
    void multiply_columns(const LinearBlock<T>& block, const double* coef) const {
        kernel.linear_logits_of_columns(block.x.data(), block_rows, block.rows, num_features, coef,
                                        num_logits, block.logits.data());
    }

    // g in the place of the logits of the block's rows begin .. end - 1.
    void score_rows(LinearBlock<T>& block, std::int64_t begin, std::int64_t end) {
        T* const logits = block.logits.data() + begin * row_stride;
        LogitRows<T> rows{logits, end - begin, num_actions, row_stride, 1, nullptr, 0, 0};
        rows.valid = valid_rows(options_.valid, block.first + begin);
        if (const auto& where = options_.where) {
            rows.where = bytes_of(where) + (block.first + begin) * where.row_stride;
            rows.where_row_stride = where.row_stride;
            rows.where_col_stride = where.col_stride;
        }
        const OutRows<T> out{logits, num_actions, row_stride, 1};
        void* const scratch = thread_scratch(scratch_bytes(num_actions));
        const std::int64_t bad =
            problem_.is_fisher_product ? multiply_by_fisher(block.first + begin, rows, out, scratch)
            : problem_.has_weights()   ? score_by_weights(block, begin, rows, out, scratch)
                                       : score_by_objective(block, begin, rows, out, scratch);
        if (bad >= 0) lower(first_bad_, block.first + begin + bad);
        for (std::int64_t r = begin; options_.valid.data && r < end; ++r) {
            if (counts(block.first + r)) continue;
            clear_features_that_are_not_finite(block, r);  // which times a gradient of 0 are not 0
            if (has_statistics()) block.entropy[r] = 0;
        }
        if (has_statistics()) measure_rows(block, begin, end);
    }

    // Adds the sums of the objective over a block whose rows have been scored, in order.
    void add_objective(const LinearBlock<T>& block, double* totals) const {
        for (std::int64_t i = 0; problem_.results && i < block.rows * kMostTerms; ++i)
            totals[i % kMostTerms] += block.objective[i];
    }
    void set_objective(const double* totals) const {
        if (problem_.results) std::copy_n(totals, kMostTerms, problem_.results->sums);
    }

    // Adds those of a block whose rows have been scored, in order.
    void add_statistics(const LinearBlock<T>& block, double* totals) const {
        if (!has_statistics()) return;
        for (std::int64_t r = 0; r < block.rows; ++r) {
            totals[0] += static_cast<double>(block.entropy[r]);
            totals[1] += block.squared_norm[r];
        }
    }
    void set_statistics(const double* totals) const {
        if (!has_statistics()) return;
        if (first_impossible_ < num_samples) throw_impossible_action(problem_.actions, first_impossible_);
        *options_.statistics = to_statistics(totals, scale_);
    }

    // g of the block for `cols` actions from `action` on, (block_rows, cols rounded up to 8).
    void load_gradient(const LinearBlock<T>& block, std::int64_t action, std::int64_t cols, double* g) const {
        const std::int64_t stride = round_up(cols, kFeaturePanel);
        kernel.linear_widen(block.logits.data() + action, row_stride, block.rows, stride, g, stride);
    }

    // sums[k, f] += sum_r g[r, k] x[r, f] over the block, for a range of panels.
    void accumulate(const LinearBlock<T>& block, const double* g, std::int64_t cols, std::int64_t first_panel,
                    std::int64_t last_panel, double* sums, std::int64_t sums_stride) const {
        kernel.linear_accumulate(block.x.data() + first_panel * feature_panel_size(), feature_panel_size(),
                                 last_panel - first_panel, g, round_up(cols, kFeaturePanel), block.rows,
                                 round_up(cols, 2), sums, sums_stride);
    }

    void accumulate_columns(const LinearBlock<T>& block, double* g, double* sums,
                            std::int64_t sums_stride) const {
        kernel.linear_columns(block.logits.data(), row_stride, 1, block.rows, num_actions, g, block_rows);
        kernel.linear_accumulate_columns(block.x.data(), g, block_rows, block.rows, num_features, num_actions,
                                         sums, sums_stride);
    }

    void throw_if_bad() const {
        if (first_bad_ < num_samples) throw_no_allowed_action("features", first_bad_, " @ coef");
        if (first_impossible_target_ < num_samples)
            throw BadValue({"targets", first_impossible_target_, " must be 0 where the logit is -inf"});
        if (actions_changed_) throw std::runtime_error("actions were changed during the call");
    }

private:
    std::int64_t score_by_weights(LinearBlock<T>& block, std::int64_t begin, const LogitRows<T>& rows,
                                  const OutRows<T>& out, void* scratch) {
        GradientRows<T> given{{block.action.data() + begin, rows.rows}, options_.entropy_coef, {}, {}};
        // A weight of 0 contributes 0 even where a feature is not finite. Then no logit is.
        const T* const weight = block.weight.data() + begin;
        int zeros = 0;
        for (std::int64_t r = 0; r < rows.rows; ++r) zeros += weight[r] == 0;
        for (std::int64_t r = 0; r < rows.rows && zeros > 0 && options_.entropy_coef == 0; ++r)
            if (weight[r] == 0 && !is_finite(rows, r)) clear_features_that_are_not_finite(block, begin + r);
        if (has_statistics()) {
            given.log_prob = {block.log_prob.data() + begin, rows.rows, 1};
            given.entropy = {block.entropy.data() + begin, rows.rows, 1};
        }
        const RealVector weights(weight, rows.rows);
        return kernel.weighted_log_prob_gradient(rows, &weights, given, out, false, scratch);
    }
    std::int64_t score_by_objective(LinearBlock<T>& block, std::int64_t begin, const LogitRows<T>& rows,
                                    const OutRows<T>& out, void* scratch) {
        bool all_finite = true;
        for (std::int64_t r = 0; r < rows.rows; ++r) all_finite = all_finite && is_finite(rows, r);
        double* const sums = block.objective.data() + begin * kMostTerms;
        std::fill_n(sums, rows.rows * kMostTerms, 0.0);
        const LogitRows<T> matrix = rows_of_reference(block, begin, rows);
        const std::int64_t impossible = problem_.terms->find_impossible_target(rows, matrix);
        if (impossible >= 0) lower(first_impossible_target_, block.first + begin + impossible);
        const std::int64_t bad =
            problem_.terms->run(rows, matrix, block.first + begin, sums, scratch,
                                [&](const LogitRows<T>& piece, std::int64_t first, const RowTerms<T>* terms) {
            const std::int64_t r = first - block.first;
            const OutRows<T> to{out.data + (r - begin) * out.row_stride, out.cols, out.row_stride, 1};
            const Vector<T> entropy = from(problem_.results->entropy, first);
            if (!problem_.objective) {
                const std::int64_t stopped_at =
                    kernel.all_action_gradient(piece, *terms, entropy, sums, to, false, scratch);
                clear_invalid(piece.valid, first, piece.rows, *problem_.results);
                return stopped_at;
            }
            const ObjectivePass<T>& objective = *problem_.objective;
            const GradientRows<T> given = {{block.action.data() + r, piece.rows},
                                           options_.entropy_coef,
                                           objective.log_prob(first),
                                           entropy,
                                           sums,
                                           terms};
            auto context = objective.context(first);
            const std::int64_t stopped_at =
                kernel.objective_gradient(piece, objective.row_objective(context), given, to, false, scratch);
            objective.add_sums(context, sums);
            objective.clear_invalid(first, piece.rows);
            return stopped_at;
        });
        // A derivative of 0 contributes 0 even where a feature is not finite: the row's gradient is 0, not NaN.
        for (std::int64_t r = 0; r < rows.rows && !all_finite; ++r)
            if (out.data[r * out.row_stride] == 0) clear_features_that_are_not_finite(block, begin + r);
        return bad;
    }
    // pi * (t - pi . t), where t are the products of the features and the vector.
    std::int64_t multiply_by_fisher(std::int64_t first, const LogitRows<T>& rows, const OutRows<T>& out,
                                    void* scratch) const {
        if (!problem_.has_second_coef()) {
            LogitRows<T> pi = logit_rows(problem_.probabilities, Options{}, first, rows.rows);
            pi.valid = rows.valid;
            return kernel.fisher_products_of_probabilities(pi, rows, out, scratch);
        }
        LogitRows<T> t = rows;
        t.data += num_actions;
        return kernel.fisher_products(rows, t, out, scratch);
    }
    // The matrix of the terms, or the logits that the columns of a reference made of the features.
    LogitRows<T> rows_of_reference(const LinearBlock<T>& block, std::int64_t begin, LogitRows<T> rows) const {
        if (!problem_.has_second_coef()) return problem_.terms->matrix_rows(block.first + begin, rows.rows);
        rows.data += num_actions;
        return rows;
    }
    static bool is_finite(const LogitRows<T>& rows, std::int64_t r) {
        const T logit = rows.data[r * rows.row_stride];
        return logit - logit == 0;
    }
    void clear_features_that_are_not_finite(const LinearBlock<T>& block, std::int64_t r) const {
        for (std::int64_t f = 0; f < num_features; ++f) {
            double& x = feature(block, r, f);
            if (x - x != 0) x = 0;
        }
    }

    bool counts(std::int64_t sample) const { return is_valid(valid_rows(options_.valid), sample); }

    // The gradient of a sample is the outer product of its features and its row.
    void measure_rows(const LinearBlock<T>& block, std::int64_t begin, std::int64_t end) {
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

    double& feature(const LinearBlock<T>& block, std::int64_t r, std::int64_t f) const {
        return block.x[block.in_columns ? f * block_rows + r
                                        : f / kFeaturePanel * feature_panel_size() + r * kFeaturePanel +
                                              f % kFeaturePanel];
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

    const LinearProblem<T>& problem_;
    const GradientOptions& options_;
    std::atomic<std::int64_t> first_bad_{num_samples};
    std::atomic<std::int64_t> first_impossible_{num_samples};
    std::atomic<std::int64_t> first_impossible_target_{num_samples};
    std::atomic<bool> actions_changed_{false};
    StatisticsScale scale_{1.0, 0.0};
};

}  // namespace scorefn
