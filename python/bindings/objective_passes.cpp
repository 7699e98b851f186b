// The passes of a declared objective, by its name: what the objectives of scorefn.objectives are made of.
#include <scorefn/ragged.hpp>

#include <optional>
#include <vector>

#include "call.hpp"
#include "declared_objective.hpp"
#include "docs/objective_passes.hpp"
#include "function.hpp"
#include "module.hpp"
#include "terms.hpp"

namespace scorefn::python {

namespace {

// An objective with its numbers, in the order of the declaration, and what a pass gives beside the gradient.
class ObjectiveCall {
public:
    // Without statistics there is the gradient and the sums alone.
    ObjectiveCall(py::handle name, py::handle numbers, py::handle options, py::handle entropy_coef,
                  const Term& term, py::handle statistics, const Shape& samples, ResultType type)
        : objective_{place_of_objective(name), {}, {}},
          declared_(DeclaredObjectives::declarations[objective_.place]),
          samples_(samples),
          type_(std::move(type)),
          entropy_coef_(entropy_coef, "entropy_coef", samples),
          term_(term) {
        const bool has_statistics = !statistics || to_bool(statistics, "statistics");
        if (has_statistics) {
            log_prob_.emplace(per_sample());
            entropy_.emplace(per_sample());
            if (term.is_there()) {
                term_values_.emplace(per_sample());
            }
        }
        const auto arrays = py::cast<py::tuple>(numbers);
        const auto values = py::cast<py::tuple>(options);
        for (std::size_t i = 0; i < kMostTerms && declared_.reads[i].name; ++i) {
            reads_.emplace_back(arrays[i], samples, declared_.reads[i].name);
        }
        for (std::size_t i = 0; i < kMostTerms && declared_.options[i].name; ++i) {
            objective_.options[i] = to_low_high(values[i], declared_.options[i].name);
        }
        for (std::size_t i = 0; i < kMostTerms && declared_.writes[i].name && has_statistics; ++i) {
            writes_.push_back(per_sample());
        }
    }

    // gradient(objective, results, options)
    template <class T, class Gradient>
    void run(const Options& options, Gradient gradient) {
        ObjectiveOptions<T> with_terms;
        static_cast<Options&>(with_terms) = options;
        with_terms.entropy_coef = entropy_coef_.view();
        with_terms.term = term_.objective<T>();
        for (std::size_t i = 0; i < reads_.size(); ++i) {
            objective_.reads[i] = reads_[i].vector();
        }
        ObjectiveResults<T> results;
        results.log_prob = view_of<T>(log_prob_);
        results.entropy = view_of<T>(entropy_);
        results.term = view_of<T>(term_values_);
        for (std::size_t i = 0; i < writes_.size(); ++i) {
            results.writes[i] = writes_[i].vector<T>();
        }
        gradient(objective_, results, with_terms);
        std::copy_n(results.sums, kMostTerms, sums_);
    }

    py::object result(const Output& gradient) const {
        py::list writes, sums;
        for (const Output& out : writes_) {
            writes.append(out.result());
        }
        sums.append(sums_[0]);
        for (std::size_t i = 0; i + 1 < kMostTerms && declared_.means[i].name; ++i) {
            sums.append(sums_[i + 1]);
        }
        return py::make_tuple(gradient.result(), array_of(log_prob_), array_of(entropy_),
                              array_of(term_values_), py::tuple(writes), py::tuple(sums));
    }

private:
    Output per_sample() const { return {{}, samples_, type_, Form::vector}; }
    template <class T>
    static Vector<T> view_of(const std::optional<Output>& out) {
        return out ? out->vector<T>() : Vector<T>();
    }
    static py::object array_of(const std::optional<Output>& out) { return out ? out->result() : py::none(); }

