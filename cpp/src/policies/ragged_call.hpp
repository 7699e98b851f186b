// How a function of ragged rows runs. Nothing is padded, and each row is worked on as a row of a matrix, whose bits do not
// depend on the rows beside it.
#pragma once

#include <vector>

#include "policies/ragged_rows.hpp"
#include "policies/targets.hpp"

namespace scorefn {

// A call is shared out in windows of the logits, which stay in a second-level cache. The rows of a window are sorted by their
// length, and those of one length are gathered a block at a time. A longer row is read where it lies; so are all rows if they
// have one length.
template <class T>
class RaggedCall {
public:
    RaggedCall(const char* name, const RaggedRows<const T>& logits, const Options& options)
        : options_(options), offsets_(logits.offsets, logits.values.size) {
        require_view(name, logits.values);
        if (is_given(options.where)) require_shape("where", options.where, 1, logits.values.size);
        require_valid(options.valid, rows());
        for (std::int64_t row = 0; values() >= tuning::kShortestSharedRow && row < rows(); ++row)
            if (is_shared(row)) shared_rows_.push_back(row);
    }

    std::int64_t rows() const { return offsets_.rows(); }
    std::int64_t values() const { return offsets_.begin(rows()); }
    // A block is of one of so many tasks.
    std::int64_t tasks() const { return windows() + num_shared_rows(); }

    // Throws as check_rows() does, for rows of these values.
    void check(const char* name, const Vector<const T>& values, const IndexVector* actions,
               Needs needs = Needs::action) const {
        constexpr std::int64_t kAtATime = 1024;
        std::atomic<std::int64_t> bad_action{rows()}, bad_row{rows()};
        parallel_for((rows() + kAtATime - 1) / kAtATime, options_.num_threads, [&](std::int64_t i) {
            const std::int64_t first = i * kAtATime, count = std::min(kAtATime, rows() - first);
            if (actions) lower(bad_action, first_bad_action(*actions, first, count));
            lower(bad_row, first_bad_row(values, first, count, needs));
        });
        if (bad_action < rows())
            throw_out_of_range("actions", *actions, bad_action, offsets_.length(bad_action), "actions");
        if (bad_row == rows()) return;
        if (!is_good(values, bad_row, Needs::action)) throw_no_allowed_action(name, bad_row);
        throw_bad_logits(name, bad_row);
    }

    // As require_targets() does.
    void check_targets(const Vector<const T>& targets, const Vector<const T>& logits) const {
        for (std::int64_t row = 0; row < rows(); ++row) {
            if (!is_valid(valid_rows(options_.valid), row)) continue;
            const Block one(offsets_, row, 1);
            const std::string fault =
                fault_of_targets(one.rows(targets), one.rows(logits), one.rows(options_.where), 0);
            if (!fault.empty()) throw BadValue({"targets", row, fault});
        }
    }

    // dense(block, task) for all rows, each once. `check` is to find what is wrong with them.
    template <class Check, class Dense>
    void run(Check check, Dense dense, bool accumulates = false) const {
        if (rows() == 0) return;
        if (offsets_.are_of_one_length()) return dense(Block(offsets_, 0, rows()), 0);
        if (!options_.may_write_on_error) check();
        try {
            const Uninterruptible to_the_end(accumulates);
            run_tasks(dense);
            return;
        } catch (const IndexError&) {
        } catch (const BadValue&) {}
        check();
        throw std::runtime_error("logits or actions were changed during the call");
    }

private:
    static constexpr std::int64_t kWindow = tuning::kRaggedWindowBytes / static_cast<std::int64_t>(sizeof(T));
    static constexpr std::int64_t kBlock = tuning::kRaggedBlockBytes / static_cast<std::int64_t>(sizeof(T));
    static constexpr std::int64_t kLongestGathered = kBlock / 4;

    std::int64_t windows() const { return (values() + kWindow - 1) / kWindow; }
    bool is_shared(std::int64_t row) const { return offsets_.length(row) >= tuning::kShortestSharedRow; }
    std::int64_t num_shared_rows() const { return static_cast<std::int64_t>(shared_rows_.size()); }

