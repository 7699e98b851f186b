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

// Keeps the masks apart from the outputs too, because the options hold views of them.
template <class... Outputs>
Options to_options(Where& where, Valid& valid, py::handle num_threads, const Outputs&... outputs) {
    (outputs.keep_apart(where, valid), ...);
    Options options;
    options.where = where.matrix();
    options.valid = valid.vector();
    options.num_threads = to_num_threads(num_threads);
    options.may_write_on_error = (outputs.is_private() && ...);
    return options;
}

// Whether a signal came whose Python handler raised, for example Ctrl-C; its exception is then set.
// Only the main thread runs such handlers. The context is the WithoutGil of the call.
bool has_signal(void* unlocked);

// The shapes of the caller's arrays, in which an error of the core names its row. The core may see each row of the logits
// `copies` times, and each state as often as it has samples.
struct Places {
    const Shape& actions;
    const Shape& rows;  // the leading shape of the logits
    py::ssize_t copies = 1;
    const Indices* states = nullptr;
};

std::string describe(const RowFault& fault, const Places& places);

// Calls f(T{}) for the dtype's T = float or double, without the GIL.
template <class Function>
void compute(DType dtype, const Places& places, const Function& f) {
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
        throw py::index_error(describe(error.fault, places));
    } catch (const BadValue& error) {
        throw py::value_error(describe(error.fault, places));
    }
}

template <class Function>
void compute(const RealMatrix& logits, const Function& f) {
    compute(logits.dtype(), {logits.leading(), logits.leading()}, f);
}
template <class Function>
void compute(const RealMatrix& logits, const Indices& actions, const Function& f) {
    compute(logits.dtype(), {actions.shape(), logits.leading()}, f);
}

// f(*arguments), for a function that runs Python code or waits: other threads run meanwhile, and the interpreter may shut
// down.
py::object call_python(py::handle f, std::initializer_list<py::object> arguments);

// A typing.NamedTuple of this class, which must have as many fields. Its own constructor is a Python function, which would take
// longer than the call of the core for a few rows.
py::object named_tuple(py::handle cls, std::initializer_list<py::object> fields);

}  // namespace scorefn::python
