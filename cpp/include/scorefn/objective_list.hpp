// The objectives of log pi(a) that the library has, each declared once. A declaration says what an objective reads and writes,
// by name; its formula is kernels/objectives/<name>.inl. Calls, bindings, docs and tests follow from both.
#pragma once

#include <scorefn/views.hpp>
#include <type_traits>

namespace scorefn {

// A number of each sample: read, or written as a result. `doc` is a sentence or two.
struct SampleNumber {
    const char* name;
    const char* doc;
};
// One number per call, at least `least` or, if that is open, greater.
struct ObjectiveOption {
    const char* name;
    double standard;
    double least;
    bool is_open;
    const char* doc;
};
// A sum over the samples beside the objective, which the caller sees as a mean.
struct SampleMean {
    const char* name;
    const char* doc;
};

// An objective has at most so many of each; of its sums, the first is the objective itself.
constexpr int kMostTerms = 4;

// What is known of an objective beside its formula. A name that is not used is null.
struct ObjectiveDeclaration {
    const char* name;
    const char* summary;  // one line: the formula
    const char* details;  // and its source
    SampleNumber reads[kMostTerms];
    ObjectiveOption options[kMostTerms];
    SampleNumber writes[kMostTerms];
    SampleMean means[kMostTerms - 1];
};

// A name means the same in every objective.
namespace terms {
inline constexpr SampleNumber weights{
    "weights", "The factor of each sample: a return, an advantage, or an importance ratio times either."},
    old_log_prob{"old_log_prob",
                 "The log-probability of each action when it was drawn, as `sample` and `log_prob` give it."},
    reference_log_prob{"reference_log_prob",
                       "The log-probability of each action under the reference policy."},
    advantages{"advantages", "The advantage of each action. One of 0 adds exactly 0."},
    ratio{"ratio", "r_i = pi(a_i | x_i) / exp(old_log_prob_i)."};
inline constexpr ObjectiveOption dual_clip{"dual_clip", 3.0, 1.0, true,
                                           "Where A_i < 0, the value of a sample is at least dual_clip A_i."};
inline constexpr ObjectiveOption clip_range{
    "clip_range", 0.2, 0.0, false, "Half the width of the interval around 1 that ratios are clipped to."};
inline constexpr SampleMean approx_kl{"approx_kl",
                                      "The mean of (r_i - 1) - log r_i, an estimate of KL(old || pi)."},
    k2{"k2",
       "The sum of (log pi(a_i | x_i) - reference_log_prob_i)^2 / 2 over the samples whose weight is not "
       "0, divided by the number of all samples."},
    clip_fraction{"clip_fraction", "The share of the samples whose ratio is outside the clip range."};
}  // namespace terms

template <class... Objectives>
struct ObjectiveList {
    static constexpr int size = sizeof...(Objectives);
    static constexpr ObjectiveDeclaration declarations[] = {Objectives::declaration...};

    template <class Wanted>
    static constexpr int place_of() {
        int place = 0;
        (void)((std::is_same_v<Objectives, Wanted> || (++place, false)) || ...);
        return place;
    }
};

struct WeightedLogProb;
struct ClippedSurrogate;
struct DualClip;
struct SquaredLogRatio;
using DeclaredObjectives = ObjectiveList<WeightedLogProb, ClippedSurrogate, DualClip, SquaredLogRatio>;

// A function of the log-probabilities of samples `first` .. first + count - 1, at most 16: it sets their values, and the
// derivatives with respect to log_prob, in double whatever the dtype of the policy. Threads call it at the same time; it
// must not throw.
using ObjectiveFunction = void (*)(const void* context, std::int64_t first, int count, const double* log_prob,
                                   double* value, double* derivative);

// An objective with its numbers: what each of the following converts to.
struct Objective {
    int place;  // among the declared ones, or kOwn
    RealVector reads[kMostTerms];
    double options[kMostTerms];

    static constexpr int kOwn = -1;
    struct {
        ObjectiveFunction function;
        const void* context;
    } own{};
};

// One of your own: f(first, count, log_prob, value, derivative) as above. It keeps a reference to f.
class CustomObjective {
public:
    template <class F>
    explicit CustomObjective(const F& f) : objective_{Objective::kOwn, {}, {}, {call<F>, &f}} {}
    operator Objective() const { return objective_; }

private:
    template <class F>
    static void call(const void* f, std::int64_t first, int count, const double* log_prob, double* value,
                     double* derivative) {
        (*static_cast<const F*>(f))(first, count, log_prob, value, derivative);
    }

    Objective objective_;
};

struct WeightedLogProb {
    RealVector weights;

    static constexpr ObjectiveDeclaration declaration = {
        "WeightedLogProb",
        "REINFORCE: sum_i w_i log pi(a_i | x_i)",
        "Williams 1992, \"Simple statistical gradient-following algorithms for connectionist reinforcement "
        "learning\".",
        {terms::weights},
        {},
        {},
        {}};
    operator Objective() const { return {DeclaredObjectives::place_of<WeightedLogProb>(), {weights}, {}}; }
};

struct ClippedSurrogate {
    RealVector old_log_prob, advantages;
    double clip_range = terms::clip_range.standard;

    static constexpr ObjectiveDeclaration declaration = {
        "ClippedSurrogate",
        "PPO's clipped surrogate: sum_i min(r_i A_i, clip(r_i) A_i)",
        "r_i = pi(a_i | x_i) / exp(old_log_prob_i), clipped to [1 - clip_range, 1 + clip_range] "
        "(Schulman et al. 2017, \"Proximal policy optimization algorithms\", equation 7).",
        {terms::old_log_prob, terms::advantages},
        {terms::clip_range},
        {terms::ratio},
        {terms::approx_kl, terms::clip_fraction}};
    operator Objective() const {
        return {DeclaredObjectives::place_of<ClippedSurrogate>(), {old_log_prob, advantages}, {clip_range}};
    }
};

struct DualClip {
    RealVector old_log_prob, advantages;
    double clip_range = terms::clip_range.standard, dual_clip = terms::dual_clip.standard;

    static constexpr ObjectiveDeclaration declaration = {
        "DualClip",
        "PPO with a second clip: sum_i of min(r_i A_i, clip(r_i) A_i), but at least dual_clip A_i where A_i "
        "< 0",
        "With r_i as in `ClippedSurrogate` (Ye et al. 2020, \"Mastering complex control in MOBA games "
        "with deep reinforcement learning\", equation 5).",
        {terms::old_log_prob, terms::advantages},
        {terms::clip_range, terms::dual_clip},
        {terms::ratio},
        {terms::approx_kl, terms::clip_fraction}};
    operator Objective() const {
        return {
            DeclaredObjectives::place_of<DualClip>(), {old_log_prob, advantages}, {clip_range, dual_clip}};
    }
};

struct SquaredLogRatio {
    RealVector weights, reference_log_prob;

    static constexpr ObjectiveDeclaration declaration = {
        "SquaredLogRatio",
        "The penalty k2: -sum_i w_i (log pi(a_i | x_i) - reference_log_prob_i)^2 / 2",
        "With actions of pi, and weights that do not depend on them, its gradient is an unbiased estimate of "
        "that of -sum_i w_i KL(pi || reference) (Schulman 2020, \"Approximating KL divergence\").",
        {terms::weights, terms::reference_log_prob},
        {},
        {},
        {terms::k2}};
    operator Objective() const {
        return {DeclaredObjectives::place_of<SquaredLogRatio>(), {weights, reference_log_prob}, {}};
    }
};

}  // namespace scorefn