    // Threads share out the windows, and the longest rows or, if these are fewer than the threads, each of them.
    template <class Dense>
    void run_tasks(Dense& dense) const {
        const int threads = options_.num_threads == 0 ? get_num_threads() : options_.num_threads;
        const auto run_row = [&](std::int64_t i) {
            dense(Block(offsets_, shared_rows_[static_cast<std::size_t>(i)], 1), windows() + i);
        };
        std::int64_t rows_first = num_shared_rows();
        if (rows_first < threads)
            for (; rows_first > 0; --rows_first) run_row(rows_first - 1);
        parallel_for(rows_first + windows(), threads, [&](std::int64_t task) {
            if (task < rows_first)
                run_row(task);
            else
                run_window(task - rows_first, dense);
        }, scratch_bytes(kLongestGathered));
    }

    template <class Dense>
    void run_window(std::int64_t window, Dense& dense) const {
        const std::int64_t first = offsets_.first_row_from(window * kWindow),
                           count = offsets_.first_row_from((window + 1) * kWindow) - first;
        if (count == 0) return;
        std::int64_t longest = 0;
        for (std::int64_t i = 0; i < count; ++i) {
            const std::int64_t length = offsets_.length(first + i);
            if (length <= kLongestGathered)
                longest = std::max(longest, length);
            else if (!is_shared(first + i))
                dense(Block(offsets_, first + i, 1), window);
        }
        const Array<std::int32_t> order(count);
        const Zeros<std::int32_t> ends(longest + 2);  // of the rows of each length, in that order
        sort(first, count, longest, order.data(), ends.data());
        BlockMemory memory(std::min(count, tuning::kMostRaggedBlockRows), std::min(kBlock, count * longest),
                           sizeof(T));
        for (std::int64_t length = 1, i = 0; length <= longest; ++length) {
            const std::int64_t most = rows_of_block(length);
            for (; i < ends[length]; i += most) {
                const std::int64_t size = std::min<std::int64_t>(most, ends[length] - i);
                if (size == 1)
                    dense(Block(offsets_, first + order[i], 1), window);
                else
                    dense(Block(offsets_, first, order.data() + i, size, ends[longest] - i, memory), window);
            }
            i = ends[length];
        }
    }
    // Whole tiles, if there are more than one.
    static std::int64_t rows_of_block(std::int64_t length) {
        const std::int64_t rows = std::min(tuning::kMostRaggedBlockRows, kBlock / length);
        return rows < 16 ? rows : rows / 16 * 16;
    }
    // By counting, stable; rows that are longer are left out.
    void sort(std::int64_t first, std::int64_t count, std::int64_t longest, std::int32_t* order,
              std::int32_t* ends) const {
        for (std::int64_t i = 0; i < count; ++i) {
            const std::int64_t length = offsets_.length(first + i);
            if (length <= longest) ++ends[length + 1];
        }
        for (std::int64_t length = 1; length <= longest; ++length) ends[length + 1] += ends[length];
        for (std::int64_t i = 0; i < count; ++i) {
            const std::int64_t length = offsets_.length(first + i);
            if (length <= longest) order[ends[length]++] = static_cast<std::int32_t>(i);
        }
    }

    // rows(), if there is none.
    std::int64_t first_bad_action(const IndexVector& actions, std::int64_t first, std::int64_t count) const {
        const Array<std::int64_t> index(count);
        kernels().load_indices(actions, first, count, 0, index.data());
        for (std::int64_t i = 0; i < count; ++i) {
            const bool is_good = 0 <= index[i] && index[i] < offsets_.length(first + i);
            if (!is_good && is_valid(valid_rows(options_.valid), first + i)) return first + i;
        }
        return rows();
    }
    std::int64_t first_bad_row(const Vector<const T>& values, std::int64_t first, std::int64_t count,
                               Needs needs) const {
        const std::int64_t begin = offsets_.begin(first), end = offsets_.begin(first + count);
        if (needs == Needs::action && !options_.where && values.stride == 1 &&
            !kernels().of<T>().has_minus_infinity(values.data + begin, end - begin))
            return rows();
        for (std::int64_t row = first; row < first + count; ++row)
            if (is_valid(valid_rows(options_.valid), row) && !is_good(values, row, needs)) return row;
        return rows();
    }
    bool is_good(const Vector<const T>& values, std::int64_t row, Needs needs) const {
        const Block one(offsets_, row, 1);
        const Matrix<const T> z = one.rows(values);
        const Matrix<const bool> where = one.rows(options_.where);
        if (needs == Needs::action) return has_allowed_action(z, where, 0);
        return kernels().of<T>().are_distributions(logit_rows(z, where, 0, 1));
    }

    const Options& options_;
    const RowOffsets offsets_;
    std::vector<std::int64_t> shared_rows_;
};

}  // namespace scorefn
