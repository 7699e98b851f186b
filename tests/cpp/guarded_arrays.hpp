// Arrays of a call that lie right before or right after a page that may not be touched, in every layout.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.hpp"
#include "every_function.hpp"
#include "guarded_memory.hpp"

using namespace scorefn;

enum class Layout { plain, padded, transposed, reversed };

struct Layouts {
    const char* name;
    Layout in, out;
    bool in_place;
};
constexpr Layouts kLayouts[] = {
    {"plain", Layout::plain, Layout::plain, false},
    {"padded", Layout::padded, Layout::padded, false},
    {"padded in", Layout::padded, Layout::plain, false},
    {"padded out", Layout::plain, Layout::padded, false},
    {"transposed", Layout::transposed, Layout::transposed, false},
    {"reversed", Layout::reversed, Layout::reversed, false},
    {"in place", Layout::plain, Layout::plain, true},
    {"in place padded", Layout::padded, Layout::padded, true},
};
// The first few are tried on more shapes.
constexpr int kAllLayouts = sizeof kLayouts / sizeof kLayouts[0], kPaddedLayouts = 4, kCommonLayouts = 2;

enum class Masked { no, each_row, all_rows_alike };

struct Shape {
    std::int64_t rows, cols, features;
};
struct Variant {
    Masked masked;
    bool has_entropies;  // counted in the gradient
    bool accumulate;     // also: weights in float, actions of 16 bits, errors found on the way
    bool bad_row;        // the last row has no allowed action
};

constexpr std::int64_t kGap = 3;

// What the arrays of all calls of one shape hold, row by row: the same numbers whatever the layout.
template <class T>
struct Values {
    std::vector<T> logits, other_logits, features, coef, sums;
    std::vector<char> allowed;

    Values(const Shape& shape, bool bad_row, bool has_nan) {
        const std::int64_t n = shape.rows, cols = shape.cols;
        for (std::int64_t i = 0; i < n; ++i)
            for (std::int64_t j = 0; j < cols; ++j) {
                const bool needed = j == 0 || j == i % cols;
                const bool is_nan = has_nan && n >= 15 && i == n - 2 && j == cols - 1;
                const bool none = (bad_row && i == n - 1) || ((i * 7 + j) % 13 == 5 && !needed);
                const T z = static_cast<T>((i * 31 + j * 17) % 29) / T(3) - T(5);
                logits.push_back(none     ? -std::numeric_limits<T>::infinity()
                                 : is_nan ? std::numeric_limits<T>::quiet_NaN()
                                          : z);
                other_logits.push_back(z / T(2) + static_cast<T>(j % 5));
                allowed.push_back(needed || (i * 5 + j * 3) % 4 != 1);
            }
        // Ragged rows have an allowed action, too, their first one.
        for (std::int64_t i = 0; i < n - bad_row; ++i) {
            const auto at = static_cast<std::size_t>(begin_of_ragged_row(i, n, cols));
            allowed[at] = true;
            if (logits[at] == -std::numeric_limits<T>::infinity()) logits[at] = T(-1);
        }
        for (std::int64_t i = 0; i < n * shape.features; ++i)
            features.push_back(static_cast<T>(i * 5 % 11) / T(8));
        for (std::int64_t i = 0; i < shape.features * cols; ++i) {
            coef.push_back(static_cast<T>(i * 3 % 7) - T(3));
            sums.push_back(static_cast<T>(i % 5));
        }
    }
};

// The arrays of one call, placed in the order in which they are asked for, and what is in its results.
template <class T>
class GuardedArrays {
public:
    GuardedArrays(const Values<T>& values, const Shape& shape, Function function, int objective,
                  const Variant& variant, const Layouts& layouts, bool at_end)
        : shape_(shape),
          function_(function),
          objective_(objective),
          variant_(variant),
          values_(values),
          layouts_(layouts),
          at_end_(at_end) {}

    Matrix<const T> logits() { return logits(values_.logits.data()); }
    Matrix<const T> other_logits() { return logits(values_.other_logits.data()); }
    Matrix<const T> table() { return logits(); }
    Matrix<const T> features() { return read(shape_.rows, shape_.features, values_.features.data()); }
    Matrix<const T> coef() { return read(shape_.features, shape_.cols, values_.coef.data()); }
    Vector<const T> row() {
        const Matrix<T> m = matrix(shape_.cols, 1, layouts_.in, values_.logits.data());
        return {m.data, shape_.cols, m.row_stride};
    }
    IndexVector actions() {
        return indices([&](std::int64_t i) {
            return i * 11 %
                   (is_ragged(function_) ? length_of_ragged_row(i, shape_.rows, shape_.cols) : shape_.cols);
        });
    }
    IndexVector states() {
        return indices([&](std::int64_t i) { return i * 11 % shape_.rows; });
    }
    IndexVector offsets() {
        return index_vector<std::int32_t>(shape_.rows + 1, [&](std::int64_t i) {
            return begin_of_ragged_row(i, shape_.rows, shape_.cols);
        });
    }
    IndexVector segments() {
        return index_vector<std::int64_t>(shape_.rows + 1,
                                          [&](std::int64_t i) { return begin_of_segment(i, shape_.rows); });
    }
    RealVector weights() {
        return variant_.accumulate ? real_vector<float>(samples()) : real_vector<double>(samples());
    }
    RealVector old_log_prob() { return weights(); }
    RealVector propensities() { return real_vector<double>(samples(), 0.25, 0.125); }
    Matrix<const double> numbers() {
        const RealVector x = real_vector<double>(samples());
        return {static_cast<const double*>(x.data), 1, x.size, 1, x.stride};
    }
    Matrix<const bool> flags() { return allowed(shape_.rows); }

