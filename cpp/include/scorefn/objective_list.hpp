// The objectives of log pi(a) that the library has, each declared once. A declaration says what an objective reads and writes,
// by name; its formula is kernels/objectives/<name>.inl. Calls, bindings, docs and tests follow from both.
#pragma once

#include <limits>
#include <scorefn/views.hpp>
#include <string>
#include <type_traits>

namespace scorefn {

// Which numbers are allowed: from `least` to `most`, without `least` itself if the domain is open. NaN is in no domain but that
// of all numbers.
struct Domain {
    static constexpr double kInfinity = std::numeric_limits<double>::infinity();
    static constexpr double kFinite = std::numeric_limits<double>::max();

    double least = -kInfinity, most = kInfinity;
    bool is_open = false;

    constexpr bool has_all() const { return least == -kInfinity && most == kInfinity; }
    constexpr bool has(double x) const {
        return has_all() || ((is_open ? least < x : least <= x) && x <= most);
    }
    std::string text() const;  // as an error says it: "at least 0", "in (0, 1]"
};

// A number of each sample: read, or written as a result. `doc` is a sentence or two.
struct SampleNumber {
    const char* name;
    const char* doc;
    Domain domain = {};
    bool is_log_prob = false;  // of an action: in a segment, one of each row
};

// The value of an option: a pair of numbers, or one that stands for both.
struct LowHigh {
    double low = 0, high = 0;

    constexpr LowHigh() = default;
    constexpr LowHigh(double both) : low(both), high(both) {}
    constexpr LowHigh(double low, double high) : low(low), high(high) {}
};

// One option per call: a number, a pair of them, or one of some names, which is then its place among them.
struct ObjectiveOption {
    static constexpr int kMostChoices = 6;

    const char* name;
    LowHigh standard;
    Domain domain;
    const char* doc;
    bool is_pair = false;
    const char* choices[kMostChoices] = {};  // null: no more of them

    constexpr int num_choices() const {
        int count = 0;
        while (count < kMostChoices && choices[count]) ++count;
        return count;
    }
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
                 "The log-probability of each action when it was drawn, as `sample` and `log_prob` give it.",
                 {},
                 true},
    reference_log_prob{
        "reference_log_prob", "The log-probability of each action under the reference policy.", {}, true},
    propensities{
        "propensities",
        "The probability with which each action was drawn; with segments, that of the whole decision. It is "
        "rounded to the dtype of the policy, and must be in (0, 1].",
        {0.0, 1.0, true}},
    advantages{"advantages", "The advantage of each action. One of 0 adds exactly 0."},
    ratio{"ratio", "r_i = pi(a_i | x_i) divided by the probability of a_i when it was drawn."};
inline constexpr Domain not_negative{0.0, Domain::kInfinity}, positive{0.0, Domain::kFinite, true};
inline constexpr ObjectiveOption clip_range{
    "clip_range", 0.2, not_negative,
    "Ratios are clipped to [1 - low, 1 + high]; one number stands for both. With inf they are not clipped on "
    "that side.",
    true},
    high_clip_range{"clip_range", {Domain::kInfinity, 4.0}, not_negative, clip_range.doc, true},
    dual_clip{"dual_clip",
              Domain::kInfinity,
              {1.0, Domain::kInfinity, true},
              "Where A_i < 0, the value of a sample is at least dual_clip A_i (Ye et al. 2020, \"Mastering "
              "complex control in MOBA games with deep reinforcement learning\", equation 5, where it is 3). "
              "TRL calls it delta. With inf there is no such bound."};
inline constexpr SampleMean approx_kl{"approx_kl",
                                      "The mean of (r_i - 1) - log r_i, an estimate of KL(old || pi)."},
    kl{"kl",
       "The sum of the estimates k over the samples whose weight is not 0, divided by the number of all "
       "samples."},
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
struct KLPenalty;
struct CISPO;
struct SAPO;
struct ImportanceSampling;
using DeclaredObjectives =
    ObjectiveList<WeightedLogProb, ClippedSurrogate, KLPenalty, CISPO, SAPO, ImportanceSampling>;

// A function of the log-probabilities of samples `first` .. first + count - 1, at most 16: it sets their values, and the
// derivatives with respect to log_prob, in double whatever the dtype of the policy. Threads call it at the same time; it
// must not throw.
using ObjectiveFunction = void (*)(const void* context, std::int64_t first, int count, const double* log_prob,
                                   double* value, double* derivative);

// An objective with its numbers: what each of the following converts to.
struct Objective {
    int place;  // among the declared ones, or kOwn
    RealVector reads[kMostTerms];
    LowHigh options[kMostTerms];

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
    LowHigh clip_range = terms::clip_range.standard;
    double dual_clip = terms::dual_clip.standard.low;

