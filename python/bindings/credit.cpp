#include <scorefn/credit.hpp>

#include <string>
#include <vector>

#include "call.hpp"
#include "docs/credit.hpp"
#include "function.hpp"
#include "module.hpp"

namespace scorefn::python {

namespace {

constexpr Axes group_axes{"(groups, samples)", true, false};
constexpr Axes step_axes{"(T, environments)", true, false};

Shape in_columns(const Shape& shape) {
    py::ssize_t environments = 1;
    for (std::size_t axis = 1; axis < shape.size(); ++axis) {
        environments *= shape[axis];
    }
    return {shape[0], environments};
}

// (T, ...) as (T, environments).
py::object in_columns(py::handle x, const Shape& shape) {
    const py::array array = ndarray_view(py::reinterpret_borrow<py::array>(x));
    return py::array(array).reshape(in_columns(shape));
}

// scorefn.credit has checked the arrays: they have one shape and, flags apart, one dtype.
class Steps {
public:
    RealMatrix rewards;

    Steps(py::handle rewards_, py::handle terminated, py::handle truncated, py::handle valid)
        : rewards(in_columns(rewards_, shape_of(py::reinterpret_borrow<py::array>(rewards_))), "rewards",
                  step_axes),
          shape_(shape_of(py::reinterpret_borrow<py::array>(rewards_))),
          terminated_(flags(terminated)),
          truncated_(flags(truncated)),
          valid_(flags(valid)),
          out_({}, rewards.shape(), rewards.result_type(), Form::matrix) {}

    RealMatrix numbers(py::handle x, const char* name) const {
        return {in_columns(x, shape_), name, step_axes};
    }

    // f(the steps, out)
    template <class Function>
    py::object scan(const Function& f) const {
        compute(rewards.dtype(), {shape_, shape_}, [&](auto zero) {
            using T = decltype(zero);
            f(EpisodeSteps<T>{rewards.matrix<T>(), terminated_.matrix(), truncated_.matrix(),
                              valid_.matrix()},
              out_.matrix<T>());
        });
        return py::reinterpret_borrow<py::array>(out_.result()).reshape(shape_);
    }

private:
    Where flags(py::handle x) const {
        return x.is_none() ? Where(x, rewards) : Where(in_columns(x, shape_), rewards);
    }

    Shape shape_;
    Where terminated_, truncated_, valid_;
    Output out_;
};

constexpr ScanOptions into_fresh_memory{0, true};

py::object discounted_returns(py::handle rewards, py::handle next_values_, py::handle terminated,
                              py::handle truncated, py::handle valid, py::handle discount_) {
    const Steps steps(rewards, terminated, truncated, valid);
    std::optional<RealMatrix> next_values;
    if (!next_values_.is_none()) {
        next_values.emplace(steps.numbers(next_values_, "next_values"));
    }
    const double discount = to_finite(discount_, "discount");
    return steps.scan([&](const auto& of, auto out) {
        using T = std::decay_t<decltype(out(0, 0))>;
        scorefn::discounted_returns(of, next_values ? next_values->matrix<T>() : Matrix<const T>(), discount,
                                    out, into_fresh_memory);
    });
}

py::object gae(py::handle rewards, py::handle values_, py::handle next_values_, py::handle terminated,
               py::handle truncated, py::handle valid, py::handle discount_, py::handle gae_lambda_) {
    const Steps steps(rewards, terminated, truncated, valid);
    const RealMatrix values = steps.numbers(values_, "values");
    const RealMatrix next_values = steps.numbers(next_values_, "next_values");
    const double discount = to_finite(discount_, "discount");
    const double gae_lambda = to_finite(gae_lambda_, "gae_lambda");
    return steps.scan([&](const auto& of, auto out) {
        using T = std::decay_t<decltype(out(0, 0))>;
        scorefn::generalized_advantages(of, values.matrix<T>(), next_values.matrix<T>(), discount, gae_lambda,
                                        out, into_fresh_memory);
    });
}

RealMatrix of_doubles(py::handle x, const char* name) {
    RealMatrix numbers(x, name, group_axes);
    if (numbers.dtype() != DType::float64) {
        throw py::type_error(std::string(name) + " must be float64, got " + to_string(numbers.dtype()));
    }
    return numbers;
}

// What scorefn.credit keeps of each group of numbers, a column each.
constexpr py::ssize_t num_moments = 6;

py::object moments(py::handle groups_) {
    const RealMatrix groups(groups_, "groups", group_axes);
    const Output out({}, {groups.shape()[0], num_moments}, DType::float64, Form::matrix);
    compute(groups, [&](auto zero) {
        using T = decltype(zero);
        const Matrix<double> to = out.matrix<double>();
        std::vector<Moments> of(static_cast<std::size_t>(to.rows));
        scorefn::moments(groups.matrix<T>(), of);
        for (std::int64_t i = 0; i < to.rows; ++i) {
            const Moments& m = of[static_cast<std::size_t>(i)];
            const double columns[num_moments] = {m.unit,  m.pivot,   m.mean, m.root_sum_square,
                                                 m.least, m.greatest};
            for (std::int64_t k = 0; k < num_moments; ++k) to(i, k) = columns[k];
        }
    });
    return out.result();
}

py::object standardize(py::handle groups_, py::handle moments_, py::handle factors_, py::handle out_) {
    RealMatrix groups(groups_, "groups", group_axes);
    const RealMatrix moments = of_doubles(moments_, "moments"), factors = of_doubles(factors_, "factors");
    moments.check_shape({groups.shape()[0], num_moments});
    factors.check_shape({groups.shape()[0], 1});
    const Output out(out_, groups.shape(), DType::float64, Form::matrix);
    out.keep_apart_unless_same(groups);
    compute(groups, [&](auto zero) {
        using T = decltype(zero);
        const Matrix<const double> m = moments.matrix<double>(), f = factors.matrix<double>();
        std::vector<Moments> by;
        for (std::int64_t i = 0; i < m.rows; ++i)
            by.push_back({m(i, 0), m(i, 1), m(i, 2), m(i, 3), m(i, 4), m(i, 5)});
        scorefn::standardize(groups.matrix<T>(), by, {f.data, f.rows, f.row_stride}, out.matrix<double>());
    });
    return out.result();
}

}  // namespace

void bind_credit(py::module_& module) {
    def<&discounted_returns>(module, docs::discounted_returns);
    def<&gae>(module, docs::gae);
    def<&moments>(module, docs::moments);
    def<&standardize>(module, docs::standardize);
}

}  // namespace scorefn::python
