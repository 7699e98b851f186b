// Checks of arguments, and the search for the row to blame.
#pragma once

#include <limits>
#include <scorefn/errors.hpp>
#include <scorefn/options.hpp>
#include <string>

#include "kernels/table.hpp"

namespace scorefn {

[[noreturn]] void throw_wrong_size(const char* name, std::int64_t got, std::int64_t expected);
[[noreturn]] void throw_wrong_shape(const char* name, std::int64_t rows, std::int64_t cols,
                                    std::int64_t expected_rows, std::int64_t expected_cols);
[[noreturn]] void throw_bad_view(const char* name, std::int64_t size);
[[noreturn]] void throw_bad_view(const char* name, std::int64_t rows, std::int64_t cols);

// No size is negative, and a view of one element or more has data. The other checks of views begin with it.
template <class View>
void require_view(const char* name, const View& v) {
    if (v.size < 0 || (!v.data && v.size != 0)) throw_bad_view(name, v.size);
}
template <class T>
void require_view(const char* name, const Matrix<T>& m) {
    if (m.rows < 0 || m.cols < 0 || (!m.data && m.rows != 0 && m.cols != 0))
        throw_bad_view(name, m.rows, m.cols);
}

template <class View>
void require_size(const char* name, const View& v, std::int64_t expected) {
    require_view(name, v);
    if (v.size != expected) throw_wrong_size(name, v.size, expected);
}
template <class T>
void require_shape(const char* name, const Matrix<T>& m, std::int64_t rows, std::int64_t cols) {
    require_view(name, m);
    if (m.rows != rows || m.cols != cols) throw_wrong_shape(name, m.rows, m.cols, rows, cols);
}
// Whether an output is wanted, or a mask is there: others are null and of no size.
template <class View>
bool is_given(const View& v) {
    return v.data || v.size != 0;
}
template <class T>
bool is_given(const Matrix<T>& m) {
    return m.data || (m.rows != 0 && m.cols != 0);
}

// From 1 to 2^40 actions: far more than any memory holds, and few enough that no size that follows from it overflows.
void require_num_actions(const char* name, std::int64_t got);
// Such a matrix, and a mask of its shape if there is one.
template <class T>
void require_logits(const char* name, const Matrix<const T>& logits, const Matrix<const bool>& where) {
    require_view(name, logits);
    require_num_actions(name, logits.cols);
    if (is_given(where)) require_shape("where", where, logits.rows, logits.cols);
}

// Elements first .. first + count - 1, each read once.
template <class T>
void load(const RealVector& values, std::int64_t first, std::int64_t count, T* out);

// IndexError for index i: "<name>[3] = 7 is out of range for 5 <what>".
[[noreturn]] void throw_out_of_range(const char* name, const IndexVector& indices, std::int64_t i,
                                     std::int64_t bound, const char* what);
// Throws it at the first index of a row that counts outside [0, bound).
void require_in_range(const char* name, const IndexVector& indices, std::int64_t bound, const char* what,
                      int num_threads, const ValidRows& valid = {});

// Throws if a value of the option is outside its domain, or no choice.
void require_option(const ObjectiveOption& option, const LowHigh& value);

// NoAllowedAction for a row: "<name>[3]<suffix> has no allowed action: ..."
[[noreturn]] void throw_no_allowed_action(const char* name, std::int64_t row, const char* suffix = "");
// BadLogits: "<name>[3] has NaN or +inf in an allowed slot ..."
[[noreturn]] void throw_bad_logits(const char* name, std::int64_t row);

// A bool of other hands may be any byte, and anything but 0 is true.
inline const unsigned char* bytes_of(const Matrix<const bool>& where) {
    return reinterpret_cast<const unsigned char*>(where.data);
}

// From a row on.
inline ValidRows valid_rows(const Vector<const bool>& valid, std::int64_t first = 0) {
    if (!valid.data) return {};
    return {reinterpret_cast<const unsigned char*>(valid.data) + first * valid.stride, valid.stride};
}
inline bool is_valid(const ValidRows& rows, std::int64_t row) {
    return !rows.flags || rows.flags[row * rows.stride] != 0;
}
inline void require_valid(const Vector<const bool>& valid, std::int64_t rows) {
    if (is_given(valid)) require_size("valid", valid, rows);
}

template <class T>
LogitRows<T> logit_rows(const Matrix<const T>& logits, const Matrix<const bool>& where, std::int64_t first,
                        std::int64_t count, const Team& team = {}, const ValidRows& valid = {}) {
    return {logits.data + first * logits.row_stride,
            count,
            logits.cols,
            logits.row_stride,
            logits.col_stride,
            where ? bytes_of(where) + first * where.row_stride : nullptr,
            where.row_stride,
            where.col_stride,
            team,
            valid};
}

// NaN counts as allowed: it is a bad value, not a forbidden action. Inline, as the first entry is mostly all it looks at.
template <class T>
bool has_allowed_action(const Matrix<const T>& logits, const Matrix<const bool>& where, std::int64_t row) {
    const unsigned char* const allowed = where ? bytes_of(where) + row * where.row_stride : nullptr;
    for (std::int64_t j = 0; j < logits.cols; ++j)
        if ((!allowed || allowed[j * where.col_stride]) &&
            logits(row, j) != -std::numeric_limits<T>::infinity())
            return true;
    return false;
}

// Whether all rows first .. first + count - 1 that count have one.
template <class T>
bool have_allowed_actions(const Matrix<const T>& logits, const Matrix<const bool>& where,
                          const ValidRows& valid, std::int64_t first, std::int64_t count);

}  // namespace scorefn
