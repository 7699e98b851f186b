// Credit and the statistics of gradients, against numbers worked out by hand, and their errors.
#include <scorefn/scorefn.hpp>

#include "check.hpp"

using namespace scorefn;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// Two environments of three steps, whose numbers are exact in any dtype; T(9) is not to be read.
template <class T>
struct Steps {
    std::vector<T> rewards{1, 2, 4, 8, 2, 4}, values{0, 1, 0, 1, 0, 1}, next_values{9, 9, 2, 9, 8, 16}, out;
    bool terminated[6] = {false, false, false, true, false, false};
    bool truncated[6] = {false, false, true, false, false, false};
    bool valid[6] = {true, true, true, true, true, true};
    ScanOptions options;

    Steps() : out(6, T(7)) {}
    Matrix<T> results() { return {out.data(), 3, 2}; }
    Matrix<const T> numbers(const std::vector<T>& x) const { return {x.data(), 3, 2}; }
    EpisodeSteps<T> plain() const { return {numbers(rewards), {}, {}, {}}; }
    EpisodeSteps<T> all() const {
        return {numbers(rewards), {terminated, 3, 2}, {truncated, 3, 2}, {valid, 3, 2}};
    }
};

template <class T>
void test_scans() {
    Steps<T> x;
    discounted_returns(x.plain(), Matrix<const T>(), 0.5, x.results());
    CHECK_NEAR(0, x.out, {3.5, 7, 5, 10, 2, 4});
    discounted_returns(x.all(), x.numbers(x.next_values), 0.5, x.results());
    CHECK_NEAR(0, x.out, {3.5, 6, 5, 8, 6, 12});
    x.valid[4] = x.valid[5] = false;  // then the step before is the last, and truncated
    x.rewards[4] = static_cast<T>(nan);
    discounted_returns(x.all(), x.numbers(x.next_values), 0.5, x.results());
    CHECK_NEAR(0, x.out, {3.5, 6, 5, 8, 0, 0});

    Steps<T> y;
    generalized_advantages(y.all(), y.numbers(y.values), y.numbers(y.next_values), 0.5, 0.5, y.results());
    // delta = r + next / 2 - value: {5.5, 5.5, 5, 7, 6, 11}, and a quarter of what follows.
    CHECK_NEAR(0, y.out, {6.75, 7.25, 5, 7, 6, 11});

    // Half of what follows is a value, half a return: {next, next}, {cut, terminated}, {last, last}.
    lambda_returns(y.all(), y.numbers(y.next_values), 0.5, 0.5, y.results());
    CHECK_NEAR(0, y.out, {1 + 2.25 + 1.25, 2 + 2.25 + 2, 5, 8, 6, 12});
    for (const std::int64_t n : {1, 2, 3, 9}) {
        n_step_returns(y.plain(), y.numbers(y.next_values), 0.5, n, y.results());
        // One step: r + next / 2. Two: r + half of that of the next step. Three: r + half of that.
        if (n == 1) CHECK_NEAR(0, y.out, {5.5, 6.5, 5, 12.5, 6, 12});
        if (n == 2) CHECK_NEAR(0, y.out, {3.5, 8.25, 7, 14, 6, 12});
        if (n >= 3) CHECK_NEAR(0, y.out, {4.5, 9, 7, 14, 6, 12});
    }
}

// Ratios of 1, 0 and infinity, which no clip leaves as it is.
template <class T>
void test_traces() {
    Steps<T> x;
    const T none = static_cast<T>(-inf), most = std::numeric_limits<T>::max();
    const std::vector<T> logs{0, 0, none, most, 0, 0};
    std::vector<T> advantages(6);
    const auto values = x.numbers(x.values), next = x.numbers(x.next_values), log_ratios = x.numbers(logs);
    const Matrix<T> second(advantages.data(), 3, 2);
    // delta: {5.5, 5.5, 5, 7, 6, 11}
    VTraceOptions by;
    by.clip_rho = by.clip_c = by.clip_pg_rho = 2;
    vtrace(x.all(), values, next, log_ratios, 0.5, by, x.results(), second);
    // x: {5.5 + 0, 5.5 + 14 / 2, 0, 14, 6, 11}
    CHECK_NEAR(0, x.out, {5.5, 13.5, 0, 15, 6, 12});
    CHECK_NEAR(0, advantages, {5.5, 12.5, 0, 14, 6, 11});
    by.lambda = 0.5;
    by.has_lambda_in_advantages = true;
    vtrace(x.all(), values, next, log_ratios, 0.5, by, x.results(), second);
    CHECK_NEAR(0, x.out, {5.5, 10, 0, 15, 6, 12});
    CHECK_NEAR(0, advantages, {5.5, 9, 0, 14, 6, 11});
    retrace(x.all(), values, next, log_ratios, 0.5, 0.5, 2, x.results());
    // Traces of half the ratio, at most 1: {1/2, 1/2, 0, 1, 1/2, 1/2}
    CHECK_NEAR(0, x.out, {5.5, 10, 5, 8, 6, 12});
    retrace(x.all(), values, next, Matrix<const T>(), 0.5, 0.5, 2, x.results());
    CHECK_NEAR(0, x.out, {6.75, 8.25, 5, 8, 6, 12});
    upgo(x.all(), values, next, 0.5, x.results());
    CHECK_NEAR(0, x.out, {8, 9, 5, 7, 6, 11});
    x.rewards[2] = -2;  // delta -1
    upgo(x.all(), values, next, 0.5, x.results());
    CHECK_NEAR(0, x.out, {5.5, 9, -1, 7, 6, 11});
}

