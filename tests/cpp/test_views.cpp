// Strides, integer types and aliasing: the numbers are those of a plain contiguous copy, bit for bit.
#include <algorithm>
#include <array>
#include <cstdint>
#include <scorefn/scorefn.hpp>

#include "check.hpp"

using scorefn::IndexVector;
using scorefn::Matrix;
using scorefn::RealVector;
using scorefn::Vector;

namespace {

constexpr std::int64_t rows = 5, cols = 3;

std::vector<float> logits() {
    std::vector<float> z(rows * cols);
    for (std::size_t i = 0; i < z.size(); ++i)
        z[i] = static_cast<float>(i % 7) - 0.25f * static_cast<float>(i);
    return z;
}

std::vector<float> plain_log_softmax() {
    const std::vector<float> z = logits();
    std::vector<float> out(z.size());
    scorefn::log_softmax(Matrix<const float>(z.data(), rows, cols), Matrix<float>(out.data(), rows, cols));
    return out;
}

void test_elements() {
    const int x[] = {0, 1, 2, 3, 4, 5};
    const Matrix<const int> m(x, 2, 3), transposed(x, 3, 2, 1, 3), reversed(x + 5, 2, 3, -3, -1);
    CHECK(m(1, 0) == 3 && transposed(0, 1) == 3 && reversed(0, 0) == 5 && reversed(1, 2) == 0);
    CHECK(m && !Matrix<const int>());
    const Vector<const int> v{x, 3, 2};
    CHECK(v[2] == 4);
}

void test_strides() {
    // Logits and results each with rows and columns apart, upwards or downwards, among others' values.
    for (const std::int64_t step : {2, -2, 7, -7}) {
        const std::int64_t row_stride = cols * step, size = rows * cols * std::abs(step);
        std::vector<float> in(static_cast<std::size_t>(size), 1e30f), out(in.size(), 1e30f);
        const std::int64_t origin = step > 0 ? 0 : size - 1;
        const std::vector<float> z = logits();
        const Matrix<float> scattered(in.data() + origin, rows, cols, row_stride, step);
        for (std::int64_t i = 0; i < rows; ++i)
            for (std::int64_t j = 0; j < cols; ++j)
                scattered(i, j) = z[static_cast<std::size_t>(i * cols + j)];

        const Matrix<float> result(out.data() + origin, rows, cols, row_stride, step);
        scorefn::log_softmax(Matrix<const float>(scattered.data, rows, cols, row_stride, step), result);
        std::vector<float> gathered;
        for (std::int64_t i = 0; i < rows; ++i)
            for (std::int64_t j = 0; j < cols; ++j) gathered.push_back(result(i, j));
        CHECK(gathered == plain_log_softmax());
        CHECK(std::count(out.begin(), out.end(), 1e30f) == size - rows * cols);
    }
}

void test_zero_stride() {
    // One row of logits for every row of the result.
    const std::vector<float> z = logits();
    std::vector<float> out(rows * cols);
    scorefn::log_softmax(Matrix<const float>(z.data(), rows, cols, 0, 1),
                         Matrix<float>(out.data(), rows, cols));
    const std::vector<float> expected = plain_log_softmax();
    for (std::int64_t i = 0; i < rows; ++i)
        CHECK(std::equal(expected.begin(), expected.begin() + cols, out.begin() + i * cols));
}

void test_in_place() {
    std::vector<float> z = logits();
    scorefn::log_softmax(Matrix<const float>(z.data(), rows, cols), Matrix<float>(z.data(), rows, cols));
    CHECK(z == plain_log_softmax());
}

// What a view is made from: containers, sizes of any integer type, views of what is not const.
void test_conversions() {
    std::vector<float> z = logits();
    const std::vector<float> same = z;
    const std::size_t n = rows, k = cols;
    const Matrix from_vector(z, n, k), from_pointer(z.data(), n, static_cast<unsigned short>(k));
    static_assert(std::is_same_v<decltype(from_vector), const Matrix<float>>);
    static_assert(std::is_same_v<decltype(Matrix(same, n, k)), Matrix<const float>>);
    static_assert(
        !std::is_constructible_v<Matrix<float>, const std::vector<float>&, std::size_t, std::size_t>);
    static_assert(!std::is_constructible_v<Matrix<float>, Matrix<const float>>);
    static_assert(!std::is_constructible_v<Matrix<const double>, Matrix<float>>);
    static_assert(!std::is_constructible_v<Matrix<float>, float*, double, double>);
    static_assert(!std::is_constructible_v<Vector<float>, std::vector<double>&>);
    static_assert(!std::is_constructible_v<IndexVector, std::vector<float>&>);
    static_assert(!std::is_constructible_v<IndexVector, std::array<bool, 3>&>);
    static_assert(!std::is_constructible_v<RealVector, std::vector<int>&>);
    const Matrix<const float> is_const = from_vector;
    CHECK(is_const.data == z.data() && is_const.rows == rows && is_const.cols == cols &&
          is_const.row_stride == cols);
    CHECK(from_pointer.rows == rows && from_pointer(1, 2) == z[5]);

    std::array<double, 3> weights{1, 2, 3};
    const Vector of_array(weights);
    const Vector<const double> every_other(weights.data(), std::size_t{2}, 2u);
    CHECK(of_array.size == 3 && of_array[2] == 3 && every_other[1] == 3);
    for (const RealVector& v : {RealVector(weights), RealVector(of_array), RealVector(every_other)})
        CHECK(v.data == weights.data() && v.is_float64 && v.size == (v.stride == 1 ? 3 : 2));
    const float single[] = {1, 2};
    CHECK(!RealVector(single).is_float64 && RealVector(single).size == 2);

    const std::vector<std::uint16_t> actions{1, 2, 3};
    const IndexVector of_vector = actions, of_view = Vector(actions), braced{actions.data(), actions.size()};
    for (const IndexVector& v : {of_vector, of_view, braced})
        CHECK(v.data == actions.data() && v.type == scorefn::IntegerType::u16 && v.size == 3 &&
              v.stride == 1);
}

// Every function, of matrices that are not const, containers and sizes of type std::size_t, as of plain views.
template <class T>
void test_calls() {
    using scorefn::GradientOptions;
    const std::size_t n = rows, k = cols, features = 2;
    std::vector<T> z(n * k), other(n * k), out(n * k), expected(n * k), x(n * features), coef(features * k);
    for (std::size_t i = 0; i < z.size(); ++i) z[i] = static_cast<T>(i % 7), other[i] = static_cast<T>(i % 5);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(i % 3);
    for (std::size_t i = 0; i < coef.size(); ++i) coef[i] = static_cast<T>(i % 4);
    std::vector<T> vector(n), expected_vector(n), entropy(n), ratio(n);
    const std::vector<int> actions{2, 0, 1, 0, 2};
    const std::array<unsigned char, 5> states{0, 4, 1, 1, 2};
    const std::vector<float> weights{1, 2, 3, 4, 5};
    const Matrix logits(z, n, k), others(other, n, k), result(out, n, k);
    const Matrix<const T> const_logits(z.data(), rows, cols), const_others(other.data(), rows, cols);
    const IndexVector a(actions.data(), rows), s(states.data(), rows);
    const RealVector w(weights.data(), rows);
    const Matrix<T> to(expected.data(), rows, cols);
    const Vector<T> to_vector{expected_vector.data(), rows};

    scorefn::log_softmax(logits, result), scorefn::log_softmax(const_logits, to);
    CHECK(out == expected);
    scorefn::softmax(logits, {out, n, k}), scorefn::softmax(const_logits, to);
    CHECK(out == expected);
    scorefn::logsumexp(logits, vector), scorefn::logsumexp(const_logits, to_vector);
    CHECK(vector == expected_vector);
    scorefn::log_prob(logits, actions, vector), scorefn::log_prob(const_logits, a, to_vector);
    CHECK(vector == expected_vector);
    scorefn::entropy(logits, vector), scorefn::entropy(const_logits, to_vector);
    CHECK(vector == expected_vector);
    scorefn::kl_divergence(logits, others, vector),
        scorefn::kl_divergence(const_logits, const_others, to_vector);
    CHECK(vector == expected_vector);

    std::vector<std::int64_t> drawn(n), expected_drawn(n);
    scorefn::sample(logits, {{1, 2}}, {drawn, n, 1}, {vector, n, 1}, entropy);
    scorefn::sample(const_logits, scorefn::RandomKey{{1, 2}},
                    Matrix<std::int64_t>(expected_drawn.data(), rows, 1),
                    Matrix<T>(expected_vector.data(), rows, 1));
    CHECK(drawn == expected_drawn && vector == expected_vector);

    scorefn::score(logits, actions, result), scorefn::score(const_logits, a, to);
    CHECK(out == expected);
    scorefn::score_gradient(logits, actions, weights, result),
        scorefn::score_gradient(const_logits, a, w, to);
    CHECK(out == expected);
    std::vector<T> row(k), row_out(k), expected_row(k);
    scorefn::score_gradient(row, actions, weights, row_out);
    scorefn::score_gradient(Vector<const T>{row.data(), cols}, a, w, Vector<T>{expected_row.data(), cols});
    CHECK(row_out == expected_row);
    scorefn::tabular_gradient(logits, states, actions, weights, result);
    scorefn::tabular_gradient(const_logits, s, a, w, to);
    CHECK(out == expected);
    std::vector<T> of_coef(coef.size()), expected_coef(coef.size());
    scorefn::linear_gradient(Matrix(x, n, features), Matrix(coef, features, k), actions, weights,
                             Matrix(of_coef, features, k));
    scorefn::linear_gradient(Matrix<const T>(x.data(), rows, 2), Matrix<const T>(coef.data(), 2, cols), a, w,
                             Matrix<T>(expected_coef.data(), 2, cols));
    CHECK(of_coef == expected_coef);
    scorefn::fisher_vector_product(Matrix(x, n, features), Matrix(coef, features, k),
                                   Matrix(of_coef, features, k), Matrix(expected_coef, features, k));
    scorefn::fisher_product_of_probabilities(Matrix(x, n, features), logits, Matrix(coef, features, k),
                                             Matrix(of_coef, features, k));
    const double value = scorefn::policy_gradient(logits, actions, weights, {result, vector, entropy});
    CHECK(value ==
          scorefn::policy_gradient(
              const_logits, a, w, scorefn::ObjectiveRows<T>{to, to_vector, Vector<T>(entropy.data(), rows)}));
    CHECK(out == expected && vector == expected_vector);
    const auto sums =
        scorefn::clipped_surrogate(logits, actions, weights, weights, 0.2, {result, vector, entropy}, ratio);
    const auto expected_sums = scorefn::clipped_surrogate(
        const_logits, a, w, w, 0.2, scorefn::ObjectiveRows<T>{to, to_vector, Vector<T>(entropy.data(), rows)},
        Vector<T>(ratio.data(), rows));
    CHECK(out == expected && sums.objective == expected_sums.objective);
}

std::vector<double> gradient(const IndexVector& actions, const RealVector& weights) {
    const std::vector<double> z(rows * cols);
    std::vector<double> out(z.size());
    scorefn::score_gradient(Matrix<const double>(z.data(), rows, cols), actions, weights,
                            Matrix<double>(out.data(), rows, cols));
    return out;
}

template <class Integer>
void test_integer() {
    const Integer x[] = {2, 9, 0, 9, 1, 9, 0, 9, 2};
    const std::int64_t plain[] = {2, 0, 1, 0, 2};
    const float weights[] = {1, 2, 3, 4, 5};
    const auto expected = gradient(IndexVector(plain, 5), RealVector(weights, 5));
    CHECK(gradient(IndexVector(x, 5, 2), RealVector(weights, 5)) == expected);
    CHECK(gradient(IndexVector(x + 8, 5, -2), RealVector(weights, 5)) ==
          expected);  // the actions are a palindrome
}

void test_weights() {
    const std::int64_t actions[] = {2, 0, 1, 0, 2};
    const float singles[] = {1, 2, 3, 4, 5};
    const double doubles[] = {5, 0, 4, 0, 3, 0, 2, 0, 1};
    CHECK(gradient(IndexVector(actions, 5), RealVector(singles, 5)) ==
          gradient(IndexVector(actions, 5), RealVector(doubles + 8, 5, -2)));
}

}  // namespace

int main() {
    test_elements();
    test_strides();
    test_zero_stride();
    test_in_place();
    test_integer<std::int8_t>();
    test_integer<std::uint8_t>();
    test_integer<std::int16_t>();
    test_integer<std::uint16_t>();
    test_integer<std::int32_t>();
    test_integer<std::uint32_t>();
    test_integer<std::int64_t>();
    test_integer<std::uint64_t>();
    test_integer<long long>();
    test_weights();
    test_conversions();
    test_calls<float>();
    test_calls<double>();
    return failures();
}
