// A program that knows scorefn by its C++ package alone: consumer KEY0 KEY1. Prints exact numbers, in hexadecimal.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <scorefn/scorefn.hpp>
#include <vector>

int main(int, char** argv) {
    constexpr std::int64_t n = 5, k = 7;
    std::vector<float> logits(n * k), gradient(n * k), log_probs(n);
    std::vector<std::int64_t> actions(n);
    for (int i = 0; i < n * k; ++i) logits[i] = 0.5f * static_cast<float>(i * i % 13);
    logits[6] = -90;  // a subnormal probability
    const std::vector<double> weights{1.0, -2.0, 0.5, 0.0, 3.0};
    const scorefn::RandomKey key{{std::strtoull(argv[1], nullptr, 10), std::strtoull(argv[2], nullptr, 10)}};

    const scorefn::Matrix<const float> z(logits.data(), n, k);
    const scorefn::Matrix out(gradient.data(), n, k);
    scorefn::sample(z, key, scorefn::Matrix(actions.data(), n, 1), scorefn::Matrix(log_probs.data(), n, 1));
    scorefn::score_gradient(z, {actions.data(), n}, {weights.data(), n}, out);

    std::printf("%s\n", scorefn::version());
    for (const std::int64_t action : actions) std::printf("%lld\n", static_cast<long long>(action));
    for (const float x : log_probs) std::printf("%a\n", static_cast<double>(x));
    for (const float x : gradient) std::printf("%a\n", static_cast<double>(x));
    try {
        actions[3] = k;
        scorefn::score_gradient(z, {actions.data(), n}, {weights.data(), n}, out);
    } catch (const scorefn::IndexError& error) {
        std::printf("%s\n", error.what());
    }
}
