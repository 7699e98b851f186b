// Objectives of a policy: in one pass over the logits their value, their gradient and the statistics of each row.
// Ascent direction; sums, not means.
#pragma once

#include <scorefn/gradient.hpp>
#include <scorefn/all_action_list.hpp>
#include <scorefn/objective_list.hpp>

namespace scorefn {

// What a pass gives besides its sums. The gradient may be the logits themselves.
template <class T>
struct ObjectiveRows {
    Matrix<T> gradient;
    Vector<T> log_prob;  // log pi_i(actions[i])
    Vector<T> entropy;   // H(pi_i)
};

// sum_i weights[i] log pi_i(actions[i]) + entropy_coef sum_i H(pi_i)
double policy_gradient(Matrix<const float> logits, IndexVector actions, RealVector weights,
                       ObjectiveRows<float> out, const GradientOptions& options = {});
double policy_gradient(Matrix<const double> logits, IndexVector actions, RealVector weights,
                       ObjectiveRows<double> out, const GradientOptions& options = {});

// The same where row i has the samples i * samples_per_row, ..., (i + 1) * samples_per_row - 1. Each sample adds its entropy
// and has a log_prob; each row has a gradient, which must not be the logits themselves, and an entropy.
double policy_gradient(Matrix<const float> logits, std::int64_t samples_per_row, IndexVector actions,
                       RealVector weights, ObjectiveRows<float> out, const GradientOptions& options = {});
double policy_gradient(Matrix<const double> logits, std::int64_t samples_per_row, IndexVector actions,
                       RealVector weights, ObjectiveRows<double> out, const GradientOptions& options = {});

struct ClippedSurrogateSums {
    double objective;      // sum_i min(r_i A_i, clip(r_i) A_i) + entropy_coef sum_i H(pi_i)
    double approx_kl;      // mean_i (r_i - 1) - log r_i
    double clip_fraction;  // of the rows with a ratio outside the clip range
};

// With the ratios r_i = pi_i(actions[i]) / exp(old_log_prob[i]), which go to `ratio`, and the advantages A_i (Schulman et
// al., "Proximal policy optimization algorithms", 2017). Ratios are clipped to [1 - low, 1 + high].
ClippedSurrogateSums clipped_surrogate(Matrix<const float> logits, IndexVector actions,
                                       RealVector old_log_prob, RealVector advantages, LowHigh clip_range,
                                       ObjectiveRows<float> out, Vector<float> ratio,
                                       const GradientOptions& options = {});
ClippedSurrogateSums clipped_surrogate(Matrix<const double> logits, IndexVector actions,
                                       RealVector old_log_prob, RealVector advantages, LowHigh clip_range,
                                       ObjectiveRows<double> out, Vector<double> ratio,
                                       const GradientOptions& options = {});

// The same with several samples per row, as in policy_gradient; each sample has a ratio.
ClippedSurrogateSums clipped_surrogate(Matrix<const float> logits, std::int64_t samples_per_row,
                                       IndexVector actions, RealVector old_log_prob, RealVector advantages,
                                       LowHigh clip_range, ObjectiveRows<float> out, Vector<float> ratio,
                                       const GradientOptions& options = {});
ClippedSurrogateSums clipped_surrogate(Matrix<const double> logits, std::int64_t samples_per_row,
                                       IndexVector actions, RealVector old_log_prob, RealVector advantages,
                                       LowHigh clip_range, ObjectiveRows<double> out, Vector<double> ratio,
                                       const GradientOptions& options = {});

// ---- Any objective on any policy

// An objective over all actions of each row: alone, or as a term beside one of drawn actions.
template <class T>
struct AllActionObjective {
    AllActions kind = AllActions::nothing;
    Matrix<const T> matrix{};  // of each sample; for a table like the table
    PerRow weights = 1.0;
    // In place of the matrix for a linear policy: the coefficients of ref.
    Matrix<const T> reference_coef{};
    double threshold = terms::threshold.standard.low;  // of NeuRD
};

struct PassOptions : Options {
    PassOptions() = default;
    PassOptions(const GradientOptions& options)
        : Options(options), entropy_coef(options.entropy_coef), accumulate(options.accumulate) {}

