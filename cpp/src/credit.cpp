#include <scorefn/credit.hpp>

#include "runtime/float_environment.hpp"
#include "runtime/interrupt.hpp"
#include "scan.hpp"

namespace scorefn {
namespace {

struct Returns {
    enum { rewards, next_values, num_inputs };
    static constexpr bool truncates_last = true;
    const ScanFormula kernel;

    explicit Returns(double discount) : kernel{ScanFormula::discounted_returns, discount, discount} {}
    static bool reads(int input, bool terminated, bool truncated) {
        return input == rewards || (truncated && !terminated);
    }
};

struct GeneralizedAdvantages {
    enum { rewards, values, next_values, num_inputs };
    static constexpr bool truncates_last = false;
    const ScanFormula kernel;

    GeneralizedAdvantages(double discount, double lambda)
        : kernel{ScanFormula::generalized_advantages, discount, discount * lambda} {}
    static bool reads(int input, bool terminated, bool) { return input != next_values || !terminated; }
};

void require_fraction(const char* name, double x) {
    if (!(x >= 0 && x <= 1))
        throw std::invalid_argument(std::string(name) + " must be from 0 to 1, got " + std::to_string(x));
}

template <class T>
void require_shapes(const EpisodeSteps<T>& steps, const Matrix<T>& out) {
    const auto& of = steps.rewards;
    require_view("rewards", of);
    require_shape("out", out, of.rows, of.cols);
    const auto require_flags = [&](const char* name, const Matrix<const bool>& x) {
        if (is_given(x)) require_shape(name, x, of.rows, of.cols);
    };
    require_flags("terminated", steps.terminated);
    require_flags("truncated", steps.truncated);
    require_flags("valid", steps.valid);
}

template <class T>
void discounted_returns(const EpisodeSteps<T>& steps, const Matrix<const T>& next_values, double discount,
                        const Matrix<T>& out, const ScanOptions& options) {
    const StandardFloatEnvironment environment;
    require_shapes(steps, out);
    if (is_given(next_values)) require_shape("next_values", next_values, out.rows, out.cols);
    require_fraction("discount", discount);
    scan<T, Returns>(steps,
                     {{"rewards", steps.rewards, &StepBuffer::rewards, &StepRow<T>::rewards},
                      {"next_values", next_values, &StepBuffer::next_values, &StepRow<T>::next_values}},
                     Returns(discount), out, options);
}

template <class T>
void generalized_advantages(const EpisodeSteps<T>& steps, const Matrix<const T>& values,
                            const Matrix<const T>& next_values, double discount, double lambda,
                            const Matrix<T>& out, const ScanOptions& options) {
    const StandardFloatEnvironment environment;
    require_shapes(steps, out);
    require_shape("values", values, out.rows, out.cols);
    require_shape("next_values", next_values, out.rows, out.cols);
    require_fraction("discount", discount);
    require_fraction("gae_lambda", lambda);
    scan<T, GeneralizedAdvantages>(
        steps,
        {{"rewards", steps.rewards, &StepBuffer::rewards, &StepRow<T>::rewards},
         {"values", values, &StepBuffer::values, &StepRow<T>::values},
         {"next_values", next_values, &StepBuffer::next_values, &StepRow<T>::next_values}},
        GeneralizedAdvantages(discount, lambda), out, options);
}

}  // namespace

#define SCOREFN_DEFINE(T)                                                                                   \
    void discounted_returns(const EpisodeSteps<T>& steps, Matrix<const T> next_values, double discount,     \
                            Matrix<T> out, const ScanOptions& options) {                                    \
        discounted_returns<T>(steps, next_values, discount, out, options);                                  \
    }                                                                                                       \
    void generalized_advantages(const EpisodeSteps<T>& steps, Matrix<const T> values,                       \
                                Matrix<const T> next_values, double discount, double lambda, Matrix<T> out, \
                                const ScanOptions& options) {                                               \
        generalized_advantages<T>(steps, values, next_values, discount, lambda, out, options);              \
    }
SCOREFN_DEFINE(float)
SCOREFN_DEFINE(double)

}  // namespace scorefn
