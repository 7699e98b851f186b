// How a table takes the weights of its samples. Samples that share a row of logits share its softmax: their weights are
// summed for each (state, action) first, and each visited row is then worked on once. Cost: samples + states * actions.
//
// `Samples` has their SampleIndices, and for_each(first, end, visit(state, action, weight)), which is called once for each
// range and is false if an index is out of range. Where `may_have_statistics`, a call can ask for them.
#pragma once

#include <algorithm>
#include <atomic>
#include <limits>
#include <utility>

#include "policies/rows.hpp"
#include "policies/samples.hpp"
#include "policies/statistics.hpp"
#include "runtime/memory.hpp"

namespace scorefn {

constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t divisor) { return (n + divisor - 1) / divisor; }
constexpr int log2(std::int64_t power_of_2) { return power_of_2 == 1 ? 0 : 1 + log2(power_of_2 / 2); }

// Where the sums of a range of states lie: those of the weights, (states, actions), then the visits of each state. Which
// states are visited is known tile by tile, as many as the kernel takes at a time. A sample of
// weight 0 contributes nothing, and so is no visit, unless there is an entropy to count. For statistics, each sum of weights
// is followed by that of their squares, and each number of visits by the number of all samples: a sample then adds a pair
// to one cache line.
struct SumPlaces {
    const std::int64_t tile_rows, cols, tiles, width;  // tile_rows is a power of 2
    const int log2_tile_rows = log2(tile_rows);

    SumPlaces(std::int64_t tile_rows, std::int64_t cols, std::int64_t states, bool has_statistics)
        : tile_rows(tile_rows),
          cols(cols),
          tiles(ceil_div(states, tile_rows)),
          width(has_statistics ? 2 : 1) {}

    std::int64_t states() const { return tiles * tile_rows; }
    std::int64_t size() const { return states() * (cols + 1) * width; }
    std::int64_t tile_of(std::int64_t state) const { return state >> log2_tile_rows; }
    std::int64_t weight(std::int64_t state, std::int64_t action) const {
        return (state * cols + action) * width;
    }
    std::int64_t visits(std::int64_t state) const { return (states() * cols + state) * width; }
};

template <class T, class Samples>
class TabularGradient {
public:
    const char* const name;  // of the table
    const Matrix<const T>& table;
    const Samples& samples;
    const Matrix<T>& out;
    const GradientOptions& options;
    const StatisticsScale scale;
    const std::int64_t tile_rows = scorefn::tile_rows<T>(table.cols);

    TabularGradient(const char* name, const Matrix<const T>& table, const Samples& samples,
                    const Matrix<T>& out, const GradientOptions& options, const StatisticsScale& scale = {})
        : name(name), table(table), samples(samples), out(out), options(options), scale(scale) {}

    bool has_statistics() const { return Samples::may_have_statistics && options.statistics; }
    SumPlaces places(std::int64_t states) const { return {tile_rows, table.cols, states, has_statistics()}; }

    // f(what adds a sample to the sums): with or without statistics, which is not asked for each sample.
    template <class F>
    auto with_adder(const SumPlaces& places, double* sums, F f) const {
        const std::int64_t cols = places.cols;
        double* const visits = sums + places.visits(0);
        // Added without a branch: which samples PPO clips, a CPU cannot guess.
        const int all_are_visits = options.entropy_coef != 0;
        if constexpr (Samples::may_have_statistics)
            if (has_statistics()) {
                const double unit = scale.scale;
                return f([=](std::int64_t state, std::int64_t action, double weight) {
                    const double scaled = weight * unit;
                    double* const weights = sums + (state * cols + action) * 2;
                    weights[0] += weight;
                    weights[1] += scaled * scaled;
                    visits[2 * state] += (weight != 0) | all_are_visits;
                    visits[2 * state + 1] += 1.0;
                });
            }
        return f([=](std::int64_t state, std::int64_t action, double weight) {
            sums[state * cols + action] += weight;
            visits[state] += (weight != 0) | all_are_visits;
        });
    }

    bool is_visit(double weight) const { return weight != 0 || options.entropy_coef != 0; }

