// The two products of linear.inl for few features and few actions, lane = sample: features and gradients lie in columns,
// x[f][sample] and g[k][sample], and a sum has a lane for every eighth sample.
#pragma once

#include "kernels/policies/linear.inl"
#include "kernels/rows/tile_layout.inl"

namespace scorefn {
namespace {

template <class T>
SCOREFN_INLINE Lanes<double> multiply_add(Lanes<double> a, Lanes<double> b, Lanes<double> sum) {
    unrolled<kRegisters>(
        [&](int p) SCOREFN_INLINE_LAMBDA { sum.reg[p] = multiply_add<T>(a.reg[p], b.reg[p], sum.reg[p]); });
    return sum;
}

SCOREFN_INLINE Lanes<double> broadcast(double x) {
    Lanes<double> r;
    unrolled<kRegisters>(
        [&](int p) SCOREFN_INLINE_LAMBDA { r.reg[p] = x - DoubleRegister{}; });  // + 0 would be an addition
    return r;
}

// to[k][r] = x[r, k], and 0 for what is missing to a whole vector.
template <class T>
void linear_columns(const T* x, std::int64_t row_stride, std::int64_t col_stride, std::int64_t rows,
                    std::int64_t cols, double* to, std::int64_t column_size) {
    constexpr std::int64_t size = Lanes<T>::size;
    const bool is_contiguous = col_stride == 1 && row_stride == cols;
    const std::int64_t whole = is_contiguous ? rows / size * size : 0;
    const T* const ahead = x + rows * row_stride;
    if (whole > 0)
        Layout<T>(cols).visit([&](const auto& layout) SCOREFN_INLINE_LAMBDA {
            for (std::int64_t r = 0; r < whole; r += size) {
                for (std::int64_t i = 0; i < cols; ++i) __builtin_prefetch(ahead + r * cols + i * size);
                for (std::int64_t slice = 0; slice < layout.slices(); ++slice) {
                    Lanes<T> column[std::decay_t<decltype(layout)>::width];
                    layout.load(x + r * cols, slice, T(0), column);
                    layout.transpose(column);
                    double* const first = to + layout.first_column(slice) * column_size + r;
                    for (int i = 0; i < layout.width; ++i)
                        if (i >= layout.shared(slice)) widen(column[i]).store(first + i * column_size);
                }
            }
        });
    for (std::int64_t k = 0; k < cols; ++k) {
        double* const column = to + k * column_size;
        for (std::int64_t r = whole; r < rows; ++r)
            column[r] = static_cast<double>(x[r * row_stride + k * col_stride]);
        for (std::int64_t r = rows; r % 8 != 0; ++r) column[r] = 0;
    }
}

// logits[r, k] = sum_f x[f][r] coef[f, k] for whole tiles of rows, which follow each other.
template <class T>
void linear_logits_of_columns(const double* x, std::int64_t column_size, std::int64_t rows,
                              std::int64_t features, const double* coef, std::int64_t cols, T* logits) {
    Layout<T>(cols).visit([&](const auto& layout) SCOREFN_INLINE_LAMBDA {
        for (std::int64_t r = 0; r < rows; r += Lanes<T>::size)
            for (std::int64_t slice = 0; slice < layout.slices(); ++slice) {
                constexpr int width = std::decay_t<decltype(layout)>::width;
                const double* const columns_of_coef = coef + layout.first_column(slice);
                Widened<T> exact[width];
                for (int p = 0; p < Widened<T>::count; ++p) {
                    Lanes<double> sum[width];
                    for (auto& column : sum) column = Lanes<double>::splat(0);
                    for (std::int64_t f = 0; f < features; ++f) {
                        const auto x_f = Lanes<double>::load(x + f * column_size + r + 8 * p);
                        for (int i = 0; i < width; ++i)
                            sum[i] = multiply_add<T>(broadcast(columns_of_coef[f * cols + i]), x_f, sum[i]);
                    }
                    for (int i = 0; i < width; ++i) exact[i].lanes[p] = sum[i];
                }
                Lanes<T> z[width];
                for (int i = 0; i < width; ++i) z[i] = narrow(exact[i]);
                layout.transpose(z);
                layout.store(z, logits + r * cols, slice);
            }
    });
}

// sums[k, f] += sum_r g[k][r] x[f][r]
template <class T>
void linear_accumulate_columns(const double* x, const double* g, std::int64_t column_size, std::int64_t rows,
                               std::int64_t features, std::int64_t cols, double* sums,
                               std::int64_t row_stride) {
    constexpr int kActions = 2, kFeatures = 4;  // whose sums the registers of any ISA hold, or nearly so
    for (std::int64_t k = 0; k < cols; k += kActions)
        for (std::int64_t f = 0; f < features; f += kFeatures) {
            const double *g_k[kActions], *x_f[kFeatures];  // the last again for those that there are not
            for (int i = 0; i < kActions; ++i) g_k[i] = g + (k + i < cols ? k + i : cols - 1) * column_size;
            for (int j = 0; j < kFeatures; ++j)
                x_f[j] = x + (f + j < features ? f + j : features - 1) * column_size;
            Lanes<double> sum[kActions][kFeatures];
            for (auto& row : sum)
                for (auto& entry : row) entry = Lanes<double>::splat(0);
            for (std::int64_t r = 0; r < rows; r += 8)
                for (int j = 0; j < kFeatures; ++j) {
                    const auto x_r = Lanes<double>::load(x_f[j] + r);
                    for (int i = 0; i < kActions; ++i)
                        sum[i][j] = multiply_add<T>(Lanes<double>::load(g_k[i] + r), x_r, sum[i][j]);
                }
            for (int i = 0; i < kActions && k + i < cols; ++i)
                for (int j = 0; j < kFeatures && f + j < features; ++j)
                    sums[(k + i) * row_stride + f + j] += fold_sum(sum[i][j]);
        }
}

}  // namespace
}  // namespace scorefn
