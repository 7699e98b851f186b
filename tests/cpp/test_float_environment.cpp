// The same bits whatever the caller's floating-point environment, which is as before after the call.
#include <cfenv>
#include <vector>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "check.hpp"
#include "plain_arrays.hpp"

using namespace scorefn;

namespace {

// Rows with subnormal probabilities and sums that round.
template <class T>
Inputs<T> inputs(std::int64_t rows) {
    const T spread = sizeof(T) == 4 ? T(100) : T(740);
    std::int64_t i = 0;
    return Inputs<T>({rows, 18, 4, 50}, [&] {
        ++i;
        return T(0.37) * static_cast<T>(i * 7 % 13) - (i % 5 == 0 ? spread : T(0));
    });
}

// Of one task and of many. The inputs are made once, in the environment of the first call.
template <class T>
std::vector<char> all_results(int num_threads) {
    static const Inputs<T> few = inputs<T>(40), many = inputs<T>(5000);
    std::vector<char> all = results_of_every_function(few, num_threads);
    const std::vector<char> more = results_of_every_function(many, num_threads);
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

template <class T>
void test_same_bits(const char* environment, const std::vector<char>& expected) {
    for (const int num_threads : {1, 2})
        check(all_results<T>(num_threads) == expected, __FILE__, __LINE__,
              std::string("other bits with ") + environment);
}

#if defined(__SSE__)
constexpr unsigned kFlags = 0x3f;

void test_control_bits() {
    const auto of_float = all_results<float>(1);
    const auto of_double = all_results<double>(1);
    const unsigned before = _mm_getcsr();
    const struct {
        const char* name;
        unsigned control;
    } environments[] = {{"subnormal results flushed to zero", 0x1f80 | 0x8000},
                        {"subnormal operands taken for zero", 0x1f80 | 0x0040},
                        {"both", 0x1f80 | 0x8040},
                        {"rounding down", 0x1f80 | 0x2000},
                        {"rounding up", 0x1f80 | 0x4000},
                        {"rounding to zero", 0x1f80 | 0x6000},
                        {"traps", 0x0000}};
    for (const auto& environment : environments) {
        _mm_setcsr(environment.control);
        test_same_bits<float>(environment.name, of_float);
        test_same_bits<double>(environment.name, of_double);
        CHECK((_mm_getcsr() & ~kFlags) == environment.control);
        std::vector<float> out(2);
        const float row[] = {1, 2};
        CHECK_THROWS(std::invalid_argument, "out must have shape (1, 2), got (1, 1)",
                     softmax(Matrix<const float>(row, 1, 2), Matrix<float>(out.data(), 1, 1)));
        CHECK((_mm_getcsr() & ~kFlags) == environment.control);
    }
    _mm_setcsr(before);
}
#endif

// What a caller can do without knowing the CPU.
void test_rounding_modes() {
    const auto expected = all_results<float>(1);
    for (const int mode : {FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO, FE_TONEAREST}) {
        std::fesetround(mode);
        test_same_bits<float>("a rounding mode", expected);
        CHECK(std::fegetround() == mode);
    }
}

}  // namespace

int main() {
#if defined(__SSE__)
    test_control_bits();
#endif
    test_rounding_modes();
    return failures();
}
