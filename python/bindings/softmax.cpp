#include <scorefn/ragged.hpp>

#include "call.hpp"
#include "docs/softmax.hpp"
#include "function.hpp"
#include "module.hpp"

namespace scorefn::python {

namespace {

// From logits to an array like them, in which the core may work in place.
template <class Core>
py::object normalize(py::handle logits_, py::handle axis, py::handle where_, py::handle valid_,
                     py::handle offsets, py::handle out_, py::handle num_threads, const Core& core) {
    Logits logits(logits_, offsets, "logits", axis);
    Where where(where_, logits);
    Valid valid(valid_, logits.leading());
    const Output out(out_, logits.shape(), logits.result_type(), Form::matrix, logits.axis());
    out.keep_apart_unless_same(logits);

    const Options options = to_options(where, valid, num_threads, out);
    compute(logits, [&](auto zero) {
        using T = decltype(zero);
        logits.visit<T>([&](const auto& rows) { core(rows, out.like(rows), options); });
    });
    return out.result();
}

py::object log_softmax(py::handle logits, py::handle axis, py::handle where, py::handle valid,
                       py::handle offsets, py::handle out, py::handle num_threads) {
    return normalize(logits, axis, where, valid, offsets, out, num_threads,
                     [](auto... arguments) { scorefn::log_softmax(arguments...); });
}

py::object softmax(py::handle logits, py::handle axis, py::handle where, py::handle valid, py::handle offsets,
                   py::handle out, py::handle num_threads) {
    return normalize(logits, axis, where, valid, offsets, out, num_threads,
                     [](auto... arguments) { scorefn::softmax(arguments...); });
}

py::object logsumexp(py::handle logits_, py::handle axis, py::handle where_, py::handle valid_,
                     py::handle offsets, py::handle out_, py::handle num_threads) {
    Logits logits(logits_, offsets, "logits", axis);
    Where where(where_, logits);
    Valid valid(valid_, logits.leading());
    const Output out(out_, logits.leading(), logits.result_type(), Form::vector);
    out.keep_apart(logits);

    const Options options = to_options(where, valid, num_threads, out);
    compute(logits, [&](auto zero) {
        using T = decltype(zero);
        logits.visit<T>([&](const auto& rows) { scorefn::logsumexp(rows, out.vector<T>(), options); });
    });
    return out.result();
}

}  // namespace

void bind_softmax(py::module_& module) {
    def<&log_softmax>(module, docs::log_softmax);
    def<&softmax>(module, docs::softmax);
    def<&logsumexp>(module, docs::logsumexp);
}

}  // namespace scorefn::python
