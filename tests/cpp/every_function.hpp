// Every function of the API, once, for the tests that call all of them.
//
// `call(function, arrays)` makes one call. `arrays` chooses where its arrays lie and what they hold, has all the functions
// that are named here, and is asked for each array of a call once:
//
//     logits, other_logits, table, features, coef, row         matrices of real numbers, and one row
//     actions, states, weights, old_log_prob                   one a sample
//     numbers, flags                                           any; a mask of the shape of the logits
//     gradient(of)                                             for results of the shape of `of`, perhaps in its place
//     matrix, results, drawn_actions, drawn_log_probs          for other results
//     options, gradient_options, clip_range, objective         the last counts the objectives below
//     keep(x)                                                  takes a number that is returned
#pragma once

#include <algorithm>
#include <cstring>
#include <iterator>
#include <scorefn/scorefn.hpp>
#include <vector>

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
    // Of other things than policies.
    derivatives,
    discounted_returns,
    generalized_advantages,
    moments,
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
                                          "derivatives",
                                          "discounted_returns",
                                          "generalized_advantages",
                                          "moments"};
constexpr int kFunctions = sizeof kFunctionNames / sizeof kFunctionNames[0];

constexpr bool is_sample(Function f) {
    return f == Function::sample || f == Function::sample_with_entropies ||
           f == Function::sample_of_actions_alone;
}
constexpr bool is_of_a_table(Function f) {
    return f == Function::tabular_gradient || f == Function::tabular_gradient_of_an_objective ||
           f == Function::tabular_gradient_of_all_actions;
}
constexpr bool is_of_features(Function f) {
    return f == Function::linear_gradient || f == Function::linear_gradient_of_an_objective ||
           f == Function::linear_gradient_of_all_actions;
}
constexpr bool is_of_all_actions(Function f) {
    return f >= Function::score_gradient_of_all_actions && f <= Function::linear_gradient_of_all_actions;
}
constexpr bool has_objective(Function f) {
    return f >= Function::score_gradient_of_an_objective && f <= Function::derivatives;
}
constexpr bool has_gradient_options(Function f) {
    return (f >= Function::score_gradient && f <= Function::clipped_surrogate) ||
           (has_objective(f) && f != Function::derivatives);
}

// The objectives of the tests: the declared ones, then the first of them with each term over all actions.
constexpr int kTerms = 3, kObjectives = scorefn::DeclaredObjectives::size + kTerms;
constexpr int place_of(int objective) {
    return objective < scorefn::DeclaredObjectives::size ? objective : 0;
}
constexpr scorefn::AllActions term_of(int objective) {
    return static_cast<scorefn::AllActions>(std::max(0, objective - scorefn::DeclaredObjectives::size + 1));
}

// visit(function, its objective or 0) for all of them, and for each objective.
template <class Visit>
void for_every_function(Visit visit) {
    for (int i = 0; i < kFunctions; ++i) {
        const auto f = static_cast<Function>(i);
        const int objectives = f == Function::derivatives ? scorefn::DeclaredObjectives::size
                               : is_of_all_actions(f)
                                   ? static_cast<int>(std::size(scorefn::kAllActionDeclarations))
                               : has_objective(f) ? kObjectives
                                                  : 1;
        for (int objective = 0; objective < objectives; ++objective) visit(f, objective);
    }
}

// The declared objective, with its standard options.
template <class Arrays>
scorefn::Objective objective_of(Arrays& a) {
    scorefn::Objective objective{place_of(a.objective()), {}, {}};
    const scorefn::ObjectiveDeclaration& declared =
        scorefn::DeclaredObjectives::declarations[objective.place];
    for (int i = 0; i < scorefn::kMostTerms; ++i) {
        const scorefn::SampleNumber& number = declared.reads[i];
        if (number.name)
            objective.reads[i] = !number.domain.has_all()               ? a.propensities()
                                 : std::strstr(number.name, "log_prob") ? a.old_log_prob()
                                                                        : a.weights();
        objective.options[i] = declared.options[i].standard;
    }
    return objective;
}
// run(objective, its results), whose sums are kept.
template <class T, class Arrays, class Run>
void with_objective(Arrays& a, Run run) {
    const scorefn::Objective objective = objective_of(a);
    scorefn::ObjectiveResults<T> results;
    results.log_prob = a.results();
    results.entropy = a.results();
    if (term_of(a.objective()) != scorefn::AllActions::nothing) results.term = a.results();
    for (int i = 0; i < scorefn::kMostTerms; ++i)
        if (scorefn::DeclaredObjectives::declarations[objective.place].writes[i].name)
            results.writes[i] = a.results();
    run(objective, results);
    for (const double sum : results.sums) a.keep(sum);
}

