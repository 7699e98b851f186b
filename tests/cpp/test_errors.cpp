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
    CHECK_THROWS(Error, "clip_range must be at least 0, got -0.5",
                 clipped_surrogate(x.w(), x.w(), -0.5, x.vector_out()));
    CHECK_THROWS(Error, "clip_range must be at least 0, got -0.5",
                 scorefn::clipped_surrogate(x.logits(), 1, x.a(), x.w(), x.w(), -0.5, rows, x.vector_out()));
    CHECK_THROWS(Error, "weights must have size 3, got 2",
                 scorefn::policy_gradient(x.logits(), 1, x.a(), x.w(2), rows));
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

// What is called with one view after the other that has a size but no data.
struct Views {
    Matrix<const float> logits, other;
    IndexVector actions, states;
    RealVector weights, more_weights;
    Matrix<float> out;
    Vector<float> log_prob, entropy, ratio;
    Matrix<std::int64_t> drawn;
    GradientOptions options;
};

// {name of the view in the message, how to take its data, the call}
struct NullView {
    const char* name;
    void (*take)(Views&);
    void (*call)(const Views&);
};

void log_softmax(const Views& x) { scorefn::log_softmax(x.logits, x.out, x.options); }
void softmax(const Views& x) { scorefn::softmax(x.logits, x.out, x.options); }
void logsumexp(const Views& x) { scorefn::logsumexp(x.logits, x.log_prob, x.options); }
void log_prob(const Views& x) { scorefn::log_prob(x.logits, x.actions, x.log_prob, x.options); }
void entropy(const Views& x) { scorefn::entropy(x.logits, x.entropy, x.options); }
void kl_divergence(const Views& x) { scorefn::kl_divergence(x.logits, x.other, x.entropy, x.options); }
void sample(const Views& x) {
    scorefn::sample(x.logits, {{0, 0}}, x.drawn, {x.log_prob.data, 3, 1}, x.entropy, x.options);
}
void score(const Views& x) { scorefn::score(x.logits, x.actions, x.out, x.options); }
void score_gradient(const Views& x) {
    scorefn::score_gradient(x.logits, x.actions, x.weights, x.out, x.options);
}
void of_one_row(const Views& x) {
    scorefn::score_gradient(Vector<const float>(x.logits.data, 2), x.actions, x.weights,
                            Vector<float>(x.out.data, 2));
}
void tabular_gradient(const Views& x) {
    scorefn::tabular_gradient(x.logits, x.states, x.actions, x.weights, x.out, x.options);
}
void linear_gradient(const Views& x) {
    scorefn::linear_gradient(x.logits, Matrix<const float>(x.other.data, 2, 2), x.actions, x.weights,
                             Matrix<float>(x.out.data, 2, 2), x.options);
}
void policy_gradient(const Views& x) {
    scorefn::policy_gradient(x.logits, x.actions, x.weights, {x.out, x.log_prob, x.entropy}, x.options);
}
void clipped_surrogate(const Views& x) {
    scorefn::clipped_surrogate(x.logits, x.actions, x.weights, x.more_weights, 0.2,
                               {x.out, x.log_prob, x.entropy}, x.ratio, x.options);
}

void no_logits(Views& x) { x.logits.data = nullptr; }
void no_other(Views& x) { x.other.data = nullptr; }
void no_actions(Views& x) { x.actions.data = nullptr; }
void no_states(Views& x) { x.states.data = nullptr; }
void no_weights(Views& x) { x.weights.data = nullptr; }
void no_more_weights(Views& x) { x.more_weights.data = nullptr; }
void no_out(Views& x) { x.out.data = nullptr; }
void no_log_prob(Views& x) { x.log_prob.data = nullptr; }
void no_entropy(Views& x) { x.entropy.data = nullptr; }
void no_ratio(Views& x) { x.ratio.data = nullptr; }
void no_drawn(Views& x) { x.drawn.data = nullptr; }
void no_where(Views& x) { x.options.where.data = nullptr; }

