// Every array of a call lies once right before and once right after a page that may not be touched, so that reading or
// writing one element too many ends the program, whatever the optimiser made of it. The results may depend neither on
// where the arrays lie nor on their strides, and what lies between the rows of a result must stay as it was.
//
// SCOREFN_ISA chooses the kernels; 77 says that the CPU does not have them.
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <scorefn/scorefn.hpp>

#include "check.hpp"

using namespace scorefn;

namespace {

// What runs, for the message of a fault.
char running[256];

class Region {
public:
    static constexpr std::size_t size = 1 << 19;

    Region() : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
        void* const all =
            mmap(nullptr, size + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (all == MAP_FAILED) throw std::runtime_error("mmap failed");
        begin_ = static_cast<char*>(all) + page_;
        if (mprotect(begin_, size, PROT_READ | PROT_WRITE) != 0) throw std::runtime_error("mprotect failed");
    }
    template <class T>
    T* place(std::int64_t count, bool at_end) const {
        const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
        if (bytes > size) throw std::runtime_error("a region is too small");
        return reinterpret_cast<T*>(at_end ? begin_ + size - bytes : begin_);
    }
    // "before" or "after" for an address in a forbidden page, else null.
    const char* side(const void* address) const {
        const char* const x = static_cast<const char*>(address);
        if (x >= begin_ - page_ && x < begin_) return "before";
        if (x >= begin_ + size && x < begin_ + size + page_) return "after";
        return nullptr;
    }

private:
    std::size_t page_;
    char* begin_;
};

constexpr int kRegions = 16;
const Region& region(int i) {
    static const Region all[kRegions];
    return all[i];
}

void say(const char* text) {
    if (write(STDERR_FILENO, text, std::strlen(text)) < 0) _exit(2);
}

// Only what a signal handler may do.
void report_fault(int, siginfo_t* info, void*) {
    say("FAULT ");
    const char* side = nullptr;
    for (int i = 0; i < kRegions && !side; ++i) {
        side = region(i).side(info->si_addr);
        const char number[] = {static_cast<char>('0' + i / 10), static_cast<char>('0' + i % 10), '\0'};
        if (side) say(side), say(" array "), say(number);
    }
    say(side ? " of " : "elsewhere in "), say(running), say("\n");
    _exit(1);
}

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
constexpr int kCommonLayouts = 2;

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

// One call: its arrays, placed in the order in which they are asked for, and what is in its results.
template <class T>
class Call {
public:
    const Shape shape;
    const Variant variant;

    Call(const Shape& shape, const Variant& variant, const Layouts& layouts, bool at_end)
        : shape(shape), variant(variant), layouts_(layouts), at_end_(at_end) {}

    // The same numbers whatever the layout.
    T logit(std::int64_t i, std::int64_t j) const {
        const bool needed = j == 0 || j == i % shape.cols;
        if (variant.bad_row && i == shape.rows - 1) return -std::numeric_limits<T>::infinity();
        if (shape.rows >= 15 && i == shape.rows - 2 && j == shape.cols - 1)
            return std::numeric_limits<T>::quiet_NaN();
        if ((i * 7 + j) % 13 == 5 && !needed) return -std::numeric_limits<T>::infinity();
        return static_cast<T>((i * 31 + j * 17) % 29) / T(3) - T(5);
    }
    bool allowed(std::int64_t i, std::int64_t j) const {
        return j == 0 || j == i % shape.cols || (i * 5 + j * 3) % 4 != 1;
    }

    Matrix<const T> logits() {
        return read<T>(shape.rows, shape.cols, [&](auto i, auto j) { return logit(i, j); });
    }
    Matrix<const T> other_logits() {
        return read<T>(shape.rows, shape.cols, [&](auto i, auto j) { return logit(i, j) / T(2) + T(j % 5); });
    }
    Matrix<const T> features() {
        return read<T>(shape.rows, shape.features,
                       [](auto i, auto j) { return static_cast<T>((i * 3 + j * 5) % 11) / T(8); });
    }
    Matrix<const T> coef() {
        return read<T>(shape.features, shape.cols,
                       [](auto i, auto j) { return static_cast<T>((i * 5 + j * 3) % 7) - T(3); });
    }
    IndexVector actions(std::int64_t count) { return indices(count, shape.cols); }
    IndexVector indices(std::int64_t count, std::int64_t bound) {
        const auto value = [&](auto i) { return i * 11 % bound; };
        if (!variant.accumulate) return vector_of<std::int64_t, IndexVector>(count, value);
        return vector_of<std::int16_t, IndexVector>(count, value);
    }
    RealVector reals(std::int64_t count) {
        const auto value = [](auto i) { return static_cast<double>(i % 5) * 0.75 - 1.5; };
        if (!variant.accumulate) return vector_of<double, RealVector>(count, value);
        return vector_of<float, RealVector>(count, value);
    }
    Vector<const T> row_of_logits() {
        return vector_of<T, Vector<const T>>(shape.cols, [&](auto j) { return logit(0, j); });
    }

