// The two products of a linear policy for a block of samples, logits = x @ coef and sums += g^T @ x. Every entry is one
// sum in double in the order of its terms, so it depends neither on the size of the micro-tiles, which fit the registers
// of the ISA, nor on how the work is cut.
//
// x lies in panels of eight features, x[f / 8][sample][f % 8]: the first product takes its entries one by one, the
// second a panel's row at a time. coef lies in panels as wide as a micro-tile of the first product, coef[panel][f][column].
#pragma once

#include "kernels/simd/native.inl"

namespace scorefn {
namespace {

constexpr int kFeaturePanel = 8;

constexpr int kCoefPanelWidth = kLogitRegisters * kRegisterDoubles;

// sum[i][v] += sum_t a[t * a_term + i * a_row] b[t * b_term + v * b_register]
template <class T, int Rows, int V>
SCOREFN_INLINE void add_products(DoubleRegister (&sum)[Rows][V], const double* a, std::int64_t a_term,
                                 std::int64_t a_row, const double* b, std::int64_t b_term,
                                 std::int64_t b_register, std::int64_t terms) {
    for (std::int64_t t = 0; t < terms; ++t, a += a_term, b += b_term) {
        DoubleRegister b_t[V];
        for (int v = 0; v < V; ++v) b_t[v] = *reinterpret_cast<const DoubleRegister*>(b + v * b_register);
        for (int i = 0; i < Rows; ++i) {
            const DoubleRegister a_t =
                a[i * a_row] - DoubleRegister{};  // a broadcast; + 0 would be an addition
            for (int v = 0; v < V; ++v) sum[i][v] = multiply_add<T>(a_t, b_t[v], sum[i][v]);
        }
    }
}

template <class T>
SCOREFN_INLINE void store_rounded(DoubleRegister a, T* x) {
    typedef T Unaligned
        __attribute__((vector_size(sizeof(T) * kRegisterDoubles), aligned(alignof(T)), may_alias));
    typedef T Rounded __attribute__((vector_size(sizeof(T) * kRegisterDoubles)));
    *reinterpret_cast<Unaligned*>(x) = __builtin_convertvector(a, Rounded);
}

// A matrix as doubles, with zeros up to a whole register in each row. Where rows follow each other, the last register of one
// is read with what comes after it.
template <class T>
void linear_widen(const T* x, std::int64_t row_stride, std::int64_t rows, std::int64_t cols, double* to,
                  std::int64_t to_stride) {
    using Bits = Registers<std::int64_t>::type;
    const std::int64_t whole = cols / kRegisterDoubles * kRegisterDoubles, rest = cols - whole;
    const auto widen_rows = [&](std::int64_t first, std::int64_t last, auto widen_rest)
                                SCOREFN_INLINE_LAMBDA {
        for (std::int64_t r = first; r < last; ++r) {
            const T* const row = x + r * row_stride;
            double* const to_row = to + r * to_stride;
            for (std::int64_t k = 0; k < whole; k += kRegisterDoubles)
                *reinterpret_cast<DoubleRegister*>(to_row + k) = load_register_widened(row + k);
            widen_rest(row + whole, *reinterpret_cast<DoubleRegister*>(to_row + whole));
        }
    };
    if (rest == 0) return widen_rows(0, rows, [](const T*, DoubleRegister&) SCOREFN_INLINE_LAMBDA {});
    // The rows that have a whole register from their last few columns on.
    std::int64_t full = 0;
    if (row_stride >= cols) full = rows - (kRegisterDoubles - rest + row_stride - 1) / row_stride;
    if (full < 0) full = 0;
    Bits kept;
    for (int i = 0; i < kRegisterDoubles; ++i) kept[i] = i < rest ? -1 : 0;
    widen_rows(0, full, [&](const T* last, DoubleRegister& to_last) SCOREFN_INLINE_LAMBDA {
        to_last = (DoubleRegister)((Bits)load_register_widened(last) & kept);
    });
    widen_rows(full, rows, [&](const T* last, DoubleRegister& to_last) SCOREFN_INLINE_LAMBDA {
        to_last = DoubleRegister{};
        for (int i = 0; i < rest; ++i) to_last[i] = static_cast<double>(last[i]);
    });
}

template <class T, int V>
void logits_of_coef_panel(const double* x, std::int64_t feature_panel_size, std::int64_t rows,
                          std::int64_t features, const double* coef_panel, T* logits, std::int64_t row_stride,
                          const T* next) {
    constexpr int cache_line = 64 / sizeof(T);
    for (std::int64_t r = 0; r < rows; r += kLogitRows) {
        DoubleRegister sum[kLogitRows][V] = {};
        for (std::int64_t f = 0; f < features; f += kFeaturePanel) {
            if (next)
                for (int i = 0; i < kLogitRows * kFeaturePanel; i += cache_line, next += cache_line)
                    __builtin_prefetch(next);
            add_products<T>(sum, x + f / kFeaturePanel * feature_panel_size + r * kFeaturePanel, 1,
                            kFeaturePanel, coef_panel + f * kCoefPanelWidth, kCoefPanelWidth,
                            kRegisterDoubles, features - f < kFeaturePanel ? features - f : kFeaturePanel);
        }
        for (int i = 0; i < kLogitRows; ++i)
            for (int v = 0; v < V; ++v)
                store_rounded(sum[i][v], logits + (r + i) * row_stride + v * kRegisterDoubles);
    }
}

// logits[r, :] = sum_f x[r, f] coef_panel[f, :] for whole micro-tiles of rows and whole registers of columns. The
// features that come after these, `next`, are brought into the cache in the meantime, if given.
template <class T>
void linear_logits(const double* x, std::int64_t feature_panel_size, std::int64_t rows, std::int64_t features,
                   const double* coef_panel, std::int64_t cols, T* logits, std::int64_t row_stride,
                   const T* next) {
    const std::int64_t registers = (cols + kRegisterDoubles - 1) / kRegisterDoubles;
    const auto run = registers == 1   ? logits_of_coef_panel<T, 1>
                     : registers == 2 ? logits_of_coef_panel<T, 2>
                                      : logits_of_coef_panel<T, kLogitRegisters>;
    run(x, feature_panel_size, rows, features, coef_panel, logits, row_stride, next);
}

template <class T, int Rows, int Panels>
SCOREFN_INLINE void add_to_sums(const double* x, std::int64_t feature_panel_size, const double* g,
                                std::int64_t g_stride, std::int64_t rows, double* sums,
                                std::int64_t row_stride) {
    constexpr int V = Panels * kFeaturePanel / kRegisterDoubles;
    DoubleRegister sum[Rows][V];
    for (int i = 0; i < Rows; ++i)
        for (int v = 0; v < V; ++v)
            sum[i][v] = load_register_widened(sums + i * row_stride + v * kRegisterDoubles);
    add_products<T>(sum, g, g_stride, 1, x, kFeaturePanel,
                    Panels == 1 ? kRegisterDoubles : feature_panel_size, rows);
    for (int i = 0; i < Rows; ++i)
        for (int v = 0; v < V; ++v) store_rounded(sum[i][v], sums + i * row_stride + v * kRegisterDoubles);
}

template <class T, int Panels>
SCOREFN_NO_INLINE void add_feature_panels(const double* x, std::int64_t feature_panel_size, const double* g,
                                          std::int64_t g_stride, std::int64_t rows, std::int64_t cols,
                                          double* sums, std::int64_t row_stride) {
    std::int64_t k = 0;
    for (; k + kSumRows <= cols; k += kSumRows)
        add_to_sums<T, kSumRows, Panels>(x, feature_panel_size, g + k, g_stride, rows, sums + k * row_stride,
                                         row_stride);
    for (; k < cols; k += 2)
        add_to_sums<T, 2, Panels>(x, feature_panel_size, g + k, g_stride, rows, sums + k * row_stride,
                                  row_stride);
}

// sums[k, :] += sum_r g[r, k] x[r, :] for an even number of columns k and whole panels of features.
template <class T>
void linear_accumulate(const double* x, std::int64_t feature_panel_size, std::int64_t feature_panels,
                       const double* g, std::int64_t g_stride, std::int64_t rows, std::int64_t cols,
                       double* sums, std::int64_t row_stride) {
    std::int64_t s = 0;
    for (; s + kSumPanels <= feature_panels; s += kSumPanels)
        add_feature_panels<T, kSumPanels>(x + s * feature_panel_size, feature_panel_size, g, g_stride, rows,
                                          cols, sums + s * kFeaturePanel, row_stride);
    for (; s < feature_panels; ++s)
        add_feature_panels<T, 1>(x + s * feature_panel_size, feature_panel_size, g, g_stride, rows, cols,
                                 sums + s * kFeaturePanel, row_stride);
}

}  // namespace
}  // namespace scorefn
