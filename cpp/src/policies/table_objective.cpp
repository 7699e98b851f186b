// An objective on samples that share rows of logits: one softmax for each row, log pi of each sample from them, then the sums
// of REINFORCE with the derivatives as weights. Cost: samples + states * actions.

#include <algorithm>
#include <atomic>
#include <optional>
#include <scorefn/objectives.hpp>

#include "policies/objective_pass.hpp"
#include "policies/table_rows.hpp"
#include "policies/table_terms.hpp"

namespace scorefn {
namespace {

// log pi(. | s) and, if it is wanted, H(pi(. | s)) of every state that has an allowed action.
template <class T>
class StateDistributions {
public:
    StateDistributions(const Matrix<const T>& table, bool has_entropies, const Options& options)
        : table_(table),
          where_(options.where),
          has_entropies_(has_entropies),
          team_(team_for(table.rows, table.cols, options.num_threads)),
          log_pi_(table.rows * table.cols),
          entropies_(table.rows),
          is_bad_(table.rows) {
        for_each_task(table.rows, table.cols, team_.parallel_for ? 1 : options.num_threads,
                      [&](std::int64_t first, std::int64_t count) {
            fill(first, count);
            return true;
        }, scratch_bytes(table.cols));
    }

    const T* log_pi() const { return log_pi_.data(); }  // (states, actions)
    const T* entropies() const { return entropies_.data(); }
    bool has_entropies() const { return has_entropies_; }

    // Throws for the first state without an allowed action,
    void require_allowed_actions(const char* name) const {
        if (!has_bad_) return;
        throw_no_allowed_action(
            name, std::find(is_bad_.data(), is_bad_.data() + table_.rows, true) - is_bad_.data());
    }
    // or for the first one that a sample is of, whatever its derivative.
    void require_allowed_actions(const char* name, const SampleIndices& samples, int num_threads) const {
        if (!has_bad_) return;
        constexpr std::int64_t kAtATime = SampleIndices::kAtATime;
        std::atomic<std::int64_t> first_bad{table_.rows};
        const auto look_at = [&](std::int64_t, std::int64_t state, std::int64_t) {
            if (is_bad_[state]) lower(first_bad, state);
        };
        if (!for_each_task(samples.size, 1, num_threads, [&](std::int64_t first, std::int64_t count) {
            bool good = true;
            for (std::int64_t i = 0; good && i < count; i += kAtATime)
                good = samples.for_each(first + i, std::min(kAtATime, count - i), look_at);
            return good;
        }))
            samples.throw_out_of_range(num_threads);
        if (first_bad < table_.rows) throw_no_allowed_action(name, first_bad);
    }

private:
    // In runs of states with an allowed action, at whose end the kernel would stop, or without.
    void fill(std::int64_t first, std::int64_t count) {
        const std::int64_t end = first + count;
        for (std::int64_t last; first < end; first = last) {
            const bool is_good = has_allowed_action(table_, where_, first);
            for (last = first + 1; last < end && has_allowed_action(table_, where_, last) == is_good;
                 ++last) {}
            if (is_good && run(first, last - first) < 0) continue;
            has_bad_ = true;
            std::fill(is_bad_.data() + first, is_bad_.data() + last, true);
            std::fill(entropies_.data() + first, entropies_.data() + last, T(0));
            std::fill(log_pi_.data() + first * table_.cols, log_pi_.data() + last * table_.cols, T(0));
        }
    }
    std::int64_t run(std::int64_t first, std::int64_t count) {
        const Kernels<T>& kernel = kernels().of<T>();
        const LogitRows<T> rows = logit_rows(table_, where_, first, count, team_);
        void* const scratch = thread_scratch(scratch_bytes(table_.cols));
        const std::int64_t bad = kernel.log_softmax(
            rows, {log_pi_.data() + first * table_.cols, table_.cols, table_.cols, 1}, scratch);
        if (bad >= 0 || !has_entropies_) return bad;
        return kernel.entropy(rows, entropies_.data() + first, 1, scratch);
    }

    const Matrix<const T>& table_;
    const Matrix<const bool>& where_;
    const bool has_entropies_;
    const Team team_;
    const Array<T> log_pi_, entropies_;
    const Zeros<bool> is_bad_;
    std::atomic<bool> has_bad_{false};
};

// Samples whose weights are the derivatives of an objective with respect to their log-probabilities.
template <class T>
class ObjectiveSamples {
public:
    static constexpr bool may_have_statistics = false;
    const SampleIndices& indices;

    ObjectiveSamples(const SampleIndices& indices, const StateDistributions<T>& distributions,
                     const ObjectivePass<T>& pass, double entropy_coef)
        : indices(indices),
          distributions_(distributions),
          pass_(pass),
          entropy_coef_(entropy_coef),
          sums_(indices.size, tuning::kSmallestTableChunk) {}

