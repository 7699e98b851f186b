// Tiles of rows: what a kernel asks of them, one value a row, is in the lanes of vectors, lane = row. Tiles of short
// rows and of long ones answer alike.
#pragma once

#include "kernels/math/log_ratio.inl"
#include "kernels/rows/block.inl"
#include "kernels/rows/inputs.inl"

namespace scorefn {
namespace {

// sum_j e_j
template <class T>
struct Total {
    Widened<T> sum;

    SCOREFN_INLINE Widened<T> total() const { return sum; }
};
// One term, that of an action, and the sum of the others
template <class T>
struct TermAndRest {
    Lanes<T> term;
    Widened<T> rest;

    SCOREFN_INLINE Widened<T> total() const { return rest + widen(term); }
};
// The largest logit, its e_max and the sum of the others; sum_j e_j (z_j - max), if asked for.
template <class T>
struct MaxAndRest {
    Lanes<T> max, e_max;
    Widened<T> rest, differences;

    SCOREFN_INLINE Widened<T> total() const { return rest + widen(e_max); }
    // log sum_k exp(z_k - max)
    SCOREFN_INLINE Widened<T> log_total() const { return log_ratio(rest, widen(e_max)); }
};

template <class T>
SCOREFN_INLINE T lane(Lanes<T> x, int i) {
    T lanes[Lanes<T>::size];
    x.store(lanes);
    return lanes[i];
}

// What is the same for all tiles.
template <class T>
struct Tile {
    Block<T>& block;
    const int row, count;  // within the block
    const std::int64_t num_valid;
    bool any_bad = false;
    bool is_bad[Lanes<T>::size];

    SCOREFN_INLINE Tile(Block<T>& block, int row)
        : block(block),
          row(row),
          count(block.count - row < Lanes<T>::size ? block.count - row : Lanes<T>::size),
          num_valid(block.are_all_valid ? count : count_valid(block.in.valid, block.first + row, count)) {}

    SCOREFN_INLINE std::int64_t first() const { return block.first + row; }
    SCOREFN_INLINE const T* z() const { return block.z + row * block.cols; }
    SCOREFN_INLINE T* e() const { return block.e + row * block.cols; }
    SCOREFN_INLINE T* to() const { return block.to + row * block.cols; }

    // Whether all of them are in range.
    SCOREFN_INLINE bool load(Actions<T>& actions, const IndexVector& from) {
        if (are_all_valid() ? actions.load(from, first(), count, block.cols)
                            : actions.load(from, first(), count, block.cols, block.in.valid))
            return true;
        block.stopped_at = -2;
        return false;
    }

    // Of each row of x, the entry of its action.
    SCOREFN_INLINE Lanes<T> at(const Actions<T>& actions, const T* x) const {
        T entries[Lanes<T>::size] = {};
        for (int r = 0; r < count; ++r) entries[r] = x[r * block.cols + actions.index[r]];
        return Lanes<T>::load(entries);
    }

    SCOREFN_INLINE bool is_bad_row(int r) const { return any_bad && is_bad[r]; }
    // visit(r) for the rows without a distribution: those with a NaN or +inf, and those without an allowed action.
    template <class Visit>
    SCOREFN_INLINE void for_each_bad_row(Visit visit) const {
        if (!any_bad) return;
        for (int r = 0; r < count; ++r)
            if (is_bad[r]) visit(r);
    }
    SCOREFN_INLINE Lanes<T> with_nan(Lanes<T> values) const {
        return any_bad ? nan_in_bad_rows(values) : values;
    }
    // Whose values a sum over rows takes.
    SCOREFN_INLINE CountedRows<T> counted() const {
        return {block.in.valid, first(), count, are_all_valid()};
    }
    SCOREFN_INLINE bool are_all_valid() const { return num_valid == count; }
    SCOREFN_INLINE bool writes_past_caches() const {
        return block.is_nontemporal && !any_bad && are_all_valid();
    }
    SCOREFN_INLINE void fill_row(int r, T value) const {
        for (std::int64_t j = 0; j < block.cols; ++j) to()[r * block.cols + j] = value;
    }

    // e of the largest logits, those of shifted rows as they have it.
    SCOREFN_INLINE Lanes<T> exps_of(Lanes<T> max) const {
        SafeRange<T> range;
        const auto e_max = exp_within(max, range);
        return block.any_shifted ? shifted_exps_of(e_max) : e_max;
    }

protected:
    // measure(), repeated if all exponentials of a row underflowed: such a row is first shifted by its largest logit. A row
    // whose sum is still 0 has no allowed action, and one whose sum is NaN has a NaN or +inf: these are bad.
    template <class Measure>
    SCOREFN_INLINE auto retry_shifted(Measure measure) {
        auto values = measure();
        const auto total = values.total();
        bool are_good = true;
        for (const auto& x8 : total.lanes) are_good = are_good & all_positive(x8);
        if (!are_good && repair(total)) values = again(measure);
        return values;
    }

private:
    template <class Measure>
    SCOREFN_NO_INLINE static auto again(const Measure& measure) {
        return measure();
    }
    // Whether there is something else to be measured.
    SCOREFN_NO_INLINE bool repair(Widened<T> total) {
        double totals[Lanes<T>::size];
        total.store(totals);
        bool changed = false;
        any_bad = false;
        for (int r = 0; r < count; ++r) {
            is_bad[r] = !(totals[r] > 0);
            if (!is_bad[r]) continue;
            const bool has_action = block.has_action(row + r);
            if (has_action && totals[r] == 0 && !(block.any_shifted && block.is_shifted[row + r])) {
                block.shift_row(row + r);
                changed = true, is_bad[r] = false;
                continue;
            }
            any_bad = true;
            const bool needs_action = !block.visits || block.visits[first() + r] != 0;
            const bool is_refused = has_action ? block.needs_numbers : needs_action;
            if (is_refused && block.stopped_at == -1) block.stopped_at = first() + r;
        }
        return changed;
    }
    SCOREFN_NO_INLINE Lanes<T> nan_in_bad_rows(Lanes<T> values) const {
        T lanes[Lanes<T>::size];
        values.store(lanes);
        for_each_bad_row([&](int r) { lanes[r] = kNaN<T>; });
        return Lanes<T>::load(lanes);
    }
    SCOREFN_NO_INLINE Lanes<T> shifted_exps_of(Lanes<T> e_max) const {
        T lanes[Lanes<T>::size];
        e_max.store(lanes);
        for (int r = 0; r < count; ++r)
            if (block.is_shifted[row + r]) lanes[r] = block.shifted_e_max[row + r];
        return Lanes<T>::load(lanes);
    }
};

// One value of each row to an array; a NaN as the one.
template <class T>
SCOREFN_INLINE void store_rows(Lanes<T> x, std::int64_t first, int count, T* out, std::int64_t stride) {
    x = select(x == x, x, kNaN<T>);
    out += first * stride;
    if (stride == 1 && count == Lanes<T>::size) return x.store(out);
    T lanes[Lanes<T>::size];
    x.store(lanes);
    for (int r = 0; r < count; ++r) out[r * stride] = lanes[r];
}

}  // namespace
}  // namespace scorefn
