// The scalar arguments, from Python objects. Null stands for an argument that was left out.
#pragma once

#include <pybind11/pybind11.h>

#include <scorefn/objective_list.hpp>

namespace scorefn::python {

namespace py = pybind11;

// Neither left out nor None.
inline bool is_given(py::handle x) { return x && !x.is_none(); }

// An int or anything with __index__, but no bool. A huge int is clamped to the range of the result.
py::ssize_t to_int(py::handle x, const char* name, const char* expected = "an int");
py::ssize_t to_int_at_least(py::ssize_t minimum, py::handle x, const char* name);

// 0 for None.
int to_num_threads(py::handle x);

// False and 0.0 where left out.
bool to_bool(py::handle x, const char* name);
double to_finite(py::handle x, const char* name);
double to_number(py::handle x, const char* name, const char* expected = "a real number");

// A number, or a tuple or list of two: low and high. They may be infinite or NaN.
LowHigh to_low_high(py::handle x, const char* name);

}  // namespace scorefn::python
