// The kernels' exp, as a table an ISA.
#pragma once

#include <cstdint>

// Counts are multiples of this.
constexpr std::int64_t kExpStep = 64;

struct ExpKernels {
    // scaled[i] = exp(z[i] - max) / unspare for z[i] <= max
    void (*of_floats)(const float* z, float max, std::int64_t count, float* scaled);
    void (*of_doubles)(const double* z, double max, std::int64_t count, double* scaled);
    float unspare_float;
    double unspare_double;
};
