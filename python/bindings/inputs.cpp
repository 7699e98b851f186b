#include "inputs.hpp"

#include <string>

#include "scalars.hpp"

namespace scorefn::python {

namespace {

[[noreturn]] void throw_wrong_shape(const char* name, const std::string& expected, const Shape& actual) {
    throw py::value_error(std::string(name) + " must have shape " + expected + ", got " + to_string(actual));
}

[[noreturn]] void throw_wrong_dtype(const char* name, const char* expected, const py::array& array) {
    throw py::type_error(std::string(name) + " must be " + expected + ", got " + dtype_name(array));
}

bool is_plain_list(py::handle x) { return py::isinstance<py::list>(x) || py::isinstance<py::tuple>(x); }

char kind_of(const py::array& array) { return array.dtype().kind(); }

bool is_integer(const py::array& array) { return kind_of(array) == 'i' || kind_of(array) == 'u'; }

bool is_real(const py::array& array) {
    return has_dtype(array, DType::float32) || has_dtype(array, DType::float64);
}

py::array as_float64(const py::array& array) { return native_copy(array, to_numpy(DType::float64)); }

py::array real_array(const py::array& array, py::handle x, const char* name) {
    if (is_real(array)) {
        return array;
    }
    // Python numbers have no dtype of their own: [1, 2] means [1.0, 2.0].
    if (is_plain_list(x) && is_integer(array)) {
        return as_float64(array);
    }
    throw_wrong_dtype(name, "float16, bfloat16, float32 or float64", array);
}

py::array index_array(py::handle x, const char* name) {
    py::array array = as_array(x, name);
    if (is_integer(array)) {
        return array;
    }
    // NumPy makes float64 of an empty list.
    if (!py::isinstance<py::array>(x) && array.size() == 0) {
        return native_copy(array, to_numpy(DType::int64));
    }
    throw_wrong_dtype(name, "integers", array);
}

IntegerType integer_type(const py::array& array) {
    const bool is_signed = kind_of(array) == 'i';
    switch (array.itemsize()) {
        case 1: return is_signed ? IntegerType::i8 : IntegerType::u8;
        case 2: return is_signed ? IntegerType::i16 : IntegerType::u16;
        case 4: return is_signed ? IntegerType::i32 : IntegerType::u32;
        default: return is_signed ? IntegerType::i64 : IntegerType::u64;
    }
}

// From 0 to ndim - 1; the last where left out.
py::ssize_t to_axis(py::handle axis, const char* name, const Shape& shape) {
    const auto ndim = static_cast<py::ssize_t>(shape.size());
    const py::ssize_t value = axis ? to_int(axis, "axis") : -1;
    if (value < -ndim || value >= ndim) {
        throw py::value_error("axis must be from " + std::to_string(-ndim) + " to " +
                              std::to_string(ndim - 1) + " for " + name + " of shape " + to_string(shape) +
                              ", got " + text_of(axis));
    }
    return value < 0 ? value + ndim : value;
}

}  // namespace

void Input::read(py::array array, Form form) {
    array_ = std::move(array);
    form_ = form;
    if (const auto rows = as_rows(py::reinterpret_borrow<py::array>(array_), form)) {
        rows_ = *rows;
    } else {
        read_copy();
    }
}

void Input::read_copy() {
    py::array copy = native_copy(py::reinterpret_borrow<py::array>(array_));
    rows_ = as_rows(copy, form_).value();
    array_ = std::move(copy);
}

void Input::keep_apart_from(const Rows& written) {
    if (overlap(rows_, written)) {
        read_copy();
    }
}

void Input::keep_apart_unless_same(const Rows& written) {
    if (!(rows_ == written)) {
        keep_apart_from(written);
    }
}

RealMatrix::RealMatrix(py::handle x, const char* name, const Axes& axes, py::handle axis) : name_(name) {
    py::array array = as_array(x, name);
    if (is_half(array)) {
        half_ = native(array.dtype());
        array = native_copy(array, to_numpy(DType::float32));
    } else {
        array = real_array(array, x, name);
    }
    dtype_ = has_dtype(array, DType::float64) ? DType::float64 : DType::float32;
    shape_ = shape_of(array);
    if (shape_.empty() || (axes.exactly_two && shape_.size() != 2)) {
        throw_wrong_shape(name, axes.text, shape_);
    }
    axis_ = to_axis(axis, name, shape_);
    leading_ = shape_;
    leading_.erase(leading_.begin() + axis_);
    if (axes.last_is_actions && array.shape(axis_) == 0) {
        throw py::value_error(std::string(name) + " must have at least one action, got shape " +
                              to_string(shape_));
    }
    read(with_axis_last(array, axis_), Form::matrix);
}

void RealMatrix::check_shape(const Shape& expected) const {
    if (shape_ != expected) {
        throw_wrong_shape(name_, to_string(expected), shape_);
    }
}

void RealMatrix::check_dtype_of(const RealMatrix& other) const {
    if (dtype_ != other.dtype_) {
        throw py::type_error(std::string(name_) + " must be " + to_string(other.dtype_) + " as " +
                             other.name_ + " is, got " + to_string(dtype_));
    }
}

Indices::Indices(py::handle x, const char* name) {
    py::array array = index_array(x, name);
    shape_ = shape_of(array);
    type_ = integer_type(array);
    read(std::move(array), Form::vector);
}

Indices::Indices(py::handle x, const char* name, const Shape& expected) : Indices(x, name) {
    if (shape_ != expected) {
        throw_wrong_shape(name, to_string(expected), shape_);
    }
}

Weights::Weights(py::handle x, const Shape& expected, const char* name) {
    py::array array = as_array(x, name);
    if (!is_real(array) && !is_integer(array)) {
        throw_wrong_dtype(name, "float32, float64 or integers", array);
    }
    if (!has_shape(array, expected)) {
        throw_wrong_shape(name, to_string(expected), shape_of(array));
    }
    read(is_real(array) ? array : as_float64(array), Form::vector);
}

RealVector Weights::vector() const {
    if (rows_.itemsize == sizeof(double)) {
        return {static_cast<const double*>(rows_.data), rows_.rows, rows_.row_stride};
    }
    return {static_cast<const float*>(rows_.data), rows_.rows, rows_.row_stride};
}

Where::Where(py::handle x, const Shape& logits_shape, py::ssize_t axis) {
    if (!is_given(x)) {
        return;
    }
    const py::array array = as_array(x, "where");
    if (kind_of(array) != 'b') {
        throw_wrong_dtype("where", "bool", array);
    }
    const Shape one_row{logits_shape[static_cast<std::size_t>(axis)]};
    num_rows_ = 1;
    for (std::size_t i = 0; i < logits_shape.size(); ++i) {
        num_rows_ *= static_cast<py::ssize_t>(i) == axis ? 1 : logits_shape[i];
    }
    if (has_shape(array, logits_shape)) {
        read(with_axis_last(array, axis), Form::matrix);
    } else if (has_shape(array, one_row)) {
        read(array, Form::matrix);  // a single row has row_stride 0
    } else {
        const std::string alternative = logits_shape == one_row ? "" : " or " + to_string(one_row);
        throw_wrong_shape("where", to_string(logits_shape) + alternative, shape_of(array));
    }
}

}  // namespace scorefn::python
