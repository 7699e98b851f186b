#include "call.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

namespace scorefn::python {

std::string describe(const RowFault& fault, const Shape& shape) {
    std::string indices;
    std::int64_t row = fault.row;
    for (std::size_t axis = shape.size(); axis-- > 0;) {
        const std::string index = std::to_string(row % shape[axis]);
        indices = indices.empty() ? index : index + ", " + indices;
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

py::object named_tuple(py::handle type, std::initializer_list<py::object> members) {
    std::vector<PyObject*> arguments;
    for (const py::object& member : members) {
        arguments.push_back(member.ptr());
    }
    // Its __new__ is Python, between whose instructions other threads may run.
    PyObject* const made = stopped_rather_than_unwound(
        [&] { return PyObject_Vectorcall(type.ptr(), arguments.data(), arguments.size(), nullptr); });
    if (made == nullptr) {
        throw py::error_already_set();
    }
    return py::reinterpret_steal<py::object>(made);
}

}  // namespace scorefn::python
