// Moments of a few numbers that stay in the nearest cache, in two passes: see moments.cpp.
#pragma once

#include "kernels/simd/vectors.inl"
#include "kernels/table.hpp"

namespace scorefn {
namespace {

SCOREFN_INLINE Lanes<double> keep(Lanes<double> x, Full<1>) { return x; }
// 0 beyond the tail.
SCOREFN_INLINE Lanes<double> keep(Lanes<double> x, Tail tail) {
    double lanes[Lanes<double>::size];
    x.store(lanes);
    return load(static_cast<const double*>(lanes), tail, 0.0);
}

void sample_moments(const double* x, std::int64_t count, double pivot, double scale, SampleMoments& to) {
    const double shift = scale * pivot;
    auto sum = Lanes<double>::splat(0), squares = sum;
    auto greatest = Lanes<double>::splat(pivot), least = greatest;
    // Lanes beyond the end are the pivot, whose difference is 0.
    for_each_vector<double, 1>(count, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        const auto value = load(x + i, extent, pivot);
        sum = sum + (scale * value - shift);
        greatest = max(greatest, value);
        least = select(value < least, value, least);
    });
    const double mean = fold_sum(sum) / static_cast<double>(count);
    for_each_vector<double, 1>(count, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        const auto deviation = scale * load(x + i, extent, pivot) - shift - mean;
        squares = squares + keep(deviation * deviation, extent);
    });
    to = {static_cast<double>(count), mean, fold_sum(squares), -fold_max(-1.0 * least), fold_max(greatest)};
}

}  // namespace
}  // namespace scorefn
