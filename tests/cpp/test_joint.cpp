// Objectives on policies in C++: declared ones, one of the caller's own, and terms over all actions, which agree on every
// policy that has the same rows of logits.
#include <cmath>
#include <cstdint>
#include <limits>
#include <scorefn/scorefn.hpp>
#include <string>

#include "check.hpp"

using scorefn::AllActions;
using scorefn::Matrix;
using scorefn::Objective;
using scorefn::ObjectiveOptions;
using scorefn::ObjectiveResults;

namespace {

constexpr std::int64_t kSamples = 1000, kStates = 3, kActions = 5;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Samples of a few states, whose features are unit vectors: then a table and a linear policy have the same parameters.
template <class T>
struct Samples {
    std::vector<T> table, reference, rows, references, features;
    std::vector<std::int32_t> states, actions;
    std::vector<T> old_log_prob, advantages;
    std::vector<double> coefs;

    Samples() {
        const auto number = [](std::int64_t i) {
            return static_cast<T>(std::sin(static_cast<double>(i * i + 1)));
        };
        for (std::int64_t i = 0; i < kStates * kActions; ++i) {
            table.push_back(number(i));
            reference.push_back(number(i + 100));
        }
        for (std::int64_t i = 0; i < kSamples; ++i) {
            const std::int64_t state = i * i % kStates;
            states.push_back(static_cast<std::int32_t>(state));
            actions.push_back(static_cast<std::int32_t>(i * 7 % kActions));
            old_log_prob.push_back(T(-1.5) + number(i) / 4);
            advantages.push_back(number(i + 3));
            coefs.push_back(static_cast<double>(number(i + 5)));
            for (std::int64_t f = 0; f < kStates; ++f) features.push_back(f == state ? T(1) : T(0));
            for (std::int64_t k = 0; k < kActions; ++k) {
                const auto entry = static_cast<std::size_t>(state * kActions + k);
                rows.push_back(table[entry]);
                references.push_back(reference[entry]);
            }
        }
    }
};

// What a policy gives: the gradient with respect to the table, the objective, and the sum of log-probabilities.
template <class T>
struct Step {
    std::vector<T> gradient = std::vector<T>(kStates * kActions, T(0));
    double objective = 0, log_prob = 0, term = 0;
};

template <class T, class Gradient>
Step<T> step_of(Gradient gradient) {
    Step<T> step;
    std::vector<T> log_prob(kSamples), term(kSamples);
    ObjectiveResults<T> results;
    results.log_prob = log_prob, results.term = term;
    gradient(step, results);
    step.objective = results.sums[0];
    for (const T x : log_prob) step.log_prob += static_cast<double>(x);
    for (const T x : term) step.term += static_cast<double>(x);
    return step;
}

template <class T>
Step<T> on_rows(const Samples<T>& x, const Objective& objective, ObjectiveOptions<T> options) {
    if (options.term.kind != AllActions::nothing)
        options.term.matrix = Matrix<const T>(x.references, kSamples, kActions);
    return step_of<T>([&](Step<T>& step, ObjectiveResults<T>& results) {
        std::vector<T> gradient(x.rows.size());
        scorefn::score_gradient(Matrix<const T>(x.rows, kSamples, kActions), x.actions, objective,
                                Matrix<T>(gradient, kSamples, kActions), results, options);
        for (std::size_t i = 0; i < gradient.size(); ++i)
            step.gradient[static_cast<std::size_t>(x.states[i / kActions]) * kActions + i % kActions] +=
                gradient[i];
    });
}
template <class T>
Step<T> on_table(const Samples<T>& x, const Objective& objective, ObjectiveOptions<T> options) {
    if (options.term.kind != AllActions::nothing)
        options.term.matrix = Matrix<const T>(x.reference, kStates, kActions);
    return step_of<T>([&](Step<T>& step, ObjectiveResults<T>& results) {
        scorefn::tabular_gradient(Matrix<const T>(x.table, kStates, kActions), x.states, x.actions, objective,
                                  Matrix<T>(step.gradient, kStates, kActions), results, options);
    });
}
template <class T>
Step<T> on_features(const Samples<T>& x, const Objective& objective, ObjectiveOptions<T> options) {
    if (options.term.kind == AllActions::expected_value)
        options.term.matrix = Matrix<const T>(x.references, kSamples, kActions);
    else if (options.term.kind != AllActions::nothing)
        options.term.reference_coef = Matrix<const T>(x.reference, kStates, kActions);
    return step_of<T>([&](Step<T>& step, ObjectiveResults<T>& results) {
        scorefn::linear_gradient(Matrix<const T>(x.features, kSamples, kStates),
                                 Matrix<const T>(x.table, kStates, kActions), x.actions, objective,
                                 Matrix<T>(step.gradient, kStates, kActions), results, options);
    });
}

// A sum over the samples has the error of their terms.
template <class T>
bool agree(const Step<T>& a, const Step<T>& b) {
    const double most = 100.0 * static_cast<double>(std::numeric_limits<T>::epsilon()) * kSamples;
    bool good = std::abs(a.objective - b.objective) <= most && std::abs(a.log_prob - b.log_prob) <= most &&
                std::abs(a.term - b.term) <= most;
    for (std::size_t i = 0; i < a.gradient.size(); ++i)
        good = good && std::abs(static_cast<double>(a.gradient[i] - b.gradient[i])) <= most;
    return good;
}

template <class T>
void test_policies_agree(const Samples<T>& x, const Objective& objective) {
    for (const AllActions term :
         {AllActions::nothing, AllActions::reverse_kl, AllActions::forward_kl, AllActions::expected_value})
        for (const bool per_row : {false, true}) {
            ObjectiveOptions<T> options;
            options.term.kind = term;
            options.entropy_coef = per_row ? scorefn::PerRow(x.coefs) : 0.25;
            options.term.weights = per_row ? scorefn::PerRow(x.coefs) : 0.5;
            const Step<T> rows = on_rows(x, objective, options);
            CHECK(agree(rows, on_table(x, objective, options)));
            CHECK(agree(rows, on_features(x, objective, options)));
        }
}

// The clipped surrogate by hand.
template <class T>
void test_own_objective(const Samples<T>& x) {
    const auto surrogate = [&](std::int64_t first, int count, const double* log_prob, double* value,
                               double* derivative) {
        for (int i = 0; i < count; ++i) {
            const auto sample = static_cast<std::size_t>(first + i);
            const double r = std::exp(log_prob[i] - static_cast<double>(x.old_log_prob[sample]));
            const auto a = static_cast<double>(x.advantages[sample]);
            const double clipped = std::min(std::max(r, 0.8), 1.2) * a;
            value[i] = std::min(r * a, clipped);
            derivative[i] = clipped < r * a ? 0.0 : r * a;
        }
    };
    const scorefn::CustomObjective own(surrogate);
    const scorefn::ClippedSurrogate declared{x.old_log_prob, x.advantages, 0.2};
    CHECK(agree(on_rows<T>(x, own, {}), on_rows<T>(x, declared, {})));
    CHECK(agree(on_table<T>(x, own, {}), on_table<T>(x, declared, {})));
    CHECK(agree(on_features<T>(x, own, {}), on_features<T>(x, declared, {})));
    ObjectiveOptions<T> one_thread;
    one_thread.num_threads = 1;
    CHECK(on_rows<T>(x, own, one_thread).gradient == on_rows<T>(x, own, {}).gradient);
    test_policies_agree<T>(x, own);
}

template <class T>
std::string error_of(const Samples<T>& x, const Objective& objective, const ObjectiveOptions<T>& options) {
    try {
        on_rows(x, objective, options);
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "none";
}

template <class T>
void test_errors(const Samples<T>& x) {
    const scorefn::ClippedSurrogate good{x.old_log_prob, x.advantages, 0.2};
    CHECK(error_of<T>(x, scorefn::ClippedSurrogate{x.old_log_prob, x.advantages, -0.5}, {}) ==
          "clip_range must be at least 0, got -0.5");
    CHECK(error_of<T>(x, scorefn::ClippedSurrogate{x.old_log_prob, x.advantages, {0.2, -0.5}}, {}) ==
          "clip_range must be at least 0, got -0.5");
    CHECK(error_of<T>(x, scorefn::ClippedSurrogate{x.old_log_prob, x.advantages, 0.2, 1.0}, {}) ==
          "dual_clip must be greater than 1, got 1");
    CHECK(error_of<T>(x, scorefn::SAPO{x.old_log_prob, x.advantages, kInfinity}, {}) ==
          "tau_pos must be finite and greater than 0, got inf");
    CHECK(error_of<T>(x, scorefn::KLPenalty{x.advantages, x.old_log_prob, scorefn::KLEstimate{3}}, {}) ==
          "value must be one of its choices, got 3");
    std::vector<double> propensities(kSamples, 1.0);
    const scorefn::ImportanceSampling sampling{propensities, x.advantages};
    CHECK(error_of<T>(x, sampling, {}) == "none");
    propensities[700] = 1.25, propensities[900] = 0;
    CHECK(error_of<T>(x, sampling, {}) == "propensities[700] must be in (0, 1], got 1.25");
    propensities[700] = std::numeric_limits<double>::quiet_NaN();
    CHECK(error_of<T>(x, sampling, {}) == "propensities[700] must be in (0, 1], got nan");
    CHECK(error_of<T>(x, scorefn::ClippedSurrogate{x.old_log_prob, {}, 0.2}, {}) ==
          "advantages must have size 1000, got 0");
    ObjectiveOptions<T> options;
    options.entropy_coef = scorefn::RealVector(x.coefs.data(), 3);
    CHECK(error_of(x, good, options) == "entropy_coef must have size 1000, got 3");
}

// A reference that allows nothing in a state is an error before anything is written.
template <class T>
void test_nothing_is_written_on_errors(Samples<T> x) {
    for (std::int64_t k = 0; k < kActions; ++k)
        x.reference[static_cast<std::size_t>(kActions + k)] = -std::numeric_limits<T>::infinity();
    ObjectiveOptions<T> options;
    options.term.kind = AllActions::reverse_kl;
    options.term.weights = 0.5;
    options.term.matrix = Matrix<const T>(x.reference, kStates, kActions);
    options.accumulate = true;
    std::vector<T> gradient(kStates * kActions, T(7));
    ObjectiveResults<T> results;
    bool thrown = false;
    try {
        scorefn::tabular_gradient(Matrix<const T>(x.table, kStates, kActions), x.states, x.actions,
                                  scorefn::WeightedLogProb{x.advantages},
                                  Matrix<T>(gradient, kStates, kActions), results, options);
    } catch (const scorefn::NoAllowedAction&) {
        thrown = true;
    }
    CHECK(thrown);
    CHECK(gradient == std::vector<T>(kStates * kActions, T(7)));
}

template <class T>
void test_all() {
    const Samples<T> x;
    test_policies_agree<T>(x, scorefn::WeightedLogProb{x.advantages});
    test_policies_agree<T>(x, scorefn::ClippedSurrogate{x.old_log_prob, x.advantages, 0.2});
    test_policies_agree<T>(x, scorefn::ClippedSurrogate{x.old_log_prob, x.advantages, {kInfinity, 0.3}, 3.0});
    test_policies_agree<T>(x, scorefn::KLPenalty{x.advantages, x.old_log_prob});
    test_policies_agree<T>(x, scorefn::CISPO{x.old_log_prob, x.advantages});
    test_policies_agree<T>(x, scorefn::SAPO{x.old_log_prob, x.advantages});
    test_own_objective(x);
    test_errors(x);
    test_nothing_is_written_on_errors(x);
}

}  // namespace

int main() {
    test_all<float>();
    test_all<double>();
    return failures();
}
