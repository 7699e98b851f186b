// A row of many entries is worked through in splits that stay in the nearest cache, and that several threads may share out.
#pragma once

#include "kernels/rows/reduce.inl"

namespace scorefn {
namespace {

template <class T>
struct Split {
    T max, e_max;
    SumsBelowMax sums;
    double sum;       // of the exponentials, if splits_have_sums
    bool is_outside;  // of the safe range
};

template <class T>
SCOREFN_INLINE bool has_splits(std::int64_t cols) {
    return cols > kSplitSize<T>;
}
template <class T>
SCOREFN_INLINE std::int64_t number_of_splits(std::int64_t cols) {
    return (cols + kSplitSize<T> - 1) / kSplitSize<T>;
}

// task(first entry, number of entries) for the ranges of a row of `cols` entries that the team shares out, each several
// whole splits.
template <class T, class Task>
SCOREFN_INLINE void share_out(const Team& team, std::int64_t cols, Task task) {
    constexpr std::int64_t range = 4 * kSplitSize<T>;
    struct Work {
        std::int64_t cols;
        Task* task;
    } work = {cols, &task};
    const std::int64_t count = (cols + range - 1) / range;
    void (*const run)(void*, std::int64_t) = [](void* context, std::int64_t i) {
        const auto [cols, task] = *static_cast<const Work*>(context);
        const std::int64_t first = i * range, left = cols - first;
        (*task)(first, left < range ? left : range);
    };
    if (team.parallel_for) return team.parallel_for(count, team.num_threads, run, &work);
    for (std::int64_t i = 0; i < count; ++i) run(&work, i);
}
// visit(split, its first entry, number of entries)
template <class T, class Visit>
SCOREFN_INLINE void for_each_split(const Team& team, std::int64_t cols, Split<T>* splits, Visit visit) {
    share_out<T>(team, cols, [&](std::int64_t first, std::int64_t n) SCOREFN_INLINE_LAMBDA {
        for (std::int64_t i = first; i < first + n; i += kSplitSize<T>)
            visit(splits[i / kSplitSize<T>], i,
                  first + n - i < kSplitSize<T> ? first + n - i : kSplitSize<T>);
    });
}

// The sum of the splits' sums, with one of them as if it were another.
template <class T>
SCOREFN_NO_INLINE double merge_sums(const Split<T>* splits, std::int64_t count, std::int64_t changed = -1,
                                    double instead = 0) {
    Compensated<double> sum;
    for (std::int64_t p = 0; p < count; ++p) sum.add(p == changed ? instead : splits[p].sum);
    return sum.total();
}

// MaxAndRest of one row.
template <class T>
struct MaxAndRestOfRow {
    T max, e_max;
    double rest, differences;
};
template <bool Differences, class T>
SCOREFN_NO_INLINE MaxAndRestOfRow<T> merge_max_and_rest(const Split<T>* splits, std::int64_t count) {
    T max = -kInfinity<T>, e_max = T(0);
    for (std::int64_t p = 0; p < count; ++p)
        if (max < splits[p].max) max = splits[p].max, e_max = splits[p].e_max;
    SumsBelowMax all = {};
    Compensated<double> below, differences;
    for (std::int64_t p = 0; p < count; ++p) {
        const SumsBelowMax& sums = splits[p].sums;
        const double total = sums.below + sums.num_largest * static_cast<double>(splits[p].e_max);
        if (splits[p].e_max == e_max) {
            all.num_largest += sums.num_largest;
            below.add(sums.below);
        } else {
            below.add(total);
        }
        if (!Differences || total == 0) continue;
        // z - max = (z - max of the split) + (max of the split - max)
        const double shift = static_cast<double>(splits[p].max) - static_cast<double>(max);
        differences.add(sums.differences);
        differences.add(total * (shift < kLowestDifference<T> ? kLowestDifference<T> : shift));
    }
    all.below = below.total();
    return {max, e_max, all.rest(static_cast<double>(e_max)), differences.total()};
}

}  // namespace
}  // namespace scorefn
