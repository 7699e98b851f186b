#include <scorefn/threads.hpp>

#include "docs/threads.hpp"
#include "function.hpp"
#include "module.hpp"
#include "scalars.hpp"

namespace scorefn::python {

namespace {

py::object get_num_threads() { return py::int_(scorefn::get_num_threads()); }

py::object set_num_threads(py::handle num_threads) {
    scorefn::set_num_threads(to_num_threads(num_threads));
    return py::none();
}

py::object set_thread_local_num_threads(py::handle num_threads) {
    const int previous = scorefn::set_thread_local_num_threads(to_num_threads(num_threads));
    return previous == 0 ? py::object(py::none()) : py::int_(previous);
}

py::object num_threads_reason() { return py::str(scorefn::num_threads_reason()); }

py::object region_counts() {
    const RegionCounts counts = scorefn::region_counts();
    return py::make_tuple(counts.shared, counts.alone);
}

py::object share_again() {
    scorefn::share_again();
    return py::none();
}

py::object set_worker_process(py::handle is_worker) {
    scorefn::set_worker_process(to_bool(is_worker, "is_worker"));
    return py::none();
}

}  // namespace

void bind_threads(py::module_& module) {
    def<&get_num_threads>(module, docs::get_num_threads);
    def<&set_num_threads>(module, docs::set_num_threads);
    def<&set_thread_local_num_threads>(module, docs::set_thread_local_num_threads);
    def<&set_worker_process>(module, docs::set_worker_process);
    def<&num_threads_reason>(module, docs::num_threads_reason);
    def<&region_counts>(module, docs::region_counts);
    def<&share_again>(module, docs::share_again);
}

}  // namespace scorefn::python
