// Credit for the steps of episodes: backward scans over time. Sums are accumulated in double.
// Arrays have time as rows and environments as columns; `out` overlaps none of them.
#pragma once

#include <scorefn/views.hpp>

namespace scorefn {

// Steps of episodes, (steps, environments). `terminated`: nothing follows. `truncated`: only the recording stopped. What a
// step that is not `valid` holds is never used, and the scan passes over it. No data: none has ended, all are valid.
template <class T>
struct EpisodeSteps {
    Matrix<const T> rewards;
    Matrix<const bool> terminated, truncated, valid;
};

struct ScanOptions {
    // 0: the default of get_num_threads().
    int num_threads = 0;
    // If false, a call that throws has written nothing; making sure of that takes a second pass.
    bool may_write_on_error = false;
};

// G_t = rewards_t + discount * F_t with F_t = 0 if step t terminated, next_values_t if it was truncated or is the last valid
// step, else G_{t+1}. No `next_values`: 0. BadValue for a number that counts and is not finite.
void discounted_returns(const EpisodeSteps<float>& steps, Matrix<const float> next_values, double discount,
                        Matrix<float> out, const ScanOptions& options = {});
void discounted_returns(const EpisodeSteps<double>& steps, Matrix<const double> next_values, double discount,
                        Matrix<double> out, const ScanOptions& options = {});

// Generalized advantage estimation (Schulman et al., "High-dimensional continuous control using generalized advantage
// estimation", 2016):
//     delta_t = rewards_t + discount * (0 if terminated_t else next_values_t) - values_t
//     A_t = delta_t + discount * lambda * (0 if terminated_t or truncated_t else A_{t+1})
// BadValue for a number that counts and is not finite.
void generalized_advantages(const EpisodeSteps<float>& steps, Matrix<const float> values,
                            Matrix<const float> next_values, double discount, double lambda,
                            Matrix<float> out, const ScanOptions& options = {});
void generalized_advantages(const EpisodeSteps<double>& steps, Matrix<const double> values,
                            Matrix<const double> next_values, double discount, double lambda,
                            Matrix<double> out, const ScanOptions& options = {});

// Moments of a group of numbers. `mean` and `root_sum_square` are in units of `unit`, a power of 2: it is 1 unless squares of
// the deviations do not exist as doubles. The mean counts from the first number, `pivot`, so it keeps the digits of small
// differences between large numbers.
struct Moments {
    double unit;
    double pivot;            // x_0 / unit
    double mean;             // mean of x / unit - pivot
    double root_sum_square;  // (sum_i (x_i / unit - pivot - mean)^2)^(1/2)
    double least, greatest;  // of x
};

// Those of each row of `groups`, which has a column at least. NaN if a number of the row is not finite.
void moments(Matrix<const float> groups, Vector<Moments> out, int num_threads = 0);
void moments(Matrix<const double> groups, Vector<Moments> out, int num_threads = 0);

// out = factor (x / unit - pivot - mean) for each row of `groups`, exactly 0 if the factor is 0. `out` may be `groups`.
void standardize(Matrix<const float> groups, Vector<const Moments> by, Vector<const double> factors,
                 Matrix<double> out, int num_threads = 0);
void standardize(Matrix<const double> groups, Vector<const Moments> by, Vector<const double> factors,
                 Matrix<double> out, int num_threads = 0);

}  // namespace scorefn
