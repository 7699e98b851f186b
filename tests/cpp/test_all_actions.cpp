// Objectives over all actions in C++: values by hand, policies that agree, and errors.
#include <cmath>
#include <cstdint>
#include <limits>
#include <scorefn/scorefn.hpp>
#include <string>

#include "check.hpp"

using scorefn::AllActionObjective;
using scorefn::AllActions;
using scorefn::Matrix;
using scorefn::ObjectiveResults;

namespace {

constexpr std::int64_t kStates = 3, kActions = 4, kSamples = 500;

// Of one row of two actions with probabilities 1/4 and 3/4.
template <class T>
void test_by_hand() {
    const std::vector<T> logits{T(0), static_cast<T>(std::log(3.0))}, q{5, 1}, tau{T(0.5), T(0.5)};
    const double ln3 = std::log(3.0), ln4 = std::log(4.0);
    const struct {
        AllActions kind;
        double value, gradient;  // that of the other action is minus this
    } cases[] = {
        {AllActions::expected_value, 2, 0.75},             // 1/4 (5 - 2)
        {AllActions::cross_entropy, ln3 / 2 - ln4, 0.25},  // 1/2 - 1/4
        {AllActions::regret_matching, 0.75, 0.25 * 2.25},  // of the regrets (3, 0)
        {AllActions::regret_policy_gradient, -3, 0.75},    // one of them
        {AllActions::neurd, -2 * ln3, 2},                  // centred logits -+ log(3) / 2, advantages (3, -1)
    };
    for (const auto& of : cases) {
        std::vector<T> gradient(2), term(1), entropy(1);
        ObjectiveResults<T> results;
        results.term = term, results.entropy = entropy;
        AllActionObjective<T> objective{of.kind, Matrix<const T>(q, 1, 2)};
        if (of.kind == AllActions::cross_entropy) objective.matrix = Matrix<const T>(tau, 1, 2);
        objective.weights = 2;
        scorefn::score_gradient(Matrix<const T>(logits, 1, 2), objective, Matrix<T>(gradient, 1, 2), results);
        const double tolerance = 20 * static_cast<double>(std::numeric_limits<T>::epsilon());
        CHECK(std::abs(static_cast<double>(term[0]) - of.value) < tolerance);
        CHECK(std::abs(results.sums[0] - 2 * of.value) < tolerance);
        CHECK(std::abs(static_cast<double>(gradient[0]) - 2 * of.gradient) < tolerance);
        CHECK(std::abs(static_cast<double>(gradient[1]) + 2 * of.gradient) < tolerance);
        CHECK(std::abs(static_cast<double>(entropy[0]) - (ln4 - 0.75 * ln3)) < tolerance);
    }
}

// Samples of a few states, whose features are unit vectors: then a table and a linear policy have the same parameters.
template <class T>
struct Samples {
    std::vector<T> table, of_states, rows, of_rows, features;
    std::vector<std::int32_t> states;
    std::vector<double> weights;

