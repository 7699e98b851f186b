#include <scorefn/softmax.hpp>

#include "rows.hpp"

namespace scorefn {

template <class T>
void log_softmax(Matrix<const T> logits, Matrix<T> out, const Options& options) {
    const StandardFloatEnvironment environment;
    require_shape("out", out.rows, out.cols, logits.rows, logits.cols);
    const Kernels<T>& table = kernels().of<T>();
    run_rows(logits, nullptr, options, [&](const LogitRows<T>& rows, std::int64_t first, void* scratch) {
        return table.log_softmax(rows, out_rows(out, first), scratch);
    });
}

template <class T>
void softmax(Matrix<const T> logits, Matrix<T> out, const Options& options) {
    const StandardFloatEnvironment environment;
    require_shape("out", out.rows, out.cols, logits.rows, logits.cols);
    const Kernels<T>& table = kernels().of<T>();
    run_rows(logits, nullptr, options, [&](const LogitRows<T>& rows, std::int64_t first, void* scratch) {
        return table.softmax(rows, out_rows(out, first), scratch);
    });
}

template <class T>
void logsumexp(Matrix<const T> logits, Vector<T> out, const Options& options) {
    const StandardFloatEnvironment environment;
    require_size("out", out.size, logits.rows);
    const Kernels<T>& table = kernels().of<T>();
    run_rows(logits, nullptr, options, [&](const LogitRows<T>& rows, std::int64_t first, void* scratch) {
        return table.logsumexp(rows, &out[first], out.stride, scratch);
    });
}

#define SCOREFN_INSTANTIATE(T)                                             \
    template void log_softmax(Matrix<const T>, Matrix<T>, const Options&); \
    template void softmax(Matrix<const T>, Matrix<T>, const Options&);     \
    template void logsumexp(Matrix<const T>, Vector<T>, const Options&);
SCOREFN_INSTANTIATE(float)
SCOREFN_INSTANTIATE(double)

}  // namespace scorefn
