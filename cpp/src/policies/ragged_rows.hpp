// Rows of different lengths, as functions of matrices take them: blocks of rows of one length.
#pragma once

#include <cstring>
#include <scorefn/ragged.hpp>
#include <type_traits>

#include "policies/rows.hpp"
#include "runtime/memory.hpp"

namespace scorefn {

// The offsets of a call. They are read once, as another thread may be changing them.
class RowOffsets {
public:
    RowOffsets(const IndexVector& offsets, std::int64_t num_values);

    std::int64_t rows() const { return rows_; }
    std::int64_t begin(std::int64_t row) const { return at_[row]; }
    std::int64_t length(std::int64_t row) const { return at_[row + 1] - at_[row]; }
    bool are_of_one_length() const { return are_of_one_length_; }
    // The first row that begins with this value or a later one.
    std::int64_t first_row_from(std::int64_t value) const {
        return std::lower_bound(at_.data(), at_.data() + rows_, value) - at_.data();
    }

private:
    std::int64_t rows_;
    Array<std::int64_t> at_;
    bool are_of_one_length_;
};

// The memory of the copies that a block makes.
class BlockMemory {
public:
    // For so many rows and values of `width` bytes: logits, another matrix, results and a mask; 16 numbers of each row, and
    // the rows' own.
    BlockMemory(std::int64_t rows, std::int64_t values, std::int64_t width)
        : size_(values * (3 * width + 1) + (rows + 16) * 17 * 8 + 24 * 64), memory_(size_) {}

    void clear() { taken_ = 0; }
    template <class U>
    U* take(std::int64_t count) {
        char* const piece = memory_.data() + taken_;
        taken_ += (count * static_cast<std::int64_t>(sizeof(U)) + 63) / 64 * 64;
        if (taken_ > size_) throw std::logic_error("the copies of a block take more memory than it has");
        return reinterpret_cast<U*>(piece);
    }

private:
    std::int64_t size_, taken_ = 0;
    Array<char> memory_;
};

// Some rows of one length. What belongs to them is seen where it lies or, if they are gathered, copied, one row after the
// other; then results have to be put in their places.
class Block {
public:
    const std::int64_t size, cols;

    // The rows from `first` on.
    Block(const RowOffsets& offsets, std::int64_t first, std::int64_t size)
        : size(size), cols(offsets.length(first)), offsets_(offsets), first_(first) {}
    // The rows first + order[i], of which there are `known`: those beyond the block are the next ones.
    Block(const RowOffsets& offsets, std::int64_t first, const std::int32_t* order, std::int64_t size,
          std::int64_t known, BlockMemory& memory)
        : size(size),
          cols(offsets.length(first + order[0])),
          offsets_(offsets),
          first_(first),
          order_(order),
          known_(known),
          memory_(&memory) {
        memory.clear();
    }

    std::int64_t row(std::int64_t i) const { return first_ + (order_ ? order_[i] : i); }

    // What has an entry for each logit.
    template <class U>
    Matrix<const U> rows(const Vector<const U>& flat) const {
        if (!order_) return view(flat);
        return {gathered(flat), size, cols};
    }
    template <class U>
    Matrix<const U> rows(const Matrix<const U>& one_row) const {
        if (!one_row) return {};
        return rows(Vector<const U>(one_row.data, one_row.cols, one_row.col_stride));
    }
    // Where results go, with the values of `out` if they are added to these.
    template <class U>
    Matrix<U> results(const Vector<U>& out, bool with_values = false) const {
        if (!order_) return view(out);
        return {with_values ? gathered(Vector<const U>(out)) : memory_->take<U>(size * cols), size, cols};
    }
    template <class U>
    void put(const Matrix<U>& results, const Vector<U>& out) const {
        for (std::int64_t i = 0; order_ && i < size; ++i) {
            fetch_ahead(out.data, i);
            U* const to = out.data + offsets_.begin(row(i)) * out.stride;
            copy(&results(i, 0), 1, to, out.stride);
        }
    }

    // What has an entry for each row; nothing, of what is not there.
    template <class U>
    Vector<U> of_rows(const Vector<U>& numbers) const {
        if (!numbers.data) return {};
        if (!order_) return {&numbers[first_], size, numbers.stride};
        return {gathered_numbers(numbers.data, numbers.stride), size};
    }
    RealVector of_rows(const RealVector& numbers) const;
    IndexVector of_rows(const IndexVector& numbers) const;
    PerRow of_rows(const PerRow& numbers) const {
        return numbers.each.data ? of_rows(numbers.each) : numbers;
    }
    template <class U>
    Vector<U> results_of_rows(const Vector<U>& out) const {
        if (!out.data || !order_) return of_rows(out);
        return {memory_->take<U>(size), size};
    }
    template <class U>
    void put(const Vector<U>& results, const Vector<U>& out) const {
        for (std::int64_t i = 0; order_ && out.data && i < size; ++i) out[row(i)] = results[i];
    }

    // The rows' own, in whole tiles.
    RowNumbers numbers() const;
    Options options(const Options& of_call) const;

private:
    template <class U>
    Matrix<U> view(const Vector<U>& flat) const {
        return {flat.data + offsets_.begin(first_) * flat.stride, size, cols, cols * flat.stride,
                flat.stride};
    }
    template <class U>
    U* gathered(const Vector<const U>& flat) const {
        U* const to = memory_->take<U>(size * cols);
        for (std::int64_t i = 0; i < size; ++i) {
            fetch_ahead(flat.data, i);
            copy(flat.data + offsets_.begin(row(i)) * flat.stride, flat.stride, to + i * cols, 1);
        }
        return to;
    }
    template <class U>
    std::remove_const_t<U>* gathered_numbers(U* data, std::int64_t stride) const {
        auto* const to = memory_->take<std::remove_const_t<U>>(size);
        for (std::int64_t i = 0; i < size; ++i) to[i] = data[row(i) * stride];
        return to;
    }
    // Rows of one length lie far apart, where a CPU does not expect them.
    template <class U>
    void fetch_ahead(const U* flat, std::int64_t i) const {
        constexpr std::int64_t rows_ahead = 32;
        if (i + rows_ahead >= known_) return;
        const U* const from = flat + offsets_.begin(row(i + rows_ahead));
        __builtin_prefetch(from);
        __builtin_prefetch(from + cols - 1);
    }
    // A row.
    template <class U>
    void copy(const U* from, std::int64_t from_stride, U* to, std::int64_t to_stride) const {
        if (from_stride == 1 && to_stride == 1)
            std::memcpy(to, from, static_cast<std::size_t>(cols) * sizeof(U));
        else
            for (std::int64_t j = 0; j < cols; ++j) to[j * to_stride] = from[j * from_stride];
    }

    const RowOffsets& offsets_;
    const std::int64_t first_;
    const std::int32_t* const order_ = nullptr;
    const std::int64_t known_ = 0;
    BlockMemory* const memory_ = nullptr;
};

}  // namespace scorefn