template <class T>
void test_trace_errors() {
    using Error = std::invalid_argument;
    Steps<T> x;
    std::vector<T> logs(6);
    std::vector<T> advantages(6, T(7));
    const auto values = x.numbers(x.values), log_ratios = x.numbers(logs);
    const Matrix<T> second(advantages.data(), 3, 2);
    const auto with = [&](auto change) {
        VTraceOptions by;
        change(by);
        vtrace(x.all(), values, values, log_ratios, 0.5, by, x.results(), second);
    };
    CHECK_THROWS(Error, "clip_rho must be at least 0, got -1.000000",
                 with([](auto& by) { by.clip_rho = -1; }));
    CHECK_THROWS(Error, "clip_c must be at least 0, got -1.000000", with([](auto& by) { by.clip_c = -1; }));
    CHECK_THROWS(Error, "clip_pg_rho must be at least 0, got -1.000000",
                 with([](auto& by) { by.clip_pg_rho = -1; }));
    CHECK_THROWS(Error, "alpha must be from 0 to 1, got 2.000000", with([](auto& by) { by.alpha = 2; }));
    CHECK_THROWS(Error, "lambda must be from 0 to 1, got 2.000000", with([](auto& by) { by.lambda = 2; }));
    CHECK_THROWS(
        Error, "advantages must have shape (3, 2), got (2, 2)",
        vtrace(x.all(), values, values, log_ratios, 0.5, {}, x.results(), Matrix<T>(second.data, 2, 2)));
    CHECK_THROWS(Error, "log_ratio must have shape (3, 2), got (0, 0)",
                 vtrace(x.all(), values, values, {}, 0.5, {}, x.results(), second));
    CHECK_THROWS(Error, "targets must have shape (3, 2), got (2, 2)",
                 vtrace(x.all(), values, values, log_ratios, 0.5, {}, Matrix<T>(x.out.data(), 2, 2), second));
    CHECK_THROWS(Error, "action_values must have shape (3, 2), got (0, 0)",
                 retrace(x.all(), {}, values, log_ratios, 0.5, 1, 1, x.results()));
    CHECK_THROWS(Error, "clip must be at least 0, got nan",
                 retrace(x.all(), values, values, log_ratios, 0.5, 1, nan, x.results()));
    CHECK_THROWS(Error, "lambda must be from 0 to 1, got 2.000000",
                 lambda_returns(x.all(), values, 0.5, 2, x.results()));
    CHECK_THROWS(Error, "n must be at least 1, got 0", n_step_returns(x.all(), values, 0.5, 0, x.results()));
    logs[3] = static_cast<T>(inf);
    CHECK_THROWS(BadValue, "log_ratio[3] must be finite or -inf, got inf", with([](auto&) {}));
    CHECK(x.out == std::vector<T>(6, T(7)) && advantages == x.out);
}

