#include <limits>
#include <scorefn/objectives.hpp>

#include "policies/objective_pass.hpp"
#include "policies/term_pass.hpp"

namespace scorefn {
namespace {

template <class T>
void require_rows(const ObjectiveRows<T>& out, const Matrix<const T>& logits, std::int64_t samples) {
    require_shape("gradient", out.gradient, logits.rows, logits.cols);
    require_size("log_prob", out.log_prob, samples);
    require_size("entropy", out.entropy, logits.rows);
}

template <class T>
ObjectiveResults<T> results_of(const ObjectiveRows<T>& rows, const Vector<T>& ratio) {
    ObjectiveResults<T> results;
    results.log_prob = rows.log_prob, results.entropy = rows.entropy, results.writes[0] = ratio;
    return results;
}

template <class T>
double policy_gradient(const Matrix<const T>& logits, const IndexVector& actions, const RealVector& weights,
                       const ObjectiveRows<T>& out, const GradientOptions& options) {
    const StandardFloatEnvironment environment;
    require_logits("logits", logits, options.where);
    require_rows(out, logits, logits.rows);
    require_size("weights", weights, logits.rows);
    const Kernels<T>& table = kernels().of<T>();
    RowSums<1> sums(logits.rows, rows_per_task(logits.cols));
    run_rows(logits, &actions, options, [&](const LogitRows<T>& rows, std::int64_t first, void* scratch) {
        const RealVector w = from(weights, first);
        const GradientRows<T> of_rows = {from(actions, first), options.entropy_coef,
                                         from(out.log_prob, first), from(out.entropy, first),
                                         sums.of_row(first)};
        const std::int64_t bad = table.weighted_log_prob_gradient(
            rows, &w, of_rows, out_rows(out.gradient, first), options.accumulate, scratch);
        clear_invalid(rows.valid, first, rows.rows, out.log_prob);
        clear_invalid(rows.valid, first, rows.rows, out.entropy);
        return bad;
    }, options.accumulate);
    return *sums.total(options.num_threads);
}

template <class T>
double policy_gradient(const Matrix<const T>& logits, std::int64_t samples_per_row,
                       const IndexVector& actions, const RealVector& weights, const ObjectiveRows<T>& out,
                       const GradientOptions& options) {
    require_rows(out, logits, logits.rows * samples_per_row);
    ObjectiveResults<T> results = results_of(out, {});
    scorefn::score_gradient(logits, samples_per_row, actions, WeightedLogProb{weights}, out.gradient, results,
                            options);
    return results.sums[0];
}

// One objective on rows of logits.
template <class T>
void row_gradients(const Matrix<const T>& logits, const IndexVector& actions, const Objective& objective,
                   const Matrix<T>& out, ObjectiveResults<T>& results, const ObjectiveOptions<T>& options) {
    const StandardFloatEnvironment environment;
    const ObjectivePass<T> pass(objective, results, options.valid);
    const TermPass<T> term_pass(options.term, options.entropy_coef, results.term);
    require_logits("logits", logits, options.where);
    require_shape("gradient", out, logits.rows, logits.cols);
    pass.check(logits.rows, options.num_threads);
    term_pass.check(logits.rows);
    term_pass.check_matrix(options, logits.rows, logits.cols, logits);
    RowSums<kMostTerms> sums(logits.rows, rows_per_task(logits.cols));
    run_rows(logits, &actions, options, [&](const LogitRows<T>& task, std::int64_t of_task, void* scratch) {
        double* const sum = sums.of_row(of_task);
        return term_pass.run(task, term_pass.matrix_rows(of_task, task.rows), of_task, sum, scratch,
                             [&](const LogitRows<T>& rows, std::int64_t first, const RowTerms<T>* terms) {
            auto context = pass.context(first);
            const GradientRows<T> given = {from(actions, first),
                                           options.entropy_coef.number,
                                           pass.log_prob(first),
                                           pass.entropy(first),
                                           sum,
                                           terms};
            const std::int64_t bad = kernels().of<T>().objective_gradient(
                rows, pass.row_objective(context), given, out_rows(out, first), options.accumulate, scratch);
            pass.add_sums(context, sum);
            pass.clear_invalid(first, rows.rows);
            return bad;
        });
    }, options.accumulate);
    pass.set_sums(sums.total(options.num_threads));
}

template <class T>
ClippedSurrogateSums to_clipped_surrogate_sums(const ObjectiveResults<T>& results, std::int64_t samples,
                                               const Vector<const bool>& valid) {
    std::int64_t count = samples;
    for (std::int64_t i = 0; i < valid.size; ++i) count -= is_valid(valid_rows(valid), i) ? 0 : 1;
    const double n = count > 0 ? static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
    return {results.sums[0], results.sums[1] / n, results.sums[2] / n};
}

template <class T>
ClippedSurrogateSums clipped_surrogate(const Matrix<const T>& logits, const IndexVector& actions,
                                       const RealVector& old_log_prob, const RealVector& advantages,
                                       LowHigh clip_range, const ObjectiveRows<T>& out,
                                       const Vector<T>& ratio, const GradientOptions& options) {
    const StandardFloatEnvironment environment;
    ObjectiveResults<T> results = results_of(out, ratio);
    row_gradients<T>(logits, actions, ClippedSurrogate{old_log_prob, advantages, clip_range}, out.gradient,
                     results, options);
    return to_clipped_surrogate_sums(results, logits.rows, options.valid);
}

template <class T>
ClippedSurrogateSums clipped_surrogate(const Matrix<const T>& logits, std::int64_t samples_per_row,
                                       const IndexVector& actions, const RealVector& old_log_prob,
                                       const RealVector& advantages, LowHigh clip_range,
                                       const ObjectiveRows<T>& out, const Vector<T>& ratio,
                                       const GradientOptions& options) {
    const StandardFloatEnvironment environment;
    require_rows(out, logits, logits.rows * samples_per_row);
    ObjectiveResults<T> results = results_of(out, ratio);
    scorefn::score_gradient(logits, samples_per_row, actions,
                            ClippedSurrogate{old_log_prob, advantages, clip_range}, out.gradient, results,
                            options);
    return to_clipped_surrogate_sums(results, logits.rows * samples_per_row, options.valid);
}

std::string got(double x) {
    char text[40];
    std::snprintf(text, sizeof text, ", got %g", x);
    return text;
}

}  // namespace

std::string Domain::text() const {
    char text[100];
    if (most < kFinite)
        std::snprintf(text, sizeof text, "in %c%g, %g]", is_open ? '(' : '[', least, most);
    else
        std::snprintf(text, sizeof text, "%s%s %g", most == kFinite ? "finite and " : "",
                      is_open ? "greater than" : "at least", least);
    return text;
}

void require_option(const ObjectiveOption& option, const LowHigh& value) {
    const int choices = option.num_choices();
    for (const double x : {value.low, value.high}) {
        if (choices > 0 ? x >= 0 && x < choices : option.domain.has(x)) continue;
        const std::string expected = choices > 0 ? "one of its choices" : option.domain.text();
        throw std::invalid_argument(option.name + (" must be " + expected) + got(x));
    }
}

template <class T>
void require_domain(const SampleNumber& number, const RealVector& values, const ValidRows& valid,
                    int num_threads) {
    if (number.domain.has_all()) return;
    constexpr std::int64_t kAtATime = 2048;
    const std::int64_t tasks = (values.size + kAtATime - 1) / kAtATime;
    std::atomic<std::int64_t> first_bad{values.size};
    parallel_for(tasks, num_threads, [&](std::int64_t task) {
        T x[kAtATime];
        const std::int64_t first = task * kAtATime, count = std::min(kAtATime, values.size - first);
        load(values, first, count, x);
        std::int64_t i = 0;
        while (i < count && (number.domain.has(static_cast<double>(x[i])) || !is_valid(valid, first + i)))
            ++i;
        if (i < count) lower(first_bad, first + i);
    });
    if (first_bad == values.size) return;
    T x;
    load(values, first_bad, 1, &x);
    throw BadValue(
        {number.name, first_bad, " must be " + number.domain.text() + got(static_cast<double>(x))});
}
template void require_domain<float>(const SampleNumber&, const RealVector&, const ValidRows&, int);
template void require_domain<double>(const SampleNumber&, const RealVector&, const ValidRows&, int);

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
        LowHigh clip_range, ObjectiveRows<T> out, Vector<T> ratio, const GradientOptions& options) {        \
        return clipped_surrogate<T>(logits, actions, old_log_prob, advantages, clip_range, out, ratio,      \
                                    options);                                                               \
    }                                                                                                       \
    ClippedSurrogateSums clipped_surrogate(Matrix<const T> logits, std::int64_t samples_per_row,            \
                                           IndexVector actions, RealVector old_log_prob,                    \
                                           RealVector advantages, LowHigh clip_range, ObjectiveRows<T> out, \
                                           Vector<T> ratio, const GradientOptions& options) {               \
        return clipped_surrogate<T>(logits, samples_per_row, actions, old_log_prob, advantages, clip_range, \
                                    out, ratio, options);                                                   \
    }                                                                                                       \
    void score_gradient(Matrix<const T> logits, IndexVector actions, const Objective& objective,            \
                        Matrix<T> out, ObjectiveResults<T>& results, const ObjectiveOptions<T>& options) {  \
        row_gradients<T>(logits, actions, objective, out, results, options);                                \
    }
SCOREFN_DEFINE(float)
SCOREFN_DEFINE(double)

}  // namespace scorefn
