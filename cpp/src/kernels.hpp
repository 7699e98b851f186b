// The kernels: plain functions on blocks of rows, compiled once per ISA into a table. Which table is used is isa.cpp's
// choice; it does not change a bit of any result.
#pragma once

#include <cstdint>

namespace scorefn {

// The threads that share out each long row: parallel_for_erased of parallel.hpp, as kernels know nothing of threads. Null:
// a row is the work of the thread that calls.
struct Team {
    void (*parallel_for)(std::int64_t count, int num_threads, void (*run)(void*, std::int64_t),
                         void* context) = nullptr;
    int num_threads = 1;
};

template <class T>
struct LogitRows {
    const T* data;
    std::int64_t rows, cols, row_stride, col_stride;
    const bool* where;  // null: every action is allowed
    std::int64_t where_row_stride, where_col_stride;
    Team team = {};
};

template <class T>
struct OutRows {
    T* data;
    std::int64_t cols, row_stride, col_stride;
};

// What the gradient of any objective takes and gives for each row, in arrays without gaps.
template <class T>
struct GradientRows {
    const std::int64_t* actions;
    T entropy_coef;
    T* log_prob;  // null if not wanted, as is
    T* entropy;
};

// The same for the clipped ratio.
template <class T>
struct ClippedRows {
    const T* old_log_prob;
    const T* advantages;
    double low, high;
    T* ratio;
    double* objective;
    double* kl;
    bool* clipped;
};

// The macros are for benchmarks/calibrate.py, which measures other values.
#ifndef SCOREFN_LONGEST_SHORT_ROW
#define SCOREFN_LONGEST_SHORT_ROW 64
#endif
#ifndef SCOREFN_BLOCK_BYTES
#define SCOREFN_BLOCK_BYTES (1 << 13)
#endif

// Rows up to this length are worked on as many at a time as there are lanes, longer ones one at a time.
constexpr std::int64_t kLongestShortRow = SCOREFN_LONGEST_SHORT_ROW;

// Rows of a tile.
template <class T>
constexpr std::int64_t tile_rows(std::int64_t cols) {
    return cols <= kLongestShortRow ? 64 / sizeof(T) : 1;
}

// Entries of a tile, whole vectors of 64 bytes.
template <class T>
constexpr std::int64_t tile_size(std::int64_t cols) {
    constexpr std::int64_t lanes = 64 / sizeof(T);
    return cols <= kLongestShortRow ? cols * lanes : (cols + lanes - 1) / lanes * lanes;
}

// A block is as many rows as fill so many bytes, at least a tile: it and its results stay in the nearest cache.
constexpr std::int64_t kBlockBytes = SCOREFN_BLOCK_BYTES;
constexpr std::int64_t kMostBlockRows = 256;

template <class T>
constexpr std::int64_t block_rows(std::int64_t cols) {
    const std::int64_t tile = tile_rows<T>(cols);
    const std::int64_t rows = kBlockBytes / static_cast<std::int64_t>(sizeof(T)) / cols / tile * tile;
    return rows < tile ? tile : rows < kMostBlockRows ? rows : kMostBlockRows;
}
template <class T>
constexpr std::int64_t block_size(std::int64_t cols) {
    return tile_size<T>(cols) * (block_rows<T>(cols) / tile_rows<T>(cols));
}

// Rows longer than this many entries are worked through in parts of that size.
template <class T>
constexpr std::int64_t kPartSize = kBlockBytes / static_cast<std::int64_t>(sizeof(T));
constexpr std::int64_t kPartBytes = 256;  // of what is known of a part

// Bytes of scratch memory that any kernel on rows of this length needs, aligned to 64.
constexpr std::int64_t scratch_bytes(std::int64_t cols) {
    return (3 * block_size<double>(cols) + 16) * 8 + (cols / kPartSize<double> + 2) * kPartBytes;
}

// Each returns the first row that has no allowed action, or -1. `actions` are known to be in range.
template <class T>
struct Kernels {
    std::int64_t (*log_softmax)(const LogitRows<T>&, const OutRows<T>&, void* scratch);
    std::int64_t (*softmax)(const LogitRows<T>&, const OutRows<T>&, void* scratch);
    std::int64_t (*logsumexp)(const LogitRows<T>&, T* out, std::int64_t stride, void* scratch);
    std::int64_t (*log_prob)(const LogitRows<T>&, const std::int64_t* actions, T* out, std::int64_t stride,
                             void* scratch);
    std::int64_t (*entropy)(const LogitRows<T>&, T* out, std::int64_t stride, void* scratch);
    std::int64_t (*kl_divergence)(const LogitRows<T>& p, const LogitRows<T>& q, T* out, std::int64_t stride,
                                  void* scratch);
    std::int64_t (*sample)(const LogitRows<T>&, const std::uint64_t (&key)[2], std::int64_t row_offset,
                           const OutRows<std::int64_t>& actions, const OutRows<T>& log_probs, T* entropies,
                           std::int64_t entropy_stride, void* scratch);
    std::int64_t (*weighted_log_prob_gradient)(const LogitRows<T>&, const T* weights, const GradientRows<T>&,
                                               const OutRows<T>&, bool accumulate, void* scratch);
    std::int64_t (*clipped_ratio_gradient)(const LogitRows<T>&, const ClippedRows<T>&, const GradientRows<T>&,
                                           const OutRows<T>&, bool accumulate, void* scratch);
    // weight_sums: of each tile of rows, tile_rows(cols) numbers for each action; of the last one too.
    std::int64_t (*shared_gradient)(const LogitRows<T>&, const double* weight_sums, const double* visits,
                                    double entropy_coef, const OutRows<T>&, bool accumulate, void* scratch);
    void (*linear_widen)(const T* x, std::int64_t row_stride, std::int64_t rows, std::int64_t cols,
                         double* to, std::int64_t to_stride);
    void (*linear_logits)(const double* x, std::int64_t strip_size, std::int64_t rows, std::int64_t features,
                          const double* panel, std::int64_t cols, T* logits, std::int64_t row_stride,
                          const T* next);
    void (*linear_accumulate)(const double* x, std::int64_t strip_size, std::int64_t strips, const double* g,
                              std::int64_t g_stride, std::int64_t rows, std::int64_t cols, double* sums,
                              std::int64_t row_stride);
    std::int64_t linear_panel_width;
};

struct KernelTable {
    const char* isa;
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