    static constexpr ObjectiveDeclaration declaration = {
        "ClippedSurrogate",
        "PPO's clipped surrogate: sum_i min(r_i A_i, clip(r_i) A_i)",
        "r_i = pi(a_i | x_i) / exp(old_log_prob_i), clipped to [1 - low, 1 + high] (Schulman et al. 2017, "
        "\"Proximal policy optimization algorithms\", equation 7, where both are 0.2; Yu et al. 2025, "
        "\"DAPO\", "
        "with 0.2 and 0.28).",
        {terms::old_log_prob, terms::advantages},
        {terms::clip_range, terms::dual_clip},
        {terms::ratio},
        {terms::approx_kl, terms::clip_fraction}};
    operator Objective() const {
        return {DeclaredObjectives::place_of<ClippedSurrogate>(),
                {old_log_prob, advantages},
                {clip_range, dual_clip}};
    }
};

// Estimates k of KL(pi || ref) from x = log pi(a) - log ref(a): x, x^2 / 2, exp(-x) - 1 + x. In the order of the choices.
enum class KLEstimate { k1, k2, k3 };

struct KLPenalty {
    RealVector weights, reference_log_prob;
    KLEstimate value = KLEstimate::k3, derivative = KLEstimate::k2;

    static constexpr ObjectiveOption value_option = {
        "value", static_cast<double>(KLEstimate::k3),
        {},      "The estimate k whose sum is the objective, and whose mean is `kl`.",
        false,   {"k1", "k2", "k3"}};
    static constexpr ObjectiveOption derivative_option = {
        "derivative", static_cast<double>(KLEstimate::k2),
        {},           "The estimate whose derivative makes the gradient: 1, x or 1 - exp(-x).",
        false,        {"k1", "k2", "k3"}};
    static constexpr ObjectiveDeclaration declaration = {
        "KLPenalty",
        "A penalty for leaving a reference policy: -sum_i w_i k(log pi(a_i | x_i) - reference_log_prob_i)",
        "With x = log pi(a) - log ref(a), the estimates k of KL(pi || ref) are k1 = x, k2 = x^2 / 2 and "
        "k3 = exp(-x) - 1 + x (Schulman 2020, \"Approximating KL divergence\"). For actions of pi, k1 and k3 "
        "are "
        "unbiased, and k3 has less variance. But only the derivative of k2 gives an unbiased gradient: that "
        "of "
        "k1 has the mean 0, and that of k3 the gradient of KL(ref || pi). So by default the value is k3 and "
        "the "
        "derivative that of k2, which verl calls \"k3+\"; its \"k1+\" has value=\"k1\". The penalty of GRPO, "
        "as in "
        "TRL and verl's \"k3\", has derivative=\"k3\". verl clamps x and k3; nothing is clamped here.",
        {terms::weights, terms::reference_log_prob},
        {value_option, derivative_option},
        {},
        {terms::kl}};
    operator Objective() const {
        return {DeclaredObjectives::place_of<KLPenalty>(),
                {weights, reference_log_prob},
                {static_cast<double>(value), static_cast<double>(derivative)}};
    }
};

struct CISPO {
    RealVector old_log_prob, advantages;
    LowHigh clip_range = terms::high_clip_range.standard;

    static constexpr ObjectiveDeclaration declaration = {
        "CISPO",
        "Clipped importance weights: sum_i c_i A_i log pi(a_i | x_i), where c_i = clip(r_i) is held constant",
        "Every sample has the gradient c_i A_i times its score, even if its ratio is clipped (MiniMax 2025, "
        "\"MiniMax-M1\"). As in the paper, there is no lower bound by default. The paper does not publish "
        "its "
        "upper bound; the default is a largest ratio of 5 (Khatri et al. 2025, \"The art of scaling "
        "reinforcement "
        "learning compute for LLMs\"). TRL's epsilon_high is that largest ratio itself: clip_range=(inf, "
        "epsilon_high - 1). verl clips on both sides: clip_range=(clip_ratio_low, clip_ratio_high).",
        {terms::old_log_prob, terms::advantages},
        {terms::high_clip_range},
        {terms::ratio},
        {terms::approx_kl, terms::clip_fraction}};
    operator Objective() const {
        return {DeclaredObjectives::place_of<CISPO>(), {old_log_prob, advantages}, {clip_range}};
    }
};

struct SAPO {
    static constexpr ObjectiveOption positive{"tau_pos", 1.0, terms::positive, "tau where A_i > 0."},
        negative{"tau_neg", 1.05, terms::positive, "tau elsewhere."};