    // The gradient of the tiles begin .. end - 1 of places whose first state is `origin`. The sums of a tile are there
    // if is_visited(tile); else its gradient is 0, which costs no look at the table.
    template <class IsVisited>
    void write(std::int64_t origin, std::int64_t begin, std::int64_t end, const SumPlaces& places,
               const double* sums, IsVisited is_visited, double* statistics, void* scratch) {
        const std::int64_t most =
            has_statistics() ? std::max<std::int64_t>(1, kApart / (tile_rows * table.cols)) : end;
        const Array<double> apart(has_statistics() ? 2 * most * tile_rows * (table.cols + 1) : 0);
        for (std::int64_t last; begin < end; begin = last) {
            const bool visited = is_visited(begin);
            for (last = begin + 1; last < end && last - begin < most && is_visited(last) == visited; ++last) {
            }
            const std::int64_t state = begin * tile_rows, first = origin + state;
            const std::int64_t count = std::min((last - begin) * tile_rows, table.rows - first);
            const double *weights = sums + places.weight(state, 0), *visits = sums + places.visits(state);
            if (visited && has_statistics()) {
                const double* const squares = take_apart(weights, count * table.cols, apart.data());
                double* const rest = apart.data() + 2 * count * table.cols;
                const double* const num_samples = take_apart(visits, count, rest);
                run_kernel(first, count, apart.data(), rest, scratch);
                add_statistics(first, count, apart.data(), squares, num_samples, statistics, scratch);
            } else if (visited)
                run_kernel(first, count, weights, visits, scratch);
            else if (!options.accumulate)
                fill_zeros(first, count);
        }
    }

    // From those of `count` tasks.
    void set_statistics(const Zeros<double>& of_tasks, std::int64_t count) const {
        if (!has_statistics() || !all_possible_) return;
        double totals[kStatistics] = {};
        for (std::int64_t i = 0; i < count * kStatistics; ++i) totals[i % kStatistics] += of_tasks[i];
        *options.statistics = to_statistics(totals, scale);
    }

    void require_action(std::int64_t state) {
        if (!has_allowed_action(table, options.where, state)) lower(first_bad_, state);
    }
    void throw_if_bad() const {
        if (first_bad_ < table.rows) throw_no_allowed_action(name, first_bad_);
    }
    // Whether no sample with a weight had an action of probability 0, which is known where there are statistics.
    bool all_possible() const { return all_possible_; }

private:
    static constexpr std::int64_t kApart = 1 << 11;

    // The first halves of pairs to `to`, and the second halves behind them, whose place it returns.
    static const double* take_apart(const double* pairs, std::int64_t count, double* to) {
        for (std::int64_t i = 0; i < count; ++i) to[i] = pairs[2 * i], to[count + i] = pairs[2 * i + 1];
        return to + count;
    }
    void add_statistics(std::int64_t first, std::int64_t count, const double* weights, const double* squares,
                        const double* num_samples, double* statistics, void* scratch) {
        bool all_possible = true;
        const std::int64_t bad = kernels().of<T>().state_statistics(
            logit_rows(table, options.where, first, count), weights, squares, num_samples, scale, statistics,
            &all_possible, scratch);
        if (bad >= 0) lower(first_bad_, first + bad);
        if (!all_possible) all_possible_ = false;
    }
    void run_kernel(std::int64_t first, std::int64_t count, const double* weights, const double* visits,
                    void* scratch) {
        const std::int64_t bad = kernels().of<T>().state_gradient(
            logit_rows(table, options.where, first, count), weights, visits, options.entropy_coef,
            out_rows(out, first), options.accumulate, scratch);
        if (bad >= 0) lower(first_bad_, first + bad);
    }
    void fill_zeros(std::int64_t first, std::int64_t count) {
        if (out.col_stride == 1 && out.row_stride == out.cols) {
            std::fill_n(&out(first, 0), count * out.cols, T(0));
            return;
        }
        for (std::int64_t i = first; i < first + count; ++i)
            for (std::int64_t j = 0; j < out.cols; ++j) out(i, j) = 0;
    }

    std::atomic<std::int64_t> first_bad_{table.rows};
    std::atomic<bool> all_possible_{true};
};

