// Every array of a call lies once right before and once right after a page that may not be touched, so that reading or
// writing one element too many ends the program, whatever the optimiser made of it. The results may depend neither on
// where the arrays lie nor on their strides, and what lies between the rows of a result must stay as it was.
//
// SCOREFN_ISA chooses the kernels; 77 says that the CPU does not have them.
#include <stdlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <scorefn/scorefn.hpp>

#include "check.hpp"
#include "guarded_memory.hpp"
#include "wanted_isa.hpp"

using namespace scorefn;

namespace {

enum class Layout { plain, padded, transposed, reversed };

struct Layouts {
    const char* name;
    Layout in, out;
    bool in_place;
};
constexpr Layouts kLayouts[] = {
    {"plain", Layout::plain, Layout::plain, false},
    {"padded", Layout::padded, Layout::padded, false},
    {"padded in", Layout::padded, Layout::plain, false},
    {"padded out", Layout::plain, Layout::padded, false},
    {"transposed", Layout::transposed, Layout::transposed, false},
    {"reversed", Layout::reversed, Layout::reversed, false},
    {"in place", Layout::plain, Layout::plain, true},
    {"in place padded", Layout::padded, Layout::padded, true},
};
// The first few are tried on more shapes.
constexpr int kAllLayouts = sizeof kLayouts / sizeof kLayouts[0], kPaddedLayouts = 4, kCommonLayouts = 2;

enum class Masked { no, each_row, all_rows_alike };

struct Shape {
    std::int64_t rows, cols, features;
};
struct Variant {
    Masked masked;
    bool accumulate;  // also: weights in float, actions of 16 bits, errors found on the way
    bool bad_row;     // the last row has no allowed action
};

constexpr std::int64_t kGap = 3;

// What the arrays of all calls of one shape hold, row by row: the same numbers whatever the layout.
template <class T>
struct Values {
    std::vector<T> logits, other_logits, features, coef, sums;
    std::vector<char> allowed;

    Values(const Shape& shape, bool bad_row, bool has_nan) {
        const std::int64_t n = shape.rows, cols = shape.cols;
        for (std::int64_t i = 0; i < n; ++i)
            for (std::int64_t j = 0; j < cols; ++j) {
                const bool needed = j == 0 || j == i % cols;
                const bool is_nan = has_nan && n >= 15 && i == n - 2 && j == cols - 1;
                const bool none = (bad_row && i == n - 1) || ((i * 7 + j) % 13 == 5 && !needed);
                const T z = static_cast<T>((i * 31 + j * 17) % 29) / T(3) - T(5);
                logits.push_back(none     ? -std::numeric_limits<T>::infinity()
                                 : is_nan ? std::numeric_limits<T>::quiet_NaN()
                                          : z);
                other_logits.push_back(z / T(2) + static_cast<T>(j % 5));
                allowed.push_back(needed || (i * 5 + j * 3) % 4 != 1);
            }
        for (std::int64_t i = 0; i < n * shape.features; ++i)
            features.push_back(static_cast<T>(i * 5 % 11) / T(8));
        for (std::int64_t i = 0; i < shape.features * cols; ++i) {
            coef.push_back(static_cast<T>(i * 3 % 7) - T(3));
            sums.push_back(static_cast<T>(i % 5));
        }
    }
};

// One call: its arrays, placed in the order in which they are asked for, and what is in its results.
template <class T>
class Call {
public:
    const Shape shape;
    const Variant variant;

    Call(const Values<T>& values, const Shape& shape, const Variant& variant, const Layouts& layouts,
         bool at_end)
        : shape(shape), variant(variant), values_(values), layouts_(layouts), at_end_(at_end) {}

    Matrix<const T> logits() { return read(shape.rows, shape.cols, values_.logits.data()); }
    Matrix<const T> other_logits() { return read(shape.rows, shape.cols, values_.other_logits.data()); }
    Matrix<const T> features() { return read(shape.rows, shape.features, values_.features.data()); }
    Matrix<const T> coef() { return read(shape.features, shape.cols, values_.coef.data()); }
    IndexVector actions(std::int64_t count) { return indices(count, shape.cols); }
    IndexVector indices(std::int64_t count, std::int64_t bound) {
        return variant.accumulate ? index_vector<std::int16_t>(count, bound)
                                  : index_vector<std::int64_t>(count, bound);
    }
    RealVector reals(std::int64_t count) {
        return variant.accumulate ? real_vector<float>(count) : real_vector<double>(count);
    }
    Vector<const T> row_of_logits() {
        const Matrix<T> m = matrix(shape.cols, 1, layouts_.in, values_.logits.data());
        return {m.data, shape.cols, m.row_stride};
    }

