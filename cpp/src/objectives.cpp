#include <limits>
#include <scorefn/objectives.hpp>
#include <vector>

#include "rows.hpp"

namespace scorefn {
namespace {

// Sums over rows, taken in order within each block of rows, then in a fixed tree over the blocks.
template <int Count>
class RowSums {
public:
    RowSums(std::int64_t rows, std::int64_t cols)
        : rows_per_task_(rows_per_task(cols)),
          tasks_((rows + rows_per_task_ - 1) / rows_per_task_),
          sums_(static_cast<std::size_t>(tasks_ * Count)) {}

    double* of_row(std::int64_t row) { return sums_.data() + row / rows_per_task_ * Count; }
    const double* total(int num_threads) {
        if (tasks_ == 0) sums_.resize(Count);
        merge_tree(sums_.data(), tasks_, Count, num_threads);
        return sums_.data();
    }

private:
    std::int64_t rows_per_task_, tasks_;
    std::vector<double> sums_;
};

template <class T>
void require_rows(const ObjectiveRows<T>& out, const Matrix<const T>& logits) {
    require_shape("gradient", out.gradient, logits.rows, logits.cols);
    require_size("log_prob", out.log_prob, logits.rows);
    require_size("entropy", out.entropy, logits.rows);
}

template <class T>
Vector<T> from(const Vector<T>& v, std::int64_t first) {
    return {&v[first], v.size - first, v.stride};
}

template <class T>
double policy_gradient(const Matrix<const T>& logits, const IndexVector& actions, const RealVector& weights,
                       const ObjectiveRows<T>& out, const GradientOptions& options) {
    const StandardFloatEnvironment environment;
    require_logits("logits", logits, options.where);
    require_rows(out, logits);
    require_size("weights", weights, logits.rows);
    const Kernels<T>& table = kernels().of<T>();
    RowSums<1> sums(logits.rows, logits.cols);
    run_rows(logits, &actions, options, [&](const LogitRows<T>& rows, std::int64_t first, void* scratch) {
        const RealVector w = from(weights, first);
        const GradientRows<T> of_rows = {from(actions, first), options.entropy_coef,
                                         from(out.log_prob, first), from(out.entropy, first),
                                         sums.of_row(first)};
        return table.weighted_log_prob_gradient(rows, &w, of_rows, out_rows(out.gradient, first),
                                                options.accumulate, scratch);
    }, options.accumulate);
    return *sums.total(options.num_threads);
}

template <class T>
ClippedSurrogate clipped_surrogate(const Matrix<const T>& logits, const IndexVector& actions,
                                   const RealVector& old_log_prob, const RealVector& advantages,
                                   double clip_range, const ObjectiveRows<T>& out, const Vector<T>& ratio,
                                   const GradientOptions& options) {
    const StandardFloatEnvironment environment;
    require_logits("logits", logits, options.where);
    require_rows(out, logits);
    require_size("ratio", ratio, logits.rows);
    require_size("old_log_prob", old_log_prob, logits.rows);
    require_size("advantages", advantages, logits.rows);
    if (!(clip_range >= 0))
        throw std::invalid_argument("clip_range must be at least 0, got " + std::to_string(clip_range));
    const Kernels<T>& table = kernels().of<T>();
    RowSums<3> sums(logits.rows, logits.cols);
    run_rows(logits, &actions, options, [&](const LogitRows<T>& rows, std::int64_t first, void* scratch) {
        double* const sum = sums.of_row(first);
        const GradientRows<T> of_rows = {from(actions, first), options.entropy_coef,
                                         from(out.log_prob, first), from(out.entropy, first), sum};
        const ClippedRows<T> of_ratio = {from(old_log_prob, first),
                                         from(advantages, first),
                                         1.0 - clip_range,
                                         1.0 + clip_range,
                                         from(ratio, first),
                                         sum + 1,
                                         sum + 2};
        return table.clipped_ratio_gradient(rows, of_ratio, of_rows, out_rows(out.gradient, first),
                                            options.accumulate, scratch);
    }, options.accumulate);
    const double* const total = sums.total(options.num_threads);
    const auto rows = static_cast<double>(logits.rows);
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    return {total[0], rows > 0 ? total[1] / rows : nan, rows > 0 ? total[2] / rows : nan};
}

}  // namespace

#define SCOREFN_DEFINE(T)                                                                                    \
    double policy_gradient(Matrix<const T> logits, IndexVector actions, RealVector weights,                  \
                           ObjectiveRows<T> out, const GradientOptions& options) {                           \
        return policy_gradient<T>(logits, actions, weights, out, options);                                   \
    }                                                                                                        \
    ClippedSurrogate clipped_surrogate(Matrix<const T> logits, IndexVector actions, RealVector old_log_prob, \
                                       RealVector advantages, double clip_range, ObjectiveRows<T> out,       \
                                       Vector<T> ratio, const GradientOptions& options) {                    \
        return clipped_surrogate<T>(logits, actions, old_log_prob, advantages, clip_range, out, ratio,       \
                                    options);                                                                \
    }
SCOREFN_DEFINE(float)
SCOREFN_DEFINE(double)

}  // namespace scorefn