// A small table: each chunk of the samples has sums of its own for the whole table, merged in a fixed tree. A chunk has
// no fewer samples than it has sums, so they take no more memory than the samples.
template <class T, class Samples>
void sum_over_chunks(TabularGradient<T, Samples>& gradient) {
    const Samples& samples = gradient.samples;
    const int num_threads = gradient.options.num_threads;
    const SumPlaces places = gradient.places(gradient.table.rows);
    const std::int64_t per_chunk = std::max(tuning::kSmallestTableChunk, places.size() / places.width);
    const std::int64_t chunks = std::max<std::int64_t>(1, ceil_div(samples.indices.size, per_chunk));
    const std::int64_t num_sums = places.size();
    const Zeros<double> sums(chunks * num_sums);
    std::atomic<bool> good{true};
    parallel_for(chunks, num_threads, [&](std::int64_t chunk) {
        const auto add_all = [&](auto add) {
            return samples.for_each(chunk * per_chunk, (chunk + 1) * per_chunk, add);
        };
        if (!gradient.with_adder(places, sums.data() + chunk * num_sums, add_all)) good = false;
    });
    if (!good) samples.indices.throw_out_of_range(num_threads);
    merge_tree(sums.data(), chunks, num_sums, num_threads);

    // Without statistics the numbers of visits, with them those of the samples, too.
    const auto is_visited = [&](std::int64_t first, std::int64_t count) {
        const double* const begin = sums.data() + places.visits(first);
        return std::any_of(begin, begin + count * places.width, [](double n) { return n != 0; });
    };
    if (!gradient.options.may_write_on_error) {
        for (std::int64_t state = 0; state < gradient.table.rows; ++state)
            if (is_visited(state, 1)) gradient.require_action(state);
        gradient.throw_if_bad();
    }
    const Uninterruptible to_the_end(gradient.options.accumulate);
    const std::int64_t tiles = tuning::kStatesPerTask / gradient.tile_rows,
                       tasks = ceil_div(places.tiles, tiles);
    const Zeros<double> statistics(tasks * kStatistics);
    parallel_for(tasks, num_threads, [&](std::int64_t i) {
        gradient.write(0, i * tiles, std::min(places.tiles, (i + 1) * tiles), places, sums.data(),
                       [&](std::int64_t tile) {
            return is_visited(tile * places.tile_rows, places.tile_rows);
        }, statistics.data() + i * kStatistics, thread_scratch(scratch_bytes(places.cols)));
    }, scratch_bytes(places.cols));
    gradient.throw_if_bad();
    gradient.set_statistics(statistics, tasks);
}

// A large table is cut into ranges of states, buckets, whose sums fit a cache. Each chunk of the samples is sorted by
// bucket, in one pass over them; then each bucket takes its samples from the chunks, in their order.
class Buckets {
public:
    struct Sample {
        std::uint32_t state, action;  // the state counts from the first of the bucket
        double weight;
    };
    const std::int64_t count, chunks;

    // Of 2^log2_states states each.
    template <class Samples>
    Buckets(const Samples& samples, std::int64_t num_states, int log2_states, int num_threads)
        : count(ceil_div(num_states, std::int64_t{1} << log2_states)),
          chunks(ceil_div(samples.indices.size, kChunk)),
          log2_states_(log2_states),
          sorted_(samples.indices.size),
          ends_(chunks * (count + 1)) {
        std::atomic<bool> good{true};
        parallel_for(chunks, num_threads, [&](std::int64_t chunk) {
            if (!sort(samples, chunk)) good = false;
        });
        if (!good) samples.indices.throw_out_of_range(num_threads);
    }

    template <class Visit>
    void for_each(std::int64_t bucket, Visit visit) const {
        for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
            const Sample* const sorted = sorted_.data() + chunk * kChunk;
            const std::int32_t* const end = ends_.data() + chunk * (count + 1) + bucket;
            for (std::int32_t i = end[0]; i < end[1]; ++i) visit(sorted[i]);
        }
    }

