#include <scorefn/categorical.hpp>

#include "rows.hpp"

namespace scorefn {

template <class T>
void log_prob(Matrix<const T> logits, IndexVector actions, Vector<T> out, const Options& options) {
    const StandardFloatEnvironment environment;
    require_size("out", out.size, logits.rows);
    const Kernels<T>& table = kernels().of<T>();
    run_rows(logits, &actions, options, [&](const LogitRows<T>& rows, std::int64_t first, void* scratch) {
        return table.log_prob(rows, from(actions, first), &out[first], out.stride, scratch);
    });
}

template <class T>
void log_prob(Matrix<const T> logits, IndexVector actions, Matrix<T> out, const Options& options) {
    const StandardFloatEnvironment environment;
    require_shape("out", out.rows, out.cols, logits.rows, out.cols);
    require_size("actions", actions.size, out.rows * out.cols);
    require_in_range("actions", actions, logits.cols, "actions", options.num_threads);
    const Kernels<T>& table = kernels().of<T>();
    run_rows(logits, nullptr, options, [&](const LogitRows<T>& rows, std::int64_t first, void* scratch) {
        std::int64_t bad = -1;
        for (std::int64_t s = 0; s < out.cols && bad == -1; ++s) {
            IndexVector column = from(actions, first * out.cols + s);
            column.size = rows.rows;
            column.stride *= out.cols;
            bad = table.log_prob(rows, column, &out(first, s), out.row_stride, scratch);
        }
        return bad;
    });
}

template <class T>
void entropy(Matrix<const T> logits, Vector<T> out, const Options& options) {
    const StandardFloatEnvironment environment;
    require_size("out", out.size, logits.rows);
    const Kernels<T>& table = kernels().of<T>();
    run_rows(logits, nullptr, options, [&](const LogitRows<T>& rows, std::int64_t first, void* scratch) {
        return table.entropy(rows, &out[first], out.stride, scratch);
    });
}

template <class T>
void kl_divergence(Matrix<const T> logits_p, Matrix<const T> logits_q, Vector<T> out,
                   const Options& options) {
    const StandardFloatEnvironment environment;
    require_shape("logits_q", logits_q.rows, logits_q.cols, logits_p.rows, logits_p.cols);
    require_logits(logits_p, options.where);
    require_size("out", out.size, logits_p.rows);
    const auto check = [&] {
        check_rows("logits_p", logits_p, nullptr, options);
        check_rows("logits_q", logits_q, nullptr, options);
    };
    if (!options.may_write_on_error) check();
    const Kernels<T>& table = kernels().of<T>();
    const Team team = team_for(logits_p.rows, logits_p.cols, options.num_threads);
    const bool good = for_each_task(logits_p.rows, logits_p.cols, team.parallel_for ? 1 : options.num_threads,
                                    [&](std::int64_t first, std::int64_t count) {
        return table.kl_divergence(logit_rows(logits_p, options.where, first, count, team),
                                   logit_rows(logits_q, options.where, first, count, team), &out[first],
                                   out.stride, thread_scratch(scratch_bytes(logits_p.cols))) == -1;
    }, scratch_bytes(logits_p.cols));
    if (good) return;
    check();
    throw std::runtime_error("logits were changed during the call");
}

template <class T>
void sample(Matrix<const T> logits, RandomKey key, Matrix<std::int64_t> actions, Matrix<T> log_probs,
            Vector<T> entropies, const Options& options) {
    const StandardFloatEnvironment environment;
    require_shape("actions", actions.rows, actions.cols, logits.rows, actions.cols);
    require_shape("log_probs", log_probs.rows, log_probs.cols, actions.rows, actions.cols);
    if (entropies.data) require_size("entropies", entropies.size, logits.rows);
    const Kernels<T>& table = kernels().of<T>();
    run_rows(logits, nullptr, options, [&](const LogitRows<T>& rows, std::int64_t first, void* scratch) {
        return table.sample(rows, key.words, first, out_rows(actions, first), out_rows(log_probs, first),
                            entropies.data ? &entropies[first] : nullptr, entropies.stride, scratch);
    });
}

#define SCOREFN_INSTANTIATE(T)                                                                   \
    template void log_prob(Matrix<const T>, IndexVector, Vector<T>, const Options&);             \
    template void log_prob(Matrix<const T>, IndexVector, Matrix<T>, const Options&);             \
    template void entropy(Matrix<const T>, Vector<T>, const Options&);                           \
    template void kl_divergence(Matrix<const T>, Matrix<const T>, Vector<T>, const Options&);    \
    template void sample(Matrix<const T>, RandomKey, Matrix<std::int64_t>, Matrix<T>, Vector<T>, \
                         const Options&);
SCOREFN_INSTANTIATE(float)
SCOREFN_INSTANTIATE(double)

}  // namespace scorefn
