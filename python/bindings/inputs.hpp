// The arrays that a call reads: each class checks one and lends the core a view of it. A bad array is a TypeError or
// ValueError with its name, what was expected and what was got.
#pragma once

#include <scorefn/ragged.hpp>

#include "arrays.hpp"

namespace scorefn::python {

class Input {
public:
    // Reads a copy if this array overlaps `written`, the array that the call writes.
    void keep_apart_from(const Rows& written);
    // The same for a core function whose output may be this very input.
    void keep_apart_unless_same(const Rows& written);

    // Makes the core see each row `count` times, one after the other.
    void repeat(py::ssize_t count);
    py::ssize_t copies() const { return copies_; }

protected:
    Input() = default;
    void read(py::array array, Form form);
    Rows rows_;

private:
    void read_copy();

    py::object array_;
    Form form_ = Form::vector;
    py::ssize_t copies_ = 1;
};

// The axes that a RealMatrix must have.
struct Axes {
    const char* text;
    bool exactly_two;
    bool last_is_actions;
};

inline constexpr Axes logits_axes{"(..., num_actions)", false, true};
inline constexpr Axes ragged_axes{"(num_logits,)", false, false};
inline constexpr Axes table_axes{"(num_states, num_actions)", true, true};
inline constexpr Axes features_axes{"(..., num_features)", false, false};
inline constexpr Axes coef_axes{"(num_features, num_actions)", true, true};

// The dtype of a result. `out` may instead have the half precision of the logits.
struct ResultType {
    DType dtype;
    py::object half;  // a NumPy dtype, or null

    ResultType(DType dtype) : dtype(dtype) {}
    ResultType(DType dtype, py::object half) : dtype(dtype), half(std::move(half)) {}
};

// Logits, a table, features or coefficients: float32, float64, or half precision, which is read as float32.
class RealMatrix : public Input {
public:
    // `axis` names the one that the core sees last.
    RealMatrix(py::handle x, const char* name, const Axes& axes, py::handle axis = {});

    DType dtype() const { return dtype_; }
    ResultType result_type() const { return {dtype_, half_}; }
    py::ssize_t axis() const { return axis_; }
    // As the caller passed it.
    const Shape& shape() const { return shape_; }
    // Without `axis`.
    const Shape& leading() const { return leading_; }
    const Axes& axes() const { return axes_; }

    void check_shape(const Shape& expected) const;
    void check_dtype_of(const RealMatrix& other) const;

    template <class T>
    Matrix<const T> matrix() const {
        return {static_cast<const T*>(rows_.data), rows_.rows, rows_.cols, rows_.row_stride,
                rows_.col_stride};
    }
    // The only row.
    template <class T>
    Vector<const T> row() const {
        return {static_cast<const T*>(rows_.data), rows_.cols, rows_.col_stride};
    }

protected:
    Shape leading_;

private:
    const char* name_;
    const Axes& axes_;
    DType dtype_;
    py::object half_;
    py::ssize_t axis_;
    Shape shape_;
};

// Actions or states: integers of any width.
class Indices : public Input {
public:
    // Of any shape.
    Indices(py::handle x, const char* name);
    Indices(py::handle x, const char* name, const Shape& expected);

    const Shape& shape() const { return shape_; }
    IndexVector vector() const { return {rows_.data, type_, rows_.rows, rows_.row_stride}; }

private:
    Shape shape_;
    IntegerType type_ = IntegerType::i64;
};

// Logits, or with offsets the flat logits of ragged rows, which have one leading axis.
class Logits : public RealMatrix {
public:
    Logits(py::handle x, py::handle offsets, const char* name = "logits", py::handle axis = {});

    bool are_ragged() const { return offsets_.has_value(); }

    template <class T>
    RaggedRows<const T> ragged() const {
        return {row<T>(), offsets_->vector()};
    }
    // visit(rows of the core), a Matrix or RaggedRows.
    template <class T, class Visit>
    void visit(Visit visit) const {
        if (are_ragged()) {
            visit(ragged<T>());
        } else {
            visit(matrix<T>());
        }
    }

    // Beside such rows.
    template <class T>
    Matrix<const T> like(const Matrix<const T>&) const {
        return matrix<T>();
    }
    template <class T>
    Vector<const T> like(const RaggedRows<const T>&) const {
        return row<T>();
    }

private:
    std::optional<Indices> offsets_;
};

// The actions of rows of this leading shape: one per row, or several on one more axis, as `sample` draws them. The number of
// axes says which it is.
class Actions : public Indices {
public:
    Actions(py::handle x, const Shape& rows);
    // Of ragged rows, one per row.
    Actions(py::handle x, const Logits& logits);

    bool have_sample_axis() const { return have_sample_axis_; }
    py::ssize_t samples_per_row() const { return have_sample_axis_ ? shape().back() : 1; }

private:
    bool have_sample_axis_;
};

// Weights, advantages and the like: float32, float64, half precision, which becomes float32, or integers, which become float64.
class Weights : public Input {
public:
    Weights(py::handle x, const Shape& expected, const char* name = "weights");

    RealVector vector() const;
};

// The allowed actions: None, a mask for all rows, or one of the shape of the logits. Bool, or int8 or uint8 of 0 and 1.
class Where : public Input {
public:
    Where(py::handle x, const RealMatrix& logits) : Where(x, logits.shape(), logits.axis()) {}
    Where(py::handle x, const Shape& logits_shape, py::ssize_t axis);

    // As `Input::repeat`; a mask for all rows is one for their copies.
    void repeat(py::ssize_t count);

    Matrix<const bool> matrix() const {
        return {static_cast<const bool*>(rows_.data), num_rows_, rows_.cols, rows_.row_stride,
                rows_.col_stride};
    }

private:
    std::int64_t num_rows_ = 0;
    bool is_per_row_ = false;
};

// The rows that count: None, or a flag for each row of this shape. Bool, or int8 or uint8 of 0 and 1.
class Valid : public Input {
public:
    Valid(py::handle x, const Shape& rows);

    Vector<const bool> vector() const {
        return {static_cast<const bool*>(rows_.data), rows_.rows, rows_.row_stride};
    }
};

}  // namespace scorefn::python
