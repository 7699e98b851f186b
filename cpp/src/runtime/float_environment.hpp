// Results do not depend on what another library has made of this thread's floating-point environment.
#pragma once

#include <cstdint>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace scorefn {

// While it lives: rounding to nearest, subnormal numbers kept, no traps. Then the caller's environment comes back.
class StandardFloatEnvironment {
public:
    StandardFloatEnvironment() : of_caller_(get()) {
        if ((of_caller_ & ~kFlags) != kStandard) set(kStandard);
    }
    ~StandardFloatEnvironment() {
        if ((of_caller_ & ~kFlags) != kStandard) set(of_caller_);
    }
    StandardFloatEnvironment(const StandardFloatEnvironment&) = delete;
    StandardFloatEnvironment& operator=(const StandardFloatEnvironment&) = delete;

private:
#if defined(__SSE__)
    using Control = std::uint32_t;
    static constexpr Control kStandard = 0x1f80, kFlags = 0x3f;  // MXCSR: all exceptions masked
    static Control get() { return _mm_getcsr(); }
    static void set(Control control) {
        _mm_setcsr(control);
        asm volatile("" ::: "memory");  // what is computed from memory stays on its side of this
    }
#elif defined(__aarch64__)
    using Control = std::uint64_t;
    static constexpr Control kStandard = 0, kFlags = 0;  // FPCR
    static Control get() {
        Control control;
        asm volatile("mrs %0, fpcr" : "=r"(control));
        return control;
    }
    static void set(Control control) { asm volatile("msr fpcr, %0" ::"r"(control) : "memory"); }
#else
#error "no floating-point environment is known for this CPU"
#endif

    const Control of_caller_;
};

}  // namespace scorefn
