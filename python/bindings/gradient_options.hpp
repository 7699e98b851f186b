// The options that every gradient takes.
#pragma once

#include <scorefn/options.hpp>

#include "call.hpp"

namespace scorefn::python {

inline GradientOptions to_gradient_options(py::handle entropy_coef, py::handle accumulate, Where& where,
                                           Valid& valid, py::handle num_threads, const Output& out) {
    GradientOptions options;
    static_cast<Options&>(options) = to_options(where, valid, num_threads, out);
    options.entropy_coef = to_finite(entropy_coef, "entropy_coef");
    options.accumulate = to_bool(accumulate, "accumulate");
    if (options.accumulate && !out.is_given()) {
        throw py::value_error("accumulate=True needs out=, the array to add to");
    }
    return options;
}

}  // namespace scorefn::python
