// The parts of the module, one per file.
#pragma once

#include <pybind11/pybind11.h>

namespace scorefn::python {

void bind_segments(pybind11::module_& module);
void bind_softmax(pybind11::module_& module);
void bind_categorical(pybind11::module_& module);
void bind_sample(pybind11::module_& module);
void bind_gradient(pybind11::module_& module);
void bind_fisher(pybind11::module_& module);
void bind_objectives(pybind11::module_& module);
void bind_objective_passes(pybind11::module_& module);
void bind_all_actions(pybind11::module_& module);
void bind_credit(pybind11::module_& module);
void bind_threads(pybind11::module_& module);
void bind_config(pybind11::module_& module);

}  // namespace scorefn::python
