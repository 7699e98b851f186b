#include <scorefn/gradient.hpp>

#include "rows.hpp"

namespace scorefn {
namespace {

template <class T>
void run(const Matrix<const T>& logits, const IndexVector& actions, const RealVector* weights,
         const Matrix<T>& out, const GradientOptions& options) {
    require_shape("out", out.rows, out.cols, logits.rows, logits.cols);
    if (weights) require_size("weights", weights->size, logits.rows);
    const Kernels<T>& table = kernels().of<T>();
    run_rows_with_actions(
        logits, actions, options,
        [&](const LogitRows<T>& rows, std::int64_t first, const std::int64_t* loaded, void* scratch) {
        T loaded_weights[kRowsLoaded];
        if (weights)
            load(*weights, first, rows.rows, loaded_weights);
        else
            std::fill_n(loaded_weights, rows.rows, T(1));
        const GradientRows<T> of_rows = {loaded, static_cast<T>(options.entropy_coef), nullptr, nullptr};
        return table.weighted_log_prob_gradient(rows, loaded_weights, of_rows, out_rows(out, first),
                                                options.accumulate, scratch);
    });
}

}  // namespace

template <class T>
void score(Matrix<const T> logits, IndexVector actions, Matrix<T> out, const Options& options) {
    GradientOptions gradient_options;
    static_cast<Options&>(gradient_options) = options;
    run(logits, actions, nullptr, out, gradient_options);
}

template <class T>
void score_gradient(Matrix<const T> logits, IndexVector actions, RealVector weights, Matrix<T> out,
                    const GradientOptions& options) {
    run(logits, actions, &weights, out, options);
}

#define SCOREFN_INSTANTIATE(T)                                                    \
    template void score(Matrix<const T>, IndexVector, Matrix<T>, const Options&); \
    template void score_gradient(Matrix<const T>, IndexVector, RealVector, Matrix<T>, const GradientOptions&);
SCOREFN_INSTANTIATE(float)
SCOREFN_INSTANTIATE(double)

}  // namespace scorefn
