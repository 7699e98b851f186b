#include <scorefn/gradient.hpp>

#include "policies/rows.hpp"

namespace scorefn {
namespace {

template <class T>
void run(const Matrix<const T>& logits, const IndexVector& actions, const RealVector* weights,
         const Matrix<T>& out, const GradientOptions& options) {
    const StandardFloatEnvironment environment;
    require_logits("logits", logits, options.where);
    require_shape("out", out, logits.rows, logits.cols);
    if (weights) require_size("weights", *weights, logits.rows);
    const Kernels<T>& table = kernels().of<T>();
    run_rows(logits, &actions, options, [&](const LogitRows<T>& rows, std::int64_t first, void* scratch) {
        const GradientRows<T> of_rows = {from(actions, first), options.entropy_coef, {}, {}};
        const RealVector of_weights = weights ? from(*weights, first) : RealVector();
        return table.weighted_log_prob_gradient(rows, weights ? &of_weights : nullptr, of_rows,
                                                out_rows(out, first), options.accumulate, scratch);
    }, options.accumulate);
}

}  // namespace

#define SCOREFN_DEFINE(T)                                                                               \
    void score(Matrix<const T> logits, IndexVector actions, Matrix<T> out, const Options& options) {    \
        GradientOptions gradient_options;                                                               \
        static_cast<Options&>(gradient_options) = options;                                              \
        run<T>(logits, actions, nullptr, out, gradient_options);                                        \
    }                                                                                                   \
    void score_gradient(Matrix<const T> logits, IndexVector actions, RealVector weights, Matrix<T> out, \
                        const GradientOptions& options) {                                               \
        run<T>(logits, actions, &weights, out, options);                                                \
    }
SCOREFN_DEFINE(float)
SCOREFN_DEFINE(double)

}  // namespace scorefn
