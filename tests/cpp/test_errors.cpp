// Every error of the core with its message, and that a call that throws has written nothing.
#include <algorithm>
#include <cstdint>
#include <scorefn/scorefn.hpp>

#include "check.hpp"

using scorefn::GradientOptions;
using scorefn::IndexError;
using scorefn::IndexVector;
using scorefn::Matrix;
using scorefn::NoAllowedAction;
using scorefn::RealVector;
using scorefn::Vector;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float untouched = 7;

struct Arguments {
    std::vector<float> z = std::vector<float>(6), out = std::vector<float>(6, untouched);
    std::int64_t actions[3] = {0, 1, 0}, states[3] = {2, 0, 2};
    double weights[3] = {1, 2, 3};

    Matrix<const float> logits(std::int64_t rows = 3, std::int64_t cols = 2) const {
        return {z.data(), rows, cols};
    }
    Matrix<float> matrix_out(std::int64_t rows = 3, std::int64_t cols = 2) {
        return {out.data(), rows, cols};
    }
    Vector<float> vector_out(std::int64_t size = 3) { return {out.data(), size}; }
    IndexVector a(std::int64_t size = 3) const { return {actions, size}; }
    IndexVector s(std::int64_t size = 3) const { return {states, size}; }
    RealVector w(std::int64_t size = 3) const { return {weights, size}; }

    bool is_out_untouched() const {
        return std::all_of(out.begin(), out.end(), [](float x) { return x == untouched; });
    }
};

void test_shapes() {
    Arguments x;
    using Error = std::invalid_argument;
    CHECK_THROWS(Error, "out must have shape (3, 2), got (2, 2)",
                 scorefn::softmax(x.logits(), x.matrix_out(2)));
    CHECK_THROWS(Error, "out must have shape (3, 2), got (3, 1)",
                 scorefn::log_softmax(x.logits(), x.matrix_out(3, 1)));
    CHECK_THROWS(Error, "out must have size 3, got 2", scorefn::logsumexp(x.logits(), x.vector_out(2)));
    CHECK_THROWS(Error, "out must have size 3, got 2", scorefn::entropy(x.logits(), x.vector_out(2)));
    CHECK_THROWS(Error, "out must have size 3, got 2", scorefn::log_prob(x.logits(), x.a(), x.vector_out(2)));
    CHECK_THROWS(Error, "actions must have size 3, got 2",
                 scorefn::log_prob(x.logits(), x.a(2), x.vector_out()));
    CHECK_THROWS(Error, "logits_q must have shape (3, 2), got (2, 3)",
                 scorefn::kl_divergence(x.logits(), x.logits(2, 3), x.vector_out()));
    CHECK_THROWS(Error, "logits must have at least one action, got 0",
                 scorefn::softmax(x.logits(3, 0), x.matrix_out(3, 0)));
    CHECK_THROWS(Error, "actions must have size 3, got 2",
                 scorefn::score(x.logits(), x.a(2), x.matrix_out()));
    CHECK_THROWS(Error, "weights must have size 3, got 1",
                 scorefn::score_gradient(x.logits(), x.a(), x.w(1), x.matrix_out()));
    CHECK_THROWS(Error, "actions must have size 3, got 2",
                 scorefn::tabular_gradient(x.logits(), x.s(), x.a(2), x.w(), x.matrix_out()));
    CHECK_THROWS(Error, "weights must have size 3, got 2",
                 scorefn::tabular_gradient(x.logits(), x.s(), x.a(), x.w(2), x.matrix_out()));
    CHECK_THROWS(Error, "coef must have shape (2, 2), got (3, 2)",
                 scorefn::linear_gradient(x.logits(), x.logits(), x.a(), x.w(), x.matrix_out()));
    CHECK_THROWS(Error, "coef must have at least one action, got 0",
                 scorefn::linear_gradient(x.logits(), x.logits(2, 0), x.a(), x.w(), x.matrix_out()));

    std::int64_t drawn[3];
    CHECK_THROWS(
        Error, "actions must have shape (3, 1), got (2, 1)",
        scorefn::sample(x.logits(), {{0, 0}}, Matrix<std::int64_t>(drawn, 2, 1), x.matrix_out(3, 1)));
    CHECK_THROWS(Error, "log_probs must have shape (3, 1), got (3, 2)",
                 scorefn::sample(x.logits(), {{0, 0}}, Matrix<std::int64_t>(drawn, 3, 1), x.matrix_out()));

    const bool allowed[] = {true, true, true, true};
    GradientOptions options;
    options.where = Matrix<const bool>(allowed, 2, 2);
    CHECK_THROWS(Error, "where must have shape (3, 2), got (2, 2)",
                 scorefn::softmax(x.logits(), x.matrix_out(), options));

    const auto policy_gradient = [&](IndexVector a, RealVector w, scorefn::ObjectiveRows<float> out) {
        scorefn::policy_gradient(x.logits(), a, w, out);
    };
    const scorefn::ObjectiveRows<float> rows{x.matrix_out(), x.vector_out(), x.vector_out()};
    CHECK_THROWS(Error, "gradient must have shape (3, 2), got (2, 2)",
                 policy_gradient(x.a(), x.w(), {x.matrix_out(2), rows.log_prob, rows.entropy}));
    CHECK_THROWS(Error, "log_prob must have size 3, got 2",
                 policy_gradient(x.a(), x.w(), {rows.gradient, x.vector_out(2), rows.entropy}));
    CHECK_THROWS(Error, "entropy must have size 3, got 2",
                 policy_gradient(x.a(), x.w(), {rows.gradient, rows.log_prob, x.vector_out(2)}));
    CHECK_THROWS(Error, "actions must have size 3, got 2", policy_gradient(x.a(2), x.w(), rows));
    CHECK_THROWS(Error, "weights must have size 3, got 2", policy_gradient(x.a(), x.w(2), rows));
    const auto clipped_surrogate = [&](RealVector old_log_prob, RealVector advantages, double clip_range,
                                       Vector<float> ratio) {
        scorefn::clipped_surrogate(x.logits(), x.a(), old_log_prob, advantages, clip_range, rows, ratio);
    };
    CHECK_THROWS(Error, "old_log_prob must have size 3, got 2",
                 clipped_surrogate(x.w(2), x.w(), 0.2, x.vector_out()));
    CHECK_THROWS(Error, "advantages must have size 3, got 2",
                 clipped_surrogate(x.w(), x.w(2), 0.2, x.vector_out()));
    CHECK_THROWS(Error, "ratio must have size 3, got 2",
                 clipped_surrogate(x.w(), x.w(), 0.2, x.vector_out(2)));
    CHECK_THROWS(Error, "clip_range must be at least 0, got -0.500000",
                 clipped_surrogate(x.w(), x.w(), -0.5, x.vector_out()));
    CHECK(x.is_out_untouched());
}

