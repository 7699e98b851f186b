#pragma once

#include <scorefn/options.hpp>

namespace scorefn {

// Row by row. `out` may be `logits` itself, but may not overlap it otherwise.

// out[i, j] = logits[i, j] - log sum_k exp(logits[i, k])
void log_softmax(Matrix<const float> logits, Matrix<float> out, const Options& options = {});
void log_softmax(Matrix<const double> logits, Matrix<double> out, const Options& options = {});

// out[i, j] = exp(logits[i, j]) / sum_k exp(logits[i, k])
void softmax(Matrix<const float> logits, Matrix<float> out, const Options& options = {});
void softmax(Matrix<const double> logits, Matrix<double> out, const Options& options = {});

// out[i] = log sum_k exp(logits[i, k])
void logsumexp(Matrix<const float> logits, Vector<float> out, const Options& options = {});
void logsumexp(Matrix<const double> logits, Vector<double> out, const Options& options = {});

}  // namespace scorefn
