// The functions that GCC's vector extensions cannot say, or say slowly: one file per instruction set, the same functions
// in each. Nothing in them rounds but what narrows, minus_exact_product() and multiply_add().
#pragma once

#include "kernels/simd/isa.inl"

#if SCOREFN_REGISTER_BYTES == 64
#include "kernels/simd/avx512.inl"
#elif SCOREFN_REGISTER_BYTES == 32
#include "kernels/simd/avx2.inl"
#elif defined(__SSE2__)
#include "kernels/simd/sse2.inl"
#else
#include "kernels/simd/portable.inl"
#endif