    RealVector old_log_prob, advantages;
    double tau_pos = positive.standard.low, tau_neg = negative.standard.low;

    static constexpr ObjectiveDeclaration declaration = {
        "SAPO",
        "A soft gate in place of a clip: sum_i (4 / tau) sigmoid(tau (r_i - 1)) A_i",
        "The derivative with respect to log pi(a) is 4 s (1 - s) r A with s = sigmoid(tau (r - 1)). At r = 1 "
        "it is "
        "that of the plain surrogate r A, and it falls as the ratio moves away from 1 (Gao et al. 2025, "
        "\"Soft "
        "adaptive policy optimization\").",
        {terms::old_log_prob, terms::advantages},
        {positive, negative},
        {terms::ratio},
        {terms::approx_kl}};
    operator Objective() const {
        return {DeclaredObjectives::place_of<SAPO>(), {old_log_prob, advantages}, {tau_pos, tau_neg}};
    }
};

// Weights w of a ratio r = pi(a) / propensity. In the order of the choices.
enum class Weighting { plain, clipped, switched, sub_gaussian, optimistic_shrinkage };

struct ImportanceSampling {
    static constexpr ObjectiveOption weighting_option{
        "weighting",
        static_cast<double>(Weighting::plain),
        {},
        "The weight w(r). \"plain\": r. \"clipped\": min(r, max_weight) (Ionides 2008). \"switch\": r, or 0 "
        "where "
        "r > max_weight (Wang et al. 2017). \"sub_gaussian\": r / (1 - l + l r) with l = sub_gaussian_lambda "
        "(Metelli et al. 2021). \"optimistic_shrinkage\": s r / (r^2 + s) with s = shrinkage_lambda (Su et "
        "al. "
        "2020).",
        false,
        {"plain", "clipped", "switch", "sub_gaussian", "optimistic_shrinkage"}},
        max_weight_option{"max_weight",
                          Domain::kInfinity,
                          {0.0, Domain::kInfinity, true},
                          "The cap of \"clipped\" and \"switch\"."},
        sub_gaussian_option{
            "sub_gaussian_lambda", 0.001, {0.0, 1.0}, "The lambda of \"sub_gaussian\"; 0 gives \"plain\"."},
        shrinkage_option{"shrinkage_lambda",
                         1e4,
                         {0.0, Domain::kInfinity, true},
                         "The lambda of \"optimistic_shrinkage\"; inf gives \"plain\"."};

    RealVector propensities, advantages;
    Weighting weighting = Weighting::plain;
    double max_weight = max_weight_option.standard.low,
           sub_gaussian_lambda = sub_gaussian_option.standard.low,
           shrinkage_lambda = shrinkage_option.standard.low;

    static constexpr ObjectiveDeclaration declaration = {
        "ImportanceSampling",
        "Off-policy policy gradient from logged propensities: sum_i w(r_i) A_i",
        "r_i = pi(a_i | x_i) / propensities_i, and the derivative with respect to log pi(a) is w'(r) r A. "
        "With "
        "rewards as the advantages this is inverse propensity scoring (IPS). It is doubly robust (DR) with "
        "advantages = rewards - q_i, where q_i is a model's value of the action taken, and with the model's "
        "values of all actions as `action_values`. \"switch\" then makes it switch-DR, "
        "\"optimistic_shrinkage\" "
        "DRos. Names and defaults are those of Open Bandit Pipeline, where the cap and each lambda are "
        "called "
        "lambda_. The effective sample size of n samples is n mean_weight^2 / mean_square_weight.",
        {terms::propensities, terms::advantages},
        {weighting_option, max_weight_option, sub_gaussian_option, shrinkage_option},
        {terms::ratio},
        {{"mean_weight", "The mean of w(r_i)."}, {"mean_square_weight", "The mean of w(r_i)^2."}}};
    operator Objective() const {
        return {DeclaredObjectives::place_of<ImportanceSampling>(),
                {propensities, advantages},
                {static_cast<double>(weighting), max_weight, sub_gaussian_lambda, shrinkage_lambda}};
    }
};

}  // namespace scorefn