    // What a matrix of results has before the call: what the logits are.
    Matrix<T> results_like_logits(const Matrix<const T>& logits) {
        if (!layouts_.in_place) return results(shape.rows, shape.cols, values_.logits.data());
        const Matrix<T> out(const_cast<T*>(logits.data), logits.rows, logits.cols, logits.row_stride,
                            logits.col_stride);
        results_.push_back({out, layouts_.in});
        return out;
    }
    Matrix<T> results_like_coef() { return results(shape.features, shape.cols, values_.sums.data()); }
    Matrix<T> results(std::int64_t rows, std::int64_t cols) {
        return results(rows, cols, std::vector<T>(static_cast<std::size_t>(rows * cols)).data());
    }
    Vector<T> results(std::int64_t size) {
        const Matrix<T> out = results(size, 1);
        return {out.data, size, out.row_stride};
    }
    Vector<T> row_of_results() {
        const Matrix<T> out = results(shape.cols, 1, values_.logits.data());
        return {out.data, shape.cols, out.row_stride};
    }
    Matrix<std::int64_t> drawn_actions(std::int64_t draws) {
        const std::vector<std::int64_t> before(static_cast<std::size_t>(shape.rows * draws));
        const Matrix<std::int64_t> out = matrix(shape.rows, draws, layouts_.out, before.data());
        indices_.push_back({out, layouts_.out});
        return out;
    }
    void keep(double value) { canonical_copy(&value, 1, 1); }

    Options options(std::int64_t rows) {
        Options options;
        set(options, rows);
        return options;
    }
    GradientOptions gradient_options(std::int64_t rows, double entropy_coef) {
        GradientOptions options;
        set(options, rows);
        options.entropy_coef = entropy_coef;
        options.accumulate = variant.accumulate;
        return options;
    }

    // The results' bytes, gaps left out: they are checked here.
    const std::vector<char>& finish() {
        for (const auto& out : results_) finish(out);
        for (const auto& out : indices_) finish(out);
        return bytes_;
    }

private:
    template <class E>
    struct Result {
        Matrix<E> values;
        Layout layout;
    };

    template <class E>
    static E gap() {
        return static_cast<E>(-77);
    }
    template <class E>
    E* place(std::int64_t count) {
        if (used_ == kRegions) throw std::runtime_error("too few regions");
        return region(used_++).place<E>(count, at_end_);
    }
    // Nothing lies behind the last row, not even its gap.
    template <class E, class From>
    Matrix<E> matrix_of(std::int64_t rows, std::int64_t cols, Layout layout, const From* values) {
        const std::int64_t stride = layout == Layout::padded ? cols + kGap : cols;
        const std::int64_t count = (rows - 1) * stride + cols;
        E* const data = place<E>(count);
        if (layout == Layout::padded) std::fill_n(data, count, gap<E>());
        Matrix<E> m(data, rows, cols, stride, 1);
        if (layout == Layout::transposed) m = Matrix<E>(data, rows, cols, 1, rows);
        if (layout == Layout::reversed) m = Matrix<E>(data + (rows - 1) * cols, rows, cols, -cols, 1);
        for (std::int64_t i = 0; i < rows; ++i, values += cols)
            if (m.col_stride == 1)
                std::copy_n(values, cols, &m(i, 0));
            else
                for (std::int64_t j = 0; j < cols; ++j) m(i, j) = static_cast<E>(values[j]);
        return m;
    }
    template <class E>
    Matrix<E> matrix(std::int64_t rows, std::int64_t cols, Layout layout, const E* values) {
        return matrix_of<E>(rows, cols, layout, values);
    }
    Matrix<const T> read(std::int64_t rows, std::int64_t cols, const T* values) {
        const Matrix<T> m = matrix(rows, cols, layouts_.in, values);
        return Matrix<const T>(m.data, rows, cols, m.row_stride, m.col_stride);
    }
    Matrix<T> results(std::int64_t rows, std::int64_t cols, const T* before) {
        const Matrix<T> out = matrix(rows, cols, layouts_.out, before);
        results_.push_back({out, layouts_.out});
        return out;
    }
    template <class Integer>
    IndexVector index_vector(std::int64_t count, std::int64_t bound) {
        std::vector<Integer> values;
        for (std::int64_t i = 0; i < count; ++i) values.push_back(static_cast<Integer>(i * 11 % bound));
        const Matrix<Integer> m = matrix(count, 1, layouts_.in, values.data());
        return {m.data, count, m.row_stride};
    }
    template <class Real>
    RealVector real_vector(std::int64_t count) {
        std::vector<Real> values;
        for (std::int64_t i = 0; i < count; ++i) values.push_back(static_cast<Real>(i % 5) * Real(0.75) - 1);
        const Matrix<Real> m = matrix(count, 1, layouts_.in, values.data());
        return {m.data, count, m.row_stride};
    }

