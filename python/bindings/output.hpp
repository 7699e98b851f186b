// The arrays that a call writes.
#pragma once

#include <scorefn/views.hpp>

#include <optional>

#include "inputs.hpp"

namespace scorefn::python {

// The caller's `out` or, if there is none, a fresh array.
class Output {
public:
    Output(py::handle out, const Shape& shape, const ResultType& type, Form form, const char* name = "out")
        : Output(out, shape, type, form, static_cast<py::ssize_t>(shape.size()) - 1, name) {}
    // `axis` is the one that the core sees last.
    Output(py::handle out, const Shape& shape, const ResultType& type, Form form, py::ssize_t axis,
           const char* name = "out");

    bool is_given() const { return is_given_; }
    // The caller sees nothing that the core writes before result().
    bool is_private() const { return !is_given_ || buffer_; }

    // Makes the core read copies of the inputs that overlap what it writes.
    template <class... Inputs>
    void keep_apart(Inputs&... inputs) const {
        if (!is_private()) {
            (inputs.keep_apart_from(rows_), ...);
        }
    }
    void keep_apart_unless_same(Input& input) const {
        if (!is_private()) {
            input.keep_apart_unless_same(rows_);
        }
    }
    // For the two outputs of a call.
    void check_apart_from(const Output& other) const;

    template <class T>
    Matrix<T> matrix() const {
        return {static_cast<T*>(rows_.data), rows_.rows, rows_.cols, rows_.row_stride, rows_.col_stride};
    }
    template <class T>
    Vector<T> vector() const {
        return {static_cast<T*>(rows_.data), rows_.rows, rows_.row_stride};
    }
    // The only row of a matrix.
    template <class T>
    Vector<T> row() const {
        return {static_cast<T*>(rows_.data), rows_.cols, rows_.col_stride};
    }

    // As rows of logits are.
    template <class T>
    Matrix<T> like(const Matrix<const T>&) const {
        return matrix<T>();
    }
    template <class T>
    Vector<T> like(const RaggedRows<const T>&) const {
        return row<T>();
    }

    // `out` itself, or the fresh array: a NumPy scalar if it has no axes.
    py::object result() const;

private:
    const char* name_;
    py::ssize_t axis_;
    bool is_given_;
    py::array array_;
    std::optional<py::array> buffer_;  // what the core writes if `array_` cannot be a view
    Rows rows_;
};

}  // namespace scorefn::python