    // Adds c_i H(pi_i) to the objective of each row.
    PerRow entropy_coef;
    // out += gradient instead of out = gradient.
    bool accumulate = false;
};
template <class T>
struct ObjectiveOptions : PassOptions {
    using PassOptions::PassOptions;

    AllActionObjective<T> term;
};

// What a pass tells of each sample, where there is data; and the sums, which it sets. The first is the objective with all
// its terms.
template <class T>
struct ObjectiveResults {
    Vector<T> log_prob, entropy;
    Vector<T>
        term;  // the value of its objective over all actions, without the weight; of a divergence: KL itself
    Vector<T> writes[kMostTerms];
    double sums[kMostTerms] = {};
};

// d(objective and its terms)/dlogits, one row per sample. `out` may be `logits` itself.
void score_gradient(Matrix<const float> logits, IndexVector actions, const Objective& objective,
                    Matrix<float> out, ObjectiveResults<float>& results,
                    const ObjectiveOptions<float>& options = {});
void score_gradient(Matrix<const double> logits, IndexVector actions, const Objective& objective,
                    Matrix<double> out, ObjectiveResults<double>& results,
                    const ObjectiveOptions<double>& options = {});

// The same where row i has the samples i * samples_per_row, ..., (i + 1) * samples_per_row - 1. Each row of logits has one of
// `out`, which must not be the logits themselves, of the term's matrix, of `entropy` and of `term`; the other numbers are per
// sample.
void score_gradient(Matrix<const float> logits, std::int64_t samples_per_row, IndexVector actions,
                    const Objective& objective, Matrix<float> out, ObjectiveResults<float>& results,
                    const ObjectiveOptions<float>& options = {});
void score_gradient(Matrix<const double> logits, std::int64_t samples_per_row, IndexVector actions,
                    const Objective& objective, Matrix<double> out, ObjectiveResults<double>& results,
                    const ObjectiveOptions<double>& options = {});

// The same with respect to the table, where sample i has the logits table[states[i], :]. The mask is shaped like the table.
void tabular_gradient(Matrix<const float> table, IndexVector states, IndexVector actions,
                      const Objective& objective, Matrix<float> out, ObjectiveResults<float>& results,
                      const ObjectiveOptions<float>& options = {});
void tabular_gradient(Matrix<const double> table, IndexVector states, IndexVector actions,
                      const Objective& objective, Matrix<double> out, ObjectiveResults<double>& results,
                      const ObjectiveOptions<double>& options = {});

// The same with respect to coef, where sample i has the logits features[i, :] @ coef.
void linear_gradient(Matrix<const float> features, Matrix<const float> coef, IndexVector actions,
                     const Objective& objective, Matrix<float> out, ObjectiveResults<float>& results,
                     const ObjectiveOptions<float>& options = {});
void linear_gradient(Matrix<const double> features, Matrix<const double> coef, IndexVector actions,
                     const Objective& objective, Matrix<double> out, ObjectiveResults<double>& results,
                     const ObjectiveOptions<double>& options = {});

// ---- An objective over all actions alone, on any policy: no action is drawn. Of the results there are the entropy and the
// term of each sample, and the first sum.

void score_gradient(Matrix<const float> logits, const AllActionObjective<float>& objective, Matrix<float> out,
                    ObjectiveResults<float>& results, const PassOptions& options = {});
void score_gradient(Matrix<const double> logits, const AllActionObjective<double>& objective,
                    Matrix<double> out, ObjectiveResults<double>& results, const PassOptions& options = {});
void tabular_gradient(Matrix<const float> table, IndexVector states,
                      const AllActionObjective<float>& objective, Matrix<float> out,
                      ObjectiveResults<float>& results, const PassOptions& options = {});
void tabular_gradient(Matrix<const double> table, IndexVector states,
                      const AllActionObjective<double>& objective, Matrix<double> out,
                      ObjectiveResults<double>& results, const PassOptions& options = {});
void linear_gradient(Matrix<const float> features, Matrix<const float> coef,
                     const AllActionObjective<float>& objective, Matrix<float> out,
                     ObjectiveResults<float>& results, const PassOptions& options = {});
void linear_gradient(Matrix<const double> features, Matrix<const double> coef,
                     const AllActionObjective<double>& objective, Matrix<double> out,
                     ObjectiveResults<double>& results, const PassOptions& options = {});

}  // namespace scorefn
