#include "policies/ragged_rows.hpp"

namespace scorefn {

RowOffsets::RowOffsets(const IndexVector& offsets, std::int64_t num_values)
    : rows_(offsets.size - 1), at_(std::max<std::int64_t>(offsets.size, 0)) {
    require_view("offsets", offsets);
    if (offsets.size < 1) throw std::invalid_argument("offsets must have at least one entry, got none");
    bool good = kernels().load_indices(offsets, 0, offsets.size, num_values + 1, at_.data());
    good = good && at_[0] == 0 && at_[rows_] == num_values;
    std::int64_t shortest = 1, other_than_first = 0;
    for (std::int64_t row = 0; good && row < rows_; ++row) {
        shortest = std::min(shortest, length(row));
        other_than_first |= length(row) ^ length(0);
    }
    are_of_one_length_ = other_than_first == 0;
    if (good && shortest == 1) return;

    const auto must = [&](std::int64_t i, const std::string& expected) {
        const std::string got = offsets.type == IntegerType::u64
                                    ? std::to_string(static_cast<std::uint64_t>(at_[i]))
                                    : std::to_string(at_[i]);
        throw std::invalid_argument("offsets[" + std::to_string(i) + "] must be " + expected + ", got " +
                                    got);
    };
    const std::string number_of_logits = std::to_string(num_values) + ", the number of logits";
    if (at_[0] != 0) must(0, "0");
    for (std::int64_t i = 1; i <= rows_; ++i) {
        if (at_[i] < 0 || at_[i] > num_values) must(i, "at most " + number_of_logits);
        if (at_[i] <= at_[i - 1])
            must(i, "greater than offsets[" + std::to_string(i - 1) + "] = " + std::to_string(at_[i - 1]) +
                        ", as each row has an action");
    }
    must(rows_, number_of_logits);
}

RealVector Block::of_rows(const RealVector& numbers) const {
    if (!numbers.data) return {};
    if (!order_) {
        RealVector part = from(numbers, first_);
        part.size = size;
        return part;
    }
    if (numbers.is_float64)
        return {gathered_numbers(static_cast<const double*>(numbers.data), numbers.stride), size};
    return {gathered_numbers(static_cast<const float*>(numbers.data), numbers.stride), size};
}

IndexVector Block::of_rows(const IndexVector& numbers) const {
    if (!order_) {
        IndexVector part = from(numbers, first_);
        part.size = size;
        return part;
    }
    const auto gathered = [&](auto integer) -> const void* {  // signed or not
        return gathered_numbers(static_cast<const decltype(integer)*>(numbers.data), numbers.stride);
    };
    const int width = static_cast<int>(numbers.type) % 4;
    const void* const data = width == 0   ? gathered(std::uint8_t{})
                             : width == 1 ? gathered(std::uint16_t{})
                             : width == 2 ? gathered(std::uint32_t{})
                                          : gathered(std::uint64_t{});
    return {data, numbers.type, size, 1};
}

RowNumbers Block::numbers() const {
    if (!order_) return {first_, nullptr};
    constexpr std::int64_t tile = 16;
    auto* const each = memory_->take<std::int64_t>(size + tile);
    for (std::int64_t i = 0; i < size; ++i) each[i] = row(i);
    std::fill_n(each + size, tile, 0);
    return {0, each};
}

Options Block::options(const Options& of_call) const {
    Options options = of_call;
    options.where = rows(of_call.where);
    options.valid = of_rows(of_call.valid);
    if (size == offsets_.rows()) return options;  // the function of matrices does all
    options.may_write_on_error = true;
    if (order_) options.num_threads = 1;
    return options;
}

}  // namespace scorefn
