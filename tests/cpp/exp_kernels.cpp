// exp as the kernels compute it, compiled with an ISA's flags as cpp/src/kernels/kernels.cpp is, and so with nothing in it
// that another file may define too.
#include "exp_kernels.hpp"

#include <cstring>
#include <type_traits>
#include <utility>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace {

#include "kernels/lanes.inl"
#include "kernels/exp.inl"

template <class T>
void exp_below_all(const T* z, T max, std::int64_t count, T* scaled) {
    const Origin<T> origin(Lanes<T>::splat(max));
    for (std::int64_t i = 0; i < count; i += kExpStep)
        for (int k = 0; k < kExpStep; k += kLockstep * Lanes<T>::size)
            exp_below(Lanes<T, kLockstep>::load(z + i + k), origin).scaled.store(scaled + i + k);
}

}  // namespace

#define JOIN_(x) exp_kernels_##x
#define JOIN(x) JOIN_(x)

extern const ExpKernels JOIN(SCOREFN_ISA_NAME);
const ExpKernels JOIN(SCOREFN_ISA_NAME) = {exp_below_all<float>, exp_below_all<double>,
                                           ExpConstants<float>::unspare, ExpConstants<double>::unspare};
