#include "module.hpp"

// scorefn._core: arrays are checked and lent to the C++ core as views; nothing is computed here.
PYBIND11_MODULE(_core, module) {
    module.doc() = "The C++ functions of scorefn.";
    scorefn::python::bind_softmax(module);
    scorefn::python::bind_categorical(module);
    scorefn::python::bind_sample(module);
    scorefn::python::bind_gradient(module);
    scorefn::python::bind_objectives(module);
    scorefn::python::bind_threads(module);
    scorefn::python::bind_config(module);
}
