// The categorical distribution pi = softmax(logits), row by row, for T = float and double.
#pragma once

#include <scorefn/options.hpp>

namespace scorefn {

// out[i] = log pi_i(actions[i])
template <class T>
void log_prob(Matrix<const T> logits, IndexVector actions, Vector<T> out, const Options& options = {});

// Several actions per row, one row after the other: out[i, s] = log pi_i(actions[i * out.cols + s])
template <class T>
void log_prob(Matrix<const T> logits, IndexVector actions, Matrix<T> out, const Options& options = {});

// out[i] = -sum_j pi_i(j) log pi_i(j)
template <class T>
void entropy(Matrix<const T> logits, Vector<T> out, const Options& options = {});

// out[i] = sum_j p_i(j) (log p_i(j) - log q_i(j)); the mask applies to both.
template <class T>
void kl_divergence(Matrix<const T> logits_p, Matrix<const T> logits_q, Vector<T> out,
                   const Options& options = {});

// The key of a counter-based random stream: Philox4x32-10 with key words[0] and the 128-bit counter whose lower half
// is the row, its upper half the draw, exclusive-or words[1].
struct RandomKey {
    std::uint64_t words[2];
};

// actions[i, d] ~ pi_i and log_probs[i, d] = log pi_i(actions[i, d]), one column a draw; entropies[i] = H(pi_i), unless it
// has no data.
template <class T>
void sample(Matrix<const T> logits, RandomKey key, Matrix<std::int64_t> actions, Matrix<T> log_probs,
            Vector<T> entropies, const Options& options = {});
template <class T>
void sample(Matrix<const T> logits, RandomKey key, Matrix<std::int64_t> actions, Matrix<T> log_probs,
            const Options& options = {}) {
    sample(logits, key, actions, log_probs, Vector<T>{}, options);
}

}  // namespace scorefn
