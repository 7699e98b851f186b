// A call as the bytes describe it, and what is known of its outcome without computing it.
#pragma once

#include <cmath>
#include <string>

#include "../every_function.hpp"
#include "arrays.hpp"

// The functions that the fuzzer calls: the first ones, and those of ragged rows and segments. A byte stands for one of them;
// if there are more one day, few of the corpus' bytes may change their meaning.
constexpr int kFirstFunctions = 1 + static_cast<int>(Function::clipped_surrogate),
              kRaggedFunctions = kFunctions - static_cast<int>(Function::ragged_log_softmax),
              kBytesOfFirst = 14 * kFirstFunctions;
static_assert(kBytesOfFirst < 256 && kRaggedFunctions <= 256 - kBytesOfFirst);
inline Function fuzzed_function(int byte) {
    if (byte < kBytesOfFirst) return static_cast<Function>(byte % kFirstFunctions);
    return static_cast<Function>(static_cast<int>(Function::ragged_log_softmax) +
                                 (byte - kBytesOfFirst) % kRaggedFunctions);
}

// What has an entry or a row too many.
enum class Misfit { none, results, actions, where, valid };

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
    std::int64_t rows, cols, features, samples;  // of ragged rows, cols is the number of all logits
    Misfit misfit;
    int num_threads;
    bool in_place, accumulate, may_write_on_error, masked;
    double entropy_coef, clip_range;
    Content<T> logits, other_logits, feature_values, results;
    Content<bool> where;
    scorefn::IntegerType integer_type;
    Content<std::int64_t> offsets;          // of ragged rows or segments; one may be wrong
    Content<std::int64_t> actions, states;  // as they are in that type; from 2^63 on negative
    bool weights_are_double;
    Content<double> weights, old_log_prob;
    Layout layout_of_results, layout_of_vectors;
    bool has_valid;
    Content<bool> valid;
    int objective;
    Content<double> propensities;

    // The sizes come first, and what is read last varies least from one input to another like it.
    static Problem read(Bytes& bytes) {
        const Function function = fuzzed_function(bytes.next());
        std::int64_t cols = size(bytes), rows = size(bytes);
        const bool is_linear = function == Function::linear_gradient;
        if (rows * cols > kMostEntries) rows = kMostEntries / cols;
        const std::vector<std::int64_t> offsets = read_offsets(bytes, function, rows, cols);
        if (is_ragged(function)) cols = offsets.back();
        if (function == Function::derivatives_of_segments) cols = 1;  // a log-probability
        const std::int64_t features = is_linear ? bytes.below(80) : 1;
        const bool has_samples = function == Function::tabular_gradient;
        const std::int64_t samples = has_samples ? bytes.below(200) : rows;
        const Misfit misfit = bytes.one_in(16) ? static_cast<Misfit>(1 + bytes.below(4)) : Misfit::none;
        return Problem(bytes, function, rows, cols, features, samples, misfit, offsets);
    }

    bool has_actions() const {
        switch (dense(function)) {
            case Function::log_softmax:
            case Function::softmax:
            case Function::logsumexp:
            case Function::entropy:
            case Function::kl_divergence:
            case Function::sample:
            case Function::score_gradient_of_all_actions:
            case Function::derivatives_of_segments: return false;
            default: return true;
        }
    }
    // Rows of logits, and where their entries are.
    std::int64_t begin(std::int64_t i) const { return is_ragged(function) ? offsets.at(i) : i * cols; }
    std::int64_t length(std::int64_t i) const { return begin(i + 1) - begin(i); }
    bool counts(std::int64_t row) const { return !has_valid || valid.at(row); }
    bool is_allowed(const Content<T>& z, std::int64_t i, std::int64_t j) const {
        const auto at = static_cast<std::size_t>(begin(i) + j);
        return (!masked || where.values[at]) && z.values[at] != -std::numeric_limits<T>::infinity();
    }
    bool has_allowed_action(const Content<T>& z, std::int64_t i) const {
        for (std::int64_t j = 0; j < length(i); ++j)
            if (is_allowed(z, i, j)) return true;
        return false;
    }
    // An allowed action's logit is NaN or +inf: all of the row's results are NaN, and no action can be drawn from it.
    bool is_bad(const Content<T>& z, std::int64_t i) const {
        for (std::int64_t j = 0; j < length(i); ++j)
            if (is_allowed(z, i, j) &&
                !(z.values[static_cast<std::size_t>(begin(i) + j)] < std::numeric_limits<T>::infinity()))
                return true;
        return false;
    }

    // The kind of the error, as in Outcome; "?" where only a computation tells.
    std::string expected_error() const {
        const bool is_clipped = function == Function::clipped_surrogate;
        const bool has_where = masked && function != Function::derivatives_of_segments;
        if ((misfit == Misfit::results) || (misfit == Misfit::actions && has_actions()) ||
            (misfit == Misfit::where && has_where) || (misfit == Misfit::valid && has_valid) ||
            !are_offsets_good() || (cols < 1 && !is_ragged(function)) || (is_clipped && !(clip_range >= 0)))
            return "invalid_argument";
        if (has_objective(function)) return "?";
        if (has_actions() && !are_in_range(actions, [&](std::int64_t i) { return action_bound(i); }))
            return "IndexError";
        if (function == Function::tabular_gradient &&
            !are_in_range(states, [&](std::int64_t) { return rows; }))
            return "IndexError";
        switch (function) {
            case Function::tabular_gradient:  // which rows are visited
            case Function::score_gradient_of_one_row:
            case Function::linear_gradient: return "?";
            default: break;
        }
        for (std::int64_t i = 0; i < rows; ++i) {
            if (!counts(i)) continue;
            if (!has_allowed_action(logits, i) ||
                (dense(function) == Function::kl_divergence && !has_allowed_action(other_logits, i)))
                return "NoAllowedAction";
            if (dense(function) == Function::sample && is_bad(logits, i)) return "BadLogits";
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
    // Of ragged rows, of any lengths or of `cols` alone, or of segments; none for the other functions.
    static std::vector<std::int64_t> read_offsets(Bytes& bytes, Function function, std::int64_t rows,
                                                  std::int64_t cols) {
        const bool are_segments = function == Function::derivatives_of_segments;
        std::vector<std::int64_t> offsets;
        if (!is_ragged(function) && !are_segments) return offsets;
        const bool has_one_length = bytes.one_in(8);
        offsets.push_back(0);
        for (std::int64_t i = 0; i < rows; ++i) {
            const std::int64_t length = are_segments     ? bytes.below(4)
                                        : has_one_length ? cols
                                                         : bytes.next() * cols / 128;
            offsets.push_back(offsets.back() + std::max<std::int64_t>(!are_segments, length));
            if (are_segments) offsets.back() = i + 1 == rows ? rows : std::min(rows, offsets.back());
        }
        return offsets;
    }
    bool are_offsets_good() const {
        if (offsets.rows == 0) return true;
        for (std::int64_t i = 0; i < rows; ++i)
            if (offsets.at(i + 1) < offsets.at(i) + is_ragged(function)) return false;
        return offsets.at(0) == 0 && offsets.at(rows) == (is_ragged(function) ? cols : rows);
    }
    std::int64_t action_bound(std::int64_t i) const { return is_ragged(function) ? length(i) : cols; }
    template <class Bound>
    bool are_in_range(const Content<std::int64_t>& indices, Bound bound) const {
        for (std::int64_t i = 0; i < indices.rows; ++i)
            if (counts(i) && (indices.at(i) < 0 || indices.at(i) >= bound(i))) return false;
        return true;
    }

    std::int64_t index(Bytes& bytes, std::int64_t bound) const {
        return with_integer(integer_type, [&](auto zero) {
            return static_cast<std::int64_t>(bytes.index<decltype(zero)>(bound));
        });
    }

    Problem(Bytes& bytes, Function function, std::int64_t rows, std::int64_t cols, std::int64_t features,
            std::int64_t samples, Misfit misfit, const std::vector<std::int64_t>& right_offsets)
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
          other_logits(has_other_logits() ? rows_of_logits() : 0, cols, input(bytes),
                       [&] { return bytes.real<T>(); }),
          feature_values(is_linear() ? rows : 0, features, input(bytes), [&] { return bytes.real<T>(); }),
          results(is_linear() ? features : rows_of_logits(), cols, Layout::plain,
                  [&] { return bytes.real<T>(); }),
          where(masked ? (is_linear() ? rows : rows_of_logits()) + (misfit == Misfit::where) : 0, cols,
                input(bytes), [&] { return !bytes.one_in(5); }),
          integer_type(static_cast<scorefn::IntegerType>(bytes.below(8))),
          offsets(static_cast<std::int64_t>(right_offsets.size()), 1,
                  right_offsets.empty() ? Layout::plain : output(bytes),
                  [&, i = std::size_t{0}]() mutable { return right_offsets[i++]; }),
          actions(
              has_actions() ? samples + (misfit == Misfit::actions) : 0, 1, input(bytes),
              [&, i = std::int64_t{0}]() mutable { return index(bytes, i < rows ? action_bound(i++) : 1); }),
          states(function == Function::tabular_gradient ? samples : 0, 1, input(bytes),
                 [&] { return index(bytes, rows); }),
          weights_are_double(bytes.one_in(2)),
          weights(samples, 1, input(bytes), [&] { return bytes.real<double>(); }),
          old_log_prob(function == Function::clipped_surrogate || has_objective(function) ? rows : 0, 1,
                       input(bytes), [&] { return bytes.real<double>(); }),
          layout_of_results(output(bytes)),
          layout_of_vectors(output(bytes)),
          has_valid(bytes.one_in(3)),
          valid(has_valid ? samples + (misfit == Misfit::valid) : 0, 1, input(bytes),
                [&] { return !bytes.one_in(4); }),
          objective(has_objective(function) ? bytes.below(objectives(function)) : 0),
          propensities(has_objective(function) ? rows : 0, 1, input(bytes),
                       [&] { return bytes.one_in(64) ? bytes.real<double>() : (1 + bytes.below(8)) / 8.0; }) {
        if (offsets.rows > 0 && bytes.one_in(8))
            offsets.at(bytes.below(static_cast<int>(offsets.rows))) = bytes.index<std::int8_t>(cols);
    }

    bool is_linear() const { return function == Function::linear_gradient; }
    bool has_other_logits() const {
        return dense(function) == Function::kl_divergence || has_objective(function);
    }
    std::int64_t rows_of_logits() const {
        const bool is_one_row = function == Function::score_gradient_of_one_row || is_ragged(function);
        return is_linear() ? features : is_one_row ? 1 : rows;
    }
};
