// How the row pass asks an objective for its coefficients, and what a formula of an objective is written with.
#pragma once

#include "kernels/rows/sum_of_rows.inl"
#include "kernels/rows/tile.inl"

namespace scorefn {
namespace {

// The coefficients of an objective, which is called by pointer, once per tile: so the row pass is compiled once for all.
template <class T>
SCOREFN_INLINE Lanes<T> call_objective(const RowObjective<T>& objective, const Tile<T>& rows,
                                       Lanes<T> log_prob) {
    alignas(64) T log_probs[Lanes<T>::size], derivatives[Lanes<T>::size];
    log_prob.store(log_probs);
    objective.coefficients(objective.context, rows.first(), rows.count, log_probs, derivatives);
    return Lanes<T>::load(derivatives);
}

// The rows of a tile as a formula sees them.
template <class T>
struct ObjectiveTile {
    ObjectiveContext<T>& context;
    std::int64_t first;
    int count;
    CountedRows<T> counted;

    // All by their places in the declaration.
    SCOREFN_INLINE Lanes<T> read(int i) const { return load_reals<T>(context.reads[i], first, count); }
    SCOREFN_INLINE LowHigh pair(int i) const { return context.options[i]; }
    SCOREFN_INLINE double option(int i) const { return context.options[i].low; }
    template <class Choice>
    SCOREFN_INLINE Choice choice(int i) const {
        return static_cast<Choice>(static_cast<int>(option(i)));
    }

    SCOREFN_INLINE void write(int i, Lanes<T> values) const {
        const Vector<T>& out = context.writes[i];
        if (out.data) store_rows(values, first, count, out.data, out.stride);
    }
    SCOREFN_INLINE void add(int i, Widened<T> values) const {
        SumOfRows<T> sum{Widened<T>::load(context.sums[i])};
        sum.add(values, counted);
        sum.sum.store(context.sums[i]);
    }
};

// Formula<Objective>::derivative(rows, log pi) sets the derivatives, writes the numbers of the rows and adds the sums.
template <class Objective>
struct Formula;

// The formula as a function for the table of kernels.
template <class Objective, class T>
void coefficients(void* context, std::int64_t first, int count, const T* log_prob, T* derivative) {
    constexpr int size = Lanes<T>::size;
    auto& of_rows = *static_cast<ObjectiveContext<T>*>(context);
    for (int i = 0; i < count; i += size) {
        const int rows = count - i < size ? count - i : size;
        const bool are_all_valid = count_valid(of_rows.valid, first + i, rows) == rows;
        const ObjectiveTile<T> tile{
            of_rows, first + i, rows, {of_rows.valid, first + i, rows, are_all_valid}};
        Formula<Objective>::derivative(tile, Lanes<T>::load(log_prob + i)).store(derivative + i);
        for (int r = 0; r < rows && !are_all_valid; ++r)
            derivative[i + r] = tile.counted.flags[r] == 0 ? T(0) : derivative[i + r];
    }
}

}  // namespace
}  // namespace scorefn
