#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <thread>

#ifdef __GLIBCXX__
#include <cxxabi.h>
#endif

namespace scorefn::python {

// While it lives, other Python threads run.
//
// Not py::gil_scoped_release: before Python 3.14, a daemon thread that asks for the GIL while the interpreter
// shuts down is unwound, which a destructor turns into std::terminate. This one stops the thread for good, as
// 3.14 does: unwound further, it would release arrays without the GIL.
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
#ifdef __GLIBCXX__
        try {
            PyEval_RestoreThread(state_);
        } catch (abi::__forced_unwind&) {
            for (;;) {
                std::this_thread::sleep_for(std::chrono::hours(1));
            }
        }
#else
        PyEval_RestoreThread(state_);
#endif
    }

    PyThreadState* state_;
};

}  // namespace scorefn::python
