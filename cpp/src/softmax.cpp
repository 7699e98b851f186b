#include <scorefn/softmax.hpp>

#include "policies/rows.hpp"

namespace scorefn {
namespace {

template <class T>
void log_softmax(const Matrix<const T>& logits, const Matrix<T>& out, const Options& options) {
    const StandardFloatEnvironment environment;
    require_logits("logits", logits, options.where);
    require_shape("out", out, logits.rows, logits.cols);
    const Kernels<T>& table = kernels().of<T>();
    run_rows(logits, nullptr, options, [&](const LogitRows<T>& rows, std::int64_t first, void* scratch) {
        return table.log_softmax(rows, out_rows(out, first), scratch);
    });
}

template <class T>
void softmax(const Matrix<const T>& logits, const Matrix<T>& out, const Options& options) {
    const StandardFloatEnvironment environment;
    require_logits("logits", logits, options.where);
    require_shape("out", out, logits.rows, logits.cols);
    const Kernels<T>& table = kernels().of<T>();
    run_rows(logits, nullptr, options, [&](const LogitRows<T>& rows, std::int64_t first, void* scratch) {
        return table.softmax(rows, out_rows(out, first), scratch);
    });
}

template <class T>
void logsumexp(const Matrix<const T>& logits, const Vector<T>& out, const Options& options) {
    const StandardFloatEnvironment environment;
    require_logits("logits", logits, options.where);
    require_size("out", out, logits.rows);
    const Kernels<T>& table = kernels().of<T>();
    run_rows(logits, nullptr, options, [&](const LogitRows<T>& rows, std::int64_t first, void* scratch) {
        const std::int64_t bad = table.logsumexp(rows, &out[first], out.stride, scratch);
        clear_invalid(rows.valid, first, rows.rows, out);
        return bad;
    });
}

}  // namespace

#define SCOREFN_DEFINE(T)                                                             \
    void log_softmax(Matrix<const T> logits, Matrix<T> out, const Options& options) { \
        log_softmax<T>(logits, out, options);                                         \
    }                                                                                 \
    void softmax(Matrix<const T> logits, Matrix<T> out, const Options& options) {     \
        softmax<T>(logits, out, options);                                             \
    }                                                                                 \
    void logsumexp(Matrix<const T> logits, Vector<T> out, const Options& options) {   \
        logsumexp<T>(logits, out, options);                                           \
    }
SCOREFN_DEFINE(float)
SCOREFN_DEFINE(double)

}  // namespace scorefn
