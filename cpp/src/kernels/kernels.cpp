// All kernels, compiled once per ISA: cpp/CMakeLists.txt sets SCOREFN_ISA_NAME and the flags. Nothing here has external
// linkage but the table: a function of the same name compiled for two ISAs must never be merged by the linker.

#include "../kernels.hpp"

#include <cstring>
#include <type_traits>
#include <utility>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace scorefn {
namespace {

#include "lanes.inl"
#include "native.inl"
#include "sums.inl"
#include "inputs.inl"
#include "exp.inl"
#include "log_ratio.inl"
#include "stream.inl"
#include "memory.inl"
#include "tile.inl"
#include "spread.inl"
#include "rows.inl"
#include "parts.inl"
#include "block.inl"
#include "group.inl"
#include "short_rows.inl"
#include "long_rows.inl"
#include "map_groups.inl"
#include "softmax.inl"
#include "categorical.inl"
#include "kl_divergence.inl"
#include "philox.inl"
#include "sample.inl"
#include "objectives.inl"
#include "gradient.inl"
#include "shared_gradient.inl"
#include "shared_statistics.inl"
#include "scan.inl"
#include "moments.inl"
#include "linear.inl"
#include "linear_columns.inl"

template <class T>
constexpr Kernels<T> table() {
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
            clipped_ratio_gradient<T>,
            shared_gradient<T>,
            shared_statistics<T>,
            linear_widen<T>,
            linear_logits<T>,
            linear_accumulate<T>,
            linear_columns<T>,
            linear_logits_of_columns<T>,
            linear_accumulate_columns<T>,
            kPanelWidth,
            load_numbers<T>,
            store_numbers<T>,
            scan_row<T>};
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
                                                     fence_streamed,
                                                     sample_moments,
                                                     table<float>(),
                                                     table<double>()};

}  // namespace scorefn
