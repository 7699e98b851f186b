// Samples of a gradient that sums over them: state, action and weight.
#pragma once

#include <algorithm>
#include <cstdint>
#include <scorefn/views.hpp>
#include <stdexcept>

#include "check.hpp"
#include "policies/statistics.hpp"

namespace scorefn {

// The samples, loaded a few at a time.
class Samples {
public:
    const std::int64_t size;

    // `states` null: sample i is of state i / samples_per_state.
    Samples(const IndexVector* states, std::int64_t samples_per_state, const IndexVector& actions,
            const RealVector& weights, std::int64_t num_states, std::int64_t num_actions)
        : size(actions.size),
          states_(states),
          samples_per_state_(samples_per_state),
          actions_(actions),
          weights_(weights),
          num_states_(num_states),
          num_actions_(num_actions) {}

    // visit(state, action, weight) for those of first .. end - 1 that there are; false, and no more visits, if one is
    // out of range.
    template <class Visit>
    bool for_each(std::int64_t first, std::int64_t end, Visit visit) const {
        constexpr std::int64_t kAtATime = 256;
        std::int64_t state_buffer[kAtATime], action_buffer[kAtATime];
        double weight[kAtATime];
        const auto num_states = static_cast<std::uint64_t>(num_states_);
        const auto num_actions = static_cast<std::uint64_t>(num_actions_);
        for (end = std::min(end, size); first < end; first += kAtATime) {
            const std::int64_t count = std::min(kAtATime, end - first);
            const volatile std::int64_t* const states = states_
                                                            ? integers(*states_, first, count, state_buffer)
                                                            : counted(first, count, state_buffer);
            const volatile std::int64_t* const actions = integers(actions_, first, count, action_buffer);
            load(weights_, first, count, weight);
            for (std::int64_t i = 0; i < count; ++i) {
                const std::int64_t state = states[i],
                                   action = actions[i];  // loaded once, then tested and used
                if (static_cast<std::uint64_t>(state) >= num_states ||
                    static_cast<std::uint64_t>(action) >= num_actions)
                    return false;
                visit(state, action, weight[i]);
            }
        }
        return true;
    }

    [[noreturn]] void throw_impossible(std::int64_t i) const { throw_impossible_action(actions_, i); }
    [[noreturn]] void throw_out_of_range(int num_threads) const {
        if (states_) require_in_range("states", *states_, num_states_, "states", num_threads);
        require_in_range("actions", actions_, num_actions_, "actions", num_threads);
        throw std::runtime_error("states or actions were changed during the call");
    }

private:
    // Those first .. first + count - 1, where they lie if they are plain int64, else in the buffer.
    static const volatile std::int64_t* integers(const IndexVector& v, std::int64_t first, std::int64_t count,
                                                 std::int64_t* buffer) {
        if (v.type == IntegerType::i64 && v.stride == 1)
            return static_cast<const std::int64_t*>(v.data) + first;
        kernels().load_indices(v, first, count, 0, buffer);
        return buffer;
    }

    const std::int64_t* counted(std::int64_t first, std::int64_t count, std::int64_t* buffer) const {
        std::int64_t state = first / samples_per_state_, left = (state + 1) * samples_per_state_ - first;
        for (std::int64_t i = 0; i < count; ++state, left = samples_per_state_) {
            const std::int64_t run = std::min(left, count - i);
            std::fill_n(buffer + i, run, state);
            i += run;
        }
        return buffer;
    }

    const IndexVector* states_;
    const std::int64_t samples_per_state_;
    const IndexVector& actions_;
    const RealVector& weights_;
    const std::int64_t num_states_, num_actions_;
};

}  // namespace scorefn
