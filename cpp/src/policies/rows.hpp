// How a function of independent rows runs: checks, then ranges of rows in parallel, a task each, then the error to report
// if a task met a bad row. Tasks only share out the work: no result depends on them.
#pragma once

#include <algorithm>
#include <atomic>
#include <scorefn/threads.hpp>

#include "check.hpp"
#include "runtime/float_environment.hpp"
#include "runtime/interrupt.hpp"
#include "runtime/memory.hpp"
#include "runtime/parallel.hpp"

namespace scorefn {

inline std::int64_t rows_per_task(std::int64_t cols) {
    return std::clamp<std::int64_t>(tuning::kElementsPerTask / cols / 16 * 16, 1, tuning::kMostRowsPerTask);
}

// task(first row, number of rows) -> whether all its rows were good. False if any said that they were not.
template <class Task>
bool for_each_task(std::int64_t rows, std::int64_t cols, int num_threads, Task&& task,
                   std::int64_t scratch = 0) {
    // A call for a few states is one task, and divides nothing to find that out.
    if (rows <= tuning::kFewRows && cols <= kLongestShortRow) return rows == 0 || task(0, rows);
    const std::int64_t per_task = rows_per_task(cols);
    std::atomic<bool> good{true};
    parallel_for((rows + per_task - 1) / per_task, num_threads, [&](std::int64_t i) {
        const std::int64_t first = i * per_task;
        if (good && !task(first, std::min(per_task, rows - first))) good = false;
    }, scratch);
    return good;
}

// Threads share out the rows or, if these are fewer than the threads, every row.
inline Team team_for(std::int64_t rows, std::int64_t cols, int num_threads) {
    if (cols < tuning::kShortestSharedRow) return {};
    if (num_threads == 0) num_threads = get_num_threads();
    if (rows >= num_threads) return {};
    return {[](std::int64_t count, int threads, Run run, void* context) {
        parallel_for_erased(count, threads, run, context, 0);
    }, num_threads};
}

// From a row on, with the options of a function of rows.
template <class T>
LogitRows<T> logit_rows(const Matrix<const T>& logits, const Options& options, std::int64_t first,
                        std::int64_t count, const Team& team = {}) {
    return logit_rows(logits, options.where, first, count, team, valid_rows(options.valid, first));
}

// Results of rows that do not count are 0: those of `count` rows from `first` on.
template <class T>
void clear_invalid(const ValidRows& valid, std::int64_t first, std::int64_t count, const Vector<T>& out) {
    for (std::int64_t r = 0; valid.flags && out.data && r < count; ++r)
        out[first + r] = is_valid(valid, r) ? out[first + r] : T(0);  // a CPU cannot guess what counts
}
template <class T>
void clear_invalid(const ValidRows& valid, std::int64_t first, std::int64_t count, const Matrix<T>& out) {
    for (std::int64_t j = 0; valid.flags && out.data && j < out.cols; ++j)
        clear_invalid(valid, first, count, Vector<T>(&out(0, j), out.rows, out.row_stride));
}

// Of an objective over all actions.
template <class T>
void clear_invalid(const ValidRows& valid, std::int64_t first, std::int64_t count,
                   const ObjectiveResults<T>& results) {
    clear_invalid(valid, first, count, results.entropy);
    clear_invalid(valid, first, count, results.term);
}

// The options of rows with several samples: a row counts if one of these does.
class RowsWithSamples {
public:
    RowsWithSamples(const Options& options, std::int64_t rows, std::int64_t samples_per_row)
        : options_(options), flags_(options.valid.data ? rows : 0) {
        if (!options.valid.data) return;
        for (std::int64_t i = 0; i < rows * samples_per_row; ++i)
            if (is_valid(valid_rows(options.valid), i)) flags_[i / samples_per_row] = true;
        options_.valid = {flags_.data(), rows};
    }
    const Options& options() const { return options_; }

private:
    Options options_;
    Zeros<bool> flags_;
};

// What a function needs of each row beside an allowed action. NaN and +inf give NaN, but no action can be drawn from them.
enum class Needs { action, numbers };

// Throws for the first row with an action out of range, without an allowed action, or with NaN or +inf where that is needed.
template <class T>
void check_rows(const char* name, const Matrix<const T>& logits, const IndexVector* actions,
                const Options& options, Needs needs = Needs::action) {
    const ValidRows valid = valid_rows(options.valid);
    if (actions) require_in_range("actions", *actions, logits.cols, "actions", options.num_threads, valid);
    const auto are_good = [&](std::int64_t first, std::int64_t count) {
        if (needs == Needs::action) return have_allowed_actions(logits, options.where, valid, first, count);
        return kernels().of<T>().are_distributions(logit_rows(logits, options, first, count));
    };
    if (for_each_task(logits.rows, logits.cols, options.num_threads, are_good)) return;
    for (std::int64_t i = 0; i < logits.rows; ++i) {
        if (!is_valid(valid, i)) continue;
        if (!has_allowed_action(logits, options.where, i)) throw_no_allowed_action(name, i);
        if (!are_good(i, 1)) throw_bad_logits(name, i);
    }
}

// task(the rows, their first row, scratch) -> the first of them that is not as it needs to be, or -1; or, with
// actions, -2 if one is out of range. Uninterruptible where it adds to what is there, so that no row is left out.
template <class T, class Task>
void run_rows(const Matrix<const T>& logits, const IndexVector* actions, const Options& options, Task&& task,
              bool accumulates = false, Needs needs = Needs::action) {
    if (actions) require_size("actions", *actions, logits.rows);
    require_valid(options.valid, logits.rows);
    if (!options.may_write_on_error) check_rows("logits", logits, actions, options, needs);
    const Team team = team_for(logits.rows, logits.cols, options.num_threads);
    const auto run = [&] {
        const Uninterruptible to_the_end(accumulates);
        return for_each_task(logits.rows, logits.cols, team.parallel_for ? 1 : options.num_threads,
                             [&](std::int64_t first, std::int64_t count) {
            return task(logit_rows(logits, options, first, count, team), first,
                        thread_scratch(scratch_bytes(logits.cols))) == -1;
        }, scratch_bytes(logits.cols));
    };
    if (run()) return;
    check_rows("logits", logits, actions, options, needs);
    throw std::runtime_error("logits or actions were changed during the call");
}

// Elements from `first` on.
inline IndexVector from(IndexVector v, std::int64_t first) {
    const std::int64_t bytes = std::int64_t{1} << static_cast<int>(v.type) % 4;
    v.data = static_cast<const char*>(v.data) + first * v.stride * bytes;
    v.size -= first;
    return v;
}
inline RealVector from(RealVector v, std::int64_t first) {
    v.data = static_cast<const char*>(v.data) + first * v.stride * (v.is_float64 ? 8 : 4);
    v.size -= first;
    return v;
}
template <class T>
Vector<T> from(const Vector<T>& v, std::int64_t first) {
    return v.data ? Vector<T>(&v[first], v.size - first, v.stride) : v;
}

// A result as large as most caches or larger goes past them.
template <class T>
bool goes_past_caches(const Matrix<T>& out) {
    return out.rows * out.cols >= tuning::kLeastNontemporalBytes / static_cast<std::int64_t>(sizeof(T));
}
template <class T>
OutRows<T> out_rows(const Matrix<T>& out, std::int64_t first) {
    return {out.data + first * out.row_stride, out.cols, out.row_stride, out.col_stride,
            goes_past_caches(out)};
}

}  // namespace scorefn
