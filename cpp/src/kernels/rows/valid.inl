// Which rows count.
#pragma once

#include "kernels/simd/isa.inl"
#include "kernels/table.hpp"

namespace scorefn {
namespace {

SCOREFN_INLINE bool is_valid(const ValidRows& rows, std::int64_t r) {
    return !rows.flags || rows.flags[r * rows.stride] != 0;
}
SCOREFN_INLINE bool are_valid(const ValidRows& rows, std::int64_t first, std::int64_t count) {
    bool all = true;
    for (std::int64_t r = first; rows.flags && r < first + count; ++r)
        all &= rows.flags[r * rows.stride] != 0;
    return all;
}

// The rows of a tile whose values a sum takes.
struct CountedRows {
    std::int64_t first;
    int count;
    ValidRows valid;
};

}  // namespace
}  // namespace scorefn
