#include <scorefn/ragged.hpp>

#include <pybind11/gil_safe_call_once.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "call.hpp"
#include "docs/sample.hpp"
#include "function.hpp"
#include "module.hpp"
#include "random_key.hpp"

namespace scorefn::python {

namespace {

// typing.NamedTuple's, from Python: a class of its own would not be a tuple.
template <bool WithEntropy>
py::handle sample_class() {
    PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> cache;
    return cache
        .call_once_and_store_result([] {
        return py::module_::import("scorefn._sample").attr(WithEntropy ? "SampleWithEntropy" : "Sample");
    }).get_stored();
}

// out=(actions, log_prob), or nulls.
std::pair<py::handle, py::handle> unpack(py::handle out) {
    if (!is_given(out)) {
        return {};
    }
    if (!py::isinstance<py::tuple>(out)) {
        throw py::type_error("out must be a tuple (actions, log_prob), got " + type_name(out));
    }
    const auto pair = py::reinterpret_borrow<py::tuple>(out);
    if (pair.size() != 2) {
        throw py::value_error("out must be a tuple (actions, log_prob), got " + std::to_string(pair.size()) +
                              " items");
    }
    for (std::size_t i = 0; i < 2; ++i) {
        if (pair[i].is_none()) {
            throw py::type_error("out[" + std::to_string(i) + "] must be an ndarray, got NoneType");
        }
    }
    return {pair[0], pair[1]};
}

// As many as an array may have for rows of this shape.
py::ssize_t to_num_samples(py::handle x, const Shape& rows) {
    const py::ssize_t num_samples = to_int_at_least(0, x, "num_samples");
    py::ssize_t most = std::numeric_limits<py::ssize_t>::max() / py::ssize_t{sizeof(std::int64_t)};
    for (const py::ssize_t n : rows) {
        most /= std::max<py::ssize_t>(n, 1);
    }
    if (num_samples > most) {
        throw py::value_error("num_samples must be at most " + std::to_string(most) +
                              " for logits with leading shape " + to_string(rows) + ", got " + text_of(x));
    }
    return num_samples;
}

py::object sample(py::handle logits_, py::handle rng, py::handle num_samples, py::handle entropy_,
                  py::handle where_, py::handle valid_, py::handle offsets, py::handle out,
                  py::handle num_threads) {
    Logits logits(logits_, offsets);
    if (logits.are_ragged() && is_given(num_samples)) {
        throw py::value_error("num_samples must be None with offsets, got " + text_of(num_samples));
    }
    Where where(where_, logits);
    Valid valid(valid_, logits.leading());
    Shape shape = logits.leading();
    Form form = Form::vector;
    if (is_given(num_samples)) {
        shape.push_back(to_num_samples(num_samples, shape));
        form = Form::matrix;
    }
    const auto [out_actions, out_log_prob] = unpack(out);
    const Output actions(out_actions, shape, DType::int64, form, "out[0]");
    const Output log_prob(out_log_prob, shape, logits.result_type(), form, "out[1]");
    log_prob.check_apart_from(actions);
    actions.keep_apart(logits);
    log_prob.keep_apart(logits);

    const bool with_entropy = to_bool(entropy_, "entropy");
    std::optional<Output> entropy;
    if (with_entropy) {
        entropy.emplace(py::handle(), logits.leading(), logits.result_type(), Form::vector);
    }
    const Options options = to_options(where, valid, num_threads, actions, log_prob);
    const RandomKey key = draw_key(rng);
    compute(logits, [&](auto zero) {
        using T = decltype(zero);
        const Vector<T> entropies = with_entropy ? entropy->vector<T>() : Vector<T>{};
        if (logits.are_ragged()) {
            scorefn::sample(logits.ragged<T>(), key, actions.vector<std::int64_t>(), log_prob.vector<T>(),
                            entropies, options);
        } else {
            scorefn::sample(logits.matrix<T>(), key, actions.matrix<std::int64_t>(), log_prob.matrix<T>(),
                            entropies, options);
        }
    });
    if (with_entropy) {
        return named_tuple(sample_class<true>(), {actions.result(), log_prob.result(), entropy->result()});
    }
    return named_tuple(sample_class<false>(), {actions.result(), log_prob.result()});
}

}  // namespace

void bind_sample(py::module_& module) {
    module.attr("Sample") = sample_class<false>();
    module.attr("SampleWithEntropy") = sample_class<true>();
    // Now, not in the first call: a fork during an import leaves its lock held in the child.
    py::module_::import("numpy.random");
    def<&sample>(module, docs::sample);
}

}  // namespace scorefn::python
