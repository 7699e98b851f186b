// The objectives over all actions of a row: no action is drawn. Each is declared once, as those of log pi(a) are in
// objective_list.hpp. Formulas: kernels/functions/row_terms.inl and all_actions.inl.
#pragma once

#include <scorefn/objective_list.hpp>

namespace scorefn {

// What the objective of a row is, with the matrix beside the logits: q or tau_j, or log ref, which need not be normalised.
enum class AllActions {
    nothing,
    reverse_kl,      // -KL(pi || ref)
    forward_kl,      // -KL(ref || pi), which is sum_j ref_j log pi_j and a constant
    expected_value,  // sum_j pi_j q_j
    cross_entropy,   // sum_j tau_j log pi_j, where tau is a distribution over the allowed actions
    // With the advantages A_j = q_j - sum_k pi_k q_k:
    regret_matching,         // sum_j pi_j max(0, A_j) with constant max(0, A_j)
    regret_policy_gradient,  // -sum_j max(0, A_j)
    neurd,  // sum_j y_j A_j with the centred logits y and constant A, 0 where it pushes y_j beyond the threshold
};

struct AllActionDeclaration {
    const char* name;
    const char* summary;  // one line: the formula
    const char* details;  // and its source
    AllActions kind;
    SampleNumber matrix;
    ObjectiveOption option;  // its name is null if there is none
};

namespace terms {
inline constexpr SampleNumber action_values{
    "action_values", "The values q of all actions. Those of forbidden actions may be anything."},
    targets{"targets", "The target distribution tau of each row: at least 0, and 0 for a forbidden action."},
    reference{"reference", "The reference policy."};
inline constexpr ObjectiveOption threshold{
    "threshold", 2.0, not_negative,
    "An advantage that pushes a centred logit further beyond this counts as 0, as in OpenSpiel. With inf "
    "there is no such bound."};
}  // namespace terms

inline constexpr AllActionDeclaration kAllActionDeclarations[] = {
    {"ExpectedReward",
     "The all-action policy gradient: sum_i w_i sum_a pi(a | x_i) q_ia",
     "Its gradient is pi_a (q_a - sum_b pi_b q_b), the mean over all actions of what REINFORCE gives for one "
     "(Sutton "
     "et al. 1999, \"Policy gradient methods for reinforcement learning with function approximation\"; QPG "
     "in "
     "Srinivasan et al. 2018, \"Actor-critic policy optimization in partially observable multiagent "
     "environments\").",
     AllActions::expected_value,
     terms::action_values,
     {}},
    {"CrossEntropy",
     "Policy distillation: sum_i w_i sum_a tau_ia log pi(a | x_i)",
     "Its gradient is tau - pi (Rusu et al. 2015, \"Policy distillation\"; the M step in Abdolmaleki et al. "
     "2018, "
     "\"Maximum a posteriori policy optimisation\").",
     AllActions::cross_entropy,
     terms::targets,
     {}},
    {"RegretMatching",
     "Regret matching policy gradient: sum_i w_i sum_a pi(a | x_i) max(0, q_ia - sum_b pi(b | x_i) q_ib)",
     "The gradient holds the regrets max(0, ...) constant, so it is not that of the value (RMPG in "
     "Srinivasan et al. "
     "2018, \"Actor-critic policy optimization in partially observable multiagent environments\").",
     AllActions::regret_matching,
     terms::action_values,
     {}},
    {"RegretPolicyGradient",
     "Minus the regrets: -sum_i w_i sum_a max(0, q_ia - sum_b pi(b | x_i) q_ib)",
     "The gradient is that of the value, through the baseline: pi_a n (q_a - sum_b pi_b q_b) for n actions "
     "with a "
     "regret above 0 (RPG in Srinivasan et al. 2018, \"Actor-critic policy optimization in partially "
     "observable "
     "multiagent environments\").",
     AllActions::regret_policy_gradient,
     terms::action_values,
     {}},
    {"NeuRD", "Neural replicator dynamics: sum_i w_i sum_a y_ia A_ia with centred logits y and advantages A",
     "y are the logits minus their mean over the allowed actions. A_a = q_a - sum_b pi(b | x_i) q_b, or 0 "
     "where y_a <= "
     "-threshold and A_a < 0, or y_a >= threshold and A_a > 0. The gradient is A minus its mean over the "
     "allowed "
     "actions: it holds A constant and is the gradient of no function of pi (Hennes et al. 2020, \"Neural "
     "replicator "
     "dynamics\").",
     AllActions::neurd, terms::action_values, terms::threshold},
    {"ReverseKL",
     "The exact penalty -sum_i w_i KL(pi(. | x_i) || reference(. | x_i))",
     "Minus infinity where the policy allows an action that the reference forbids.",
     AllActions::reverse_kl,
     terms::reference,
     {}},
    {"ForwardKL",
     "The exact penalty -sum_i w_i KL(reference(. | x_i) || pi(. | x_i))",
     "Its gradient is reference - pi: that of `CrossEntropy` with the reference's probabilities as targets.",
     AllActions::forward_kl,
     terms::reference,
     {}},
};

}  // namespace scorefn
