#pragma once

#include <scorefn/views.hpp>

namespace scorefn {

// What every function takes beside its arrays.
struct Options {
    // Allowed actions, shaped like the logits (row_stride 0: one mask for all rows). By default all are allowed.
    Matrix<const bool> where{};
    // Rows that count: one flag for each row or, where there are actions, for each action. The others (a padded token, a
    // finished episode) may hold anything: they add exactly 0 to every sum, and their results are 0. By default all count.
    Vector<const bool> valid{};
    // 0: the default of get_num_threads().
    int num_threads = 0;
    // False: a call that throws has written nothing. True (a fresh `out`, no input, that the caller drops on an error)
    // saves the pass over the input which that takes.
    bool may_write_on_error = false;
};

// One number for all rows, or one for each.
struct PerRow {
    double number = 0;
    RealVector each{};  // if it has data

    PerRow() = default;
    PerRow(double number) : number(number) {}
    PerRow(const RealVector& each) : each(each) {}
};

// What a sum over samples can tell beside its gradient. g_i is what sample i adds to the gradient, with its share of the
// entropy bonus.
struct GradientStatistics {
    double entropy = 0;          // sum_i H(pi_i)
    double root_sum_square = 0;  // (sum_i ||g_i||^2)^(1/2)
};

struct GradientOptions : Options {
    // Adds entropy_coef * (the sum over rows of the entropy) to the objective.
    double entropy_coef = 0.0;
    // out += gradient instead of out = gradient.
    bool accumulate = false;
    // Filled by the gradients of given weights that sum over samples, unless null. They then throw BadValue for an action of probability 0
    // whose weight is not 0, and `out` is written.
    GradientStatistics* statistics = nullptr;
};

}  // namespace scorefn
