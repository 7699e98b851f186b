// How a function of ragged rows runs. Nothing is padded, and each row is worked on as a row of a matrix, whose bits do not
// depend on the rows beside it.
#pragma once

#include "policies/ragged_window.hpp"
#include "policies/targets.hpp"

namespace scorefn {

// A call is shared out in windows of the logits, whose copies stay in a second-level cache. A long row is a window of its own;
// so are all rows if they have one length.
template <class T>
class RaggedCall {
public:
    RaggedCall(const char* name, const RaggedRows<const T>& logits, const Options& options)
        : options_(options), offsets_(logits.offsets, logits.values.size) {
        require_view(name, logits.values);
        if (is_given(options.where)) require_shape("where", options.where, 1, logits.values.size);
        require_valid(options.valid, rows());
        const bool any_shared = offsets_.longest() >= tuning::kShortestSharedRow;
        for (std::int64_t row = 0; any_shared && row < rows(); ++row)
            if (is_shared(row)) shared_rows_.push_back(row);
    }

    std::int64_t rows() const { return offsets_.rows(); }
    std::int64_t values() const { return offsets_.begin(rows()); }
    // A window is of one of so many tasks.
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
            const std::string fault =
                fault_of_targets(one_row(targets, row), one_row(logits, row), one_row(where(), row), 0);
            if (!fault.empty()) throw BadValue({"targets", row, fault});
        }
    }

    // work(window, task) for all rows, each once. `check` is to find what is wrong with them.
    template <class Check, class Work>
    void run(Check check, Work work, bool accumulates = false) const {
        if (rows() == 0) return;
        if (offsets_.are_of_one_length()) return work(Window(offsets_, 0, rows()), 0);
        if (!options_.may_write_on_error) check();
        try {
            const Uninterruptible to_the_end(accumulates);
            run_tasks(work);
            return;
        } catch (const IndexError&) {
        } catch (const BadValue&) {}
        check();
        throw std::runtime_error("logits or actions were changed during the call");
    }

private:
    static constexpr std::int64_t kWidth = sizeof(T);
    static constexpr std::int64_t kWindow = tuning::kRaggedWindowBytes / kWidth;
    static constexpr std::int64_t kLongestCopied =
        std::min(tuning::kLongestCopiedRowBytes / kWidth, tuning::kShortestSharedRow - 1);

    std::int64_t windows() const { return (values() + kWindow - 1) / kWindow; }
    bool is_shared(std::int64_t row) const { return offsets_.length(row) >= tuning::kShortestSharedRow; }
    std::int64_t num_shared_rows() const { return static_cast<std::int64_t>(shared_rows_.size()); }

    // Threads share out the windows, and the longest rows or, if these are fewer than the threads, each of them.
    template <class Work>
    void run_tasks(Work& work) const {
        const int threads = options_.num_threads == 0 ? get_num_threads() : options_.num_threads;
        const auto run_row = [&](std::int64_t i) {
            work(Window(offsets_, shared_rows_[static_cast<std::size_t>(i)], 1), windows() + i);
        };
        std::int64_t rows_first = num_shared_rows();
        if (rows_first < threads)
            for (; rows_first > 0; --rows_first) run_row(rows_first - 1);
        parallel_for(rows_first + windows(), threads, [&](std::int64_t task) {
            if (task < rows_first)
                run_row(task);
            else
                run_window(task - rows_first, work);
        }, scratch_bytes(kLongestCopied));
    }

    template <class Work>
    void run_window(std::int64_t window, Work& work) const {
        const std::int64_t first = offsets_.first_row_from(window * kWindow),
                           end = offsets_.first_row_from((window + 1) * kWindow);
        std::int64_t longest = 0;
        for (std::int64_t row = first; row < end; ++row) {
            const std::int64_t length = offsets_.length(row);
            if (length <= kLongestCopied)
                longest = std::max(longest, length);
            else if (!is_shared(row))
                work(Window(offsets_, row, 1), window);
        }
        if (longest > 0) work(Window(offsets_, first, end - first, longest, kWidth), window);
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
        const Matrix<const T> z = one_row(values, row);
        const Matrix<const bool> allowed = one_row(where(), row);
        if (needs == Needs::action) return has_allowed_action(z, allowed, 0);
        return kernels().of<T>().are_distributions(logit_rows(z, allowed, 0, 1));
    }
    template <class U>
    Matrix<const U> one_row(const Vector<const U>& flat, std::int64_t row) const {
        if (!flat.data) return {};
        return {&flat[offsets_.begin(row)], 1, offsets_.length(row), 0, flat.stride};
    }
    Vector<const bool> where() const {
        return {options_.where.data, options_.where.cols, options_.where.col_stride};
    }

    const StandardFloatEnvironment environment_;  // of what is computed between the blocks, too
    const Options& options_;
    const RowOffsets offsets_;
    std::vector<std::int64_t> shared_rows_;
};

}  // namespace scorefn
