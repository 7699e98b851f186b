// A random key from the `rng` argument.
#pragma once

#include <pybind11/pybind11.h>
#include <scorefn/categorical.hpp>

namespace scorefn::python {

namespace py = pybind11;

// The two next 64-bit words of a numpy.random.Generator, of default_rng(seed) or of default_rng().
RandomKey draw_key(py::handle rng);

}  // namespace scorefn::python
