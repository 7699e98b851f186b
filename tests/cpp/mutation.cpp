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
#include <thread>
#include <type_traits>
#include <vector>

#include "check.hpp"
#include "every_function.hpp"
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
    // What the next call is, and where its gradient goes.
    Function function = Function::log_softmax;
    int place_of_objective = 0;
    bool in_place = false, has_flags = false;
    GradientOptions chosen;

    explicit Arrays(const Shape& shape)
        : shape_(shape),
          logits_(changing_matrix(shape.rows, shape.cols)),
          other_logits_(changing_matrix(shape.rows, shape.cols)),
          table_(changing_matrix(kStates, shape.cols)),
          features_(changing_matrix(shape.rows, kFeatures)),
          coef_(changing_matrix(kFeatures, shape.cols)),
          actions_(indices(shape.rows, shape.cols)),
          states_(indices(shape.rows, kStates)),
          offsets_(offsets([&](std::int64_t i) { return begin_of_ragged_row(i, shape.rows, shape.cols); })),
          segments_(offsets([&](std::int64_t i) { return begin_of_segment(i, shape.rows); })),
          weights_(reals()),
          old_log_prob_(reals()),
          propensities_(probabilities()),
          where_(mask(shape.rows)),
          where_of_table_(mask(kStates)),
          valid_(changing<unsigned char>(shape.rows, [](std::int64_t) { return 1; }, {0, 2, 255})),
          of_logits_(place<T>(shape.rows * shape.cols)),
          of_table_(place<T>(kStates * shape.cols)),
          of_coef_(place<T>(kFeatures * shape.cols)),
          log_probs_(place<T>(shape.rows * kDraws)),
          drawn_(place<std::int64_t>(shape.rows * kDraws)) {
        for (T*& result : results_) result = place<T>(shape.rows);
    }

    // Each array at a pace of its own, so that they meet in ever other combinations.
    void change(std::size_t step) const {
        for (std::size_t i = 0; i < changing_.size(); ++i) changing_[i].change(step / (i + 1));
    }

    Matrix<const T> logits() const { return as_rows(logits_); }
    Matrix<const T> other_logits() const { return as_rows(other_logits_); }
    Matrix<const T> table() const { return table_; }
    Matrix<const T> features() const { return features_; }
    Matrix<const T> coef() const { return coef_; }
    Vector<const T> row() const { return {logits_.data, shape_.cols, 1}; }
    IndexVector actions() const { return actions_; }
    IndexVector states() const { return states_; }
    IndexVector offsets() const { return offsets_; }
    IndexVector segments() const { return segments_; }
    RealVector weights() const { return weights_; }
    RealVector old_log_prob() const { return old_log_prob_; }
    RealVector propensities() const { return propensities_; }
    Matrix<const double> numbers() const {
        return {static_cast<const double*>(weights_.data), 1, shape_.rows, 1, shape_.stride};
    }
    Matrix<const bool> flags() const { return where_; }

    Matrix<T> gradient(const Matrix<const T>& of) const {
        T* const own = is_of_a_table(function) ? of_table_ : is_of_features(function) ? of_coef_ : of_logits_;
        return {in_place ? const_cast<T*>(of.data) : own, of.rows, of.cols};
    }
    Matrix<T> matrix() const { return {of_logits_, shape_.rows, shape_.cols}; }
    Vector<T> gradient(const Vector<const T>& of) const { return {of_logits_, of.size, 1}; }
    Vector<T> results() { return {results_[next_result_++ % kResults], shape_.rows, 1}; }
    Matrix<T> drawn_log_probs() const { return {log_probs_, shape_.rows, kDraws}; }
    Matrix<std::int64_t> drawn_actions() const { return {drawn_, shape_.rows, kDraws}; }

    Options options() const { return gradient_options(); }
    GradientOptions gradient_options() const {
        GradientOptions options = chosen;
        if (has_flags) options.valid = {reinterpret_cast<const bool*>(valid_), shape_.rows};
        if (!options.where) return options;
        options.where = is_of_a_table(function) ? where_of_table_ : as_rows(where_);
        if (function == Function::score_gradient_of_one_row) options.where.rows = 1;
        return options;
    }
    int objective() const { return place_of_objective; }
    double clip_range() const { return 0.2; }
    void keep(double) const {}