    // The matrix is one of distributions, for every objective.
    Samples() {
        for (std::int64_t i = 0; i < kStates * kActions; ++i) {
            table.push_back(static_cast<T>(std::sin(static_cast<double>(i * i + 1))));
            of_states.push_back(static_cast<T>(1 + (i % kActions + i / kActions) % kActions) / T(10));
        }
        for (std::int64_t i = 0; i < kSamples; ++i) {
            const std::int64_t state = i * i % kStates;
            states.push_back(static_cast<std::int32_t>(state));
            weights.push_back(std::sin(static_cast<double>(i)));
            for (std::int64_t f = 0; f < kStates; ++f) features.push_back(f == state ? T(1) : T(0));
            for (std::int64_t k = 0; k < kActions; ++k) {
                rows.push_back(table[static_cast<std::size_t>(state * kActions + k)]);
                of_rows.push_back(of_states[static_cast<std::size_t>(state * kActions + k)]);
            }
        }
    }
};

template <class T>
void test_policies_agree(const Samples<T>& x) {
    scorefn::PassOptions options;
    options.entropy_coef = scorefn::PerRow(x.weights);
    const double most = 100.0 * static_cast<double>(std::numeric_limits<T>::epsilon()) * kSamples;
    for (const auto& declared : scorefn::kAllActionDeclarations) {
        AllActionObjective<T> objective{declared.kind, Matrix<const T>(x.of_rows, kSamples, kActions)};
        objective.weights = scorefn::PerRow(x.weights);
        ObjectiveResults<T> results;
        std::vector<T> of_rows(x.rows.size());
        scorefn::score_gradient(Matrix<const T>(x.rows, kSamples, kActions), objective,
                                Matrix<T>(of_rows, kSamples, kActions), results, options);
        std::vector<double> expected(kStates * kActions);
        for (std::size_t i = 0; i < of_rows.size(); ++i)
            expected[static_cast<std::size_t>(x.states[i / kActions]) * kActions + i % kActions] +=
                static_cast<double>(of_rows[i]);
        const double sum = results.sums[0];
        const auto check_step = [&](const std::vector<T>& gradient) {
            CHECK(std::abs(results.sums[0] - sum) <= most);
            for (std::size_t i = 0; i < gradient.size(); ++i)
                CHECK(std::abs(static_cast<double>(gradient[i]) - expected[i]) <= most);
        };
        std::vector<T> gradient(kStates * kActions, T(7));
        const Matrix<T> out(gradient, kStates, kActions);
        scorefn::linear_gradient(Matrix<const T>(x.features, kSamples, kStates),
                                 Matrix<const T>(x.table, kStates, kActions), objective, out, results,
                                 options);
        check_step(gradient);
        objective.matrix = Matrix<const T>(x.of_states, kStates, kActions);
        scorefn::tabular_gradient(Matrix<const T>(x.table, kStates, kActions), x.states, objective, out,
                                  results, options);
        check_step(gradient);

        std::vector<T> in_place = x.table;
        scorefn::tabular_gradient(Matrix<const T>(in_place, kStates, kActions), x.states, objective,
                                  Matrix<T>(in_place, kStates, kActions), results, options);
        CHECK(in_place == gradient);
        scorefn::PassOptions accumulate = options;
        accumulate.accumulate = true;
        in_place.assign(in_place.size(), T(1));
        scorefn::tabular_gradient(Matrix<const T>(x.table, kStates, kActions), x.states, objective,
                                  Matrix<T>(in_place, kStates, kActions), results, accumulate);
        for (std::size_t i = 0; i < gradient.size(); ++i)
            CHECK(std::abs(static_cast<double>(in_place[i] - gradient[i]) - 1) <= most);
    }
}

// `call` throws this, and nothing is written.
template <class T, class Call>
void check_error(const std::string& expected, Call call) {
    std::vector<T> out(kStates * kActions, T(7));
    std::string message;
    try {
        call(Matrix<T>(out, kStates, kActions));
    } catch (const std::exception& error) {
        message = error.what();
    }
    check(message == expected, __FILE__, __LINE__, "got: " + message);
    CHECK(out == std::vector<T>(kStates * kActions, T(7)));
}

template <class T>
void test_errors(const Samples<T>& x) {
    const Matrix<const T> table(x.table, kStates, kActions);
    ObjectiveResults<T> results;
    const auto on_rows = [&](const AllActionObjective<T>& objective) {
        return
            [&, objective](const Matrix<T>& out) { scorefn::score_gradient(table, objective, out, results); };
    };
    const auto on_table = [&](const AllActionObjective<T>& objective, std::vector<std::int32_t> states) {
        return [&, objective, states](const Matrix<T>& out) {
            scorefn::tabular_gradient(table, states, objective, out, results);
        };
    };
    check_error<T>("objective.kind must be an objective, got nothing", on_rows({}));
    check_error<T>("term.matrix must have shape (3, 4), got (0, 0)", on_rows({AllActions::expected_value}));
    AllActionObjective<T> objective{AllActions::neurd, table};
    objective.threshold = -1;
    check_error<T>("threshold must be at least 0, got -1", on_rows(objective));
    objective.threshold = 1;
    check_error<T>("states[1] = 3 is out of range for 3 states", on_table(objective, {0, 3}));
    objective.weights = scorefn::PerRow(x.weights);
    check_error<T>("term.weights must have size 3, got 500", on_rows(objective));

    std::vector<T> targets = x.of_states;
    objective = {AllActions::cross_entropy, Matrix<const T>(targets, kStates, kActions)};
    targets[kActions + 2] += T(0.5);
    check_error<T>("targets[1] must sum to 1 over the allowed actions, got 1.5", on_rows(objective));
    check_error<T>("targets[1] must sum to 1 over the allowed actions, got 1.5", on_table(objective, {0, 1}));
    std::vector<T> out(kStates * kActions);
    on_table(objective, {0, 2, 0})(Matrix<T>(out, kStates, kActions));  // not of that state
    targets[kActions + 2] = T(-0.5);
    check_error<T>("targets[1] must not be negative or NaN, got -0.5", on_rows(objective));
}

template <class T>
void test_all() {
    test_by_hand<T>();
    const Samples<T> x;
    test_policies_agree(x);
    test_errors(x);
}

}  // namespace

int main() {
    test_all<float>();
    test_all<double>();
    return failures();
}
