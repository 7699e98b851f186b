// The functions and objectives that every_function.hpp calls.
#pragma once

#include <algorithm>
#include <iterator>
#include <scorefn/scorefn.hpp>

enum class Function {
    // A row's results are its own.
    log_softmax,
    softmax,
    logsumexp,
    log_prob,
    entropy,
    kl_divergence,
    sample,
    score,
    // And others.
    score_gradient,
    score_gradient_of_one_row,
    tabular_gradient,
    linear_gradient,
    policy_gradient,
    clipped_surrogate,
    // The same with other arguments.
    sample_with_entropies,
    sample_of_actions_alone,
    score_gradient_of_an_objective,
    tabular_gradient_of_an_objective,
    linear_gradient_of_an_objective,
    score_gradient_of_all_actions,
    tabular_gradient_of_all_actions,
    linear_gradient_of_all_actions,
    fisher_vector_product,
    fisher_product_of_probabilities,
    // Of other things than policies.
    derivatives,
    discounted_returns,
    generalized_advantages,
    lambda_returns,
    n_step_returns,
    vtrace,
    retrace,
    upgo,
    moments,
    // Of ragged rows, in the order of those above.
    ragged_log_softmax,
    ragged_softmax,
    ragged_logsumexp,
    ragged_log_prob,
    ragged_entropy,
    ragged_kl_divergence,
    ragged_sample,
    ragged_score,
    ragged_score_gradient,
    ragged_score_gradient_of_an_objective,
    ragged_score_gradient_of_all_actions,
    // Of decisions that have several rows.
    derivatives_of_segments,
};
constexpr const char* kFunctionNames[] = {"log_softmax",
                                          "softmax",
                                          "logsumexp",
                                          "log_prob",
                                          "entropy",
                                          "kl_divergence",
                                          "sample",
                                          "score",
                                          "score_gradient",
                                          "score_gradient of one row",
                                          "tabular_gradient",
                                          "linear_gradient",
                                          "policy_gradient",
                                          "clipped_surrogate",
                                          "sample with entropies",
                                          "sample of actions alone",
                                          "score_gradient of an objective",
                                          "tabular_gradient of an objective",
                                          "linear_gradient of an objective",
                                          "score_gradient of all actions",
                                          "tabular_gradient of all actions",
                                          "linear_gradient of all actions",
                                          "fisher_vector_product",
                                          "fisher_product_of_probabilities",
                                          "derivatives",
                                          "discounted_returns",
                                          "generalized_advantages",
                                          "lambda_returns",
                                          "n_step_returns",
                                          "vtrace",
                                          "retrace",
                                          "upgo",
                                          "moments",
                                          "ragged log_softmax",
                                          "ragged softmax",
                                          "ragged logsumexp",
                                          "ragged log_prob",
                                          "ragged entropy",
                                          "ragged kl_divergence",
                                          "ragged sample",
                                          "ragged score",
                                          "ragged score_gradient",
                                          "ragged score_gradient of an objective",
                                          "ragged score_gradient of all actions",
                                          "derivatives of segments"};
constexpr int kFunctions = sizeof kFunctionNames / sizeof kFunctionNames[0];

constexpr bool is_ragged(Function f) {
    return f >= Function::ragged_log_softmax && f <= Function::ragged_score_gradient_of_all_actions;
}
// The function of a matrix that gives the same.
constexpr Function dense(Function f) {
    switch (f) {
        case Function::ragged_score_gradient_of_an_objective: return Function::score_gradient_of_an_objective;
        case Function::ragged_score_gradient_of_all_actions: return Function::score_gradient_of_all_actions;
        default: break;
    }
    const int place = static_cast<int>(f) - static_cast<int>(Function::ragged_log_softmax);
    return is_ragged(f) ? static_cast<Function>(place) : f;
}
static_assert(dense(Function::ragged_score_gradient) == Function::score_gradient);

constexpr bool is_sample(Function f) {
    return dense(f) == Function::sample || f == Function::sample_with_entropies ||
           f == Function::sample_of_actions_alone;
}
constexpr bool is_of_a_table(Function f) {
    return f == Function::tabular_gradient || f == Function::tabular_gradient_of_an_objective ||
           f == Function::tabular_gradient_of_all_actions;
}
constexpr bool is_of_features(Function f) {
    return f == Function::linear_gradient || f == Function::linear_gradient_of_an_objective ||
           f == Function::linear_gradient_of_all_actions || f == Function::fisher_vector_product ||
           f == Function::fisher_product_of_probabilities;
}
constexpr bool is_of_derivatives(Function f) {
    return f == Function::derivatives || f == Function::derivatives_of_segments;
}
constexpr bool is_of_all_actions(Function f) {
    return dense(f) >= Function::score_gradient_of_all_actions &&
           dense(f) <= Function::linear_gradient_of_all_actions;
}
constexpr bool has_objective(Function f) {
    return (dense(f) >= Function::score_gradient_of_an_objective && dense(f) <= Function::derivatives) ||
           is_of_derivatives(f);
}
constexpr bool has_gradient_options(Function f) {
    return (dense(f) >= Function::score_gradient && dense(f) <= Function::clipped_surrogate) ||
           (has_objective(f) && !is_of_derivatives(f));
}

// The objectives of the tests: the declared ones, then the first of them with each term over all actions.
constexpr int kTerms = 3, kObjectives = scorefn::DeclaredObjectives::size + kTerms;
constexpr int place_of(int objective) {
    return objective < scorefn::DeclaredObjectives::size ? objective : 0;
}
constexpr scorefn::AllActions term_of(int objective) {
    return static_cast<scorefn::AllActions>(std::max(0, objective - scorefn::DeclaredObjectives::size + 1));
}

constexpr int objectives(Function f) {
    return is_of_derivatives(f)   ? scorefn::DeclaredObjectives::size
           : is_of_all_actions(f) ? static_cast<int>(std::size(scorefn::kAllActionDeclarations))
           : has_objective(f)     ? kObjectives
                                  : 1;
}
// visit(function, its objective or 0) for all of them, and for each objective.
template <class Visit>
void for_every_function(Visit visit) {
    for (int i = 0; i < kFunctions; ++i) {
        const auto f = static_cast<Function>(i);
        for (int objective = 0; objective < objectives(f); ++objective) visit(f, objective);
    }
}
