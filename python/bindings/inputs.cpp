#include "inputs.hpp"

#include <algorithm>
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

// "where[1, 0, 2]": this row and column of a mask whose columns are at `axis`.
std::string subscript(const char* name, std::int64_t row, std::int64_t col, const Shape& shape,
                      py::ssize_t axis) {
    std::string indices;
    for (auto i = static_cast<py::ssize_t>(shape.size()); i-- > 0;) {
        const py::ssize_t size = shape[static_cast<std::size_t>(i)];
        const std::int64_t index = i == axis ? col : row % size;
        row = i == axis ? row : row / size;
        indices.insert(0, std::to_string(index) + (indices.empty() ? "" : ", "));
    }
    return std::string(name) + "[" + indices + "]";
}

// Throws for the first entry that is neither 0 nor 1, of a mask of this shape.
void check_flags(const char* name, const Rows& flags, const Shape& shape, py::ssize_t axis, bool is_signed) {
    const bool is_flat = flags.col_stride == 1 && flags.row_stride == flags.cols;
    const std::int64_t rows = is_flat ? 1 : flags.rows;
    const std::int64_t cols = is_flat ? flags.rows * flags.cols : flags.cols;
    for (std::int64_t i = 0; i < rows; ++i) {
        const auto* const x = static_cast<const unsigned char*>(flags.data) + i * flags.row_stride;
        unsigned char bits = 0;
        if (flags.col_stride == 1) {  // apart, as the compiler makes vectors of it
            for (std::int64_t j = 0; j < cols; ++j) bits |= x[j];
        } else {
            for (std::int64_t j = 0; j < cols; ++j) bits |= x[j * flags.col_stride];
        }
        for (std::int64_t j = 0; bits > 1 && j < cols; ++j) {
            const int value = x[j * flags.col_stride];
            if (value > 1) {
                const std::int64_t entry = i * cols + j;
                throw py::value_error(subscript(name, entry / flags.cols, entry % flags.cols, shape, axis) +
                                      " must be 0 or 1, got " +
                                      std::to_string(is_signed && value > 127 ? value - 256 : value));
            }
        }
    }
}

bool is_bool(const py::array& array) { return kind_of(array) == 'b'; }

// A mask of this name.
py::array mask_array(py::handle x, const char* name) {
    py::array array = as_array(x, name);
    if (!is_bool(array) && !(is_integer(array) && array.itemsize() == 1)) {
        throw_wrong_dtype(name, "bool, or int8 or uint8 of 0 and 1", array);
    }
    return array;
}

// From 0 to ndim - 1; the last if left out.
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

void Input::repeat(py::ssize_t count) {
    copies_ = count;
    if (count == 1) {
        return;
    }
    const auto array = py::reinterpret_borrow<py::array>(array_);
    Shape shape = shape_of(array);
    Shape strides = strides_of(array);
    const auto at = form_ == Form::vector ? array.ndim() : array.ndim() - 1;
    shape.insert(shape.begin() + at, count);
    strides.insert(strides.begin() + at, 0);
    array_ = py::array(array.dtype(), std::move(shape), std::move(strides), array.data(), array);
    read_copy();
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

RealMatrix::RealMatrix(py::handle x, const char* name, const Axes& axes, py::handle axis)
    : name_(name), axes_(axes) {
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

Logits::Logits(py::handle x, py::handle offsets, const char* name, py::handle axis)
    : RealMatrix(x, name, is_given(offsets) ? ragged_axes : logits_axes,
                 is_given(offsets) ? py::handle() : axis) {
    if (!is_given(offsets)) {
        return;
    }
    if (shape().size() != 1) {
        throw_wrong_shape(name, std::string(ragged_axes.text) + " with offsets", shape());
    }
    if (is_given(axis)) {
        throw py::value_error("axis must be left out with offsets, got " + text_of(axis));
    }
    offsets_.emplace(offsets, "offsets");
    if (offsets_->shape().size() != 1 || offsets_->shape()[0] == 0) {
        throw_wrong_shape("offsets", "(num_rows + 1,)", offsets_->shape());
    }
    leading_ = {offsets_->shape()[0] - 1};
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

Actions::Actions(py::handle x, const Shape& rows)
    : Indices(x, "actions"), have_sample_axis_(shape().size() == rows.size() + 1) {
    if (shape().size() < rows.size() || shape().size() > rows.size() + 1 ||
        !std::equal(rows.begin(), rows.end(), shape().begin())) {
        std::string with_samples = "(";
        for (const py::ssize_t n : rows) {
            with_samples += std::to_string(n) + ", ";
        }
        with_samples += rows.empty() ? "num_samples,)" : "num_samples)";
        throw_wrong_shape("actions", to_string(rows) + " or " + with_samples, shape());
    }
}

Actions::Actions(py::handle x, const Logits& logits) : Actions(x, logits.leading()) {
    if (logits.are_ragged() && have_sample_axis_) {
        throw_wrong_shape("actions", to_string(logits.leading()) + " with offsets", shape());
    }
}

Weights::Weights(py::handle x, const Shape& expected, const char* name) {
    py::array array = as_array(x, name);
    const bool real = is_real(array);
    const bool half = !real && is_half(array);
    if (!real && !half && !is_integer(array)) {
        throw_wrong_dtype(name, "float16, bfloat16, float32, float64 or integers", array);
    }
    if (!has_shape(array, expected)) {
        throw_wrong_shape(name, to_string(expected), shape_of(array));
    }
    read(real   ? array
         : half ? native_copy(array, to_numpy(DType::float32))
                : as_float64(array),
         Form::vector);
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
    const py::array array = mask_array(x, "where");
    const Shape one_row{logits_shape[static_cast<std::size_t>(axis)]};
    num_rows_ = 1;
    for (std::size_t i = 0; i < logits_shape.size(); ++i) {
        num_rows_ *= static_cast<py::ssize_t>(i) == axis ? 1 : logits_shape[i];
    }
    if (has_shape(array, logits_shape)) {
        read(with_axis_last(array, axis), Form::matrix);
        is_per_row_ = logits_shape != one_row;
    } else if (has_shape(array, one_row)) {
        read(array, Form::matrix);  // a single row has row_stride 0
    } else {
        const std::string alternative = logits_shape == one_row ? "" : " or " + to_string(one_row);
        throw_wrong_shape("where", to_string(logits_shape) + alternative, shape_of(array));
    }
    if (!is_bool(array)) {
        check_flags("where", rows_, shape_of(array), is_per_row_ ? axis : 0, kind_of(array) == 'i');
    }
}

void Where::repeat(py::ssize_t count) {
    num_rows_ *= count;
    if (is_per_row_) {
        Input::repeat(count);
    }
}

Valid::Valid(py::handle x, const Shape& rows) {
    if (!is_given(x)) {
        return;
    }
    const py::array array = mask_array(x, "valid");
    if (!has_shape(array, rows)) {
        throw_wrong_shape("valid", to_string(rows), shape_of(array));
    }
    read(array, Form::vector);
    if (!is_bool(array)) {
        check_flags("valid", rows_, rows, -1, kind_of(array) == 'i');
    }
}

}  // namespace scorefn::python
