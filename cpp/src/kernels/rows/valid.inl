// Which rows count.
#pragma once

#include <cstring>

#include "kernels/simd/native.inl"
#include "kernels/table.hpp"

namespace scorefn {
namespace {

SCOREFN_INLINE bool is_valid(const ValidRows& rows, std::int64_t r) {
    return !rows.flags || rows.flags[r * rows.stride] != 0;
}
SCOREFN_INLINE std::int64_t count_valid(const ValidRows& rows, std::int64_t first, std::int64_t count) {
    if (!rows.flags) return count;
    std::int64_t n = 0;
    if (rows.stride == 1)
        for (std::int64_t r = first; r < first + count; ++r) n += rows.flags[r] != 0;
    else
        for (std::int64_t r = first; r < first + count; ++r) n += rows.flags[r * rows.stride] != 0;
    return n;
}

// visit(first, count) for each run of rows that do not count, of those from `first` on.
template <class Visit>
SCOREFN_INLINE void for_each_invalid_run(const ValidRows& valid, std::int64_t first, std::int64_t count,
                                         Visit visit) {
    const std::int64_t end = first + count;
    for (std::int64_t last; first < end; first = last + 1) {
        while (first < end && is_valid(valid, first)) ++first;
        for (last = first; last < end && !is_valid(valid, last);) ++last;
        if (last > first) visit(first, last - first);
    }
}
// Sets those that do not count to 0, in rows without gaps.
template <class T>
SCOREFN_NO_INLINE void clear_invalid(const ValidRows& valid, std::int64_t first, std::int64_t count,
                                     std::int64_t cols, T* rows) {
    for_each_invalid_run(valid, first, count, [&](std::int64_t r, std::int64_t n) SCOREFN_INLINE_LAMBDA {
        std::memset(rows + (r - first) * cols, 0, static_cast<std::size_t>(n * cols) * sizeof(T));
    });
}

// The rows of a tile whose values a sum takes.
template <class T>
struct CountedRows {
    static constexpr int size = Lanes<T>::size;
    bool are_a_whole_tile;
    double flags[size];  // 1 or 0, if they are not

    SCOREFN_INLINE CountedRows(const ValidRows& valid, std::int64_t first, int count, bool are_all_valid)
        : are_a_whole_tile(count == size && are_all_valid) {
        if (are_a_whole_tile) return;
        for (int r = 0; r < count; ++r) flags[r] = is_valid(valid, first + r) ? 1.0 : 0.0;
        for (int r = count; r < size; ++r) flags[r] = 0;
    }
};

}  // namespace
}  // namespace scorefn
