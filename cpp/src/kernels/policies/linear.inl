// The two products of a linear policy for a block of samples, logits = x @ coef and sums += g^T @ x. Every entry is one
// sum in double in the order of its terms, so it depends neither on the size of the tiles, which fits the registers of
// the ISA, nor on how the work is cut.
//
// x lies in strips of eight features, x[f / 8][sample][f % 8]: the first product takes its entries one by one, the
// second a strip's row at a time. coef lies in panels as wide as a tile of the first product, coef[panel][f][column].
#pragma once

#include "kernels/simd/native.inl"

namespace scorefn {
namespace {

constexpr int kStrip = 8;

constexpr int kPanelWidth = kLogitVectors * kVectorDoubles;

// sum[i][v] += sum_t a[t * a_term + i * a_row] b[t * b_term + v * b_vector]
template <class T, int Rows, int V>
SCOREFN_INLINE void add_products(DoubleVector (&sum)[Rows][V], const double* a, std::int64_t a_term,
                                 std::int64_t a_row, const double* b, std::int64_t b_term,
                                 std::int64_t b_vector, std::int64_t terms) {
    for (std::int64_t t = 0; t < terms; ++t, a += a_term, b += b_term) {
        DoubleVector b_t[V];
        for (int v = 0; v < V; ++v) b_t[v] = *reinterpret_cast<const DoubleVector*>(b + v * b_vector);
        for (int i = 0; i < Rows; ++i) {
            const DoubleVector a_t = a[i * a_row] - DoubleVector{};  // a broadcast; + 0 would be an addition
            for (int v = 0; v < V; ++v) sum[i][v] = multiply_add<T>(a_t, b_t[v], sum[i][v]);
        }
    }
}

template <class T>
SCOREFN_INLINE void store_rounded(DoubleVector a, T* x) {
    typedef T Part __attribute__((vector_size(sizeof(T) * kVectorDoubles), aligned(alignof(T)), may_alias));
    typedef T Rounded __attribute__((vector_size(sizeof(T) * kVectorDoubles)));
    *reinterpret_cast<Part*>(x) = __builtin_convertvector(a, Rounded);
}

// A matrix as doubles, with zeros up to a whole vector in each row. Where rows follow each other, the last vector of one
// is read with what comes after it.
template <class T>
void linear_widen(const T* x, std::int64_t row_stride, std::int64_t rows, std::int64_t cols, double* to,
                  std::int64_t to_stride) {
    using Bits = Vectors<std::int64_t>::type;
    const std::int64_t whole = cols / kVectorDoubles * kVectorDoubles, rest = cols - whole;
    const auto widen_rows = [&](std::int64_t first, std::int64_t last, auto widen_rest)
                                SCOREFN_INLINE_LAMBDA {
        for (std::int64_t r = first; r < last; ++r) {
            const T* const row = x + r * row_stride;
            double* const to_row = to + r * to_stride;
            for (std::int64_t k = 0; k < whole; k += kVectorDoubles)
                *reinterpret_cast<DoubleVector*>(to_row + k) = load_vector_widened(row + k);
            widen_rest(row + whole, *reinterpret_cast<DoubleVector*>(to_row + whole));
        }
    };
    if (rest == 0) return widen_rows(0, rows, [](const T*, DoubleVector&) SCOREFN_INLINE_LAMBDA {});
    // The rows that have a whole vector from their last few columns on.
    std::int64_t full = 0;
    if (row_stride >= cols) full = rows - (kVectorDoubles - rest + row_stride - 1) / row_stride;
    if (full < 0) full = 0;
    Bits kept;
    for (int i = 0; i < kVectorDoubles; ++i) kept[i] = i < rest ? -1 : 0;
    widen_rows(0, full, [&](const T* last, DoubleVector& to_last) SCOREFN_INLINE_LAMBDA {
        to_last = (DoubleVector)((Bits)load_vector_widened(last) & kept);
    });
    widen_rows(full, rows, [&](const T* last, DoubleVector& to_last) SCOREFN_INLINE_LAMBDA {
        to_last = DoubleVector{};
        for (int i = 0; i < rest; ++i) to_last[i] = static_cast<double>(last[i]);
    });
}

template <class T, int V>
void logits_of_panel(const double* x, std::int64_t strip_size, std::int64_t rows, std::int64_t features,
                     const double* panel, T* logits, std::int64_t row_stride, const T* next) {
    constexpr int cache_line = 64 / sizeof(T);
    for (std::int64_t r = 0; r < rows; r += kLogitRows) {
        DoubleVector sum[kLogitRows][V] = {};
        for (std::int64_t f = 0; f < features; f += kStrip) {
            if (next)
                for (int i = 0; i < kLogitRows * kStrip; i += cache_line, next += cache_line)
                    __builtin_prefetch(next);
            add_products<T>(sum, x + f / kStrip * strip_size + r * kStrip, 1, kStrip, panel + f * kPanelWidth,
                            kPanelWidth, kVectorDoubles, features - f < kStrip ? features - f : kStrip);
        }
        for (int i = 0; i < kLogitRows; ++i)
            for (int v = 0; v < V; ++v)
                store_rounded(sum[i][v], logits + (r + i) * row_stride + v * kVectorDoubles);
    }
}

// logits[r, :] = sum_f x[r, f] panel[f, :] for whole tiles of rows and whole vectors of columns. The features that come
// after these, `next`, are brought into the cache in the meantime, if given.
template <class T>
void linear_logits(const double* x, std::int64_t strip_size, std::int64_t rows, std::int64_t features,
                   const double* panel, std::int64_t cols, T* logits, std::int64_t row_stride,
                   const T* next) {
    const std::int64_t vectors = (cols + kVectorDoubles - 1) / kVectorDoubles;
    const auto run = vectors == 1   ? logits_of_panel<T, 1>
                     : vectors == 2 ? logits_of_panel<T, 2>
                                    : logits_of_panel<T, kLogitVectors>;
    run(x, strip_size, rows, features, panel, logits, row_stride, next);
}

template <class T, int Rows, int Strips>
SCOREFN_INLINE void add_to_sums(const double* x, std::int64_t strip_size, const double* g,
                                std::int64_t g_stride, std::int64_t rows, double* sums,
                                std::int64_t row_stride) {
    constexpr int V = Strips * kStrip / kVectorDoubles;
    DoubleVector sum[Rows][V];
    for (int i = 0; i < Rows; ++i)
        for (int v = 0; v < V; ++v)
            sum[i][v] = load_vector_widened(sums + i * row_stride + v * kVectorDoubles);
    add_products<T>(sum, g, g_stride, 1, x, kStrip, Strips == 1 ? kVectorDoubles : strip_size, rows);
    for (int i = 0; i < Rows; ++i)
        for (int v = 0; v < V; ++v) store_rounded(sum[i][v], sums + i * row_stride + v * kVectorDoubles);
}

template <class T, int Strips>
SCOREFN_NO_INLINE void add_strips(const double* x, std::int64_t strip_size, const double* g,
                                  std::int64_t g_stride, std::int64_t rows, std::int64_t cols, double* sums,
                                  std::int64_t row_stride) {
    std::int64_t k = 0;
    for (; k + kSumRows <= cols; k += kSumRows)
        add_to_sums<T, kSumRows, Strips>(x, strip_size, g + k, g_stride, rows, sums + k * row_stride,
                                         row_stride);
    for (; k < cols; k += 2)
        add_to_sums<T, 2, Strips>(x, strip_size, g + k, g_stride, rows, sums + k * row_stride, row_stride);
}

// sums[k, :] += sum_r g[r, k] x[r, :] for an even number of columns k and whole strips of features.
template <class T>
void linear_accumulate(const double* x, std::int64_t strip_size, std::int64_t strips, const double* g,
                       std::int64_t g_stride, std::int64_t rows, std::int64_t cols, double* sums,
                       std::int64_t row_stride) {
    std::int64_t s = 0;
    for (; s + kSumStrips <= strips; s += kSumStrips)
        add_strips<T, kSumStrips>(x + s * strip_size, strip_size, g, g_stride, rows, cols, sums + s * kStrip,
                                  row_stride);
    for (; s < strips; ++s)
        add_strips<T, 1>(x + s * strip_size, strip_size, g, g_stride, rows, cols, sums + s * kStrip,
                         row_stride);
}

}  // namespace
}  // namespace scorefn
