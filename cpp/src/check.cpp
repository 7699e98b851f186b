#include "check.hpp"

#include <algorithm>
#include <atomic>

#include "runtime/parallel.hpp"

namespace scorefn {
namespace {

std::string shape(std::int64_t rows, std::int64_t cols) {
    return "(" + std::to_string(rows) + ", " + std::to_string(cols) + ")";
}

template <class From, class To>
void convert(const void* data, std::int64_t stride, std::int64_t first, std::int64_t count, To* out) {
    const From* const x = static_cast<const From*>(data) + first * stride;
    if (stride != 1) {
        for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<To>(x[i * stride]);
        return;
    }
    for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<To>(x[i]);
}

}  // namespace

void throw_wrong_size(const char* name, std::int64_t got, std::int64_t expected) {
    throw std::invalid_argument(std::string(name) + " must have size " + std::to_string(expected) + ", got " +
                                std::to_string(got));
}

void throw_wrong_shape(const char* name, std::int64_t rows, std::int64_t cols, std::int64_t expected_rows,
                       std::int64_t expected_cols) {
    throw std::invalid_argument(std::string(name) + " must have shape " +
                                shape(expected_rows, expected_cols) + ", got " + shape(rows, cols));
}

namespace detail {

void throw_wrong_size(std::int64_t rows, std::int64_t cols, std::int64_t size) {
    throw std::invalid_argument("a matrix of shape " + shape(rows, cols) +
                                " must have as many elements, got " + std::to_string(size));
}

}  // namespace detail

void throw_bad_view(const char* name, std::int64_t size) {
    if (size < 0)
        throw std::invalid_argument(std::string(name) + " must have a size of at least 0, got " +
                                    std::to_string(size));
    throw std::invalid_argument(std::string(name) + " must have data for its size " + std::to_string(size) +
                                ", got a null pointer");
}

void throw_bad_view(const char* name, std::int64_t rows, std::int64_t cols) {
    if (rows < 0 || cols < 0)
        throw std::invalid_argument(std::string(name) + " must have sizes of at least 0, got shape " +
                                    shape(rows, cols));
    throw std::invalid_argument(std::string(name) + " must have data for its shape " + shape(rows, cols) +
                                ", got a null pointer");
}

void require_num_actions(const char* name, std::int64_t got) {
    constexpr std::int64_t most = std::int64_t{1} << 40;
    if (got < 1)
        throw std::invalid_argument(std::string(name) + " must have at least one action, got " +
                                    std::to_string(got));
    if (got > most)
        throw std::invalid_argument(std::string(name) + " must have at most " + std::to_string(most) +
                                    " actions, got " + std::to_string(got));
}

template <class T>
void load(const RealVector& v, std::int64_t first, std::int64_t count, T* out) {
    if (v.is_float64)
        convert<double>(v.data, v.stride, first, count, out);
    else
        convert<float>(v.data, v.stride, first, count, out);
}
template void load(const RealVector&, std::int64_t, std::int64_t, float*);
template void load(const RealVector&, std::int64_t, std::int64_t, double*);

void require_in_range(const char* name, const IndexVector& indices, std::int64_t bound, const char* what,
                      int num_threads, const ValidRows& valid) {
    constexpr std::int64_t kRange = 1 << 16;
    const KernelTable& table = kernels();
    const auto are_in_range = [&](std::int64_t first, std::int64_t count) {
        if (!valid.flags) return table.indices_are_in_range(indices, first, count, bound);
        constexpr std::int64_t kAtATime = 256;
        std::int64_t index[kAtATime];
        bool good = true;
        for (const std::int64_t end = first + count; good && first < end; first += kAtATime) {
            const std::int64_t n = std::min(kAtATime, end - first);
            if (table.load_indices(indices, first, n, bound, index)) continue;
            for (std::int64_t i = 0; i < n; ++i)
                good &= !is_valid(valid, first + i) || (0 <= index[i] && index[i] < bound);
        }
        return good;
    };
    std::atomic<std::int64_t> first_bad{indices.size};
    parallel_for((indices.size + kRange - 1) / kRange, num_threads, [&](std::int64_t range) {
        std::int64_t first = range * kRange, count = std::min(kRange, indices.size - first);
        if (are_in_range(first, count)) return;
        while (count > 1) {  // the first bad one is in this half or the other
            const std::int64_t half = count / 2;
            if (are_in_range(first, half))
                first += half, count -= half;
            else
                count = half;
        }
        lower(first_bad, first);
    });
    if (first_bad != indices.size) throw_out_of_range(name, indices, first_bad, bound, what);
}

void throw_out_of_range(const char* name, const IndexVector& indices, std::int64_t i, std::int64_t bound,
                        const char* what) {
    std::int64_t value;
    kernels().load_indices(indices, i, 1, bound, &value);
    const std::string text = indices.type == IntegerType::u64
                                 ? std::to_string(static_cast<std::uint64_t>(value))
                                 : std::to_string(value);
    throw IndexError({name, i, " = " + text + " is out of range for " + std::to_string(bound) + " " + what});
}

template <class T>
bool have_allowed_actions(const Matrix<const T>& logits, const Matrix<const bool>& where,
                          const ValidRows& valid, std::int64_t first, std::int64_t count) {
    // Rows of a cache line or less are all looked at, in one go, which is less work than the first entry of each.
    const bool short_rows = logits.cols * sizeof(T) <= 64 && logits.col_stride == 1 && !where;
    constexpr std::int64_t kRows = 512;
    for (std::int64_t i = first, left = count; left > 0; i += kRows, left -= kRows) {
        const std::int64_t rows = std::min(left, kRows);
        const T* z = logits.data + i * logits.row_stride;
        if (short_rows && logits.row_stride == logits.cols &&
            !kernels().of<T>().has_minus_infinity(z, rows * logits.cols))
            continue;
        for (std::int64_t r = 0; r < rows; ++r, z += logits.row_stride) {
            const bool first_is_allowed = !where && *z != -std::numeric_limits<T>::infinity();
            if (!first_is_allowed && is_valid(valid, i + r) && !has_allowed_action(logits, where, i + r))
                return false;
        }
    }
    return true;
}
template bool have_allowed_actions(const Matrix<const float>&, const Matrix<const bool>&, const ValidRows&,
                                   std::int64_t, std::int64_t);
template bool have_allowed_actions(const Matrix<const double>&, const Matrix<const bool>&, const ValidRows&,
                                   std::int64_t, std::int64_t);

void throw_no_allowed_action(const char* name, std::int64_t row, const char* suffix) {
    throw NoAllowedAction(
        {name, row, std::string(suffix) + " has no allowed action: every logit is -inf or masked"});
}

void throw_bad_logits(const char* name, std::int64_t row) {
    throw BadLogits({name, row, " has NaN or +inf in an allowed slot: no action can be drawn from it"});
}

}  // namespace scorefn
