#include <scorefn/credit.hpp>

#include <algorithm>
#include <array>
#include <optional>
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

py::array with_axis_moved(const py::array& x, py::ssize_t from, py::ssize_t to) {
    Shape shape = shape_of(x), strides = strides_of(x);
    for (Shape* const each : {&shape, &strides}) {
        const py::ssize_t moved = (*each)[static_cast<std::size_t>(from)];
        each->erase(each->begin() + from);
        each->insert(each->begin() + to, moved);
    }
    return py::array(x.dtype(), shape, strides, x.data(), x);
}

// As (T, environments).
py::array in_columns(py::handle x, py::ssize_t axis) {
    py::array array = with_axis_moved(py::reinterpret_borrow<py::array>(x), axis, 0);
    const py::ssize_t steps = array.shape(0);
    py::ssize_t environments = 1;
    for (py::ssize_t other = 1; other < array.ndim(); ++other) {
        environments *= array.shape(other);
    }
    return array.reshape({steps, environments});
}

// scorefn.credit has checked the arrays: they have one shape and, flags apart, one dtype, and that axis is time.
class Steps {
public:
    const RealMatrix rewards;

    Steps(py::handle rewards_, py::handle terminated, py::handle truncated, py::handle valid, py::handle axis)
        : rewards(in_columns(rewards_, to_int(axis, "axis")), "rewards", step_axes),
          array_(py::reinterpret_borrow<py::array>(rewards_)),
          shape_(shape_of(array_)),
          axis_(to_int(axis, "axis")),
          terminated_(flags(terminated)),
          truncated_(flags(truncated)),
          valid_(flags(valid)) {}

    RealMatrix numbers(py::handle x, const char* name) const {
        return {in_columns(x, axis_), name, step_axes};
    }
    std::optional<RealMatrix> numbers_if_any(py::handle x, const char* name) const {
        return x.is_none() ? std::nullopt : std::optional(numbers(x, name));
    }

    // f(the steps, a matrix for each result)
    template <std::size_t num_results = 1, class Function>
    std::array<py::object, num_results> scan(const Function& f) const {
        std::array<py::object, num_results> results;
        std::vector<Output> outputs;
        for (py::object& result : results) {
            result = fresh();
            outputs.emplace_back(in_columns(result, axis_), rewards.shape(), rewards.dtype(), Form::matrix);
        }
        compute(rewards.dtype(), {shape_, shape_}, [&](auto zero) {
            using T = decltype(zero);
            const EpisodeSteps<T> steps{rewards.matrix<T>(), terminated_.matrix(), truncated_.matrix(),
                                        valid_.matrix()};
            try {
                if constexpr (num_results == 1) {
                    f(steps, outputs[0].matrix<T>());
                } else {
                    f(steps, outputs[0].matrix<T>(), outputs[1].matrix<T>());
                }
            } catch (BadValue& error) {
                error.fault.row = in_order_of_caller(error.fault.row);
                throw;
            }
        });
        return results;
    }

private:
    Where flags(py::handle x) const {
        return x.is_none() ? Where(x, rewards) : Where(in_columns(x, axis_), rewards);
    }

    // Of the caller's shape. Time is the last axis in memory, if it is the caller's last, or else the first.
    py::array fresh() const {
        Shape shape = shape_;
        if (axis_ == array_.ndim() - 1) {
            return py::array(array_.dtype(), shape);
        }
        std::rotate(shape.begin(), shape.begin() + axis_, shape.begin() + axis_ + 1);
        return with_axis_moved(py::array(array_.dtype(), shape), 0, axis_);
    }

    // The number of an element, counted with time as the first axis.
    std::int64_t in_order_of_caller(std::int64_t i) const {
        const py::ssize_t steps = rewards.shape()[0], environments = rewards.shape()[1];
        py::ssize_t inner = 1;
        for (py::ssize_t other = axis_ + 1; other < array_.ndim(); ++other) {
            inner *= array_.shape(other);
        }
        const std::int64_t step = i / environments, environment = i % environments;
        return (environment / inner * steps + step) * inner + environment % inner;
    }

    py::array array_;
    Shape shape_;
    py::ssize_t axis_;
    Where terminated_, truncated_, valid_;
};

constexpr ScanOptions into_fresh_memory{0, true};

template <class T>
Matrix<const T> matrix_if_any(const std::optional<RealMatrix>& x) {
    return x ? x->matrix<T>() : Matrix<const T>();
}
template <class T>
using NumberOf = std::remove_pointer_t<decltype(T::data)>;

py::object discounted_returns(py::handle rewards, py::handle next_values_, py::handle terminated,
                              py::handle truncated, py::handle valid, py::handle axis, py::handle discount_) {
    const Steps steps(rewards, terminated, truncated, valid, axis);
    const auto next_values = steps.numbers_if_any(next_values_, "next_values");
    const double discount = to_finite(discount_, "discount");
    return steps.scan([&](const auto& of, auto out) {
        using T = NumberOf<decltype(out)>;
        scorefn::discounted_returns(of, matrix_if_any<T>(next_values), discount, out, into_fresh_memory);
    })[0];
}

py::object lambda_returns(py::handle rewards, py::handle next_values_, py::handle terminated,
                          py::handle truncated, py::handle valid, py::handle axis, py::handle discount_,
                          py::handle lambda_) {
    const Steps steps(rewards, terminated, truncated, valid, axis);
    const RealMatrix next_values = steps.numbers(next_values_, "next_values");
    const double discount = to_finite(discount_, "discount"), lambda = to_finite(lambda_, "lambda_");
    return steps.scan([&](const auto& of, auto out) {
        using T = NumberOf<decltype(out)>;
        scorefn::lambda_returns(of, next_values.matrix<T>(), discount, lambda, out, into_fresh_memory);
    })[0];
}

