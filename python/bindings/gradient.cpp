#include <scorefn/ragged.hpp>

#include "call.hpp"
#include "docs/gradient.hpp"
#include "function.hpp"
#include "gradient_options.hpp"
#include "module.hpp"

namespace scorefn::python {

namespace {

py::object score(py::handle logits_, py::handle actions_, py::handle where_, py::handle valid_,
                 py::handle offsets, py::handle out_, py::handle num_threads) {
    Logits logits(logits_, offsets);
    Actions actions(actions_, logits);
    Where where(where_, logits);
    Valid valid(valid_, actions.shape());
    Shape shape_with_samples;
    if (actions.have_sample_axis()) {
        logits.repeat(actions.samples_per_row());
        where.repeat(actions.samples_per_row());
        shape_with_samples = actions.shape();
        shape_with_samples.push_back(logits.shape().back());
    }
    const Shape& shape = actions.have_sample_axis() ? shape_with_samples : logits.shape();
    const Output out(out_, shape, logits.result_type(), Form::matrix);
    out.keep_apart_unless_same(logits);
    out.keep_apart(actions);

    const Options options = to_options(where, valid, num_threads, out);
    compute(logits.dtype(), {actions.shape(), logits.leading(), logits.copies()}, [&](auto zero) {
        using T = decltype(zero);
        logits.visit<T>(
            [&](const auto& rows) { scorefn::score(rows, actions.vector(), out.like(rows), options); });
    });
    return out.result();
}

// A row of logits for each sample, or for the samples along the last axis of the actions.
py::object row_gradients(Logits& logits, py::handle actions_, py::handle weights_, py::handle entropy_coef,
                         py::handle accumulate, py::handle where_, py::handle valid_, py::handle out_,
                         py::handle num_threads) {
    Actions actions(actions_, logits);
    Weights weights(weights_, actions.shape());
    Where where(where_, logits);
    Valid valid(valid_, actions.shape());
    const Output out(out_, logits.shape(), logits.result_type(), Form::matrix);
    out.keep_apart(actions, weights);

    const GradientOptions options =
        to_gradient_options(entropy_coef, accumulate, where, valid, num_threads, out);
    if (options.accumulate || actions.have_sample_axis()) {
        out.keep_apart(logits);
    } else {
        out.keep_apart_unless_same(logits);
    }
    compute(logits, actions, [&](auto zero) {
        using T = decltype(zero);
        if (actions.have_sample_axis()) {
            scorefn::score_gradient(logits.matrix<T>(), actions.samples_per_row(), actions.vector(),
                                    weights.vector(), out.matrix<T>(), options);
        } else {
            logits.visit<T>([&](const auto& rows) {
                scorefn::score_gradient(rows, actions.vector(), weights.vector(), out.like(rows), options);
            });
        }
    });
    return out.result();
}

// A gradient and, if they are asked for, its statistics.
py::object with_statistics(const Output& gradient, const GradientOptions& options) {
    if (!options.statistics) {
        return gradient.result();
    }
    return py::make_tuple(gradient.result(), options.statistics->entropy,
                          options.statistics->root_sum_square);
}

// One row of logits for all samples.
py::object shared_gradient(RealMatrix& logits, py::handle actions_, py::handle weights_,
                           py::handle entropy_coef, py::handle accumulate, py::handle where_,
                           py::handle valid_, py::handle out_, py::handle num_threads,
                           GradientStatistics* statistics) {
    Indices actions(actions_, "actions");
    Weights weights(weights_, actions.shape());
    Where where(where_, logits);
    Valid valid(valid_, actions.shape());
    const Output out(out_, logits.shape(), logits.result_type(), Form::matrix);
    out.keep_apart(logits, actions, weights);

    GradientOptions options = to_gradient_options(entropy_coef, accumulate, where, valid, num_threads, out);
    options.statistics = statistics;
    compute(logits, actions, [&](auto zero) {
        using T = decltype(zero);
        scorefn::score_gradient(logits.row<T>(), actions.vector(), weights.vector(), out.row<T>(), options);
    });
    return with_statistics(out, options);
}

py::object score_gradient(py::handle logits_, py::handle actions, py::handle weights, py::handle entropy_coef,
                          py::handle accumulate, py::handle where, py::handle valid, py::handle offsets,
                          py::handle out, py::handle num_threads) {
    Logits logits(logits_, offsets);
    if (logits.leading().empty()) {
        return shared_gradient(logits, actions, weights, entropy_coef, accumulate, where, valid, out,
                               num_threads, nullptr);
    }
    return row_gradients(logits, actions, weights, entropy_coef, accumulate, where, valid, out, num_threads);
}

py::object score_gradient_statistics(py::handle logits_, py::handle actions, py::handle weights,
                                     py::handle entropy_coef, py::handle where, py::handle valid) {
    RealMatrix logits(logits_, "logits", logits_axes);
    GradientStatistics statistics;
    return shared_gradient(logits, actions, weights, entropy_coef, {}, where, valid, {}, {}, &statistics);
}

py::object of_table(py::handle table_, py::handle states_, py::handle actions_, py::handle weights_,
                    py::handle entropy_coef, py::handle accumulate, py::handle where_, py::handle valid_,
                    py::handle out_, py::handle num_threads, GradientStatistics* statistics) {
    RealMatrix table(table_, "table", table_axes);
    Indices states(states_, "states");
    Actions actions(actions_, states.shape());
    if (actions.have_sample_axis()) {
        states.repeat(actions.samples_per_row());
    }
    Weights weights(weights_, actions.shape());
    Where where(where_, table);
    Valid valid(valid_, actions.shape());
    const Output out(out_, table.shape(), table.result_type(), Form::matrix);
    out.keep_apart(table, states, actions, weights);

    GradientOptions options = to_gradient_options(entropy_coef, accumulate, where, valid, num_threads, out);
    options.statistics = statistics;
    compute(table.dtype(), {actions.shape(), table.leading(), 1, &states}, [&](auto zero) {
        using T = decltype(zero);
        scorefn::tabular_gradient(table.matrix<T>(), states.vector(), actions.vector(), weights.vector(),
                                  out.matrix<T>(), options);
    });
    return with_statistics(out, options);
}

py::object of_features(py::handle features_, py::handle coef_, py::handle actions_, py::handle weights_,
                       py::handle entropy_coef, py::handle accumulate, py::handle where_, py::handle valid_,
                       py::handle out_, py::handle num_threads, GradientStatistics* statistics) {
    RealMatrix features(features_, "features", features_axes);
    RealMatrix coef(coef_, "coef", coef_axes);
    coef.check_dtype_of(features);
    coef.check_shape({features.shape().back(), coef.shape().back()});
    Actions actions(actions_, features.leading());
    Weights weights(weights_, actions.shape());
    Shape logits_shape = features.leading();
    logits_shape.push_back(coef.shape().back());
    Where where(where_, logits_shape, features.axis());
    Valid valid(valid_, actions.shape());
    if (actions.have_sample_axis()) {
        features.repeat(actions.samples_per_row());
        where.repeat(actions.samples_per_row());
    }
    const Output out(out_, coef.shape(), coef.result_type(), Form::matrix);
    out.keep_apart(features, coef, actions, weights);

    GradientOptions options = to_gradient_options(entropy_coef, accumulate, where, valid, num_threads, out);
    options.statistics = statistics;
    compute(features.dtype(), {actions.shape(), features.leading(), features.copies()}, [&](auto zero) {
        using T = decltype(zero);
        scorefn::linear_gradient(features.matrix<T>(), coef.matrix<T>(), actions.vector(), weights.vector(),
                                 out.matrix<T>(), options);
    });
    return with_statistics(out, options);
}

py::object tabular_gradient(py::handle table, py::handle states, py::handle actions, py::handle weights,
                            py::handle entropy_coef, py::handle accumulate, py::handle where,
                            py::handle valid, py::handle out, py::handle num_threads) {
    return of_table(table, states, actions, weights, entropy_coef, accumulate, where, valid, out, num_threads,
                    nullptr);
}

py::object tabular_gradient_statistics(py::handle table, py::handle states, py::handle actions,
                                       py::handle weights, py::handle entropy_coef, py::handle where,
                                       py::handle valid) {
    GradientStatistics statistics;
    return of_table(table, states, actions, weights, entropy_coef, {}, where, valid, {}, {}, &statistics);
}

py::object linear_gradient(py::handle features, py::handle coef, py::handle actions, py::handle weights,
                           py::handle entropy_coef, py::handle accumulate, py::handle where, py::handle valid,
                           py::handle out, py::handle num_threads) {
    return of_features(features, coef, actions, weights, entropy_coef, accumulate, where, valid, out,
                       num_threads, nullptr);
}

py::object linear_gradient_statistics(py::handle features, py::handle coef, py::handle actions,
                                      py::handle weights, py::handle entropy_coef, py::handle where,
                                      py::handle valid) {
    GradientStatistics statistics;
    return of_features(features, coef, actions, weights, entropy_coef, {}, where, valid, {}, {}, &statistics);
}

}  // namespace

void bind_gradient(py::module_& module) {
    def<&score>(module, docs::score);
    def<&score_gradient>(module, docs::score_gradient);
    def<&tabular_gradient>(module, docs::tabular_gradient);
    def<&linear_gradient>(module, docs::linear_gradient);
    def<&score_gradient_statistics>(module, docs::score_gradient_statistics);
    def<&tabular_gradient_statistics>(module, docs::tabular_gradient_statistics);
    def<&linear_gradient_statistics>(module, docs::linear_gradient_statistics);
}

}  // namespace scorefn::python
