// Moments of groups of numbers: blocks in the nearest cache, merged in a fixed tree over their index.

#include <algorithm>
#include <cmath>
#include <limits>
#include <scorefn/credit.hpp>
#include <vector>

#include "check.hpp"
#include "runtime/float_environment.hpp"
#include "runtime/memory.hpp"
#include "runtime/parallel.hpp"

namespace scorefn {
namespace {

constexpr std::int64_t kBlock = 2048, kTask = 1 << 15;

// Of all numbers of both (Chan, Golub and LeVeque 1983, "Algorithms for computing the sample variance").
SampleMoments merged(const SampleMoments& a, const SampleMoments& b) {
    const double count = a.count + b.count, step = b.mean - a.mean;
    return {count, a.mean + step * (b.count / count),
            a.sum_square + b.sum_square + step * step * (a.count * (b.count / count)),
            std::min(a.least, b.least), std::max(a.greatest, b.greatest)};
}

// Numbers first .. first + count - 1 as doubles, where they lie or in the buffer.
const double* doubles(const Vector<const double>& x, std::int64_t first, std::int64_t count, double* buffer) {
    if (x.stride == 1) return x.data + first;
    for (std::int64_t i = 0; i < count; ++i) buffer[i] = x[first + i];
    return buffer;
}
const double* doubles(const Vector<const float>& x, std::int64_t first, std::int64_t count, double* buffer) {
    if (x.stride == 1)
        kernels().of<float>().load_numbers(x.data + first, count, buffer);
    else
        for (std::int64_t i = 0; i < count; ++i) buffer[i] = static_cast<double>(x[first + i]);
    return buffer;
}

template <class T>
SampleMoments of_block(const Vector<const T>& x, std::int64_t first, double scale) {
    const std::int64_t count = std::min(kBlock, x.size - first);
    double buffer[kBlock];
    SampleMoments result;
    kernels().sample_moments(doubles(x, first, count, buffer), count, static_cast<double>(x[0]), scale,
                             result);
    return result;
}

template <class T>
SampleMoments of_group(const Vector<const T>& x, double scale, int num_threads) {
    const std::int64_t blocks = (x.size + kBlock - 1) / kBlock, per_task = kTask / kBlock;
    if (blocks == 1) return of_block(x, 0, scale);
    std::vector<SampleMoments> of(static_cast<std::size_t>(blocks));
    parallel_for((blocks + per_task - 1) / per_task, num_threads, [&](std::int64_t task) {
        const std::int64_t end = std::min(blocks, (task + 1) * per_task);
        for (std::int64_t i = task * per_task; i < end; ++i)
            of[static_cast<std::size_t>(i)] = of_block(x, i * kBlock, scale);
    });
    for (std::size_t step = 1; step < of.size(); step *= 2)
        for (std::size_t i = 0; i + step < of.size(); i += 2 * step) of[i] = merged(of[i], of[i + step]);
    return of[0];
}

template <class T>
Moments to_moments(const Vector<const T>& x, int num_threads) {
    double scale = 1;
    SampleMoments of = of_group(x, scale, num_threads);
    const bool is_exact = of.sum_square > 1e-250 && of.sum_square < 1e250;
    if (!is_exact && !(of.sum_square == 0 && of.least == of.greatest)) {
        const double largest = std::max(std::fabs(of.least), std::fabs(of.greatest));
        if (std::isfinite(largest)) scale = std::ldexp(1.0, -std::clamp(std::ilogb(largest), -1000, 1000));
        of = of_group(x, scale, num_threads);
    }
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    if (!std::isfinite(of.sum_square)) return {nan, nan, nan, nan, nan, nan};
    return {1 / scale,  static_cast<double>(x[0]) * scale, of.mean, std::sqrt(of.sum_square), of.least,
            of.greatest};
}

// task(first row, last row, first column, last column), of about as many numbers each.
template <class Task>
void for_each_part(std::int64_t rows, std::int64_t cols, int num_threads, Task task) {
    if (rows == 0 || cols == 0) return;
    const std::int64_t per_task = std::max<std::int64_t>(1, kTask / cols), width = std::min(cols, kTask);
    const std::int64_t across = (cols + width - 1) / width, down = (rows + per_task - 1) / per_task;
    parallel_for(down * across, num_threads, [&](std::int64_t i) {
        const std::int64_t row = i / across * per_task, col = i % across * width;
        task(row, std::min(rows, row + per_task), col, std::min(cols, col + width));
    });
}

template <class T>
Vector<const T> row_of(const Matrix<const T>& x, std::int64_t row) {
    return {x.data + row * x.row_stride, x.cols, x.col_stride};
}

template <class T>
void require_groups(const Matrix<const T>& groups) {
    require_view("groups", groups);
    if (groups.cols == 0) throw std::invalid_argument("groups must have at least one column, got 0");
}

template <class T>
void moments(const Matrix<const T>& groups, const Vector<Moments>& out, int num_threads) {
    const StandardFloatEnvironment environment;
    require_groups(groups);
    require_size("out", out, groups.rows);
    if (groups.rows == 1) {
        out[0] = to_moments(row_of(groups, 0), num_threads);
        return;
    }
    const std::int64_t per_task = std::max<std::int64_t>(1, kTask / groups.cols);
    parallel_for((groups.rows + per_task - 1) / per_task, num_threads, [&](std::int64_t task) {
        const std::int64_t end = std::min(groups.rows, (task + 1) * per_task);
        for (std::int64_t row = task * per_task; row < end; ++row)
            out[row] = to_moments(row_of(groups, row), 1);
    });
}

template <class T>
void standardize(const Matrix<const T>& groups, const Vector<const Moments>& by,
                 const Vector<const double>& factors, const Matrix<double>& out, int num_threads) {
    const StandardFloatEnvironment environment;
    require_groups(groups);
    require_size("by", by, groups.rows);
    require_size("factors", factors, groups.rows);
    require_shape("out", out, groups.rows, groups.cols);
    for_each_part(groups.rows, groups.cols, num_threads,
                  [&](std::int64_t row, std::int64_t last_row, std::int64_t first, std::int64_t last) {
        for (; row < last_row; ++row) {
            const double scale = 1 / by[row].unit, pivot = by[row].pivot, mean = by[row].mean,
                         factor = factors[row];
            const Vector<const T> x = row_of(groups, row);
            double* const to = &out(row, 0);
            const auto standard = [=](T value) {
                return factor == 0 ? 0.0 : factor * (static_cast<double>(value) * scale - pivot - mean);
            };
            if (x.stride == 1 && out.col_stride == 1)
                for (std::int64_t i = first; i < last; ++i) to[i] = standard(x.data[i]);
            else
                for (std::int64_t i = first; i < last; ++i) to[i * out.col_stride] = standard(x[i]);
        }
    });
}

}  // namespace

#define SCOREFN_DEFINE(T)                                                                            \
    void moments(Matrix<const T> groups, Vector<Moments> out, int num_threads) {                     \
        moments<T>(groups, out, num_threads);                                                        \
    }                                                                                                \
    void standardize(Matrix<const T> groups, Vector<const Moments> by, Vector<const double> factors, \
                     Matrix<double> out, int num_threads) {                                          \
        standardize<T>(groups, by, factors, out, num_threads);                                       \
    }
SCOREFN_DEFINE(float)
SCOREFN_DEFINE(double)

}  // namespace scorefn
