// The kernels: plain functions on blocks of rows, compiled once per ISA into a table. Which table is used is dispatch.cpp's
// choice; it does not change a bit of any result.
#pragma once

#include <cstdint>
#include <scorefn/objectives.hpp>

#include "kernels/tuning.hpp"

namespace scorefn {

// The threads that share out each long row: parallel_for_erased of parallel.hpp, as kernels know nothing of threads. Null:
// a row is the work of the thread that calls.
struct Team {
    void (*parallel_for)(std::int64_t count, int num_threads, void (*run)(void*, std::int64_t),
                         void* context) = nullptr;
    int num_threads = 1;
};

// Which rows count (contract C11): those whose flag is not 0; without flags, all of them.
struct ValidRows {
    const unsigned char* flags = nullptr;
    std::int64_t stride = 0;
};

template <class T>
struct LogitRows {
    const T* data;
    std::int64_t rows, cols, row_stride, col_stride;
    const unsigned char* where;  // 0: forbidden; null: every action is allowed
    std::int64_t where_row_stride, where_col_stride;
    Team team = {};
    ValidRows valid = {};
};

// By which numbers a call knows its rows: from `first` on or, if there is an array, the numbers in it, of whole tiles.
struct RowNumbers {
    std::int64_t first = 0;
    const std::int64_t* each = nullptr;
};

template <class T>
struct OutRows {
    T* data;
    std::int64_t cols, row_stride, col_stride;
    bool is_nontemporal = false;  // so large that no cache should hold it
};

// Terms over all actions of each row: c_i H(pi_i), which takes the place of the entropy_coef below, and one with a matrix
// beside the logits, which is masked as they are.
template <class T>
struct RowTerms {
    PerRow entropy_coef;
    AllActions kind;
    LogitRows<T> matrix;  // of a forward divergence the probabilities
    PerRow matrix_coef;
    double threshold;  // of NeuRD
    Vector<T> values;  // of each row, without the coefficient, if there is data; not of divergences
};

// What the gradient of any objective takes and gives for each row, and the sum over all rows that it adds to.
template <class T>
struct GradientRows {
    IndexVector actions;
    double entropy_coef;
    Vector<T> log_prob, entropy;  // no data: not wanted
    double* objective = nullptr;
    const RowTerms<T>* terms = nullptr;  // null: none
};

// An objective of log pi(a): called with the log-probabilities of the rows of a tile, or of many samples, it sets the
// derivative of each one's objective with respect to log pi(a). Both arrays hold whole tiles, of 64 / sizeof(T) entries.
// Those from `count` on belong to no row.
template <class T>
using Coefficients = void (*)(void* context, std::int64_t first, int count, const T* log_prob, T* derivative);

template <class T>
struct RowObjective {
    Coefficients<T> coefficients;
    void* context;
};

// The context of a declared objective (scorefn/objectives.hpp) for some rows.
template <class T>
struct ObjectiveContext {
    RealVector reads[kMostTerms];
    LowHigh options[kMostTerms];
    Vector<T> writes[kMostTerms];  // if there is data
    ValidRows valid = {};
    alignas(64) double sums[kMostTerms][16] = {};  // a lane for each row of a tile
};

// Some steps of some environments as doubles, one time after the other: what a scan's formula reads and writes. Flags are 0
// or 1.
struct StepBuffer {
    static constexpr std::int64_t size = 256;
    alignas(64) double rewards[size], values[size], next_values[size];
    alignas(64) double terminated[size], truncated[size], valid[size];
    alignas(64) double u[size], v[size], following[size];
    alignas(64) double log_ratios[size], delta[size], weights[size], share[size], advantages[size];
};

// The numbers of neighbouring environments at one time, which lie one after the other, and where the results go. Null: 0.
// Without flags no episode ends here and every step is valid.
template <class T>
struct StepRow {
    struct Numbers {
        const T* data = nullptr;
        const T* fetched = nullptr;  // those of the time before, which is scanned next
    };
    Numbers rewards, values, next_values, log_ratios;
    const StepBuffer* flags;
    T* out;
    T* advantages;  // a second result, or null
    bool is_nontemporal;
};

// Which u and v a scan has, and its factors.
struct ScanFormula {
    enum Kind { returns, generalized_advantages } kind;
    double discount, decay;
    double share = 0;  // of next_values in returns within an episode: 1 - lambda
};

// Which weights the corrections of a scan have, from the ratio of the policies' probabilities.
struct TraceFormula {
    enum Kind { vtrace, retrace, upgo } kind;
    double discount, lambda = 1;
    double clip_rho = 1, clip_c = 1, clip_pg_rho = 1;
    double alpha = 1;  // of what is clipped, beside 1 - alpha of the ratio
    double share = 1;  // of the corrections that follow in what follows
};

// Of some numbers x: how many they are, the mean of d = scale * x - scale * pivot, the sum of the squares of d - mean, and
// the extremes of x and the pivot, which leave out NaN.
struct SampleMoments {
    double count, mean, sum_square, least, greatest;
};

// Weights and the entropy coefficient count times `scale`, a power of 2, in squares.
struct StatisticsScale {
    double scale, entropy_coef;
};

using tuning::kBlockBytes, tuning::kLongestShortRow, tuning::kMostBlockRows;

// Rows that have to be in one block: those of a tile of short rows, or a long row.
template <class T>
constexpr std::int64_t tile_rows(std::int64_t cols) {
    return cols <= kLongestShortRow ? 64 / sizeof(T) : 1;
}

// Rows of a block, at least a tile.
template <class T>
constexpr std::int64_t block_rows(std::int64_t cols) {
    const std::int64_t tile = tile_rows<T>(cols);
    const std::int64_t rows = kBlockBytes / static_cast<std::int64_t>(sizeof(T)) / cols / tile * tile;
    return rows < tile ? tile : rows < kMostBlockRows ? rows : kMostBlockRows;
}

// Rows longer than this many entries are worked through in splits of that size.
template <class T>
constexpr std::int64_t kSplitSize = kBlockBytes / static_cast<std::int64_t>(sizeof(T));

// Scratch memory of a kernel, aligned to 64 bytes: the logits of a block, what becomes of them, where in a tile the
// entries of each row are, and what is known of the splits of a row; all that twice, because kl_divergence and sample
// need a second set.
constexpr std::int64_t kSplitBytes = 64;
constexpr std::int64_t block_bytes(std::int64_t cols) {
    // Short rows fill that at most, and a small call has no time to divide. A line more, lest the two buffers fall on
    // the same sets of the cache.
    constexpr std::int64_t least = 64 * kLongestShortRow;
    if (cols <= kLongestShortRow) return (kBlockBytes < least ? least : kBlockBytes) + 64;
    const std::int64_t floats = block_rows<float>(cols) * cols, doubles = block_rows<double>(cols) * cols;
    return (floats > 2 * doubles ? floats + 15 : 2 * doubles + 15) / 16 * 64;
}
constexpr std::int64_t broadcast_bytes(std::int64_t cols) {
    return cols <= kLongestShortRow ? (cols * 80 + 63) / 64 * 64 : 0;
}
constexpr std::int64_t buffer_bytes(std::int64_t cols) {
    return 2 * block_bytes(cols) + broadcast_bytes(cols) + (cols / kSplitSize<double> + 1) * kSplitBytes;
}
constexpr std::int64_t scratch_bytes(std::int64_t cols) { return 2 * buffer_bytes(cols); }

// Rows of different lengths that follow each other. `next` says where the next row of each length goes among the sorted ones,
// and moves on with each row. So many entries behind the last row of each length may be written.
struct RaggedRun {
    const std::int64_t* offsets;  // rows + 1 of them
    std::int64_t rows;
    std::int64_t* next;
};
constexpr std::int64_t kRowGap = 32;

// What works on rows returns the first one that has no allowed action, or -2 if an action is out of range, or -1. `sample`
// also returns one with NaN or +inf. Rows that do not count may hold anything: they add nothing to a sum, their row of `out`
// is 0, and what else is written of them has no meaning.
template <class T>
struct Kernels {
    bool (*has_minus_infinity)(const T* x, std::int64_t count);
    // Whether each row has an allowed action, and no NaN or +inf among those.
    bool (*are_distributions)(const LogitRows<T>&);
    std::int64_t (*log_softmax)(const LogitRows<T>&, const OutRows<T>&, void* scratch);
    std::int64_t (*softmax)(const LogitRows<T>&, const OutRows<T>&, void* scratch);
    std::int64_t (*logsumexp)(const LogitRows<T>&, T* out, std::int64_t stride, void* scratch);
    std::int64_t (*log_prob)(const LogitRows<T>&, const IndexVector& actions, T* out, std::int64_t stride,
                             void* scratch);
    std::int64_t (*entropy)(const LogitRows<T>&, T* out, std::int64_t stride, void* scratch);
    std::int64_t (*kl_divergence)(const LogitRows<T>& p, const LogitRows<T>& q, T* out, std::int64_t stride,
                                  void* scratch);
    std::int64_t (*sample)(const LogitRows<T>&, const std::uint64_t (&key)[2], const RowNumbers& numbers,
                           const OutRows<std::int64_t>& actions, const OutRows<T>& log_probs, T* entropies,
                           std::int64_t entropy_stride, void* scratch);  // without data: not wanted
    // weights null: all are 1
    std::int64_t (*weighted_log_prob_gradient)(const LogitRows<T>&, const RealVector* weights,
                                               const GradientRows<T>&, const OutRows<T>&, bool accumulate,
                                               void* scratch);
    std::int64_t (*objective_gradient)(const LogitRows<T>&, const RowObjective<T>&, const GradientRows<T>&,
                                       const OutRows<T>&, bool accumulate, void* scratch);
    // Adds to *objective what the terms add.
    std::int64_t (*all_action_gradient)(const LogitRows<T>&, const RowTerms<T>&, const Vector<T>& entropies,
                                        double* objective, const OutRows<T>&, bool accumulate, void* scratch);
    // p * (t - p . t) of each row, which may take the place of the logits or of t.
    std::int64_t (*fisher_products)(const LogitRows<T>&, const LogitRows<T>& t, const OutRows<T>&,
                                    void* scratch);
    std::int64_t (*fisher_products_of_probabilities)(const LogitRows<T>& p, const LogitRows<T>& t,
                                                     const OutRows<T>&, void* scratch);
    void (*sort_rows)(const T* rows, const RaggedRun& run, T* sorted);
    void (*unsort_rows)(const T* sorted, const RaggedRun& run, T* rows);
    Coefficients<T> objectives[DeclaredObjectives::size];
    // weight_sums: (rows, cols)
    std::int64_t (*state_gradient)(const LogitRows<T>&, const double* weight_sums, const double* visits,
                                   double entropy_coef, const OutRows<T>&, bool accumulate, void* scratch);
    // Adds to totals[0] the entropies and to totals[1] the squared norms of the samples' gradients, from the sums of their
    // weights and of the squared weights times the scale. Clears *all_possible if one with a weight has probability 0.
    std::int64_t (*state_statistics)(const LogitRows<T>&, const double* weight_sums,
                                     const double* square_sums, const double* visits,
                                     const StatisticsScale& by, double* totals, bool* all_possible,
                                     void* scratch);
    void (*linear_widen)(const T* x, std::int64_t row_stride, std::int64_t rows, std::int64_t cols,
                         double* to, std::int64_t to_stride);
    void (*linear_logits)(const double* x, std::int64_t feature_panel_size, std::int64_t rows,
                          std::int64_t features, const double* coef_panel, std::int64_t cols, T* logits,
                          std::int64_t row_stride, const T* next);
    void (*linear_accumulate)(const double* x, std::int64_t feature_panel_size, std::int64_t feature_panels,
                              const double* g, std::int64_t g_stride, std::int64_t rows, std::int64_t cols,
                              double* sums, std::int64_t row_stride);
    void (*linear_columns)(const T* x, std::int64_t row_stride, std::int64_t col_stride, std::int64_t rows,
                           std::int64_t cols, double* to, std::int64_t column_size);
    void (*linear_logits_of_columns)(const double* x, std::int64_t column_size, std::int64_t rows,
                                     std::int64_t features, const double* coef, std::int64_t cols, T* logits);
    void (*linear_accumulate_columns)(const double* x, const double* g, std::int64_t column_size,
                                      std::int64_t rows, std::int64_t features, std::int64_t cols,
                                      double* sums, std::int64_t row_stride);
    std::int64_t linear_coef_panel_width;
    void (*load_numbers)(const T* x, std::int64_t count, double* to);
    void (*store_numbers)(const double* x, std::int64_t count, T* to);
    // One time of neighbouring environments: load, set_terms, scan_steps and store in one.
    // The caller ends with store_fence.
    bool (*scan_row)(const StepRow<T>& row, std::int64_t count, const ScanFormula& by, double* x);
    bool (*scan_trace_row)(const StepRow<T>& row, std::int64_t count, const TraceFormula& by, double* x);
};

struct KernelTable {
    const char* isa;
    // Elements first .. first + count - 1 to `out`, each read once; whether all are in [0, bound). An integer above 2^63 - 1
    // comes out negative.
    bool (*load_indices)(const IndexVector& indices, std::int64_t first, std::int64_t count,
                         std::int64_t bound, std::int64_t* out);
    bool (*indices_are_in_range)(const IndexVector& indices, std::int64_t first, std::int64_t count,
                                 std::int64_t bound);
    void (*load_flags)(const unsigned char* x, std::int64_t count, double* to);
    // Sets u and v, with which an episode ends where v is 0. Whether u is finite at every valid step.
    bool (*set_terms)(StepBuffer& steps, std::int64_t count, const ScanFormula& by);
    // u = u + v x with x the result of the next time, which is carried on and kept in `following`.
    void (*scan_steps)(StepBuffer& steps, std::int64_t times, std::int64_t width, double* x);
    // The same for returns of n steps, u those of one: u = rewards + v x with x the result of n - 1 steps from the next time,
    // or u itself where v is 0. Carried on are the results of 1 .. n steps, `width` each.
    void (*scan_window)(StepBuffer& steps, std::int64_t times, std::int64_t width, std::int64_t n, double* x);
    // Sets u and v, delta and the weights of advantages. Whether delta is finite and log_ratios < inf at every valid step.
    bool (*set_traces)(StepBuffer& steps, std::int64_t count, const TraceFormula& by);
    // After scan_steps: u, and the advantages of V-trace.
    void (*set_trace_results)(StepBuffer& steps, std::int64_t count, const TraceFormula& by);
    // Non-temporal stores of this thread are seen by whoever sees what it writes next. It takes as long as some
    // hundred results.
    void (*store_fence)();
    // Of one number at least; `scale` is a power of 2.
    void (*sample_moments)(const double* x, std::int64_t count, double pivot, double scale,
                           SampleMoments& to);
    Kernels<float> f32;
    Kernels<double> f64;

    template <class T>
    const Kernels<T>& of() const {
        if constexpr (sizeof(T) == sizeof(float))
            return f32;
        else
            return f64;
    }
};

// The table in use. SCOREFN_ISA, read on first use, may name a lower one; std::runtime_error if it names none.
const KernelTable& kernels();

}  // namespace scorefn
