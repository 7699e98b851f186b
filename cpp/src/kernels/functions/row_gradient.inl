// The gradient of rows with respect to their logits: of an objective of log pi(a), an entropy bonus, and terms over all
// actions.
#pragma once

#include "kernels/functions/row_terms.inl"
#include "kernels/functions/weighted_scores.inl"
#include "kernels/objectives/objective.inl"
#include "kernels/objectives/weighted_log_prob.inl"

namespace scorefn {
namespace {

// Without entropies: what neither the entropy bonus, nor an objective that depends on log-probs, nor a caller asks for.
template <class T>
std::int64_t gradient_rows(const LogitRows<T>& in, const KnownWeights<T>& weights,
                           const GradientRows<T>& given, const OutRows<T>& out, bool accumulate,
                           void* scratch) {
    return for_each_tile(in, &out, accumulate, false, scratch, [&](auto& rows) SCOREFN_INLINE_LAMBDA {
        Actions<T> actions;
        if (!rows.load(actions, given.actions)) return;
        const Lanes<T> w = weights.coefficients(rows);
        weighted_scores(rows, actions, rows.term_and_rest(actions), w);
        rows.for_each_bad_row([&](int r) { rows.fill_row(r, lane(w, r) == 0 ? T(0) : kNaN<T>); });
    });
}
// With all that there may be. `objective` null: that of the weights.
template <class T>
std::int64_t gradient_rows_with_entropies(const LogitRows<T>& in, KnownWeights<T> weights,
                                          const RowObjective<T>* objective, const GradientRows<T>& given,
                                          const OutRows<T>& out, bool accumulate, void* scratch) {
    const T c = static_cast<T>(given.entropy_coef);
    const bool has_entropies = c != 0 || given.entropy.data || given.terms;
    SumOfRows<T> entropies, of_terms;
    const std::int64_t stopped_at =
        for_each_tile(in, &out, accumulate, true, scratch, [&](auto& rows) SCOREFN_INLINE_LAMBDA {
        Actions<T> actions;
        if (!rows.load(actions, given.actions)) return;
        MaxAndRest<T> sums{};
        if (has_entropies) sums = rows.template max_and_rest<kWithDifferences>();
        const TermAndRest<T> exps = rows.term_and_rest(actions);
        const Lanes<T> log_p = log_prob(rows, actions, exps),
                       h = has_entropies ? entropy(rows, sums) : Lanes<T>{};
        if (given.entropy.data)
            store_rows(h, rows.first(), rows.count, given.entropy.data, given.entropy.stride);
        if (given.log_prob.data)
            store_rows(log_p, rows.first(), rows.count, given.log_prob.data, given.log_prob.stride);
        const Lanes<T> w =
            objective ? call_objective(*objective, rows, log_p) : weights.coefficients(rows, log_p);
        if (given.terms) {
            const TakenActions<T> taken{actions, exps, w};
            of_terms.add(gradient_with_terms(rows, &taken, sums, h, *given.terms), rows.counted());
            return;
        }
        if (c != 0) {
            entropies.add(widen(h), rows.counted());
            weighted_scores_and_entropy(rows, actions, exps, sums, w, c);
        } else {
            weighted_scores(rows, actions, exps, w);
        }
        rows.for_each_bad_row([&](int r) { rows.fill_row(r, c == 0 && lane(w, r) == 0 ? T(0) : kNaN<T>); });
    });
    if (!objective) weights.finish();
    of_terms.add_to(given.objective);
    if (given.objective) *given.objective += given.entropy_coef * canonical(fold_sum(entropies.sum));
    return stopped_at;
}

template <class T>
std::int64_t weighted_log_prob_gradient(const LogitRows<T>& in, const RealVector* weights,
                                        const GradientRows<T>& given, const OutRows<T>& out, bool accumulate,
                                        void* scratch) {
    const KnownWeights<T> known{weights, given.objective, {}};
    if (given.entropy_coef != 0 || given.log_prob.data || given.entropy.data)
        return gradient_rows_with_entropies<T>(in, known, nullptr, given, out, accumulate, scratch);
    return gradient_rows(in, known, given, out, accumulate, scratch);
}

template <class T>
std::int64_t objective_gradient(const LogitRows<T>& in, const RowObjective<T>& objective,
                                const GradientRows<T>& given, const OutRows<T>& out, bool accumulate,
                                void* scratch) {
    return gradient_rows_with_entropies<T>(in, {}, &objective, given, out, accumulate, scratch);
}

// Of the terms alone: no action is taken.
template <class T>
std::int64_t all_action_gradient(const LogitRows<T>& in, const RowTerms<T>& terms, const Vector<T>& entropies,
                                 double* objective, const OutRows<T>& out, bool accumulate, void* scratch) {
    SumOfRows<T> of_terms;
    const std::int64_t stopped_at =
        for_each_tile(in, &out, accumulate, true, scratch, [&](auto& rows) SCOREFN_INLINE_LAMBDA {
        const MaxAndRest<T> sums = rows.template max_and_rest<kWithDifferences>();
        const Lanes<T> h = entropy(rows, sums);
        if (entropies.data) store_rows(h, rows.first(), rows.count, entropies.data, entropies.stride);
        const TakenActions<T>* const none = nullptr;
        of_terms.add(gradient_with_terms(rows, none, sums, h, terms), rows.counted());
    });
    of_terms.add_to(objective);
    return stopped_at;
}

}  // namespace
}  // namespace scorefn