// With the objective's term, whose matrix is asked for if there is one.
template <class T, class Arrays, class Matrix>
scorefn::ObjectiveOptions<T> objective_options(Arrays& a, Matrix matrix) {
    scorefn::ObjectiveOptions<T> options = a.gradient_options();
    options.term.kind = term_of(a.objective());
    options.term.weights = 0.5;
    if (options.term.kind != scorefn::AllActions::nothing) options.term.matrix = matrix();
    return options;
}

// run(objective, its results), whose sum is kept. The targets of each row are its first action, which every row allows.
template <class T, class Arrays, class Matrix, class Run>
void with_all_actions(Arrays& a, std::int64_t rows, std::int64_t cols, Matrix matrix, Run run) {
    scorefn::AllActionObjective<T> objective;
    objective.kind = scorefn::kAllActionDeclarations[a.objective()].kind;
    objective.weights = a.weights();
    std::vector<T> targets(static_cast<std::size_t>(rows * cols));
    for (std::int64_t i = 0; i < rows; ++i) targets[static_cast<std::size_t>(i * cols)] = 1;
    if (objective.kind == scorefn::AllActions::cross_entropy)
        objective.matrix = scorefn::Matrix<const T>(targets.data(), rows, cols);
    else
        objective.matrix = matrix();
    scorefn::ObjectiveResults<T> results;
    results.entropy = a.results();
    results.term = a.results();
    run(objective, results);
    a.keep(results.sums[0]);
}

template <class T, class Arrays>
void call_all_actions(Function f, Arrays& a) {
    using namespace scorefn;
    using Objective = AllActionObjective<T>;
    if (is_of_a_table(f)) {
        const Matrix<const T> table = a.table();
        return with_all_actions<T>(a, table.rows, table.cols, [&] { return a.table(); },
                                   [&](const Objective& objective, ObjectiveResults<T>& results) {
            tabular_gradient(table, a.states(), objective, a.gradient(table), results, a.gradient_options());
        });
    }
    if (is_of_features(f)) {
        const Matrix<const T> features = a.features(), coef = a.coef();
        return with_all_actions<T>(a, features.rows, coef.cols, [&] { return a.other_logits(); },
                                   [&](const Objective& objective, ObjectiveResults<T>& results) {
            linear_gradient(features, coef, objective, a.gradient(coef), results, a.gradient_options());
        });
    }
    const Matrix<const T> z = a.logits();
    with_all_actions<T>(a, z.rows, z.cols, [&] { return a.other_logits(); },
                        [&](const Objective& objective, ObjectiveResults<T>& results) {
        score_gradient(z, objective, a.gradient(z), results, a.gradient_options());
    });
}

template <class T, class Arrays>
void call_sample(Function f, Arrays& a) {
    using namespace scorefn;
    const Matrix<const T> z = a.logits();
    const Matrix<std::int64_t> actions = a.drawn_actions();
    const Matrix<T> log_probs = f == Function::sample_of_actions_alone ? Matrix<T>{} : a.drawn_log_probs();
    const Vector<T> entropies = f == Function::sample_with_entropies ? a.results() : Vector<T>{};
    sample(z, RandomKey{{1, 2}}, actions, log_probs, entropies, a.options());
}

// Where rewards end and which of them count is the same matrix.
template <class T, class Arrays>
void call_scan(Function f, Arrays& a) {
    using namespace scorefn;
    const Matrix<const T> rewards = a.other_logits(), next_values = a.other_logits();
    const Matrix<const bool> flags = a.flags();
    const ScanOptions options{a.options().num_threads, a.options().may_write_on_error};
    if (f == Function::discounted_returns)
        return discounted_returns({rewards, {}, {}, flags}, next_values, 0.5, a.matrix(), options);
    generalized_advantages({rewards, flags, flags, {}}, a.other_logits(), next_values, 0.5, 0.5, a.matrix(),
                           options);
}