// Rows of more environments than a tile holds, with flags and without.
template <class T>
void test_scans_of_many() {
    const std::int64_t n = 1300;
    const std::vector<T> rewards(static_cast<std::size_t>(2 * n), T(1));
    const std::vector<char> flags(static_cast<std::size_t>(2 * n), 1);
    std::vector<T> plain(rewards.size()), flagged(rewards.size());
    EpisodeSteps<T> steps{{rewards.data(), 2, n}, {}, {}, {}};
    discounted_returns(steps, Matrix<const T>(), 0.5, Matrix<T>(plain.data(), 2, n));
    steps.valid = {reinterpret_cast<const bool*>(flags.data()), 2, n};
    discounted_returns(steps, Matrix<const T>(), 0.5, Matrix<T>(flagged.data(), 2, n));
    CHECK(plain == flagged && plain[0] == T(1.5) && plain[1299] == T(1.5) && plain[1300] == T(1));

    std::vector<T> bad = rewards;
    bad[1250] = static_cast<T>(inf);
    steps = {{bad.data(), 2, n}, {}, {}, {}};
    CHECK_THROWS(BadValue, "rewards[1250] must be finite, got inf",
                 discounted_returns(steps, Matrix<const T>(), 0.5, Matrix<T>(flagged.data(), 2, n)));
}

template <class T>
void test_scan_errors() {
    using Error = std::invalid_argument;
    Steps<T> x;
    const Matrix<const T> none, values = x.numbers(x.values);
    CHECK_THROWS(Error, "discount must be from 0 to 1, got 1.500000",
                 discounted_returns(x.plain(), none, 1.5, x.results()));
    CHECK_THROWS(Error, "gae_lambda must be from 0 to 1, got -1.000000",
                 generalized_advantages(x.all(), values, values, 0.5, -1, x.results()));
    CHECK_THROWS(Error, "out must have shape (3, 2), got (2, 2)",
                 discounted_returns(x.plain(), none, 0.5, Matrix<T>(x.out.data(), 2, 2)));
    CHECK_THROWS(Error, "next_values must have shape (3, 2), got (1, 2)",
                 discounted_returns(x.plain(), Matrix<const T>(x.values.data(), 1, 2), 0.5, x.results()));
    CHECK_THROWS(Error, "values must have shape (3, 2), got (0, 0)",
                 generalized_advantages(x.all(), none, values, 0.5, 0.5, x.results()));
    const auto with = [&](auto change) {
        EpisodeSteps<T> steps = x.all();
        change(steps);
        discounted_returns(steps, none, 0.5, x.results());
    };
    CHECK_THROWS(Error, "rewards must have data for its shape (3, 2), got a null pointer",
                 with([](auto& steps) { steps.rewards.data = nullptr; }));
    CHECK_THROWS(Error, "terminated must have data for its shape (3, 2), got a null pointer",
                 with([](auto& steps) { steps.terminated.data = nullptr; }));
    CHECK_THROWS(Error, "truncated must have data for its shape (3, 2), got a null pointer",
                 with([](auto& steps) { steps.truncated.data = nullptr; }));
    CHECK_THROWS(Error, "valid must have shape (3, 2), got (3, 1)",
                 with([](auto& steps) { steps.valid.cols = 1; }));
    CHECK_THROWS(Error, "out must have data for its shape (3, 2), got a null pointer",
                 discounted_returns(x.plain(), none, 0.5, Matrix<T>(nullptr, 3, 2)));
    x.rewards[3] = static_cast<T>(-inf);
    CHECK_THROWS(BadValue, "rewards[3] must be finite, got -inf",
                 discounted_returns(x.plain(), none, 0.5, x.results()));
    CHECK(x.out == std::vector<T>(6, T(7)));  // by default, nothing half-written
    discounted_returns(EpisodeSteps<T>{{nullptr, 0, 2}, {}, {}, {}}, none, 0.5, Matrix<T>(nullptr, 0, 2));
}

Moments moments_of(const std::vector<double>& x) {
    Moments of;
    moments({x.data(), 1, x.size()}, {&of, 1});
    return of;
}

