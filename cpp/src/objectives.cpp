#include <limits>
#include <scorefn/categorical.hpp>
#include <scorefn/objectives.hpp>
#include <vector>

#include "memory.hpp"
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

// run(logits, out, options) with a row for each sample, then the sums of the rows' gradients over their samples.
template <class T, class Run>
auto with_repeated_rows(const Matrix<const T>& logits, std::int64_t samples_per_row,
                        const IndexVector& actions, const ObjectiveRows<T>& out,
                        const GradientOptions& options, const Run& run) {
    const std::int64_t cols = logits.cols, samples = logits.rows * samples_per_row;
    require_logits("logits", logits, options.where);
    require_shape("gradient", out.gradient, logits.rows, cols);
    require_size("log_prob", out.log_prob, samples);
    require_size("actions", actions, samples);
    check_rows("logits", logits, &actions, options);

    const Array<T> rows(samples * cols), entropies(samples);
    const unsigned char* const allowed = options.where ? bytes_of(options.where) : nullptr;
    for (std::int64_t i = 0; i < logits.rows; ++i) {
        T* const first = rows.data() + i * samples_per_row * cols;
        for (std::int64_t j = 0; j < cols && samples_per_row > 0; ++j)
            first[j] = !allowed || allowed[i * options.where.row_stride + j * options.where.col_stride]
                           ? logits(i, j)
                           : -std::numeric_limits<T>::infinity();
        for (std::int64_t s = 1; s < samples_per_row; ++s) std::copy_n(first, cols, first + s * cols);
    }
    GradientOptions of_samples = options;
    of_samples.where = {};
    of_samples.accumulate = false;
    of_samples.may_write_on_error = true;
    const ObjectiveRows<T> of_rows = {
        Matrix<T>(rows.data(), samples, cols), out.log_prob, {entropies.data(), samples}};
    const auto result = run(Matrix<const T>(rows.data(), samples, cols), of_rows, of_samples);
    scorefn::entropy(logits, out.entropy, options);  // not before `run` has checked its arguments

    const Array<double> sums(cols);
    for (std::int64_t i = 0; i < logits.rows; ++i) {
        for (std::int64_t j = 0; j < cols; ++j)
            sums[j] = options.accumulate ? static_cast<double>(out.gradient(i, j)) : 0;
        const T* gradient = rows.data() + i * samples_per_row * cols;
        for (std::int64_t s = 0; s < samples_per_row; ++s, gradient += cols)
            for (std::int64_t j = 0; j < cols; ++j) sums[j] += static_cast<double>(gradient[j]);
        for (std::int64_t j = 0; j < cols; ++j) {
            // NaN with one sign and payload, as in every other sum.
            const T sum = static_cast<T>(sums[j]);
            out.gradient(i, j) = sum == sum ? sum : std::numeric_limits<T>::quiet_NaN();
        }
    }
    return result;
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
double policy_gradient(const Matrix<const T>& logits, std::int64_t samples_per_row,
                       const IndexVector& actions, const RealVector& weights, const ObjectiveRows<T>& out,
                       const GradientOptions& options) {
    const StandardFloatEnvironment environment;
    return with_repeated_rows(
        logits, samples_per_row, actions, out, options,
        [&](const Matrix<const T>& rows, const ObjectiveRows<T>& of_rows, const GradientOptions& of_samples) {
        return policy_gradient(rows, actions, weights, of_rows, of_samples);
    });
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

template <class T>
ClippedSurrogate clipped_surrogate(const Matrix<const T>& logits, std::int64_t samples_per_row,
                                   const IndexVector& actions, const RealVector& old_log_prob,
                                   const RealVector& advantages, double clip_range,
                                   const ObjectiveRows<T>& out, const Vector<T>& ratio,
                                   const GradientOptions& options) {
    const StandardFloatEnvironment environment;
    return with_repeated_rows(
        logits, samples_per_row, actions, out, options,
        [&](const Matrix<const T>& rows, const ObjectiveRows<T>& of_rows, const GradientOptions& of_samples) {
        return clipped_surrogate(rows, actions, old_log_prob, advantages, clip_range, of_rows, ratio,
                                 of_samples);
    });
}

}  // namespace

#define SCOREFN_DEFINE(T)                                                                                    \
    double policy_gradient(Matrix<const T> logits, IndexVector actions, RealVector weights,                  \
                           ObjectiveRows<T> out, const GradientOptions& options) {                           \
        return policy_gradient<T>(logits, actions, weights, out, options);                                   \
    }                                                                                                        \
    double policy_gradient(Matrix<const T> logits, std::int64_t samples_per_row, IndexVector actions,        \
                           RealVector weights, ObjectiveRows<T> out, const GradientOptions& options) {       \
        return policy_gradient<T>(logits, samples_per_row, actions, weights, out, options);                  \
    }                                                                                                        \
    ClippedSurrogate clipped_surrogate(Matrix<const T> logits, IndexVector actions, RealVector old_log_prob, \
                                       RealVector advantages, double clip_range, ObjectiveRows<T> out,       \
                                       Vector<T> ratio, const GradientOptions& options) {                    \
        return clipped_surrogate<T>(logits, actions, old_log_prob, advantages, clip_range, out, ratio,       \
                                    options);                                                                \
    }                                                                                                        \
    ClippedSurrogate clipped_surrogate(Matrix<const T> logits, std::int64_t samples_per_row,                 \
                                       IndexVector actions, RealVector old_log_prob, RealVector advantages,  \
                                       double clip_range, ObjectiveRows<T> out, Vector<T> ratio,             \
                                       const GradientOptions& options) {                                     \
        return clipped_surrogate<T>(logits, samples_per_row, actions, old_log_prob, advantages, clip_range,  \
                                    out, ratio, options);                                                    \
    }
SCOREFN_DEFINE(float)
SCOREFN_DEFINE(double)

}  // namespace scorefn
