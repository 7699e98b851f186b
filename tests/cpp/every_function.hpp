// Every function of the API, once, for the tests that call all of them.
//
// `call(function, arrays)` makes one call. `arrays` chooses where its arrays lie and what they hold, has all the functions
// that are named here, and is asked for each array of a call once:
//
//     logits, other_logits, table, features, coef, row         matrices of real numbers, and one row
//     actions, states, weights, old_log_prob, propensities     one a sample
//     offsets, segments                                        rows that are ragged, and those that are one decision
//     numbers, flags                                           any; a mask of the shape of the logits
//     gradient(of)                                             for results of the shape of `of`, perhaps in its place
//     matrix, results, drawn_actions, drawn_log_probs          for other results
//     options, gradient_options, clip_range, objective         the last counts those of function_list.hpp
//     keep(x)                                                  takes a number that is returned
//
// For functions of ragged rows, what has an entry for each logit is a matrix of one row.
#pragma once

#include <algorithm>
#include <cstring>
#include <iterator>
#include <scorefn/scorefn.hpp>
#include <vector>

#include "function_list.hpp"

// Where a row begins if two after each other have from 1 to 2 cols - 1 entries, and 2 cols together.
constexpr std::int64_t begin_of_ragged_row(std::int64_t row, std::int64_t rows, std::int64_t cols) {
    if (row % 2 == 0 || row == rows) return row * cols;
    return (row - 1) * cols + 1 + row / 2 * 7919 % (2 * cols - 1);
}
constexpr std::int64_t length_of_ragged_row(std::int64_t row, std::int64_t rows, std::int64_t cols) {
    return begin_of_ragged_row(row + 1, rows, cols) - begin_of_ragged_row(row, rows, cols);
}
// Where a segment begins if there are as many as rows: two without a row, one of three rows, one of one.
constexpr std::int64_t begin_of_segment(std::int64_t segment, std::int64_t rows) {
    return segment == rows || segment % 4 == 3 ? segment : segment / 4 * 4;
}

