#include <scorefn/credit.hpp>

#include "runtime/float_environment.hpp"
#include "runtime/interrupt.hpp"
#include "scan.hpp"

namespace scorefn {
namespace {

// Formulas that have a kernel for rows.
struct OfRows {
    static constexpr bool has_rows = true;
    static constexpr std::int64_t num_carried = 1;
    const ScanFormula kernel;

    template <class T>
    bool scan_row(const Kernels<T>& kernels, const StepRow<T>& row, std::int64_t width, double* x) const {
        return kernels.scan_row(row, width, kernel, x);
    }
    bool scan(const KernelTable& table, StepBuffer& buffer, std::int64_t times, std::int64_t width,
              double* x) const {
        const bool is_good = table.set_terms(buffer, times * width, kernel);
        table.scan_steps(buffer, times, width, x);
        return is_good;
    }
};

struct Returns : OfRows {
    enum { rewards, next_values, num_inputs };
    static constexpr bool truncates_last = true;

    Returns(double discount, double lambda)
        : OfRows{{ScanFormula::returns, discount, discount * lambda, 1 - lambda}} {}
    bool reads(int input, bool terminated, bool truncated) const {
        return input == rewards || (!terminated && (truncated || kernel.share != 0));
    }
};

struct NStepReturns {
    enum { rewards, next_values, num_inputs };
    static constexpr bool truncates_last = true, has_rows = false;
    const ScanFormula one_step;
    const std::int64_t num_carried;

    NStepReturns(double discount, std::int64_t n)
        : one_step{ScanFormula::returns, discount, discount, 1}, num_carried(n) {}
    bool reads(int input, bool terminated, bool) const { return input == rewards || !terminated; }
    bool scan(const KernelTable& table, StepBuffer& buffer, std::int64_t times, std::int64_t width,
              double* x) const {
        const bool is_good = table.set_terms(buffer, times * width, one_step);
        table.scan_window(buffer, times, width, num_carried, x);
        return is_good;
    }
};

struct GeneralizedAdvantages : OfRows {
    enum { rewards, values, next_values, num_inputs };
    static constexpr bool truncates_last = false;

    GeneralizedAdvantages(double discount, double lambda)
        : OfRows{{ScanFormula::generalized_advantages, discount, discount * lambda}} {}
    bool reads(int input, bool terminated, bool) const { return input != next_values || !terminated; }
};

struct Traces {
    enum { rewards, values, next_values, log_ratios, num_inputs };
    static constexpr bool truncates_last = false, has_rows = true;
    static constexpr std::int64_t num_carried = 1;
    const TraceFormula kernel;

    template <class T>
    bool scan_row(const Kernels<T>& kernels, const StepRow<T>& row, std::int64_t width, double* x) const {
        return kernels.scan_trace_row(row, width, kernel, x);
    }