    // What a matrix of results has before the call: what the logits are.
    Matrix<T> results_like_logits(const Matrix<const T>& logits) {
        if (layouts_.in_place) {
            Matrix<T> out(const_cast<T*>(logits.data), logits.rows, logits.cols, logits.row_stride,
                          logits.col_stride);
            results_.push_back({out, layouts_.in});
            return out;
        }
        return results<T>(shape.rows, shape.cols, [&](auto i, auto j) { return logit(i, j); });
    }
    Matrix<T> results_like_coef() {
        return results<T>(shape.features, shape.cols, [](auto i, auto j) { return T(i % 3 + j % 5); });
    }
    Matrix<T> results(std::int64_t rows, std::int64_t cols) {
        return results<T>(rows, cols, [](auto, auto) { return T(0); });
    }
    Vector<T> results(std::int64_t size) {
        const Matrix<T> out = results<T>(size, 1, [](auto, auto) { return T(1); });
        return {out.data, size, out.row_stride};
    }
    Vector<T> row_of_results() {
        const Matrix<T> out = results<T>(shape.cols, 1, [&](auto j, auto) { return logit(0, j); });
        return {out.data, shape.cols, out.row_stride};
    }
    Matrix<std::int64_t> drawn_actions(std::int64_t draws) {
        const Matrix<std::int64_t> out = matrix<std::int64_t>(shape.rows, draws, layouts_.out,
                                                              [](auto, auto) { return std::int64_t{-7}; });
        indices_.push_back({out, layouts_.out});
        return out;
    }
    void keep(double value) { append(value); }

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
    template <class E, class Value>
    Matrix<E> matrix(std::int64_t rows, std::int64_t cols, Layout layout, Value value) {
        const std::int64_t stride = layout == Layout::padded ? cols + kGap : cols;
        const std::int64_t count = (rows - 1) * stride + cols;
        E* const data = place<E>(count);
        if (layout == Layout::padded) std::fill_n(data, count, gap<E>());
        Matrix<E> m(data, rows, cols, stride, 1);
        if (layout == Layout::transposed) m = Matrix<E>(data, rows, cols, 1, rows);
        if (layout == Layout::reversed) m = Matrix<E>(data + (rows - 1) * cols, rows, cols, -cols, 1);
        for (std::int64_t i = 0; i < rows; ++i)
            for (std::int64_t j = 0; j < cols; ++j) m(i, j) = static_cast<E>(value(i, j));
        return m;
    }
    template <class E, class Value>
    Matrix<const E> read(std::int64_t rows, std::int64_t cols, Value value) {
        const Matrix<E> m = matrix<E>(rows, cols, layouts_.in, value);
        return Matrix<const E>(m.data, rows, cols, m.row_stride, m.col_stride);
    }
    template <class E, class View, class Value>
    View vector_of(std::int64_t size, Value value) {
        const Matrix<E> m = matrix<E>(size, 1, layouts_.in, [&](auto i, auto) { return value(i); });
        return View{m.data, size, m.row_stride};
    }
    template <class E, class Value>
    Matrix<E> results(std::int64_t rows, std::int64_t cols, Value value) {
        const Matrix<E> out = matrix<E>(rows, cols, layouts_.out, value);
        results_.push_back({out, layouts_.out});
        return out;
    }

    void set(Options& options, std::int64_t rows) {
        options.num_threads = 1;
        options.may_write_on_error = variant.accumulate;
        if (variant.masked == Masked::no) return;
        const bool alike = variant.masked == Masked::all_rows_alike;
        options.where =
            read<bool>(alike ? 1 : rows, shape.cols, [&](auto i, auto j) { return allowed(i, j); });
        if (!alike) return;
        options.where.rows = rows;
        options.where.row_stride = 0;
    }