    // See table_rows.hpp. Ranges begin at least kSmallestTableChunk samples apart.
    template <class Visit>
    bool for_each(std::int64_t first, std::int64_t end, Visit visit) const {
        constexpr std::int64_t kAtATime = SampleIndices::kAtATime;
        // In range, even if a flag is changed on the way and a sample counts after all.
        std::int64_t state[kAtATime] = {}, action[kAtATime] = {};
        alignas(64) T log_probs[kAtATime] = {}, derivative[kAtATime], entropies[kAtATime];
        auto context = pass_.context(first);
        const T *const log_pi = distributions_.log_pi(), *const entropy_of = distributions_.entropies();
        const std::int64_t num_actions = indices.num_actions;
        double sum_of_entropies = 0;
        const std::int64_t size = std::min(end, indices.size) - first;
        for (std::int64_t i = 0; i < size; i += kAtATime) {
            const std::int64_t count = std::min(kAtATime, size - i);
            const Values log_prob(pass_.log_prob(first + i), count, log_probs);
            if (indices.valid().flags) std::fill_n(log_prob.values, count, T(0));
            if (!indices.for_each(first + i, count, [&](std::int64_t k, std::int64_t s, std::int64_t a) {
                state[k] = s, action[k] = a;
                log_prob.values[k] = log_pi[s * num_actions + a];
            }))
                return false;
            log_prob.store();
            if (distributions_.has_entropies()) {
                const Values entropy(pass_.entropy(first + i), count, entropies);
                for (std::int64_t k = 0; k < count; ++k) entropy.values[k] = entropy_of[state[k]];
                for (std::int64_t k = 0; k < count && entropy_coef_ != 0; ++k)
                    if (indices.is_valid(first + i + k))
                        sum_of_entropies += static_cast<double>(entropy.values[k]);
                entropy.store();
            }
            pass_.differentiate(context, i, count, log_prob.values, derivative);
            for (std::int64_t k = 0; k < count; ++k)
                if (indices.is_valid(first + i + k))
                    visit(state[k], action[k], static_cast<double>(derivative[k]));
            pass_.clear_invalid(first + i, count);
        }
        double* const sums = sums_.of_row(first);
        pass_.add_sums(context, sums);
        if (entropy_coef_ != 0) sums[0] += entropy_coef_ * sum_of_entropies;
        return true;
    }

    void set_sums(int num_threads) const { pass_.set_sums(sums_.total(num_threads)); }

private:
    // Values of some samples, written to the result right away if it is wanted and has room for whole tiles there, else to a
    // buffer first.
    struct Values {
        const Vector<T> result;
        const std::int64_t count;
        const bool is_in_place;
        T* const values;

        Values(const Vector<T>& result, std::int64_t count, T* buffer)
            : result(result),
              count(count),
              is_in_place(result.data && result.stride == 1 && count == SampleIndices::kAtATime),
              values(is_in_place ? result.data : buffer) {}
        void store() const {
            for (std::int64_t k = 0; k < count && result.data && !is_in_place; ++k) result[k] = values[k];
        }
    };

