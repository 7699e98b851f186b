// Every kernel table that the CPU can run: the same bits as the first, and SCOREFN_ISA's choice of one.
// `test_isas --hashes` prints a hash of all results for each dtype and length, to compare with another machine's.
#include <stdlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <scorefn/config.hpp>

#include "check.hpp"
#include "isas.hpp"
#include "kernels/table.hpp"

namespace scorefn {
#define DECLARE(name, is_supported) extern const KernelTable kernels_##name;
SCOREFN_ISAS(DECLARE)
}  // namespace scorefn

using namespace scorefn;

namespace {

std::vector<const KernelTable*> supported_tables() {
    std::vector<const KernelTable*> tables;
#define COLLECT(name, is_supported) \
    if (is_supported) tables.push_back(&kernels_##name);
    SCOREFN_ISAS(COLLECT)
    return tables;
}

// All results of all row kernels on the same rows, one after another.
template <class T>
std::vector<T> all_results(const KernelTable& table, std::int64_t num_rows, std::int64_t cols) {
    const Kernels<T>& kernels = table.of<T>();
    const auto size = static_cast<std::size_t>(num_rows * cols), n = static_cast<std::size_t>(num_rows);
    std::mt19937_64 random(static_cast<std::uint64_t>(cols));
    std::uniform_real_distribution<T> logit(-12, 5);
    std::vector<T> z(size), q(size);
    for (T& x : z) x = logit(random);
    for (T& x : q) x = logit(random);
    z[0] = std::numeric_limits<T>::quiet_NaN();
    z[size - 1] = cols > 1 ? -std::numeric_limits<T>::infinity() : T(0);
    std::vector<std::int64_t> actions(n), drawn(n);
    std::vector<double> visits(n, 3.0);
    std::vector<T> weights(n), old_log_probs(n);
    std::vector<double> weight_sums(size);
    for (std::size_t i = 0; i < n; ++i) {
        actions[i] = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(cols));
        weights[i] = i % 4 == 3 ? T(0) : logit(random);
        old_log_probs[i] = T(0.1) * logit(random);
        weight_sums[i * static_cast<std::size_t>(cols)] = weights[i];
    }

    const LogitRows<T> rows{z.data(), num_rows, cols, cols, 1, nullptr, 0, 0};
    const LogitRows<T> other{q.data(), num_rows, cols, cols, 1, nullptr, 0, 0};
    void* const scratch = aligned_alloc(64, static_cast<std::size_t>(scratch_bytes(cols) + 63) / 64 * 64);
    std::vector<T> all, matrix(size), vector(n);
    const OutRows<T> out{matrix.data(), cols, cols, 1};
    const auto keep = [&](const std::vector<T>& values) {
        all.insert(all.end(), values.begin(), values.end());
    };

    CHECK(kernels.log_softmax(rows, out, scratch) == -1), keep(matrix);
    CHECK(kernels.softmax(rows, out, scratch) == -1), keep(matrix);
    CHECK(kernels.logsumexp(rows, vector.data(), 1, scratch) == -1), keep(vector);
    const IndexVector taken(actions.data(), num_rows);
    const RealVector of_weights(weights.data(), num_rows), of_old_log_probs(old_log_probs.data(), num_rows);
    CHECK(kernels.log_prob(rows, taken, vector.data(), 1, scratch) == -1), keep(vector);
    CHECK(kernels.entropy(rows, vector.data(), 1, scratch) == -1), keep(vector);
    CHECK(kernels.kl_divergence(rows, other, vector.data(), 1, scratch) == -1), keep(vector);
    std::vector<T> entropies(n);
    const auto sample = [&](const LogitRows<T>& from) {
        return kernels.sample(from, {1, 2}, {}, {drawn.data(), 1, 1, 1}, {vector.data(), 1, 1, 1},
                              entropies.data(), 1, scratch);
    };
    CHECK(sample(rows) == 0);  // no action can be drawn from NaN
    LogitRows<T> of_numbers = rows;
    std::vector<T> numbers = z;
    numbers[0] = T(1);
    of_numbers.data = numbers.data();
    CHECK(sample(of_numbers) == -1);
    keep(vector), keep(entropies);
    for (const std::int64_t action : drawn) all.push_back(static_cast<T>(action));
    for (const double entropy_coef : {0.0, 0.5}) {
        CHECK(kernels.weighted_log_prob_gradient(rows, &of_weights, {taken, entropy_coef, {}, {}}, out, false,
                                                 scratch) == -1);
        keep(matrix);
        double objective = 0;
        // Of a sum that is NaN only that it is one: these go no further.
        const auto keep_sum = [&](double x) { all.push_back(x == x ? static_cast<T>(x) : T(-1)); };
        const GradientRows<T> of_rows{
            taken, entropy_coef, {vector.data(), num_rows, 1}, {entropies.data(), num_rows, 1}, &objective};
        CHECK(kernels.weighted_log_prob_gradient(rows, &of_weights, of_rows, out, true, scratch) == -1);
        keep(matrix), keep(vector), keep(entropies), keep_sum(objective);
        std::vector<T> ratio(n);
        ObjectiveContext<T> context;
        context.reads[0] = of_old_log_probs, context.reads[1] = of_weights;
        context.options[0] = 0.2;
        context.writes[0] = {ratio.data(), num_rows, 1};
        for (const Coefficients<T> coefficients : kernels.objectives) {
            CHECK(kernels.objective_gradient(rows, {coefficients, &context}, of_rows, out, false, scratch) ==
                  -1);
            keep(matrix), keep(vector), keep(entropies), keep(ratio);
            keep_sum(objective);
        }
        std::vector<T> with_nan = q;
        with_nan[size / 2] = -std::numeric_limits<T>::quiet_NaN();
        LogitRows<T> matrix_rows = other;
        matrix_rows.data = with_nan.data();
        for (const AllActionDeclaration& declared : kAllActionDeclarations) {
            const RowTerms<T> terms{entropy_coef, declared.kind, matrix_rows,
                                    of_weights,   1.5,           {vector.data(), num_rows, 1}};
            CHECK(kernels.all_action_gradient(rows, terms, {entropies.data(), num_rows, 1}, &objective, out,
                                              false, scratch) == -1);
            keep(matrix), keep(vector), keep(entropies), keep_sum(objective);
        }
        for (const auto& sums : context.sums)
            for (const double lane : sums) keep_sum(lane);
        CHECK(kernels.state_gradient(rows, weight_sums.data(), visits.data(), entropy_coef, out, true,
                                     scratch) == -1);
        keep(matrix);
        double totals[2] = {};
        bool all_possible = true;
        std::vector<double> squares(weight_sums);
        for (double& x : squares) x *= x;
        CHECK(kernels.state_statistics(rows, weight_sums.data(), squares.data(), visits.data(),
                                       {0.5, entropy_coef}, totals, &all_possible, scratch) == -1);
        for (const double total : totals) keep_sum(total);
    }
    free(scratch);

    // The rows as times of environments, the last of which has flags.
    std::vector<double> carried(static_cast<std::size_t>(cols));
    const auto flags = std::make_unique<StepBuffer>();
    const std::int64_t width = std::min(cols, StepBuffer::size);
    for (std::int64_t i = 0; i < StepBuffer::size; ++i) {
        flags->terminated[i] = i % 3 == 1, flags->truncated[i] = i % 5 == 2, flags->valid[i] = i % 7 != 3;
        flags->rewards[i] = static_cast<double>(q[static_cast<std::size_t>(i % width)]);
        flags->values[i] = flags->next_values[i] = 0.25 * static_cast<double>(i % 9);
        flags->log_ratios[i] = 0.5 * static_cast<double>(i % 8 - 5);
    }
    const auto keep_buffer = [&](const double* x) {
        for (std::int64_t i = 0; i < width; ++i) all.push_back(static_cast<T>(x[i]));
    };
    for (const auto kind : {ScanFormula::returns, ScanFormula::generalized_advantages})
        for (const bool has_flags : {false, true}) {
            const ScanFormula by{kind, 0.9, 0.8, 0.1};
            const typename StepRow<T>::Numbers numbers{q.data(), q.data()};
            const StepRow<T> row{numbers,       numbers, numbers, {}, has_flags ? flags.get() : nullptr,
                                 matrix.data(), nullptr, false};
            CHECK(kernels.scan_row(row, has_flags ? width : cols, by, carried.data()));
            keep(matrix);
            for (const double x : carried) all.push_back(static_cast<T>(x));
            StepBuffer buffer = *flags;
            CHECK(table.set_terms(buffer, width, by));
            table.scan_steps(buffer, 1, width, carried.data());
            keep_buffer(buffer.u);
        }
    for (const auto kind : {TraceFormula::vtrace, TraceFormula::retrace, TraceFormula::upgo}) {
        const TraceFormula by{kind, 0.9, 0.8, 1.5, 1.25, 2, 0.75, 0.5};
        StepBuffer buffer = *flags;
        CHECK(table.set_traces(buffer, width, by));
        table.scan_steps(buffer, 1, width, carried.data());
        table.set_trace_results(buffer, width, by);
        keep_buffer(buffer.u);
        keep_buffer(buffer.advantages);
        const typename StepRow<T>::Numbers numbers{q.data(), q.data()};
        for (const bool has_flags : {false, true}) {
            std::vector<T> advantages(matrix.size());
            const StepRow<T> row{
                numbers,       numbers,           numbers, numbers, has_flags ? flags.get() : nullptr,
                matrix.data(), advantages.data(), false};
            CHECK(kernels.scan_trace_row(row, has_flags ? width : cols, by, carried.data()));
            keep(matrix);
            keep(advantages);
        }
    }
    for (const std::int64_t window : {1, 3}) {
        StepBuffer buffer = *flags;
        CHECK(table.set_terms(buffer, width, {ScanFormula::returns, 0.9, 0.9, 1}));
        std::vector<double> sums(static_cast<std::size_t>(window * width), 0.25);
        table.scan_window(buffer, 1, width, window, sums.data());
        keep_buffer(buffer.u);
        keep_buffer(sums.data());
    }
    SampleMoments of;
    table.sample_moments(weight_sums.data(), cols, 0.5, 2, of);
    for (const double x : {of.count, of.mean, of.sum_square, of.least, of.greatest})
        all.push_back(static_cast<T>(x));

    // Rows as features: (rows, cols) @ (cols, 3), and 3 columns of gradient, transposed, times them. Features lie in
    // panels of 8 and columns of coef in panels, each with zeros to fill them up; results have room for whole tiles.
    const std::int64_t coef_panel = kernels.linear_coef_panel_width, stride = 8;
    const std::int64_t feature_panels = (cols + 7) / 8, feature_panel_size = (num_rows + 7) / 8 * 8 * 8;
    const auto zeros = [](std::int64_t count) {
        const auto bytes = static_cast<std::size_t>(count * std::int64_t{sizeof(double)} + 63) / 64 * 64;
        void* const memory = aligned_alloc(64, bytes);
        std::memset(memory, 0, bytes);
        return std::unique_ptr<double, decltype(&free)>(static_cast<double*>(memory), free);
    };
    const auto x = zeros(feature_panels * feature_panel_size), coef_panels = zeros(3 * cols * coef_panel),
               g = zeros(num_rows * stride);
    const auto sums = zeros(4 * feature_panels * 8);
    std::vector<T> coef(static_cast<std::size_t>(cols) * 3),
        logits(static_cast<std::size_t>(feature_panel_size));
    for (T& c : coef) c = logit(random);
    for (std::int64_t s = 0; s < feature_panels; ++s)
        kernels.linear_widen(q.data() + s * 8, cols, num_rows, std::min<std::int64_t>(8, cols - s * 8),
                             x.get() + s * feature_panel_size, 8);
    for (std::int64_t k = 0; k < 3; k += coef_panel) {
        kernels.linear_widen(coef.data() + k, 3, cols, std::min(coef_panel, 3 - k), coef_panels.get(),
                             coef_panel);
        kernels.linear_logits(x.get(), feature_panel_size, num_rows, cols, coef_panels.get(),
                              std::min(coef_panel, 3 - k), logits.data() + k, stride, nullptr);
    }
    keep(logits);
    kernels.linear_widen(logits.data(), stride, num_rows, 3, g.get(), stride);
    kernels.linear_accumulate(x.get(), feature_panel_size, feature_panels, g.get(), stride, num_rows, 4,
                              sums.get(), feature_panels * 8);
    all.insert(all.end(), sums.get(), sums.get() + 4 * feature_panels * 8);

    // The same by columns.
    const std::int64_t column_size = (num_rows + 15) / 16 * 16;
    const auto x_columns = zeros(cols * column_size), g_columns = zeros(3 * column_size),
               of_coef = zeros(3 * cols);
    const auto other_sums = zeros(3 * cols);
    std::copy(coef.begin(), coef.end(), of_coef.get());
    std::vector<T> dense(static_cast<std::size_t>(column_size) * 3);
    kernels.linear_columns(q.data(), cols, 1, num_rows, cols, x_columns.get(), column_size);
    kernels.linear_logits_of_columns(x_columns.get(), column_size, num_rows, cols, of_coef.get(), 3,
                                     dense.data());
    keep(dense);
    kernels.linear_columns(dense.data(), 3, 1, num_rows, 3, g_columns.get(), column_size);
    kernels.linear_accumulate_columns(x_columns.get(), g_columns.get(), column_size, num_rows, cols, 3,
                                      other_sums.get(), cols);
    all.insert(all.end(), other_sums.get(), other_sums.get() + 3 * cols);
    return all;
}

constexpr std::int64_t kLengths[] = {1,  2,  3,  4,  5,  7,  8,  9,   15,  16,   17,
                                     18, 31, 32, 33, 63, 64, 65, 128, 129, 1000, 4099};

// FNV-1a, by bytes.
template <class T>
std::uint64_t hash(const std::vector<T>& values) {
    std::uint64_t h = 0xcbf29ce484222325;
    const auto* const bytes = reinterpret_cast<const unsigned char*>(values.data());
    for (std::size_t i = 0; i < values.size() * sizeof(T); ++i) h = (h ^ bytes[i]) * 0x100000001b3;
    return h;
}
template <class T>
void print_hashes(const char* dtype) {
    for (const std::int64_t cols : kLengths)
        std::printf("%s %lld %016llx\n", dtype, static_cast<long long>(cols),
                    static_cast<unsigned long long>(hash(all_results<T>(kernels(), 37, cols))));
}

template <class T>
void test_same_bits() {
    const auto tables = supported_tables();
    for (const std::int64_t cols : kLengths) {
        const std::vector<T> expected = all_results<T>(*tables[0], 37, cols);
        CHECK(std::any_of(expected.begin(), expected.end(), [](T x) { return x != 0 && std::isfinite(x); }));
        for (const KernelTable* table : tables) {
            const std::vector<T> got = all_results<T>(*table, 37, cols);
            const bool same = got.size() == expected.size() &&
                              std::memcmp(got.data(), expected.data(), got.size() * sizeof(T)) == 0;
            check(same, __FILE__, __LINE__,
                  std::string(table->isa) + " differs from " + tables[0]->isa + " for rows of " +
                      std::to_string(cols));
        }
    }
}

void test_choice() {
    std::string names;
    for (const std::string& isa : available_isas()) names += (names.empty() ? "" : ", ") + isa;
    setenv("SCOREFN_ISA", "sse9", 1);
    CHECK_THROWS(std::runtime_error, "SCOREFN_ISA must be one of " + names + " on this CPU, got 'sse9'",
                 current_isa());
    setenv("SCOREFN_ISA", "baseline", 1);  // the choice is made once, but not by a call that failed
    CHECK(current_isa() == "baseline");
    setenv("SCOREFN_ISA", "sse9", 1);
    CHECK(current_isa() == "baseline");

    const auto tables = supported_tables();
    CHECK(tables.size() == available_isas().size());
    for (std::size_t i = 0; i < tables.size(); ++i) CHECK(tables[i]->isa == available_isas()[i]);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::string(argv[1]) == "--hashes") {
        print_hashes<float>("float32");
        print_hashes<double>("float64");
        return failures();
    }
    CHECK(version() == std::string(SCOREFN_EXPECTED_VERSION));
    CHECK(!std::string(compiler()).empty());
    CHECK(openmp() >= 201511);
    test_same_bits<float>();
    test_same_bits<double>();
    test_choice();
    return failures();
}
