#include <scorefn/config.hpp>

#include "docs/config.hpp"
#include "function.hpp"
#include "module.hpp"

namespace scorefn::python {

namespace {

py::object version() { return py::str(scorefn::version()); }
py::object compiler() { return py::str(scorefn::compiler()); }
py::object openmp() { return py::int_(scorefn::openmp()); }
py::object current_isa() { return py::str(scorefn::current_isa()); }

py::object available_isas() {
    py::list names;
    for (const std::string& name : scorefn::available_isas()) {
        names.append(name);
    }
    return py::tuple(names);
}

}  // namespace

void bind_config(py::module_& module) {
    def<&version>(module, docs::version);
    def<&compiler>(module, docs::compiler);
    def<&openmp>(module, docs::openmp);
    def<&available_isas>(module, docs::available_isas);
    def<&current_isa>(module, docs::current_isa);
}

}  // namespace scorefn::python
