#include "arrays.hpp"

#include <pybind11/gil_safe_call_once.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "gil.hpp"

namespace scorefn::python {

namespace {

// A Python class that is looked up once.
py::handle cached_class(py::gil_safe_call_once_and_store<py::object>& cache, const char* module,
                        const char* name) {
    return cache.call_once_and_store_result([&] {
        return py::module_::import(module).attr(name);
    }).get_stored();
}

// A mask that is silently ignored would be a wrong answer.
void refuse_masked(py::handle array, const char* name) {
    PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> ndarray;
    if (py::type::handle_of(array).is(cached_class(ndarray, "numpy", "ndarray"))) {
        return;
    }
    PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> masked_array;
    if (py::isinstance(array, cached_class(masked_array, "numpy.ma", "MaskedArray"))) {
        throw py::type_error(std::string(name) +
                             " must not be a masked array: pass its data, and the allowed "
                             "actions as where=");
    }
}

// The same of its items, which NumPy would strip of their masks.
void refuse_masked_items(py::handle x, const char* name) {
    const bool is_list = PyList_Check(x.ptr());
    if (!is_list && !PyTuple_Check(x.ptr())) {
        return;
    }
    // As NumPy reads them, whatever a subclass says of its items. Another thread may change the list.
    const auto size = [&] { return is_list ? PyList_GET_SIZE(x.ptr()) : PyTuple_GET_SIZE(x.ptr()); };
    for (py::ssize_t i = 0; i < size(); ++i) {
        PyObject* const borrowed = is_list ? PyList_GET_ITEM(x.ptr(), i) : PyTuple_GET_ITEM(x.ptr(), i);
        if (PyFloat_CheckExact(borrowed)) {
            continue;
        }
        const auto item = py::reinterpret_borrow<py::object>(borrowed);
        if (py::isinstance<py::array>(item)) {
            refuse_masked(item, name);
        } else {
            refuse_masked_items(item, name);
        }
    }
}

// A torch.Tensor, known by its module: torch is never imported.
bool is_of_torch(py::handle x) { return type_name(x).rfind("torch.", 0) == 0 && py::hasattr(x, "dtype"); }

bool is_native(const py::array& array) {
    const char order = array.dtype().byteorder();
    return order == '=' || order == '|' || order == (PY_BIG_ENDIAN ? '>' : '<');
}

bool is_aligned(const py::array& array) {
    return (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
}

struct Bytes {
    std::uintptr_t first, end;
};

Bytes extent(const Rows& a) {
    const auto first = reinterpret_cast<std::uintptr_t>(a.data);
    if (a.rows == 0 || a.cols == 0) {
        return {first, first};
    }
    const std::int64_t across_rows = (a.rows - 1) * a.row_stride * a.itemsize;
    const std::int64_t across_cols = (a.cols - 1) * a.col_stride * a.itemsize;
    const auto zero = std::int64_t{0};
    const std::int64_t below = std::min(across_rows, zero) + std::min(across_cols, zero);
    const std::int64_t above = std::max(across_rows, zero) + std::max(across_cols, zero);
    return {first + static_cast<std::uintptr_t>(below),
            first + static_cast<std::uintptr_t>(above + a.itemsize)};
}

}  // namespace

std::string to_string(const Shape& shape) {
    std::string text = "(";
    for (std::size_t i = 0; i < shape.size(); ++i) {
        text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
    }
    return text + (shape.size() == 1 ? ",)" : ")");
}

Shape shape_of(const py::array& array) { return Shape(array.shape(), array.shape() + array.ndim()); }

Shape strides_of(const py::array& array) { return Shape(array.strides(), array.strides() + array.ndim()); }

bool has_shape(const py::array& array, const Shape& shape) {
    return std::equal(array.shape(), array.shape() + array.ndim(), shape.begin(), shape.end());
}

const char* to_string(DType dtype) {
    return dtype == DType::float32 ? "float32" : dtype == DType::float64 ? "float64" : "int64";
}

py::dtype to_numpy(DType dtype) {
    return dtype == DType::float32   ? py::dtype::of<float>()
           : dtype == DType::float64 ? py::dtype::of<double>()
                                     : py::dtype::of<std::int64_t>();
}

bool has_dtype(const py::array& array, DType dtype) {
    const py::dtype actual = array.dtype();
    return actual.kind() == (dtype == DType::int64 ? 'i' : 'f') &&
           actual.itemsize() == (dtype == DType::float32 ? 4 : 8);
}

bool is_half(const py::array& array) {
    const py::dtype dtype = array.dtype();
    return dtype.itemsize() == 2 &&
           (dtype.kind() == 'f' || py::str(dtype.attr("name")).cast<std::string>() == "bfloat16");
}

std::string to_utf8(py::handle text) {
    const auto bytes =
        py::reinterpret_steal<py::bytes>(PyUnicode_AsEncodedString(text.ptr(), "utf-8", "backslashreplace"));
    if (!bytes) {
        throw py::error_already_set();
    }
    return bytes;
}

std::string dtype_name(const py::array& array) { return to_utf8(py::str(array.dtype())); }

std::string type_name(py::handle x) {
    const py::handle type = py::type::handle_of(x);
    std::string name = to_utf8(type.attr("__name__"));
    const std::string module = to_utf8(py::str(type.attr("__module__")));
    if (module == "builtins") {
        return name;
    }
    // The outermost package that has it is where its users find it.
    const py::object modules = py::module_::import("sys").attr("modules");
    std::size_t end = module.find('.');
    while (end != std::string::npos &&
           !py::getattr(modules.attr("get")(module.substr(0, end)), name.c_str(), py::none()).is(type)) {
        end = module.find('.', end + 1);
    }
    return module.substr(0, end) + "." + to_utf8(py::str(type.attr("__qualname__")));
}

void forget_conversion_error() {
    for (PyObject* const type : {PyExc_TypeError, PyExc_ValueError, PyExc_OverflowError}) {
        if (PyErr_ExceptionMatches(type)) {
            return PyErr_Clear();
        }
    }
    throw py::error_already_set();
}

std::string text_of(py::handle x) {
    const auto text = py::reinterpret_steal<py::object>(PyObject_Str(x.ptr()));
    if (!text) {
        forget_conversion_error();
        return "an " + type_name(x) + " too long to show";
    }
    return to_utf8(text);
}

bool Rows::operator==(const Rows& other) const {
    return data == other.data && itemsize == other.itemsize && rows == other.rows && cols == other.cols &&
           (rows <= 1 || row_stride == other.row_stride) && (cols <= 1 || col_stride == other.col_stride);
}

bool overlap(const Rows& a, const Rows& b) {
    const Bytes x = extent(a);
    const Bytes y = extent(b);
    return x.first < y.end && y.first < x.end;
}

bool may_overlap_itself(const py::array& array) {
    if (array.size() == 0 || (array.flags() & py::array::c_style) != 0) {
        return false;
    }
    std::vector<std::pair<py::ssize_t, py::ssize_t>> axes;  // stride, length
    for (py::ssize_t axis = 0; axis < array.ndim(); ++axis) {
        if (array.shape(axis) > 1) {
            axes.emplace_back(std::abs(array.strides(axis)), array.shape(axis));
        }
    }
    std::sort(axes.begin(), axes.end());
    py::ssize_t extent = array.itemsize();
    for (const auto& [stride, length] : axes) {
        if (stride < extent) {
            return true;
        }
        extent += (length - 1) * stride;
    }
    return false;
}

std::optional<Rows> as_rows(const py::array& array, Form form) {
    if (!is_native(array) || !is_aligned(array)) {
        return std::nullopt;
    }
    const py::ssize_t* shape = array.shape();
    const py::ssize_t* strides = array.strides();
    const py::ssize_t itemsize = array.itemsize();
    py::ssize_t axis = array.ndim();

    Rows rows;
    rows.data = const_cast<void*>(array.data());
    rows.itemsize = itemsize;
    rows.rows = rows.cols = 1;
    if (form == Form::matrix) {
        --axis;
        rows.cols = shape[axis];
        rows.col_stride = strides[axis];
    }
    bool joined = true;
    while (axis-- > 0) {
        if (shape[axis] == 1) {
            continue;
        }
        if (rows.rows == 1) {
            rows.row_stride = strides[axis];
        }
        joined = joined && (rows.rows == 1 || strides[axis] == rows.rows * rows.row_stride);
        rows.rows *= shape[axis];
    }
    // Strides that are never taken may be anything.
    const bool no_step_along_rows = rows.rows <= 1 || rows.cols == 0;
    const bool no_step_along_cols = rows.cols <= 1 || rows.rows == 0;
    if (no_step_along_rows) {
        joined = true;
        rows.row_stride = 0;
    }
    if (no_step_along_cols) {
        rows.col_stride = itemsize;
    }
    if (!joined || rows.row_stride % itemsize != 0 || rows.col_stride % itemsize != 0) {
        return std::nullopt;
    }
    rows.row_stride /= itemsize;
    rows.col_stride /= itemsize;
    return rows;
}

py::array as_array(py::handle x, const char* name) {
    if (py::isinstance<py::array>(x)) {
        refuse_masked(x, name);
        return py::reinterpret_borrow<py::array>(x);
    }
    try {
        py::array array(py::reinterpret_borrow<py::object>(x));
        if (array.dtype().kind() != 'O') {  // a list that holds itself has no end
            refuse_masked_items(x, name);
        }
        return array;
    } catch (py::error_already_set& error) {
        const bool is_tensor = is_of_torch(x);
        if (!error.matches(PyExc_TypeError) && !error.matches(PyExc_ValueError) &&
            !(is_tensor && error.matches(PyExc_RuntimeError))) {
            throw;
        }
        if (is_tensor && to_utf8(py::str(x.attr("dtype"))) == "torch.bfloat16") {
            return as_array(x.attr("float")(), name);
        }
        std::string reason = to_utf8(py::str(error.value()));
        if (is_tensor) {
            reason.insert(0, ": ");  // torch says what to call: detach(), cpu(), to_dense(), ...
        } else {
            const bool is_ragged = reason.find("inhomogeneous shape") != std::string::npos;
            reason = is_ragged ? " whose items differ in length" : "";
        }
        const std::string message = std::string(name) + " must be an array, got " + type_name(x) + reason;
        py::raise_from(error, PyExc_TypeError, message.c_str());
        throw py::error_already_set();
    }
}

py::dtype native(const py::dtype& dtype) { return dtype.attr("newbyteorder")("=").cast<py::dtype>(); }

py::array native_copy(const py::array& array) { return native_copy(array, native(array.dtype())); }

py::array native_copy(const py::array& array, const py::dtype& dtype) {
    py::array copy(dtype, shape_of(array));
    copy_values(array, copy);
    return copy;
}

py::array ndarray_view(const py::array& array) {
    return py::array(array.dtype(), shape_of(array), strides_of(array), array.data(), array);
}

void copy_values(const py::array& source, const py::array& target) {
    const py::array view = ndarray_view(target);
    // NumPy gives up the GIL as it copies.
    const int status =
        stopped_rather_than_unwound([&] { return PyObject_SetItem(view.ptr(), Py_Ellipsis, source.ptr()); });
    if (status != 0) {
        throw py::error_already_set();
    }
}

py::array with_axis_last(const py::array& array, py::ssize_t axis) {
    if (axis == array.ndim() - 1) {
        return array;
    }
    Shape shape = shape_of(array);
    Shape strides = strides_of(array);
    std::rotate(shape.begin() + axis, shape.begin() + axis + 1, shape.end());
    std::rotate(strides.begin() + axis, strides.begin() + axis + 1, strides.end());
    return py::array(array.dtype(), std::move(shape), std::move(strides), array.data(), array);
}

}  // namespace scorefn::python