    const StateDistributions<T>& distributions_;
    const ObjectivePass<T>& pass_;
    const double entropy_coef_;
    mutable RowSums<kMostTerms> sums_;
};

template <class T>
void sum_over_samples(const char* name, const Matrix<const T>& table, const SampleIndices& indices,
                      const StateDistributions<T>& distributions, const ObjectivePass<T>& pass,
                      const Matrix<T>& out, const GradientOptions& options) {
    if (!options.may_write_on_error) indices.require_in_range(options.num_threads);
    const ObjectiveSamples<T> samples(indices, distributions, pass, options.entropy_coef);
    TabularGradient<T, ObjectiveSamples<T>> gradient(name, table, samples, out, options);
    sum_over_samples(gradient);
    samples.set_sums(options.num_threads);
}

// Coefficients of the entropies that are one per sample: a number for all of them is the gradient's own.
PerRow entropies_of_each(const PassOptions& options) {
    return options.entropy_coef.each.data ? options.entropy_coef : PerRow();
}

template <class T>
void tabular_gradient(const Matrix<const T>& table, const IndexVector& states, const IndexVector& actions,
                      const Objective& objective, const Matrix<T>& out, ObjectiveResults<T>& results,
                      const ObjectiveOptions<T>& with_terms) {
    const StandardFloatEnvironment environment;
    const GradientOptions options = gradient_options(with_terms);
    const ObjectivePass<T> pass(objective, results, options.valid);
    const AllActionObjective<T>& term = with_terms.term;
    const TermPass<T> terms(term, with_terms.entropy_coef, results.term);
    require_logits("table", table, options.where);
    require_shape("out", out, table.rows, table.cols);
    if (terms.has_matrix()) require_shape("term.matrix", term.matrix, table.rows, table.cols);
    require_view("states", states);
    require_size("actions", actions, states.size);
    pass.check(states.size, options.num_threads);
    terms.check(states.size);
    const SampleIndices samples(&states, 0, actions, table.rows, table.cols, options.valid);
    const bool has_entropies = results.entropy.data || options.entropy_coef != 0;
    const StateDistributions<T> distributions(table, has_entropies, options);
    distributions.require_allowed_actions("table", samples, options.num_threads);
    const RowsBefore<T> before(table, out, terms.is_given());
    std::optional<TableTerms<T>> of_states;  // with its checks before anything is written
    if (terms.is_given()) {
        of_states.emplace(before.rows(), samples, term, entropies_of_each(with_terms), options);
        of_states->check("table");
    }
    sum_over_samples("table", table, samples, distributions, pass, out, options);
    if (!of_states) return;
    results.sums[0] += of_states->add_to(out);
    if (results.term.data) of_states->store_values(results.term);
}

// Rows of logits with several samples each: a table whose states are the rows.
template <class T>
void score_gradient(const Matrix<const T>& logits, std::int64_t samples_per_row, const IndexVector& actions,
                    const Objective& objective, const Matrix<T>& out, ObjectiveResults<T>& results,
                    const ObjectiveOptions<T>& with_terms) {
    const StandardFloatEnvironment environment;
    const GradientOptions options = gradient_options(with_terms);
    ObjectiveResults<T> of_samples = results;
    of_samples.entropy = of_samples.term = {};
    const ObjectivePass<T> pass(objective, of_samples, options.valid);
    const AllActionObjective<T>& term = with_terms.term;
    const TermPass<T> terms(term, with_terms.entropy_coef, of_samples.term);
    require_logits("logits", logits, options.where);
    require_shape("gradient", out, logits.rows, logits.cols);
    if (terms.has_matrix()) require_shape("term.matrix", term.matrix, logits.rows, logits.cols);
    require_size("actions", actions, logits.rows * samples_per_row);
    pass.check(actions.size, options.num_threads);
    terms.check(actions.size);
    if (is_given(results.entropy)) require_size("entropy", results.entropy, logits.rows);
    if (is_given(results.term)) require_size("term", results.term, logits.rows);
    const SampleIndices samples(nullptr, samples_per_row, actions, logits.rows, logits.cols, options.valid);
    const bool has_entropies = results.entropy.data || options.entropy_coef != 0;
    const StateDistributions<T> distributions(logits, has_entropies, options);
    const RowsWithSamples with_samples(options, logits.rows, samples_per_row);
    const ValidRows rows = valid_rows(with_samples.options().valid);
    if (rows.flags)
        distributions.require_allowed_actions("logits", samples, options.num_threads);
    else
        distributions.require_allowed_actions("logits");
    const RowsBefore<T> before(logits, out, terms.is_given());
    std::optional<TableTerms<T>> of_rows;
    if (terms.is_given()) {
        of_rows.emplace(before.rows(), samples, term, entropies_of_each(with_terms), options);
        of_rows->check("logits");
    }
    sum_over_samples("logits", logits, samples, distributions, pass, out, options);
    std::copy_n(of_samples.sums, kMostTerms, results.sums);
    for (std::int64_t i = 0; i < results.entropy.size; ++i) results.entropy[i] = distributions.entropies()[i];
    clear_invalid(rows, 0, results.entropy.size, results.entropy);
    if (!of_rows) return;
    results.sums[0] += of_rows->add_to(out);
    for (std::int64_t i = 0; i < results.term.size; ++i) results.term[i] = of_rows->value(i);
}

}  // namespace

#define SCOREFN_DEFINE(T)                                                                          \
    void tabular_gradient(Matrix<const T> table, IndexVector states, IndexVector actions,          \
                          const Objective& objective, Matrix<T> out, ObjectiveResults<T>& results, \
                          const ObjectiveOptions<T>& options) {                                    \
        tabular_gradient<T>(table, states, actions, objective, out, results, options);             \
    }                                                                                              \
    void score_gradient(Matrix<const T> logits, std::int64_t samples_per_row, IndexVector actions, \
                        const Objective& objective, Matrix<T> out, ObjectiveResults<T>& results,   \
                        const ObjectiveOptions<T>& options) {                                      \
        score_gradient<T>(logits, samples_per_row, actions, objective, out, results, options);     \
    }
SCOREFN_DEFINE(float)
SCOREFN_DEFINE(double)

}  // namespace scorefn
