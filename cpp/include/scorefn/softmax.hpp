#pragma once

#include <scorefn/options.hpp>

namespace scorefn {

// Row by row, for T = float and double. `out` may be `logits` itself, but may not overlap it otherwise.

// out[i, j] = logits[i, j] - log sum_k exp(logits[i, k])
template <class T>
void log_softmax(Matrix<const T> logits, Matrix<T> out, const Options& options = {});

// out[i, j] = exp(logits[i, j]) / sum_k exp(logits[i, k])
template <class T>
void softmax(Matrix<const T> logits, Matrix<T> out, const Options& options = {});

// out[i] = log sum_k exp(logits[i, k])
template <class T>
void logsumexp(Matrix<const T> logits, Vector<T> out, const Options& options = {});

}  // namespace scorefn
