#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <thread>

#ifdef __GLIBCXX__
#include <cxxabi.h>
#endif

namespace scorefn::python {

// f(), in which the thread may ask for the GIL. Before Python 3.14, a daemon thread that does so while the interpreter
// shuts down is unwound, which a destructor or noexcept turns into std::terminate. This stops it for good, as 3.14 does:
// unwound further, it would release arrays without the GIL.
template <class Function>
__attribute__((no_sanitize("undefined")))  // what is caught is no object
auto stopped_rather_than_unwound(const Function& f) {
#ifdef __GLIBCXX__
    try {
        return f();
    } catch (abi::__forced_unwind&) {
        for (;;) {
            std::this_thread::sleep_for(std::chrono::hours(1));
        }
    }
#else
    return f();
#endif
}

// While it lives, other Python threads run. Not py::gil_scoped_release, for what is said above.
class WithoutGil {
public:
    WithoutGil() : state_(PyEval_SaveThread()) {}
    WithoutGil(const WithoutGil&) = delete;
    WithoutGil& operator=(const WithoutGil&) = delete;

    ~WithoutGil() { take(); }

    // f() with the GIL.
    template <class Function>
    auto with_gil(const Function& f) {
        take();
        const auto result = f();
        state_ = PyEval_SaveThread();
        return result;
    }

private:
    void take() {
        stopped_rather_than_unwound([&] { PyEval_RestoreThread(state_); });
    }

    PyThreadState* state_;
};

}  // namespace scorefn::python
