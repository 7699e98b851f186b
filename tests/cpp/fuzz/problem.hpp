// A call as the bytes describe it, and what is known of its outcome without computing it.
#pragma once

#include <cmath>
#include <string>

#include "../every_function.hpp"
#include "arrays.hpp"

// The functions that the fuzzer calls: a new one at the end would change what the bytes of the corpus mean.
constexpr int kFuzzedFunctions = 1 + static_cast<int>(Function::clipped_surrogate);

// What has an entry or a row too many.
enum class Misfit { none, results, actions, where };

// use(Integer{}) for the type.
template <class Use>
auto with_integer(scorefn::IntegerType type, Use use) {
    switch (type) {
        case scorefn::IntegerType::i8: return use(std::int8_t{});
        case scorefn::IntegerType::i16: return use(std::int16_t{});
        case scorefn::IntegerType::i32: return use(std::int32_t{});
        case scorefn::IntegerType::i64: return use(std::int64_t{});
        case scorefn::IntegerType::u8: return use(std::uint8_t{});
        case scorefn::IntegerType::u16: return use(std::uint16_t{});
        case scorefn::IntegerType::u32: return use(std::uint32_t{});
        default: return use(std::uint64_t{});
    }
}

template <class T>
struct Problem {
    Function function;
    std::int64_t rows, cols, features, samples;
    Misfit misfit;
    int num_threads;
    bool in_place, accumulate, may_write_on_error, masked;
    double entropy_coef, clip_range;
    Content<T> logits, other_logits, feature_values, results;
    Content<bool> where;
    scorefn::IntegerType integer_type;
    Content<std::int64_t> actions, states;  // as they are in that type; from 2^63 on negative
    bool weights_are_double;
    Content<double> weights, old_log_prob;
    Layout layout_of_results, layout_of_vectors;

    // The sizes come first, and what is read last varies least from one input to another like it.
    static Problem read(Bytes& bytes) {
        const auto function = static_cast<Function>(bytes.below(kFuzzedFunctions));
        std::int64_t cols = size(bytes), rows = size(bytes);
        const bool is_linear = function == Function::linear_gradient;
        if (rows * cols > kMostEntries) rows = kMostEntries / cols;
        const std::int64_t features = is_linear ? bytes.below(80) : 1;
        const bool has_samples = function == Function::tabular_gradient;
        const std::int64_t samples = has_samples ? bytes.below(200) : rows;
        const Misfit misfit = bytes.one_in(16) ? static_cast<Misfit>(1 + bytes.below(3)) : Misfit::none;
        return Problem(bytes, function, rows, cols, features, samples, misfit);
    }

    bool has_actions() const {
        switch (function) {
            case Function::log_softmax:
            case Function::softmax:
            case Function::logsumexp:
            case Function::entropy:
            case Function::kl_divergence:
            case Function::sample: return false;
            default: return true;
        }
    }
    bool is_allowed(const Content<T>& z, std::int64_t i, std::int64_t j) const {
        return (!masked || where.at(i, j)) && z.at(i, j) != -std::numeric_limits<T>::infinity();
    }
    bool has_allowed_action(const Content<T>& z, std::int64_t i) const {
        for (std::int64_t j = 0; j < cols; ++j)
            if (is_allowed(z, i, j)) return true;
        return false;
    }
    // An allowed action's logit is NaN or +inf: all of the row's results are NaN, and no action can be drawn from it.
    bool is_bad(const Content<T>& z, std::int64_t i) const {
        for (std::int64_t j = 0; j < cols; ++j)
            if (is_allowed(z, i, j) && !(z.at(i, j) < std::numeric_limits<T>::infinity())) return true;
        return false;
    }

