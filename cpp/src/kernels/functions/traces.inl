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
    const auto ratios = exp_of_difference(log_ratios, Lanes<double>::splat(0)).lanes[0];
    if (by.kind == TraceFormula::retrace) {
        const auto c = by.lambda * clipped(ratios, by.clip_c);
        return {c, c, one};
    }
    return {leaky(ratios, by.clip_rho, by.alpha), by.lambda * leaky(ratios, by.clip_c, by.alpha),
            clipped(ratios, by.clip_pg_rho)};
}

struct TraceTerms {
    Lanes<double> u, v, delta, weights, share;
    Mask<double> bad;

    SCOREFN_INLINE TraceTerms(const ScanNumbers& x, Lanes<double> valid, const TraceFormula& by) {
        const auto zero = Lanes<double>::splat(0);
        const auto next = select(x.terminated == 0.0, x.next_values, 0.0);
        delta = x.rewards + by.discount * next - x.values;
        const auto is_good = (delta - delta == 0.0) & (x.log_ratios < kInfinity<double>);
        bad = select(is_good, Mask<double>::splat(0), valid != 0.0);
        const TraceWeights by_ratio = trace_weights(delta, x.log_ratios, by);
        const auto goes_on = x.terminated + x.truncated == 0.0;
        u = product(by_ratio.rho, delta);
        v = select(goes_on, by.discount * by_ratio.c, 0.0);
        share = select(goes_on, by.discount * by.share, zero);
        weights = by_ratio.advantages;
    }
};
// From x_t and the x_{t+1} that follows: delta + discount * share * x_{t+1}, to which V-trace gives weights.
struct TraceResults {
    Lanes<double> result, advantages;

    SCOREFN_INLINE TraceResults(Lanes<double> values, Lanes<double> x, Lanes<double> delta,
                                Lanes<double> weights, Lanes<double> share, Lanes<double> following,
                                Lanes<double> valid, const TraceFormula& by) {
        const auto of = [&](Lanes<double> sum) SCOREFN_INLINE_LAMBDA {
            return select(valid == 0.0, 0.0, select(sum == sum, sum, kNaN<double>));
        };
        const auto sum = delta + product(share, following);
        advantages = of(product(weights, sum));
        if (by.kind == TraceFormula::upgo)
            result = advantages;
        else
            result = of(values + (by.kind == TraceFormula::retrace ? sum : x));
    }
};

bool set_traces(StepBuffer& steps, std::int64_t count, const TraceFormula& by) {
    auto bad = Mask<double>::splat(0);
    for_each_vector<double, 1>(count, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        const auto at = [&](const double* x) SCOREFN_INLINE_LAMBDA { return load(x + i, extent, 0.0); };
        const TraceTerms terms({at(steps.rewards), at(steps.values), at(steps.next_values),
                                at(steps.log_ratios), at(steps.terminated), at(steps.truncated)},
                               at(steps.valid), by);
        bad = bad | terms.bad;
        store(terms.u, steps.u + i, extent);
        store(terms.v, steps.v + i, extent);
        store(terms.delta, steps.delta + i, extent);
        store(terms.weights, steps.weights + i, extent);
        store(terms.share, steps.share + i, extent);
    });
    return !any(bad);
}

void set_trace_results(StepBuffer& steps, std::int64_t count, const TraceFormula& by) {
    for_each_vector<double, 1>(count, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        const auto at = [&](const double* x) SCOREFN_INLINE_LAMBDA { return load(x + i, extent, 0.0); };
        const TraceResults results(at(steps.values), at(steps.u), at(steps.delta), at(steps.weights),
                                   at(steps.share), at(steps.following), at(steps.valid), by);
        store(results.result, steps.u + i, extent);
        store(results.advantages, steps.advantages + i, extent);
    });
}

template <class T>
bool scan_trace_row(const StepRow<T>& row, std::int64_t count, const TraceFormula& by, double* x) {
    return scan_row(row, count, x,
                    [by](const ScanNumbers& numbers, Lanes<double> valid, Lanes<double> following)
                        SCOREFN_INLINE_LAMBDA {
        const TraceTerms terms(numbers, valid, by);
        const ScanStep next(terms.u, terms.v, valid, following);
        const TraceResults results(numbers.values, next.result, terms.delta, terms.weights, terms.share,
                                   following, valid, by);
        return RowStep{results.result, results.advantages, next.x, terms.bad};
    });
}

}  // namespace
}  // namespace scorefn
