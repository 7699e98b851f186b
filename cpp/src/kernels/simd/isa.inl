// The instruction set that the compiler's flags ask for: the width of its registers, and what is tuned to them.
// The files of simd/ are the only ones that know it.
#pragma once

#if defined(__AVX512F__)
#define SCOREFN_REGISTER_BYTES 64
#elif defined(__AVX2__) && defined(__FMA__)
#define SCOREFN_REGISTER_BYTES 32
#else
#define SCOREFN_REGISTER_BYTES 16
#endif

// A sanitizer adds checks to every inlined function. Without inlining, the compiler takes a fifth of the time.
#ifdef SCOREFN_SANITIZED
#define SCOREFN_INLINE inline
#define SCOREFN_INLINE_LAMBDA
#else
#define SCOREFN_INLINE inline __attribute__((always_inline))
#define SCOREFN_INLINE_LAMBDA __attribute__((always_inline))
#endif
#define SCOREFN_NO_INLINE __attribute__((noinline))
#define SCOREFN_NO_INLINE_LAMBDA __attribute__((noinline))
// For code that takes several instructions per vector, where a call costs little beside it.
#if SCOREFN_REGISTER_BYTES == 64
#define SCOREFN_OFTEN_INLINE SCOREFN_INLINE
#else
#define SCOREFN_OFTEN_INLINE SCOREFN_NO_INLINE
#endif

namespace scorefn {
namespace {

constexpr int kRegisterBytes = SCOREFN_REGISTER_BYTES;
constexpr int kRegisters = 64 / kRegisterBytes;

// How many Lanes the registers hold in a long formula.
constexpr int kLockstep = kRegisterBytes == 64 ? 4 : 1;

// The micro-tiles of the products of a linear policy, rows by registers: the sums, a row of one factor and an entry of
// the other fit the registers, 32 with AVX-512 and 16 without.
constexpr int kLogitRows = kRegisterBytes == 64 ? 8 : 4;
constexpr int kLogitRegisters = kRegisterBytes == 16 ? 2 : 3;
constexpr int kSumRows = kRegisterBytes == 16 ? 2 : 6;
constexpr int kSumPanels = kRegisterBytes == 64 ? 4 : 1;

}  // namespace
}  // namespace scorefn
