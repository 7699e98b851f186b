// The passes of an objective over all actions: no action is drawn.
#include <scorefn/ragged.hpp>

#include <optional>

#include "call.hpp"
#include "docs/all_actions.hpp"
#include "function.hpp"
#include "module.hpp"
#include "terms.hpp"

namespace scorefn::python {

namespace {

// An objective over all actions, and what its pass gives.
class AllActionCall {
public:
    // Without statistics there is the gradient and the objective alone. `parameters` have the shape of the gradient.
    AllActionCall(const Term& term, py::handle entropy_coef, py::handle statistics, const Shape& samples,
                  const RealMatrix& parameters)
        : term_(term),
          entropy_coef_(entropy_coef, "entropy_coef", samples),
          gradient_({}, parameters.shape(), parameters.result_type(), Form::matrix) {
        if (!statistics || to_bool(statistics, "statistics")) {
            entropy_.emplace(Output({}, samples, parameters.result_type(), Form::vector));
            values_.emplace(Output({}, samples, parameters.result_type(), Form::vector));
        }
    }

    // pass(objective, gradient, results, options)
    template <class Pass>
    void run(DType dtype, const Places& places, Where& where, Valid& valid, Pass pass) {
        const Options options = to_options(where, valid, {}, gradient_);
        compute(dtype, places, [&](auto zero) {
            using T = decltype(zero);
            PassOptions with_entropies;
            static_cast<Options&>(with_entropies) = options;
            with_entropies.entropy_coef = entropy_coef_.view();
            ObjectiveResults<T> results;
            if (values_) {
                results.entropy = entropy_->vector<T>();
                results.term = values_->vector<T>();
            }
            pass(term_.objective<T>(), gradient_.matrix<T>(), results, with_entropies);
            objective_ = results.sums[0];
        });
    }

    const Output& gradient() const { return gradient_; }
    // As the passes of objectives with actions give it.
    py::object result() const {
        const py::object none = py::none();
        return py::make_tuple(gradient_.result(), none, entropy_ ? entropy_->result() : none,
                              values_ ? values_->result() : none, py::tuple(0), py::make_tuple(objective_));
    }

private:
    const Term& term_;
    PerSample entropy_coef_;
    Output gradient_;
    std::optional<Output> entropy_, values_;
    double objective_ = 0;
};

py::object rows_pass_of_all_actions(py::handle term_, py::handle logits_, py::handle offsets,
                                    py::handle entropy_coef, py::handle statistics, py::handle where_,
                                    py::handle valid_) {
    Logits logits(logits_, offsets);
    Where where(where_, logits);
    Valid valid(valid_, logits.leading());
    const Term term(term_, logits.leading(), logits, logits.shape());
    AllActionCall call(term, entropy_coef, statistics, logits.leading(), logits);
    call.run(logits.dtype(), {logits.leading(), logits.leading()}, where, valid,
             [&](const auto& objective, const auto& gradient, auto& results, const PassOptions& options) {
        using T = std::decay_t<decltype(*gradient.data)>;
        logits.visit<T>([&](const auto& rows) {
            scorefn::score_gradient(rows, objective, call.gradient().like(rows), results, options);
        });
    });
    return call.result();
}

py::object table_pass_of_all_actions(py::handle term_, py::handle table_, py::handle states_,
                                     py::handle entropy_coef, py::handle statistics, py::handle where_,
                                     py::handle valid_) {
    RealMatrix table(table_, "table", table_axes);
    Indices states(states_, "states");
    Where where(where_, table);
    Valid valid(valid_, states.shape());
    const Term term(term_, states.shape(), table, table.shape());
    AllActionCall call(term, entropy_coef, statistics, states.shape(), table);
    call.run(table.dtype(), {states.shape(), table.leading(), 1, &states}, where, valid,
             [&](const auto& objective, const auto& gradient, auto& results, const PassOptions& options) {
        using T = std::decay_t<decltype(*gradient.data)>;
        scorefn::tabular_gradient(table.matrix<T>(), states.vector(), objective, gradient, results, options);
    });
    return call.result();
}

py::object linear_pass_of_all_actions(py::handle term_, py::handle features_, py::handle coef_,
                                      py::handle entropy_coef, py::handle statistics, py::handle where_,
                                      py::handle valid_) {
    RealMatrix features(features_, "features", features_axes);
    RealMatrix coef(coef_, "coef", coef_axes);
    coef.check_dtype_of(features);
    coef.check_shape({features.shape().back(), coef.shape().back()});
    Shape logits_shape = features.leading();
    logits_shape.push_back(coef.shape().back());
    Where where(where_, logits_shape, features.axis());
    Valid valid(valid_, features.leading());
    const Term term(term_, features.leading(), features, logits_shape, 1, coef.shape());
    AllActionCall call(term, entropy_coef, statistics, features.leading(), coef);
    call.run(features.dtype(), {features.leading(), features.leading()}, where, valid,
             [&](const auto& objective, const auto& gradient, auto& results, const PassOptions& options) {
        using T = std::decay_t<decltype(*gradient.data)>;
        scorefn::linear_gradient(features.matrix<T>(), coef.matrix<T>(), objective, gradient, results,
                                 options);
    });
    return call.result();
}

py::object all_action_declarations() {
    py::list all;
    for (const AllActionDeclaration& o : kAllActionDeclarations) {
        const py::object option = o.option.name ? py::object(describe_option(o.option)) : py::none();
        all.append(py::make_tuple(o.name, o.summary, o.details, py::make_tuple(o.matrix.name, o.matrix.doc),
                                  option));
    }
    return py::tuple(all);
}

}  // namespace

void bind_all_actions(py::module_& module) {
    def<&all_action_declarations>(module, docs::all_action_declarations);
    def<&rows_pass_of_all_actions>(module, docs::rows_pass_of_all_actions);
    def<&table_pass_of_all_actions>(module, docs::table_pass_of_all_actions);
    def<&linear_pass_of_all_actions>(module, docs::linear_pass_of_all_actions);
}

}  // namespace scorefn::python
