// What a backward scan does with a tile of steps, lane = step or environment: see scan.hpp.

void load_flags(const unsigned char* x, std::int64_t count, double* to) {
    for (std::int64_t i = 0; i < count; i += 64) __builtin_prefetch(x + i + kBytesAhead);
    for (std::int64_t i = 0; i < count; ++i) to[i] = x[i] != 0 ? 1.0 : 0.0;
}

// u = rewards + discount * (next_values if the step was truncated, but 0 if it terminated), v = 0 where an episode ends
void discounted_returns(StepTile& steps, std::int64_t count, double discount) {
    for_each_vector<double, 1>(count, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        const auto ends = load(steps.terminated + i, extent, 0.0),
                   is_cut = load(steps.truncated + i, extent, 0.0);
        const auto next = load(steps.next_values + i, extent, 0.0);
        const auto following = select((ends == 0.0) & (is_cut != 0.0), next, 0.0);
        store(load(steps.rewards + i, extent, 0.0) + discount * following, steps.u + i, extent);
        store(select(ends + is_cut == 0.0, discount, Lanes<double>::splat(0)), steps.v + i, extent);
    });
}

// u = rewards + discount * (next_values, but 0 if the step terminated) - values, v = 0 where an episode ends
void generalized_advantages(StepTile& steps, std::int64_t count, double discount, double decay) {
    for_each_vector<double, 1>(count, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        const auto ends = load(steps.terminated + i, extent, 0.0),
                   is_cut = load(steps.truncated + i, extent, 0.0);
        const auto next = select(ends == 0.0, load(steps.next_values + i, extent, 0.0), 0.0);
        const auto delta = load(steps.rewards + i, extent, 0.0) + discount * next;
        store(delta - load(steps.values + i, extent, 0.0), steps.u + i, extent);
        store(select(ends + is_cut == 0.0, decay, Lanes<double>::splat(0)), steps.v + i, extent);
    });
}

// One step of the scan, and 0 times an infinite sum is 0. A step that is not valid hands x on, and its result is 0.
struct ScanStep {
    Lanes<double> result, x;

    SCOREFN_INLINE ScanStep(Lanes<double> u, Lanes<double> v, Lanes<double> valid, Lanes<double> following) {
        const auto sum = u + select(v == 0.0, 0.0, v * following);
        x = select(valid == 0.0, following, sum);
        result = select(valid == 0.0, 0.0, select(sum == sum, sum, kNaN<double>));
    }
};

// The results take the place of u; x is carried on. Whether u is finite at every valid step.
bool scan_steps(StepTile& steps, std::int64_t times, std::int64_t width, double* x) {
    auto bad = Mask<double>::splat(0);
    for_each_vector<double, 1>(times * width, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        const auto u = load(steps.u + i, extent, 0.0);
        bad = bad | ((u - u != 0.0) & (load(steps.valid + i, extent, 0.0) != 0.0));
    });
    for (std::int64_t t = times - 1; t >= 0; --t) {
        const std::int64_t first = t * width;
        if (width == 1) {  // a chain of operations that wait for one another
            const double sum = steps.u[t] + (steps.v[t] == 0 ? 0.0 : steps.v[t] * *x);
            *x = steps.valid[t] == 0 ? *x : sum;
            steps.u[t] = steps.valid[t] == 0 ? 0.0 : canonical(sum);
            continue;
        }
        for_each_vector<double, 1>(width, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
            const ScanStep step(load(steps.u + first + i, extent, 0.0),
                                load(steps.v + first + i, extent, 0.0),
                                load(steps.valid + first + i, extent, 0.0), load(x + i, extent, 0.0));
            store(step.result, steps.u + first + i, extent);
            store(step.x, x + i, extent);
        });
    }
    return !any(bad);
}

template <class T>
void load_numbers(const T* x, std::int64_t count, double* to) {
    for_each_vector<double, 1>(count, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        __builtin_prefetch(reinterpret_cast<const char*>(x + i) + kBytesAhead);
        store(load_doubles(x + i, extent), to + i, extent);
    });
}
template <class T>
void store_numbers(const double* x, std::int64_t count, T* to, bool is_streamed) {
    if (is_streamed) {
        Stream<T> stream(to);
        stream.put(0, count, [&](std::int64_t i, auto) SCOREFN_INLINE_LAMBDA {
            return narrow(Doubles<T>::load(x + i));
        });
        return stream.finish();
    }
    for_each_vector<double, 1>(count, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        store_doubles(load(x + i, extent, 0.0), to + i, extent);
    });
}
