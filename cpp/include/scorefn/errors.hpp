// Errors that name a row. Everything else that is wrong with the arguments is a std::invalid_argument.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace scorefn {

// What is wrong with which row: reads "<subject>[<row>]<problem>", or "<subject><problem>" for row -1 (one row for all).
struct RowFault {
    std::string subject;
    std::int64_t row;
    std::string problem;

    std::string message() const {
        return subject + (row < 0 ? "" : "[" + std::to_string(row) + "]") + problem;
    }
};

// "actions[3] = 7 is out of range for 5 actions"
struct IndexError : std::out_of_range {
    explicit IndexError(const RowFault& fault) : std::out_of_range(fault.message()), fault(fault) {}
    RowFault fault;
};

// An element or a row that a function cannot work with: "rewards[3] must be finite, got nan"
struct BadValue : std::invalid_argument {
    explicit BadValue(const RowFault& fault) : std::invalid_argument(fault.message()), fault(fault) {}
    RowFault fault;
};

// "logits[3] has no allowed action"
struct NoAllowedAction : BadValue {
    using BadValue::BadValue;
};

// "logits[3] has NaN or +inf in an allowed slot", where that is an error: no action can be drawn from such a row.
struct BadLogits : BadValue {
    using BadValue::BadValue;
};

}  // namespace scorefn
