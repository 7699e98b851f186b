// Where rows of different lengths begin and end.
#pragma once

#include <scorefn/ragged.hpp>

#include "policies/rows.hpp"

namespace scorefn {

// The offsets of a call. They are read once, as another thread may be changing them.
class RowOffsets {
public:
    RowOffsets(const IndexVector& offsets, std::int64_t num_values);

    std::int64_t rows() const { return rows_; }
    const std::int64_t* data() const { return at_.data(); }
    std::int64_t begin(std::int64_t row) const { return at_[row]; }
    std::int64_t length(std::int64_t row) const { return at_[row + 1] - at_[row]; }
    std::int64_t longest() const { return longest_; }
    bool are_of_one_length() const { return shortest_ == longest_; }
    // The first row that begins with this value or a later one.
    std::int64_t first_row_from(std::int64_t value) const {
        return std::lower_bound(at_.data(), at_.data() + rows_, value) - at_.data();
    }

private:
    std::int64_t rows_;
    Array<std::int64_t> at_;
    std::int64_t shortest_, longest_;
};

}  // namespace scorefn
