// Rows of different lengths, as functions of matrices take them: windows of rows that follow each other, and in these
// parts with rows of one length.
#pragma once

#include <cstring>
#include <type_traits>
#include <vector>

#include "policies/row_offsets.hpp"

namespace scorefn {

// Rows of one length, as a part of what their window has: rows from `first` on, whose entries follow from `begin` on.
struct EqualRows {
    std::int64_t first, size, cols, begin;

    template <class U>
    Matrix<U> rows(const Vector<U>& entries) const {
        if (!entries.data) return {};
        return {&entries[begin], size, cols, cols * entries.stride, entries.stride};
    }
    template <class U>
    Matrix<const U> entries(const Matrix<const U>& one_row) const {
        return rows(Vector<const U>(one_row.data, one_row.cols, one_row.col_stride));
    }
    template <class Numbers>
    Numbers of_rows(const Numbers& numbers) const {
        if (!numbers.data) return numbers;
        Numbers part = from(numbers, first);
        part.size = size;
        return part;
    }
    PerRow of_rows(const PerRow& numbers) const {
        return numbers.each.data ? of_rows(numbers.each) : numbers;
    }
    template <class U>
    Vector<U> results_of_rows(const Vector<U>& out) const {
        return of_rows(out);
    }
    Options options(const Options& of_window) const;
};

// Rows of one length are seen where they lie. Others are copied, those of each length side by side; then results have to be
// put in their places. Both go through the caller's memory from one end to the other.
class Window {
public:
    // The rows from `first` on, which have one length.
    Window(const RowOffsets& offsets, std::int64_t first, std::int64_t rows);
    // Those of them with at most so many entries, each of which takes `width` bytes.
    Window(const RowOffsets& offsets, std::int64_t first, std::int64_t rows, std::int64_t longest,
           std::int64_t width);

    const std::vector<EqualRows>& parts() const { return parts_; }
    // The rows as the caller numbers them.
    std::int64_t row(std::int64_t i) const { return first_ + (memory_ ? order_[i] : i); }
    // In whole tiles.
    RowNumbers row_numbers() const;

    // What has an entry for each logit.
    template <class U>
    Vector<const U> entries(const Vector<const U>& flat) const {
        if (!memory_ || !flat.data) return part(flat);
        return {sorted(flat), num_entries_};
    }
    template <class U>
    Matrix<const U> entries(const Matrix<const U>& one_row) const {
        const auto flat = entries(Vector<const U>(one_row.data, one_row.cols, one_row.col_stride));
        return {flat.data, flat.data ? 1 : 0, flat.size, flat.size, flat.stride};
    }
    // Where results go, with the values of `out` if they are added to these.
    template <class U>
    Vector<U> results(const Vector<U>& out, bool with_values = false) const {
        if (!memory_) return part(out);
        return {with_values ? sorted(Vector<const U>(out)) : take<U>(num_entries_), num_entries_};
    }
    template <class U>
    void put(const Vector<U>& results, const Vector<U>& out) const {
        if (!memory_) return;
        for_each_run([&](const RaggedRun& run) {
            if (out.stride == 1) return kernels().of<U>().unsort_rows(results.data, run, out.data);
            for_each_entry(run, [&](std::int64_t i, std::int64_t place) { out[i] = results[place]; });
        });
    }

    // What has a number for each row.
    template <class U>
    Vector<U> of_rows(const Vector<U>& numbers) const {
        if (!memory_ || !numbers.data) return part_of_rows(numbers);
        return {sorted_numbers(numbers.data, numbers.stride), rows_};
    }
    RealVector of_rows(const RealVector& numbers) const;
    IndexVector of_rows(const IndexVector& numbers) const;
    PerRow of_rows(const PerRow& numbers) const {
        return numbers.each.data ? of_rows(numbers.each) : numbers;
    }
    template <class U>
    Vector<U> results_of_rows(const Vector<U>& out) const {
        if (!memory_ || !out.data) return part_of_rows(out);
        return {take<U>(rows_), rows_};
    }
    template <class U>
    void put_of_rows(const Vector<U>& results, const Vector<U>& out) const {
        for (std::int64_t i = 0; memory_ && out.data && i < rows_; ++i) out[row(i)] = results[i];
    }

    Options options(const Options& of_call) const;

private:
    void sort(std::int64_t rows);

    template <class Numbers>
    Numbers part_of_rows(const Numbers& numbers) const {
        return EqualRows{first_, rows_, 0, 0}.of_rows(numbers);
    }
    template <class U>
    Vector<U> part(const Vector<U>& flat) const {
        if (!flat.data) return flat;
        const std::int64_t begin = offsets_.begin(first_);
        return {&flat[begin], offsets_.begin(first_ + rows_) - begin, flat.stride};
    }

    // copy(run) for the runs of rows between longer ones.
    template <class Copy>
    void for_each_run(Copy copy) const {
        const Array<std::int64_t> next(longest_ + 1);
        std::copy_n(begins_.data(), longest_ + 1, next.data());
        for (const auto& [first, end] : runs_)
            copy(RaggedRun{offsets_.data() + first, end - first, next.data()});
    }
    template <class U>
    U* sorted(const Vector<const U>& flat) const {
        U* const to = take<U>(num_entries_);
        for_each_run([&](const RaggedRun& run) {
            if constexpr (std::is_floating_point_v<U>)
                if (flat.stride == 1) return kernels().of<U>().sort_rows(flat.data, run, to);
            for_each_entry(run, [&](std::int64_t i, std::int64_t place) { copy_value(flat[i], to[place]); });
        });
        return to;
    }
    // A flag as the byte that it is: while other threads change it, that need not be one of a bool.
    template <class U>
    static void copy_value(const U& from, U& to) {
        std::memcpy(&to, &from, sizeof(U));
    }
    template <class Copy>
    static void for_each_entry(const RaggedRun& run, Copy copy) {
        for (std::int64_t row = 0; row < run.rows; ++row) {
            std::int64_t& place = run.next[run.offsets[row + 1] - run.offsets[row]];
            for (std::int64_t i = run.offsets[row]; i < run.offsets[row + 1]; ++i) copy(i, place++);
        }
    }
    template <class U>
    std::remove_const_t<U>* sorted_numbers(U* data, std::int64_t stride) const {
        auto* const to = take<std::remove_const_t<U>>(rows_);
        for (std::int64_t i = 0; i < rows_; ++i) copy_value(data[row(i) * stride], to[i]);
        return to;
    }

    template <class U>
    U* take(std::int64_t count) const {
        char* const piece = memory_->data() + taken_;
        taken_ += (count * static_cast<std::int64_t>(sizeof(U)) + 63) / 64 * 64;
        if (taken_ > num_bytes_) throw std::logic_error("a window's copies take more memory than it has");
        return reinterpret_cast<U*>(piece);
    }

    const RowOffsets& offsets_;
    std::int64_t first_, rows_;
    std::vector<EqualRows> parts_;

    // Of rows that are copied.
    std::int64_t longest_ = 0, num_entries_ = 0, num_bytes_ = 0;
    std::vector<std::pair<std::int64_t, std::int64_t>> runs_;  // the caller's rows, between longer ones
    std::vector<std::int32_t> order_;
    std::vector<std::int64_t> begins_;  // of the entries of the rows of each length
    std::unique_ptr<Array<char>> memory_;
    mutable std::int64_t taken_ = 0;
};

}  // namespace scorefn
