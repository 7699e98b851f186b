// What is in the kernel of sample, as a table an ISA: the inverse of the cumulative distribution, and the generator.
#pragma once

#include <cstdint>

// actions[i] = the action that u[i] in [0, 1) stands for, in a row of so many logits: in a tile of copies of the row, or in
// the row alone. `scratch`: scratch_bytes(cols).
template <class T>
using Invert = void (*)(const T* logits, std::int64_t cols, const double* u, std::int64_t count,
                        std::int64_t* actions, bool alone, void* scratch);

struct SampleKernels {
    Invert<float> invert_floats;
    Invert<double> invert_doubles;
    void (*philox)(const std::uint32_t (&counter)[4], const std::uint32_t (&key)[2],
                   std::uint32_t (&words)[4]);
    // What the two words of a RandomKey become.
    void (*mix)(const std::uint64_t (&words)[2], std::uint64_t (&mixed)[2]);
    // u of rows first .. first + 7, from what a key has become
    void (*uniforms)(const std::uint64_t (&mixed)[2], std::uint64_t first, std::uint64_t draw,
                     double (&u)[8]);

    template <class T>
    Invert<T> invert() const {
        if constexpr (sizeof(T) == sizeof(float))
            return invert_floats;
        else
            return invert_doubles;
    }
};