    template <class E>
    void append(E value) {
        if (value != value) value = std::numeric_limits<E>::quiet_NaN();
        const char* const bytes = reinterpret_cast<const char*>(&value);
        bytes_.insert(bytes_.end(), bytes, bytes + sizeof(E));
    }
    template <class E>
    void finish(const Result<E>& out) {
        const Matrix<E>& m = out.values;
        for (std::int64_t i = 0; i < m.rows; ++i)
            for (std::int64_t j = 0; j < m.cols; ++j) append(m(i, j));
        bool kept = true;
        for (std::int64_t i = 0; out.layout == Layout::padded && i + 1 < m.rows; ++i)
            for (std::int64_t j = m.cols; j < m.cols + kGap; ++j) kept = kept && m(i, j) == gap<E>();
        check(kept, __FILE__, __LINE__, std::string("written between rows: ") + running);
    }

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
    {"sample", false, run_sample<T, false>},
    {"sample with entropies", false, run_sample<T, true>},
    {"score_gradient", true, run_score_gradient<T, 0>},
    {"score_gradient with entropy", true, run_score_gradient<T, 2>},
    {"score_gradient of one row", true, run_shared_row<T, 0>},
    {"score_gradient of one row with entropy", true, run_shared_row<T, 2>},
    {"tabular_gradient", true, run_tabular<T, 0>},
    {"tabular_gradient with entropy", true, run_tabular<T, 2>},
    {"policy_gradient", true, run_policy_gradient<T>},
    {"clipped_surrogate", true, run_clipped_surrogate<T>},
};
template <class T>
constexpr Function<T> kLinearFunctions[] = {
    {"linear_gradient", true, run_linear<T, 0>},
    {"linear_gradient with entropy", true, run_linear<T, 2>},
};

long calls = 0;

template <class T>
void test(const Function<T>& function, const Shape& shape, const Variant& variant, int layouts) {
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
            Call<T> call(shape, variant, l, at_end);
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
void test_variants(const Function<T> (&functions)[N], const Shape& shape, int layouts) {
    for (const Function<T>& function : functions)
        for (const Masked masked : {Masked::no, Masked::each_row, Masked::all_rows_alike})
            for (const bool accumulate : {false, true})
                if (function.accumulates || !accumulate)
                    test(function, shape, {masked, accumulate, false}, layouts);
}

template <class T>
void test_rows_of(std::int64_t cols) {
    constexpr int all_layouts = sizeof kLayouts / sizeof kLayouts[0];
    std::vector<std::int64_t> row_counts = {1, 2, 15, 16, 17, 33, 300};
    if (cols > 67) row_counts = {1, 2, 17, 33};
    if (cols > 1000) row_counts = {1, 3};
    for (const std::int64_t rows : row_counts) {
        const int layouts = rows == 300 || cols > 1000 ? kCommonLayouts : all_layouts;
        const Shape shape{rows, cols, 1 + (cols * 5 + rows) % 19};
        test_variants(kFunctions<T>, shape, layouts);
        test_variants(kLinearFunctions<T>, shape, kCommonLayouts);
    }
    for (const Function<T>& function : kFunctions<T>)
        for (const bool on_the_way : {false, true})
            test(function, {17, cols, 1}, {Masked::no, on_the_way && function.accumulates, true}, 1);
}

template <class T>
void test_all() {
    std::vector<std::int64_t> lengths;
    for (std::int64_t n = 1; n <= 67; ++n) lengths.push_back(n);
    // Around the longest row in one part, of doubles and of floats.
    for (const int n : {127, 128, 129, 1023, 1024, 1025, 2047, 2048, 2049, 4097}) lengths.push_back(n);
    for (const std::int64_t cols : lengths) test_rows_of<T>(cols);
    for (const std::int64_t features : lengths)
        for (const int cols : {1, 2, 3, 4, 5, 8, 17, 33, 129})
            for (const int rows : {1, 2, 7, 17})
                if (features <= 129 || (rows <= 2 && cols <= 8))
                    test_variants(kLinearFunctions<T>, {rows, cols, features}, kCommonLayouts);
}

}  // namespace

int main() {
    const auto isas = available_isas();
    const char* const wanted = getenv("SCOREFN_ISA");
    if (wanted && std::find(isas.begin(), isas.end(), wanted) == isas.end()) return 77;

    for (int i = 0; i < kRegions; ++i) region(i);
    struct sigaction action = {};
    action.sa_sigaction = report_fault;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, nullptr);
    sigaction(SIGBUS, &action, nullptr);

    test_all<float>();
    test_all<double>();
    std::printf("%s: %ld calls\n", current_isa().c_str(), calls);
    return failures();
}
