// Samples that share a row of logits share its softmax: their weights are summed for each (state, action) first, and each
// visited row is then worked on once. Cost: samples + states * actions.

#include <algorithm>
#include <atomic>
#include <scorefn/gradient.hpp>
#include <utility>

#include "runtime/memory.hpp"
#include "policies/rows.hpp"
#include "policies/statistics.hpp"

namespace scorefn {
namespace {

constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t divisor) { return (n + divisor - 1) / divisor; }
constexpr int log2(std::int64_t power_of_2) { return power_of_2 == 1 ? 0 : 1 + log2(power_of_2 / 2); }

// The samples, loaded a few at a time.
class Samples {
public:
    const std::int64_t size;

    // `states` null: sample i is of state i / samples_per_state.
    Samples(const IndexVector* states, std::int64_t samples_per_state, const IndexVector& actions,
            const RealVector& weights, std::int64_t num_states, std::int64_t num_actions)
        : size(actions.size),
          states_(states),
          samples_per_state_(samples_per_state),
          actions_(actions),
          weights_(weights),
          num_states_(num_states),
          num_actions_(num_actions) {}

    // visit(state, action, weight) for those of first .. end - 1 that there are; false, and no more visits, if one is
    // out of range.
    template <class Visit>
    bool for_each(std::int64_t first, std::int64_t end, Visit visit) const {
        constexpr std::int64_t kAtATime = 256;
        std::int64_t state_buffer[kAtATime], action_buffer[kAtATime];
        double weight[kAtATime];
        const auto num_states = static_cast<std::uint64_t>(num_states_);
        const auto num_actions = static_cast<std::uint64_t>(num_actions_);
        for (end = std::min(end, size); first < end; first += kAtATime) {
            const std::int64_t count = std::min(kAtATime, end - first);
            const volatile std::int64_t* const states = states_
                                                            ? integers(*states_, first, count, state_buffer)
                                                            : counted(first, count, state_buffer);
            const volatile std::int64_t* const actions = integers(actions_, first, count, action_buffer);
            load(weights_, first, count, weight);
            for (std::int64_t i = 0; i < count; ++i) {
                const std::int64_t state = states[i],
                                   action = actions[i];  // loaded once, then tested and used
                if (static_cast<std::uint64_t>(state) >= num_states ||
                    static_cast<std::uint64_t>(action) >= num_actions)
                    return false;
                visit(state, action, weight[i]);
            }
        }
        return true;
    }

    [[noreturn]] void throw_impossible(std::int64_t i) const { throw_impossible_action(actions_, i); }
    [[noreturn]] void throw_out_of_range(int num_threads) const {
        if (states_) require_in_range("states", *states_, num_states_, "states", num_threads);
        require_in_range("actions", actions_, num_actions_, "actions", num_threads);
        throw std::runtime_error("states or actions were changed during the call");
    }

private:
    // Those first .. first + count - 1, where they lie if they are plain int64, else in the buffer.
    static const volatile std::int64_t* integers(const IndexVector& v, std::int64_t first, std::int64_t count,
                                                 std::int64_t* buffer) {
        if (v.type == IntegerType::i64 && v.stride == 1)
            return static_cast<const std::int64_t*>(v.data) + first;
        kernels().load_indices(v, first, count, 0, buffer);
        return buffer;
    }

    const std::int64_t* counted(std::int64_t first, std::int64_t count, std::int64_t* buffer) const {
        std::int64_t state = first / samples_per_state_, left = (state + 1) * samples_per_state_ - first;
        for (std::int64_t i = 0; i < count; ++state, left = samples_per_state_) {
            const std::int64_t run = std::min(left, count - i);
            std::fill_n(buffer + i, run, state);
            i += run;
        }
        return buffer;
    }

    const IndexVector* states_;
    const std::int64_t samples_per_state_;
    const IndexVector& actions_;
    const RealVector& weights_;
    const std::int64_t num_states_, num_actions_;
};

// Where the sums of a range of states lie: those of the weights, (states, actions), then the visits of each state. Which
// states are visited is known tile by tile, as many as the kernel takes at a time. A sample of
// weight 0 contributes nothing, and so is no visit, unless there is an entropy to count. Statistics take as much again: the
// sums of squares of the weights, and the number of all samples.
struct Layout {
    const std::int64_t tile_rows, cols, tiles;  // tile_rows is a power of 2
    const int log2_tile_rows = log2(tile_rows);

