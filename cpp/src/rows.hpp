// How a function of independent rows runs: checks, then blocks of rows in parallel, then the error to report if a block
// met a bad row. Blocks only share out the work: no result depends on them.
#pragma once

#include <algorithm>
#include <atomic>
#include <scorefn/threads.hpp>

#include "check.hpp"
#include "parallel.hpp"

namespace scorefn {

// The macro is for benchmarks/calibrate.py, which measures other values.
#ifndef SCOREFN_ELEMENTS_PER_BLOCK
#define SCOREFN_ELEMENTS_PER_BLOCK (1 << 15)
#endif

constexpr std::int64_t kElementsPerBlock = SCOREFN_ELEMENTS_PER_BLOCK;
constexpr std::int64_t kMostRowsPerBlock = 4096;

inline std::int64_t rows_per_block(std::int64_t cols) {
    return std::clamp<std::int64_t>(kElementsPerBlock / cols / 16 * 16, 1, kMostRowsPerBlock);
}

// block(first row, number of rows) -> whether all its rows were good. False if any block said so.
template <class Block>
bool for_each_block(std::int64_t rows, std::int64_t cols, int num_threads, Block&& block) {
    const std::int64_t per_block = rows_per_block(cols);
    std::atomic<bool> good{true};
    parallel_for((rows + per_block - 1) / per_block, num_threads, [&](std::int64_t i) {
        const std::int64_t first = i * per_block;
        if (good && !block(first, std::min(per_block, rows - first))) good = false;
    });
    return good;
}

// A row shorter than this is not worth sharing out.
#ifndef SCOREFN_SHORTEST_SHARED_ROW
#define SCOREFN_SHORTEST_SHARED_ROW (1 << 16)
#endif

// Threads share out the rows or, if these are fewer than the threads, every row.
inline Team team_for(std::int64_t rows, std::int64_t cols, int num_threads) {
    if (cols < SCOREFN_SHORTEST_SHARED_ROW) return {};
    if (num_threads == 0) num_threads = get_num_threads();
    if (rows >= num_threads) return {};
    return {parallel_for_erased, num_threads};
}

// Throws for the first row with an action out of range or without an allowed action.
template <class T>
void check_rows(const char* name, const Matrix<const T>& logits, const IndexVector* actions,
                const Options& options) {
    if (actions) require_in_range("actions", *actions, logits.cols, "actions", options.num_threads);
    const auto check = [&](std::int64_t first, std::int64_t count) {
        return have_allowed_actions(logits, options.where, first, count);
    };
    if (for_each_block(logits.rows, logits.cols, options.num_threads, check)) return;
    for (std::int64_t i = 0; i < logits.rows; ++i)
        if (!has_allowed_action(logits, options.where, i)) throw_no_allowed_action(name, i);
}

// block(the rows of the block, their first row, scratch) -> the first of them without an allowed action, or -1; or, with
// actions, -2 if one is out of range.
template <class T, class Block>
void run_rows(const Matrix<const T>& logits, const IndexVector* actions, const Options& options,
              Block&& block) {
    require_logits(logits, options.where);
    if (actions) require_size("actions", actions->size, logits.rows);
    if (!options.may_write_on_error) check_rows("logits", logits, actions, options);
    const Team team = team_for(logits.rows, logits.cols, options.num_threads);
    const bool good = for_each_block(logits.rows, logits.cols, team.parallel_for ? 1 : options.num_threads,
                                     [&](std::int64_t first, std::int64_t count) {
        return block(logit_rows(logits, options.where, first, count, team), first,
                     thread_scratch(scratch_bytes(logits.cols))) == -1;
    });
    if (good) return;
    check_rows("logits", logits, actions, options);
    throw std::runtime_error("logits or actions were changed during the call");
}

constexpr std::int64_t kRowsLoaded = 256;

// The same, so many rows at a time, with their actions loaded: block(rows, first row, actions, scratch).
template <class T, class Block>
void run_rows_with_actions(const Matrix<const T>& logits, const IndexVector& actions, const Options& options,
                           Block&& block) {
    run_rows(logits, &actions, options,
             [&](const LogitRows<T>& rows, std::int64_t first, void* scratch) -> std::int64_t {
        std::int64_t loaded[kRowsLoaded];
        for (std::int64_t i = 0; i < rows.rows; i += kRowsLoaded) {
            const std::int64_t count = std::min(kRowsLoaded, rows.rows - i);
            load(actions, first + i, count, loaded);
            if (!in_range(loaded, count, rows.cols)) return -2;
            const std::int64_t bad = block(logit_rows(logits, options.where, first + i, count, rows.team),
                                           first + i, loaded, scratch);
            if (bad >= 0) return bad;
        }
        return -1;
    });
}

template <class T>
OutRows<T> out_rows(const Matrix<T>& out, std::int64_t first) {
    return {out.data + first * out.row_stride, out.cols, out.row_stride, out.col_stride};
}

}  // namespace scorefn
