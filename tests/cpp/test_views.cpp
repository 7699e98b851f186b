// Strides, integer types and aliasing: the numbers are those of a plain contiguous copy, bit for bit.
#include <algorithm>
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
    return failures();
}
