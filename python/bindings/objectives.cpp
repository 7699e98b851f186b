#include <scorefn/ragged.hpp>

#include <pybind11/gil_safe_call_once.h>

#include "docs/objectives.hpp"
#include "function.hpp"
#include "gradient_options.hpp"
#include "module.hpp"

namespace scorefn::python {

namespace {

// typing.NamedTuples, from Python: classes of their own would not be tuples.
template <const char* const& name>
py::handle step_class() {
    PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> cache;
    return cache
        .call_once_and_store_result([] {
        return py::module_::import("scorefn.objectives").attr(name);
    }).get_stored();
}
constexpr const char* weighted_log_prob_step = "WeightedLogProbStep";
constexpr const char* clipped_surrogate_step = "ClippedSurrogateStep";

// The arrays that every objective reads and writes, and its options.
class Pass {
public:
    Logits logits;
    Actions actions;

    Pass(py::handle logits_, py::handle actions_, py::handle where, py::handle valid, py::handle offsets,
         py::handle out)
        : logits(logits_, offsets),
          actions(actions_, logits),
          where_(where, logits),
          valid_(valid, actions.shape()),
          gradient_(out, logits.shape(), logits.result_type(), Form::matrix),
          log_prob_(per_sample()),
          entropy_({}, logits.leading(), logits.result_type(), Form::vector) {
        gradient_.keep_apart(actions);
    }

    // A fresh array of one value per sample.
    Output per_sample() const { return {{}, actions.shape(), logits.result_type(), Form::vector}; }

    // `inputs`: what the objective reads beside the logits and the actions.
    template <class... Inputs>
    GradientOptions options(py::handle entropy_coef, py::handle accumulate, py::handle num_threads,
                            Inputs&... inputs) {
        const GradientOptions options =
            to_gradient_options(entropy_coef, accumulate, where_, valid_, num_threads, gradient_);
        gradient_.keep_apart(inputs...);
        if (options.accumulate || actions.have_sample_axis()) {
            gradient_.keep_apart(logits);
        } else {
            gradient_.keep_apart_unless_same(logits);
        }
        return options;
    }

    template <class T>
    ObjectiveRows<T> rows() const {
        return {gradient_.matrix<T>(), log_prob_.vector<T>(), entropy_.vector<T>()};
    }

    // Of ragged rows.
    template <class T>
    void run(const Objective& objective, ObjectiveResults<T>& results, const GradientOptions& options) {
        results.log_prob = log_prob_.vector<T>();
        results.entropy = entropy_.vector<T>();
        scorefn::score_gradient(logits.ragged<T>(), actions.vector(), objective, gradient_.row<T>(), results,
                                options);
    }

    // NaN if there are none.
    double num_valid() const {
        const Vector<const bool> valid = valid_.vector();
        py::ssize_t count = 1;
        for (const py::ssize_t n : actions.shape()) {
            count *= n;
        }
        for (std::int64_t i = 0; i < valid.size; ++i) {
            count -= valid[i] ? 0 : 1;
        }
        return count > 0 ? static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
    }

    py::object gradient() const { return gradient_.result(); }
    py::object log_prob() const { return log_prob_.result(); }
    py::object entropy() const { return entropy_.result(); }

private:
    Where where_;
    Valid valid_;
    Output gradient_, log_prob_, entropy_;
};

py::object policy_gradient(py::handle logits, py::handle actions, py::handle weights_,
                           py::handle entropy_coef, py::handle accumulate, py::handle where, py::handle valid,
                           py::handle offsets, py::handle out, py::handle num_threads) {
    Pass pass(logits, actions, where, valid, offsets, out);
    Weights weights(weights_, pass.actions.shape());
    const GradientOptions options = pass.options(entropy_coef, accumulate, num_threads, weights);
    double objective = 0;
    compute(pass.logits, pass.actions, [&](auto zero) {
        using T = decltype(zero);
        if (pass.logits.are_ragged()) {
            ObjectiveResults<T> results;
            pass.run(WeightedLogProb{weights.vector()}, results, options);
            objective = results.sums[0];
            return;
        }
        const auto gradient = [&](auto... samples_per_row) {
            return scorefn::policy_gradient(pass.logits.matrix<T>(), samples_per_row...,
                                            pass.actions.vector(), weights.vector(), pass.rows<T>(), options);
        };
        objective = pass.actions.have_sample_axis() ? gradient(pass.actions.samples_per_row()) : gradient();
    });
    return named_tuple(
        step_class<weighted_log_prob_step>(),
        {py::float_(objective), pass.gradient(), pass.log_prob(), pass.entropy(), py::none(), py::none()});
}

py::object clipped_surrogate(py::handle logits, py::handle actions, py::handle old_log_prob_,
                             py::handle advantages_, py::handle clip_range, py::handle entropy_coef,
                             py::handle accumulate, py::handle where, py::handle valid, py::handle offsets,
                             py::handle out, py::handle num_threads) {
    Pass pass(logits, actions, where, valid, offsets, out);
    Weights old_log_prob(old_log_prob_, pass.actions.shape(), "old_log_prob");
    Weights advantages(advantages_, pass.actions.shape(), "advantages");
    const ObjectiveOption& declared = terms::clip_range;
    const LowHigh range = clip_range ? to_low_high(clip_range, declared.name) : declared.standard;
    if (!declared.domain.has(range.low) || !declared.domain.has(range.high)) {
        throw py::value_error(declared.name + (" must be " + declared.domain.text()) + ", got " +
                              text_of(clip_range));
    }
    const Output ratio = pass.per_sample();
    const GradientOptions options =
        pass.options(entropy_coef, accumulate, num_threads, old_log_prob, advantages);
    ClippedSurrogateSums sums{};
    compute(pass.logits, pass.actions, [&](auto zero) {
        using T = decltype(zero);
        if (pass.logits.are_ragged()) {
            ObjectiveResults<T> results;
            results.writes[0] = ratio.vector<T>();
            pass.run(ClippedSurrogate{old_log_prob.vector(), advantages.vector(), range}, results, options);
            const double n = pass.num_valid();
            sums = {results.sums[0], results.sums[1] / n, results.sums[2] / n};
            return;
        }
        const auto surrogate = [&](auto... samples_per_row) {
            return scorefn::clipped_surrogate(
                pass.logits.matrix<T>(), samples_per_row..., pass.actions.vector(), old_log_prob.vector(),
                advantages.vector(), range, pass.rows<T>(), ratio.vector<T>(), options);
        };
        sums = pass.actions.have_sample_axis() ? surrogate(pass.actions.samples_per_row()) : surrogate();
    });
    return named_tuple(
        step_class<clipped_surrogate_step>(),
        {py::float_(sums.objective), pass.gradient(), pass.log_prob(), pass.entropy(), ratio.result(),
         py::float_(sums.approx_kl), py::float_(sums.clip_fraction), py::none(), py::none()});
}

}  // namespace

void bind_objectives(py::module_& module) {
    def<&policy_gradient>(module, docs::policy_gradient);
    def<&clipped_surrogate>(module, docs::clipped_surrogate);
}

}  // namespace scorefn::python
