// An objective on a table: one softmax for each state, log pi of each sample from them, then the sums of REINFORCE with the
// derivatives as weights. Cost: samples + states * actions.

#include <algorithm>
#include <atomic>
#include <scorefn/objectives.hpp>

#include "policies/objective_pass.hpp"
#include "policies/table_terms.hpp"
#include "runtime/memory.hpp"

namespace scorefn {
namespace {

// log pi(. | s) and H(pi(. | s)) of every state that has an allowed action.
template <class T>
class StateDistributions {
public:
    StateDistributions(const Matrix<const T>& table, const Options& options)
        : table_(table),
          where_(options.where),
          log_pi_(table.rows * table.cols),
          entropies_(table.rows),
          is_bad_(table.rows) {
        for_each_task(table.rows, table.cols, options.num_threads,
                      [&](std::int64_t first, std::int64_t count) {
            fill(first, count);
            return true;
        }, scratch_bytes(table.cols));
    }

    T log_prob(std::int64_t state, std::int64_t action) const {
        return log_pi_[state * table_.cols + action];
    }
    T entropy(std::int64_t state) const { return entropies_[state]; }
    bool is_bad(std::int64_t state) const { return is_bad_[state]; }

private:
    // The kernel stops at a state without an allowed action. Those before it are then done on their own.
    void fill(std::int64_t first, std::int64_t count) {
        while (count > 0) {
            const std::int64_t bad = run(first, count);
            if (bad < 0) return;
            if (bad > 0) run(first, bad);
            is_bad_[first + bad] = true;
            std::fill_n(log_pi_.data() + (first + bad) * table_.cols, table_.cols, T(0));
            entropies_[first + bad] = 0;
            first += bad + 1, count -= bad + 1;
        }
    }
    std::int64_t run(std::int64_t first, std::int64_t count) {
        const Kernels<T>& kernel = kernels().of<T>();
        const LogitRows<T> rows = logit_rows(table_, where_, first, count);
        void* const scratch = thread_scratch(scratch_bytes(table_.cols));
        const std::int64_t bad = kernel.log_softmax(
            rows, {log_pi_.data() + first * table_.cols, table_.cols, table_.cols, 1}, scratch);
        return bad >= 0 ? bad : kernel.entropy(rows, entropies_.data() + first, 1, scratch);
    }

    const Matrix<const T>& table_;
    const Matrix<const bool>& where_;
    const Array<T> log_pi_, entropies_;
    const Zeros<bool> is_bad_;
};

template <class T>
class TableObjective {
public:
    TableObjective(const Matrix<const T>& table, const IndexVector& states, const IndexVector& actions,
                   const ObjectivePass<T>& pass, const GradientOptions& options)
        : states_(states),
          actions_(actions),
          pass_(pass),
          options_(options),
          num_states_(table.rows),
          num_actions_(table.cols),
          distributions_(table, options),
          weights_(states.size) {}

