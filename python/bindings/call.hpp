// What the bound functions have in common around the call of the core.
#pragma once

#include <scorefn/errors.hpp>
#include <scorefn/interrupt.hpp>
#include <scorefn/options.hpp>

#include <initializer_list>
#include <string>

#include "gil.hpp"
#include "output.hpp"
#include "scalars.hpp"

namespace scorefn::python {

// Keeps `where` apart from the outputs too, as the options hold its view.
template <class... Outputs>
Options to_options(Where& where, py::handle num_threads, const Outputs&... outputs) {
    (outputs.keep_apart(where), ...);
    Options options;
    options.where = where.matrix();
    options.num_threads = to_num_threads(num_threads);
    options.may_write_on_error = (outputs.is_private() && ...);
    return options;
}

// "actions[1, 3] = 7 is out of range for 5 actions", for an array of this shape.
std::string describe(const RowFault& fault, const Shape& shape);

// Whether a signal came whose Python handler raised, as that of Ctrl-C does; its exception is then set.
// Only the main thread runs such handlers. The context is the WithoutGil of the call.
bool has_signal(void* unlocked);

// Calls f(T{}) for the dtype's T = float or double, without the GIL. Errors name their row by its indices
// in the arrays of the caller: actions are shaped like `samples`, logits have the leading shape `rows`.
template <class Function>
void compute(DType dtype, const Shape& samples, const Shape& rows, const Function& f) {
    try {
        WithoutGil unlocked;
        const Interruptible by_signals(has_signal, &unlocked);
        if (dtype == DType::float64) {
            f(double{});
        } else {
            f(float{});
        }
    } catch (const Interrupted&) {
        throw py::error_already_set();
    } catch (const IndexError& error) {
        throw py::index_error(describe(error.fault, samples));
    } catch (const BadRow& error) {
        throw py::value_error(describe(error.fault, rows));
    }
}

template <class Function>
void compute(const RealMatrix& logits, const Function& f) {
    compute(logits.dtype(), logits.leading(), logits.leading(), f);
}

// f(*arguments), for Python code or what waits: other threads run meanwhile, and the interpreter may shut down.
py::object call_python(py::handle f, std::initializer_list<py::object> arguments);

}  // namespace scorefn::python