    // What a matrix of results has before the call: what the logits are.
    Matrix<T> gradient(const Matrix<const T>& of) {
        if (is_of_features(function_)) return results(shape_.features, shape_.cols, values_.sums.data());
        if (!layouts_.in_place) {
            if (is_ragged(function_)) return as_row(results(size(), 1, values_.logits.data()));
            return results(shape_.rows, shape_.cols, values_.logits.data());
        }
        const Matrix<T> out(const_cast<T*>(of.data), of.rows, of.cols, of.row_stride, of.col_stride);
        results_.push_back({is_ragged(function_) ? as_column(out) : out, layouts_.in});
        return out;
    }
    Vector<T> gradient(const Vector<const T>&) {
        const Matrix<T> out = results(shape_.cols, 1, values_.logits.data());
        return {out.data, shape_.cols, out.row_stride};
    }
    Matrix<T> matrix() { return zeros(shape_.rows, shape_.cols); }
    Vector<T> results() {
        const Matrix<T> out = zeros(samples(), 1);
        return {out.data, samples(), out.row_stride};
    }
    Matrix<T> drawn_log_probs() { return zeros(shape_.rows, draws()); }
    Matrix<std::int64_t> drawn_actions() {
        const std::vector<std::int64_t> before(static_cast<std::size_t>(shape_.rows * draws()));
        const Matrix<std::int64_t> out = matrix(shape_.rows, draws(), layouts_.out, before.data());
        indices_.push_back({out, layouts_.out});
        return out;
    }
    void keep(double value) { canonical_copy(&value, 1, 1); }

    Options options() { return gradient_options(); }
    GradientOptions gradient_options() {
        GradientOptions options;
        options.num_threads = 1;
        options.may_write_on_error = variant_.accumulate;
        if (variant_.masked != Masked::no)
            options.where = allowed(function_ == Function::score_gradient_of_one_row ? 1 : shape_.rows);
        if (variant_.masked == Masked::all_rows_alike) options.valid = valid();
        options.entropy_coef = variant_.has_entropies ? 0.25 : 0;
        options.accumulate = variant_.accumulate;
        return options;
    }
    int objective() const { return objective_; }
    double clip_range() const { return 0.2; }

    // The results' bytes, gaps left out: they are checked here.
    const std::vector<char>& finish() {
        for (const auto& out : results_) finish(out);
        for (const auto& out : indices_) finish(out);
        return bytes_;
    }

private:
    template <class E>
    struct Result {
        Matrix<E> values;
        Layout layout;
    };

    std::int64_t samples() const { return is_of_a_table(function_) ? 37 : shape_.rows; }
    std::int64_t draws() const { return function_ == Function::sample_of_actions_alone ? 1 : 2; }

    // Ragged rows, which lie in a column: so they have strides, too.
    std::int64_t size() const { return shape_.rows * shape_.cols; }
    template <class E>
    static Matrix<E> as_row(const Matrix<E>& column) {
        return {column.data, 1, column.rows, 0, column.row_stride};
    }
    template <class E>
    static Matrix<E> as_column(const Matrix<E>& row) {
        return {row.data, row.cols, 1, row.col_stride, 1};
    }
    Matrix<const T> logits(const T* values) {
        return is_ragged(function_) ? as_row(read(size(), 1, values))
                                    : read(shape_.rows, shape_.cols, values);
    }

