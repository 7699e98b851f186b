// What a fuzzed call is made of: bytes as numbers, and arrays that lie in exactly as much memory as they span, so that
// the address sanitizer sees one element too many.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <scorefn/views.hpp>
#include <type_traits>
#include <vector>

// The input's bytes in turn, then, lest large arrays be constant, those of a generator.
class Bytes {
public:
    Bytes(const std::uint8_t* data, std::size_t size) : next_(data), end_(data + size) {}

    int next() {
        if (next_ != end_) return *next_++;
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return static_cast<int>(state_ >> 56);
    }
    int below(int bound) { return next() % bound; }
    bool one_in(int n) { return below(n) == n - 1; }

    template <class Real>
    Real real() {
        using Limits = std::numeric_limits<Real>;
        const Real rare[] = {
            Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN(), -Limits::quiet_NaN(),
            Limits::max(),      Limits::lowest(),    Limits::min(),       Limits::denorm_min(),
            Limits::epsilon(),  Real(-0.0),          Real(88.8),          Real(-103.5),
            Real(-745),         Real(1e30),          Real(-1e30),         -Limits::infinity()};
        const int byte = next();
        return byte < 16 ? rare[byte] : static_cast<Real>(byte - 136) / Real(8);
    }
    // An integer of this type, mostly below the bound.
    template <class Integer>
    Integer index(std::int64_t bound) {
        using Limits = std::numeric_limits<Integer>;
        const int byte = next();
        if (byte == 255) return Limits::max();
        if (byte == 254) return Limits::min();
        if (byte == 253) return static_cast<Integer>(bound);
        return static_cast<Integer>(bound < 1 || bound > 127 ? byte % 127 : byte % bound);
    }

private:
    const std::uint8_t *next_, *end_;
    std::uint64_t state_ = 0;
};

enum class Layout {
    plain,
    padded,
    transposed,
    rows_reversed,
    cols_reversed,
    every_other,
    one_for_all_rows,  // stride 0
    one_for_all_cols,
};
constexpr int kLayouts = 8, kLayoutsOfResults = 6;

// The entries, row by row, and how they are to lie.
template <class E>
struct Content {
    std::int64_t rows = 0, cols = 1;
    Layout layout = Layout::plain;
    std::shared_ptr<E[]> values;

    template <class Other>
    explicit Content(const Content<Other>& other)
        : Content(other.rows, other.cols, other.layout,
                  [from = other.values.get()]() mutable { return static_cast<E>(*from++); }) {}
    // make_value() for each entry, but entries that share their place have the same value.
    template <class MakeValue>
    Content(std::int64_t rows, std::int64_t cols, Layout layout, MakeValue make_value)
        : rows(rows), cols(cols), layout(layout), values(new E[static_cast<std::size_t>(rows * cols)]) {
        for (std::int64_t i = 0; i < rows; ++i)
            for (std::int64_t j = 0; j < cols; ++j) {
                at(i, j) = make_value();
                if (layout == Layout::one_for_all_rows) at(i, j) = at(0, j);
                if (layout == Layout::one_for_all_cols) at(i, j) = at(i, 0);
            }
    }
    E& at(std::int64_t i, std::int64_t j = 0) const { return values[static_cast<std::size_t>(i * cols + j)]; }
};

template <class E>
class Placed {
public:
    scorefn::Matrix<E> matrix;

    Placed(const Content<E>& content, bool plain)
        : matrix(nullptr, content.rows, content.cols),
          is_shared_(content.layout >= Layout::one_for_all_rows) {
        if (!plain) set_strides(content.layout);
        if (matrix.rows == 0 || matrix.cols == 0) return;
        const std::int64_t down = (matrix.rows - 1) * matrix.row_stride,
                           right = (matrix.cols - 1) * matrix.col_stride;
        const std::int64_t first = std::min<std::int64_t>(0, down) + std::min<std::int64_t>(0, right);
        size_ = std::abs(down) + std::abs(right) + 1;
        memory_.reset(static_cast<E*>(std::malloc(static_cast<std::size_t>(size_) * sizeof(E))));
        std::fill_n(memory_.get(), size_, gap());
        matrix.data = memory_.get() - first;
        for (std::int64_t i = 0; i < matrix.rows; ++i)
            for (std::int64_t j = 0; j < matrix.cols; ++j) matrix(i, j) = content.at(i, j);
        before_.reset(new E[static_cast<std::size_t>(size_)]);
        std::memcpy(before_.get(), memory_.get(), bytes());
    }

    scorefn::Matrix<const E> view() const {
        return {matrix.data, matrix.rows, matrix.cols, matrix.row_stride, matrix.col_stride};
    }
    bool is_shared() const { return is_shared_; }
    bool is_unchanged() const {
        return size_ == 0 || std::memcmp(memory_.get(), before_.get(), bytes()) == 0;
    }
    // Whether what lies between the entries is; it forgets the entries.
    bool has_its_gaps() {
        for (std::int64_t i = 0; i < matrix.rows; ++i)
            for (std::int64_t j = 0; j < matrix.cols; ++j) matrix(i, j) = gap();
        bool kept = true;
        const E expected = gap();
        for (std::int64_t i = 0; i < size_; ++i)
            kept = kept && std::memcmp(memory_.get() + i, &expected, sizeof(E)) == 0;
        return kept;
    }

private:
    struct Free {
        void operator()(E* memory) const { std::free(memory); }
    };

    // A value that shows in the results if it is read.
    static E gap() {
        if constexpr (std::is_same_v<E, bool>)
            return true;
        else if constexpr (std::is_floating_point_v<E>)
            return std::numeric_limits<E>::quiet_NaN();
        else
            return std::numeric_limits<E>::max();
    }
    void set_strides(Layout layout) {
        const std::int64_t rows = matrix.rows, cols = matrix.cols;
        std::int64_t &down = matrix.row_stride, &right = matrix.col_stride;
        switch (layout) {
            case Layout::plain: break;
            case Layout::padded: down = cols + 3; break;
            case Layout::transposed: down = 1, right = rows; break;
            case Layout::rows_reversed: down = -cols; break;
            case Layout::cols_reversed: right = -1; break;
            case Layout::every_other: down = 2 * cols + 1, right = 2; break;
            case Layout::one_for_all_rows: down = 0; break;
            case Layout::one_for_all_cols: down = 1, right = 0; break;
        }
    }
    std::size_t bytes() const { return static_cast<std::size_t>(size_) * sizeof(E); }

    bool is_shared_;
    std::int64_t size_ = 0;
    std::unique_ptr<E, Free> memory_;
    std::unique_ptr<E[]> before_;
};