    Objective objective_;
    const ObjectiveDeclaration& declared_;
    Shape samples_;
    ResultType type_;
    std::vector<Weights> reads_;
    PerSample entropy_coef_;
    const Term& term_;
    std::optional<Output> log_prob_, entropy_, term_values_;
    std::vector<Output> writes_;
    double sums_[kMostTerms] = {};
};

template <class Named, std::size_t count, class Make>
py::tuple tuple_of(const Named (&all)[count], Make make) {
    py::list result;
    for (const Named& one : all) {
        if (one.name) {
            result.append(make(one));
        }
    }
    return py::tuple(result);
}

py::object declarations() {
    py::list all;
    const auto name_and_doc = [](const auto& one) { return py::make_tuple(one.name, one.doc); };
    for (const ObjectiveDeclaration& o : DeclaredObjectives::declarations) {
        const py::tuple options = tuple_of(o.options, describe_option);
        all.append(py::make_tuple(o.name, o.summary, o.details, tuple_of(o.reads, name_and_doc), options,
                                  tuple_of(o.writes, name_and_doc), tuple_of(o.means, name_and_doc)));
    }
    return py::tuple(all);
}

py::object rows_pass(py::handle objective, py::handle logits_, py::handle actions_, py::handle numbers,
                     py::handle options_, py::handle entropy_coef, py::handle term_, py::handle statistics,
                     py::handle where_, py::handle valid_, py::handle offsets) {
    Logits logits(logits_, offsets);
    Indices actions(actions_, "actions", logits.leading());
    Where where(where_, logits);
    Valid valid(valid_, actions.shape());
    const Term term(term_, actions.shape(), logits, logits.shape());
    ObjectiveCall call(objective, numbers, options_, entropy_coef, term, statistics, actions.shape(),
                       logits.result_type());
    const Output out({}, logits.shape(), logits.result_type(), Form::matrix);
    const Options options = to_options(where, valid, {}, out);
    compute(logits, actions, [&](auto zero) {
        using T = decltype(zero);
        call.run<T>(options, [&](const Objective& of, ObjectiveResults<T>& results,
                                 const ObjectiveOptions<T>& with_terms) {
            logits.visit<T>([&](const auto& rows) {
                scorefn::score_gradient(rows, actions.vector(), of, out.like(rows), results, with_terms);
            });
        });
    });
    return call.result(out);
}

py::object table_pass(py::handle objective, py::handle table_, py::handle states_, py::handle actions_,
                      py::handle numbers, py::handle options_, py::handle entropy_coef, py::handle term_,
                      py::handle statistics, py::handle where_, py::handle valid_) {
    RealMatrix table(table_, "table", table_axes);
    Indices states(states_, "states");
    Actions actions(actions_, states.shape());
    if (actions.have_sample_axis()) {
        states.repeat(actions.samples_per_row());
    }
    Where where(where_, table);
    Valid valid(valid_, actions.shape());
    const Term term(term_, actions.shape(), table, table.shape());
    ObjectiveCall call(objective, numbers, options_, entropy_coef, term, statistics, actions.shape(),
                       table.result_type());
    const Output out({}, table.shape(), table.result_type(), Form::matrix);
    const Options options = to_options(where, valid, {}, out);
    compute(table.dtype(), {actions.shape(), table.leading(), 1, &states}, [&](auto zero) {
        using T = decltype(zero);
        call.run<T>(options, [&](const Objective& of, ObjectiveResults<T>& results,
                                 const ObjectiveOptions<T>& with_terms) {
            scorefn::tabular_gradient(table.matrix<T>(), states.vector(), actions.vector(), of,
                                      out.matrix<T>(), results, with_terms);
        });
    });
    return call.result(out);
}

py::object linear_pass(py::handle objective, py::handle features_, py::handle coef_, py::handle actions_,
                       py::handle numbers, py::handle options_, py::handle entropy_coef, py::handle term_,
                       py::handle statistics, py::handle where_, py::handle valid_) {
    RealMatrix features(features_, "features", features_axes);
    RealMatrix coef(coef_, "coef", coef_axes);
    coef.check_dtype_of(features);
    coef.check_shape({features.shape().back(), coef.shape().back()});
    Actions actions(actions_, features.leading());
    Shape logits_shape = features.leading();
    logits_shape.push_back(coef.shape().back());
    Where where(where_, logits_shape, features.axis());
    Valid valid(valid_, actions.shape());
    if (actions.have_sample_axis()) {
        features.repeat(actions.samples_per_row());
        where.repeat(actions.samples_per_row());
    }
    const Term term(term_, actions.shape(), features, logits_shape, actions.samples_per_row(), coef.shape());
    ObjectiveCall call(objective, numbers, options_, entropy_coef, term, statistics, actions.shape(),
                       features.result_type());
    const Output out({}, coef.shape(), coef.result_type(), Form::matrix);
    const Options options = to_options(where, valid, {}, out);
    compute(features.dtype(), {actions.shape(), features.leading()}, [&](auto zero) {
        using T = decltype(zero);
        call.run<T>(options, [&](const Objective& of, ObjectiveResults<T>& results,
                                 const ObjectiveOptions<T>& with_terms) {
            scorefn::linear_gradient(features.matrix<T>(), coef.matrix<T>(), actions.vector(), of,
                                     out.matrix<T>(), results, with_terms);
        });
    });
    return call.result(out);
}

}  // namespace

void bind_objective_passes(py::module_& module) {
    def<&declarations>(module, docs::declarations);
    def<&rows_pass>(module, docs::rows_pass);
    def<&table_pass>(module, docs::table_pass);
    def<&linear_pass>(module, docs::linear_pass);
}

}  // namespace scorefn::python
