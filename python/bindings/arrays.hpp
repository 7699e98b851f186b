// NumPy arrays as strided memory: inputs.hpp and output.hpp build on this.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace scorefn::python {

namespace py = pybind11;

using Shape = std::vector<py::ssize_t>;

// As Python writes it: "(8, 1)", "(8,)", "()".
std::string to_string(const Shape& shape);
Shape shape_of(const py::array& array);
// In bytes.
Shape strides_of(const py::array& array);
bool has_shape(const py::array& array, const Shape& shape);

// The dtypes of results.
enum class DType { float32, float64, int64 };

const char* to_string(DType dtype);
py::dtype to_numpy(DType dtype);
// Of either byte order.
bool has_dtype(const py::array& array, DType dtype);
// float16, or the bfloat16 of ml_dtypes, known by its name.
bool is_half(const py::array& array);
// "int64"
std::string dtype_name(const py::array& array);

// "int"; with the module of a type that is not built in, "numpy.ndarray", as _check.type_name has it.
std::string type_name(py::handle x);
// str(x); Python makes none of an int of thousands of digits.
std::string text_of(py::handle x);
// The UTF-8 bytes of a str; lone surrogates are escaped.
std::string to_utf8(py::handle text);

// Clears the error that a value's own __index__, __float__ or __str__ raised, because a message will name the argument.
// Only an error that says that the value is wrong: anything else, such as Ctrl-C, is thrown.
void forget_conversion_error();

// An array that the core can work on: native, aligned, all axes but the last run together into one.
// Strides count elements. A vector is a single column.
struct Rows {
    void* data = nullptr;
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    std::int64_t row_stride = 0;
    std::int64_t col_stride = 1;
    std::int64_t itemsize = 0;

    bool operator==(const Rows& other) const;
};

// Whether the two stretches of memory overlap, elements between which a stride steps included.
bool overlap(const Rows& a, const Rows& b);

// vector: all axes are rows. matrix: the last one is the columns.
enum class Form { vector, matrix };

// Whether two elements may lie in the same memory. False if each stride, from the smallest to the largest, steps over all
// elements that the smaller ones reach. That holds for every slice of an array without overlap.
bool may_overlap_itself(const py::array& array);

// Nothing if the array is byte-swapped or unaligned, or if one stride does not reach all its rows.
std::optional<Rows> as_rows(const py::array& array, Form form);

// The array itself, or the array that NumPy makes from a list, a tensor and the like. Torch's bfloat16, which NumPy does not
// know, is read as float32. Masked arrays are a TypeError.
py::array as_array(py::handle x, const char* name);

// The same in the byte order of this machine.
py::dtype native(const py::dtype& dtype);

// Native, aligned, C-contiguous.
py::array native_copy(const py::array& array);
py::array native_copy(const py::array& array, const py::dtype& dtype);

// A plain ndarray of the same memory: a subclass may redefine assignment and the functions of NumPy.
py::array ndarray_view(const py::array& array);

void copy_values(const py::array& source, const py::array& target);

// A view with the axis moved to the end.
py::array with_axis_last(const py::array& array, py::ssize_t axis);

}  // namespace scorefn::python
