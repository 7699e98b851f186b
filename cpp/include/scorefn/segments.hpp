// Segments of rows: the tokens of a sequence, the heads of an action. The rows of a segment are one decision, with one ratio.
#pragma once

#include <limits>
#include <scorefn/objectives.hpp>

namespace scorefn {

// What the log-probabilities, and log-ratios, of its rows make of a segment.
enum class SegmentLogProb { sum, mean };

struct Segments {
    // Segment k has the rows offsets[k], ..., offsets[k + 1] - 1: the first offset is 0, the last is the number of rows. No
    // offsets: each row is a decision of its own.
    IndexVector offsets{};
    SegmentLogProb log_prob = SegmentLogProb::sum;
    // The log-ratio of a row counts as `high` at most where the advantage is positive, and as -`low` at least where it is
    // negative; where that changes it, the row has no derivative (GMPO: Zhao et al. 2025, "Geometric-mean policy
    // optimization"). The objective must have advantages and old_log_prob.
    LowHigh row_clip{std::numeric_limits<double>::infinity()};
    // Rows that count. A segment without such a row does not count either.
    Vector<const bool> valid{};
};

// derivatives[i] = the derivative of the objective of row i's decision with respect to log_prob[i]. With these as the
// weights, the gradient of REINFORCE is the gradient of the objective, for every policy.
//
// Of the numbers that the objective reads, log-probabilities (old_log_prob, reference_log_prob) have one entry per row, the
// others one per segment, as the results have. A segment of one row has the bits of that row; one of several is computed in
// double.
void derivatives(const Objective& objective, Vector<const float> log_prob, Vector<float> derivatives,
                 ObjectiveResults<float>& results, const Segments& segments = {}, int num_threads = 0);
void derivatives(const Objective& objective, Vector<const double> log_prob, Vector<double> derivatives,
                 ObjectiveResults<double>& results, const Segments& segments = {}, int num_threads = 0);

}  // namespace scorefn
