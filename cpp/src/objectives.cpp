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
        : rows_per_block_(rows_per_block(cols)),
          blocks_((rows + rows_per_block_ - 1) / rows_per_block_),
          sums_(static_cast<std::size_t>(blocks_ * Count)) {}

    double* of_row(std::int64_t row) { return sums_.data() + row / rows_per_block_ * Count; }
    const double* total(int num_threads) {
        if (blocks_ == 0) sums_.resize(Count);
        merge_tree(sums_.data(), blocks_, Count, num_threads);
        return sums_.data();
    }

private:
    std::int64_t rows_per_block_, blocks_;
    std::vector<double> sums_;
};

template <class T>
void require_rows(const ObjectiveRows<T>& out, const Matrix<const T>& logits) {
    require_shape("gradient", out.gradient.rows, out.gradient.cols, logits.rows, logits.cols);
    require_size("log_prob", out.log_prob.size, logits.rows);
    require_size("entropy", out.entropy.size, logits.rows);
}

template <class T>
void store(const T* values, std::int64_t count, const Vector<T>& out, std::int64_t first) {
    for (std::int64_t i = 0; i < count; ++i) out[first + i] = values[i];
}

// A coefficient of 0 adds exactly 0, even to the entropy of a row of NaN.
template <class T>
double entropy_bonus(double entropy_coef, const T* entropy, std::int64_t count) {
    double sum = 0;
    for (std::int64_t i = 0; entropy_coef != 0 && i < count; ++i)
        sum += entropy_coef * static_cast<double>(entropy[i]);
    return sum;
}

}  // namespace

template <class T>
double policy_gradient(Matrix<const T> logits, IndexVector actions, RealVector weights, ObjectiveRows<T> out,
                       const GradientOptions& options) {
    require_rows(out, logits);
    require_size("weights", weights.size, logits.rows);
    const Kernels<T>& table = kernels().of<T>();
    require_logits(logits, options.where);
    RowSums<1> objective(logits.rows, logits.cols);
    run_rows_with_actions(
        logits, actions, options,
        [&](const LogitRows<T>& rows, std::int64_t first, const std::int64_t* loaded, void* scratch) {
        T w[kRowsLoaded], log_prob[kRowsLoaded], entropy[kRowsLoaded];
        load(weights, first, rows.rows, w);
        const GradientRows<T> of_rows = {loaded, static_cast<T>(options.entropy_coef), log_prob, entropy};
        const std::int64_t bad = table.weighted_log_prob_gradient(
            rows, w, of_rows, out_rows(out.gradient, first), options.accumulate, scratch);
        if (bad >= 0) return bad;
        store(log_prob, rows.rows, out.log_prob, first);
        store(entropy, rows.rows, out.entropy, first);
        double sum = 0;
        for (std::int64_t i = 0; i < rows.rows; ++i)
            if (w[i] != 0) sum += static_cast<double>(w[i]) * static_cast<double>(log_prob[i]);
        *objective.of_row(first) += sum + entropy_bonus(options.entropy_coef, entropy, rows.rows);
        return bad;
    });
    return *objective.total(options.num_threads);
}

template <class T>
ClippedSurrogate clipped_surrogate(Matrix<const T> logits, IndexVector actions, RealVector old_log_prob,
                                   RealVector advantages, double clip_range, ObjectiveRows<T> out,
                                   Vector<T> ratio, const GradientOptions& options) {
    require_rows(out, logits);
    require_size("ratio", ratio.size, logits.rows);
    require_size("old_log_prob", old_log_prob.size, logits.rows);
    require_size("advantages", advantages.size, logits.rows);
    if (!(clip_range >= 0))
        throw std::invalid_argument("clip_range must be at least 0, got " + std::to_string(clip_range));
    const Kernels<T>& table = kernels().of<T>();
    require_logits(logits, options.where);
    RowSums<3> sums(logits.rows, logits.cols);
    run_rows_with_actions(
        logits, actions, options,
        [&](const LogitRows<T>& rows, std::int64_t first, const std::int64_t* loaded, void* scratch) {
        T old[kRowsLoaded], a[kRowsLoaded], log_prob[kRowsLoaded], entropy[kRowsLoaded], ratios[kRowsLoaded];
        double objective[kRowsLoaded], kl[kRowsLoaded];
        bool clipped[kRowsLoaded];
        load(old_log_prob, first, rows.rows, old);
        load(advantages, first, rows.rows, a);
        const GradientRows<T> of_rows = {loaded, static_cast<T>(options.entropy_coef), log_prob, entropy};
        const ClippedRows<T> of_ratio = {old,       a,  1.0 - clip_range, 1.0 + clip_range, ratios,
                                         objective, kl, clipped};
        const std::int64_t bad = table.clipped_ratio_gradient(
            rows, of_ratio, of_rows, out_rows(out.gradient, first), options.accumulate, scratch);
        if (bad >= 0) return bad;
        store(log_prob, rows.rows, out.log_prob, first);
        store(entropy, rows.rows, out.entropy, first);
        store(ratios, rows.rows, ratio, first);
        double* const sum = sums.of_row(first);
        sum[0] += entropy_bonus(options.entropy_coef, entropy, rows.rows);
        for (std::int64_t i = 0; i < rows.rows; ++i) {
            sum[0] += objective[i];
            sum[1] += kl[i];
            sum[2] += clipped[i] ? 1.0 : 0.0;
        }
        return bad;
    });
    const double* const total = sums.total(options.num_threads);
    const auto rows = static_cast<double>(logits.rows);
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    return {total[0], rows > 0 ? total[1] / rows : nan, rows > 0 ? total[2] / rows : nan};
}

#define SCOREFN_INSTANTIATE(T)                                                                        \
    template double policy_gradient(Matrix<const T>, IndexVector, RealVector, ObjectiveRows<T>,       \
                                    const GradientOptions&);                                          \
    template ClippedSurrogate clipped_surrogate(Matrix<const T>, IndexVector, RealVector, RealVector, \
                                                double, ObjectiveRows<T>, Vector<T>,                  \
                                                const GradientOptions&);
SCOREFN_INSTANTIATE(float)
SCOREFN_INSTANTIATE(double)

}  // namespace scorefn
