// All kernels, compiled once per ISA: cpp/CMakeLists.txt sets SCOREFN_ISA_NAME and the flags. Nothing here has external
// linkage but the table: a function of the same name compiled for two ISAs must never be merged by the linker.

#include "kernels/functions/categorical.inl"
#include "kernels/functions/fisher.inl"
#include "kernels/functions/kl_divergence.inl"
#include "kernels/functions/moments.inl"
#include "kernels/functions/ragged.inl"
#include "kernels/functions/row_gradient.inl"
#include "kernels/functions/sample.inl"
#include "kernels/functions/scan.inl"
#include "kernels/functions/softmax.inl"
#include "kernels/functions/traces.inl"
#include "kernels/objectives/cispo.inl"
#include "kernels/objectives/clipped_surrogate.inl"
#include "kernels/objectives/importance_sampling.inl"
#include "kernels/objectives/kl_penalty.inl"
#include "kernels/objectives/sapo.inl"
#include "kernels/objectives/weighted_log_prob.inl"
#include "kernels/policies/linear.inl"
#include "kernels/policies/linear_columns.inl"
#include "kernels/policies/table.inl"
#include "kernels/policies/table_statistics.inl"
#include "kernels/rows/inputs.inl"
#include "kernels/table.hpp"

namespace scorefn {
namespace {

template <class T, class... Objectives>
constexpr Kernels<T> table(ObjectiveList<Objectives...>) {
    return {has_minus_infinity<T>,
            are_distributions<T>,
            log_softmax<T>,
            softmax<T>,
            logsumexp<T>,
            log_prob<T>,
            entropy<T>,
            kl_divergence<T>,
            sample<T>,
            weighted_log_prob_gradient<T>,
            objective_gradient<T>,
            all_action_gradient<T>,
            fisher_products<T>,
            fisher_products_of_probabilities<T>,
            sort_rows<T>,
            unsort_rows<T>,
            {coefficients<Objectives, T>...},
            state_gradient<T>,
            state_statistics<T>,
            linear_widen<T>,
            linear_logits<T>,
            linear_accumulate<T>,
            linear_columns<T>,
            linear_logits_of_columns<T>,
            linear_accumulate_columns<T>,
            kCoefPanelWidth,
            load_numbers<T>,
            store_numbers<T>,
            scan_row<T>,
            scan_trace_row<T>};
}

}  // namespace

#define SCOREFN_STRING_(x) #x
#define SCOREFN_STRING(x) SCOREFN_STRING_(x)
#define SCOREFN_TABLE_(x) kernels_##x
#define SCOREFN_TABLE(x) SCOREFN_TABLE_(x)

extern const KernelTable SCOREFN_TABLE(SCOREFN_ISA_NAME);
const KernelTable SCOREFN_TABLE(SCOREFN_ISA_NAME) = {SCOREFN_STRING(SCOREFN_ISA_NAME),
                                                     load_indices,
                                                     indices_are_in_range,
                                                     load_flags,
                                                     set_terms,
                                                     scan_steps,
                                                     scan_window,
                                                     set_traces,
                                                     set_trace_results,
                                                     store_fence,
                                                     sample_moments,
                                                     table<float>(DeclaredObjectives{}),
                                                     table<double>(DeclaredObjectives{})};

}  // namespace scorefn
