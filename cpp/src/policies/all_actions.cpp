// An objective over all actions on rows of logits and on a table: no action is drawn. For linear policies: linear.cpp.

#include <scorefn/objectives.hpp>

#include "policies/objective_pass.hpp"
#include "policies/table_terms.hpp"

namespace scorefn {
namespace {

template <class T>
void score_gradient(const Matrix<const T>& logits, const AllActionObjective<T>& objective,
                    const Matrix<T>& out, ObjectiveResults<T>& results, const PassOptions& options) {
    const StandardFloatEnvironment environment;
    const TermPass<T> terms(objective, options.entropy_coef, results.term);
    require_logits("logits", logits, options.where);
    require_shape("gradient", out, logits.rows, logits.cols);
    terms.check_alone(results, logits.rows);
    terms.check_matrix(options, logits.rows, logits.cols, logits);
    RowSums<1> sums(logits.rows, rows_per_task(logits.cols));
    run_rows(logits, nullptr, options, [&](const LogitRows<T>& task, std::int64_t of_task, void* scratch) {
        double* const sum = sums.of_row(of_task);
        return terms.run(task, terms.matrix_rows(of_task, task.rows), of_task, sum, scratch,
                         [&](const LogitRows<T>& rows, std::int64_t first, const RowTerms<T>* of_rows) {
            const std::int64_t bad =
                kernels().of<T>().all_action_gradient(rows, *of_rows, from(results.entropy, first), sum,
                                                      out_rows(out, first), options.accumulate, scratch);
            clear_invalid(rows.valid, first, rows.rows, results);
            return bad;
        });
    }, options.accumulate);
    results.sums[0] = *sums.total(options.num_threads);
}

// Each visited state once, with the sum of its samples' weights.
template <class T>
void tabular_gradient(const Matrix<const T>& table, const IndexVector& states,
                      const AllActionObjective<T>& objective, const Matrix<T>& out,
                      ObjectiveResults<T>& results, const PassOptions& options) {
    const StandardFloatEnvironment environment;
    const TermPass<T> terms(objective, options.entropy_coef, results.term);
    require_logits("table", table, options.where);
    require_shape("out", out, table.rows, table.cols);
    require_view("states", states);
    terms.check_alone(results, states.size);
    require_shape("term.matrix", objective.matrix, table.rows, table.cols);
    const SampleIndices samples(states, table.rows, options.valid);
    samples.require_in_range(options.num_threads);
    const RowsBefore<T> before(table, out, true);
    TableTerms<T> of_states(before.rows(), samples, objective, options.entropy_coef, options);
    of_states.check("table");

    const Uninterruptible to_the_end(options.accumulate);
    if (!options.accumulate)
        for (std::int64_t i = 0; i < out.rows; ++i)
            for (std::int64_t j = 0; j < out.cols; ++j) out(i, j) = 0;
    const Zeros<T> entropies(results.entropy.data ? table.rows : 0);
    results.sums[0] =
        of_states.add_to(out, results.entropy.data ? Vector<T>(entropies.data(), table.rows) : Vector<T>());
    if (results.term.data) of_states.store_values(results.term);
    if (results.entropy.data) of_states.store_values(entropies.data(), results.entropy);
    clear_invalid(valid_rows(options.valid), 0, states.size, results);
}

}  // namespace

#define SCOREFN_DEFINE(T)                                                                                    \
    void score_gradient(Matrix<const T> logits, const AllActionObjective<T>& objective, Matrix<T> out,       \
                        ObjectiveResults<T>& results, const PassOptions& options) {                          \
        score_gradient<T>(logits, objective, out, results, options);                                         \
    }                                                                                                        \
    void tabular_gradient(Matrix<const T> table, IndexVector states, const AllActionObjective<T>& objective, \
                          Matrix<T> out, ObjectiveResults<T>& results, const PassOptions& options) {         \
        tabular_gradient<T>(table, states, objective, out, results, options);                                \
    }
SCOREFN_DEFINE(float)
SCOREFN_DEFINE(double)

}  // namespace scorefn
