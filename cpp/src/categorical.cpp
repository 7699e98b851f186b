#include <scorefn/categorical.hpp>

#include "policies/sample.hpp"

namespace scorefn {
namespace {

template <class T>
void log_prob(const Matrix<const T>& logits, const IndexVector& actions, const Vector<T>& out,
              const Options& options) {
    const StandardFloatEnvironment environment;
    require_logits("logits", logits, options.where);
    require_size("out", out, logits.rows);
    const Kernels<T>& table = kernels().of<T>();
    run_rows(logits, &actions, options, [&](const LogitRows<T>& rows, std::int64_t first, void* scratch) {
        const std::int64_t bad = table.log_prob(rows, from(actions, first), &out[first], out.stride, scratch);
        clear_invalid(rows.valid, first, rows.rows, out);
        return bad;
    });
}

template <class T>
void log_prob(const Matrix<const T>& logits, const IndexVector& actions, const Matrix<T>& out,
              const Options& options) {
    const StandardFloatEnvironment environment;
    require_logits("logits", logits, options.where);
    require_shape("out", out, logits.rows, out.cols);
    require_size("actions", actions, out.rows * out.cols);
    require_valid(options.valid, actions.size);
    const ValidRows valid = valid_rows(options.valid);
    require_in_range("actions", actions, logits.cols, "actions", options.num_threads, valid);
    const RowsWithSamples with_samples(options, logits.rows, out.cols);
    const Kernels<T>& table = kernels().of<T>();
    run_rows(logits, nullptr, with_samples.options(),
             [&](LogitRows<T> rows, std::int64_t first, void* scratch) {
        std::int64_t bad = -1;
        const std::int64_t most_at_a_time = 1 + (1 << 22) / (rows.rows * rows.cols);
        for (std::int64_t s = 0; s < out.cols && bad == -1; ++s) {
            if (s % most_at_a_time == most_at_a_time - 1) check_interrupt();
            IndexVector column = from(actions, first * out.cols + s);
            column.size = rows.rows;
            column.stride *= out.cols;
            if (valid.flags)
                rows.valid = {valid.flags + (first * out.cols + s) * valid.stride, out.cols * valid.stride};
            bad = table.log_prob(rows, column, &out(first, s), out.row_stride, scratch);
            clear_invalid(rows.valid, 0, rows.rows, Vector<T>(&out(first, s), rows.rows, out.row_stride));
        }
        return bad;
    });
}

template <class T>
void entropy(const Matrix<const T>& logits, const Vector<T>& out, const Options& options) {
    const StandardFloatEnvironment environment;
    require_logits("logits", logits, options.where);
    require_size("out", out, logits.rows);
    const Kernels<T>& table = kernels().of<T>();
    run_rows(logits, nullptr, options, [&](const LogitRows<T>& rows, std::int64_t first, void* scratch) {
        const std::int64_t bad = table.entropy(rows, &out[first], out.stride, scratch);
        clear_invalid(rows.valid, first, rows.rows, out);
        return bad;
    });
}

template <class T>
void kl_divergence(const Matrix<const T>& logits_p, const Matrix<const T>& logits_q, const Vector<T>& out,
                   const Options& options) {
    const StandardFloatEnvironment environment;
    require_logits("logits_p", logits_p, options.where);
    require_shape("logits_q", logits_q, logits_p.rows, logits_p.cols);
    require_size("out", out, logits_p.rows);
    require_valid(options.valid, logits_p.rows);
    const auto check = [&] {
        check_rows("logits_p", logits_p, nullptr, options);
        check_rows("logits_q", logits_q, nullptr, options);
    };
    if (!options.may_write_on_error) check();
    const Kernels<T>& table = kernels().of<T>();
    const Team team = team_for(logits_p.rows, logits_p.cols, options.num_threads);
    const bool good = for_each_task(logits_p.rows, logits_p.cols, team.parallel_for ? 1 : options.num_threads,
                                    [&](std::int64_t first, std::int64_t count) {
        const LogitRows<T> p = logit_rows(logits_p, options, first, count, team);
        const std::int64_t bad =
            table.kl_divergence(p, logit_rows(logits_q, options, first, count, team), &out[first], out.stride,
                                thread_scratch(scratch_bytes(logits_p.cols)));
        clear_invalid(p.valid, first, count, out);
        return bad == -1;
    }, scratch_bytes(logits_p.cols));
    if (good) return;
    check();
    throw std::runtime_error("logits were changed during the call");
}

}  // namespace

template <class T>
void sample_rows(const Matrix<const T>& logits, const RandomKey& key, const RowNumbers& numbers,
                 const Matrix<std::int64_t>& actions, const Matrix<T>& log_probs, const Vector<T>& entropies,
                 const Options& options) {
    const StandardFloatEnvironment environment;
    require_logits("logits", logits, options.where);
    require_shape("actions", actions, logits.rows, actions.cols);
    if (is_given(log_probs)) require_shape("log_probs", log_probs, actions.rows, actions.cols);
    if (is_given(entropies)) require_size("entropies", entropies, logits.rows);
    const Kernels<T>& table = kernels().of<T>();
    run_rows(logits, nullptr, options, [&](const LogitRows<T>& rows, std::int64_t first, void* scratch) {
        const std::int64_t bad = table.sample(
            rows, key.words, from(numbers, first), out_rows(actions, first), out_rows(log_probs, first),
            entropies.data ? &entropies[first] : nullptr, entropies.stride, scratch);
        clear_invalid(rows.valid, first, rows.rows, actions);
        clear_invalid(rows.valid, first, rows.rows, log_probs);
        clear_invalid(rows.valid, first, rows.rows, entropies);
        return bad;
    }, false, Needs::numbers);
}
template void sample_rows(const Matrix<const float>&, const RandomKey&, const RowNumbers&,
                          const Matrix<std::int64_t>&, const Matrix<float>&, const Vector<float>&,
                          const Options&);
template void sample_rows(const Matrix<const double>&, const RandomKey&, const RowNumbers&,
                          const Matrix<std::int64_t>&, const Matrix<double>&, const Vector<double>&,
                          const Options&);

#define SCOREFN_DEFINE(T)                                                                                 \
    void log_prob(Matrix<const T> logits, IndexVector actions, Vector<T> out, const Options& options) {   \
        log_prob<T>(logits, actions, out, options);                                                       \
    }                                                                                                     \
    void log_prob(Matrix<const T> logits, IndexVector actions, Matrix<T> out, const Options& options) {   \
        log_prob<T>(logits, actions, out, options);                                                       \
    }                                                                                                     \
    void entropy(Matrix<const T> logits, Vector<T> out, const Options& options) {                         \
        entropy<T>(logits, out, options);                                                                 \
    }                                                                                                     \
    void kl_divergence(Matrix<const T> logits_p, Matrix<const T> logits_q, Vector<T> out,                 \
                       const Options& options) {                                                          \
        kl_divergence<T>(logits_p, logits_q, out, options);                                               \
    }                                                                                                     \
    void sample(Matrix<const T> logits, RandomKey key, Matrix<std::int64_t> actions, Matrix<T> log_probs, \
                Vector<T> entropies, const Options& options) {                                            \
        sample_rows<T>(logits, key, {}, actions, log_probs, entropies, options);                          \
    }
SCOREFN_DEFINE(float)
SCOREFN_DEFINE(double)

}  // namespace scorefn
