// Another thread changes the arrays of a call while it runs, each right before a page that may not be touched: any answer
// and any exception will do, but nothing may be read or written where no array is.
//
// SCOREFN_ISA chooses the kernels; 77 says that the CPU does not have them.
#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <limits>
#include <scorefn/scorefn.hpp>
#include <thread>
#include <vector>

#include "check.hpp"
#include "guarded_memory.hpp"
#include "wanted_isa.hpp"

using namespace scorefn;

namespace {

constexpr auto kTimeOfEach = std::chrono::milliseconds(8);

// Memory that another thread copies one of several contents to.
class Changing {
public:
    template <class E>
    Changing(E* data, const std::vector<E>& good, const std::vector<E>& others)
        : data_(reinterpret_cast<char*>(data)) {
        contents_.push_back(bytes(good));
        for (const E value : others) {
            std::vector<E> some = good;
            for (std::size_t i = 1; i < some.size(); i += 3) some[i] = value;
            contents_.push_back(bytes(some));
            contents_.push_back(bytes(std::vector<E>(good.size(), value)));
        }
        change(0);
    }
    void change(std::size_t step) const {
        const std::vector<char>& content = contents_[step % contents_.size()];
        std::copy(content.begin(), content.end(), static_cast<volatile char*>(data_));
    }

private:
    template <class E>
    static std::vector<char> bytes(const std::vector<E>& x) {
        const char* const first = reinterpret_cast<const char*>(x.data());
        return std::vector<char>(first, first + x.size() * sizeof(E));
    }

    char* data_;
    std::vector<std::vector<char>> contents_;
};

struct Shape {
    std::int64_t rows, cols, stride;  // of indices and weights
};
constexpr std::int64_t kStates = 19, kFeatures = 5, kDraws = 3;

// The arrays of all functions.
template <class T, class Index>
class Arrays {
    int used_ = 0;
    std::vector<Changing> changing_;

public:
    const Shape shape;
    const Matrix<const T> logits, other_logits, table, features, coef;
    const IndexVector actions, states;
    const RealVector weights, old_log_prob;
    const Matrix<const bool> where, where_of_table;
    const Matrix<T> out, out_of_table, out_of_coef, drawn_log_probs;
    const Matrix<std::int64_t> drawn_actions;
    const Vector<T> log_prob, entropy, ratio;

    explicit Arrays(const Shape& shape)
        : shape(shape),
          logits(matrix(shape.rows, shape.cols)),
          other_logits(matrix(shape.rows, shape.cols)),
          table(matrix(kStates, shape.cols)),
          features(matrix(shape.rows, kFeatures)),
          coef(matrix(kFeatures, shape.cols)),
          actions(indices(shape.cols)),
          states(indices(kStates)),
          weights(reals()),
          old_log_prob(reals()),
          where(mask(shape.rows)),
          where_of_table(mask(kStates)),
          out(place<T>(shape.rows * shape.cols), shape.rows, shape.cols),
          out_of_table(place<T>(kStates * shape.cols), kStates, shape.cols),
          out_of_coef(place<T>(kFeatures * shape.cols), kFeatures, shape.cols),
          drawn_log_probs(place<T>(shape.rows * kDraws), shape.rows, kDraws),
          drawn_actions(place<std::int64_t>(shape.rows * kDraws), shape.rows, kDraws),
          log_prob{place<T>(shape.rows), shape.rows, 1},
          entropy{place<T>(shape.rows), shape.rows, 1},
          ratio{place<T>(shape.rows), shape.rows, 1} {}

    // Each array at a pace of its own, so that they meet in ever other combinations.
    void change(std::size_t step) const {
        for (std::size_t i = 0; i < changing_.size(); ++i) changing_[i].change(step / (i + 1));
    }

private:
    template <class E>
    E* place(std::int64_t count) {
        return region(used_++).template place<E>(count, true);
    }
    // value(i) for each i, and at times one of the others.
    template <class E, class Value>
    E* changing(std::int64_t count, Value value, const std::vector<E>& others) {
        std::vector<E> good;
        for (std::int64_t i = 0; i < count; ++i) good.push_back(static_cast<E>(value(i)));
        E* const data = place<E>(count);
        changing_.emplace_back(data, good, others);
        return data;
    }

