// The passes of a declared objective, by its name: what the objectives of scorefn.objectives are made of.
#include <scorefn/objectives.hpp>

#include <vector>

#include "docs/objective_passes.hpp"
#include "function.hpp"
#include "gradient_options.hpp"
#include "module.hpp"

namespace scorefn::python {

namespace {

int kind_of(py::handle name) {
    const std::string wanted = py::cast<std::string>(name);
    for (std::size_t kind = 0; kind < std::size(kObjectives); ++kind) {
        if (wanted == kObjectives[kind].name) {
            return static_cast<int>(kind);
        }
    }
    throw py::value_error("objective must be the name of a declared one, got '" + wanted + "'");
}

// The numbers, options and results of an objective for samples of this shape. `numbers` has the arrays in the order of the
// declaration, `options` the values.
class Terms {
public:
    Terms(py::handle name, py::handle numbers, py::handle options, const Shape& samples, ResultType type)
        : names_(kObjectives[kind_of(name)]), samples_(samples), type_(std::move(type)) {
        objective_.kind = static_cast<ObjectiveKind>(&names_ - kObjectives);
        const auto arrays = py::cast<py::tuple>(numbers);
        const auto values = py::cast<py::tuple>(options);
        for (std::size_t i = 0; i < kMostTerms && names_.reals[i]; ++i) {
            numbers_.emplace_back(arrays[i], samples, names_.reals[i]);
        }
        for (std::size_t i = 0; i < kMostTerms && names_.options[i]; ++i) {
            objective_.options[i] = to_finite(values[i], names_.options[i]);
        }
        for (std::size_t i = 0; i < kMostTerms && names_.rows[i]; ++i) {
            rows_.push_back(per_sample());
        }
    }

    Output per_sample() const { return {{}, samples_, type_, Form::vector}; }

    // After the inputs are where they stay.
    const Objective& objective() {
        for (std::size_t i = 0; i < numbers_.size(); ++i) {
            objective_.reals[i] = numbers_[i].vector();
        }
        return objective_;
    }
    template <class T>
    ObjectiveResults<T> results() const {
        ObjectiveResults<T> results;
        for (std::size_t i = 0; i < rows_.size(); ++i) {
            results.rows[i] = rows_[i].vector<T>();
        }
        return results;
    }
    template <class T>
    void keep_sums(const ObjectiveResults<T>& results) {
        std::copy_n(results.sums, kMostTerms, sums_);
    }