py::object n_step_returns(py::handle rewards, py::handle next_values_, py::handle terminated,
                          py::handle truncated, py::handle valid, py::handle axis, py::handle discount_,
                          py::handle n_) {
    const Steps steps(rewards, terminated, truncated, valid, axis);
    const RealMatrix next_values = steps.numbers(next_values_, "next_values");
    const double discount = to_finite(discount_, "discount");
    const std::int64_t n = to_int(n_, "n");
    return steps.scan([&](const auto& of, auto out) {
        using T = NumberOf<decltype(out)>;
        scorefn::n_step_returns(of, next_values.matrix<T>(), discount, n, out, into_fresh_memory);
    })[0];
}

py::object gae(py::handle rewards, py::handle values_, py::handle next_values_, py::handle terminated,
               py::handle truncated, py::handle valid, py::handle axis, py::handle discount_,
               py::handle gae_lambda_) {
    const Steps steps(rewards, terminated, truncated, valid, axis);
    const RealMatrix values = steps.numbers(values_, "values");
    const RealMatrix next_values = steps.numbers(next_values_, "next_values");
    const double discount = to_finite(discount_, "discount");
    const double gae_lambda = to_finite(gae_lambda_, "gae_lambda");
    return steps.scan([&](const auto& of, auto out) {
        using T = NumberOf<decltype(out)>;
        scorefn::generalized_advantages(of, values.matrix<T>(), next_values.matrix<T>(), discount, gae_lambda,
                                        out, into_fresh_memory);
    })[0];
}

py::object vtrace(py::handle rewards, py::handle values_, py::handle next_values_, py::handle log_ratio_,
                  py::handle terminated, py::handle truncated, py::handle valid, py::handle axis,
                  py::handle discount_, py::handle lambda_, py::handle clip_rho, py::handle clip_c,
                  py::handle clip_pg_rho, py::handle alpha, py::handle lambda_in_advantages) {
    const Steps steps(rewards, terminated, truncated, valid, axis);
    const RealMatrix values = steps.numbers(values_, "values");
    const RealMatrix next_values = steps.numbers(next_values_, "next_values");
    const RealMatrix log_ratio = steps.numbers(log_ratio_, "log_ratio");
    const double discount = to_finite(discount_, "discount");
    const VTraceOptions by{
        to_finite(lambda_, "lambda_"), to_number(clip_rho, "clip_rho"),
        to_number(clip_c, "clip_c"),   to_number(clip_pg_rho, "clip_pg_rho"),
        to_finite(alpha, "alpha"),     to_bool(lambda_in_advantages, "lambda_in_advantages")};
    const auto results = steps.scan<2>([&](const auto& of, auto targets, auto advantages) {
        using T = NumberOf<decltype(targets)>;
        scorefn::vtrace(of, values.matrix<T>(), next_values.matrix<T>(), log_ratio.matrix<T>(), discount, by,
                        targets, advantages, into_fresh_memory);
    });
    return py::make_tuple(results[0], results[1]);
}

py::object retrace(py::handle rewards, py::handle action_values_, py::handle next_values_,
                   py::handle log_ratio_, py::handle terminated, py::handle truncated, py::handle valid,
                   py::handle axis, py::handle discount_, py::handle lambda_, py::handle clip_,
                   py::handle log_ratio_name) {
    const Steps steps(rewards, terminated, truncated, valid, axis);
    const std::string name = py::str(log_ratio_name);
    const RealMatrix action_values = steps.numbers(action_values_, "action_values");
    const RealMatrix next_values = steps.numbers(next_values_, "next_values");
    const auto log_ratio = steps.numbers_if_any(log_ratio_, "log_ratio");
    const double discount = to_finite(discount_, "discount"), lambda = to_finite(lambda_, "lambda_"),
                 clip = to_number(clip_, "clip");
    return steps.scan([&](const auto& of, auto out) {
        using T = NumberOf<decltype(out)>;
        try {
            scorefn::retrace(of, action_values.matrix<T>(), next_values.matrix<T>(),
                             matrix_if_any<T>(log_ratio), discount, lambda, clip, out, into_fresh_memory);
        } catch (BadValue& error) {
            if (error.fault.subject == "log_ratio") {
                error.fault.subject = name;
            }
            throw;
        }
    })[0];
}

py::object upgo(py::handle rewards, py::handle values_, py::handle next_values_, py::handle terminated,
                py::handle truncated, py::handle valid, py::handle axis, py::handle discount_) {
    const Steps steps(rewards, terminated, truncated, valid, axis);
    const RealMatrix values = steps.numbers(values_, "values");
    const RealMatrix next_values = steps.numbers(next_values_, "next_values");
    const double discount = to_finite(discount_, "discount");
    return steps.scan([&](const auto& of, auto out) {
        using T = NumberOf<decltype(out)>;
        scorefn::upgo(of, values.matrix<T>(), next_values.matrix<T>(), discount, out, into_fresh_memory);
    })[0];
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
    def<&lambda_returns>(module, docs::lambda_returns);
    def<&n_step_returns>(module, docs::n_step_returns);
    def<&gae>(module, docs::gae);
    def<&vtrace>(module, docs::vtrace);
    def<&retrace>(module, docs::retrace);
    def<&upgo>(module, docs::upgo);
    def<&moments>(module, docs::moments);
    def<&standardize>(module, docs::standardize);
}

}  // namespace scorefn::python