    bool reads(int input, bool terminated, bool) const { return input != next_values || !terminated; }
    bool scan(const KernelTable& table, StepBuffer& buffer, std::int64_t times, std::int64_t width,
              double* x) const {
        const bool is_good = table.set_traces(buffer, times * width, kernel);
        table.scan_steps(buffer, times, width, x);
        table.set_trace_results(buffer, times * width, kernel);
        return is_good;
    }
};

void require_fraction(const char* name, double x) {
    if (!(x >= 0 && x <= 1))
        throw std::invalid_argument(std::string(name) + " must be from 0 to 1, got " + std::to_string(x));
}
void require_clip(const char* name, double x) {
    if (!(x >= 0))
        throw std::invalid_argument(std::string(name) + " must be at least 0, got " + std::to_string(x));
}

template <class T>
void require_shapes(const EpisodeSteps<T>& steps, const Matrix<T>& out, const char* name = "out") {
    const auto& of = steps.rewards;
    require_view("rewards", of);
    require_shape(name, out, of.rows, of.cols);
    const auto require_flags = [&](const char* name, const Matrix<const bool>& x) {
        if (is_given(x)) require_shape(name, x, of.rows, of.cols);
    };
    require_flags("terminated", steps.terminated);
    require_flags("truncated", steps.truncated);
    require_flags("valid", steps.valid);
}

template <class T>
StepInput<T> rewards_of(const EpisodeSteps<T>& steps) {
    return {"rewards", steps.rewards, &StepBuffer::rewards, &StepRow<T>::rewards};
}
template <class T>
StepInput<T> next_values_of(const Matrix<const T>& next_values) {
    return {"next_values", next_values, &StepBuffer::next_values, &StepRow<T>::next_values};
}

template <class T, class Formula>
void scan_returns(const EpisodeSteps<T>& steps, const Matrix<const T>& next_values, const Formula& formula,
                  const Matrix<T>& out, const ScanOptions& options) {
    const StandardFloatEnvironment environment;
    scan<T, Formula>(steps, {rewards_of(steps), next_values_of(next_values)}, formula, out, options);
}

template <class T>
void discounted_returns(const EpisodeSteps<T>& steps, const Matrix<const T>& next_values, double discount,
                        const Matrix<T>& out, const ScanOptions& options) {
    require_shapes(steps, out);
    if (is_given(next_values)) require_shape("next_values", next_values, out.rows, out.cols);
    require_fraction("discount", discount);
    scan_returns<T>(steps, next_values, Returns(discount, 1), out, options);
}

template <class T>
void lambda_returns(const EpisodeSteps<T>& steps, const Matrix<const T>& next_values, double discount,
                    double lambda, const Matrix<T>& out, const ScanOptions& options) {
    require_shapes(steps, out);
    require_shape("next_values", next_values, out.rows, out.cols);
    require_fraction("discount", discount);
    require_fraction("lambda", lambda);
    scan_returns<T>(steps, next_values, Returns(discount, lambda), out, options);
}

template <class T>
void n_step_returns(const EpisodeSteps<T>& steps, const Matrix<const T>& next_values, double discount,
                    std::int64_t n, const Matrix<T>& out, const ScanOptions& options) {
    require_shapes(steps, out);
    require_shape("next_values", next_values, out.rows, out.cols);
    require_fraction("discount", discount);
    if (n < 1) throw std::invalid_argument("n must be at least 1, got " + std::to_string(n));
    const std::int64_t most = std::max<std::int64_t>(out.rows, 1);
    scan_returns<T>(steps, next_values, NStepReturns(discount, std::min(n, most)), out, options);
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
    scan<T, GeneralizedAdvantages>(steps,
                                   {rewards_of(steps),
                                    {"values", values, &StepBuffer::values, &StepRow<T>::values},
                                    next_values_of(next_values)},
                                   GeneralizedAdvantages(discount, lambda), out, options);
}

// `name` is that of the values.
template <class T>
void scan_traces(const EpisodeSteps<T>& steps, const char* name, const Matrix<const T>& values,
                 const Matrix<const T>& next_values, const Matrix<const T>& log_ratios,
                 const TraceFormula& formula, const Matrix<T>& out, const Matrix<T>& advantages,
                 const ScanOptions& options) {
    const StandardFloatEnvironment environment;
    require_shape(name, values, out.rows, out.cols);
    require_shape("next_values", next_values, out.rows, out.cols);
    if (is_given(log_ratios)) require_shape("log_ratio", log_ratios, out.rows, out.cols);
    require_fraction("discount", formula.discount);
    require_fraction("lambda", formula.lambda);
    scan<T, Traces>(steps,
                    {rewards_of(steps),
                     {name, values, &StepBuffer::values, &StepRow<T>::values},
                     next_values_of(next_values),
                     {"log_ratio", log_ratios, &StepBuffer::log_ratios, &StepRow<T>::log_ratios, true}},
                    {formula}, out, options, advantages);
}

template <class T>
void vtrace(const EpisodeSteps<T>& steps, const Matrix<const T>& values, const Matrix<const T>& next_values,
            const Matrix<const T>& log_ratios, double discount, const VTraceOptions& by,
            const Matrix<T>& targets, const Matrix<T>& advantages, const ScanOptions& options) {
    require_shapes(steps, targets, "targets");
    require_shape("advantages", advantages, targets.rows, targets.cols);
    require_shape("log_ratio", log_ratios, targets.rows, targets.cols);
    require_clip("clip_rho", by.clip_rho);
    require_clip("clip_c", by.clip_c);
    require_clip("clip_pg_rho", by.clip_pg_rho);
    require_fraction("alpha", by.alpha);
    TraceFormula formula{TraceFormula::vtrace, discount};
    formula.lambda = by.lambda;
    formula.clip_rho = by.clip_rho;
    formula.clip_c = by.clip_c;
    formula.clip_pg_rho = by.clip_pg_rho;
    formula.alpha = by.alpha;
    if (by.has_lambda_in_advantages) formula.share = by.lambda;
    scan_traces(steps, "values", values, next_values, log_ratios, formula, targets, advantages, options);
}

template <class T>
void retrace(const EpisodeSteps<T>& steps, const Matrix<const T>& action_values,
             const Matrix<const T>& next_values, const Matrix<const T>& log_ratios, double discount,
             double lambda, double clip, const Matrix<T>& out, const ScanOptions& options) {
    require_shapes(steps, out);
    require_clip("clip", clip);
    TraceFormula formula{TraceFormula::retrace, discount};
    formula.lambda = lambda;
    formula.clip_c = clip;
    scan_traces(steps, "action_values", action_values, next_values, log_ratios, formula, out, {}, options);
}

template <class T>
void upgo(const EpisodeSteps<T>& steps, const Matrix<const T>& values, const Matrix<const T>& next_values,
          double discount, const Matrix<T>& out, const ScanOptions& options) {
    require_shapes(steps, out);
    scan_traces(steps, "values", values, next_values, {}, {TraceFormula::upgo, discount}, out, {}, options);
}

}  // namespace

#define SCOREFN_DEFINE(T)                                                                                   \
    void discounted_returns(const EpisodeSteps<T>& steps, Matrix<const T> next_values, double discount,     \
                            Matrix<T> out, const ScanOptions& options) {                                    \
        discounted_returns<T>(steps, next_values, discount, out, options);                                  \
    }                                                                                                       \
    void lambda_returns(const EpisodeSteps<T>& steps, Matrix<const T> next_values, double discount,         \
                        double lambda, Matrix<T> out, const ScanOptions& options) {                         \
        lambda_returns<T>(steps, next_values, discount, lambda, out, options);                              \
    }                                                                                                       \
    void n_step_returns(const EpisodeSteps<T>& steps, Matrix<const T> next_values, double discount,         \
                        std::int64_t n, Matrix<T> out, const ScanOptions& options) {                        \
        n_step_returns<T>(steps, next_values, discount, n, out, options);                                   \
    }                                                                                                       \
    void generalized_advantages(const EpisodeSteps<T>& steps, Matrix<const T> values,                       \
                                Matrix<const T> next_values, double discount, double lambda, Matrix<T> out, \
                                const ScanOptions& options) {                                               \
        generalized_advantages<T>(steps, values, next_values, discount, lambda, out, options);              \
    }                                                                                                       \
    void vtrace(const EpisodeSteps<T>& steps, Matrix<const T> values, Matrix<const T> next_values,          \
                Matrix<const T> log_ratios, double discount, const VTraceOptions& by, Matrix<T> targets,    \
                Matrix<T> advantages, const ScanOptions& options) {                                         \
        vtrace<T>(steps, values, next_values, log_ratios, discount, by, targets, advantages, options);      \
    }                                                                                                       \
    void retrace(const EpisodeSteps<T>& steps, Matrix<const T> action_values, Matrix<const T> next_values,  \
                 Matrix<const T> log_ratios, double discount, double lambda, double clip, Matrix<T> out,    \
                 const ScanOptions& options) {                                                              \
        retrace<T>(steps, action_values, next_values, log_ratios, discount, lambda, clip, out, options);    \
    }                                                                                                       \
    void upgo(const EpisodeSteps<T>& steps, Matrix<const T> values, Matrix<const T> next_values,            \
              double discount, Matrix<T> out, const ScanOptions& options) {                                 \
        upgo<T>(steps, values, next_values, discount, out, options);                                        \
    }
SCOREFN_DEFINE(float)
SCOREFN_DEFINE(double)

}  // namespace scorefn
