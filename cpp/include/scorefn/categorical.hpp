// The categorical distribution pi = softmax(logits), row by row.
#pragma once

#include <scorefn/options.hpp>

namespace scorefn {

// out[i] = log pi_i(actions[i])
void log_prob(Matrix<const float> logits, IndexVector actions, Vector<float> out,
              const Options& options = {});
void log_prob(Matrix<const double> logits, IndexVector actions, Vector<double> out,
              const Options& options = {});

// Several actions per row, one row after the other: out[i, s] = log pi_i(actions[i * out.cols + s])
void log_prob(Matrix<const float> logits, IndexVector actions, Matrix<float> out,
              const Options& options = {});
void log_prob(Matrix<const double> logits, IndexVector actions, Matrix<double> out,
              const Options& options = {});

// out[i] = -sum_j pi_i(j) log pi_i(j)
void entropy(Matrix<const float> logits, Vector<float> out, const Options& options = {});
void entropy(Matrix<const double> logits, Vector<double> out, const Options& options = {});

// out[i] = sum_j p_i(j) (log p_i(j) - log q_i(j)); the mask applies to both.
void kl_divergence(Matrix<const float> logits_p, Matrix<const float> logits_q, Vector<float> out,
                   const Options& options = {});
void kl_divergence(Matrix<const double> logits_p, Matrix<const double> logits_q, Vector<double> out,
                   const Options& options = {});

// Any two words: different keys give independent draws, also keys such as {seed, step} that differ in one bit.
//
// Philox4x32-10 with key 0 turns the words, as a counter, into 128 other bits. The lower half of these is the key of the
// Philox that draws. Its counter is the row in the lower half, and in the upper half the draw, exclusive-or the other 64
// bits. Two keys have a counter in common with a probability of 2^-64 at most.
struct RandomKey {
    std::uint64_t words[2];
};

// actions[i, d] ~ pi_i and log_probs[i, d] = log pi_i(actions[i, d]), one column per draw; entropies[i] = H(pi_i). Without
// data, log_probs and entropies are not computed. BadLogits for a row with NaN or +inf in an allowed slot.
void sample(Matrix<const float> logits, RandomKey key, Matrix<std::int64_t> actions,
            Matrix<float> log_probs = {}, Vector<float> entropies = {}, const Options& options = {});
void sample(Matrix<const double> logits, RandomKey key, Matrix<std::int64_t> actions,
            Matrix<double> log_probs = {}, Vector<double> entropies = {}, const Options& options = {});

}  // namespace scorefn
