#include "scalars.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>

#include "arrays.hpp"

namespace scorefn::python {

namespace {

[[noreturn]] void throw_wrong_type(const char* name, const char* expected, py::handle x) {
    throw py::type_error(std::string(name) + " must be " + expected + ", got " + type_name(x));
}

// Python's or NumPy's (bool_ before NumPy 2).
bool is_bool(py::handle x) {
    if (PyLong_CheckExact(x.ptr()) || PyFloat_CheckExact(x.ptr())) {
        return false;
    }
    const std::string_view type = Py_TYPE(x.ptr())->tp_name;
    return PyBool_Check(x.ptr()) || type == "numpy.bool" || type == "numpy.bool_";
}

}  // namespace

// A huge int is infinite.
double to_number(py::handle x, const char* name, const char* expected) {
    if (is_bool(x)) {
        throw_wrong_type(name, expected, x);
    }
    const double value = PyFloat_AsDouble(x.ptr());
    if (value == -1.0 && PyErr_Occurred()) {
        const bool is_huge = PyErr_ExceptionMatches(PyExc_OverflowError);  // an int
        forget_conversion_error();
        if (!is_huge) {
            throw_wrong_type(name, expected, x);
        }
        return std::numeric_limits<double>::infinity();
    }
    return value;
}

py::ssize_t to_int(py::handle x, const char* name, const char* expected) {
    if (is_bool(x)) {
        throw_wrong_type(name, expected, x);
    }
    const py::ssize_t value = PyNumber_AsSsize_t(x.ptr(), nullptr);
    if (value == -1 && PyErr_Occurred()) {
        forget_conversion_error();
        throw_wrong_type(name, expected, x);
    }
    return value;
}

py::ssize_t to_int_at_least(py::ssize_t minimum, py::handle x, const char* name) {
    const py::ssize_t value = to_int(x, name, "an int or None");
    if (value < minimum) {
        throw py::value_error(std::string(name) + " must be at least " + std::to_string(minimum) + ", got " +
                              text_of(x));
    }
    return value;
}

int to_num_threads(py::handle x) {
    if (!is_given(x)) {
        return 0;
    }
    constexpr py::ssize_t most = std::numeric_limits<int>::max();
    return static_cast<int>(std::min(to_int_at_least(1, x, "num_threads"), most));
}

bool to_bool(py::handle x, const char* name) {
    if (!x) {
        return false;
    }
    if (!is_bool(x)) {
        throw_wrong_type(name, "a bool", x);
    }
    return PyObject_IsTrue(x.ptr()) == 1;
}

double to_finite(py::handle x, const char* name) {
    const double value = x ? to_number(x, name) : 0.0;
    if (!std::isfinite(value)) {
        throw py::value_error(std::string(name) + " must be finite, got " + text_of(x));
    }
    return value;
}

LowHigh to_low_high(py::handle x, const char* name) {
    constexpr const char* expected = "a real number or a pair (low, high)";
    if (!py::isinstance<py::tuple>(x) && !py::isinstance<py::list>(x)) {
        return to_number(x, name, expected);
    }
    const auto pair = py::reinterpret_borrow<py::sequence>(x);
    if (pair.size() != 2) {
        throw py::type_error(std::string(name) + " must be " + expected + ", got a " + type_name(x) + " of " +
                             std::to_string(pair.size()));
    }
    return {to_number(pair[0], name, expected), to_number(pair[1], name, expected)};
}

}  // namespace scorefn::python