    Layout(std::int64_t tile_rows, std::int64_t cols, std::int64_t states)
        : tile_rows(tile_rows), cols(cols), tiles(ceil_div(states, tile_rows)) {}

    std::int64_t states() const { return tiles * tile_rows; }
    std::int64_t size() const { return states() * (cols + 1); }
    std::int64_t square(std::int64_t state, std::int64_t action) const {
        return size() + weight(state, action);
    }
    std::int64_t samples(std::int64_t state) const { return size() + visits(state); }
    std::int64_t tile_of(std::int64_t state) const { return state >> log2_tile_rows; }
    std::int64_t weight(std::int64_t state, std::int64_t action) const { return state * cols + action; }
    std::int64_t visits(std::int64_t state) const { return states() * cols + state; }
};

template <class T>
class TabularGradient {
public:
    const char* const name;  // of the table
    const Matrix<const T>& table;
    const Samples& samples;
    const Matrix<T>& out;
    const GradientOptions& options;
    const std::int64_t tile_rows = scorefn::tile_rows<T>(table.cols);

    TabularGradient(const char* name, const Matrix<const T>& table, const Samples& samples,
                    const RealVector& weights, const Matrix<T>& out, const GradientOptions& options)
        : name(name), table(table), samples(samples), out(out), options(options) {
        if (has_statistics()) scale_ = statistics_scale(weights, options.entropy_coef, options.num_threads);
    }

    bool has_statistics() const { return options.statistics != nullptr; }
    std::int64_t num_sums(const Layout& layout) const { return layout.size() * (has_statistics() ? 2 : 1); }

    // f(what adds a sample to the sums): with or without statistics, which is not asked for each sample.
    template <class F>
    auto with_adder(const Layout& layout, double* sums, F f) const {
        const auto add = [this, &layout, sums](std::int64_t state, std::int64_t action, double weight) {
            sums[layout.weight(state, action)] += weight;
            sums[layout.visits(state)] += is_visit(weight) ? 1.0 : 0.0;
        };
        if (!has_statistics()) return f(add);
        return f([&](std::int64_t state, std::int64_t action, double weight) {
            const double scaled = weight * scale_.scale;
            add(state, action, weight);
            sums[layout.square(state, action)] += scaled * scaled;
            sums[layout.samples(state)] += 1.0;
        });
    }

    bool is_visit(double weight) const { return weight != 0 || options.entropy_coef != 0; }

    // The gradient of the tiles begin .. end - 1 of a layout whose first state is `origin`. The sums of a tile are there
    // if is_visited(tile); else its gradient is 0, which costs no look at the table.
    template <class IsVisited>
    void write(std::int64_t origin, std::int64_t begin, std::int64_t end, const Layout& layout,
               const double* sums, IsVisited is_visited, double* statistics, void* scratch) {
        for (std::int64_t last; begin < end; begin = last) {
            const bool visited = is_visited(begin);
            for (last = begin + 1; last < end && is_visited(last) == visited; ++last) {}
            const std::int64_t state = begin * tile_rows, first = origin + state;
            const std::int64_t count = std::min((last - begin) * tile_rows, table.rows - first);
            if (visited) {
                run_kernel(first, count, sums + layout.weight(state, 0), sums + layout.visits(state),
                           scratch);
                if (has_statistics()) add_statistics(first, count, sums, layout, state, statistics, scratch);
            } else if (!options.accumulate)
                fill_zeros(first, count);
        }
    }

    // From those of `count` tasks.
    void set_statistics(const Zeros<double>& of_tasks, std::int64_t count) const {
        if (!has_statistics()) return;
        if (!all_possible_) throw_impossible();
        double totals[kStatistics] = {};
        for (std::int64_t i = 0; i < count * kStatistics; ++i) totals[i % kStatistics] += of_tasks[i];
        *options.statistics = to_statistics(totals, scale_);
    }

