// What small divergences are computed from.
#pragma once

#include "kernels/simd/lanes.inl"

namespace scorefn {
namespace {

// (exp(-d) - 1 + d) / d^2 on [-2, 2]
template <class T>
struct KlTail;
template <>
struct KlTail<float> {
    static constexpr float c[] = {
        0.5f,          -0.166666672f,    0.041666612f,    -0.00833332911f, 0.00138899882f, -0.000198421098f,
        2.472499e-05f, -2.74987678e-06f, 2.97212551e-07f, -2.6708717e-08f};
};
template <>
struct KlTail<double> {
    static constexpr double c[] = {0.5,
                                   -0.16666666666666652,
                                   0.041666666666666657,
                                   -0.0083333333333350801,
                                   0.0013888888888889759,
                                   -0.00019841269840659067,
                                   2.4801587301283017e-05,
                                   -2.7557319319885053e-06,
                                   2.755731927176626e-07,
                                   -2.5052100404490446e-08,
                                   2.0876753010996743e-09,
                                   -1.6059420302296456e-10,
                                   1.147093322535863e-11,
                                   -7.6370663851909496e-13,
                                   4.7744431721110966e-14,
                                   -2.9545866471328475e-15,
                                   1.6333298636090429e-16};
};

}  // namespace
}  // namespace scorefn