inline bool reads(const scorefn::ObjectiveDeclaration& declared, const scorefn::SampleNumber& number) {
    return std::any_of(std::begin(declared.reads), std::end(declared.reads), [&](const auto& read) {
        return read.name && std::strcmp(read.name, number.name) == 0;
    });
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

// Targets for matrices of such rows: the first action of each, which every row allows.
template <class T>
std::vector<T> first_actions(std::int64_t rows, std::int64_t cols) {
    std::vector<T> targets(static_cast<std::size_t>(rows * cols));
    for (std::int64_t i = 0; i < rows; ++i) targets[static_cast<std::size_t>(i * cols)] = 1;
    return targets;
}

// run(objective, its results), whose sum is kept.
template <class T, class Arrays, class Matrix, class Run>
void with_all_actions(Arrays& a, const scorefn::Matrix<const T>& targets, Matrix matrix, Run run) {
    scorefn::AllActionObjective<T> objective;
    objective.kind = scorefn::kAllActionDeclarations[a.objective()].kind;
    objective.weights = a.weights();
    objective.matrix = objective.kind == scorefn::AllActions::cross_entropy ? targets : matrix();
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
    const auto with = [&](std::int64_t rows, std::int64_t cols, auto matrix, auto run) {
        const std::vector<T> targets = first_actions<T>(rows, cols);
        with_all_actions<T>(a, {targets, rows, cols}, matrix, run);
    };
    if (is_of_a_table(f)) {
        const Matrix<const T> table = a.table();
        return with(table.rows, table.cols, [&] { return a.table(); },
                    [&](const Objective& objective, ObjectiveResults<T>& results) {
            tabular_gradient(table, a.states(), objective, a.gradient(table), results, a.gradient_options());
        });
    }
    if (is_of_features(f)) {
        const Matrix<const T> features = a.features(), coef = a.coef();
        return with(features.rows, coef.cols, [&] { return a.other_logits(); },
                    [&](const Objective& objective, ObjectiveResults<T>& results) {
            linear_gradient(features, coef, objective, a.gradient(coef), results, a.gradient_options());
        });
    }
    const Matrix<const T> z = a.logits();
    with(z.rows, z.cols, [&] { return a.other_logits(); },
         [&](const Objective& objective, ObjectiveResults<T>& results) {
        score_gradient(z, objective, a.gradient(z), results, a.gradient_options());
    });
}

// A result of more than one row becomes a vector of another size.
template <class T>
scorefn::Vector<T> flat(const scorefn::Matrix<T>& row) {
    return {row.data, row.cols + row.rows - 1, row.col_stride};
}
template <class T>
scorefn::Vector<T> first_column(const scorefn::Matrix<T>& m) {
    return {m.data, m.rows, m.row_stride};
}

template <class T, class Arrays>
void call_ragged(Function f, Arrays& a) {
    using namespace scorefn;
    const Matrix<const T> row = a.logits();
    const RaggedRows<const T> z{flat(row), a.offsets()};
    const auto out = [&] { return flat<T>(a.gradient(row)); };
    switch (dense(f)) {
        case Function::log_softmax: return log_softmax(z, out(), a.options());
        case Function::softmax: return softmax(z, out(), a.options());
        case Function::logsumexp: return logsumexp(z, a.results(), a.options());
        case Function::log_prob: return log_prob(z, a.actions(), a.results(), a.options());
        case Function::entropy: return entropy(z, a.results(), a.options());
        case Function::kl_divergence:
            return kl_divergence(z, flat(a.other_logits()), a.results(), a.options());
        case Function::sample: {
            const auto actions = first_column(a.drawn_actions());
            const auto log_probs = first_column(a.drawn_log_probs());
            return sample(z, RandomKey{{1, 2}}, actions, log_probs, a.results(), a.options());
        }
        case Function::score: return score(z, a.actions(), out(), a.options());
        case Function::score_gradient:
            return score_gradient(z, a.actions(), a.weights(), out(), a.gradient_options());
        case Function::score_gradient_of_an_objective:
            return with_objective<T>(a, [&](const Objective& objective, ObjectiveResults<T>& results) {
                const auto options = objective_options<T>(a, [&] { return a.other_logits(); });
                score_gradient(z, a.actions(), objective, out(), results, options);
            });
        default: break;
    }
    const std::int64_t rows = z.offsets.size - 1, size = z.values.size;
    std::vector<T> targets(static_cast<std::size_t>(size));
    for (std::int64_t i = 0; i < rows; ++i)
        targets[static_cast<std::size_t>(begin_of_ragged_row(i, rows, size / rows))] = 1;
    with_all_actions<T>(a, {targets, 1, size}, [&] { return a.other_logits(); },
                        [&](const AllActionObjective<T>& objective, ObjectiveResults<T>& results) {
        score_gradient(z, objective, out(), results, a.gradient_options());
    });
}

template <class T, class Arrays>
void call_derivatives(Function f, Arrays& a) {
    using namespace scorefn;
    with_objective<T>(a, [&](const Objective& objective, ObjectiveResults<T>& results) {
        Segments segments;
        segments.valid = a.options().valid;
        if (f == Function::derivatives_of_segments) {
            const ObjectiveDeclaration& declared = DeclaredObjectives::declarations[objective.place];
            segments.offsets = a.segments();
            if (!reads(declared, terms::propensities)) segments.log_prob = SegmentLogProb::mean;
            if (reads(declared, terms::old_log_prob)) segments.row_clip = 0.5;
        }
        // A column of the logits will do for log-probabilities.
        const Vector<const T> log_prob = first_column(a.other_logits());
        derivatives(objective, log_prob, a.results(), results, segments, a.options().num_threads);
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
    const EpisodeSteps<T> valid{rewards, {}, {}, flags}, ends{rewards, flags, flags, {}};
    switch (f) {
        case Function::discounted_returns:
            return discounted_returns(valid, next_values, 0.5, a.matrix(), options);
        case Function::lambda_returns:
            return lambda_returns(valid, next_values, 0.5, 0.5, a.matrix(), options);
        case Function::n_step_returns: return n_step_returns(valid, next_values, 0.5, 2, a.matrix(), options);
        case Function::generalized_advantages:
            return generalized_advantages(ends, a.other_logits(), next_values, 0.5, 0.5, a.matrix(), options);
        case Function::upgo: return upgo(ends, a.other_logits(), next_values, 0.5, a.matrix(), options);
        default: break;
    }
    const Matrix<const T> values = a.other_logits(), log_ratios = a.other_logits();
    if (f == Function::retrace)
        return retrace(ends, values, next_values, log_ratios, 0.5, 0.5, 1, a.matrix(), options);
    const Matrix<T> targets = a.matrix(), advantages = a.matrix();
    vtrace(ends, values, next_values, log_ratios, 0.5, {}, targets, advantages, options);
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
    if (is_ragged(f)) return call_ragged<T>(f, a);
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
        case Function::fisher_vector_product: {
            const Matrix<const T> features = a.features(), coef = a.coef();
            return fisher_vector_product(features, coef, a.coef(), a.gradient(coef), a.options());
        }
        case Function::fisher_product_of_probabilities: {
            const Matrix<const T> features = a.features(), vector = a.coef();
            return fisher_product_of_probabilities(features, a.other_logits(), vector, a.gradient(vector),
                                                   a.options());
        }
        case Function::derivatives:
        case Function::derivatives_of_segments: return call_derivatives<T>(f, a);
        case Function::sample:
        case Function::sample_with_entropies:
        case Function::sample_of_actions_alone: return call_sample<T>(f, a);
        case Function::discounted_returns:
        case Function::generalized_advantages:
        case Function::lambda_returns:
        case Function::n_step_returns:
        case Function::vtrace:
        case Function::retrace:
        case Function::upgo: return call_scan<T>(f, a);
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
