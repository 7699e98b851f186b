// The statistics of a gradient: what its two ways, by samples and by states, have in common.
#pragma once

#include <algorithm>
#include <cmath>
#include <scorefn/options.hpp>
#include <vector>

#include "check.hpp"
#include "runtime/parallel.hpp"

namespace scorefn {

// Sums over samples: of the entropies, and of the squared norms in units of the scale.
constexpr int kStatistics = 2;

// Squares are taken of numbers times a power of 2 that brings the largest weight near 1: those of very large or very small
// weights do not exist.
inline StatisticsScale statistics_scale(const RealVector& weights, const ValidRows& valid,
                                        double entropy_coef, int num_threads) {
    constexpr std::int64_t kAtATime = 2048;
    const std::int64_t tasks = (weights.size + kAtATime - 1) / kAtATime;
    std::vector<double> largest(static_cast<std::size_t>(tasks) + 1, std::fabs(entropy_coef));
    parallel_for(tasks, num_threads, [&](std::int64_t i) {
        double values[kAtATime];
        const std::int64_t first = i * kAtATime, count = std::min(kAtATime, weights.size - first);
        load(weights, first, count, values);
        for (std::int64_t k = 0; valid.flags && k < count; ++k)
            if (!is_valid(valid, first + k)) values[k] = 0;
        SampleMoments of;
        kernels().sample_moments(values, count, 0.0, 1.0, of);
        largest[static_cast<std::size_t>(i)] = std::max(-of.least, of.greatest);
    });
    const double most = *std::max_element(largest.begin(), largest.end());
    const int exponent = most > 0 && std::isfinite(most) ? std::clamp(std::ilogb(most), -1000, 1000) : 0;
    return {std::ldexp(1.0, -exponent), entropy_coef};
}

inline GradientStatistics to_statistics(const double* totals, const StatisticsScale& by) {
    return {totals[0], std::sqrt(totals[1] < 0 ? 0.0 : totals[1]) / by.scale};
}

[[noreturn]] inline void throw_impossible_action(const IndexVector& actions, std::int64_t sample) {
    std::int64_t action = 0;
    kernels().load_indices(actions, sample, 1, 0, &action);
    throw BadValue({"actions", sample,
                    " = " + std::to_string(action) + " has probability 0: its logit is -inf or masked"});
}

}  // namespace scorefn