constexpr NullView kNullViews[] = {
    {"logits", no_logits, log_softmax},
    {"out", no_out, log_softmax},
    {"where", no_where, log_softmax},
    {"logits", no_logits, softmax},
    {"out", no_out, softmax},
    {"where", no_where, softmax},
    {"logits", no_logits, logsumexp},
    {"out", no_log_prob, logsumexp},
    {"where", no_where, logsumexp},
    {"logits", no_logits, log_prob},
    {"actions", no_actions, log_prob},
    {"out", no_log_prob, log_prob},
    {"where", no_where, log_prob},
    {"logits", no_logits, entropy},
    {"out", no_entropy, entropy},
    {"where", no_where, entropy},
    {"logits_p", no_logits, kl_divergence},
    {"logits_q", no_other, kl_divergence},
    {"out", no_entropy, kl_divergence},
    {"where", no_where, kl_divergence},
    {"logits", no_logits, sample},
    {"actions", no_drawn, sample},
    {"log_probs", no_log_prob, sample},
    {"entropies", no_entropy, sample},
    {"where", no_where, sample},
    {"logits", no_logits, score},
    {"actions", no_actions, score},
    {"out", no_out, score},
    {"where", no_where, score},
    {"logits", no_logits, score_gradient},
    {"actions", no_actions, score_gradient},
    {"weights", no_weights, score_gradient},
    {"out", no_out, score_gradient},
    {"where", no_where, score_gradient},
    {"logits", no_logits, of_one_row},
    {"actions", no_actions, of_one_row},
    {"weights", no_weights, of_one_row},
    {"out", no_out, of_one_row},
    {"table", no_logits, tabular_gradient},
    {"states", no_states, tabular_gradient},
    {"actions", no_actions, tabular_gradient},
    {"weights", no_weights, tabular_gradient},
    {"out", no_out, tabular_gradient},
    {"where", no_where, tabular_gradient},
    {"features", no_logits, linear_gradient},
    {"coef", no_other, linear_gradient},
    {"actions", no_actions, linear_gradient},
    {"weights", no_weights, linear_gradient},
    {"out", no_out, linear_gradient},
    {"where", no_where, linear_gradient},
    {"logits", no_logits, policy_gradient},
    {"actions", no_actions, policy_gradient},
    {"weights", no_weights, policy_gradient},
    {"gradient", no_out, policy_gradient},
    {"log_prob", no_log_prob, policy_gradient},
    {"entropy", no_entropy, policy_gradient},
    {"where", no_where, policy_gradient},
    {"logits", no_logits, clipped_surrogate},
    {"actions", no_actions, clipped_surrogate},
    {"old_log_prob", no_weights, clipped_surrogate},
    {"advantages", no_more_weights, clipped_surrogate},
    {"gradient", no_out, clipped_surrogate},
    {"log_prob", no_log_prob, clipped_surrogate},
    {"entropy", no_entropy, clipped_surrogate},
    {"ratio", no_ratio, clipped_surrogate},
    {"where", no_where, clipped_surrogate},
};