    void require_action(std::int64_t state) {
        if (!has_allowed_action(table, options.where, state)) lower(first_bad_, state);
    }
    void throw_if_bad() const {
        if (first_bad_ < table.rows) throw_no_allowed_action(name, first_bad_);
    }

private:
    void add_statistics(std::int64_t first, std::int64_t count, const double* sums, const Layout& layout,
                        std::int64_t state, double* statistics, void* scratch) {
        bool all_possible = true;
        const std::int64_t bad = kernels().of<T>().shared_statistics(
            logit_rows(table, options.where, first, count), sums + layout.weight(state, 0),
            sums + layout.square(state, 0), sums + layout.samples(state), scale_, statistics, &all_possible,
            scratch);
        if (bad >= 0) lower(first_bad_, first + bad);
        if (!all_possible) all_possible_ = false;
    }
    [[noreturn]] void throw_impossible() const {
        std::int64_t i = 0;
        samples.for_each(0, samples.size, [&](std::int64_t state, std::int64_t action, double weight) {
            const bool is_allowed =
                !options.where ||
                bytes_of(options.where)[state * options.where.row_stride + action * options.where.col_stride];
            const bool is_possible =
                is_allowed && table(state, action) != -std::numeric_limits<T>::infinity();
            if (!is_possible && weight != 0) samples.throw_impossible(i);
            ++i;
        });
        throw std::runtime_error("logits or actions were changed during the call");
    }
    void run_kernel(std::int64_t first, std::int64_t count, const double* weights, const double* visits,
                    void* scratch) {
        const std::int64_t bad = kernels().of<T>().shared_gradient(
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
    StatisticsScale scale_{1.0, 0.0};
};

// A small table: each chunk of the samples has sums of its own for the whole table, merged in a fixed tree. A chunk has
// no fewer samples than it has sums, so they take no more memory than the samples.
template <class T>
void sum_over_chunks(TabularGradient<T>& gradient) {
    const Samples& samples = gradient.samples;
    const int num_threads = gradient.options.num_threads;
    const Layout layout(gradient.tile_rows, gradient.table.cols, gradient.table.rows);
    const std::int64_t per_chunk = std::max(tuning::kSmallestTableChunk, layout.size());
    const std::int64_t chunks = std::max<std::int64_t>(1, ceil_div(samples.size, per_chunk));
    const std::int64_t num_sums = gradient.num_sums(layout);
    const Zeros<double> sums(chunks * num_sums);
    std::atomic<bool> good{true};
    parallel_for(chunks, num_threads, [&](std::int64_t chunk) {
        const auto add_all = [&](auto add) {
            return samples.for_each(chunk * per_chunk, (chunk + 1) * per_chunk, add);
        };
        if (!gradient.with_adder(layout, sums.data() + chunk * num_sums, add_all)) good = false;
    });
    if (!good) samples.throw_out_of_range(num_threads);
    merge_tree(sums.data(), chunks, num_sums, num_threads);

    const double* const visits =
        sums.data() + (gradient.has_statistics() ? layout.samples(0) : layout.visits(0));
    if (!gradient.options.may_write_on_error) {
        for (std::int64_t state = 0; state < gradient.table.rows; ++state)
            if (visits[state] != 0) gradient.require_action(state);
        gradient.throw_if_bad();
    }
    const Uninterruptible to_the_end(gradient.options.accumulate);
    const std::int64_t tiles = tuning::kStatesPerTask / gradient.tile_rows,
                       tasks = ceil_div(layout.tiles, tiles);
    const Zeros<double> statistics(tasks * kStatistics);
    parallel_for(tasks, num_threads, [&](std::int64_t i) {
        gradient.write(0, i * tiles, std::min(layout.tiles, (i + 1) * tiles), layout, sums.data(),
                       [&](std::int64_t tile) {
            const double* const begin = visits + tile * layout.tile_rows;
            return std::any_of(begin, begin + layout.tile_rows, [](double n) { return n != 0; });
        }, statistics.data() + i * kStatistics, thread_scratch(scratch_bytes(layout.cols)));
    }, scratch_bytes(layout.cols));
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
    Buckets(const Samples& samples, std::int64_t num_states, int log2_states, int num_threads)
        : count(ceil_div(num_states, std::int64_t{1} << log2_states)),
          chunks(ceil_div(samples.size, kChunk)),
          log2_states_(log2_states),
          sorted_(samples.size),
          ends_(chunks * (count + 1)) {
        std::atomic<bool> good{true};
        parallel_for(chunks, num_threads, [&](std::int64_t chunk) {
            if (!sort(samples, chunk)) good = false;
        });
        if (!good) samples.throw_out_of_range(num_threads);
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

template <class T>
void sum_over_buckets(TabularGradient<T>& gradient, int log2_states) {
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
    const Layout largest(gradient.tile_rows, cols, states);
    const std::int64_t bytes =
        scratch_bytes(cols) + gradient.num_sums(largest) * std::int64_t{sizeof(double)} + largest.tiles;
    const Zeros<double> statistics(buckets.count * kStatistics);
    parallel_for(buckets.count, num_threads, [&](std::int64_t bucket) {
        const std::int64_t first = bucket * states;
        const Layout layout(gradient.tile_rows, cols, std::min(states, gradient.table.rows - first));
        auto* const scratch = static_cast<double*>(thread_scratch(bytes));
        double* const sums = scratch + scratch_bytes(cols) / std::int64_t{sizeof(double)};
        bool* const is_visited = reinterpret_cast<bool*>(sums + gradient.num_sums(layout));
        std::fill_n(is_visited, layout.tiles, false);
        const auto clear_tile = [&](std::int64_t tile) {
            is_visited[tile] = true;
            const std::int64_t row = tile * gradient.tile_rows;
            for (std::int64_t first = 0; first < gradient.num_sums(layout); first += layout.size()) {
                std::fill_n(sums + first + layout.weight(row, 0), gradient.tile_rows * cols, 0.0);
                std::fill_n(sums + first + layout.visits(row), gradient.tile_rows, 0.0);
            }
        };
        gradient.with_adder(layout, sums, [&](auto add) {
            buckets.for_each(bucket, [&](const Buckets::Sample& s) {
                const std::int64_t tile = layout.tile_of(s.state);
                if (!is_visited[tile]) clear_tile(tile);
                add(s.state, s.action, s.weight);
            });
        });
        gradient.write(first, 0, layout.tiles, layout, sums, [&](std::int64_t tile) {
            return is_visited[tile];
        }, statistics.data() + bucket * kStatistics, scratch);
    }, bytes);
    gradient.throw_if_bad();
    gradient.set_statistics(statistics, buckets.count);
}

template <class T>
void run(const char* name, const Matrix<const T>& table, const IndexVector* states,
         std::int64_t samples_per_state, const IndexVector& actions, const RealVector& weights,
         const Matrix<T>& out, const GradientOptions& options) {
    const StandardFloatEnvironment environment;
    require_logits(name, table, options.where);
    require_shape("out", out, table.rows, table.cols);
    if (states) require_view("states", *states);
    require_size("actions", actions, states ? states->size : table.rows * samples_per_state);
    require_size("weights", weights, actions.size);

    const Samples samples(states, samples_per_state, actions, weights, table.rows, table.cols);
    TabularGradient<T> gradient(name, table, samples, weights, out, options);
    // Which way depends on the shapes alone, so the bits do not depend on the number of threads.
    using namespace tuning;
    int log2_states = 4;
    while ((std::int64_t{2} << log2_states) * (table.cols + 1) <= kBucket) ++log2_states;
    while (table.rows >> log2_states > kMostBuckets) ++log2_states;
    if (table.rows * table.cols <= kSmallTable || table.rows >> log2_states < kFewestBuckets)
        sum_over_chunks(gradient);
    else
        sum_over_buckets(gradient, log2_states);
}

// One row of logits for all samples.
template <class T>
void shared_row(const Vector<const T>& logits, const IndexVector& actions, const RealVector& weights,
                const Vector<T>& out, const GradientOptions& options) {
    require_view("logits", logits);
    require_size("out", out, logits.size);
    try {
        run<T>("logits", {logits.data, 1, logits.size, 0, logits.stride}, nullptr, actions.size, actions,
               weights, {out.data, 1, out.size, 0, out.stride}, options);
    } catch (const NoAllowedAction&) {
        throw_no_allowed_action("logits", -1);  // there is but one row
    }
}

}  // namespace

#define SCOREFN_DEFINE(T)                                                                               \
    void tabular_gradient(Matrix<const T> table, IndexVector states, IndexVector actions,               \
                          RealVector weights, Matrix<T> out, const GradientOptions& options) {          \
        run<T>("table", table, &states, 0, actions, weights, out, options);                             \
    }                                                                                                   \
    void score_gradient(Matrix<const T> logits, std::int64_t samples_per_row, IndexVector actions,      \
                        RealVector weights, Matrix<T> out, const GradientOptions& options) {            \
        run<T>("logits", logits, nullptr, samples_per_row, actions, weights, out, options);             \
    }                                                                                                   \
    void score_gradient(Vector<const T> logits, IndexVector actions, RealVector weights, Vector<T> out, \
                        const GradientOptions& options) {                                               \
        shared_row<T>(logits, actions, weights, out, options);                                          \
    }
SCOREFN_DEFINE(float)
SCOREFN_DEFINE(double)

}  // namespace scorefn
