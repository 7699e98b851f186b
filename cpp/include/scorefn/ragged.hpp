// Rows with different numbers of actions: board games, dialogues, the heads of an action. Each function gives the bits that it
// gives for a matrix of the same rows.
#pragma once

#include <scorefn/categorical.hpp>
#include <scorefn/gradient.hpp>
#include <scorefn/objectives.hpp>
#include <scorefn/softmax.hpp>

namespace scorefn {

// Row i is values[offsets[i]], ..., values[offsets[i + 1] - 1], with one value at least: the offsets rise from 0 to the number
// of values.
//
// What has an entry for each logit (results, a mask, the matrix of a term) is flat, as the logits are; in options it is a
// matrix of one row. What has an entry for each row is as it is for a matrix of logits.
template <class T>
struct RaggedRows {
    Vector<T> values;
    IndexVector offsets;
};

// `out` may be the logits themselves.
void log_softmax(RaggedRows<const float> logits, Vector<float> out, const Options& options = {});
void log_softmax(RaggedRows<const double> logits, Vector<double> out, const Options& options = {});

void softmax(RaggedRows<const float> logits, Vector<float> out, const Options& options = {});
void softmax(RaggedRows<const double> logits, Vector<double> out, const Options& options = {});

void logsumexp(RaggedRows<const float> logits, Vector<float> out, const Options& options = {});
void logsumexp(RaggedRows<const double> logits, Vector<double> out, const Options& options = {});

void log_prob(RaggedRows<const float> logits, IndexVector actions, Vector<float> out,
              const Options& options = {});
void log_prob(RaggedRows<const double> logits, IndexVector actions, Vector<double> out,
              const Options& options = {});

void entropy(RaggedRows<const float> logits, Vector<float> out, const Options& options = {});
void entropy(RaggedRows<const double> logits, Vector<double> out, const Options& options = {});

// Both have the offsets of p.
void kl_divergence(RaggedRows<const float> logits_p, Vector<const float> logits_q, Vector<float> out,
                   const Options& options = {});
void kl_divergence(RaggedRows<const double> logits_p, Vector<const double> logits_q, Vector<double> out,
                   const Options& options = {});

// One action per row. Without data, log_probs and entropies are not computed.
void sample(RaggedRows<const float> logits, RandomKey key, Vector<std::int64_t> actions,
            Vector<float> log_probs = {}, Vector<float> entropies = {}, const Options& options = {});
void sample(RaggedRows<const double> logits, RandomKey key, Vector<std::int64_t> actions,
            Vector<double> log_probs = {}, Vector<double> entropies = {}, const Options& options = {});

// Of these, too, `out` may be the logits themselves.
void score(RaggedRows<const float> logits, IndexVector actions, Vector<float> out,
           const Options& options = {});
void score(RaggedRows<const double> logits, IndexVector actions, Vector<double> out,
           const Options& options = {});

void score_gradient(RaggedRows<const float> logits, IndexVector actions, RealVector weights,
                    Vector<float> out, const GradientOptions& options = {});
void score_gradient(RaggedRows<const double> logits, IndexVector actions, RealVector weights,
                    Vector<double> out, const GradientOptions& options = {});

// Of any objective. Its sums are accumulated in a fixed order; with rows of one length, in that of a matrix.
void score_gradient(RaggedRows<const float> logits, IndexVector actions, const Objective& objective,
                    Vector<float> out, ObjectiveResults<float>& results,
                    const ObjectiveOptions<float>& options = {});
void score_gradient(RaggedRows<const double> logits, IndexVector actions, const Objective& objective,
                    Vector<double> out, ObjectiveResults<double>& results,
                    const ObjectiveOptions<double>& options = {});

// And of one over all actions.
void score_gradient(RaggedRows<const float> logits, const AllActionObjective<float>& objective,
                    Vector<float> out, ObjectiveResults<float>& results, const PassOptions& options = {});
void score_gradient(RaggedRows<const double> logits, const AllActionObjective<double>& objective,
                    Vector<double> out, ObjectiveResults<double>& results, const PassOptions& options = {});

}  // namespace scorefn