    py::tuple rows() const {
        py::tuple result(rows_.size());
        for (std::size_t i = 0; i < rows_.size(); ++i) {
            result[i] = rows_[i].result();
        }
        return result;
    }
    py::tuple sums() const {
        std::size_t count = 0;
        while (count < kMostTerms && names_.sums[count]) {
            ++count;
        }
        py::tuple result(count);
        for (std::size_t i = 0; i < count; ++i) {
            result[i] = sums_[i];
        }
        return result;
    }

private:
    const ObjectiveDeclaration& names_;
    Shape samples_;
    ResultType type_;
    Objective objective_{};
    std::vector<Weights> numbers_;
    std::vector<Output> rows_;
    double sums_[kMostTerms] = {};
};

py::object declarations() {
    py::dict all;
    for (const ObjectiveDeclaration& o : kObjectives) {
        const auto names = [](const char* const(&of)[kMostTerms]) {
            py::list result;
            for (const char* name : of) {
                if (name) {
                    result.append(name);
                }
            }
            return py::tuple(result);
        };
        all[o.name] = py::make_tuple(names(o.reals), names(o.options), names(o.rows), names(o.sums));
    }
    return all;
}

py::object derivatives(py::handle objective, py::handle log_prob_, py::handle numbers, py::handle options) {
    // One row of log-probabilities: their shape is that of the samples.
    RealMatrix log_prob(log_prob_, "log_prob", {"(num_samples,)", false, false});
    Terms terms(objective, numbers, options, log_prob.shape(), log_prob.result_type());
    const Output out = terms.per_sample();
    const Objective& of = terms.objective();
    compute(log_prob.dtype(), {log_prob.shape(), log_prob.leading()}, [&](auto zero) {
        using T = decltype(zero);
        ObjectiveResults<T> results = terms.results<T>();
        scorefn::derivatives(of, log_prob.row<T>(), out.vector<T>(), results);
        terms.keep_sums(results);
    });
    return py::make_tuple(out.result(), terms.rows(), terms.sums());
}

py::object rows_pass(py::handle objective, py::handle logits_, py::handle actions_, py::handle numbers,
                     py::handle options_, py::handle entropy_coef, py::handle where_) {
    RealMatrix logits(logits_, "logits", logits_axes);
    Indices actions(actions_, "actions", logits.leading());
    Where where(where_, logits);
    Terms terms(objective, numbers, options_, actions.shape(), logits.result_type());
    const Output out({}, logits.shape(), logits.result_type(), Form::matrix), log_prob = terms.per_sample(),
                                                                              entropy = terms.per_sample();
    const GradientOptions options = to_gradient_options(entropy_coef, {}, where, {}, out);
    const Objective& of = terms.objective();
    compute(logits, actions, [&](auto zero) {
        using T = decltype(zero);
        ObjectiveResults<T> results = terms.results<T>();
        results.log_prob = log_prob.vector<T>();
        results.entropy = entropy.vector<T>();
        scorefn::score_gradient(logits.matrix<T>(), actions.vector(), of, out.matrix<T>(), results, options);
        terms.keep_sums(results);
    });
    return py::make_tuple(out.result(), log_prob.result(), entropy.result(), terms.rows(), terms.sums());
}

py::object table_pass(py::handle objective, py::handle table_, py::handle states_, py::handle actions_,
                      py::handle numbers, py::handle options_, py::handle entropy_coef, py::handle where_) {
    RealMatrix table(table_, "table", table_axes);
    Indices states(states_, "states");
    Actions actions(actions_, states.shape());
    if (actions.have_sample_axis()) {
        states.repeat(actions.samples_per_row());
    }
    Where where(where_, table);
    Terms terms(objective, numbers, options_, actions.shape(), table.result_type());
    const Output out({}, table.shape(), table.result_type(), Form::matrix), log_prob = terms.per_sample(),
                                                                            entropy = terms.per_sample();
    const GradientOptions options = to_gradient_options(entropy_coef, {}, where, {}, out);
    const Objective& of = terms.objective();
    compute(table.dtype(), {actions.shape(), table.leading(), 1, &states}, [&](auto zero) {
        using T = decltype(zero);
        ObjectiveResults<T> results = terms.results<T>();
        results.log_prob = log_prob.vector<T>();
        results.entropy = entropy.vector<T>();
        scorefn::tabular_gradient(table.matrix<T>(), states.vector(), actions.vector(), of, out.matrix<T>(),
                                  results, options);
        terms.keep_sums(results);
    });
    return py::make_tuple(out.result(), log_prob.result(), entropy.result(), terms.rows(), terms.sums());
}

py::object linear_pass(py::handle objective, py::handle features_, py::handle coef_, py::handle actions_,
                       py::handle numbers, py::handle options_, py::handle entropy_coef, py::handle where_) {
    RealMatrix features(features_, "features", features_axes);
    RealMatrix coef(coef_, "coef", coef_axes);
    coef.check_dtype_of(features);
    coef.check_shape({features.shape().back(), coef.shape().back()});
    Indices actions(actions_, "actions", features.leading());
    Shape logits_shape = features.leading();
    logits_shape.push_back(coef.shape().back());
    Where where(where_, logits_shape, features.axis());
    Terms terms(objective, numbers, options_, actions.shape(), features.result_type());
    const Output out({}, coef.shape(), coef.result_type(), Form::matrix), log_prob = terms.per_sample(),
                                                                          entropy = terms.per_sample();
    const GradientOptions options = to_gradient_options(entropy_coef, {}, where, {}, out);
    const Objective& of = terms.objective();
    compute(features.dtype(), {actions.shape(), features.leading()}, [&](auto zero) {
        using T = decltype(zero);
        ObjectiveResults<T> results = terms.results<T>();
        results.log_prob = log_prob.vector<T>();
        results.entropy = entropy.vector<T>();
        scorefn::linear_gradient(features.matrix<T>(), coef.matrix<T>(), actions.vector(), of,
                                 out.matrix<T>(), results, options);
        terms.keep_sums(results);
    });
    return py::make_tuple(out.result(), log_prob.result(), entropy.result(), terms.rows(), terms.sums());
}

}  // namespace

void bind_objective_passes(py::module_& module) {
    def<&declarations>(module, docs::declarations);
    def<&derivatives>(module, docs::derivatives);
    def<&rows_pass>(module, docs::rows_pass);
    def<&table_pass>(module, docs::table_pass);
    def<&linear_pass>(module, docs::linear_pass);
}

}  // namespace scorefn::python
