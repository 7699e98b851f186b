#include <scorefn/ragged.hpp>

#include "policies/objective_pass.hpp"
#include "policies/ragged_call.hpp"
#include "policies/sample.hpp"
#include "policies/term_pass.hpp"

namespace scorefn {
namespace {

template <class T>
std::int64_t num_rows(const RaggedRows<T>& logits) {
    return std::max<std::int64_t>(logits.offsets.size - 1, 0);
}
template <class T>
Vector<const T> flat(const Matrix<const T>& one_row) {
    return {one_row.data, one_row.cols, one_row.col_stride};
}

// dense(matrix of logits, matrix of results, options)
template <class T, class Dense>
void normalize(const RaggedRows<const T>& logits, const Vector<T>& out, const Options& options, Dense dense) {
    const RaggedCall<T> call("logits", logits, options);
    require_size("out", out, call.values());
    call.run([&] { call.check("logits", logits.values, nullptr); }, [&](const Block& block, std::int64_t) {
        const Matrix<T> results = block.results(out);
        dense(block.rows(logits.values), results, block.options(options));
        block.put(results, out);
    });
}

// dense(matrix of logits, a result for each row, options)
template <class T, class Dense>
void reduce(const RaggedRows<const T>& logits, const Vector<T>& out, const Options& options, Dense dense) {
    const RaggedCall<T> call("logits", logits, options);
    require_size("out", out, call.rows());
    call.run([&] { call.check("logits", logits.values, nullptr); }, [&](const Block& block, std::int64_t) {
        const Vector<T> results = block.results_of_rows(out);
        dense(block.rows(logits.values), results, block.options(options));
        block.put(results, out);
    });
}

template <class T>
void log_prob(const RaggedRows<const T>& logits, const IndexVector& actions, const Vector<T>& out,
              const Options& options) {
    const RaggedCall<T> call("logits", logits, options);
    require_size("actions", actions, call.rows());
    require_size("out", out, call.rows());
    call.run([&] { call.check("logits", logits.values, &actions); }, [&](const Block& block, std::int64_t) {
        const Vector<T> results = block.results_of_rows(out);
        scorefn::log_prob(block.rows(logits.values), block.of_rows(actions), results, block.options(options));
        block.put(results, out);
    });
}

template <class T>
void kl_divergence(const RaggedRows<const T>& logits_p, const Vector<const T>& logits_q, const Vector<T>& out,
                   const Options& options) {
    const RaggedCall<T> call("logits_p", logits_p, options);
    require_size("logits_q", logits_q, call.values());
    require_size("out", out, call.rows());
    const auto check = [&] {
        call.check("logits_p", logits_p.values, nullptr);
        call.check("logits_q", logits_q, nullptr);
    };
    call.run(check, [&](const Block& block, std::int64_t) {
        const Vector<T> results = block.results_of_rows(out);
        scorefn::kl_divergence(block.rows(logits_p.values), block.rows(logits_q), results,
                               block.options(options));
        block.put(results, out);
    });
}

template <class T>
void sample(const RaggedRows<const T>& logits, const RandomKey& key, const Vector<std::int64_t>& actions,
            const Vector<T>& log_probs, const Vector<T>& entropies, const Options& options) {
    const RaggedCall<T> call("logits", logits, options);
    require_size("actions", actions, call.rows());
    if (is_given(log_probs)) require_size("log_probs", log_probs, call.rows());
    if (is_given(entropies)) require_size("entropies", entropies, call.rows());
    const auto column = [](const auto& v) { return Matrix(v.data, v.size, v.data ? 1 : 0, v.stride, 1); };
    const auto check = [&] { call.check("logits", logits.values, nullptr, Needs::numbers); };
    call.run(check, [&](const Block& block, std::int64_t) {
        const Vector<std::int64_t> drawn = block.results_of_rows(actions);
        const Vector<T> log_p = block.results_of_rows(log_probs), h = block.results_of_rows(entropies);
        sample_rows(block.rows(logits.values), key, block.numbers(), column(drawn), column(log_p), h,
                    block.options(options));
        block.put(drawn, actions);
        block.put(log_p, log_probs);
        block.put(h, entropies);
    });
}

template <class T>
void score(const RaggedRows<const T>& logits, const IndexVector& actions, const Vector<T>& out,
           const Options& options) {
    const RaggedCall<T> call("logits", logits, options);
    require_size("actions", actions, call.rows());
    require_size("out", out, call.values());
    call.run([&] { call.check("logits", logits.values, &actions); }, [&](const Block& block, std::int64_t) {
        const Matrix<T> results = block.results(out);
        scorefn::score(block.rows(logits.values), block.of_rows(actions), results, block.options(options));
        block.put(results, out);
    });
}

template <class T>
void score_gradient(const RaggedRows<const T>& logits, const IndexVector& actions, const RealVector& weights,
                    const Vector<T>& out, const GradientOptions& options) {
    const RaggedCall<T> call("logits", logits, options);
    require_size("actions", actions, call.rows());
    require_size("weights", weights, call.rows());
    require_size("out", out, call.values());
    const auto check = [&] { call.check("logits", logits.values, &actions); };
    call.run(check, [&](const Block& block, std::int64_t) {
        GradientOptions of_block = options;
        static_cast<Options&>(of_block) = block.options(options);
        const Matrix<T> gradient = block.results(out, options.accumulate);
        scorefn::score_gradient(block.rows(logits.values), block.of_rows(actions), block.of_rows(weights),
                                gradient, of_block);
        block.put(gradient, out);
    }, options.accumulate);
}

// The objective with the numbers of a block's rows. A function of a caller's own is told the rows of the call.
class ObjectiveOfBlock {
public:
    ObjectiveOfBlock(const Objective& objective, const Block& block)
        : of_call_(objective), block_(block), of_block_(objective) {
        for (RealVector& numbers : of_block_.reads) numbers = block.of_rows(numbers);
        if (objective.place == Objective::kOwn) of_block_.own = {call_own, this};
    }
    operator const Objective&() const { return of_block_; }

private:
    static void call_own(const void* context, std::int64_t first, int count, const double* log_prob,
                         double* value, double* derivative) {
        const auto& self = *static_cast<const ObjectiveOfBlock*>(context);
        for (int i = 0; i < count; ++i)
            self.of_call_.own.function(self.of_call_.own.context, self.block_.row(first + i), 1, log_prob + i,
                                       value + i, derivative + i);
    }

