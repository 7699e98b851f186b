#include <cstdio>
#include <limits>
#include <scorefn/categorical.hpp>
#include <scorefn/objectives.hpp>

#include "policies/objective_pass.hpp"
#include "policies/term_pass.hpp"
#include "runtime/memory.hpp"

namespace scorefn {
namespace {

template <class T>
void require_rows(const ObjectiveRows<T>& out, const Matrix<const T>& logits) {
    require_shape("gradient", out.gradient, logits.rows, logits.cols);
    require_size("log_prob", out.log_prob, logits.rows);
    require_size("entropy", out.entropy, logits.rows);
}

// run(logits, out, options) with a row for each sample, then the sums of the rows' gradients over their samples.
template <class T, class Run>
auto with_repeated_rows(const Matrix<const T>& logits, std::int64_t samples_per_row,
                        const IndexVector& actions, const ObjectiveRows<T>& out,
                        const GradientOptions& options, const Run& run) {
    const std::int64_t cols = logits.cols, samples = logits.rows * samples_per_row;
    require_logits("logits", logits, options.where);
    require_shape("gradient", out.gradient, logits.rows, cols);
    require_size("log_prob", out.log_prob, samples);
    require_size("actions", actions, samples);
    check_rows("logits", logits, &actions, options);

    const Array<T> rows(samples * cols), entropies(samples);
    const unsigned char* const allowed = options.where ? bytes_of(options.where) : nullptr;
    for (std::int64_t i = 0; i < logits.rows; ++i) {
        T* const first = rows.data() + i * samples_per_row * cols;
        for (std::int64_t j = 0; j < cols && samples_per_row > 0; ++j)
            first[j] = !allowed || allowed[i * options.where.row_stride + j * options.where.col_stride]
                           ? logits(i, j)
                           : -std::numeric_limits<T>::infinity();
        for (std::int64_t s = 1; s < samples_per_row; ++s) std::copy_n(first, cols, first + s * cols);
    }
    GradientOptions of_samples = options;
    of_samples.where = {};
    of_samples.accumulate = false;
    of_samples.may_write_on_error = true;
    const ObjectiveRows<T> of_rows = {
        Matrix<T>(rows.data(), samples, cols), out.log_prob, {entropies.data(), samples}};
    const auto result = run(Matrix<const T>(rows.data(), samples, cols), of_rows, of_samples);
    scorefn::entropy(logits, out.entropy, options);  // not before `run` has checked its arguments

    const Array<double> sums(cols);
    for (std::int64_t i = 0; i < logits.rows; ++i) {
        for (std::int64_t j = 0; j < cols; ++j)
            sums[j] = options.accumulate ? static_cast<double>(out.gradient(i, j)) : 0;
        const T* gradient = rows.data() + i * samples_per_row * cols;
        for (std::int64_t s = 0; s < samples_per_row; ++s, gradient += cols)
            for (std::int64_t j = 0; j < cols; ++j) sums[j] += static_cast<double>(gradient[j]);
        for (std::int64_t j = 0; j < cols; ++j) {
            // NaN with one sign and payload, as in every other sum.
            const T sum = static_cast<T>(sums[j]);
            out.gradient(i, j) = sum == sum ? sum : std::numeric_limits<T>::quiet_NaN();
        }
    }
    return result;
}

template <class T>
double policy_gradient(const Matrix<const T>& logits, const IndexVector& actions, const RealVector& weights,
                       const ObjectiveRows<T>& out, const GradientOptions& options) {
    const StandardFloatEnvironment environment;
    require_logits("logits", logits, options.where);
    require_rows(out, logits);
    require_size("weights", weights, logits.rows);
    const Kernels<T>& table = kernels().of<T>();
    RowSums<1> sums(logits.rows, logits.cols);
    run_rows(logits, &actions, options, [&](const LogitRows<T>& rows, std::int64_t first, void* scratch) {
        const RealVector w = from(weights, first);
        const GradientRows<T> of_rows = {from(actions, first), options.entropy_coef,
                                         from(out.log_prob, first), from(out.entropy, first),
                                         sums.of_row(first)};
        return table.weighted_log_prob_gradient(rows, &w, of_rows, out_rows(out.gradient, first),
                                                options.accumulate, scratch);
    }, options.accumulate);
    return *sums.total(options.num_threads);
}

template <class T>
double policy_gradient(const Matrix<const T>& logits, std::int64_t samples_per_row,
                       const IndexVector& actions, const RealVector& weights, const ObjectiveRows<T>& out,
                       const GradientOptions& options) {
    const StandardFloatEnvironment environment;
    return with_repeated_rows(
        logits, samples_per_row, actions, out, options,
        [&](const Matrix<const T>& rows, const ObjectiveRows<T>& of_rows, const GradientOptions& of_samples) {
        return policy_gradient(rows, actions, weights, of_rows, of_samples);
    });
}

// One objective on rows of logits.
template <class T>
void row_gradients(const Matrix<const T>& logits, const IndexVector& actions, const Objective& objective,
                   const Matrix<T>& out, ObjectiveResults<T>& results, const ObjectiveOptions<T>& options) {
    const StandardFloatEnvironment environment;
    const ObjectivePass<T> pass(objective, results);
    const TermPass<T> term_pass(options, results.term);
    require_logits("logits", logits, options.where);
    require_shape("gradient", out, logits.rows, logits.cols);
    pass.check(logits.rows);
    term_pass.check(logits.rows);
    if (term_pass.has_matrix()) require_shape("term_matrix", options.term_matrix, logits.rows, logits.cols);
    RowSums<kMostTerms> sums(logits.rows, logits.cols);
    run_rows(logits, &actions, options, [&](const LogitRows<T>& task, std::int64_t of_task, void* scratch) {
        double* const sum = sums.of_row(of_task);
        return term_pass.run(task, term_pass.matrix_rows(of_task, task.rows), of_task, sum, scratch,
                             [&](const LogitRows<T>& rows, std::int64_t first, const RowTerms<T>* terms) {
            ObjectiveContext<T> context = pass.context(first);
            const GradientRows<T> given = {from(actions, first),
                                           options.entropy_coef.number,
                                           pass.log_prob(first),
                                           pass.entropy(first),
                                           sum,
                                           terms};
            const std::int64_t bad = kernels().of<T>().objective_gradient(
                rows, pass.row_objective(context), given, out_rows(out, first), options.accumulate, scratch);
            pass.add_sums(context, sum);
            return bad;
        });
    }, options.accumulate);
    pass.set_sums(sums.total(options.num_threads));
}

template <class T>
ClippedSurrogateSums clipped_surrogate(const Matrix<const T>& logits, const IndexVector& actions,
                                       const RealVector& old_log_prob, const RealVector& advantages,
                                       double clip_range, const ObjectiveRows<T>& out, const Vector<T>& ratio,
                                       const GradientOptions& options) {
    const StandardFloatEnvironment environment;
    ObjectiveResults<T> results;
    results.log_prob = out.log_prob, results.entropy = out.entropy, results.writes[0] = ratio;
    ObjectiveOptions<T> with_terms;
    static_cast<Options&>(with_terms) = options;
    with_terms.entropy_coef = options.entropy_coef;
    with_terms.accumulate = options.accumulate;
    row_gradients<T>(logits, actions, ClippedSurrogate{old_log_prob, advantages, clip_range}, out.gradient,
                     results, with_terms);
    const auto rows = static_cast<double>(logits.rows);
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    return {results.sums[0], rows > 0 ? results.sums[1] / rows : nan,
            rows > 0 ? results.sums[2] / rows : nan};
}

// A task is as many samples as a task of rows of one logit.
template <class T>
void derivatives(const Objective& objective, const Vector<const T>& log_prob, const Vector<T>& out,
                 ObjectiveResults<T>& results, int num_threads) {
    const StandardFloatEnvironment environment;
    const ObjectivePass<T> pass(objective, results);
    require_view("log_prob", log_prob);
    require_size("derivatives", out, log_prob.size);
    pass.check(log_prob.size);
    constexpr int kLanes = 64 / sizeof(T);
    RowSums<kMostTerms> sums(log_prob.size, 1);
    for_each_task(log_prob.size, 1, num_threads, [&](std::int64_t first, std::int64_t count) {
        ObjectiveContext<T> context = pass.context(first);
        const RowObjective<T> of_rows = pass.row_objective(context);
        for (std::int64_t i = 0; i < count; i += kLanes) {
            alignas(64) T log_probs[kLanes] = {}, w[kLanes];
            const int rows = static_cast<int>(std::min<std::int64_t>(kLanes, count - i));
            for (int r = 0; r < rows; ++r) log_probs[r] = log_prob[first + i + r];
            of_rows.coefficients(&context, i, rows, log_probs, w);
            for (int r = 0; r < rows; ++r) out[first + i + r] = w[r];
        }
        pass.add_sums(context, sums.of_row(first));
        return true;
    });
    pass.set_sums(sums.total(num_threads));
}

template <class T>
ClippedSurrogateSums clipped_surrogate(const Matrix<const T>& logits, std::int64_t samples_per_row,
                                       const IndexVector& actions, const RealVector& old_log_prob,
                                       const RealVector& advantages, double clip_range,
                                       const ObjectiveRows<T>& out, const Vector<T>& ratio,
                                       const GradientOptions& options) {
    const StandardFloatEnvironment environment;
    return with_repeated_rows(
        logits, samples_per_row, actions, out, options,
        [&](const Matrix<const T>& rows, const ObjectiveRows<T>& of_rows, const GradientOptions& of_samples) {
        return clipped_surrogate(rows, actions, old_log_prob, advantages, clip_range, of_rows, ratio,
                                 of_samples);
    });
}

}  // namespace

void require_option(const ObjectiveOption& option, double value) {
    if (option.is_open ? value > option.least : value >= option.least) return;
    char message[200];
    std::snprintf(message, sizeof message, "%s must be %s %g, got %g", option.name,
                  option.is_open ? "greater than" : "at least", option.least, value);
    throw std::invalid_argument(message);
}

#define SCOREFN_DEFINE(T)                                                                                   \
    double policy_gradient(Matrix<const T> logits, IndexVector actions, RealVector weights,                 \
                           ObjectiveRows<T> out, const GradientOptions& options) {                          \
        return policy_gradient<T>(logits, actions, weights, out, options);                                  \
    }                                                                                                       \
    double policy_gradient(Matrix<const T> logits, std::int64_t samples_per_row, IndexVector actions,       \
                           RealVector weights, ObjectiveRows<T> out, const GradientOptions& options) {      \
        return policy_gradient<T>(logits, samples_per_row, actions, weights, out, options);                 \
    }                                                                                                       \
    ClippedSurrogateSums clipped_surrogate(                                                                 \
        Matrix<const T> logits, IndexVector actions, RealVector old_log_prob, RealVector advantages,        \
        double clip_range, ObjectiveRows<T> out, Vector<T> ratio, const GradientOptions& options) {         \
        return clipped_surrogate<T>(logits, actions, old_log_prob, advantages, clip_range, out, ratio,      \
                                    options);                                                               \
    }                                                                                                       \
    ClippedSurrogateSums clipped_surrogate(Matrix<const T> logits, std::int64_t samples_per_row,            \
                                           IndexVector actions, RealVector old_log_prob,                    \
                                           RealVector advantages, double clip_range, ObjectiveRows<T> out,  \
                                           Vector<T> ratio, const GradientOptions& options) {               \
        return clipped_surrogate<T>(logits, samples_per_row, actions, old_log_prob, advantages, clip_range, \
                                    out, ratio, options);                                                   \
    }                                                                                                       \
    void score_gradient(Matrix<const T> logits, IndexVector actions, const Objective& objective,            \
                        Matrix<T> out, ObjectiveResults<T>& results, const ObjectiveOptions<T>& options) {  \
        row_gradients<T>(logits, actions, objective, out, results, options);                                \
    }                                                                                                       \
    void derivatives(const Objective& objective, Vector<const T> log_prob, Vector<T> out,                   \
                     ObjectiveResults<T>& results, int num_threads) {                                       \
        derivatives<T>(objective, log_prob, out, results, num_threads);                                     \
    }
SCOREFN_DEFINE(float)
SCOREFN_DEFINE(double)

}  // namespace scorefn