    // The derivatives of the samples first .. first + count - 1, and their sums; false if an index was changed meanwhile.
    bool differentiate(std::int64_t first, std::int64_t count, double* sums) {
        std::int64_t state[tuning::kMostRowsPerTask], action[tuning::kMostRowsPerTask];
        if (!kernels().load_indices(states_, first, count, num_states_, state) ||
            !kernels().load_indices(actions_, first, count, num_actions_, action))
            return false;
        ObjectiveContext<T> context = pass_.context(first);
        const RowObjective<T> objective = pass_.row_objective(context);
        const Vector<T> log_probs = pass_.log_prob(first), entropies = pass_.entropy(first);
        double entropy = 0;
        constexpr int kLanes = 64 / sizeof(T);
        for (std::int64_t i = 0; i < count; i += kLanes) {
            alignas(64) T log_prob[kLanes] = {}, w[kLanes];
            const int rows = static_cast<int>(std::min<std::int64_t>(kLanes, count - i));
            for (int r = 0; r < rows; ++r) {
                const std::int64_t s = state[i + r];
                if (distributions_.is_bad(s)) lower(first_bad_state_, s);
                log_prob[r] = distributions_.log_prob(s, action[i + r]);
                entropy += static_cast<double>(distributions_.entropy(s));
            }
            objective.coefficients(&context, i, rows, log_prob, w);
            std::copy_n(w, rows, weights_.data() + first + i);
            for (int r = 0; log_probs.data && r < rows; ++r) log_probs[i + r] = log_prob[r];
            for (int r = 0; entropies.data && r < rows; ++r)
                entropies[i + r] = distributions_.entropy(state[i + r]);
        }
        pass_.add_sums(context, sums);
        if (options_.entropy_coef != 0) sums[0] += options_.entropy_coef * entropy;
        return true;
    }
    void throw_if_bad() const {
        if (first_bad_state_ < num_states_) throw_no_allowed_action("table", first_bad_state_);
    }
    RealVector weights() const { return {weights_.data(), states_.size}; }

private:
    const IndexVector& states_;
    const IndexVector& actions_;
    const ObjectivePass<T>& pass_;
    const GradientOptions& options_;
    const std::int64_t num_states_, num_actions_;
    const StateDistributions<T> distributions_;
    const Array<T> weights_;
    std::atomic<std::int64_t> first_bad_state_{num_states_};
};

template <class T>
void add_terms(const Matrix<const T>& table, const IndexVector& states, const ObjectiveOptions<T>& options,
               const Matrix<T>& out, ObjectiveResults<T>& results) {
    TableTerms<T> terms(table, states, options);
    results.sums[0] += terms.add_to(out);
    if (!results.term.data) return;
    for_each_task(states.size, 1, options.num_threads, [&](std::int64_t first, std::int64_t count) {
        std::int64_t state[tuning::kMostRowsPerTask];
        if (!kernels().load_indices(states, first, count, table.rows, state)) return false;
        for (std::int64_t i = 0; i < count; ++i) results.term[first + i] = terms.value(state[i]);
        return true;
    });
}

template <class T>
void tabular_gradient(const Matrix<const T>& table, const IndexVector& states, const IndexVector& actions,
                      const Objective& objective, const Matrix<T>& out, ObjectiveResults<T>& results,
                      const ObjectiveOptions<T>& with_terms) {
    const StandardFloatEnvironment environment;
    const GradientOptions options = gradient_options(with_terms);
    const ObjectivePass<T> pass(objective, results);
    const TermPass<T> terms(with_terms, results.term);
    require_logits("table", table, options.where);
    if (terms.has_matrix()) require_shape("term_matrix", with_terms.term_matrix, table.rows, table.cols);
    terms.check(states.size);
    require_view("states", states);
    require_size("actions", actions, states.size);
    pass.check(states.size);
    require_in_range("states", states, table.rows, "states", options.num_threads);
    require_in_range("actions", actions, table.cols, "actions", options.num_threads);
    TableObjective<T> samples(table, states, actions, pass, options);
    RowSums<kMostTerms> sums(states.size, 1);
    if (!for_each_task(states.size, 1, options.num_threads, [&](std::int64_t first, std::int64_t count) {
        return samples.differentiate(first, count, sums.of_row(first));
    }))
        throw std::runtime_error("states or actions were changed during the call");
    samples.throw_if_bad();
    scorefn::tabular_gradient(table, states, actions, samples.weights(), out, options);
    pass.set_sums(sums.total(options.num_threads));
    if (terms.is_given()) add_terms(table, states, with_terms, out, results);
}

}  // namespace

#define SCOREFN_DEFINE(T)                                                                          \
    void tabular_gradient(Matrix<const T> table, IndexVector states, IndexVector actions,          \
                          const Objective& objective, Matrix<T> out, ObjectiveResults<T>& results, \
                          const ObjectiveOptions<T>& options) {                                    \
        tabular_gradient<T>(table, states, actions, objective, out, results, options);             \
    }
SCOREFN_DEFINE(float)
SCOREFN_DEFINE(double)

}  // namespace scorefn