    template <class E>
    static E gap() {
        return static_cast<E>(-77);
    }
    template <class E>
    E* place(std::int64_t count) {
        if (used_ == kRegions) throw std::runtime_error("too few regions");
        return region(used_++).place<E>(count, at_end_);
    }
    // Nothing lies behind the last row, not even its gap.
    template <class E, class From>
    Matrix<E> matrix_of(std::int64_t rows, std::int64_t cols, Layout layout, const From* values) {
        const std::int64_t stride = layout == Layout::padded ? cols + kGap : cols;
        const std::int64_t count = (rows - 1) * stride + cols;
        E* const data = place<E>(count);
        if (layout == Layout::padded) std::fill_n(data, count, gap<E>());
        Matrix<E> m(data, rows, cols, stride, 1);
        if (layout == Layout::transposed) m = Matrix<E>(data, rows, cols, 1, rows);
        if (layout == Layout::reversed) m = Matrix<E>(data + (rows - 1) * cols, rows, cols, -cols, 1);
        for (std::int64_t i = 0; i < rows; ++i, values += cols)
            if (m.col_stride == 1)
                std::copy_n(values, cols, &m(i, 0));
            else
                for (std::int64_t j = 0; j < cols; ++j) m(i, j) = static_cast<E>(values[j]);
        return m;
    }
    template <class E>
    Matrix<E> matrix(std::int64_t rows, std::int64_t cols, Layout layout, const E* values) {
        return matrix_of<E>(rows, cols, layout, values);
    }
    Matrix<const T> read(std::int64_t rows, std::int64_t cols, const T* values) {
        const Matrix<T> m = matrix(rows, cols, layouts_.in, values);
        return Matrix<const T>(m.data, rows, cols, m.row_stride, m.col_stride);
    }
    Matrix<T> results(std::int64_t rows, std::int64_t cols, const T* before) {
        const Matrix<T> out = matrix(rows, cols, layouts_.out, before);
        results_.push_back({out, layouts_.out});
        return out;
    }
    Matrix<T> zeros(std::int64_t rows, std::int64_t cols) {
        return results(rows, cols, std::vector<T>(static_cast<std::size_t>(rows * cols)).data());
    }
    template <class Value>
    IndexVector indices(Value value) {
        return variant_.accumulate ? index_vector<std::int16_t>(samples(), value)
                                   : index_vector<std::int64_t>(samples(), value);
    }
    template <class Integer, class Value>
    IndexVector index_vector(std::int64_t count, Value value) {
        std::vector<Integer> values;
        for (std::int64_t i = 0; i < count; ++i) values.push_back(static_cast<Integer>(value(i)));
        const Matrix<Integer> m = matrix(count, 1, layouts_.in, values.data());
        return {m.data, count, m.row_stride};
    }
    template <class Real>
    RealVector real_vector(std::int64_t count, Real least = -1, Real step = 0.75) {
        std::vector<Real> values;
        for (std::int64_t i = 0; i < count; ++i) values.push_back(least + static_cast<Real>(i % 5) * step);
        const Matrix<Real> m = matrix(count, 1, layouts_.in, values.data());
        return {m.data, count, m.row_stride};
    }

    Matrix<const bool> allowed(std::int64_t rows) {
        if (is_ragged(function_)) {
            const Matrix<bool> column = matrix_of<bool>(size(), 1, layouts_.in, values_.allowed.data());
            return as_row<const bool>(column);
        }
        const bool alike = variant_.masked == Masked::all_rows_alike;
        const Matrix<bool> m =
            matrix_of<bool>(alike ? 1 : rows, shape_.cols, layouts_.in, values_.allowed.data());
        return Matrix<const bool>(m.data, rows, m.cols, alike ? 0 : m.row_stride, m.col_stride);
    }

    // All but some rows of each tile count.
    Vector<const bool> valid() {
        std::vector<char> flags;
        for (std::int64_t i = 0; i < samples(); ++i) flags.push_back(i * 5 % 7 != 2);
        const Matrix<bool> m = matrix_of<bool>(samples(), 1, layouts_.in, flags.data());
        return {m.data, samples(), m.row_stride};
    }

    // All NaN are alike.
    template <class E>
    void canonical_copy(const E* x, std::int64_t count, std::int64_t stride) {
        const std::size_t used = bytes_.size();
        bytes_.resize(used + static_cast<std::size_t>(count) * sizeof(E));
        char* to = bytes_.data() + used;
        for (std::int64_t i = 0; i < count; ++i, to += sizeof(E)) {
            E value = x[i * stride];
            value = value == value ? value : std::numeric_limits<E>::quiet_NaN();
            std::memcpy(to, &value, sizeof(E));
        }
    }
    template <class E>
    void finish(const Result<E>& out) {
        const Matrix<E>& m = out.values;
        for (std::int64_t i = 0; i < m.rows; ++i) canonical_copy(&m(i, 0), m.cols, m.col_stride);
        bool kept = true;
        for (std::int64_t i = 0; out.layout == Layout::padded && i + 1 < m.rows; ++i)
            for (std::int64_t j = m.cols; j < m.cols + kGap; ++j) kept = kept && m(i, j) == gap<E>();
        check(kept, __FILE__, __LINE__, std::string("written between rows: ") + running);
    }

    const Shape shape_;
    const Function function_;
    const int objective_;
    const Variant variant_;
    const Values<T>& values_;
    const Layouts& layouts_;
    const bool at_end_;
    int used_ = 0;
    std::vector<Result<T>> results_;
    std::vector<Result<std::int64_t>> indices_;
    std::vector<char> bytes_;
};
