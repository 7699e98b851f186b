// Ragged rows: the bits of dense rows, an objective of the caller's own, and errors before anything is written.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <scorefn/scorefn.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.hpp"

using scorefn::Matrix;
using scorefn::ObjectiveResults;
using scorefn::RaggedRows;
using scorefn::Vector;

namespace {

struct Problem {
    std::vector<std::int32_t> offsets{0};
    std::vector<float> logits, weights;
    std::vector<std::int64_t> actions;

    explicit Problem(const std::vector<int>& lengths) {
        for (const int length : lengths) {
            const auto row = static_cast<int>(actions.size());
            for (int j = 0; j < length; ++j) logits.push_back(static_cast<float>((row * 7 + j * 5) % 11) - 5);
            offsets.push_back(static_cast<std::int32_t>(logits.size()));
            actions.push_back(row % length);
            weights.push_back(static_cast<float>(row % 5) - 2);
        }
    }
    std::int64_t rows() const { return static_cast<std::int64_t>(actions.size()); }
    RaggedRows<const float> ragged() const { return {logits, offsets}; }
    Matrix<const float> row(std::int64_t i) const {
        const auto at = static_cast<std::size_t>(i);
        return {logits.data() + offsets[at], 1, offsets[at + 1] - offsets[at]};
    }
};

std::vector<int> mixed() {
    std::vector<int> lengths;
    for (int i = 0; i < 400; ++i) lengths.push_back(1 + i * 13 % 40);
    lengths[17] = 3000;
    lengths[100] = 70000;
    return lengths;
}

void test_rows_have_the_bits_of_dense_ones() {
    const Problem p(mixed());
    std::vector<float> score(p.logits.size()), entropy(p.actions.size());
    scorefn::score(p.ragged(), p.actions, score);
    scorefn::entropy(p.ragged(), entropy);
    for (std::int64_t i = 0; i < p.rows(); ++i) {
        const Matrix<const float> row = p.row(i);
        std::vector<float> of_row(static_cast<std::size_t>(row.cols));
        float h;
        const auto at = static_cast<std::size_t>(i);
        scorefn::score(row, {&p.actions[at], 1}, Matrix<float>(of_row, 1, row.cols));
        scorefn::entropy(row, Vector<float>(&h, 1));
        CHECK(std::equal(of_row.begin(), of_row.end(), score.begin() + p.offsets[at]));
        CHECK(h == entropy[at]);
    }
}

// It is told the rows of the call, in whatever order.
void test_an_objective_of_ones_own() {
    const Problem p(mixed());
    const auto weighted = [&](std::int64_t first, int count, const double* log_prob, double* value,
                              double* derivative) {
        for (int i = 0; i < count; ++i) {
            const auto w = static_cast<double>(p.weights[static_cast<std::size_t>(first + i)]);
            value[i] = w == 0 ? 0 : w * log_prob[i], derivative[i] = w;
        }
    };
    std::vector<float> own(p.logits.size()), expected = own;
    ObjectiveResults<float> of_own, results;
    scorefn::score_gradient(p.ragged(), p.actions, scorefn::CustomObjective(weighted), own, of_own);
    scorefn::score_gradient(p.ragged(), p.actions, scorefn::WeightedLogProb{p.weights}, expected, results);
    CHECK(own == expected);
    std::fill(expected.begin(), expected.end(), 0.0F);
    scorefn::score_gradient(p.ragged(), p.actions, p.weights, expected);
    CHECK(own == expected);
}

template <class Call>
std::string error_of(Call call) {
    try {
        call();
    } catch (const std::exception& error) {
        return error.what();
    }
    return "none";
}

void test_errors() {
    std::vector<float> z(6, 0.0F), out(6, 7.0F);
    std::vector<std::int64_t> actions = {0, 1, 1};
    const auto softmax = [&](const std::vector<std::int64_t>& offsets, const scorefn::Options& options = {}) {
        return error_of([&] { scorefn::softmax({z, offsets}, out, options); });
    };
    CHECK(softmax({}) == "offsets must have at least one entry, got none");
    CHECK(softmax({0, 3}) == "offsets[1] must be 6, the number of logits, got 3");
    CHECK(softmax({0, 9, 6}) == "offsets[1] must be at most 6, the number of logits, got 9");
    CHECK(softmax({0, 4, 4, 6}) ==
          "offsets[2] must be greater than offsets[1] = 4, as each row has an action, got 4");
    const bool where[6] = {};
    scorefn::Options options;
    options.where = {where, 2, 3};
    CHECK(softmax({0, 2, 6}, options) == "where must have shape (1, 6), got (2, 3)");
    options.where = {where, 1, 6};
    CHECK(softmax({0, 2, 6}, options) == "logits[0] has no allowed action: every logit is -inf or masked");
    const std::vector<std::int64_t> offsets = {0, 3, 4, 6};
    CHECK(error_of([&] { scorefn::score({z, offsets}, actions, out); }) ==
          "actions[1] = 1 is out of range for 1 actions");
    CHECK(error_of([&] { scorefn::score({z, offsets}, {actions.data(), 2}, out); }) ==
          "actions must have size 3, got 2");
    z[3] = std::numeric_limits<float>::infinity();
    CHECK(error_of([&] { scorefn::sample({z, offsets}, {{1, 2}}, actions); }) ==
          "logits[1] has NaN or +inf in an allowed slot: no action can be drawn from it");
    CHECK(out == std::vector<float>(6, 7.0F));
}

}  // namespace

int main() {
    test_rows_have_the_bits_of_dense_ones();
    test_an_objective_of_ones_own();
    test_errors();
    return failures();
}
