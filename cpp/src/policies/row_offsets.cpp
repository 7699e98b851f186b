#include "policies/row_offsets.hpp"

namespace scorefn {

RowOffsets::RowOffsets(const IndexVector& offsets, std::int64_t num_values)
    : rows_(offsets.size - 1), at_(std::max<std::int64_t>(offsets.size, 0)) {
    require_view("offsets", offsets);
    if (offsets.size < 1) throw std::invalid_argument("offsets must have at least one entry, got none");
    bool good = kernels().load_indices(offsets, 0, offsets.size, num_values + 1, at_.data());
    good = good && at_[0] == 0 && at_[rows_] == num_values;
    shortest_ = longest_ = good && rows_ > 0 ? length(0) : 1;
    for (std::int64_t row = 0; good && row < rows_; ++row) {
        shortest_ = std::min(shortest_, length(row));
        longest_ = std::max(longest_, length(row));
    }
    if (good && shortest_ > 0) return;

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

}  // namespace scorefn
