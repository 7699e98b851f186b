// REINFORCE on samples that share rows of logits.

#include <scorefn/gradient.hpp>

#include "policies/samples.hpp"
#include "policies/table_rows.hpp"

namespace scorefn {
namespace {

// For the first sample with a weight whose action has probability 0.
template <class T>
[[noreturn]] void throw_impossible(const WeightedSamples& samples, const Matrix<const T>& table,
                                   const Matrix<const bool>& where) {
    for (std::int64_t i = 0; i < samples.indices.size; ++i)
        samples.for_each(i, i + 1, [&](std::int64_t state, std::int64_t action, double weight) {
            const bool is_allowed =
                !where || bytes_of(where)[state * where.row_stride + action * where.col_stride];
            const bool is_possible =
                is_allowed && table(state, action) != -std::numeric_limits<T>::infinity();
            if (!is_possible && weight != 0) samples.indices.throw_impossible(i);
        });
    throw std::runtime_error("logits or actions were changed during the call");
}

template <class T>
void run(const char* name, const Matrix<const T>& table, const IndexVector* states,
         std::int64_t samples_per_state, const IndexVector& actions, const RealVector& weights,
         const Matrix<T>& out, const GradientOptions& options) {
    const StandardFloatEnvironment environment;
    require_logits(name, table, options.where);
    require_shape("out", out, table.rows, table.cols);
    if (states) require_view("states", *states);
    require_size("actions", actions, states ? states->size : table.rows * samples_per_state);
    require_size("weights", weights, actions.size);

    const SampleIndices indices(states, samples_per_state, actions, table.rows, table.cols, options.valid);
    const WeightedSamples samples(indices, weights);
    const StatisticsScale scale =
        options.statistics
            ? statistics_scale(weights, indices.valid(), options.entropy_coef, options.num_threads)
            : StatisticsScale{};
    TabularGradient<T, WeightedSamples> gradient(name, table, samples, out, options, scale);
    sum_over_samples(gradient);
    if (!gradient.all_possible()) throw_impossible(samples, table, options.where);
}

// One row of logits for all samples.
template <class T>
void shared_row(const Vector<const T>& logits, const IndexVector& actions, const RealVector& weights,
                const Vector<T>& out, const GradientOptions& options) {
    require_view("logits", logits);
    require_size("out", out, logits.size);
    try {
        run<T>("logits", {logits.data, 1, logits.size, 0, logits.stride}, nullptr, actions.size, actions,
               weights, {out.data, 1, out.size, 0, out.stride}, options);
    } catch (const NoAllowedAction&) {
        throw_no_allowed_action("logits", -1);  // there is but one row
    }
}

}  // namespace

#define SCOREFN_DEFINE(T)                                                                               \
    void tabular_gradient(Matrix<const T> table, IndexVector states, IndexVector actions,               \
                          RealVector weights, Matrix<T> out, const GradientOptions& options) {          \
        run<T>("table", table, &states, 0, actions, weights, out, options);                             \
    }                                                                                                   \
    void score_gradient(Matrix<const T> logits, std::int64_t samples_per_row, IndexVector actions,      \
                        RealVector weights, Matrix<T> out, const GradientOptions& options) {            \
        run<T>("logits", logits, nullptr, samples_per_row, actions, weights, out, options);             \
    }                                                                                                   \
    void score_gradient(Vector<const T> logits, IndexVector actions, RealVector weights, Vector<T> out, \
                        const GradientOptions& options) {                                               \
        shared_row<T>(logits, actions, weights, out, options);                                          \
    }
SCOREFN_DEFINE(float)
SCOREFN_DEFINE(double)

}  // namespace scorefn
