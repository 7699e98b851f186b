#include "output.hpp"

#include <string>

#include "scalars.hpp"

namespace scorefn::python {

namespace {

py::array given(py::handle out, const Shape& shape, const ResultType& type, const char* name) {
    const auto must = [name](const std::string& rest) { return std::string(name) + " must " + rest; };
    if (!py::isinstance<py::array>(out)) {
        throw py::type_error(must("be an ndarray, got ") + type_name(out));
    }
    py::array array = as_array(out, name);
    if (!has_dtype(array, type.dtype) && !(type.half && native(array.dtype()).equal(type.half))) {
        const std::string half = type.half ? " or " + py::str(type.half).cast<std::string>() : "";
        throw py::type_error(must("be ") + to_string(type.dtype) + half + ", got " + dtype_name(array));
    }
    if (!has_shape(array, shape)) {
        throw py::value_error(must("have shape ") + to_string(shape) + ", got " + to_string(shape_of(array)));
    }
    if (!array.writeable()) {
        throw py::value_error(must("be writeable, got a read-only array"));
    }
    if (may_overlap_itself(array)) {
        throw py::value_error(must("not overlap itself, got strides ") + to_string(strides_of(array)));
    }
    return array;
}

// A new C-contiguous array, whose values are still to be written. It takes no vectors on the way, as py::array does.
py::array fresh(DType dtype, const Shape& shape) {
    const auto& api = py::detail::npy_api::get();
    const auto ndim = static_cast<int>(shape.size());
    PyObject* const array =
        api.PyArray_NewFromDescr_(api.PyArray_Type_, to_numpy(dtype).release().ptr(), ndim,
                                  const_cast<Py_intptr_t*>(shape.data()), nullptr, nullptr, 0, nullptr);
    if (array == nullptr) {
        throw py::error_already_set();
    }
    return py::reinterpret_steal<py::array>(array);
}

Rows contiguous_rows(const py::array& array, Form form) {
    Rows rows;
    rows.data = const_cast<void*>(array.data());
    rows.itemsize = array.itemsize();
    rows.cols = form == Form::matrix ? array.shape(array.ndim() - 1) : 1;
    rows.rows = 1;
    for (py::ssize_t axis = 0; axis < array.ndim() - (form == Form::matrix); ++axis) {
        rows.rows *= array.shape(axis);
    }
    rows.row_stride = rows.rows <= 1 || rows.cols == 0 ? 0 : rows.cols;
    return rows;
}

}  // namespace

Output::Output(py::handle out, const Shape& shape, const ResultType& type, Form form, py::ssize_t axis,
               const char* name)
    : name_(name),
      axis_(axis),
      is_given_(python::is_given(out)),
      array_(is_given_ ? given(out, shape, type, name) : fresh(type.dtype, shape)) {
    if (!is_given_ && axis_ == array_.ndim() - 1) {
        rows_ = contiguous_rows(array_, form);
        return;
    }
    const py::array target = with_axis_last(array_, axis_);
    std::optional<Rows> rows;
    if (has_dtype(target, type.dtype)) {
        rows = as_rows(target, form);
    }
    if (!rows) {
        buffer_ = native_copy(target, to_numpy(type.dtype));  // with its values, for accumulate=True
        rows = as_rows(*buffer_, form);
    }
    rows_ = rows.value();
}

void Output::check_apart_from(const Output& other) const {
    if (!is_given_ || !other.is_given_) {
        return;
    }
    if (!is_private() && !other.is_private() && !overlap(rows_, other.rows_)) {
        return;
    }
    // Exact sharing is exponential in the number of axes; NumPy gives up after max_work steps and answers True.
    constexpr int max_work = 1 << 16;
    const py::object may_share_memory = py::module_::import("numpy").attr("may_share_memory");
    if (may_share_memory(ndarray_view(array_), ndarray_view(other.array_), max_work).cast<bool>()) {
        throw py::value_error(std::string(name_) + " and " + other.name_ + " must not share memory");
    }
}

py::object Output::result() const {
    if (buffer_) {
        const py::array target = with_axis_last(array_, axis_);
        // np.errstate may make an overflow in half precision an error. It is raised before `out` is written.
        copy_values(is_half(target) ? native_copy(*buffer_, target.dtype()) : *buffer_, target);
    }
    if (!is_given_ && array_.ndim() == 0) {
        return array_[py::tuple(0)];
    }
    return array_;
}

}  // namespace scorefn::python