    Matrix<const T> matrix(std::int64_t rows, std::int64_t cols) {
        using Limits = std::numeric_limits<T>;
        return {
            changing<T>(rows * cols, [](std::int64_t i) { return i * 7 % 11 - 5; },
                        {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity(), T(-1e30), T(1e30)}),
            rows, cols};
    }
    std::int64_t strided_size() const { return (shape.rows - 1) * shape.stride + 1; }
    IndexVector indices(std::int64_t bound) {
        using Limits = std::numeric_limits<Index>;
        const auto beyond = static_cast<Index>(std::min<std::int64_t>(bound, Limits::max()));
        return {changing<Index>(strided_size(),
                                [&](std::int64_t i) { return i * 11 % std::min<std::int64_t>(bound, 100); },
                                {static_cast<Index>(-1), beyond, Limits::max(), Limits::min(),
                                 static_cast<Index>(Limits::max() / 3)}),
                shape.rows, shape.stride};
    }
    RealVector reals() {
        using Limits = std::numeric_limits<double>;
        return {changing<double>(strided_size(), [](std::int64_t i) { return i % 5 - 2; },
                                 {Limits::quiet_NaN(), -Limits::infinity(), 0, 1e300}),
                shape.rows, shape.stride};
    }
    Matrix<const bool> mask(std::int64_t rows) {
        const auto* const bytes =
            changing<unsigned char>(rows * shape.cols, [](std::int64_t) { return 1; }, {0, 2, 255});
        return {reinterpret_cast<const bool*>(bytes), rows, shape.cols};
    }
};

// A call of `arrays`; the mask of its options is that of the logits or none.
template <class T, class Index>
struct Function {
    const char* name;
    void (*run)(const Arrays<T, Index>& arrays, GradientOptions options);
};

template <class T, class Index>
constexpr Function<T, Index> kFunctions[] = {
    {"log_softmax", [](const auto& a, GradientOptions o) { log_softmax(a.logits, a.out, o); }},
    {"softmax", [](const auto& a, GradientOptions o) { softmax(a.logits, a.out, o); }},
    {"logsumexp", [](const auto& a, GradientOptions o) { logsumexp(a.logits, a.log_prob, o); }},
    {"log_prob", [](const auto& a, GradientOptions o) { log_prob(a.logits, a.actions, a.log_prob, o); }},
    {"entropy", [](const auto& a, GradientOptions o) { entropy(a.logits, a.entropy, o); }},
    {"kl_divergence",
     [](const auto& a, GradientOptions o) { kl_divergence(a.logits, a.other_logits, a.log_prob, o); }},
    {"sample",
     [](const auto& a, GradientOptions o) {
    sample(a.logits, RandomKey{{1, 2}}, a.drawn_actions, a.drawn_log_probs, a.entropy, o);
}},
    {"score", [](const auto& a, GradientOptions o) { score(a.logits, a.actions, a.out, o); }},
    {"score_gradient",
     [](const auto& a, GradientOptions o) { score_gradient(a.logits, a.actions, a.weights, a.out, o); }},
    {"score_gradient in place",
     [](const auto& a, GradientOptions o) {
    const Matrix<T> out(const_cast<T*>(a.logits.data), a.logits.rows, a.logits.cols);
    score_gradient(a.logits, a.actions, a.weights, out, o);
}},
    {"score_gradient of one row",
     [](const auto& a, GradientOptions o) {
    if (o.where) o.where.rows = 1;
    const Vector<const T> row{a.logits.data, a.logits.cols, 1};
    score_gradient(row, a.actions, a.weights, Vector<T>{a.out.data, a.out.cols, 1}, o);
}},
    {"tabular_gradient",
     [](const auto& a, GradientOptions o) {
    if (o.where) o.where = a.where_of_table;
    tabular_gradient(a.table, a.states, a.actions, a.weights, a.out_of_table, o);
}},
    {"linear_gradient",
     [](const auto& a, GradientOptions o) {
    linear_gradient(a.features, a.coef, a.actions, a.weights, a.out_of_coef, o);
}},
    {"policy_gradient",
     [](const auto& a, GradientOptions o) {
    policy_gradient(a.logits, a.actions, a.weights, ObjectiveRows<T>{a.out, a.log_prob, a.entropy}, o);
}},
    {"clipped_surrogate",
     [](const auto& a, GradientOptions o) {
    clipped_surrogate(a.logits, a.actions, a.old_log_prob, a.weights, 0.2,
                      ObjectiveRows<T>{a.out, a.log_prob, a.entropy}, a.ratio, o);
}},
};

long calls = 0, errors = 0;

// Calls with options of every kind, until the time is over.
template <class T, class Index>
void call_for_a_while(const Function<T, Index>& function, const Arrays<T, Index>& arrays) {
    const auto end = std::chrono::steady_clock::now() + kTimeOfEach;
    for (int i = 0; i < 16 || std::chrono::steady_clock::now() < end; ++i, ++calls) {
        GradientOptions options;
        options.num_threads = 1 + i % 2;
        options.may_write_on_error = i / 2 % 2 != 0;
        options.entropy_coef = i / 4 % 2 * 0.5;
        options.accumulate = i / 8 % 2 != 0;
        if (i % 3 == 0) options.where = arrays.where;
        try {
            function.run(arrays, options);
        } catch (const std::exception&) {
            ++errors;
        }
    }
}

template <class T, class Index>
void test(const Shape& shape) {
    const Arrays<T, Index> arrays(shape);
    std::atomic<bool> is_over{false};
    std::thread other([&] {
        for (std::size_t step = 0; !is_over; ++step) arrays.change(step);
    });
    for (const auto& function : kFunctions<T, Index>) {
        std::snprintf(running, sizeof running, "%s of %d x %d in steps of %d", function.name,
                      static_cast<int>(shape.rows), static_cast<int>(shape.cols),
                      static_cast<int>(shape.stride));
        call_for_a_while(function, arrays);
    }
    is_over = true;
    other.join();
}

}  // namespace

int main() {
    if (!cpu_has_wanted_isa()) return 77;
    report_faults();
    constexpr Shape kShapes[] = {{300, 3, 1}, {700, 12, 1}, {50, 200, 3}, {5, 3000, 1}};
    for (const Shape& shape : kShapes) {
        test<float, std::int64_t>(shape);
        test<double, std::int8_t>(shape);
        test<float, std::uint32_t>(shape);
    }
    std::printf("%s: %ld calls, %ld errors\n", current_isa().c_str(), calls, errors);
    CHECK(calls > errors && errors > 0);
    return failures();
}