    // The kind of the error, as in Outcome; "?" where only a computation tells.
    std::string expected_error() const {
        const bool is_clipped = function == Function::clipped_surrogate;
        if ((misfit == Misfit::results) || (misfit == Misfit::actions && has_actions()) ||
            (misfit == Misfit::where && masked) || cols < 1 || (is_clipped && !(clip_range >= 0)))
            return "invalid_argument";
        if (has_actions() && !are_in_range(actions, cols)) return "IndexError";
        if (function == Function::tabular_gradient && !are_in_range(states, rows)) return "IndexError";
        switch (function) {
            case Function::tabular_gradient:  // which rows are visited
            case Function::score_gradient_of_one_row:
            case Function::linear_gradient: return "?";
            default: break;
        }
        for (std::int64_t i = 0; i < rows; ++i) {
            if (!has_allowed_action(logits, i) ||
                (function == Function::kl_divergence && !has_allowed_action(other_logits, i)))
                return "NoAllowedAction";
            if (function == Function::sample && is_bad(logits, i)) return "BadLogits";
        }
        return "";
    }

private:
    static constexpr std::int64_t kMostEntries = 2500;

    static std::int64_t size(Bytes& bytes) {
        const int byte = bytes.next();
        if (byte < 220) return byte % 40;
        constexpr int longer[] = {63, 64, 65, 127, 128, 129, 255, 256, 257, 600};
        return byte < 250 ? longer[byte % 10] : 40 + bytes.next();
    }
    static Layout input(Bytes& bytes) { return static_cast<Layout>(bytes.below(kLayouts)); }
    static Layout output(Bytes& bytes) { return static_cast<Layout>(bytes.below(kLayoutsOfResults)); }
    static bool are_in_range(const Content<std::int64_t>& indices, std::int64_t bound) {
        for (std::int64_t i = 0; i < indices.rows; ++i) {
            const std::int64_t x = indices.at(i);
            if (x < 0 || x >= bound) return false;
        }
        return true;
    }

    std::int64_t index(Bytes& bytes, std::int64_t bound) const {
        return with_integer(integer_type, [&](auto zero) {
            return static_cast<std::int64_t>(bytes.index<decltype(zero)>(bound));
        });
    }

    Problem(Bytes& bytes, Function function, std::int64_t rows, std::int64_t cols, std::int64_t features,
            std::int64_t samples, Misfit misfit)
        : function(function),
          rows(rows),
          cols(cols),
          features(features),
          samples(samples),
          misfit(misfit),
          num_threads(bytes.one_in(4) ? bytes.below(5) : 1),
          in_place(bytes.one_in(2)),
          accumulate(bytes.one_in(2)),
          may_write_on_error(bytes.one_in(2) && !in_place),  // it takes a fresh result
          masked(bytes.one_in(2)),
          entropy_coef(bytes.one_in(2) ? 0.0 : bytes.real<double>()),
          clip_range(bytes.one_in(2) ? 0.2 : bytes.real<double>()),
          logits(rows_of_logits(), cols, input(bytes), [&] { return bytes.real<T>(); }),
          other_logits(function == Function::kl_divergence ? rows : 0, cols, input(bytes),
                       [&] { return bytes.real<T>(); }),
          feature_values(is_linear() ? rows : 0, features, input(bytes), [&] { return bytes.real<T>(); }),
          results(is_linear() ? features : rows_of_logits(), cols, Layout::plain,
                  [&] { return bytes.real<T>(); }),
          where(masked ? (is_linear() ? rows : rows_of_logits()) + (misfit == Misfit::where) : 0, cols,
                input(bytes), [&] { return !bytes.one_in(5); }),
          integer_type(static_cast<scorefn::IntegerType>(bytes.below(8))),
          actions(has_actions() ? samples + (misfit == Misfit::actions) : 0, 1, input(bytes),
                  [&] { return index(bytes, cols); }),
          states(function == Function::tabular_gradient ? samples : 0, 1, input(bytes),
                 [&] { return index(bytes, rows); }),
          weights_are_double(bytes.one_in(2)),
          weights(samples, 1, input(bytes), [&] { return bytes.real<double>(); }),
          old_log_prob(function == Function::clipped_surrogate ? rows : 0, 1, input(bytes),
                       [&] { return bytes.real<double>(); }),
          layout_of_results(output(bytes)),
          layout_of_vectors(output(bytes)) {}

    bool is_linear() const { return function == Function::linear_gradient; }
    std::int64_t rows_of_logits() const {
        return is_linear() ? features : function == Function::score_gradient_of_one_row ? 1 : rows;
    }
};
