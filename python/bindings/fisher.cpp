#include <scorefn/gradient.hpp>

#include "call.hpp"
#include "docs/fisher.hpp"
#include "function.hpp"
#include "module.hpp"

namespace scorefn::python {

namespace {

py::object fisher_vector_product(py::handle features_, py::handle coef_, py::handle vector_,
                                 py::handle where_, py::handle valid_) {
    RealMatrix features(features_, "features", features_axes);
    RealMatrix coef(coef_, "coef", coef_axes);
    coef.check_dtype_of(features);
    coef.check_shape({features.shape().back(), coef.shape().back()});
    RealMatrix vector(vector_, "vector", coef_axes);
    vector.check_dtype_of(features);
    vector.check_shape(coef.shape());
    Shape logits_shape = features.leading();
    logits_shape.push_back(coef.shape().back());
    Where where(where_, logits_shape, features.axis());
    Valid valid(valid_, features.leading());
    const Output out({}, coef.shape(), coef.result_type(), Form::matrix);
    const Options options = to_options(where, valid, {}, out);
    compute(features.dtype(), {features.leading(), features.leading()}, [&](auto zero) {
        using T = decltype(zero);
        scorefn::fisher_vector_product(features.matrix<T>(), coef.matrix<T>(), vector.matrix<T>(),
                                       out.matrix<T>(), options);
    });
    return out.result();
}

py::object fisher_product_of_probabilities(py::handle features_, py::handle probabilities_,
                                           py::handle vector_, py::handle valid_) {
    RealMatrix features(features_, "features", features_axes);
    RealMatrix probabilities(probabilities_, "probabilities", logits_axes);
    probabilities.check_dtype_of(features);
    Shape rows_shape = features.leading();
    rows_shape.push_back(probabilities.shape().back());
    probabilities.check_shape(rows_shape);
    RealMatrix vector(vector_, "vector", coef_axes);
    vector.check_dtype_of(features);
    vector.check_shape({features.shape().back(), probabilities.shape().back()});
    Where where({}, rows_shape, features.axis());
    Valid valid(valid_, features.leading());
    const Output out({}, vector.shape(), vector.result_type(), Form::matrix);
    const Options options = to_options(where, valid, {}, out);
    compute(features.dtype(), {features.leading(), features.leading()}, [&](auto zero) {
        using T = decltype(zero);
        scorefn::fisher_product_of_probabilities(features.matrix<T>(), probabilities.matrix<T>(),
                                                 vector.matrix<T>(), out.matrix<T>(), options);
    });
    return out.result();
}

}  // namespace

void bind_fisher(py::module_& module) {
    def<&fisher_vector_product>(module, docs::fisher_vector_product);
    def<&fisher_product_of_probabilities>(module, docs::fisher_product_of_probabilities);
}

}  // namespace scorefn::python
