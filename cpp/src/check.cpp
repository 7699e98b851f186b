#include "check.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "parallel.hpp"

namespace scorefn {
namespace {

std::string shape(std::int64_t rows, std::int64_t cols) {
    return "(" + std::to_string(rows) + ", " + std::to_string(cols) + ")";
}

// What was read before is not read again after.
inline void compiler_barrier() { asm volatile("" ::: "memory"); }

template <class From, class To>
void convert(const void* data, std::int64_t stride, std::int64_t first, std::int64_t count, To* out) {
    // Read once, then used: another thread may be changing the array.
    constexpr std::int64_t kAtATime = 256;
    From copy[kAtATime];
    const From* x = static_cast<const From*>(data) + first * stride;
    for (; count > 0; x += kAtATime * stride, out += kAtATime, count -= kAtATime) {
        const std::int64_t n = std::min(kAtATime, count);
        if (stride == 1)
            std::memcpy(copy, x, static_cast<std::size_t>(n) * sizeof(From));
        else
            for (std::int64_t i = 0; i < n; ++i) copy[i] = x[i * stride];
        compiler_barrier();
        for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<To>(copy[i]);
    }
}

// Whether 32 bits are those that -inf has first: true if there is one, and for a few other numbers.
template <class T>
bool may_have_minus_infinity(const T* z, std::int64_t count) {
    constexpr std::uint32_t first_bits = sizeof(T) == 4 ? 0xff800000u : 0xfff00000u;
    const std::int64_t words = count * static_cast<std::int64_t>(sizeof(T) / 4);
    std::uint32_t found = 0;
#pragma GCC unroll 4
    for (std::int64_t i = 0; i < words; ++i) {
        std::uint32_t word;
        std::memcpy(&word, reinterpret_cast<const char*>(z) + 4 * i, 4);
        found |= word == first_bits ? ~0u : 0u;
    }
    return found != 0;
}

}  // namespace

void require_size(const char* name, std::int64_t got, std::int64_t expected) {
    if (got != expected)
        throw std::invalid_argument(std::string(name) + " must have size " + std::to_string(expected) +
                                    ", got " + std::to_string(got));
}

void require_shape(const char* name, std::int64_t rows, std::int64_t cols, std::int64_t expected_rows,
                   std::int64_t expected_cols) {
    if (rows != expected_rows || cols != expected_cols)
        throw std::invalid_argument(std::string(name) + " must have shape " +
                                    shape(expected_rows, expected_cols) + ", got " + shape(rows, cols));
}

template <class T>
void require_logits(const Matrix<const T>& logits, const Matrix<const bool>& where) {
    if (logits.cols < 1) throw std::invalid_argument("logits must have at least one action, got 0");
    if (where) require_shape("where", where.rows, where.cols, logits.rows, logits.cols);
}
template void require_logits(const Matrix<const float>&, const Matrix<const bool>&);
template void require_logits(const Matrix<const double>&, const Matrix<const bool>&);

void load(const IndexVector& v, std::int64_t first, std::int64_t count, std::int64_t* out) {
    switch (v.type) {
        case IntegerType::i8: return convert<std::int8_t>(v.data, v.stride, first, count, out);
        case IntegerType::i16: return convert<std::int16_t>(v.data, v.stride, first, count, out);
        case IntegerType::i32: return convert<std::int32_t>(v.data, v.stride, first, count, out);
        case IntegerType::i64: return convert<std::int64_t>(v.data, v.stride, first, count, out);
        case IntegerType::u8: return convert<std::uint8_t>(v.data, v.stride, first, count, out);
        case IntegerType::u16: return convert<std::uint16_t>(v.data, v.stride, first, count, out);
        case IntegerType::u32: return convert<std::uint32_t>(v.data, v.stride, first, count, out);
        case IntegerType::u64: return convert<std::uint64_t>(v.data, v.stride, first, count, out);
    }
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

bool in_range(const std::int64_t* indices, std::int64_t count, std::int64_t bound) {
    // The sign bit of i says i < 0, that of bound - 1 - i says i >= bound.
    const auto last = static_cast<std::uint64_t>(bound) - 1;
    std::uint64_t seen = 0;
#pragma GCC unroll 4
    for (std::int64_t i = 0; i < count; ++i) {
        const auto index = static_cast<std::uint64_t>(indices[i]);
        seen |= index | (last - index);
    }
    return seen >> 63 == 0;
}

void require_in_range(const char* name, const IndexVector& indices, std::int64_t bound, const char* what,
                      int num_threads) {
    constexpr std::int64_t kRange = 1 << 16, kChunk = 512;
    std::atomic<std::int64_t> first_bad{indices.size};
    parallel_for((indices.size + kRange - 1) / kRange, num_threads, [&](std::int64_t range) {
        std::int64_t chunk[kChunk];
        const std::int64_t end = std::min(indices.size, (range + 1) * kRange);
        for (std::int64_t first = range * kRange; first < end; first += kChunk) {
            const std::int64_t count = std::min(kChunk, end - first);
            load(indices, first, count, chunk);
            if (in_range(chunk, count, bound)) continue;
            std::int64_t i = 0;
            while (i + 1 < count && in_range(chunk + i, 1, bound)) ++i;
            lower(first_bad, first + i);
            return;
        }
    });
    if (first_bad == indices.size) return;
    std::int64_t value;
    load(indices, first_bad, 1, &value);
    const std::string text = indices.type == IntegerType::u64
                                 ? std::to_string(static_cast<std::uint64_t>(value))
                                 : std::to_string(value);
    throw IndexError(
        {name, first_bad, " = " + text + " is out of range for " + std::to_string(bound) + " " + what});
}

template <class T>
bool have_allowed_actions(const Matrix<const T>& logits, const Matrix<const bool>& where, std::int64_t first,
                          std::int64_t count) {
    // Rows of a cache line or less are all looked at, in one go, which is less work than the first entry of each.
    const bool short_rows = logits.cols * sizeof(T) <= 64 && logits.col_stride == 1 && !where;
    constexpr std::int64_t kRows = 64;
    for (std::int64_t i = first, left = count; left > 0; i += kRows, left -= kRows) {
        const std::int64_t rows = std::min(left, kRows);
        const T* z = logits.data + i * logits.row_stride;
        if (short_rows && logits.row_stride == logits.cols && !may_have_minus_infinity(z, rows * logits.cols))
            continue;
        for (std::int64_t r = 0; r < rows; ++r, z += logits.row_stride) {
            const bool first_is_allowed = !where && *z != -std::numeric_limits<T>::infinity();
            if (!first_is_allowed && !has_allowed_action(logits, where, i + r)) return false;
        }
    }
    return true;
}
template bool have_allowed_actions(const Matrix<const float>&, const Matrix<const bool>&, std::int64_t,
                                   std::int64_t);
template bool have_allowed_actions(const Matrix<const double>&, const Matrix<const bool>&, std::int64_t,
                                   std::int64_t);

void throw_no_allowed_action(const char* name, std::int64_t row, const char* suffix) {
    throw NoAllowedAction(
        {name, row, std::string(suffix) + " has no allowed action: every logit is -inf or masked"});
}

}  // namespace scorefn
