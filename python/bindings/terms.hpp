// Objectives over all actions, as Python describes them to the core.
#pragma once

#include <scorefn/objectives.hpp>

#include <optional>
#include <string>

#include "inputs.hpp"
#include "scalars.hpp"

namespace scorefn::python {

// One number for all samples, or an array of one for each.
class PerSample {
public:
    PerSample(py::handle x, const char* name, const Shape& samples) {
        if (x && py::isinstance<py::array>(x) && py::cast<py::array>(x).ndim() > 0) {
            each_.emplace(x, samples, name);
        } else {
            number_ = to_finite(x, name);
        }
    }
    PerRow view() const { return each_ ? PerRow(each_->vector()) : PerRow(number_); }

private:
    double number_ = 0;
    std::optional<Weights> each_;
};

// Real numbers are rounded to the dtype of the logits, as a sample's own are.
inline py::array of_dtype(py::handle x, const char* name, DType dtype) {
    py::array array = as_array(x, name);
    const char kind = array.dtype().kind();
    const bool is_real = kind == 'f' || kind == 'i' || kind == 'u';
    if (!is_real || has_dtype(array, dtype)) {
        return array;  // to be refused, or as it is
    }
    return array.attr("astype")(dtype == DType::float64 ? "float64" : "float32");
}

// An option as Python's declarations have it.
inline py::tuple describe_option(const ObjectiveOption& option) {
    const Domain& domain = option.domain;
    py::list choices;
    for (int i = 0; i < option.num_choices(); ++i) {
        choices.append(option.choices[i]);
    }
    return py::make_tuple(option.name, option.doc, py::make_tuple(option.standard.low, option.standard.high),
                          domain.least, domain.most, domain.is_open, domain.text(), option.is_pair,
                          py::tuple(choices));
}

// An objective over all actions, from None or a tuple: its declared name, the name of its coefficients and these, a number or
// an array; its matrix, whether that is instead the parameters of a policy, and its option.
class Term {
public:
    // `rows` have the shape of the matrix, unless it is given, and `copies` samples each.
    Term(py::handle term, const Shape& samples, const RealMatrix& rows, const Shape& shape,
         py::ssize_t copies = 1, const Shape& parameters_shape = {}) {
        if (!is_given(term)) {
            return;
        }
        const auto parts = py::cast<py::tuple>(term);
        declared_ = &declaration_of(parts[0]);
        coef_.emplace(parts[2], py::cast<std::string>(parts[1]).c_str(), samples);
        const char* const name = declared_->matrix.name;
        matrix_.emplace(of_dtype(parts[3], name, rows.dtype()), name, rows.axes());
        is_of_policy_ = py::cast<bool>(parts[4]);
        option_ = to_low_high(parts[5], "option").low;
        matrix_->check_dtype_of(rows);
        matrix_->check_shape(is_of_policy_ ? parameters_shape : shape);
        if (!is_of_policy_) {
            matrix_->repeat(copies);
        }
    }

    bool is_there() const { return declared_ != nullptr; }
    template <class T>
    AllActionObjective<T> objective() const {
        AllActionObjective<T> objective;
        if (!is_there()) {
            return objective;
        }
        objective.kind = declared_->kind;
        objective.weights = coef_->view();
        objective.threshold = option_;
        (is_of_policy_ ? objective.reference_coef : objective.matrix) = matrix_->matrix<T>();
        return objective;
    }

private:
    static const AllActionDeclaration& declaration_of(py::handle name) {
        const auto wanted = py::cast<std::string>(name);
        for (const AllActionDeclaration& declared : kAllActionDeclarations) {
            if (wanted == declared.name) {
                return declared;
            }
        }
        throw py::value_error("term must begin with the name of a declared one, got '" + wanted + "'");
    }

    const AllActionDeclaration* declared_ = nullptr;
    bool is_of_policy_ = false;
    double option_ = 0;
    std::optional<PerSample> coef_;
    std::optional<RealMatrix> matrix_;
};

}  // namespace scorefn::python
