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
    const auto check = [&] { call.check("logits", logits.values, nullptr); };
    call.run(check, [&](const Window& window, std::int64_t) {
        const Vector<const T> z = window.entries(logits.values);
        const Vector<T> results = window.results(out);
        const Options of_window = window.options(options);
        for (const EqualRows& part : window.parts())
            dense(part.rows(z), part.rows(results), part.options(of_window));
        window.put(results, out);
    });
}

// dense(matrix of logits, a result for each row, options)
template <class T, class Dense>
void reduce(const RaggedRows<const T>& logits, const Vector<T>& out, const Options& options, Dense dense) {
    const RaggedCall<T> call("logits", logits, options);
    require_size("out", out, call.rows());
    const auto check = [&] { call.check("logits", logits.values, nullptr); };
    call.run(check, [&](const Window& window, std::int64_t) {
        const Vector<const T> z = window.entries(logits.values);
        const Vector<T> results = window.results_of_rows(out);
        const Options of_window = window.options(options);
        for (const EqualRows& part : window.parts())
            dense(part.rows(z), part.of_rows(results), part.options(of_window));
        window.put_of_rows(results, out);
    });
}

template <class T>
void log_prob(const RaggedRows<const T>& logits, const IndexVector& actions, const Vector<T>& out,
              const Options& options) {
    const RaggedCall<T> call("logits", logits, options);
    require_size("actions", actions, call.rows());
    require_size("out", out, call.rows());
    const auto check = [&] { call.check("logits", logits.values, &actions); };
    call.run(check, [&](const Window& window, std::int64_t) {
        const Vector<const T> z = window.entries(logits.values);
        const IndexVector taken = window.of_rows(actions);
        const Vector<T> results = window.results_of_rows(out);
        const Options of_window = window.options(options);
        for (const EqualRows& part : window.parts())
            scorefn::log_prob(part.rows(z), part.of_rows(taken), part.of_rows(results),
                              part.options(of_window));
        window.put_of_rows(results, out);
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
    call.run(check, [&](const Window& window, std::int64_t) {
        const Vector<const T> p = window.entries(logits_p.values), q = window.entries(logits_q);
        const Vector<T> results = window.results_of_rows(out);
        const Options of_window = window.options(options);
        for (const EqualRows& part : window.parts())
            scorefn::kl_divergence(part.rows(p), part.rows(q), part.of_rows(results),
                                   part.options(of_window));
        window.put_of_rows(results, out);
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
    call.run(check, [&](const Window& window, std::int64_t) {
        const Vector<const T> z = window.entries(logits.values);
        const RowNumbers numbers = window.row_numbers();
        const Vector<std::int64_t> drawn = window.results_of_rows(actions);
        const Vector<T> log_p = window.results_of_rows(log_probs), h = window.results_of_rows(entropies);
        const Options of_window = window.options(options);
        for (const EqualRows& part : window.parts())
            sample_rows(part.rows(z), key, from(numbers, part.first), column(part.of_rows(drawn)),
                        column(part.of_rows(log_p)), part.of_rows(h), part.options(of_window));
        window.put_of_rows(drawn, actions);
        window.put_of_rows(log_p, log_probs);
        window.put_of_rows(h, entropies);
    });
}

template <class T>
void score(const RaggedRows<const T>& logits, const IndexVector& actions, const Vector<T>& out,
           const Options& options) {
    const RaggedCall<T> call("logits", logits, options);
    require_size("actions", actions, call.rows());
    require_size("out", out, call.values());
    const auto check = [&] { call.check("logits", logits.values, &actions); };
    call.run(check, [&](const Window& window, std::int64_t) {
        const Vector<const T> z = window.entries(logits.values);
        const IndexVector taken = window.of_rows(actions);
        const Vector<T> results = window.results(out);
        const Options of_window = window.options(options);
        for (const EqualRows& part : window.parts())
            scorefn::score(part.rows(z), part.of_rows(taken), part.rows(results), part.options(of_window));
        window.put(results, out);
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
    call.run(check, [&](const Window& window, std::int64_t) {
        const Vector<const T> z = window.entries(logits.values);
        const IndexVector taken = window.of_rows(actions);
        const RealVector w = window.of_rows(weights);
        const Vector<T> gradient = window.results(out, options.accumulate);
        const Options of_window = window.options(options);
        for (const EqualRows& part : window.parts()) {
            GradientOptions of_part = options;
            static_cast<Options&>(of_part) = part.options(of_window);
            scorefn::score_gradient(part.rows(z), part.of_rows(taken), part.of_rows(w), part.rows(gradient),
                                    of_part);
        }
        window.put(gradient, out);
    }, options.accumulate);
}

// What a pass takes and gives, as a window or a block has it.
template <class Part>
PassOptions part_of(const Part& part, const PassOptions& all) {
    PassOptions options = all;
    static_cast<Options&>(options) = part.options(all);
    options.entropy_coef = part.of_rows(all.entropy_coef);
    return options;
}
template <class Part>
Objective part_of(const Part& part, const Objective& all) {
    Objective objective = all;
    for (RealVector& numbers : objective.reads) numbers = part.of_rows(numbers);
    return objective;
}
template <class T, class Part>
AllActionObjective<T> part_of(const Part& part, const AllActionObjective<T>& all) {
    AllActionObjective<T> objective = all;
    objective.matrix = part.entries(all.matrix);
    objective.weights = part.of_rows(all.weights);
    return objective;
}
template <class T, class Part>
ObjectiveResults<T> part_of(const Part& part, const ObjectiveResults<T>& all) {
    ObjectiveResults<T> results;
    results.log_prob = part.results_of_rows(all.log_prob);
    results.entropy = part.results_of_rows(all.entropy);
    results.term = part.results_of_rows(all.term);
    for (int i = 0; i < kMostTerms; ++i) results.writes[i] = part.results_of_rows(all.writes[i]);
    return results;
}
template <class T>
void put(const Window& window, const ObjectiveResults<T>& results, const ObjectiveResults<T>& out) {
    window.put_of_rows(results.log_prob, out.log_prob);
    window.put_of_rows(results.entropy, out.entropy);
    window.put_of_rows(results.term, out.term);
    for (int i = 0; i < kMostTerms; ++i) window.put_of_rows(results.writes[i], out.writes[i]);
}

// A function of a caller's own is told the rows of the call.
struct OwnOfPart {
    const Objective& of_call;
    const Window& window;
    std::int64_t first;

    static void call(const void* context, std::int64_t row, int count, const double* log_prob, double* value,
                     double* derivative) {
        const auto& self = *static_cast<const OwnOfPart*>(context);
        for (int i = 0; i < count; ++i)
            self.of_call.own.function(self.of_call.own.context, self.window.row(self.first + row + i), 1,
                                      log_prob + i, value + i, derivative + i);
    }
};

// Of an objective, if there is one, and a term.
template <class T>
void run_pass(const RaggedRows<const T>& logits, const IndexVector& actions, const Objective* objective,
              const AllActionObjective<T>& term, const Vector<T>& out, ObjectiveResults<T>& results,
              const PassOptions& options) {
    const RaggedCall<T> call("logits", logits, options);
    if (objective) require_size("actions", actions, call.rows());
    require_size("gradient", out, call.values());
    const bool has_term = term.kind != AllActions::nothing;
    if (has_term) require_shape("term.matrix", term.matrix, 1, call.values());
    const auto check = [&] {
        call.check("logits", logits.values, objective ? &actions : nullptr);
        if (is_divergence(term.kind)) call.check("reference", flat(term.matrix), nullptr);
        if (term.kind == AllActions::cross_entropy) call.check_targets(flat(term.matrix), logits.values);
    };
    RowSums<kMostTerms> sums(call.tasks(), 1);
    call.run(check, [&](const Window& window, std::int64_t task) {
        const Vector<const T> z = window.entries(logits.values);
        const Vector<T> gradient = window.results(out, options.accumulate);
        const ObjectiveResults<T> of_window = part_of(window, results);
        const PassOptions window_options = part_of(window, options);
        const AllActionObjective<T> window_term = part_of(window, term);
        const IndexVector taken = objective ? window.of_rows(actions) : actions;
        const Objective window_objective = objective ? part_of(window, *objective) : Objective();
        for (const EqualRows& part : window.parts()) {
            ObjectiveResults<T> of_part = part_of(part, of_window);
            ObjectiveOptions<T> part_options;
            static_cast<PassOptions&>(part_options) = part_of(part, window_options);
            const AllActionObjective<T> part_term = part_of(part, window_term);
            if (!objective) {
                scorefn::score_gradient(part.rows(z), part_term, part.rows(gradient), of_part, part_options);
            } else {
                part_options.term = part_term;
                Objective part_objective = part_of(part, window_objective);
                const OwnOfPart own{*objective, window, part.first};
                if (objective->place == Objective::kOwn) part_objective.own = {OwnOfPart::call, &own};
                scorefn::score_gradient(part.rows(z), part.of_rows(taken), part_objective,
                                        part.rows(gradient), of_part, part_options);
            }
            for (int i = 0; i < kMostTerms; ++i) sums.of_row(task)[i] += of_part.sums[i];
        }
        window.put(gradient, out);
        put(window, of_window, results);
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
    run_pass<T>(logits, actions, &objective, options.term, out, results, options);
}

template <class T>
void score_gradient(const RaggedRows<const T>& logits, const AllActionObjective<T>& objective,
                    const Vector<T>& out, ObjectiveResults<T>& results, const PassOptions& options) {
    TermPass<T>(objective, options.entropy_coef, results.term).check_alone(results, num_rows(logits));
    run_pass<T>(logits, {}, nullptr, objective, out, results, options);
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
