// The same bits whatever the caller's floating-point environment, which is as before after the call.
#include <scorefn/scorefn.hpp>

#include <cfenv>
#include <cstring>
#include <vector>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "check.hpp"
#include "runtime/parallel.hpp"

using namespace scorefn;

namespace {

// Rows with subnormal probabilities and sums that round.
template <class T>
struct Inputs {
    static constexpr std::int64_t rows = 5000, cols = 18, features = 4;
    std::vector<T> logits, coef, old_log_prob;
    std::vector<std::int64_t> actions, states;
    std::vector<double> weights;

    Inputs() : coef(features * cols), old_log_prob(rows, T(-2)) {
        const T spread = sizeof(T) == 4 ? T(100) : T(740);
        for (std::int64_t i = 0; i < rows * cols; ++i)
            logits.push_back(T(0.37) * static_cast<T>(i * 7 % 13) - (i % 5 == 0 ? spread : T(0)));
        for (std::size_t i = 0; i < coef.size(); ++i) coef[i] = T(0.1) * static_cast<T>(i % 7);
        for (std::int64_t i = 0; i < rows; ++i) {
            actions.push_back(i % cols), states.push_back(i % 50),
                weights.push_back(0.1 * static_cast<double>(i % 11));
        }
    }
};

template <class T>
std::vector<char> results(std::int64_t n, int num_threads) {
    static const Inputs<T> in;
    constexpr auto k = Inputs<T>::cols, f = Inputs<T>::features;
    std::vector<char> bytes;
    const auto keep = [&](const auto& x) {
        const auto* const data = reinterpret_cast<const char*>(x.data());
        bytes.insert(bytes.end(), data, data + x.size() * sizeof(x[0]));
    };
    const Matrix<const T> logits(in.logits.data(), n, k), coef(in.coef.data(), f, k),
        features(in.logits.data(), n, f, k, 1), table(in.logits.data(), 50, k);
    const IndexVector actions(in.actions.data(), n), states(in.states.data(), n);
    const RealVector weights(in.weights.data(), n), old_log_prob(in.old_log_prob.data(), n);
    const auto size = static_cast<std::size_t>(n);
    std::vector<T> matrix(size * k), vector(size), other(size), of_table(50 * k), of_coef(f * k), of_row(k);
    std::vector<std::int64_t> drawn(size);
    const Matrix<T> out(matrix.data(), n, k);
    const Vector<T> to{vector.data(), n}, to_other{other.data(), n};
    GradientOptions options;
    options.num_threads = num_threads, options.entropy_coef = 0.1;

    log_softmax(logits, out, options), keep(matrix);
    softmax(logits, out, options), keep(matrix);
    logsumexp(logits, to, options), keep(vector);
    log_prob(logits, actions, to, options), keep(vector);
    entropy(logits, to, options), keep(vector);
    const Matrix<const T> shifted(in.logits.data() + 1, n - 1, k), but_last(in.logits.data(), n - 1, k);
    kl_divergence(but_last, shifted, Vector<T>{vector.data(), n - 1}, options);
    keep(vector);
    sample(logits, RandomKey{{1, 2}}, Matrix<std::int64_t>(drawn.data(), n, 1),
           Matrix<T>(vector.data(), n, 1), to_other, options);
    keep(drawn), keep(vector), keep(other);
    score(logits, actions, out, options), keep(matrix);
    score_gradient(logits, actions, weights, out, options), keep(matrix);
    score_gradient(Vector<const T>{in.logits.data(), k}, actions, weights, Vector<T>{of_row.data(), k},
                   options);
    keep(of_row);
    tabular_gradient(table, states, actions, weights, Matrix<T>(of_table.data(), 50, k), options),
        keep(of_table);
    linear_gradient(features, coef, actions, weights, Matrix<T>(of_coef.data(), f, k), options),
        keep(of_coef);
    const std::vector<double> objective{
        policy_gradient(logits, actions, weights, {out, to, to_other}, options)};
    keep(objective), keep(matrix), keep(vector), keep(other);
    const ClippedSurrogateSums clipped = clipped_surrogate(logits, actions, old_log_prob, weights, 0.1,
                                                           {out, to, to_other}, to_other, options);
    const std::vector<double> statistics{clipped.objective, clipped.approx_kl, clipped.clip_fraction};
    keep(statistics), keep(matrix), keep(vector);
    return bytes;
}

// Of one task and of many.
template <class T>
std::vector<char> all_results(int num_threads) {
    std::vector<char> bytes = results<T>(40, num_threads);
    const std::vector<char> more = results<T>(Inputs<T>::rows, num_threads);
    bytes.insert(bytes.end(), more.begin(), more.end());
    return bytes;
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
