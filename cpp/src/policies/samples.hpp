// Samples of a gradient that sums over them: state, action and weight.
#pragma once

#include <algorithm>
#include <cstdint>
#include <scorefn/views.hpp>
#include <stdexcept>

#include "check.hpp"
#include "policies/statistics.hpp"

namespace scorefn {

// The states and actions of samples, loaded a few at a time.
class SampleIndices {
public:
    static constexpr std::int64_t kAtATime = 256;
    const std::int64_t size, num_states, num_actions;

    // `states` null: sample i is of state i / samples_per_state.
    SampleIndices(const IndexVector* states, std::int64_t samples_per_state, const IndexVector& actions,
                  std::int64_t num_states, std::int64_t num_actions, const Vector<const bool>& valid = {})
        : size(actions.size),
          num_states(num_states),
          num_actions(num_actions),
          states_(states),
          samples_per_state_(samples_per_state),
          actions_(&actions),
          valid_(valid_rows(valid)) {
        require_valid(valid, actions.size);
    }
    // Samples without an action, which is visited as 0.
    SampleIndices(const IndexVector& states, std::int64_t num_states, const Vector<const bool>& valid)
        : size(states.size),
          num_states(num_states),
          num_actions(1),
          states_(&states),
          samples_per_state_(0),
          actions_(nullptr),
          valid_(valid_rows(valid)) {
        require_valid(valid, states.size);
    }

    // visit(i, state, action) for the samples first + i that count of those first .. first + count - 1, at most kAtATime;
    // false, and no more visits, if one is out of range.
    template <class Visit>
    bool for_each(std::int64_t first, std::int64_t count, Visit visit) const {
        std::int64_t state_buffer[kAtATime], action_buffer[kAtATime];
        const volatile std::int64_t* const states =
            states_ ? integers(*states_, first, count, state_buffer) : counted(first, count, state_buffer);
        if (!actions_) std::fill_n(action_buffer, count, 0);
        const volatile std::int64_t* const actions =
            actions_ ? integers(*actions_, first, count, action_buffer) : action_buffer;
        return valid_.flags ? for_each<true>(states, actions, first, count, visit)
                            : for_each<false>(states, actions, first, count, visit);
    }

    bool is_valid(std::int64_t i) const { return scorefn::is_valid(valid_, i); }
    const ValidRows& valid() const { return valid_; }
    void require_in_range(int num_threads) const {
        if (states_) scorefn::require_in_range("states", *states_, num_states, "states", num_threads, valid_);
        if (actions_)
            scorefn::require_in_range("actions", *actions_, num_actions, "actions", num_threads, valid_);
    }
    [[noreturn]] void throw_out_of_range(int num_threads) const {
        require_in_range(num_threads);
        throw std::runtime_error("states or actions were changed during the call");
    }
    [[noreturn]] void throw_impossible(std::int64_t i) const { throw_impossible_action(*actions_, i); }

private:
    template <bool HasFlags, class Visit>
    bool for_each(const volatile std::int64_t* states, const volatile std::int64_t* actions,
                  std::int64_t first, std::int64_t count, Visit visit) const {
        const auto most_states = static_cast<std::uint64_t>(num_states);
        const auto most_actions = static_cast<std::uint64_t>(num_actions);
        for (std::int64_t i = 0; i < count; ++i) {
            if (i % 8 == 0) fetch_ahead(states + i), fetch_ahead(actions + i);
            if (HasFlags && !is_valid(first + i)) continue;
            const std::int64_t state = states[i], action = actions[i];  // loaded once, then tested and used
            if (static_cast<std::uint64_t>(state) >= most_states ||
                static_cast<std::uint64_t>(action) >= most_actions)
                return false;
            visit(i, state, action);
        }
        return true;
    }
    static void fetch_ahead(const volatile std::int64_t* x) {
        __builtin_prefetch(const_cast<const std::int64_t*>(x) + 4 * kAtATime);
    }
    // Where they lie if they are plain int64, else in the buffer.
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
    const IndexVector* actions_;
    const ValidRows valid_;
};

// Samples with weights that the caller gives.
class WeightedSamples {
public:
    static constexpr bool may_have_statistics = true;
    const SampleIndices& indices;

    WeightedSamples(const SampleIndices& indices, const RealVector& weights)
        : indices(indices), weights_(weights) {}

    // visit(state, action, weight) for those of first .. end - 1 that there are; false, and no more visits, if one is
    // out of range.
    template <class Visit>
    bool for_each(std::int64_t first, std::int64_t end, Visit visit) const {
        constexpr std::int64_t kAtATime = SampleIndices::kAtATime;
        double weight[kAtATime];
        for (end = std::min(end, indices.size); first < end; first += kAtATime) {
            const std::int64_t count = std::min(kAtATime, end - first);
            load(weights_, first, count, weight);
            if (!indices.for_each(first, count, [&](std::int64_t i, std::int64_t state, std::int64_t action) {
                visit(state, action, weight[i]);
            }))
                return false;
        }
        return true;
    }

private:
    const RealVector& weights_;
};

}  // namespace scorefn
