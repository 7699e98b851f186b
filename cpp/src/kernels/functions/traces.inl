// Off-policy corrections, which cut traces: a scan of the steps' errors
//     delta = rewards + discount * (next_values, but 0 if the step terminated) - values
// with u = rho delta and v = discount * c, where v = 0 if an episode ends.
#pragma once

#include "kernels/functions/scan.inl"
#include "kernels/math/exp_difference.inl"

namespace scorefn {
namespace {

struct TraceWeights {
    Lanes<double> rho, c, advantages;
};

SCOREFN_INLINE Lanes<double> clipped(Lanes<double> ratios, double most) {
    return select(ratios < most, ratios, most);
}
SCOREFN_INLINE Lanes<double> leaky(Lanes<double> ratios, double most, double alpha) {
    const auto low = clipped(ratios, most);
    return alpha == 1 ? low : alpha * low + (1 - alpha) * ratios;
}
SCOREFN_INLINE TraceWeights trace_weights(Lanes<double> delta, Lanes<double> log_ratios,
                                          const TraceFormula& by) {
    const auto one = Lanes<double>::splat(1);
    if (by.kind == TraceFormula::upgo) {
        const auto follows = select(delta < 0.0, 0.0, one);
        return {follows, follows, one};
    }
    const auto ratios = exp_of(log_ratios);
    if (by.kind == TraceFormula::retrace) {
        const auto c = by.lambda * clipped(ratios, by.clip_c);
        return {c, c, one};
    }
    return {leaky(ratios, by.clip_rho, by.alpha), by.lambda * leaky(ratios, by.clip_c, by.alpha),
            clipped(ratios, by.clip_pg_rho)};
}

bool set_traces(StepBuffer& steps, std::int64_t count, const TraceFormula& by) {
    auto bad = Mask<double>::splat(0);
    for_each_vector<double, 1>(count, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        const auto at = [&](const double* x) SCOREFN_INLINE_LAMBDA { return load(x + i, extent, 0.0); };
        const auto terminated = at(steps.terminated), log_ratios = at(steps.log_ratios);
        const auto next = select(terminated == 0.0, at(steps.next_values), 0.0);
        const auto delta = at(steps.rewards) + by.discount * next - at(steps.values);
        const auto is_good = (delta - delta == 0.0) & (log_ratios < kInfinity<double>);
        bad = bad | select(is_good, Mask<double>::splat(0), at(steps.valid) != 0.0);
        const TraceWeights weights = trace_weights(delta, log_ratios, by);
        store(product(weights.rho, delta), steps.u + i, extent);
        store(select(terminated + at(steps.truncated) == 0.0, by.discount * weights.c, 0.0), steps.v + i,
              extent);
        store(delta, steps.delta + i, extent);
        store(weights.advantages, steps.weights + i, extent);
    });
    return !any(bad);
}

// From u = x_t and the x_{t+1} that follows: delta + discount * share * x_{t+1}, to which V-trace gives weights.
void set_trace_results(StepBuffer& steps, std::int64_t count, const TraceFormula& by) {
    for_each_vector<double, 1>(count, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        const auto at = [&](const double* x) SCOREFN_INLINE_LAMBDA { return load(x + i, extent, 0.0); };
        const auto set = [&](double* to, Lanes<double> x) SCOREFN_INLINE_LAMBDA {
            store(select(at(steps.valid) == 0.0, 0.0, select(x == x, x, kNaN<double>)), to + i, extent);
        };
        const auto v = select(at(steps.terminated) + at(steps.truncated) == 0.0, by.discount * by.share,
                              Lanes<double>::splat(0));
        const auto sum = at(steps.delta) + product(v, at(steps.following));
        if (by.kind == TraceFormula::upgo) return set(steps.u, sum);
        if (by.kind == TraceFormula::retrace) return set(steps.u, at(steps.values) + sum);
        set(steps.u, at(steps.values) + at(steps.u));
        set(steps.advantages, product(at(steps.weights), sum));
    });
}

}  // namespace
}  // namespace scorefn
