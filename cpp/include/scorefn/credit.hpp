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

// The lambda-returns (Sutton and Barto, "Reinforcement Learning", 2018, section 12.1):
//     G_t = rewards_t + discount * F_t,  F_t = (1 - lambda) * next_values_t + lambda * G_{t+1}
// with F_t = 0 if step t terminated, next_values_t if it was truncated or is the last valid step. BadValue for a number that
// counts and is not finite; with lambda 1, next_values_t counts only where the episode was truncated.
void lambda_returns(const EpisodeSteps<float>& steps, Matrix<const float> next_values, double discount,
                    double lambda, Matrix<float> out, const ScanOptions& options = {});
void lambda_returns(const EpisodeSteps<double>& steps, Matrix<const double> next_values, double discount,
                    double lambda, Matrix<double> out, const ScanOptions& options = {});

// The returns of n >= 1 steps (Sutton and Barto, 2018, section 7.1), fewer where the episode ends:
//     G_t^(1) = rewards_t + discount * (0 if terminated_t else next_values_t)
//     G_t^(n) = rewards_t + discount * G_{t+1}^(n-1), but G_t^(1) if step t terminated, was truncated or is the last valid one
// It takes n multiplications per step. BadValue for a number that counts and is not finite.
void n_step_returns(const EpisodeSteps<float>& steps, Matrix<const float> next_values, double discount,
                    std::int64_t n, Matrix<float> out, const ScanOptions& options = {});
void n_step_returns(const EpisodeSteps<double>& steps, Matrix<const double> next_values, double discount,
                    std::int64_t n, Matrix<double> out, const ScanOptions& options = {});

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

// The weights of V-trace, from ratio_t = exp(log_ratios_t) = pi(a_t) / mu(a_t). A clip of infinity does not clip.
struct VTraceOptions {
    double lambda = 1;
    double clip_rho = 1, clip_c = 1, clip_pg_rho = 1;
    // Of leaky V-trace: the weights rho and c mix alpha of the clipped ratio and 1 - alpha of the ratio itself.
    double alpha = 1;
    // As in rlax: an advantage mixes lambda of the target that follows and 1 - lambda of its value.
    bool has_lambda_in_advantages = false;
};

// V-trace (Espeholt et al., "IMPALA: scalable distributed deep-RL with importance weighted actor-learner architectures",
// 2018), with delta_t as above:
//     x_t = rho_t delta_t + discount c_t x_{t+1},  rho_t = min(clip_rho, ratio_t),  c_t = lambda min(clip_c, ratio_t)
//     targets_t    = values_t + x_t
//     advantages_t = min(clip_pg_rho, ratio_t) (delta_t + discount x_{t+1})
// where x_{t+1} = 0 if step t terminated or was truncated. So next_values_t + x_{t+1} takes the place of the paper's v_{t+1}.
// BadValue for a number that counts and is not finite; a log-ratio may be -inf.
void vtrace(const EpisodeSteps<float>& steps, Matrix<const float> values, Matrix<const float> next_values,
            Matrix<const float> log_ratios, double discount, const VTraceOptions& by, Matrix<float> targets,
            Matrix<float> advantages, const ScanOptions& options = {});
void vtrace(const EpisodeSteps<double>& steps, Matrix<const double> values, Matrix<const double> next_values,
            Matrix<const double> log_ratios, double discount, const VTraceOptions& by, Matrix<double> targets,
            Matrix<double> advantages, const ScanOptions& options = {});

// Retrace (Munos et al., "Safe and efficient off-policy reinforcement learning", 2016). The action_values are those of the
// actions taken, next_values the expected action values after each step, under pi:
//     delta_t = rewards_t + discount * (0 if terminated_t else next_values_t) - action_values_t
//     G_t = action_values_t + delta_t + discount c_{t+1} (G_{t+1} - action_values_{t+1}),  c_t = lambda min(clip, ratio_t)
// without the last term if step t terminated or was truncated. No log_ratios: all 0, which is Q(lambda). Log-probabilities of
// pi for log_ratios: tree backup. A clip of infinity: importance sampling. BadValue as for V-trace.
void retrace(const EpisodeSteps<float>& steps, Matrix<const float> action_values,
             Matrix<const float> next_values, Matrix<const float> log_ratios, double discount, double lambda,
             double clip, Matrix<float> out, const ScanOptions& options = {});
void retrace(const EpisodeSteps<double>& steps, Matrix<const double> action_values,
             Matrix<const double> next_values, Matrix<const double> log_ratios, double discount,
             double lambda, double clip, Matrix<double> out, const ScanOptions& options = {});

// The advantages of UPGO (Vinyals et al., "Grandmaster level in StarCraft II using multi-agent reinforcement learning", 2019),
// which follow the trajectory as long as it does at least as well as its values, with delta_t as above:
//     A_t = delta_t + discount * (A_{t+1} if delta_{t+1} >= 0 else 0)
// without the last term if step t terminated or was truncated. BadValue for a number that counts and is not finite.
void upgo(const EpisodeSteps<float>& steps, Matrix<const float> values, Matrix<const float> next_values,
          double discount, Matrix<float> out, const ScanOptions& options = {});
void upgo(const EpisodeSteps<double>& steps, Matrix<const double> values, Matrix<const double> next_values,
          double discount, Matrix<double> out, const ScanOptions& options = {});

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