private:
    static constexpr std::int64_t kChunk = tuning::kSmallestTableChunk;

    template <class Samples>
    bool sort(const Samples& samples, std::int64_t chunk) {
        auto* const loaded =
            static_cast<Sample*>(thread_scratch(kChunk * (sizeof(Sample) + sizeof(std::int32_t))));
        auto* const bucket_of = reinterpret_cast<std::int32_t*>(loaded + kChunk);
        std::int32_t* const end = ends_.data() + chunk * (count + 1);
        std::int64_t size = 0;
        if (!samples.for_each(chunk * kChunk, (chunk + 1) * kChunk,
                              [&](std::int64_t state, std::int64_t action, double weight) {
            const std::int64_t bucket = state >> log2_states_;
            loaded[size] = {static_cast<std::uint32_t>(state - (bucket << log2_states_)),
                            static_cast<std::uint32_t>(action), weight};
            bucket_of[size++] = static_cast<std::int32_t>(bucket);
            ++end[bucket + 1];
        }))
            return false;
        std::int32_t begin =
            0;  // end[b + 1] is made the begin of bucket b, which placing its samples moves to its end
        for (std::int64_t b = 0; b < count; ++b) begin += std::exchange(end[b + 1], begin);
        Sample* const sorted = sorted_.data() + chunk * kChunk;
        for (std::int64_t i = 0; i < size; ++i) sorted[end[bucket_of[i] + 1]++] = loaded[i];
        return true;
    }

    const int log2_states_;
    Array<Sample> sorted_;      // within each chunk
    Zeros<std::int32_t> ends_;  // of each chunk: 0, then where each bucket ends
};

template <class T, class Samples>
void sum_over_buckets(TabularGradient<T, Samples>& gradient, int log2_states) {
    const int num_threads = gradient.options.num_threads;
    const std::int64_t states = std::int64_t{1} << log2_states, cols = gradient.table.cols;
    const Buckets buckets(gradient.samples, gradient.table.rows, log2_states, num_threads);
    if (!gradient.options.may_write_on_error) {
        parallel_for(buckets.count, num_threads, [&](std::int64_t bucket) {
            buckets.for_each(bucket, [&](const Buckets::Sample& s) {
                if (gradient.is_visit(s.weight)) gradient.require_action(bucket * states + s.state);
            });
        });
        gradient.throw_if_bad();
    }
    const Uninterruptible to_the_end(gradient.options.accumulate);
    const SumPlaces largest = gradient.places(states);
    const std::int64_t bytes =
        scratch_bytes(cols) + largest.size() * std::int64_t{sizeof(double)} + largest.tiles;
    const Zeros<double> statistics(buckets.count * kStatistics);
    parallel_for(buckets.count, num_threads, [&](std::int64_t bucket) {
        const std::int64_t first = bucket * states;
        const SumPlaces places = gradient.places(std::min(states, gradient.table.rows - first));
        auto* const scratch = static_cast<double*>(thread_scratch(bytes));
        double* const sums = scratch + scratch_bytes(cols) / std::int64_t{sizeof(double)};
        bool* const is_visited = reinterpret_cast<bool*>(sums + places.size());
        std::fill_n(is_visited, places.tiles, false);
        const auto clear_tile = [&](std::int64_t tile) {
            is_visited[tile] = true;
            const std::int64_t row = tile * gradient.tile_rows;
            std::fill_n(sums + places.weight(row, 0), gradient.tile_rows * cols * places.width, 0.0);
            std::fill_n(sums + places.visits(row), gradient.tile_rows * places.width, 0.0);
        };
        gradient.with_adder(places, sums, [&](auto add) {
            buckets.for_each(bucket, [&](const Buckets::Sample& s) {
                const std::int64_t tile = places.tile_of(s.state);
                if (!is_visited[tile]) clear_tile(tile);
                add(s.state, s.action, s.weight);
            });
        });
        gradient.write(first, 0, places.tiles, places, sums, [&](std::int64_t tile) {
            return is_visited[tile];
        }, statistics.data() + bucket * kStatistics, scratch);
    }, bytes);
    gradient.throw_if_bad();
    gradient.set_statistics(statistics, buckets.count);
}

// Which way depends on the shapes alone, so the bits do not depend on the number of threads.
template <class T, class Samples>
void sum_over_samples(TabularGradient<T, Samples>& gradient) {
    using namespace tuning;
    const std::int64_t states = gradient.table.rows, actions = gradient.table.cols;
    int log2_states = 4;
    while ((std::int64_t{2} << log2_states) * (actions + 1) <= kBucket) ++log2_states;
    while (states >> log2_states > kMostBuckets) ++log2_states;
    if (states * actions <= kSmallTable || states >> log2_states < kFewestBuckets)
        sum_over_chunks(gradient);
    else
        sum_over_buckets(gradient, log2_states);
}

}  // namespace scorefn
