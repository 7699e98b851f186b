#include "module.hpp"

namespace py = pybind11;

namespace {

bool is_main_interpreter() { return PyInterpreterState_Get() == PyInterpreterState_Main(); }

constexpr const char* sub_interpreter =
    "scorefn cannot be imported in a sub-interpreter: import it in the main interpreter "
    "(with mod_wsgi, by WSGIApplicationGroup %{GLOBAL})";

}  // namespace

// scorefn._core: arrays are checked and lent to the C++ core as views; nothing is computed here.
// It needs no GIL: what its functions share is set at import or in a gil_safe_call_once_and_store.
PYBIND11_MODULE(core, module, py::mod_gil_not_used()) {
    if (!is_main_interpreter()) {
        throw py::import_error(sub_interpreter);
    }
    module.doc() = "The C++ functions of scorefn.";
    scorefn::python::bind_softmax(module);
    scorefn::python::bind_categorical(module);
    scorefn::python::bind_sample(module);
    scorefn::python::bind_gradient(module);
    scorefn::python::bind_fisher(module);
    scorefn::python::bind_objectives(module);
    scorefn::python::bind_objective_passes(module);
    scorefn::python::bind_segments(module);
    scorefn::python::bind_all_actions(module);
    scorefn::python::bind_credit(module);
    scorefn::python::bind_threads(module);
    scorefn::python::bind_config(module);
}

// Before pybind11 does anything: in a sub-interpreter of Python 3.11 it would wait for ever for the GIL that the thread has.
extern "C" PYBIND11_EXPORT PyObject* PyInit__core();
extern "C" PYBIND11_EXPORT PyObject* PyInit__core() {
    if (!is_main_interpreter()) {
        PyErr_SetString(PyExc_ImportError, sub_interpreter);
        return nullptr;
    }
    return PyInit_core();
}
