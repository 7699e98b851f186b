// Every function once, against numbers worked out by hand: rows of probabilities (1/4, 3/4) and (1/2, 1/2).
#include <array>
#include <cstdint>
#include <scorefn/scorefn.hpp>

#include "check.hpp"

using scorefn::IndexVector;
using scorefn::Matrix;
using scorefn::RealVector;
using scorefn::Vector;

namespace {

const double inf = std::numeric_limits<double>::infinity();
const double nan = std::numeric_limits<double>::quiet_NaN();
const double ln2 = std::log(2.0), ln3 = std::log(3.0), ln4 = std::log(4.0);

// 4 ULP for float, 8 for double, of at most two units each, and one ULP for what rounding log 3 to T does.
template <class T>
constexpr double tolerance = sizeof(T) == 4 ? 10 : 18;

template <class T>
struct Rows {
    const std::vector<T> data{T(0), T(ln3), T(0), T(0)};
    const Matrix<const T> logits{data.data(), 2, 2};
    const std::array<std::int64_t, 2> action_data{1, 0};
    const IndexVector actions{action_data.data(), 2};
    std::vector<T> matrix = std::vector<T>(4, T(nan)), vector = std::vector<T>(2, T(nan));
    const Matrix<T> matrix_out{matrix.data(), 2, 2};
    const Vector<T> vector_out{vector.data(), 2};
};

template <class T>
void test_softmax() {
    Rows<T> x;
    scorefn::log_softmax(x.logits, x.matrix_out);
    CHECK_NEAR(tolerance<T>, x.matrix, {-ln4, ln3 - ln4, -ln2, -ln2});
    scorefn::softmax(x.logits, x.matrix_out);
    CHECK_NEAR(tolerance<T>, x.matrix, {0.25, 0.75, 0.5, 0.5});
    scorefn::logsumexp(x.logits, x.vector_out);
    CHECK_NEAR(tolerance<T>, x.vector, {ln4, ln2});
}

template <class T>
void test_categorical() {
    Rows<T> x;
    scorefn::log_prob(x.logits, x.actions, x.vector_out);
    CHECK_NEAR(tolerance<T>, x.vector, {ln3 - ln4, -ln2});
    scorefn::entropy(x.logits, x.vector_out);
    CHECK_NEAR(tolerance<T>, x.vector, {ln4 - 0.75 * ln3, ln2});

    const std::vector<T> uniform(4, T(7));
    scorefn::kl_divergence(x.logits, Matrix<const T>(uniform.data(), 2, 2), x.vector_out);
    CHECK_NEAR(tolerance<T>, x.vector, {0.25 * std::log(0.5) + 0.75 * std::log(1.5), 0.0});
}

// An action that q forbids costs infinity, one that it all but forbids as much as it says, wherever in a row it lies.
template <class T>
void test_kl_divergence_of_forbidden() {
    constexpr T most = std::numeric_limits<T>::max();
    for (const std::size_t n : {2, 3, 9, 40, 129, 200, 3000}) {
        const auto size = static_cast<std::int64_t>(n);
        for (const std::size_t at : {std::size_t(0), n / 2, n - 1}) {
            const std::vector<T> p(n);
            std::vector<T> q(n), out(1);
            const Matrix<const T> logits_p(p.data(), 1, size), logits_q(q.data(), 1, size);
            q[at] = -std::numeric_limits<T>::infinity();
            scorefn::kl_divergence(logits_p, logits_q, Vector<T>{out.data(), 1});
            CHECK(out[0] == std::numeric_limits<T>::infinity());
            q[at] = most;
            scorefn::kl_divergence(logits_p, logits_q, Vector<T>{out.data(), 1});
            CHECK_NEAR(tolerance<T>, out, {most * (static_cast<double>(n - 1) / static_cast<double>(n))});
        }
    }
}

template <class T>
void test_sample() {
    // Philox4x32-10 makes 0x9b00dbd8bc57ac4ce169c58d6627e8d5 of key 0 and counter 0, by its authors' published test vectors.
    // From the lower half as the key and the upper half as the upper half of the counter, philox4x32 of scorefn.testing makes:
    const double u = static_cast<double>(std::uint64_t(0x50282a4dcb63db8c) >> 11) * 0x1p-53;
    for (const std::int64_t num_actions : {4, 32, 33, 1000}) {  // short and long rows
        const std::vector<T> uniform(static_cast<std::size_t>(num_actions), T(3));
        std::int64_t action = -1;
        T log_prob = 0;
        scorefn::sample(Matrix<const T>(uniform.data(), 1, num_actions), {{0, 0}},
                        Matrix<std::int64_t>(&action, 1, 1), Matrix<T>(&log_prob, 1, 1));
        CHECK(action == static_cast<std::int64_t>(u * static_cast<double>(num_actions)));
        T entropy = 0;
        scorefn::sample(Matrix<const T>(uniform.data(), 1, num_actions), {{0, 0}},
                        Matrix<std::int64_t>(&action, 1, 1), Matrix<T>(&log_prob, 1, 1),
                        Vector<T>{&entropy, 1});
        CHECK(action == static_cast<std::int64_t>(u * static_cast<double>(num_actions)));
        CHECK_NEAR(tolerance<T>, std::vector<T>{entropy}, {std::log(static_cast<double>(num_actions))});
        CHECK_NEAR(tolerance<T>, std::vector<T>{log_prob}, {-std::log(static_cast<double>(num_actions))});
    }

    // Draws of one row, of which two actions are impossible.
    const std::vector<T> row{T(-inf), T(0), T(5), T(ln3)};
    const bool allowed[] = {true, true, false, true};
    constexpr std::int64_t n = 20000;
    std::vector<std::int64_t> actions(n);
    std::vector<T> log_probs(n);
    scorefn::Options options;
    options.where = Matrix<const bool>(allowed, 1, 4);
    scorefn::sample(Matrix<const T>(row.data(), 1, 4), {{1, 2}}, Matrix<std::int64_t>(actions.data(), 1, n),
                    Matrix<T>(log_probs.data(), 1, n), {}, options);
    std::int64_t count[4] = {};
    bool agree = true;
    for (std::size_t d = 0; d < n; ++d) {
        ++count[actions[d]];
        agree &= near(std::vector<T>{log_probs[d]}, {actions[d] == 1 ? -ln4 : ln3 - ln4}, tolerance<T>);
    }
    CHECK(agree);
    // Actions are the same where nothing else is wanted.
    std::vector<std::int64_t> alone(n);
    scorefn::sample(Matrix<const T>(row.data(), 1, 4), {{1, 2}}, Matrix<std::int64_t>(alone.data(), 1, n), {},
                    {}, options);
    CHECK(alone == actions);
    T entropy = 0, expected = 0;
    scorefn::sample(Matrix<const T>(row.data(), 1, 4), {{1, 2}}, Matrix<std::int64_t>(alone.data(), 1, n), {},
                    {&entropy, 1}, options);
    scorefn::entropy(Matrix<const T>(row.data(), 1, 4), {&expected, 1}, options);
    CHECK(alone == actions && entropy == expected);
    CHECK(count[0] == 0 && count[2] == 0);
    CHECK(std::abs(count[1] - n / 4) < 300);  // 5 standard deviations of sqrt(n 1/4 3/4) = 61
}

template <class T>
void test_score_gradient() {
    Rows<T> x;
    scorefn::score(x.logits, x.actions, x.matrix_out);
    CHECK_NEAR(tolerance<T>, x.matrix, {-0.25, 0.25, 0.5, -0.5});

    const double weights[] = {2, -4};
    scorefn::GradientOptions options;
    scorefn::score_gradient(x.logits, x.actions, RealVector(weights, 2), x.matrix_out);
    CHECK_NEAR(tolerance<T>, x.matrix, {-0.5, 0.5, -2, 2});
    options.accumulate = true;
    scorefn::score_gradient(x.logits, x.actions, RealVector(weights, 2), x.matrix_out, options);
    CHECK_NEAR(tolerance<T>, x.matrix, {-1, 1, -4, 4});

    // -pi_j (log pi_j + H) with H = log 4 - 3/4 log 3, and without any reward
    const float zeros[] = {0, 0};
    options.accumulate = false;
    options.entropy_coef = 16;
    scorefn::score_gradient(x.logits, x.actions, RealVector(zeros, 2), x.matrix_out, options);
    CHECK_NEAR(4 * tolerance<T>, x.matrix,
               {3 * ln3, -3 * ln3, 0, 0});  // a difference of terms 4 times as large

    // One row that three samples share: (1, 5) - 6 (1/4, 3/4).
    const std::uint8_t actions[] = {0, 1, 1};
    const float shared_weights[] = {1, 2, 3};
    scorefn::score_gradient(Vector<const T>{x.data.data(), 2}, IndexVector(actions, 3),
                            RealVector(shared_weights, 3), x.vector_out);
    CHECK_NEAR(tolerance<T>, x.vector, {-0.5, 0.5});
}

// What an objective gives a row, in arrays of their own.
template <class T>
struct Results {
    std::vector<T> gradient = std::vector<T>(4, T(nan)), log_prob = std::vector<T>(2, T(nan)),
                   entropy = log_prob, ratio = log_prob;
    const scorefn::ObjectiveRows<T> rows{{gradient.data(), 2, 2}, {log_prob.data(), 2}, {entropy.data(), 2}};
    const Vector<T> ratio_out{ratio.data(), 2};
};

// The actions have the probabilities 3/4 and 1/2, the rows the entropies log 4 - 3/4 log 3 and log 2.
template <class T>
void test_policy_gradient() {
    const Rows<T> x;
    const Results<T> out;
    const double weights[] = {2, -4};
    const double entropy = 2 * ln2 - 0.75 * ln3 + ln2;
    const auto policy_gradient = [&](const scorefn::GradientOptions& options) {
        return std::vector<T>{static_cast<T>(
            scorefn::policy_gradient(x.logits, x.actions, RealVector(weights, 2), out.rows, options))};
    };
    scorefn::GradientOptions options;
    std::vector<T> objective = policy_gradient(options);
    CHECK_NEAR(2 * tolerance<T>, objective, {2 * (ln3 - ln4) + 4 * ln2});
    CHECK_NEAR(tolerance<T>, out.gradient, {-0.5, 0.5, -2, 2});
    CHECK_NEAR(tolerance<T>, out.log_prob, {ln3 - ln4, -ln2});
    CHECK_NEAR(tolerance<T>, out.entropy, {ln4 - 0.75 * ln3, ln2});

    // With the gradient of the entropies of test_score_gradient, a difference of terms 4 times as large.
    options.accumulate = true;
    options.entropy_coef = 16;
    objective = policy_gradient(options);
    CHECK_NEAR(2 * tolerance<T>, objective, {2 * (ln3 - ln4) + 4 * ln2 + 16 * entropy});
    CHECK_NEAR(8 * tolerance<T>, out.gradient, {-1 + 3 * ln3, 1 - 3 * ln3, -4, 4});
}

// Ratios of 3/4 over 1/2 and 1/2 over 1/4: 1.5 and 2.
template <class T>
void test_clipped_surrogate() {
    const Rows<T> x;
    const Results<T> out;
    const double old_log_prob[] = {-ln2, -ln4};
    const double kl = ((0.5 - std::log(1.5)) + (1 - ln2)) / 2;
    const auto surrogate = [&](const double(&advantages)[2], double clip_range) {
        return scorefn::clipped_surrogate(x.logits, x.actions, RealVector(old_log_prob, 2),
                                          RealVector(advantages, 2), clip_range, out.rows, out.ratio_out);
    };
    const auto check_sums = [&](const scorefn::ClippedSurrogateSums& sums, double objective,
                                double fraction) {
        CHECK_NEAR(4 * tolerance<T>, std::vector<T>{static_cast<T>(sums.objective)}, {objective});
        CHECK_NEAR(8 * tolerance<T>, std::vector<T>{static_cast<T>(sums.approx_kl)}, {kl});
        CHECK(sums.clip_fraction == fraction);
        CHECK_NEAR(2 * tolerance<T>, out.ratio, {1.5, 2});
        CHECK_NEAR(tolerance<T>, out.log_prob, {ln3 - ln4, -ln2});
        CHECK_NEAR(tolerance<T>, out.entropy, {ln4 - 0.75 * ln3, ln2});
    };
    check_sums(surrogate({2, 4}, 2), 3 + 8, 0);  // no ratio is clipped
    CHECK_NEAR(3 * tolerance<T>, out.gradient, {-0.75, 0.75, 4, -4});
    check_sums(surrogate({2, 4}, 0.75), 3 + 7, 0.5);  // the second one is
    CHECK_NEAR(3 * tolerance<T>, out.gradient, {-0.75, 0.75, 0, 0});
    check_sums(surrogate({2, -4}, 0.25), 2.5 - 8, 1);  // both are, but where it makes the objective smaller
    CHECK_NEAR(3 * tolerance<T>, out.gradient, {0, 0, -4, 4});
    check_sums(surrogate({0, 0}, 0.25), 0, 1);
    CHECK_NEAR(0, out.gradient, {0, 0, 0, 0});
}

template <class T>
void test_policies() {
    Rows<T> x;
    const std::vector<T> table{T(0), T(ln3), T(nan), T(nan), T(0), T(0)};  // no sample visits state 1
    const std::int32_t states[] = {0, 2, 0};
    const std::int8_t actions[] = {1, 0, 0};
    const double weights[] = {4, 1, 8};
    std::vector<T> gradient(6, T(nan));
    scorefn::tabular_gradient(Matrix<const T>(table.data(), 3, 2), IndexVector(states, 3),
                              IndexVector(actions, 3), RealVector(weights, 3),
                              Matrix<T>(gradient.data(), 3, 2));
    CHECK_NEAR(tolerance<T>, gradient, {5, -5, 0, 0, 0.5, -0.5});  // (8, 4) - 12 (1/4, 3/4)

    // features @ coef = the rows x.logits; features^T times the rows of the gradient above
    const std::vector<T> features{T(1), T(0), T(0), T(2)}, coef{T(0), T(ln3), T(0), T(0)};
    const double two_weights[] = {2, -4};
    scorefn::linear_gradient(Matrix<const T>(features.data(), 2, 2), Matrix<const T>(coef.data(), 2, 2),
                             x.actions, RealVector(two_weights, 2), x.matrix_out);
    CHECK_NEAR(tolerance<T>, x.matrix, {-0.5, 0.5, -4, 4});
}

// C3: what a mask, -inf, NaN and a weight of 0 do.
template <class T>
void test_special_values() {
    const std::vector<T> logits{T(0), T(nan), T(ln3), T(0), T(nan), T(0), T(0), T(-inf), T(0)};
    const Matrix<const T> rows(logits.data(), 3, 3);
    const bool allowed[] = {true, false, true, true, true, true, true, true, true};
    scorefn::GradientOptions options;
    options.where = Matrix<const bool>(allowed, 3, 3);
    std::vector<T> out(9);
    scorefn::log_softmax(rows, Matrix<T>(out.data(), 3, 3), options);
    CHECK_NEAR(tolerance<T>, out, {-ln4, -inf, ln3 - ln4, nan, nan, nan, -ln2, -inf, -ln2});

    const std::int64_t actions[] = {1, 0, 0};
    const double weights[] = {0, 0, 1};
    scorefn::score_gradient(rows, IndexVector(actions, 3), RealVector(weights, 3),
                            Matrix<T>(out.data(), 3, 3), options);
    CHECK_NEAR(tolerance<T>, out, {0, 0, 0, 0, 0, 0, 0.5, 0, -0.5});
}

template <class T>
void test_all() {
    test_softmax<T>();
    test_categorical<T>();
    test_kl_divergence_of_forbidden<T>();
    test_sample<T>();
    test_score_gradient<T>();
    test_policy_gradient<T>();
    test_clipped_surrogate<T>();
    test_policies<T>();
    test_special_values<T>();
}

}  // namespace

int main() {
    test_all<float>();
    test_all<double>();
    return failures();
}
