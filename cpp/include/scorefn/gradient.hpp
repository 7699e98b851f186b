// Gradients of  J = sum_i weights[i] log pi_i(actions[i]) + entropy_coef sum_i H(pi_i)  for T = float and double.
// Ascent direction; sums, not means. A weight of exactly 0 contributes exactly 0 to the first sum.
#pragma once

#include <scorefn/options.hpp>

namespace scorefn {

// out[i, :] = onehot(actions[i]) - softmax(logits[i, :]).  `out` may be `logits` itself.
template <class T>
void score(Matrix<const T> logits, IndexVector actions, Matrix<T> out, const Options& options = {});

// dJ/dlogits, one row a sample.  `out` may be `logits` itself.
template <class T>
void score_gradient(Matrix<const T> logits, IndexVector actions, RealVector weights, Matrix<T> out,
                    const GradientOptions& options = {});

// dJ/dlogits where row i has the samples i * samples_per_row, ..., (i + 1) * samples_per_row - 1.
template <class T>
void score_gradient(Matrix<const T> logits, std::int64_t samples_per_row, IndexVector actions,
                    RealVector weights, Matrix<T> out, const GradientOptions& options = {});

// dJ/dlogits where all samples share one row of logits.
template <class T>
void score_gradient(Vector<const T> logits, IndexVector actions, RealVector weights, Vector<T> out,
                    const GradientOptions& options = {});

// dJ/dtable where sample i has the logits table[states[i], :].  The mask is shaped like the table.
template <class T>
void tabular_gradient(Matrix<const T> table, IndexVector states, IndexVector actions, RealVector weights,
                      Matrix<T> out, const GradientOptions& options = {});

// dJ/dcoef where sample i has the logits features[i, :] @ coef.  The mask is (samples, actions).
template <class T>
void linear_gradient(Matrix<const T> features, Matrix<const T> coef, IndexVector actions, RealVector weights,
                     Matrix<T> out, const GradientOptions& options = {});

}  // namespace scorefn
