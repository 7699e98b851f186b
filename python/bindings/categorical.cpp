#include <scorefn/ragged.hpp>

#include "call.hpp"
#include "docs/categorical.hpp"
#include "function.hpp"
#include "module.hpp"

namespace scorefn::python {

namespace {

py::object log_prob(py::handle logits_, py::handle actions_, py::handle where_, py::handle valid_,
                    py::handle offsets, py::handle out_, py::handle num_threads) {
    Logits logits(logits_, offsets);
    Actions actions(actions_, logits);
    Where where(where_, logits);
    Valid valid(valid_, actions.shape());
    const Form form = actions.have_sample_axis() ? Form::matrix : Form::vector;
    const Output out(out_, actions.shape(), logits.result_type(), form);
    out.keep_apart(logits, actions);

    const Options options = to_options(where, valid, num_threads, out);
    compute(logits, actions, [&](auto zero) {
        using T = decltype(zero);
        if (actions.have_sample_axis()) {
            scorefn::log_prob(logits.matrix<T>(), actions.vector(), out.matrix<T>(), options);
        } else {
            logits.visit<T>([&](const auto& rows) {
                scorefn::log_prob(rows, actions.vector(), out.vector<T>(), options);
            });
        }
    });
    return out.result();
}

py::object entropy(py::handle logits_, py::handle where_, py::handle valid_, py::handle offsets,
                   py::handle out_, py::handle num_threads) {
    Logits logits(logits_, offsets);
    Where where(where_, logits);
    Valid valid(valid_, logits.leading());
    const Output out(out_, logits.leading(), logits.result_type(), Form::vector);
    out.keep_apart(logits);

    const Options options = to_options(where, valid, num_threads, out);
    compute(logits, [&](auto zero) {
        using T = decltype(zero);
        logits.visit<T>([&](const auto& rows) { scorefn::entropy(rows, out.vector<T>(), options); });
    });
    return out.result();
}

py::object kl_divergence(py::handle logits_p_, py::handle logits_q_, py::handle where_, py::handle valid_,
                         py::handle offsets, py::handle out_, py::handle num_threads) {
    Logits logits_p(logits_p_, offsets, "logits_p");
    Logits logits_q(logits_q_, offsets, "logits_q");
    logits_q.check_dtype_of(logits_p);
    logits_q.check_shape(logits_p.shape());
    Where where(where_, logits_p);
    Valid valid(valid_, logits_p.leading());
    const Output out(out_, logits_p.leading(), logits_p.result_type(), Form::vector);
    out.keep_apart(logits_p, logits_q);

    const Options options = to_options(where, valid, num_threads, out);
    compute(logits_p, [&](auto zero) {
        using T = decltype(zero);
        logits_p.visit<T>([&](const auto& rows) {
            scorefn::kl_divergence(rows, logits_q.like(rows), out.vector<T>(), options);
        });
    });
    return out.result();
}

}  // namespace

void bind_categorical(py::module_& module) {
    def<&log_prob>(module, docs::log_prob);
    def<&entropy>(module, docs::entropy);
    def<&kl_divergence>(module, docs::kl_divergence);
}

}  // namespace scorefn::python