    void set(Options& options, std::int64_t rows) {
        options.num_threads = 1;
        options.may_write_on_error = variant.accumulate;
        if (variant.masked == Masked::no) return;
        const bool alike = variant.masked == Masked::all_rows_alike;
        const Matrix<bool> where =
            matrix_of<bool>(alike ? 1 : rows, shape.cols, layouts_.in, values_.allowed.data());
        options.where =
            Matrix<const bool>(where.data, where.rows, where.cols, where.row_stride, where.col_stride);
        if (!alike) return;
        options.where.rows = rows;
        options.where.row_stride = 0;
    }

    // All NaN are alike.
    template <class E>
    void canonical_copy(const E* x, std::int64_t count, std::int64_t stride) {
        const std::size_t used = bytes_.size();
        bytes_.resize(used + static_cast<std::size_t>(count) * sizeof(E));
        char* to = bytes_.data() + used;
        for (std::int64_t i = 0; i < count; ++i, to += sizeof(E)) {
            E value = x[i * stride];
            value = value == value ? value : std::numeric_limits<E>::quiet_NaN();
            std::memcpy(to, &value, sizeof(E));
        }
    }
    template <class E>
    void finish(const Result<E>& out) {
        const Matrix<E>& m = out.values;
        for (std::int64_t i = 0; i < m.rows; ++i) canonical_copy(&m(i, 0), m.cols, m.col_stride);
        bool kept = true;
        for (std::int64_t i = 0; out.layout == Layout::padded && i + 1 < m.rows; ++i)
            for (std::int64_t j = m.cols; j < m.cols + kGap; ++j) kept = kept && m(i, j) == gap<E>();
        check(kept, __FILE__, __LINE__, std::string("written between rows: ") + running);
    }

