#pragma once

namespace scorefn::python::docs {

inline constexpr const char* discounted_returns =
    R"(discounted_returns(rewards, next_values, terminated, truncated, valid, discount)
--

See `scorefn.discounted_returns`: for arrays of one shape and dtype, float32 or float64.
)";

inline constexpr const char* gae =
    R"(gae(rewards, values, next_values, terminated, truncated, valid, discount, gae_lambda)
--

See `scorefn.gae`: for arrays of one shape and dtype, float32 or float64.
)";

}  // namespace scorefn::python::docs
