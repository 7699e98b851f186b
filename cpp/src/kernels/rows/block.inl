// Kernels work on blocks of rows that stay in the nearest cache: first the exponentials of all their logits, then one tile
// of rows after the other. A row longer than a split is a block of its own, and is worked through split by split.
#pragma once

#include "kernels/rows/broadcast.inl"
#include "kernels/rows/pack.inl"
#include "kernels/rows/splits.inl"

namespace scorefn {
namespace {

// One thread's buffers for the blocks of a kernel; scratch_bytes(cols) is their size.
template <class T>
struct Buffers {
    T* z;
    T* e;
    RowBroadcast<T> broadcast;
    Split<T>* splits;
    char* more;  // as much again

    Buffers(void* scratch, std::int64_t cols)
        : z(static_cast<T*>(scratch)),
          e(z + block_bytes(cols) / static_cast<std::int64_t>(sizeof(T))),
          broadcast(static_cast<char*>(scratch) + 2 * block_bytes(cols), cols),
          splits(reinterpret_cast<Split<T>*>(static_cast<char*>(scratch) + 2 * block_bytes(cols) +
                                             broadcast_bytes(cols))),
          more(static_cast<char*>(scratch) + buffer_bytes(cols)) {
        static_assert(sizeof(Split<T>) <= kSplitBytes, "buffer_bytes() counts on it");
    }
};

template <class T>
struct Block {
    const LogitRows<T>& in;
    const std::int64_t cols = in.cols;
    const Buffers<T> buffers;

    std::int64_t first = 0;
    int count = 0;  // rows
    bool are_all_valid = true;
    const T* z = nullptr;    // logits, in rows without gaps
    T* const e = buffers.e;  // what they become: exps() or, of rows that leave the safe range, shifted_exps()
    bool takes_exps = true;  // false: the rows are no logits, and e has room for their results alone
    bool splits_have_exps = false, splits_have_sums = false;
    bool any_shifted = false;
    bool is_shifted[kMostBlockRows];
    T shifted_max[kMostBlockRows], shifted_e_max[kMostBlockRows];

    const OutRows<T>* const out;  // null: no results
    const bool accumulate, is_direct = out && !accumulate && !has_gaps(*out, in.rows);
    T* to = nullptr;  // the results in rows without gaps: in `out` if that is direct, or in the place of e
    // Threads that share out a row do not write in order.
    const bool is_nontemporal = is_direct && out->is_nontemporal && !in.team.parallel_for;
    NonTemporalStore<T> nontemporal{nullptr};

    // A row without an allowed action, unless `visits` says that it needs none, or with NaN or +inf, if the kernel cannot do
    // with that; or -2: an action was out of range.
    std::int64_t stopped_at = -1;
    const double* visits = nullptr;
    bool needs_numbers = false;

    SCOREFN_INLINE Block(const LogitRows<T>& in, void* scratch, const OutRows<T>* out = nullptr,
                         bool accumulate = false)
        : in(in), buffers(scratch, in.cols), out(out), accumulate(accumulate) {}

    // Rows from `start` on, read where they lie if they can be. Tiles that are read as such have to be whole.
    SCOREFN_NO_INLINE void load(std::int64_t start, int rows, bool whole_tiles) {
        first = start, count = rows;
        to = is_direct ? out->data + first * out->row_stride : e;
        if (is_nontemporal) nontemporal = NonTemporalStore<T>(to);
        const bool is_part_of_tile = whole_tiles && is_short(cols) && count % Lanes<T>::size != 0;
        const T* const next = in.data + (first + count) * in.row_stride;
        are_all_valid = count_valid(in.valid, first, count) == count;
        if (!has_gaps(in) && !is_part_of_tile && are_all_valid) {
            z = in.data + first * in.row_stride;
        } else {
            z = buffers.z;
            pack_rows();
        }
        any_shifted = splits_have_exps = splits_have_sums = false;
        if (!takes_exps) return;
        if (has_splits<T>(cols)) return;  // split by split, with what is to be known of it
        constexpr std::int64_t size = Lanes<T>::size;
        complete_tile(e, T(1), (count * cols + size - 1) / size * size);
        if (exps(z, count * cols, e, next)) return;
        for (int r = 0; r < count; ++r)
            if (!exps(z + r * cols, cols, e + r * cols, z + r * cols)) shift_row(r);
    }
    SCOREFN_NO_INLINE void pack_rows() const {
        if (has_splits<T>(cols))
            return share_out<T>(in.team, cols, [&](std::int64_t col, std::int64_t n) {
                pack(columns(in, col, n), first, 1, buffers.z + col);
            });
        pack(in, first, count, buffers.z);
        complete_tile(buffers.z, T(0), count * cols);
    }
    // Sets the rows that the last tile lacks, from entry i on; any number does.
    SCOREFN_INLINE void complete_tile(T* rows, T number, std::int64_t i) const {
        constexpr std::int64_t size = Lanes<T>::size;
        if (!is_short(cols)) return;
        const std::int64_t end = (count + size - 1) / size * size * cols;
        for (; i % size != 0; ++i) rows[i] = number;
        for (; i < end; i += size) Lanes<T>::splat(number).store(rows + i);
    }
    // From here on the exponentials of the row are to be those that are shifted by its largest logit.
    SCOREFN_NO_INLINE void set_shift(int r) {
        for (int k = 0; !any_shifted && k < count; ++k) is_shifted[k] = false;
        any_shifted = is_shifted[r] = true;
        shifted_max[r] = max_of_row(z + r * cols, cols);
        shifted_e_max[r] = exp_shifted(shifted_max[r], shifted_max[r]);
    }
    SCOREFN_NO_INLINE void shift_row(int r) {
        set_shift(r);
        splits_have_exps = splits_have_sums = false;
        shifted_exps(shifted_max[r], z + r * cols, cols, e + r * cols);
    }
    SCOREFN_INLINE bool has_action(int r) const {  // a NaN is an allowed action with a bad value
        for (std::int64_t j = 0; j < cols; ++j)
            if (z[r * cols + j] != -kInfinity<T>) return true;
        return false;
    }

    // The results to `out`, where they are not there yet.
    SCOREFN_NO_INLINE void finish() {
        if (is_nontemporal) nontemporal.finish();
        if (!out || is_direct) return;
        if (!has_splits<T>(cols)) return unpack(e, *out, first, count, accumulate);
        share_out<T>(in.team, cols, [&](std::int64_t col, std::int64_t n) {
            unpack(e + col, columns(*out, col, n), first, 1, accumulate);
        });
    }
};

}  // namespace
}  // namespace scorefn
