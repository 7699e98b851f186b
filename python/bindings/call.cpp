#include "call.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <scorefn/objective_list.hpp>
#include <vector>

namespace scorefn::python {

namespace {

// Whether the elements of what an error names belong to samples, not to rows of logits.
bool is_of_samples(const std::string& name) {
    for (const ObjectiveDeclaration& declared : DeclaredObjectives::declarations) {
        for (const SampleNumber& number : declared.reads) {
            if (number.name && number.name == name) {
                return true;
            }
        }
    }
    return name == "actions";
}

}  // namespace

// "actions[1, 3] = 7 is out of range for 5 actions"
std::string describe(const RowFault& fault, const Places& places) {
    const bool is_sample = is_of_samples(fault.subject);
    const bool is_state = fault.subject == "states";
    const Shape& shape = is_sample ? places.actions : is_state ? places.states->shape() : places.rows;
    std::int64_t row = fault.row / (is_sample ? 1 : is_state ? places.states->copies() : places.copies);
    std::string indices;
    for (std::size_t axis = shape.size(); axis-- > 0;) {
        const std::string index = std::to_string(row % shape[axis]);
        indices.insert(0, indices.empty() ? index : index + ", ");
        row /= shape[axis];
    }
    return fault.subject + (indices.empty() ? "" : "[" + indices + "]") + fault.problem;
}

bool has_signal(void* unlocked) {
    if (syscall(SYS_gettid) != getpid()) {
        return false;  // spares a thread that is not the main one the wait for the GIL
    }
    return static_cast<WithoutGil*>(unlocked)->with_gil([] { return PyErr_CheckSignals() != 0; });
}

py::object call_python(py::handle f, std::initializer_list<py::object> arguments) {
    std::vector<PyObject*> pointers;
    for (const py::object& argument : arguments) {
        pointers.push_back(argument.ptr());
    }
    PyObject* const result = stopped_rather_than_unwound(
        [&] { return PyObject_Vectorcall(f.ptr(), pointers.data(), pointers.size(), nullptr); });
    if (result == nullptr) {
        throw py::error_already_set();
    }
    return py::reinterpret_steal<py::object>(result);
}

py::object named_tuple(py::handle cls, std::initializer_list<py::object> fields) {
    // As tuple.__new__ makes one of a subclass, without the tuple to copy from.
    auto* const type = reinterpret_cast<PyTypeObject*>(cls.ptr());
    auto result =
        py::reinterpret_steal<py::object>(type->tp_alloc(type, static_cast<Py_ssize_t>(fields.size())));
    if (!result) {
        throw py::error_already_set();
    }
    Py_ssize_t i = 0;
    for (const py::object& field : fields) {
        PyTuple_SET_ITEM(result.ptr(), i++, py::object(field).release().ptr());
    }
    return result;
}

}  // namespace scorefn::python
