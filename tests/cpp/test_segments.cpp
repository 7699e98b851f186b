// Objectives of decisions that have several rows each: values by hand, one of the caller's own, and errors.
#include <cmath>
#include <cstdint>
#include <limits>
#include <scorefn/scorefn.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.hpp"

using scorefn::ClippedSurrogate;
using scorefn::ObjectiveResults;
using scorefn::SegmentLogProb;
using scorefn::Segments;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool is_near(double a, double b) { return std::fabs(a - b) <= 1e-12 * (1 + std::fabs(b)); }

const std::vector<std::int32_t> kOffsets = {0, 2, 2, 5};
const std::vector<double> kLogProb = {-1.0, -0.5, -0.2, -2.0, -0.3}, kOld = {-1.1, -0.4, -0.5, -1.8, -0.2},
                          kAdvantages = {2.0, 5.0, -1.0};

void test_ratio_of_decisions() {
    for (const bool mean : {false, true}) {
        std::vector<double> w(5), ratio(3);
        ObjectiveResults<double> results;
        results.writes[0] = ratio;
        Segments segments{kOffsets};
        segments.log_prob = mean ? SegmentLogProb::mean : SegmentLogProb::sum;
        scorefn::derivatives(ClippedSurrogate{kOld, kAdvantages, kInfinity}, kLogProb, w, results, segments);
        const double n0 = mean ? 2 : 1, n2 = mean ? 3 : 1;
        const double r0 = std::exp((0.1 - 0.1) / n0), r2 = std::exp((0.3 - 0.2 - 0.1) / n2);
        CHECK(is_near(ratio[0], r0) && ratio[1] == 0 && is_near(ratio[2], r2));
        CHECK(is_near(results.sums[0], 2 * r0 - r2));
        for (int i = 0; i < 5; ++i) {
            const double expected = i < 2 ? 2 * r0 / n0 : -r2 / n2;
            CHECK(is_near(w[static_cast<std::size_t>(i)], expected));
        }
    }
}

void test_rows_that_do_not_count_and_cut_ones() {
    const bool valid[] = {true, false, true, true, true};
    std::vector<double> log_prob = kLogProb, old = kOld, w(5), ratio(3);
    log_prob[1] = old[1] = std::nan("");
    ObjectiveResults<double> results;
    results.writes[0] = ratio;
    Segments segments{kOffsets};
    segments.valid = {valid, 5};
    segments.row_clip = {0.15, 0.05};
    scorefn::derivatives(ClippedSurrogate{old, kAdvantages, kInfinity}, log_prob, w, results, segments);
    // 0.1 is cut at 0.05; of 0.3, -0.2 and -0.1, whose advantage is negative, the second at -0.15.
    CHECK(is_near(ratio[0], std::exp(0.05)) && is_near(ratio[2], std::exp(0.3 - 0.15 - 0.1)));
    CHECK(w[0] == 0 && w[1] == 0 && w[3] == 0);
    CHECK(is_near(w[2], -ratio[2]) && is_near(w[4], -ratio[2]));
}

void test_own_objective() {
    const double targets[] = {-1.0, 0.0, -2.0};
    const auto squares = [&](std::int64_t first, int count, const double* log_prob, double* value,
                             double* derivative) {
        for (int i = 0; i < count; ++i) {
            const double difference = log_prob[i] - targets[first + i];
            value[i] = -difference * difference;
            derivative[i] = -2 * difference;
        }
    };
    std::vector<double> w(5);
    ObjectiveResults<double> results;
    scorefn::derivatives(scorefn::CustomObjective(squares), kLogProb, w, results, Segments{kOffsets});
    CHECK(is_near(results.sums[0], -(0.25 + 0.25)));
    CHECK(is_near(w[0], 1.0) && is_near(w[1], 1.0) && is_near(w[4], 1.0));
}

void test_float_is_computed_in_double() {
    // A log-ratio of 1e-4 between sums of -1000: float has no such digits.
    const std::vector<float> log_prob(1000, -1.0f);
    std::vector<float> old = log_prob, w(1000), ratio(1);
    for (float& x : old) x -= 0x1p-23f;
    const std::vector<std::int64_t> offsets = {0, 1000};
    const std::vector<float> advantage = {1.0f};
    ObjectiveResults<float> results;
    results.writes[0] = ratio;
    scorefn::derivatives(ClippedSurrogate{old, advantage, kInfinity}, log_prob, w, results,
                         Segments{offsets});
    CHECK(ratio[0] == static_cast<float>(std::exp(1000 * 0x1p-23)));
}

void test_errors() {
    std::vector<double> w(5, 7.0);
    ObjectiveResults<double> results;
    const auto run = [&](const std::vector<std::int64_t>& offsets, scorefn::LowHigh row_clip = kInfinity) {
        Segments segments{offsets};
        segments.row_clip = row_clip;
        scorefn::derivatives(scorefn::WeightedLogProb{kAdvantages}, kLogProb, w, results, segments);
    };
    CHECK_THROWS(std::invalid_argument, "segments[0] = 1 must be 0", run({1, 2, 3, 5}));
    CHECK_THROWS(std::invalid_argument, "segments[2] = 1 is less than segments[1] = 2", run({0, 2, 1, 5}));
    CHECK_THROWS(std::invalid_argument, "segments[3] = 4 must be the number of rows, 5", run({0, 2, 3, 4}));
    CHECK_THROWS(std::invalid_argument, "segments[3] = 6 must be the number of rows, 5", run({0, 2, 3, 6}));
    CHECK_THROWS(std::invalid_argument,
                 "segments.row_clip needs an objective with old_log_prob and advantages",
                 run({0, 2, 3, 5}, 0.1));
    CHECK_THROWS(std::invalid_argument, "segments.row_clip must be at least 0",
                 run({0, 2, 3, 5}, {-1.0, 0.0}));
    for (const double x : w) CHECK(x == 7.0);
}

}  // namespace

int main() {
    test_ratio_of_decisions();
    test_rows_that_do_not_count_and_cut_ones();
    test_own_objective();
    test_float_is_computed_in_double();
    test_errors();
    return failures();
}
