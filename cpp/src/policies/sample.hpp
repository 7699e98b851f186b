// Draws for rows that a caller knows by other numbers than their places.
#pragma once

#include <scorefn/categorical.hpp>

#include "policies/rows.hpp"

namespace scorefn {

inline RowNumbers from(const RowNumbers& numbers, std::int64_t row) {
    return {numbers.first + row, numbers.each ? numbers.each + row : nullptr};
}

// As `sample`: row i draws what row numbers[i] of a call of that many rows does.
template <class T>
void sample_rows(const Matrix<const T>& logits, const RandomKey& key, const RowNumbers& numbers,
                 const Matrix<std::int64_t>& actions, const Matrix<T>& log_probs, const Vector<T>& entropies,
                 const Options& options);

}  // namespace scorefn
