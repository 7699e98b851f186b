#include "function.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <string_view>

#include "arrays.hpp"

namespace scorefn::python {

namespace {

std::string_view strip(std::string_view text) {
    constexpr const char* blanks = " \n";
    const std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

py::handle interned(std::string_view name) {
    PyObject* string = PyUnicode_InternFromString(std::string(name).c_str());
    if (string == nullptr) {
        throw py::error_already_set();
    }
    return string;
}

}  // namespace

Signature::Signature(const char* doc) {
    const std::string_view text(doc);
    const std::size_t open = text.find('(');
    const std::size_t close = text.find(")\n--\n\n");
    if (open == std::string_view::npos || close == std::string_view::npos) {
        throw std::logic_error("a docstring must start with a signature");
    }
    name_ = text.substr(0, open);

    bool required = true;
    std::string_view rest = text.substr(open + 1, close - open - 1);
    while (!rest.empty()) {
        const std::size_t comma = std::min(rest.find(','), rest.size());
        const std::string_view parameter = strip(rest.substr(0, comma));
        rest.remove_prefix(std::min(comma + 1, rest.size()));
        if (parameter == "*") {
            required = false;
            continue;
        }
        parameters_.push_back(interned(parameter.substr(0, parameter.find('='))));
        num_required_ += required ? 1 : 0;
    }
}

void Signature::bind(PyObject* const* arguments, Py_ssize_t num_positional, PyObject* keywords,
                     py::handle* bound) const {
    const auto given = static_cast<std::size_t>(num_positional);
    if (given > num_required_) {
        throw py::type_error(name_ + "() takes " + std::to_string(num_required_) +
                             " positional arguments, got " + std::to_string(given));
    }
    std::copy(arguments, arguments + given, bound);

    const Py_ssize_t num_keywords = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
    for (Py_ssize_t k = 0; k < num_keywords; ++k) {
        const py::handle keyword = PyTuple_GET_ITEM(keywords, k);
        py::handle& argument = bound[index_of(keyword)];
        if (argument) {
            throw py::type_error(name_ + "() got multiple values for argument '" + to_utf8(keyword) + "'");
        }
        argument = arguments[num_positional + k];
    }

    for (std::size_t i = 0; i < num_required_; ++i) {
        if (!bound[i]) {
            throw py::type_error(name_ + "() missing required argument '" +
                                 parameters_[i].cast<std::string>() + "'");
        }
    }
}

std::size_t Signature::index_of(py::handle keyword) const {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        if (parameters_[i].is(keyword)) {
            return i;
        }
    }
    // A name built at run time need not be interned.
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        if (PyUnicode_Compare(parameters_[i].ptr(), keyword.ptr()) == 0) {
            return i;
        }
    }
    throw py::type_error(name_ + "() got an unexpected keyword argument '" + to_utf8(keyword) + "'");
}

namespace {

// The message may quote bytes that are not UTF-8, of the environment for example.
void set_error(PyObject* type, const char* message) {
    const auto text = py::reinterpret_steal<py::object>(
        PyUnicode_DecodeUTF8(message, static_cast<Py_ssize_t>(std::strlen(message)), "backslashreplace"));
    if (text) {
        PyErr_SetObject(type, text.ptr());
    }
}

}  // namespace

void set_python_error() noexcept {
    try {
        throw;
    } catch (py::error_already_set& error) {
        error.restore();
    } catch (const py::builtin_exception& error) {
        error.set_error();
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    } catch (const std::invalid_argument& error) {
        set_error(PyExc_ValueError, error.what());
    } catch (const std::exception& error) {
        set_error(PyExc_RuntimeError, error.what());
    } catch (...) {
        PyErr_SetString(PyExc_SystemError, "an unknown C++ exception");
    }
}

}  // namespace scorefn::python