    const Values<T>& values_;
    const Layouts& layouts_;
    const bool at_end_;
    int used_ = 0;
    std::vector<Result<T>> results_;
    std::vector<Result<std::int64_t>> indices_;
    std::vector<char> bytes_;
};

template <class T>
struct Function {
    const char* name;
    bool accumulates;
    void (*run)(Call<T>&);
};

constexpr double kEntropyCoef = 0.25;

template <class T, int Tenths>
void run_score_gradient(Call<T>& call) {
    const auto logits = call.logits();
    const std::int64_t n = call.shape.rows;
    score_gradient(logits, call.actions(n), call.reals(n), call.results_like_logits(logits),
                   call.gradient_options(n, Tenths * 0.1));
}
template <class T, int Tenths>
void run_shared_row(Call<T>& call) {
    const auto logits = call.row_of_logits();
    const std::int64_t n = call.shape.rows;
    score_gradient(logits, call.actions(n), call.reals(n), call.row_of_results(),
                   call.gradient_options(1, Tenths * 0.1));
}
template <class T, int Tenths>
void run_tabular(Call<T>& call) {
    constexpr std::int64_t samples = 37;
    const auto table = call.logits();
    tabular_gradient(table, call.indices(samples, call.shape.rows), call.actions(samples),
                     call.reals(samples), call.results_like_logits(table),
                     call.gradient_options(call.shape.rows, Tenths * 0.1));
}
// Finite numbers, and the mask as the steps that count.
template <class T>
void run_discounted_returns(Call<T>& call) {
    const std::int64_t steps = call.shape.rows, cols = call.shape.cols;
    const auto rewards = call.other_logits(), next_values = call.other_logits();
    discounted_returns({rewards, {}, {}, call.options(steps).where}, next_values, 0.5,
                       call.results(steps, cols), {1, true});
}
template <class T>
void run_generalized_advantages(Call<T>& call) {
    const std::int64_t steps = call.shape.rows, cols = call.shape.cols;
    const auto rewards = call.other_logits(), values = call.other_logits(), next_values = call.other_logits();
    const auto where = call.options(steps).where;
    generalized_advantages({rewards, where, where, {}}, values, next_values, 0.5, 0.5,
                           call.results(steps, cols), {1, false});
}
template <class T, int Tenths>
void run_linear(Call<T>& call) {
    const std::int64_t n = call.shape.rows;
    const auto features = call.features(), coef = call.coef();
    linear_gradient(features, coef, call.actions(n), call.reals(n), call.results_like_coef(),
                    call.gradient_options(n, Tenths * 0.1));
}
template <class T, bool WithEntropies>
void run_sample(Call<T>& call) {
    constexpr std::int64_t draws = 2;
    const std::int64_t n = call.shape.rows;
    const auto logits = call.logits();
    sample(logits, RandomKey{{1, 2}}, call.drawn_actions(draws), call.results(n, draws),
           WithEntropies ? call.results(n) : Vector<T>{}, call.options(n));
}
template <class T>
void run_policy_gradient(Call<T>& call) {
    const auto logits = call.logits();
    const std::int64_t n = call.shape.rows;
    const ObjectiveRows<T> out{call.results_like_logits(logits), call.results(n), call.results(n)};
    call.keep(policy_gradient(logits, call.actions(n), call.reals(n), out,
                              call.gradient_options(n, call.variant.accumulate ? 0 : kEntropyCoef)));
}
template <class T>
void run_clipped_surrogate(Call<T>& call) {
    const auto logits = call.logits();
    const std::int64_t n = call.shape.rows;
    const ObjectiveRows<T> out{call.results_like_logits(logits), call.results(n), call.results(n)};
    const RealVector old_log_prob = call.reals(n), advantages = call.reals(n);
    const auto got =
        clipped_surrogate(logits, call.actions(n), old_log_prob, advantages, 0.2, out, call.results(n),
                          call.gradient_options(n, call.variant.accumulate ? 0 : kEntropyCoef));
    call.keep(got.objective), call.keep(got.approx_kl), call.keep(got.clip_fraction);
}

template <class T>
constexpr Function<T> kFunctions[] = {
    {"log_softmax", false,
     [](Call<T>& call) {
    const auto logits = call.logits();
    log_softmax(logits, call.results_like_logits(logits), call.options(logits.rows));
}},
    {"softmax", false,
     [](Call<T>& call) {
    const auto logits = call.logits();
    softmax(logits, call.results_like_logits(logits), call.options(logits.rows));
}},
    {"logsumexp", false,
     [](Call<T>& call) {
    const auto logits = call.logits();
    logsumexp(logits, call.results(logits.rows), call.options(logits.rows));
}},
    {"log_prob", false,
     [](Call<T>& call) {
    const auto logits = call.logits();
    log_prob(logits, call.actions(logits.rows), call.results(logits.rows), call.options(logits.rows));
}},
    {"entropy", false,
     [](Call<T>& call) {
    const auto logits = call.logits();
    entropy(logits, call.results(logits.rows), call.options(logits.rows));
}},
    {"kl_divergence", false,
     [](Call<T>& call) {
    const auto p = call.logits(), q = call.other_logits();
    kl_divergence(p, q, call.results(p.rows), call.options(p.rows));
}},
    {"score", false,
     [](Call<T>& call) {
    const auto logits = call.logits();
    score(logits, call.actions(logits.rows), call.results_like_logits(logits), call.options(logits.rows));
}},
    {"score_gradient", true, run_score_gradient<T, 0>},
    {"score_gradient with entropy", true, run_score_gradient<T, 2>},
    {"score_gradient of one row", true, run_shared_row<T, 0>},
    {"score_gradient of one row with entropy", true, run_shared_row<T, 2>},
    {"tabular_gradient", true, run_tabular<T, 0>},
    {"tabular_gradient with entropy", true, run_tabular<T, 2>},
    {"policy_gradient", true, run_policy_gradient<T>},
    {"clipped_surrogate", true, run_clipped_surrogate<T>},
};
// Of rows without NaN.
template <class T>
constexpr Function<T> kSampleFunctions[] = {
    {"sample", false, run_sample<T, false>},
    {"sample with entropies", false, run_sample<T, true>},
    {"sample of actions alone", false,
     [](Call<T>& call) {
    sample(call.logits(), RandomKey{{1, 2}}, call.drawn_actions(1), {}, {}, call.options(call.shape.rows));
}},
};
template <class T>
constexpr Function<T> kCreditFunctions[] = {
    {"discounted_returns", false, run_discounted_returns<T>},
    {"generalized_advantages", false, run_generalized_advantages<T>},
};
template <class T>
constexpr Function<T> kLinearFunctions[] = {
    {"linear_gradient", true, run_linear<T, 0>},
    {"linear_gradient with entropy", true, run_linear<T, 2>},
};

long calls = 0;

template <class T>
void test(const Function<T>& function, const Values<T>& values, const Shape& shape, const Variant& variant,
          int layouts) {
    std::vector<char> expected;
    for (int layout = 0; layout < layouts; ++layout)
        for (const bool at_end : {true, false}) {
            constexpr const char* masks[] = {"no mask", "mask", "one mask for all rows"};
            const Layouts& l = kLayouts[layout];
            std::snprintf(
                running, sizeof running, "%s of %s, %d rows, %d actions, %d features, %s%s%s, arrays %s, %s",
                function.name, sizeof(T) == sizeof(float) ? "float" : "double", static_cast<int>(shape.rows),
                static_cast<int>(shape.cols), static_cast<int>(shape.features),
                masks[static_cast<int>(variant.masked)], variant.accumulate ? ", accumulate" : "",
                variant.bad_row ? ", a bad row" : "", l.name, at_end ? "before the page" : "after the page");
            ++calls;
            Call<T> call(values, shape, variant, l, at_end);
            try {
                function.run(call);
            } catch (const NoAllowedAction&) {
                check(variant.bad_row, __FILE__, __LINE__, std::string("no allowed action: ") + running);
                continue;
            }
            const std::vector<char>& got = call.finish();
            if (layout == 0 && at_end) expected = got;
            check(got == expected, __FILE__, __LINE__, std::string("other results: ") + running);
        }
}

template <class T, int N>
void test_variants(const Function<T> (&functions)[N], const Shape& shape, int layouts, bool has_nan = true) {
    const Values<T> values(shape, false, has_nan);
    for (const Function<T>& function : functions)
        for (const Masked masked : {Masked::no, Masked::each_row, Masked::all_rows_alike})
            for (const bool accumulate : {false, true})
                if (function.accumulates || !accumulate)
                    test(function, values, shape, {masked, accumulate, false},
                         masked == Masked::all_rows_alike ? kCommonLayouts : layouts);
}

template <class T>
void test_rows_of(std::int64_t cols) {
    std::vector<std::int64_t> row_counts = {1, 2, 15, 16, 17, 33, 300};
    if (cols > 67) row_counts = {1, 2, 17, 33};
    if (cols > 1000) row_counts = {1, 3};
    for (const std::int64_t rows : row_counts) {
        const int layouts = rows == 300 || cols > 1000 ? kCommonLayouts
                            : rows == 17               ? kAllLayouts
                                                       : kPaddedLayouts;
        const Shape shape{rows, cols, 1 + (cols * 5 + rows) % 19};
        test_variants(kFunctions<T>, shape, layouts);
        test_variants(kSampleFunctions<T>, shape, layouts, false);
        test_variants(kCreditFunctions<T>, shape, layouts);
        test_variants(kLinearFunctions<T>, shape, kCommonLayouts);
    }
    const Shape shape{17, cols, 1};
    const Values<T> values(shape, true, true), numbers(shape, true, false);
    for (const Function<T>& function : kFunctions<T>)
        for (const bool accumulate : {false, true})
            if (function.accumulates || !accumulate)
                test(function, values, shape, {Masked::no, accumulate, true}, 1);
    for (const Function<T>& function : kSampleFunctions<T>)
        test(function, numbers, shape, {Masked::no, false, true}, 1);
}

template <class T>
void test_all() {
    std::vector<std::int64_t> lengths;
    for (std::int64_t n = 1; n <= 67; ++n) lengths.push_back(n);
    // Around the longest row in one split, of doubles and of floats.
    for (const int n : {127, 128, 129, 1023, 1024, 1025, 2047, 2048, 2049, 4097}) lengths.push_back(n);
    for (const std::int64_t cols : lengths) test_rows_of<T>(cols);
    for (const std::int64_t features : lengths)
        for (const int cols : {1, 3, 4, 8, 17, 33}) {
            if (features > 129 && cols > 8) continue;
            const Shape shape{features > 129 ? 2 : 17, cols, features};
            const Values<T> values(shape, false, true);
            for (const Function<T>& function : kLinearFunctions<T>)
                for (const bool accumulate : {false, true})
                    test(function, values, shape, {Masked::no, accumulate, false}, kCommonLayouts);
        }
}

}  // namespace

int main() {
    if (!cpu_has_wanted_isa()) return 77;
    report_faults();

    test_all<float>();
    test_all<double>();
    std::printf("%s: %ld calls\n", current_isa().c_str(), calls);
    return failures();
}
