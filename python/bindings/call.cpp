#include "call.hpp"

namespace scorefn::python {

std::string describe(const RowFault& fault, const Shape& shape) {
    std::string indices;
    std::int64_t row = fault.row;
    for (std::size_t axis = shape.size(); axis-- > 0;) {
        const std::string index = std::to_string(row % shape[axis]);
        indices = indices.empty() ? index : index + ", " + indices;
        row /= shape[axis];
    }
    return fault.subject + (indices.empty() ? "" : "[" + indices + "]") + fault.problem;
}

}  // namespace scorefn::python