    const Objective& of_call_;
    const Block& block_;
    Objective of_block_;
};

// The objective over all actions with what belongs to a block's rows.
template <class T>
AllActionObjective<T> of_rows(const Block& block, AllActionObjective<T> objective) {
    objective.matrix = block.rows(objective.matrix);
    objective.weights = block.of_rows(objective.weights);
    return objective;
}

// pass(block, gradient, results, options of all its rows), for all rows.
template <class T, class Pass>
void run_pass(const RaggedRows<const T>& logits, const IndexVector* actions,
              const AllActionObjective<T>& term, const Vector<T>& out, ObjectiveResults<T>& results,
              const PassOptions& options, Pass pass) {
    const RaggedCall<T> call("logits", logits, options);
    if (actions) require_size("actions", *actions, call.rows());
    require_size("gradient", out, call.values());
    const bool has_term = term.kind != AllActions::nothing;
    if (has_term) require_shape("term.matrix", term.matrix, 1, call.values());
    const auto check = [&] {
        call.check("logits", logits.values, actions);
        if (is_divergence(term.kind)) call.check("reference", flat(term.matrix), nullptr);
        if (term.kind == AllActions::cross_entropy) call.check_targets(flat(term.matrix), logits.values);
    };
    RowSums<kMostTerms> sums(call.tasks(), 1);
    call.run(check, [&](const Block& block, std::int64_t task) {
        const Matrix<T> gradient = block.results(out, options.accumulate);
        ObjectiveResults<T> of_block;
        const auto for_each_result = [&](auto visit) {
            visit(of_block.log_prob, results.log_prob);
            visit(of_block.entropy, results.entropy);
            visit(of_block.term, results.term);
            for (int i = 0; i < kMostTerms; ++i) visit(of_block.writes[i], results.writes[i]);
        };
        for_each_result(
            [&](Vector<T>& to, const Vector<T>& of_call) { to = block.results_of_rows(of_call); });
        PassOptions with_entropies = options;
        static_cast<Options&>(with_entropies) = block.options(options);
        with_entropies.entropy_coef = block.of_rows(options.entropy_coef);
        pass(block, gradient, of_block, with_entropies);
        block.put(gradient, out);
        for_each_result([&](const Vector<T>& from, const Vector<T>& to) { block.put(from, to); });
        for (int i = 0; i < kMostTerms; ++i) sums.of_row(task)[i] += of_block.sums[i];
    }, options.accumulate);
    std::copy_n(sums.total(options.num_threads), kMostTerms, results.sums);
}

template <class T>
void score_gradient(const RaggedRows<const T>& logits, const IndexVector& actions, const Objective& objective,
                    const Vector<T>& out, ObjectiveResults<T>& results, const ObjectiveOptions<T>& options) {
    const StandardFloatEnvironment environment;
    const std::int64_t rows = num_rows(logits);
    ObjectivePass<T>(objective, results, options.valid).check(rows, options.num_threads);
    TermPass<T>(options.term, options.entropy_coef, results.term).check(rows);
    run_pass<T>(logits, &actions, options.term, out, results, options,
                [&](const Block& block, const Matrix<T>& gradient, ObjectiveResults<T>& of_block,
                    const PassOptions& with_entropies) {
        ObjectiveOptions<T> with_terms;
        static_cast<PassOptions&>(with_terms) = with_entropies;
        with_terms.term = of_rows(block, options.term);
        scorefn::score_gradient(block.rows(logits.values), block.of_rows(actions),
                                ObjectiveOfBlock(objective, block), gradient, of_block, with_terms);
    });
}

template <class T>
void score_gradient(const RaggedRows<const T>& logits, const AllActionObjective<T>& objective,
                    const Vector<T>& out, ObjectiveResults<T>& results, const PassOptions& options) {
    TermPass<T>(objective, options.entropy_coef, results.term).check_alone(results, num_rows(logits));
    run_pass<T>(logits, nullptr, objective, out, results, options,
                [&](const Block& block, const Matrix<T>& gradient, ObjectiveResults<T>& of_block,
                    const PassOptions& with_entropies) {
        scorefn::score_gradient(block.rows(logits.values), of_rows(block, objective), gradient, of_block,
                                with_entropies);
    });
}

}  // namespace

#define SCOREFN_DEFINE(T)                                                                                   \
    void log_softmax(RaggedRows<const T> logits, Vector<T> out, const Options& options) {                   \
        normalize<T>(logits, out, options, [](auto... of) { log_softmax(of...); });                         \
    }                                                                                                       \
    void softmax(RaggedRows<const T> logits, Vector<T> out, const Options& options) {                       \
        normalize<T>(logits, out, options, [](auto... of) { softmax(of...); });                             \
    }                                                                                                       \
    void logsumexp(RaggedRows<const T> logits, Vector<T> out, const Options& options) {                     \
        reduce<T>(logits, out, options, [](auto... of) { logsumexp(of...); });                              \
    }                                                                                                       \
    void entropy(RaggedRows<const T> logits, Vector<T> out, const Options& options) {                       \
        reduce<T>(logits, out, options, [](auto... of) { entropy(of...); });                                \
    }                                                                                                       \
    void log_prob(RaggedRows<const T> logits, IndexVector actions, Vector<T> out, const Options& options) { \
        log_prob<T>(logits, actions, out, options);                                                         \
    }                                                                                                       \
    void kl_divergence(RaggedRows<const T> logits_p, Vector<const T> logits_q, Vector<T> out,               \
                       const Options& options) {                                                            \
        kl_divergence<T>(logits_p, logits_q, out, options);                                                 \
    }                                                                                                       \
    void sample(RaggedRows<const T> logits, RandomKey key, Vector<std::int64_t> actions,                    \
                Vector<T> log_probs, Vector<T> entropies, const Options& options) {                         \
        sample<T>(logits, key, actions, log_probs, entropies, options);                                     \
    }                                                                                                       \
    void score(RaggedRows<const T> logits, IndexVector actions, Vector<T> out, const Options& options) {    \
        score<T>(logits, actions, out, options);                                                            \
    }                                                                                                       \
    void score_gradient(RaggedRows<const T> logits, IndexVector actions, RealVector weights, Vector<T> out, \
                        const GradientOptions& options) {                                                   \
        score_gradient<T>(logits, actions, weights, out, options);                                          \
    }                                                                                                       \
    void score_gradient(RaggedRows<const T> logits, IndexVector actions, const Objective& objective,        \
                        Vector<T> out, ObjectiveResults<T>& results, const ObjectiveOptions<T>& options) {  \
        score_gradient<T>(logits, actions, objective, out, results, options);                               \
    }                                                                                                       \
    void score_gradient(RaggedRows<const T> logits, const AllActionObjective<T>& objective, Vector<T> out,  \
                        ObjectiveResults<T>& results, const PassOptions& options) {                         \
        score_gradient<T>(logits, objective, out, results, options);                                        \
    }
SCOREFN_DEFINE(float)
SCOREFN_DEFINE(double)

}  // namespace scorefn
