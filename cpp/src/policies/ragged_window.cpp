#include "policies/ragged_window.hpp"

namespace scorefn {

Options EqualRows::options(const Options& of_window) const {
    Options options = of_window;
    options.where = entries(of_window.where);
    options.valid = of_rows(of_window.valid);
    return options;
}

Window::Window(const RowOffsets& offsets, std::int64_t first, std::int64_t rows)
    : offsets_(offsets), first_(first), rows_(rows), parts_{{0, rows, offsets.length(first), 0}} {}

Window::Window(const RowOffsets& offsets, std::int64_t first, std::int64_t rows, std::int64_t longest,
               std::int64_t width)
    : offsets_(offsets), first_(first), rows_(0), longest_(longest), begins_(longest + 1) {
    sort(rows);
    constexpr std::int64_t kMatrices = 3, kNumbers = 17;  // the logits, one more and results, beside a mask
    num_bytes_ = num_entries_ * (kMatrices * width + 1) + (rows_ + 16) * kNumbers * 8 +
                 64 * (kMatrices + 1 + kNumbers);
    memory_ = std::make_unique<Array<char>>(num_bytes_);
}

// By counting.
void Window::sort(std::int64_t rows) {
    // How many rows there are of each length; then where the next of them goes.
    std::vector<std::int32_t> next(static_cast<std::size_t>(longest_) + 1);
    bool is_run = false;
    for (std::int64_t row = first_; row < first_ + rows; ++row) {
        const std::int64_t length = offsets_.length(row);
        const bool is_copied = length <= longest_;
        if (is_copied) ++next[length], ++rows_;
        if (is_copied && !is_run) runs_.push_back({row, row});
        if (is_copied) runs_.back().second = row + 1;
        is_run = is_copied;
    }
    std::int32_t place = 0;
    for (std::int64_t length = 1; length <= longest_; ++length) {
        const std::int32_t count = next[length];
        next[length] = place;
        begins_[length] = num_entries_;
        if (count == 0) continue;
        parts_.push_back({place, count, length, num_entries_});
        place += count;
        num_entries_ += (count * length + kRowGap) / kRowGap * kRowGap + kRowGap;
    }
    order_.resize(static_cast<std::size_t>(rows_));
    for (const auto& [first, end] : runs_)
        for (std::int64_t row = first; row < end; ++row)
            order_[next[offsets_.length(row)]++] = static_cast<std::int32_t>(row - first_);
}

RealVector Window::of_rows(const RealVector& numbers) const {
    if (!memory_ || !numbers.data) return part_of_rows(numbers);
    if (numbers.is_float64)
        return {sorted_numbers(static_cast<const double*>(numbers.data), numbers.stride), rows_};
    return {sorted_numbers(static_cast<const float*>(numbers.data), numbers.stride), rows_};
}

IndexVector Window::of_rows(const IndexVector& numbers) const {
    if (!memory_) return part_of_rows(numbers);
    const auto copied = [&](auto integer) -> const void* {  // signed or not
        return sorted_numbers(static_cast<const decltype(integer)*>(numbers.data), numbers.stride);
    };
    const int width = static_cast<int>(numbers.type) % 4;
    const void* const data = width == 0   ? copied(std::uint8_t{})
                             : width == 1 ? copied(std::uint16_t{})
                             : width == 2 ? copied(std::uint32_t{})
                                          : copied(std::uint64_t{});
    return {data, numbers.type, rows_, 1};
}

RowNumbers Window::row_numbers() const {
    if (!memory_) return {first_, nullptr};
    constexpr std::int64_t tile = 16;
    auto* const each = take<std::int64_t>(rows_ + tile);
    for (std::int64_t i = 0; i < rows_; ++i) each[i] = row(i);
    std::fill_n(each + rows_, tile, 0);
    return {0, each};
}

Options Window::options(const Options& of_call) const {
    Options options = of_call;
    options.where = entries(of_call.where);
    options.valid = of_rows(of_call.valid);
    if (!memory_ && rows_ == offsets_.rows()) return options;  // the function of matrices does all
    options.may_write_on_error = true;
    if (memory_) options.num_threads = 1;
    return options;
}

}  // namespace scorefn
