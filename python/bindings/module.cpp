#include "module.hpp"

namespace py = pybind11;

// scorefn._core: arrays are checked and lent to the C++ core as views; nothing is computed here.
// It needs no GIL: what its functions share is set at import or in a gil_safe_call_once_and_store.
PYBIND11_MODULE(_core, module, py::mod_gil_not_used()) {
    module.doc() = "The C++ functions of scorefn.";
    scorefn::python::bind_softmax(module);
    scorefn::python::bind_categorical(module);
    scorefn::python::bind_sample(module);
    scorefn::python::bind_gradient(module);
    scorefn::python::bind_objectives(module);
    scorefn::python::bind_threads(module);
    scorefn::python::bind_config(module);
}
