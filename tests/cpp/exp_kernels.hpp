// The kernels' exp, as a table an ISA.
#pragma once

#include <cstdint>

// Counts are multiples of this.
constexpr std::int64_t kExpStep = 64;

template <class T>
struct ExpOf {
    // e[i] = exp(z[i]), or 0 if that is far below 1; whether all are within the safe range, without which e is of no use.
    bool (*within)(const T* z, std::int64_t count, T* e);
    // e[i] = 2^power exp(z[i] - shift) for z[i] <= max; sets both.
    void (*shifted)(const T* z, T max, std::int64_t count, T* e, T& shift, int& power);
    T lowest, highest, negligible;  // the ends of the safe range, and from where on down e is 0
};

struct ExpKernels {
    ExpOf<float> of_floats;
    ExpOf<double> of_doubles;

    template <class T>
    const ExpOf<T>& of() const {
        if constexpr (sizeof(T) == sizeof(float))
            return of_floats;
        else
            return of_doubles;
    }
};
