// Products with the Fisher matrix of a linear policy: the formula, and the errors.
#include <algorithm>
#include <cmath>
#include <scorefn/scorefn.hpp>

#include "check.hpp"

using scorefn::Matrix;
using scorefn::Options;

namespace {

constexpr std::int64_t kSamples = 3, kFeatures = 2, kActions = 3;

template <class T>
struct Arguments {
    std::vector<T> x{1, 2, -1, 3, 0.5, 1}, coef{0, 1, -1, 2, 0, 1}, v{1, 0, 3, -2, 1, 0},
        p = std::vector<T>(kSamples * kActions), out = std::vector<T>(kFeatures * kActions, T(7));

    Matrix<const T> features() const { return {x.data(), kSamples, kFeatures}; }
    Matrix<const T> parameters() const { return {coef.data(), kFeatures, kActions}; }
    Matrix<const T> vector() const { return {v.data(), kFeatures, kActions}; }
    Matrix<const T> probabilities() const { return {p.data(), kSamples, kActions}; }
    Matrix<T> result() { return {out.data(), kFeatures, kActions}; }
    bool is_out_untouched() const {
        return std::all_of(out.begin(), out.end(), [](T y) { return y == T(7); });
    }
};

template <class T>
void test_formula() {
    Arguments<T> a;
    std::vector<double> expected(kFeatures * kActions);
    for (std::size_t i = 0; i < kSamples; ++i) {
        double e[kActions], t[kActions], total = 0, mean = 0;
        for (std::size_t k = 0; k < kActions; ++k) {
            double z = t[k] = 0;
            for (std::size_t f = 0; f < kFeatures; ++f) {
                z += double(a.x[i * kFeatures + f]) * double(a.coef[f * kActions + k]);
                t[k] += double(a.x[i * kFeatures + f]) * double(a.v[f * kActions + k]);
            }
            total += e[k] = std::exp(z);
        }
        for (std::size_t k = 0; k < kActions; ++k) mean += e[k] / total * t[k];
        for (std::size_t k = 0; k < kActions; ++k) {
            a.p[i * kActions + k] = static_cast<T>(e[k] / total);
            for (std::size_t f = 0; f < kFeatures; ++f)
                expected[f * kActions + k] += double(a.x[i * kFeatures + f]) * e[k] / total * (t[k] - mean);
        }
    }
    // Sums of three terms that are of order 1, each with a few roundings.
    const auto is_near = [&] {
        bool all = true;
        for (std::size_t j = 0; j < expected.size(); ++j)
            all = all && std::abs(static_cast<double>(a.out[j]) - expected[j]) <=
                             32.0 * static_cast<double>(std::numeric_limits<T>::epsilon());
        return all;
    };
    scorefn::fisher_vector_product(a.features(), a.parameters(), a.vector(), a.result());
    CHECK(is_near());
    std::fill(a.out.begin(), a.out.end(), T(7));
    scorefn::fisher_product_of_probabilities(a.features(), a.probabilities(), a.vector(), a.result());
    CHECK(is_near());
}

void test_errors() {
    Arguments<float> a;
    using Error = std::invalid_argument;
    const Matrix<const float> nothing{nullptr, kFeatures, kActions}, square{a.v.data(), 2, 2};
    const auto product = [&](auto features, auto coef, auto vector, auto out) {
        scorefn::fisher_vector_product(features, coef, vector, out);
    };
    const auto of_probabilities = [&](auto features, auto p, auto vector, auto out) {
        scorefn::fisher_product_of_probabilities(features, p, vector, out);
    };
    CHECK_THROWS(Error, "coef must have shape (2, 3), got (3, 3)",
                 product(a.features(), a.probabilities(), a.vector(), a.result()));
    CHECK_THROWS(Error, "vector must have shape (2, 3), got (2, 2)",
                 product(a.features(), a.parameters(), square, a.result()));
    CHECK_THROWS(Error, "out must have shape (2, 3), got (3, 2)",
                 product(a.features(), a.parameters(), a.vector(), Matrix<float>(a.out.data(), 3, 2)));
    CHECK_THROWS(Error, "vector must have data for its shape (2, 3), got a null pointer",
                 product(a.features(), a.parameters(), nothing, a.result()));
    CHECK_THROWS(Error, "probabilities must have shape (3, 3), got (2, 3)",
                 of_probabilities(a.features(), a.parameters(), a.vector(), a.result()));
    CHECK_THROWS(Error, "vector must have shape (2, 3), got (2, 2)",
                 of_probabilities(a.features(), a.probabilities(), square, a.result()));
    CHECK_THROWS(Error, "vector must have data for its shape (2, 3), got a null pointer",
                 of_probabilities(a.features(), a.probabilities(), nothing, a.result()));
    const bool forbidden[kActions] = {};
    Options options;
    options.where = Matrix<const bool>(forbidden, kSamples, kActions, 0, 1);
    CHECK_THROWS(
        scorefn::NoAllowedAction, "features[0] @ coef has no allowed action: every logit is -inf or masked",
        scorefn::fisher_vector_product(a.features(), a.parameters(), a.vector(), a.result(), options));
    CHECK(a.is_out_untouched());
}

}  // namespace

int main() {
    test_formula<float>();
    test_formula<double>();
    test_errors();
    return failures();
}
