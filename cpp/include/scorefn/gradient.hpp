// Gradients of  J = sum_i weights[i] log pi_i(actions[i]) + entropy_coef sum_i H(pi_i).
// Ascent direction; sums, not means. A weight of exactly 0 contributes exactly 0 to the first sum.
#pragma once

#include <scorefn/options.hpp>

namespace scorefn {

// out[i, :] = onehot(actions[i]) - softmax(logits[i, :]).  `out` may be `logits` itself.
void score(Matrix<const float> logits, IndexVector actions, Matrix<float> out, const Options& options = {});
void score(Matrix<const double> logits, IndexVector actions, Matrix<double> out, const Options& options = {});

// dJ/dlogits, one row a sample.  `out` may be `logits` itself.
void score_gradient(Matrix<const float> logits, IndexVector actions, RealVector weights, Matrix<float> out,
                    const GradientOptions& options = {});
void score_gradient(Matrix<const double> logits, IndexVector actions, RealVector weights, Matrix<double> out,
                    const GradientOptions& options = {});

// dJ/dlogits where row i has the samples i * samples_per_row, ..., (i + 1) * samples_per_row - 1.
void score_gradient(Matrix<const float> logits, std::int64_t samples_per_row, IndexVector actions,
                    RealVector weights, Matrix<float> out, const GradientOptions& options = {});
void score_gradient(Matrix<const double> logits, std::int64_t samples_per_row, IndexVector actions,
                    RealVector weights, Matrix<double> out, const GradientOptions& options = {});

// dJ/dlogits where all samples share one row of logits.
void score_gradient(Vector<const float> logits, IndexVector actions, RealVector weights, Vector<float> out,
                    const GradientOptions& options = {});
void score_gradient(Vector<const double> logits, IndexVector actions, RealVector weights, Vector<double> out,
                    const GradientOptions& options = {});

// dJ/dtable where sample i has the logits table[states[i], :].  The mask is shaped like the table.
void tabular_gradient(Matrix<const float> table, IndexVector states, IndexVector actions, RealVector weights,
                      Matrix<float> out, const GradientOptions& options = {});
void tabular_gradient(Matrix<const double> table, IndexVector states, IndexVector actions, RealVector weights,
                      Matrix<double> out, const GradientOptions& options = {});

// dJ/dcoef where sample i has the logits features[i, :] @ coef.  The mask is (samples, actions).
void linear_gradient(Matrix<const float> features, Matrix<const float> coef, IndexVector actions,
                     RealVector weights, Matrix<float> out, const GradientOptions& options = {});
void linear_gradient(Matrix<const double> features, Matrix<const double> coef, IndexVector actions,
                     RealVector weights, Matrix<double> out, const GradientOptions& options = {});

// The product of the Fisher matrix of a linear policy and a vector that is shaped like coef, times the number of samples:
// out = sum_i x_i (pi_i * (t_i - pi_i . t_i)), with x_i = features[i, :], pi_i = softmax(x_i @ coef) and t_i = x_i @ vector.
void fisher_vector_product(Matrix<const float> features, Matrix<const float> coef, Matrix<const float> vector,
                           Matrix<float> out, const Options& options = {});
void fisher_vector_product(Matrix<const double> features, Matrix<const double> coef,
                           Matrix<const double> vector, Matrix<double> out, const Options& options = {});

// The same with pi_i = probabilities[i, :], which are 0 for forbidden actions. A mask in the options has no effect.
void fisher_product_of_probabilities(Matrix<const float> features, Matrix<const float> probabilities,
                                     Matrix<const float> vector, Matrix<float> out,
                                     const Options& options = {});
void fisher_product_of_probabilities(Matrix<const double> features, Matrix<const double> probabilities,
                                     Matrix<const double> vector, Matrix<double> out,
                                     const Options& options = {});

}  // namespace scorefn