void test_moments() {
    // Differences from 10: 0, 1, 5, -2; mean 1, deviations -1, 0, 4, -3.
    const std::vector<double> x{10, 11, 15, 8};
    const Moments of = moments_of(x);
    CHECK(of.unit == 1 && of.pivot == 10 && of.mean == 1 && of.least == 8 && of.greatest == 15);
    CHECK_NEAR(1, std::vector<double>{of.root_sum_square}, {std::sqrt(26.0)});
    std::vector<double> out(4, nan);
    const Vector<const Moments> by{&of, 1};
    for (const auto& [factor, expected] :
         {std::pair{0.5, std::vector<double>{-0.5, 0, 2, -1.5}}, {0.0, std::vector<double>(4)}}) {
        standardize({x.data(), 1, 4}, by, {&factor, 1}, {out.data(), 1, 4});
        CHECK(out == expected && (factor != 0 || !std::signbit(out[0])));
    }
    // More blocks than one: -1 and 1 by turns around 2^40, whose mean and squares are exact.
    std::vector<double> many;
    for (int i = 0; i < 10000; ++i) many.push_back(std::ldexp(1.0, 40) + (i % 2 ? 1 : -1));
    const Moments large = moments_of(many);
    CHECK(large.mean == 1 && large.root_sum_square == 100);
    // Blocks of unlike means: 2048 zeros and 2048 twos.
    std::vector<double> steps(4096);
    for (std::size_t i = 2048; i < steps.size(); ++i) steps[i] = 2;
    const Moments apart = moments_of(steps);
    CHECK(apart.mean == 1 && apart.root_sum_square == 64);
    // Squares that do not exist.
    for (const double size : {1e-310, 1e-200, 1e200, 1e308}) {
        const Moments scaled = moments_of({size, -size});
        CHECK_NEAR(4, (std::vector<double>{scaled.root_sum_square * (scaled.unit / size)}), {std::sqrt(2.0)});
        CHECK(scaled.least == -size && scaled.greatest == size);
    }
    CHECK(moments_of({5, 5, 5}).root_sum_square == 0 && moments_of({3}).mean == 0);
    for (const double bad : {nan, inf, -inf})
        for (int i = 0; i < 3; ++i) {
            std::vector<double> with{1, 2, 3};
            with[static_cast<std::size_t>(i)] = bad;
            CHECK(std::isnan(moments_of(with).mean));
        }

    // A group per row, of any strides.
    Moments both[2];
    moments({x.data(), 2, 2, 1, 2}, {both, 2});
    CHECK(both[0].mean == 2.5 && both[1].mean == -1.5 && both[1].pivot == 11);
    using Error = std::invalid_argument;
    CHECK_THROWS(Error, "groups must have at least one column, got 0",
                 moments(Matrix<const double>(nullptr, 2, 0), {both, 2}));
    CHECK_THROWS(Error, "groups must have data for its shape (2, 2), got a null pointer",
                 moments(Matrix<const double>(nullptr, 2, 2), {both, 2}));
    CHECK_THROWS(Error, "out must have size 2, got 1", moments({x.data(), 2, 2}, {both, 1}));
    CHECK_THROWS(Error, "factors must have size 1, got 0",
                 standardize({x.data(), 1, 4}, by, Vector<const double>(), {out.data(), 1, 4}));
}

// Two samples of a row (1/4, 3/4): actions 0 and 1, weights 2 and -4. Their rows are 2 (3/4, -3/4) and -4 (-1/4, 1/4).
template <class T>
void test_statistics() {
    const double ln4 = std::log(4.0), ln3 = std::log(3.0), entropy = ln4 - 0.75 * ln3;
    const double root = std::sqrt(2 * 2.25 + 2 * 1.0);
    const T row[] = {T(0), T(ln3)}, x[] = {T(1), T(1)};
    const std::int64_t actions[] = {0, 1}, states[] = {1, 1};
    const double weights[] = {2, -4};
    const T table[] = {T(0), T(0), row[0], row[1]};
    T out[4];
    GradientStatistics of;
    GradientOptions options;
    options.statistics = &of;
    const auto check_them = [&] {
        CHECK_NEAR(16, (std::vector<T>{static_cast<T>(of.entropy), static_cast<T>(of.root_sum_square)}),
                   {2 * entropy, root});
        of = {};
    };
    score_gradient(Vector<const T>{row, 2}, {actions, 2}, {weights, 2}, Vector<T>{out, 2}, options);
    check_them();
    tabular_gradient(Matrix<const T>(table, 2, 2), {states, 2}, {actions, 2}, {weights, 2},
                     Matrix<T>(out, 2, 2), options);
    check_them();
    linear_gradient(Matrix<const T>(x, 2, 1), Matrix<const T>(row, 1, 2), {actions, 2}, {weights, 2},
                    Matrix<T>(out, 1, 2), options);
    check_them();

    const T impossible[] = {T(0), static_cast<T>(-inf)};
    CHECK_THROWS(BadValue, "actions[1] = 1 has probability 0: its logit is -inf or masked",
                 score_gradient(Vector<const T>{impossible, 2}, {actions, 2}, {weights, 2}, Vector<T>{out, 2},
                                options));
}

template <class T>
void test_all() {
    test_scans<T>();
    test_scans_of_many<T>();
    test_traces<T>();
    test_scan_errors<T>();
    test_trace_errors<T>();
    test_statistics<T>();
}

}  // namespace

int main() {
    test_all<float>();
    test_all<double>();
    test_moments();
    return failures();
}