private:
    static constexpr int kResults = 8;  // no call has more

    // One row, for functions of ragged rows.
    template <class E>
    Matrix<const E> as_rows(const Matrix<const E>& m) const {
        return is_ragged(function) ? Matrix<const E>(m.data, 1, m.rows * m.cols) : m;
    }
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

    Matrix<const T> changing_matrix(std::int64_t rows, std::int64_t cols) {
        using Limits = std::numeric_limits<T>;
        return {
            changing<T>(rows * cols, [](std::int64_t i) { return i * 7 % 11 - 5; },
                        {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity(), T(-1e30), T(1e30)}),
            rows, cols};
    }
    std::int64_t strided(std::int64_t size) const { return (size - 1) * shape_.stride + 1; }
    // Among them are many that are in range for ragged rows, too.
    IndexVector indices(std::int64_t size, std::int64_t bound) {
        using Limits = std::numeric_limits<Index>;
        const auto beyond = static_cast<Index>(std::min<std::int64_t>(bound, Limits::max()));
        return {changing<Index>(strided(size),
                                [&](std::int64_t i) { return i * 11 % std::min<std::int64_t>(bound, 100); },
                                {Index{0}, static_cast<Index>(-1), beyond, Limits::max(), Limits::min(),
                                 static_cast<Index>(Limits::max() / 3)}),
                size, shape_.stride};
    }
    // begin(i) for each row or segment, and where they end. They need not fit into 8 bits.
    template <class Begin>
    IndexVector offsets(Begin begin) {
        using Offset = std::conditional_t<sizeof(Index) == 1, std::int32_t, Index>;
        using Limits = std::numeric_limits<Offset>;
        const std::int64_t size = shape_.rows + 1;
        return {changing<Offset>(strided(size), [&](std::int64_t i) { return begin(i / shape_.stride); },
                                 {static_cast<Offset>(-1), Limits::max()}),
                size, shape_.stride};
    }
    RealVector reals() {
        using Limits = std::numeric_limits<double>;
        return {changing<double>(strided(shape_.rows), [](std::int64_t i) { return i % 5 - 2; },
                                 {Limits::quiet_NaN(), -Limits::infinity(), 0, 1e300}),
                shape_.rows, shape_.stride};
    }
    RealVector probabilities() {
        return {
            changing<double>(strided(shape_.rows), [](std::int64_t) { return 1.0; }, {0.5, 1e-300, 0.25, 0}),
            shape_.rows, shape_.stride};
    }
    Matrix<const bool> mask(std::int64_t rows) {
        const auto* const bytes =
            changing<unsigned char>(rows * shape_.cols, [](std::int64_t) { return 1; }, {0, 2, 255});
        return {reinterpret_cast<const bool*>(bytes), rows, shape_.cols};
    }

    const Shape shape_;
    const Matrix<const T> logits_, other_logits_, table_, features_, coef_;
    const IndexVector actions_, states_, offsets_, segments_;
    const RealVector weights_, old_log_prob_, propensities_;
    const Matrix<const bool> where_, where_of_table_;
    const unsigned char* const valid_;
    T *const of_logits_, *const of_table_, *const of_coef_, *const log_probs_;
    std::int64_t* const drawn_;
    T* results_[kResults];
    int next_result_ = 0;
};

long calls = 0, errors = 0;

// Calls with options of every kind, until the time is over.
template <class T, class Index>
void call_for_a_while(Arrays<T, Index>& arrays) {
    const auto end = std::chrono::steady_clock::now() + kTimeOfEach;
    for (int i = 0; i < 16 || std::chrono::steady_clock::now() < end; ++i, ++calls) {
        GradientOptions& options = arrays.chosen;
        options.num_threads = 1 + i % 2;
        options.may_write_on_error = i / 2 % 2 != 0;
        options.entropy_coef = i / 4 % 2 * 0.5;
        options.accumulate = i / 8 % 2 != 0;
        options.where = i % 3 == 0 ? arrays.flags() : Matrix<const bool>{};
        arrays.has_flags = i / 3 % 3 == 1;
        arrays.in_place = i / 4 % 4 == 3 && !options.may_write_on_error;
        try {
            call<T>(arrays.function, arrays);
        } catch (const std::exception&) {
            ++errors;
        }
    }
}

template <class T, class Index>
void test(const Shape& shape) {
    Arrays<T, Index> arrays(shape);
    std::atomic<bool> is_over{false};
    std::thread other([&] {
        for (std::size_t step = 0; !is_over; ++step) arrays.change(step);
    });
    for_every_function([&](Function function, int objective) {
        arrays.function = function;
        arrays.place_of_objective = objective;
        std::snprintf(running, sizeof running, "%s of %d x %d in steps of %d",
                      kFunctionNames[static_cast<int>(function)], static_cast<int>(shape.rows),
                      static_cast<int>(shape.cols), static_cast<int>(shape.stride));
        call_for_a_while(arrays);
    });
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
