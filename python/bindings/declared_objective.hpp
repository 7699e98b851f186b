// A declared objective, by its name.
#pragma once

#include <pybind11/pybind11.h>
#include <scorefn/objective_list.hpp>

#include <string>

namespace scorefn::python {

inline int place_of_objective(pybind11::handle name) {
    const std::string wanted = pybind11::cast<std::string>(name);
    for (int place = 0; place < DeclaredObjectives::size; ++place) {
        if (wanted == DeclaredObjectives::declarations[place].name) {
            return place;
        }
    }
    throw pybind11::value_error("objective must be the name of a declared one, got '" + wanted + "'");
}

}  // namespace scorefn::python
