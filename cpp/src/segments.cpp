#include <algorithm>
#include <cmath>
#include <scorefn/segments.hpp>
#include <string_view>

#include "policies/objective_pass.hpp"
#include "runtime/memory.hpp"

namespace scorefn {
namespace {

// A task is as many decisions as a task of rows of one logit.
template <class T>
void derivatives_of_rows(const ObjectivePass<T>& pass, const Vector<const T>& log_prob, const Vector<T>& out,
                         int num_threads) {
    constexpr std::int64_t kAtATime = 256;
    RowSums<kMostTerms> sums(log_prob.size, rows_per_task(1));
    for_each_task(log_prob.size, 1, num_threads, [&](std::int64_t first, std::int64_t count) {
        auto context = pass.context(first);
        alignas(64) T log_probs[kAtATime] = {}, w[kAtATime];
        for (std::int64_t i = 0; i < count; i += kAtATime) {
            const std::int64_t rows = std::min(kAtATime, count - i);
            for (std::int64_t r = 0; r < rows; ++r) log_probs[r] = log_prob[first + i + r];
            pass.differentiate(context, i, rows, log_probs, w);
            for (std::int64_t r = 0; r < rows; ++r) out[first + i + r] = w[r];
        }
        pass.add_sums(context, sums.of_row(first));
        pass.clear_invalid(first, count);
        return true;
    });
    pass.set_sums(sums.total(num_threads));
}

// The place of a number in the declaration, or -1.
int place_of_log_prob(const ObjectiveDeclaration& declared) {
    for (int i = 0; i < kMostTerms; ++i)
        if (declared.reads[i].name && declared.reads[i].is_log_prob) return i;
    return -1;
}
int place_of(const SampleNumber& number, const ObjectiveDeclaration& declared) {
    for (int i = 0; i < kMostTerms; ++i)
        if (declared.reads[i].name && std::string_view(declared.reads[i].name) == number.name) return i;
    return -1;
}

double element(const RealVector& v, std::int64_t i) {
    double x;
    load(v, i, 1, &x);
    return x;
}

class Offsets {
public:
    Offsets(const IndexVector& offsets, std::int64_t rows) : size_(offsets.size - 1), at_(offsets.size) {
        require_view("segments", offsets);
        if (offsets.size < 1) throw std::invalid_argument("segments must have at least one offset, got none");
        kernels().load_indices(offsets, 0, offsets.size, 0, at_.data());
        const auto text = [&](std::int64_t k) {
            return "segments[" + std::to_string(k) + "] = " + std::to_string(at_[k]);
        };
        if (at_[0] != 0) throw std::invalid_argument(text(0) + " must be 0");
        for (std::int64_t k = 0; k < size_; ++k)
            if (at_[k + 1] < at_[k]) throw std::invalid_argument(text(k + 1) + " is less than " + text(k));
        if (at_[size_] != rows)
            throw std::invalid_argument(text(size_) + " must be the number of rows, " + std::to_string(rows));
    }
    std::int64_t size() const { return size_; }
    std::int64_t begin(std::int64_t segment) const { return at_[segment]; }
    std::int64_t end(std::int64_t segment) const { return at_[segment + 1]; }

private:
    std::int64_t size_;
    Array<std::int64_t> at_;
};

// From the log-probabilities of rows to those of decisions, and from the derivatives of decisions back to rows.
template <class T>
class Decisions {
public:
    Decisions(const Objective& objective, const Segments& segments, const Offsets& offsets,
              const Vector<const T>& log_prob)
        : segments_(segments), offsets_(offsets), log_prob_(log_prob) {
        if (objective.place != Objective::kOwn)
            read_numbers(objective, DeclaredObjectives::declarations[objective.place]);
        if (!are_clipped()) return;
        if (!(segments.row_clip.low >= 0 && segments.row_clip.high >= 0))
            throw std::invalid_argument("segments.row_clip must be at least 0");
        if (!advantages_ || !old_log_prob_)
            throw std::invalid_argument(
                "segments.row_clip needs an objective with old_log_prob and advantages");
    }
    bool have_old_log_prob() const { return old_log_prob_ != nullptr; }
    bool are_clipped() const {
        const LowHigh& clip = segments_.row_clip;
        return !(clip.low == Domain::kInfinity && clip.high == Domain::kInfinity);
    }

    // What a segment is: without a row that counts, a row that stands for itself, or a decision of several.
    enum class Kind : unsigned char { nothing, row, decision };