void test_null_views() {
    Arguments x;
    std::int64_t drawn[] = {9, 9, 9};
    const bool allowed[6] = {true, true, true, true, true, true};
    Views good{x.logits(),     x.logits(),     x.a(),          x.s(),          x.w(),         x.w(),
               x.matrix_out(), x.vector_out(), x.vector_out(), x.vector_out(), {drawn, 3, 1}, {}};
    good.options.where = {allowed, 3, 2};
    for (const auto& [name, take, call] : kNullViews)
        for (const bool may_write_on_error : {false, true}) {
            Views views = good;
            views.options.may_write_on_error = may_write_on_error;
            take(views);
            const auto message = message_of<std::invalid_argument>([&, run = call] { run(views); });
            const std::string data = std::string(name) + " must have data for its ",
                              got = ", got a null pointer";
            bool is_right = false;
            for (const char* size :
                 {"size 2", "size 3", "shape (3, 2)", "shape (2, 2)", "shape (3, 1)", "shape (1, 2)"})
                is_right = is_right || message == data + size + got;
            check(is_right, __FILE__, __LINE__, std::string(name) + ": " + message);
        }
    CHECK(x.is_out_untouched() && drawn[0] == 9 && drawn[1] == 9 && drawn[2] == 9);

    // Nor may a size be negative, such as that of what std::size_t has wrapped around.
    CHECK_THROWS(std::invalid_argument, "logits must have sizes of at least 0, got shape (-1, 2)",
                 scorefn::softmax(Matrix<const float>(x.z.data(), -1, 2), x.matrix_out(-1)));
    CHECK_THROWS(
        std::invalid_argument, "states must have a size of at least 0, got -1",
        scorefn::tabular_gradient(x.logits(), {x.states, std::size_t(-1)}, x.a(), x.w(), x.matrix_out()));
    // A container must have as many elements as the matrix.
    CHECK_THROWS(std::invalid_argument, "a matrix of shape (3, 3) must have as many elements, got 6",
                 Matrix<const float>(x.z, 3, 3));
    CHECK_THROWS(std::invalid_argument, "a matrix of shape (2, 2) must have as many elements, got 6",
                 Matrix<const float>(x.z, 2, 2));
    CHECK_THROWS(std::invalid_argument, "a matrix of shape (3, 0) must have as many elements, got 6",
                 Matrix<const float>(x.z, 3, 0));

    // Without a size there need be no data.
    scorefn::softmax(Matrix<const float>(nullptr, 0, 2), Matrix<float>(nullptr, 0, 2));
    scorefn::log_prob(Matrix<const float>(nullptr, 0, 2), IndexVector(), Vector<float>());
    scorefn::sample(x.logits(), {{0, 0}}, Matrix<std::int64_t>(nullptr, 3, 0), Matrix<float>(nullptr, 3, 0));
    scorefn::tabular_gradient(x.logits(), IndexVector(), IndexVector(), RealVector(), x.matrix_out());
    scorefn::linear_gradient(Matrix<const float>(nullptr, 3, 0), Matrix<const float>(nullptr, 0, 2), x.a(),
                             x.w(), Matrix<float>(nullptr, 0, 2));
}

// No action can be drawn from a row with NaN or +inf, whatever is wanted beside it.
void test_bad_logits() {
    for (const float bad : {inf, std::numeric_limits<float>::quiet_NaN()})
        for (const std::int64_t cols : {1, 2, 5, 130})
            for (const bool may_write_on_error : {false, true})
                for (const bool has_mask : {false, true}) {
                    constexpr std::int64_t rows = 20;
                    std::vector<float> z(static_cast<std::size_t>(rows * cols));
                    const std::vector<char> allowed(z.size(), 1);
                    std::vector<std::int64_t> actions(rows, 9);
                    std::vector<float> log_probs(rows, untouched);
                    scorefn::Options options;
                    options.may_write_on_error = may_write_on_error;
                    if (has_mask) options.where = {reinterpret_cast<const bool*>(allowed.data()), rows, cols};
                    z[static_cast<std::size_t>(18 * cols - 1)] = z[static_cast<std::size_t>(19 * cols - 1)] =
                        bad;
                    const Matrix<std::int64_t> drawn(actions, rows, 1);
                    const char* message =
                        "logits[17] has NaN or +inf in an allowed slot: no action can be drawn from it";
                    CHECK_THROWS(scorefn::BadLogits, message,
                                 scorefn::sample(Matrix<const float>(z, rows, cols), {{0, 0}}, drawn,
                                                 Matrix<float>(log_probs, rows, 1), {}, options));
                    CHECK_THROWS(scorefn::BadValue, message,
                                 scorefn::sample(Matrix<const float>(z, rows, cols), {{0, 0}}, drawn, {}, {},
                                                 options));
                    if (may_write_on_error) continue;
                    CHECK(std::count(actions.begin(), actions.end(), 9) == rows);
                    CHECK(std::count(log_probs.begin(), log_probs.end(), untouched) == rows);
                }
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
    test_null_views();
    test_bad_logits();
    test_empty();
    return failures();
}