template <class T, class Arrays>
void call_moments(Arrays& a) {
    scorefn::Moments of;
    const scorefn::Matrix<const double> numbers = a.numbers();
    scorefn::moments(numbers, {&of, 1}, a.options().num_threads);
    for (const double x : {of.unit, of.pivot, of.mean, of.root_sum_square, of.least, of.greatest}) a.keep(x);
}

template <class T, class Arrays>
void call(Function f, Arrays& a) {
    using namespace scorefn;
    switch (f) {
        case Function::linear_gradient: {
            const Matrix<const T> features = a.features(), coef = a.coef();
            return linear_gradient(features, coef, a.actions(), a.weights(), a.gradient(coef),
                                   a.gradient_options());
        }
        case Function::linear_gradient_of_an_objective:
            return with_objective<T>(a, [&](const Objective& objective, ObjectiveResults<T>& results) {
                const Matrix<const T> features = a.features(), coef = a.coef();
                const auto options = objective_options<T>(a, [&] { return a.other_logits(); });
                linear_gradient(features, coef, a.actions(), objective, a.gradient(coef), results, options);
            });
        case Function::tabular_gradient: {
            const Matrix<const T> table = a.table();
            return tabular_gradient(table, a.states(), a.actions(), a.weights(), a.gradient(table),
                                    a.gradient_options());
        }
        case Function::tabular_gradient_of_an_objective:
            return with_objective<T>(a, [&](const Objective& objective, ObjectiveResults<T>& results) {
                const Matrix<const T> table = a.table();
                const auto options = objective_options<T>(a, [&] { return a.table(); });
                tabular_gradient(table, a.states(), a.actions(), objective, a.gradient(table), results,
                                 options);
            });
        case Function::score_gradient_of_all_actions:
        case Function::tabular_gradient_of_all_actions:
        case Function::linear_gradient_of_all_actions: return call_all_actions<T>(f, a);
        case Function::derivatives:
            return with_objective<T>(a, [&](const Objective& objective, ObjectiveResults<T>& results) {
                // A column of the logits will do for log-probabilities.
                const Matrix<const T> z = a.other_logits();
                Segments rows;
                rows.valid = a.options().valid;
                derivatives(objective, Vector<const T>{z.data, z.rows, z.row_stride}, a.results(), results,
                            rows, a.options().num_threads);
            });
        case Function::sample:
        case Function::sample_with_entropies:
        case Function::sample_of_actions_alone: return call_sample<T>(f, a);
        case Function::discounted_returns:
        case Function::generalized_advantages: return call_scan<T>(f, a);
        case Function::moments: return call_moments<T>(a);
        case Function::score_gradient_of_one_row: {
            const Vector<const T> z = a.row();
            return score_gradient(z, a.actions(), a.weights(), a.gradient(z), a.gradient_options());
        }
        default: break;
    }
    const Matrix<const T> z = a.logits();
    switch (f) {
        case Function::log_softmax: return log_softmax(z, a.gradient(z), a.options());
        case Function::softmax: return softmax(z, a.gradient(z), a.options());
        case Function::logsumexp: return logsumexp(z, a.results(), a.options());
        case Function::log_prob: return log_prob(z, a.actions(), a.results(), a.options());
        case Function::entropy: return entropy(z, a.results(), a.options());
        case Function::kl_divergence: return kl_divergence(z, a.other_logits(), a.results(), a.options());
        case Function::score: return score(z, a.actions(), a.gradient(z), a.options());
        case Function::score_gradient:
            return score_gradient(z, a.actions(), a.weights(), a.gradient(z), a.gradient_options());
        case Function::score_gradient_of_an_objective:
            return with_objective<T>(a, [&](const Objective& objective, ObjectiveResults<T>& results) {
                const auto options = objective_options<T>(a, [&] { return a.other_logits(); });
                score_gradient(z, a.actions(), objective, a.gradient(z), results, options);
            });
        case Function::policy_gradient: {
            const ObjectiveRows<T> out{a.gradient(z), a.results(), a.results()};
            return a.keep(policy_gradient(z, a.actions(), a.weights(), out, a.gradient_options()));
        }
        default: {
            const ObjectiveRows<T> out{a.gradient(z), a.results(), a.results()};
            const RealVector old_log_prob = a.old_log_prob();
            const auto sums = clipped_surrogate(z, a.actions(), old_log_prob, a.weights(), a.clip_range(),
                                                out, a.results(), a.gradient_options());
            for (const double sum : {sums.objective, sums.approx_kl, sums.clip_fraction}) a.keep(sum);
        }
    }
}
