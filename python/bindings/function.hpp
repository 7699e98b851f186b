// Python functions in C++: def<&f>(module, doc), where the first line of `doc` is the signature.
//
// Not module.def: to match keywords, pybind11 makes a new string for every parameter in every call,
// 0.9 us for score_gradient(logits, actions, weights, out=out). Interned names and CPython's
// vectorcall convention take 0.05. inspect.signature works too.
#pragma once

#include <pybind11/pybind11.h>

#include <array>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "gil.hpp"

namespace scorefn::python {

namespace py = pybind11;

// "f(x, y, *, z=1)\n--\n\n..." gives a function's name, its required and its keyword-only parameters. There are no other
// parameters: defaults come after the `*`.
class Signature {
public:
    explicit Signature(const char* doc);

    const std::string& name() const { return name_; }
    std::size_t size() const { return parameters_.size(); }

    // Puts the arguments of a vectorcall in order. A parameter without an argument gets null.
    void bind(PyObject* const* arguments, Py_ssize_t num_positional, PyObject* keywords,
              py::handle* bound) const;

private:
    std::size_t index_of(py::handle keyword) const;

    std::string name_;
    std::vector<py::handle> parameters_;  // interned, never released
    std::size_t num_required_ = 0;
};

// Inside a catch block: the C++ exception as a Python one.
void set_python_error() noexcept;

template <auto function>
struct Bound;

template <class... Handles, py::object (*function)(Handles...)>
struct Bound<function> {
    static inline const Signature* signature = nullptr;
    static inline PyMethodDef methods[2] = {};

    static PyObject* call(PyObject*, PyObject* const* arguments, Py_ssize_t num_positional,
                          PyObject* keywords) noexcept {
        try {
            std::array<py::handle, sizeof...(Handles)> bound;
            signature->bind(arguments, num_positional, keywords, bound.data());
            return stopped_rather_than_unwound([&] { return std::apply(function, bound).release().ptr(); });
        } catch (...) {
            set_python_error();
            return nullptr;
        }
    }

    static void define(py::module_& module, const char* doc) {
        signature = new Signature(doc);  // lives as long as the function: to the end of the process
        if (signature->size() != sizeof...(Handles)) {
            throw std::logic_error(signature->name() + ": the docstring has other parameters");
        }
        const auto pointer = reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&call));
        methods[0] = {signature->name().c_str(), pointer, METH_FASTCALL | METH_KEYWORDS, doc};
        if (PyModule_AddFunctions(module.ptr(), methods) != 0) {
            throw py::error_already_set();
        }
    }
};

// `function` takes one py::handle per parameter, which is null if the caller left the argument out.
template <auto function>
void def(py::module_& module, const char* doc) {
    Bound<function>::define(module, doc);
}

}  // namespace scorefn::python
