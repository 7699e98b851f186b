// Samples that share a row of logits share its softmax: their weights are summed for each (state, action) first, and each
// visited row is then worked on once. Cost: samples + states * actions.

#include <scorefn/gradient.hpp>
#include <vector>

#include "rows.hpp"

namespace scorefn {
namespace {

// weights[state, action] and visits[state] of a chunk of the samples; chunks are merged in a fixed tree. A sample of
// weight 0 contributes nothing, and so is no visit, unless there is an entropy to count.
struct WeightSums {
    std::int64_t states, cols, per_chunk, chunks;
    std::vector<double> weights;
    std::vector<double> visits;  // exact: a count is below 2^53

    WeightSums(std::int64_t samples, std::int64_t states, std::int64_t cols)
        : states(states),
          cols(cols),
          per_chunk(std::max<std::int64_t>(1 << 14, states * cols)),
          chunks(std::max<std::int64_t>(1, (samples + per_chunk - 1) / per_chunk)),
          weights(static_cast<std::size_t>(chunks * states * cols)),
          visits(static_cast<std::size_t>(chunks * states)) {}

    // False, and nothing more is done, if a state or an action is out of range.
    bool add_chunk(std::int64_t chunk, const IndexVector* state_of, const IndexVector& action_of,
                   const RealVector& weight_of, bool counts_entropy) {
        constexpr std::int64_t kSamples = 256;
        std::int64_t state[kSamples] = {}, action[kSamples];
        double weight[kSamples];
        double* const w = weights.data() + chunk * states * cols;
        double* const v = visits.data() + chunk * states;
        const std::int64_t end = std::min(action_of.size, (chunk + 1) * per_chunk);
        for (std::int64_t first = chunk * per_chunk; first < end; first += kSamples) {
            const std::int64_t count = std::min(kSamples, end - first);
            if (state_of) load(*state_of, first, count, state);
            load(action_of, first, count, action);
            load(weight_of, first, count, weight);
            if (!in_range(state, count, states) || !in_range(action, count, cols)) return false;
            for (std::int64_t i = 0; i < count; ++i) {
                w[state[i] * cols + action[i]] += weight[i];
                if (weight[i] != 0 || counts_entropy) v[state[i]] += 1.0;
            }
        }
        return true;
    }
};

template <class T>
void run(const char* name, const Matrix<const T>& table, const IndexVector* states,
         const IndexVector& actions, const RealVector& weights, const Matrix<T>& out,
         const GradientOptions& options) {
    require_logits(table, options.where);
    require_shape("out", out.rows, out.cols, table.rows, table.cols);
    if (states) require_size("actions", actions.size, states->size);
    require_size("weights", weights.size, actions.size);

    WeightSums sums(actions.size, table.rows, table.cols);
    std::atomic<bool> good{true};
    parallel_for(sums.chunks, options.num_threads, [&](std::int64_t chunk) {
        if (!sums.add_chunk(chunk, states, actions, weights, options.entropy_coef != 0)) good = false;
    });
    if (!good) {
        if (states) require_in_range("states", *states, table.rows, "states", options.num_threads);
        require_in_range("actions", actions, table.cols, "actions", options.num_threads);
        throw std::runtime_error("states or actions were changed during the call");
    }
    merge_tree(sums.weights.data(), sums.chunks, table.rows * table.cols, options.num_threads);
    merge_tree(sums.visits.data(), sums.chunks, table.rows, options.num_threads);

    for (std::int64_t i = 0; i < table.rows; ++i)
        if (sums.visits[static_cast<std::size_t>(i)] != 0 && !has_allowed_action(table, options.where, i))
            throw_no_allowed_action(name, states ? i : -1);

    const Kernels<T>& kernel = kernels().of<T>();
    for_each_block(table.rows, table.cols, options.num_threads, [&](std::int64_t first, std::int64_t count) {
        return kernel.shared_gradient(logit_rows(table, options.where, first, count),
                                      sums.weights.data() + first * table.cols, sums.visits.data() + first,
                                      options.entropy_coef, out_rows(out, first), options.accumulate,
                                      thread_scratch(scratch_bytes(table.cols))) == -1;
    });
}

}  // namespace

template <class T>
void tabular_gradient(Matrix<const T> table, IndexVector states, IndexVector actions, RealVector weights,
                      Matrix<T> out, const GradientOptions& options) {
    run("table", table, &states, actions, weights, out, options);
}

template <class T>
void score_gradient(Vector<const T> logits, IndexVector actions, RealVector weights, Vector<T> out,
                    const GradientOptions& options) {
    require_size("out", out.size, logits.size);
    run("logits", Matrix<const T>(logits.data, 1, logits.size, 0, logits.stride), nullptr, actions, weights,
        Matrix<T>(out.data, 1, out.size, 0, out.stride), options);
}

#define SCOREFN_INSTANTIATE(T)                                                                       \
    template void tabular_gradient(Matrix<const T>, IndexVector, IndexVector, RealVector, Matrix<T>, \
                                   const GradientOptions&);                                          \
    template void score_gradient(Vector<const T>, IndexVector, RealVector, Vector<T>, const GradientOptions&);
SCOREFN_INSTANTIATE(float)
SCOREFN_INSTANTIATE(double)

}  // namespace scorefn
