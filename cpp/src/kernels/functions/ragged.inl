// Rows of different lengths to where rows of each length lie side by side, and back.
#pragma once

#include "kernels/rows/inputs.inl"
#include "kernels/table.hpp"

namespace scorefn {
namespace {

// So many entries are copied at a time that most rows take one step, as a CPU cannot guess how many a row takes. What is
// copied beyond a row is overwritten when the next ones are, or is not used.
template <class T>
SCOREFN_INLINE void copy_row(const T* from, T* to, std::int64_t length, std::int64_t room) {
    constexpr int vectors = kRowGap / Lanes<T>::size;
    std::int64_t j = 0;
    if (length + kRowGap <= room) {
        do {
            Lanes<T> x[vectors];
            for (int k = 0; k < vectors; ++k) x[k] = Lanes<T>::load(from + j + k * Lanes<T>::size);
            for (int k = 0; k < vectors; ++k) x[k].store(to + j + k * Lanes<T>::size);
        } while ((j += kRowGap) < length);
        return;
    }
    for_each_vector<T, 1>(length, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
        store(load(from + i, extent, T(0)), to + i, extent);
    });
}
// copy(first entry of a row, its place, its length, how many entries of the run there are from there on)
template <class Copy>
SCOREFN_INLINE void for_each_row(const RaggedRun& run, Copy copy) {
    for (std::int64_t row = 0; row < run.rows; ++row) {
        const std::int64_t begin = run.offsets[row], length = run.offsets[row + 1] - begin;
        copy(begin, run.next[length], length, run.offsets[run.rows] - begin);
        run.next[length] += length;
    }
}

template <class T>
void sort_rows(const T* rows, const RaggedRun& run, T* sorted) {
    for_each_row(run, [&](std::int64_t begin, std::int64_t place, std::int64_t length, std::int64_t room)
                          SCOREFN_INLINE_LAMBDA {
        __builtin_prefetch(reinterpret_cast<const char*>(rows + begin) + kBytesAhead);
        copy_row(rows + begin, sorted + place, length, room);
    });
}
template <class T>
void unsort_rows(const T* sorted, const RaggedRun& run, T* rows) {
    for_each_row(run, [&](std::int64_t begin, std::int64_t place, std::int64_t length, std::int64_t room)
                          SCOREFN_INLINE_LAMBDA { copy_row(sorted + place, rows + begin, length, room); });
}

}  // namespace
}  // namespace scorefn
