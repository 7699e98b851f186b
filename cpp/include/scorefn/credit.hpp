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

}  // namespace scorefn
