// Times the library that it is linked with, for calibrate.py. It reads lines "FUNCTION ROWS COLS THREADS REPEATS"
// and answers each with the fastest of so many calls in nanoseconds and a hash of the bits of the result.
#include <scorefn/categorical.hpp>
#include <scorefn/gradient.hpp>
#include <scorefn/softmax.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iostream>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace {

struct Data {
    std::int64_t rows, cols;
    std::vector<float> logits, weights, out;
    std::vector<std::int64_t> actions;

    Data(std::int64_t rows, std::int64_t cols)
        : rows(rows),
          cols(cols),
          logits(static_cast<std::size_t>(rows * cols)),
          weights(static_cast<std::size_t>(rows)),
          out(logits.size()),
          actions(weights.size()) {
        std::mt19937 random(0);
        const auto number = [&] { return static_cast<float>(random() % 65536) / 8192 - 4; };
        std::generate(logits.begin(), logits.end(), number);
        std::generate(weights.begin(), weights.end(), number);
        for (auto& action : actions) action = static_cast<std::int64_t>(random()) % cols;
    }

    void run(const std::string& function, int num_threads) {
        const scorefn::Matrix<const float> in(logits.data(), rows, cols);
        const scorefn::Matrix<float> result(out.data(), rows, cols);
        const scorefn::IndexVector a(actions.data(), rows);
        scorefn::GradientOptions options;
        options.num_threads = num_threads;
        options.may_write_on_error = true;
        if (function == "score_gradient")
            scorefn::score_gradient(in, a, scorefn::RealVector(weights.data(), rows), result, options);
        else if (function == "log_softmax")
            scorefn::log_softmax(in, result, options);
        else
            scorefn::log_prob(in, a, scorefn::Vector<float>{out.data(), rows, 1}, options);
    }

    std::uint64_t hash() const {
        std::uint64_t hash = 14695981039346656037u;  // FNV-1a, a float at a time
        for (const float x : out) {
            std::uint32_t bits;
            std::memcpy(&bits, &x, sizeof(bits));
            hash = (hash ^ bits) * 1099511628211u;
        }
        return hash;
    }
};

}  // namespace

int main() {
    std::string function;
    std::int64_t rows, cols;
    int num_threads, repeats;
    while (std::cin >> function >> rows >> cols >> num_threads >> repeats) {
        Data data(rows, cols);
        data.run(function, num_threads);  // pages, caches and threads
        auto fastest = std::numeric_limits<std::int64_t>::max();
        for (int i = 0; i < repeats; ++i) {
            const auto start = std::chrono::steady_clock::now();
            data.run(function, num_threads);
            const auto time = std::chrono::steady_clock::now() - start;
            fastest = std::min<std::int64_t>(
                fastest, std::chrono::duration_cast<std::chrono::nanoseconds>(time).count());
        }
        std::cout << fastest << " " << data.hash() << std::endl;
    }
}
