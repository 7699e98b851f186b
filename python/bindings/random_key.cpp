#include "random_key.hpp"

#include <pybind11/gil_safe_call_once.h>

#include "arrays.hpp"
#include "call.hpp"
#include "scalars.hpp"

namespace scorefn::python {

namespace {

struct NumpyRandom {
    py::object default_rng;
    py::object generator;
};

const NumpyRandom& numpy_random() {
    PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<NumpyRandom> cache;
    return cache
        .call_once_and_store_result([] {
        const py::module_ random = py::module_::import("numpy.random");
        return NumpyRandom{random.attr("default_rng"), random.attr("Generator")};
    }).get_stored();
}

py::object to_generator(py::handle rng) {
    const NumpyRandom& random = numpy_random();
    if (!is_given(rng)) {
        return call_python(random.default_rng, {});
    }
    if (py::isinstance(rng, random.generator)) {
        return py::reinterpret_borrow<py::object>(rng);
    }
    const bool is_number = PyIndex_Check(rng.ptr()) != 0;
    if (!is_number && !PyModule_Check(rng.ptr()) &&
        py::hasattr(rng, "seed")) {  // torch.Generator, random.Random, ...
        throw py::type_error("rng must be None, an int seed or a numpy.random.Generator, got " +
                             type_name(rng) + ": draw an int from it and pass that");
    }
    if (to_int(rng, "rng", "None, an int seed or a numpy.random.Generator") < 0) {
        throw py::value_error("rng must be a seed of at least 0, got " + text_of(rng));
    }
    const auto seed = py::reinterpret_steal<py::object>(PyNumber_Index(rng.ptr()));
    if (!seed) {
        throw py::error_already_set();
    }
    return call_python(random.default_rng, {seed});
}

// NumPy's C interface to a bit generator (numpy/random/bitgen.h), the part that is used here.
struct BitGenerator {
    void* state;
    std::uint64_t (*next_uint64)(void* state);
};

}  // namespace

// The same words as generator.integers(2**64, dtype=np.uint64, size=2), without 5 us for the call.
RandomKey draw_key(py::handle rng) {
    const py::object owner = to_generator(rng).attr("bit_generator");
    const py::object capsule = py::getattr(owner, "capsule", py::none());
    if (!PyCapsule_IsValid(capsule.ptr(), "BitGenerator")) {
        throw py::type_error("rng must have a bit generator as NumPy's are, got " + type_name(owner));
    }
    auto* const bits = static_cast<BitGenerator*>(PyCapsule_GetPointer(capsule.ptr(), "BitGenerator"));
    const py::object lock = owner.attr("lock");
    const py::object release = lock.attr("release");
    call_python(lock.attr("acquire"), {});
    const std::uint64_t first = bits->next_uint64(bits->state);
    const std::uint64_t second = bits->next_uint64(bits->state);
    call_python(release, {});
    return {{first, second}};
}

}  // namespace scorefn::python