    // log_prob - old_log_prob is the log-ratio.
    Kind load(std::int64_t segment, double& log_prob, double& old_log_prob) const {
        double sum = 0, log_ratio = 0, old = 0;
        bool is_clipped = false;
        const double advantage = are_clipped() ? element(*advantages_, segment) : 0.0;
        const std::int64_t rows = for_each_row(segment, [&](std::int64_t i) {
            sum += static_cast<double>(log_prob_[i]);
            if (!old_log_prob_) return;
            old = element(*old_log_prob_, i);
            const double of_row = static_cast<double>(log_prob_[i]) - old;
            log_ratio += clip(of_row, advantage);
            is_clipped |= is_outside(of_row, advantage);
        });
        if (rows == 1 && !is_clipped) {
            log_prob = sum, old_log_prob = old;
            return Kind::row;
        }
        const double n =
            segments_.log_prob == SegmentLogProb::mean && rows > 0 ? static_cast<double>(rows) : 1.0;
        log_prob = sum / n, log_ratio /= n;
        old_log_prob = log_prob - log_ratio;
        // -inf minus something has no digits: then the ratio alone is kept, beside an old probability of 1.
        if (old_log_prob_ && !std::isfinite(log_prob)) log_prob = log_ratio, old_log_prob = 0;
        return rows > 0 ? Kind::decision : Kind::nothing;
    }
    void store(std::int64_t segment, double derivative, const Vector<T>& out) const {
        const double advantage = are_clipped() ? element(*advantages_, segment) : 0.0;
        const std::int64_t rows = for_each_row(segment, [](std::int64_t) {});
        if (segments_.log_prob == SegmentLogProb::mean)
            derivative /= static_cast<double>(std::max<std::int64_t>(rows, 1));
        for (std::int64_t i = offsets_.begin(segment); i < offsets_.end(segment); ++i) {
            const bool is_clipped = are_clipped() && is_outside(log_ratio_of_row(i), advantage);
            out[i] = !counts(i) || is_clipped ? T(0) : static_cast<T>(derivative);
        }
    }

private:
    void read_numbers(const Objective& objective, const ObjectiveDeclaration& declared) {
        if (const int place = place_of_log_prob(declared); place >= 0) {
            old_log_prob_ = &objective.reads[place];
            require_size(declared.reads[place].name, *old_log_prob_, log_prob_.size);
        }
        if (segments_.log_prob == SegmentLogProb::mean && place_of(terms::propensities, declared) >= 0)
            throw std::invalid_argument(
                "segments.log_prob must be 'sum' for propensities, which are of whole decisions, got 'mean'");
        if (const int place = place_of(terms::advantages, declared); place >= 0) {
            advantages_ = &objective.reads[place];
            require_size("advantages", *advantages_, offsets_.size());
        }
    }
    bool counts(std::int64_t row) const { return is_valid(valid_rows(segments_.valid), row); }
    // How many rows that count there are.
    template <class Visit>
    std::int64_t for_each_row(std::int64_t segment, Visit visit) const {
        std::int64_t rows = 0;
        for (std::int64_t i = offsets_.begin(segment); i < offsets_.end(segment); ++i)
            if (counts(i)) visit(i), ++rows;
        return rows;
    }
    double log_ratio_of_row(std::int64_t i) const {
        return static_cast<double>(log_prob_[i]) - element(*old_log_prob_, i);
    }
    bool is_outside(double log_ratio, double advantage) const {
        return (advantage > 0 && log_ratio > segments_.row_clip.high) ||
               (advantage < 0 && log_ratio < -segments_.row_clip.low);
    }
    double clip(double log_ratio, double advantage) const {
        if (!is_outside(log_ratio, advantage)) return log_ratio;
        return advantage > 0 ? segments_.row_clip.high : -segments_.row_clip.low;
    }