void test_out_of_range() {
    Arguments x;
    x.actions[1] = 2;
    x.actions[2] = -5;  // the first bad one is reported
    const char* message = "actions[1] = 2 is out of range for 2 actions";
    CHECK_THROWS(IndexError, message, scorefn::log_prob(x.logits(), x.a(), x.vector_out()));
    CHECK_THROWS(IndexError, message, scorefn::score(x.logits(), x.a(), x.matrix_out()));
    CHECK_THROWS(IndexError, message, scorefn::score_gradient(x.logits(), x.a(), x.w(), x.matrix_out()));
    CHECK_THROWS(IndexError, message,
                 scorefn::tabular_gradient(x.logits(), x.s(), x.a(), x.w(), x.matrix_out()));
    CHECK_THROWS(IndexError, message,
                 scorefn::linear_gradient(x.logits(), x.logits(2, 2), x.a(), x.w(), x.matrix_out(2, 2)));
    CHECK_THROWS(IndexError, message,
                 scorefn::score_gradient(Vector<const float>{x.z.data(), 2}, x.a(), x.w(), x.vector_out(2)));
    const scorefn::ObjectiveRows<float> rows{x.matrix_out(), x.vector_out(), x.vector_out()};
    CHECK_THROWS(IndexError, message, scorefn::policy_gradient(x.logits(), x.a(), x.w(), rows));
    CHECK_THROWS(IndexError, message,
                 scorefn::clipped_surrogate(x.logits(), x.a(), x.w(), x.w(), 0.2, rows, x.vector_out()));
    x.states[2] = 3;
    CHECK_THROWS(IndexError, "states[2] = 3 is out of range for 3 states",
                 scorefn::tabular_gradient(x.logits(), x.s(), x.a(), x.w(), x.matrix_out()));
    CHECK(x.is_out_untouched());

    const std::uint64_t huge[] = {0, 0, ~std::uint64_t(0)};
    CHECK_THROWS(IndexError, "actions[2] = 18446744073709551615 is out of range for 2 actions",
                 scorefn::score(x.logits(), IndexVector(huge, 3), x.matrix_out()));
    const std::int8_t negative[] = {0, 0, -1};
    CHECK_THROWS(IndexError, "actions[2] = -1 is out of range for 2 actions",
                 scorefn::score(x.logits(), IndexVector(negative, 3), x.matrix_out()));
    CHECK(x.is_out_untouched());
}

// The error says which row of which argument, for whoever wants to word it differently.
void test_fault() {
    Arguments x;
    x.actions[1] = 2;
    try {
        scorefn::score(x.logits(), x.a(), x.matrix_out());
    } catch (const IndexError& error) {
        CHECK(error.fault.subject == "actions" && error.fault.row == 1);
        return;
    }
    check(false, __FILE__, __LINE__, "score does not throw");
}

