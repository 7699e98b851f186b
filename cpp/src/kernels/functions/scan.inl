// What a backward scan does with a buffer of steps, lane = step or environment: see scan.hpp.
#pragma once

#include "kernels/rows/inputs.inl"
#include "kernels/simd/nontemporal.inl"
#include "kernels/table.hpp"

namespace scorefn {
namespace {

void load_flags(const unsigned char* x, std::int64_t count, double* to) {
    for (std::int64_t i = 0; i < count; i += 64) __builtin_prefetch(x + i + kBytesAhead);
    for (std::int64_t i = 0; i < count; ++i) to[i] = x[i] != 0 ? 1.0 : 0.0;
}

struct ScanTerms {
    Lanes<double> u, v;
};
// The numbers of steps. Flags are 0 or 1.
struct ScanNumbers {
    Lanes<double> rewards, values, next_values, log_ratios, terminated, truncated;
};

// a b, but 0 if a is
SCOREFN_INLINE Lanes<double> product(Lanes<double> a, Lanes<double> b) {
    return select(a == 0.0, 0.0, a * b);
}

// u = rewards + discount * (next_values if the step was truncated, 0 if it terminated, else their share), v = 0 where an
// episode ends
SCOREFN_INLINE ScanTerms terms_of_returns(const ScanNumbers& x, const ScanFormula& by) {
    const auto inside = product(Lanes<double>::splat(by.share), x.next_values);
    const auto following =
        select(x.terminated == 0.0, select(x.truncated != 0.0, x.next_values, inside), 0.0);
    const auto v = select(x.terminated + x.truncated == 0.0, by.decay, Lanes<double>::splat(0));
    return {x.rewards + by.discount * following, v};
}
// u = rewards + discount * (next_values, but 0 if the step terminated) - values, v = 0 where an episode ends
SCOREFN_INLINE ScanTerms terms_of_advantages(const ScanNumbers& x, const ScanFormula& by) {
    const auto next = select(x.terminated == 0.0, x.next_values, 0.0);
    const auto v = select(x.terminated + x.truncated == 0.0, by.decay, Lanes<double>::splat(0));
    return {x.rewards + by.discount * next - x.values, v};
}
// f(the formula's function)
template <class F>
SCOREFN_INLINE auto with_formula(const ScanFormula& by, F f) {
    if (by.kind == ScanFormula::returns)
        return f([](const ScanNumbers& x, const ScanFormula& by)
                     SCOREFN_INLINE_LAMBDA { return terms_of_returns(x, by); });
    return f([](const ScanNumbers& x, const ScanFormula& by)
                 SCOREFN_INLINE_LAMBDA { return terms_of_advantages(x, by); });
}

bool set_terms(StepBuffer& steps, std::int64_t count, const ScanFormula& by) {
    auto bad = Mask<double>::splat(0);
    with_formula(by, [&](auto terms_of) SCOREFN_INLINE_LAMBDA {
        for_each_vector<double, 1>(count, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
            const auto at = [&](const double* x) SCOREFN_INLINE_LAMBDA { return load(x + i, extent, 0.0); };
            const ScanTerms terms =
                terms_of({at(steps.rewards), at(steps.values), at(steps.next_values), Lanes<double>::splat(0),
                          at(steps.terminated), at(steps.truncated)},
                         by);
            bad = bad | ((terms.u - terms.u != 0.0) & (at(steps.valid) != 0.0));
            store(terms.u, steps.u + i, extent);
            store(terms.v, steps.v + i, extent);
        });
    });
    return !any(bad);
}

// One step of the scan, and 0 times an infinite sum is 0. A step that is not valid hands x on, and its result is 0.
struct ScanStep {
    Lanes<double> result, x;

    SCOREFN_INLINE ScanStep(Lanes<double> u, Lanes<double> v, Lanes<double> valid, Lanes<double> following) {
        const auto sum = u + product(v, following);
        x = select(valid == 0.0, following, sum);
        result = select(valid == 0.0, 0.0, select(sum == sum, sum, kNaN<double>));
    }
};

// The results take the place of u; x is carried on.
void scan_steps(StepBuffer& steps, std::int64_t times, std::int64_t width, double* x) {
    for (std::int64_t t = times - 1; t >= 0; --t) {
        const std::int64_t first = t * width;
        if (width == 1) {  // a chain of operations that wait for one another
            steps.following[t] = *x;
            const double sum = steps.u[t] + (steps.v[t] == 0 ? 0.0 : steps.v[t] * *x);
            *x = steps.valid[t] == 0 ? *x : sum;
            steps.u[t] = steps.valid[t] == 0 ? 0.0 : canonical(sum);
            continue;
        }
        for_each_vector<double, 1>(width, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
            const auto following = load(x + i, extent, 0.0);
            const ScanStep step(load(steps.u + first + i, extent, 0.0),
                                load(steps.v + first + i, extent, 0.0),
                                load(steps.valid + first + i, extent, 0.0), following);
            store(following, steps.following + first + i, extent);
            store(step.result, steps.u + first + i, extent);
            store(step.x, x + i, extent);
        });
    }
}