    const Segments& segments_;
    const Offsets& offsets_;
    const Vector<const T>& log_prob_;
    const RealVector *old_log_prob_ = nullptr, *advantages_ = nullptr;
};

// The derivatives of the segments that count, computed in U, and what the objective gives beside them.
template <class U, class T>
void differentiate_in(const Objective& objective, const Vector<const bool>& counts, const double* log_probs,
                      double* of_segments, ObjectiveResults<T>& results, int num_threads) {
    const std::int64_t size = counts.size;
    const Array<U> log_prob(size), derivative(size), writes(kMostTerms * size);
    std::copy_n(log_probs, size, log_prob.data());
    ObjectiveResults<U> of_pass;
    for (int i = 0; i < kMostTerms; ++i)
        if (results.writes[i].data) of_pass.writes[i] = {writes.data() + i * size, size};
    derivatives_of_rows<U>(ObjectivePass<U>(objective, of_pass, counts), {log_prob.data(), size},
                           {derivative.data(), size}, num_threads);
    for (int i = 0; i < kMostTerms; ++i) results.sums[i] += of_pass.sums[i];
    for (std::int64_t k = 0; k < size; ++k) {
        if (!counts[k]) continue;
        of_segments[k] = static_cast<double>(derivative[k]);
        for (int i = 0; i < kMostTerms; ++i)
            if (results.writes[i].data) results.writes[i][k] = static_cast<T>(of_pass.writes[i][k]);
    }
}

// A row that stands for itself has the bits that it has without segments; others are computed in double. So the bits of a
// segment depend on its own rows alone.
template <class T>
void derivatives_of_segments(const Objective& objective, const Segments& segments, const Offsets& offsets,
                             const Vector<const T>& log_prob, const Vector<T>& out,
                             ObjectiveResults<T>& results, int num_threads) {
    using Kind = typename Decisions<T>::Kind;
    const Decisions<T> decisions(objective, segments, offsets, log_prob);
    const std::int64_t size = offsets.size();
    if (is_given(results.log_prob)) require_size("log_prob", results.log_prob, size);
    const Array<double> log_probs(size), old_log_probs(size);
    const Zeros<double> of_segments(size);
    const Array<bool> are_rows(size), are_decisions(size), count(size);
    // Of segments, by tasks of some thousand rows.
    const std::int64_t mean_rows = std::max<std::int64_t>(1, log_prob.size / std::max<std::int64_t>(1, size));
    const auto for_each_segment = [&](auto visit) {
        for_each_task(size, mean_rows, num_threads, [&](std::int64_t first, std::int64_t n) {
            for (std::int64_t k = first; k < first + n; ++k) visit(k);
            return true;
        });
    };
    for_each_segment([&](std::int64_t k) {
        const Kind kind = decisions.load(k, log_probs[k], old_log_probs[k]);
        are_rows[k] = kind == Kind::row, are_decisions[k] = kind == Kind::decision;
        count[k] = kind != Kind::nothing;
    });
    Objective of_decisions = objective;
    if (decisions.have_old_log_prob()) {
        const int place = place_of_log_prob(DeclaredObjectives::declarations[objective.place]);
        of_decisions.reads[place] = RealVector(old_log_probs.data(), size);
    }
    ObjectivePass<T>(of_decisions, results, {count.data(), size}).check(size, num_threads);

    std::fill_n(results.sums, kMostTerms, 0.0);
    for (const Vector<T>& writes : results.writes)
        for (std::int64_t k = 0; k < writes.size; ++k) writes[k] = 0;
    differentiate_in<T>(of_decisions, {are_rows.data(), size}, log_probs.data(), of_segments.data(), results,
                        num_threads);
    differentiate_in<double>(of_decisions, {are_decisions.data(), size}, log_probs.data(), of_segments.data(),
                             results, num_threads);
    for_each_segment([&](std::int64_t k) {
        decisions.store(k, of_segments[k], out);
        if (results.log_prob.data) results.log_prob[k] = count[k] ? static_cast<T>(log_probs[k]) : T(0);
    });
}

template <class T>
void derivatives(const Objective& objective, const Vector<const T>& log_prob, const Vector<T>& out,
                 ObjectiveResults<T>& results, const Segments& segments, int num_threads) {
    const StandardFloatEnvironment environment;
    require_view("log_prob", log_prob);
    require_size("derivatives", out, log_prob.size);
    require_valid(segments.valid, log_prob.size);
    if (is_given(segments.offsets)) {
        const Offsets offsets(segments.offsets, log_prob.size);
        return derivatives_of_segments(objective, segments, offsets, log_prob, out, results, num_threads);
    }
    const ObjectivePass<T> pass(objective, results, segments.valid);
    pass.check(log_prob.size, num_threads);
    derivatives_of_rows(pass, log_prob, out, num_threads);
}

}  // namespace

#define SCOREFN_DEFINE(T)                                                                       \
    void derivatives(const Objective& objective, Vector<const T> log_prob, Vector<T> out,       \
                     ObjectiveResults<T>& results, const Segments& segments, int num_threads) { \
        derivatives<T>(objective, log_prob, out, results, segments, num_threads);               \
    }
SCOREFN_DEFINE(float)
SCOREFN_DEFINE(double)

}  // namespace scorefn