void test_no_allowed_action() {
    Arguments x;
    x.z[2] = x.z[3] = -inf;
    const char* message = "logits[1] has no allowed action: every logit is -inf or masked";
    CHECK_THROWS(NoAllowedAction, message, scorefn::log_softmax(x.logits(), x.matrix_out()));
    CHECK_THROWS(NoAllowedAction, message, scorefn::softmax(x.logits(), x.matrix_out()));
    CHECK_THROWS(NoAllowedAction, message, scorefn::logsumexp(x.logits(), x.vector_out()));
    CHECK_THROWS(NoAllowedAction, message, scorefn::log_prob(x.logits(), x.a(), x.vector_out()));
    CHECK_THROWS(NoAllowedAction, message, scorefn::entropy(x.logits(), x.vector_out()));
    CHECK_THROWS(NoAllowedAction, message, scorefn::score(x.logits(), x.a(), x.matrix_out()));
    CHECK_THROWS(NoAllowedAction, message, scorefn::score_gradient(x.logits(), x.a(), x.w(), x.matrix_out()));
    const scorefn::ObjectiveRows<float> out{x.matrix_out(), x.vector_out(), x.vector_out()};
    CHECK_THROWS(NoAllowedAction, message, scorefn::policy_gradient(x.logits(), x.a(), x.w(), out));
    CHECK_THROWS(NoAllowedAction, message,
                 scorefn::clipped_surrogate(x.logits(), x.a(), x.w(), x.w(), 0.2, out, x.vector_out()));
    std::int64_t drawn[] = {9, 9, 9};
    CHECK_THROWS(
        NoAllowedAction, message,
        scorefn::sample(x.logits(), {{0, 0}}, Matrix<std::int64_t>(drawn, 3, 1), x.matrix_out(3, 1)));
    CHECK(drawn[0] == 9 && drawn[1] == 9 && drawn[2] == 9);

    const std::vector<float> zeros(6);
    const Matrix<const float> good(zeros.data(), 3, 2);
    CHECK_THROWS(NoAllowedAction, "logits_p[1] has no allowed action: every logit is -inf or masked",
                 scorefn::kl_divergence(x.logits(), good, x.vector_out()));
    CHECK_THROWS(NoAllowedAction, "logits_q[1] has no allowed action: every logit is -inf or masked",
                 scorefn::kl_divergence(good, x.logits(), x.vector_out()));
    x.states[1] = 1;
    CHECK_THROWS(NoAllowedAction, "table[1] has no allowed action: every logit is -inf or masked",
                 scorefn::tabular_gradient(x.logits(), x.s(), x.a(), x.w(), x.matrix_out()));
    CHECK_THROWS(
        NoAllowedAction, "logits has no allowed action: every logit is -inf or masked",
        scorefn::score_gradient(Vector<const float>{x.z.data() + 2, 2}, x.a(), x.w(), x.vector_out(2)));

    const bool forbidden[] = {true, true, true, true, false, false};
    GradientOptions options;
    options.where = Matrix<const bool>(forbidden, 3, 2);
    CHECK_THROWS(NoAllowedAction, "features[2] @ coef has no allowed action: every logit is -inf or masked",
                 scorefn::linear_gradient(good, Matrix<const float>(zeros.data(), 2, 2), x.a(), x.w(),
                                          x.matrix_out(2, 2), options));
    CHECK_THROWS(NoAllowedAction, "logits[2] has no allowed action: every logit is -inf or masked",
                 scorefn::softmax(good, x.matrix_out(), options));
    CHECK(x.is_out_untouched());
}

// Nothing to do is no error.
void test_empty() {
    Arguments x;
    scorefn::softmax(x.logits(0), x.matrix_out(0));
    scorefn::entropy(x.logits(0), x.vector_out(0));
    scorefn::score_gradient(x.logits(0), x.a(0), x.w(0), x.matrix_out(0));
    const scorefn::ObjectiveRows<float> rows{x.matrix_out(0), x.vector_out(0), x.vector_out(0)};
    CHECK(scorefn::policy_gradient(x.logits(0), x.a(0), x.w(0), rows) == 0);
    const auto sums =
        scorefn::clipped_surrogate(x.logits(0), x.a(0), x.w(0), x.w(0), 0.2, rows, x.vector_out(0));
    CHECK(sums.objective == 0 && std::isnan(sums.approx_kl) && std::isnan(sums.clip_fraction));
    CHECK(x.is_out_untouched());
    scorefn::tabular_gradient(x.logits(), x.s(0), x.a(0), x.w(0), x.matrix_out());
    CHECK(x.out == std::vector<float>(6));  // the gradient of a sum over no samples
}

}  // namespace

int main() {
    test_shapes();
    test_out_of_range();
    test_fault();
    test_no_allowed_action();
    test_empty();
    return failures();
}