// Row k of x has the results of k + 1 steps.
void scan_window(StepBuffer& steps, std::int64_t times, std::int64_t width, std::int64_t n, double* x) {
    for (std::int64_t t = times - 1; t >= 0; --t) {
        if (width == 1) {
            if (steps.valid[t] != 0) {
                for (std::int64_t k = n - 1; k > 0; --k)
                    x[k] = steps.v[t] == 0 ? steps.u[t] : steps.rewards[t] + steps.v[t] * x[k - 1];
                x[0] = steps.u[t];
            }
            steps.u[t] = steps.valid[t] == 0 ? 0.0 : canonical(x[n - 1]);
            continue;
        }
        for_each_vector<double, 1>(width, [&](std::int64_t e, auto extent) SCOREFN_INLINE_LAMBDA {
            const std::int64_t i = t * width + e;
            const auto at = [&](const double* from) SCOREFN_INLINE_LAMBDA { return load(from, extent, 0.0); };
            const auto rewards = at(steps.rewards + i), u = at(steps.u + i), v = at(steps.v + i);
            const auto is_valid = at(steps.valid + i) != 0.0;
            double* row = x + (n - 1) * width + e;
            auto old = at(row);
            for (; row >= x + width; row -= width) {
                const auto shorter = at(row - width);
                store(select(is_valid, select(v == 0.0, u, rewards + v * shorter), old), row, extent);
                old = shorter;
            }
            store(select(is_valid, u, old), row, extent);
            const auto result = at(x + (n - 1) * width + e);
            store(select(is_valid, select(result == result, result, kNaN<double>), 0.0), steps.u + i, extent);
        });
    }
}

template <class T>
void load_numbers(const T* x, std::int64_t count, double* to) {
    for_each_vector<double, 1>(count, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        store(load_doubles(x + i, extent), to + i, extent);
    });
}
template <class T>
void store_numbers(const double* x, std::int64_t count, T* to) {
    for_each_vector<double, 1>(count, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        store_doubles(load(x + i, extent, 0.0), to + i, extent);
    });
}

// Results to `out`, from entry `first` on. Reads whole vectors of x.
template <class T>
SCOREFN_NO_INLINE void write_results(const double* x, std::int64_t first, std::int64_t count, T* out,
                                     NonTemporalStore<T>* nontemporal) {
    const auto rounded = [&](std::int64_t i, auto)
                             SCOREFN_INLINE_LAMBDA { return narrow(Widened<T>::load(x + i)); };
    if (nontemporal) return nontemporal->put(first, count, rounded);
    for_each_vector<T, 1>(count, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        store(rounded(i, extent), out + first + i, extent);
    });
}

// What a scan makes of one step: x is handed on. Bad: a valid step has a number that is not.
struct RowStep {
    Lanes<double> result, advantages, x;
    Mask<double> bad;
};

// One time, from the arrays and to them; the flags are in the buffer, if there are any. step(numbers, valid, following) is a
// RowStep. The row and the step come by value, so that no store can change them.
template <bool has_flags, class T, class Step>
SCOREFN_INLINE bool scan_row(StepRow<T> row, std::int64_t count, double* x, Step step) {
    constexpr std::int64_t kAtATime = 64;
    const auto zero = Lanes<double>::splat(0), one = Lanes<double>::splat(1);
    auto bad = Mask<double>::splat(0);
    alignas(64) double results[kAtATime], advantages[kAtATime];
    NonTemporalStore<T> nontemporal(row.out), nontemporal_advantages(row.advantages);
    for (std::int64_t first = 0; first < count; first += kAtATime) {
        const std::int64_t n = count - first < kAtATime ? count - first : kAtATime;
        if (n < kAtATime)  // whole vectors are read
            for (std::int64_t k = 0; k < kAtATime; ++k) results[k] = advantages[k] = 0;
        for_each_vector<double, 1>(n, [&](std::int64_t k, auto extent) SCOREFN_INLINE_LAMBDA {
            const std::int64_t i = first + k;
            const auto at = [&](const typename StepRow<T>::Numbers& numbers) SCOREFN_INLINE_LAMBDA {
                if (!numbers.data) return zero;
                __builtin_prefetch(numbers.fetched + i);
                return load_doubles(numbers.data + i, extent);
            };
            const auto flag = [&](const double* flags)
                                  SCOREFN_INLINE_LAMBDA { return load(flags + i, extent, 0.0); };
            ScanNumbers numbers{at(row.rewards),    at(row.values), at(row.next_values),
                                at(row.log_ratios), zero,           zero};
            if (has_flags)
                numbers.terminated = flag(row.flags->terminated),
                numbers.truncated = flag(row.flags->truncated);
            const auto valid = has_flags ? flag(row.flags->valid) : one;
            const RowStep next = step(numbers, valid, load(x + i, extent, 0.0));
            bad = bad | next.bad;
            store(next.x, x + i, extent);
            store(next.result, results + k, extent);
            if (row.advantages) store(next.advantages, advantages + k, extent);
        });
        write_results(results, first, n, row.out, row.is_nontemporal ? &nontemporal : nullptr);
        if (row.advantages)
            write_results(advantages, first, n, row.advantages,
                          row.is_nontemporal ? &nontemporal_advantages : nullptr);
    }
    nontemporal.finish();
    nontemporal_advantages.finish();
    return !any(bad);
}
template <class T, class Step>
SCOREFN_INLINE bool scan_row(const StepRow<T>& row, std::int64_t count, double* x, Step step) {
    return row.flags ? scan_row<true>(row, count, x, step) : scan_row<false>(row, count, x, step);
}

template <class T>
bool scan_row(const StepRow<T>& row, std::int64_t count, const ScanFormula& by, double* x) {
    return with_formula(by, [&](auto terms_of) SCOREFN_INLINE_LAMBDA {
        return scan_row(row, count, x,
                        [by, terms_of](const ScanNumbers& numbers, Lanes<double> valid,
                                       Lanes<double> following) SCOREFN_INLINE_LAMBDA {
            const ScanTerms terms = terms_of(numbers, by);
            const ScanStep next(terms.u, terms.v, valid, following);
            return RowStep{next.result, next.result, next.x, (terms.u - terms.u != 0.0) & (valid != 0.0)};
        });
    });
}

}  // namespace
}  // namespace scorefn
