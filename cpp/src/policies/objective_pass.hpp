// An objective on its way through the rows of a policy: its numbers from a row on, its results, and its sums.
#pragma once

#include <cmath>
#include <scorefn/objectives.hpp>
#include <vector>

#include "policies/rows.hpp"

namespace scorefn {

// Sums over rows, taken in order within each block of rows, then in a fixed tree over the blocks.
template <int Count>
class RowSums {
public:
    RowSums(std::int64_t rows, std::int64_t rows_per_task)
        : rows_per_task_(rows_per_task),
          tasks_(std::max<std::int64_t>(1, (rows + rows_per_task - 1) / rows_per_task)),
          sums_(static_cast<std::size_t>(tasks_ * Count)) {}

    double* of_row(std::int64_t row) { return sums_.data() + row / rows_per_task_ * Count; }
    const double* total(int num_threads) {
        merge_tree(sums_.data(), tasks_, Count, num_threads);
        // Which NaN a sum of inf and -inf passes on may depend on the compiler.
        for (int i = 0; i < Count; ++i)
            if (std::isnan(sums_[static_cast<std::size_t>(i)]))
                sums_[static_cast<std::size_t>(i)] = std::numeric_limits<double>::quiet_NaN();
        return sums_.data();
    }

private:
    std::int64_t rows_per_task_, tasks_;
    std::vector<double> sums_;
};

// The lanes of a sum folded in a fixed tree. NaN has one sign and payload.
template <class T>
double fold_lanes(const double (&lanes)[16]) {
    double x[8];
    for (int i = 0; i < 8; ++i) x[i] = sizeof(T) == sizeof(float) ? lanes[i] + lanes[8 + i] : lanes[i];
    const double sum = ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
    return sum == sum ? sum : std::numeric_limits<double>::quiet_NaN();
}

// Throws BadValue at the first number of a sample that counts that is outside its domain, once it is rounded to T.
template <class T>
void require_domain(const SampleNumber& number, const RealVector& values, const ValidRows& valid,
                    int num_threads);

template <class T>
class ObjectivePass {
public:
    ObjectivePass(const Objective& objective, ObjectiveResults<T>& results,
                  const Vector<const bool>& valid = {})
        : objective_(objective),
          results_(results),
          valid_(valid),
          coefficients_(is_own() ? own_coefficients : kernels().of<T>().objectives[objective.place]) {}

    // Every array has a number for each sample, and every option a value of its domain.
    void check(std::int64_t samples, int num_threads) const {
        require_valid(valid_, samples);
        for (int i = 0; i < kMostTerms && !is_own(); ++i) {
            const ObjectiveDeclaration& declared = DeclaredObjectives::declarations[objective_.place];
            if (declared.reads[i].name) {
                require_size(declared.reads[i].name, objective_.reads[i], samples);
                require_domain<T>(declared.reads[i], objective_.reads[i], valid_rows(valid_), num_threads);
            }
            if (declared.options[i].name) require_option(declared.options[i], objective_.options[i]);
            if (is_given(results_.writes[i]))
                require_size(declared.writes[i].name, results_.writes[i], samples);
        }
        if (is_given(results_.log_prob)) require_size("log_prob", results_.log_prob, samples);
        if (is_given(results_.entropy)) require_size("entropy", results_.entropy, samples);
    }

    struct Context : ObjectiveContext<T> {
        const Objective* own = nullptr;
        std::int64_t first = 0;
    };
    // Of the samples from `first` on.
    Context context(std::int64_t first) const {
        Context context;
        context.own = &objective_, context.first = first;
        context.valid = valid_rows(valid_, first);
        for (int i = 0; i < kMostTerms; ++i) {
            context.reads[i] = objective_.reads[i].data ? from(objective_.reads[i], first) : RealVector();
            context.options[i] = objective_.options[i];
            context.writes[i] = from(results_.writes[i], first);
        }
        return context;
    }
    RowObjective<T> row_objective(Context& context) const {
        return {coefficients_, static_cast<ObjectiveContext<T>*>(&context)};
    }
    // The derivatives with respect to log_prob[i] of the samples first .. first + count - 1 of the context. Both arrays have
    // room for whole tiles.
    void differentiate(Context& context, std::int64_t first, std::int64_t count, const T* log_prob,
                       T* derivative) const {
        const RowObjective<T> rows = row_objective(context);
        rows.coefficients(rows.context, first, static_cast<int>(count), log_prob, derivative);
    }
    Vector<T> log_prob(std::int64_t first) const { return from(results_.log_prob, first); }
    Vector<T> entropy(std::int64_t first) const { return from(results_.entropy, first); }

    // The results of samples that do not count.
    void clear_invalid(std::int64_t first, std::int64_t count) const {
        const ValidRows valid = valid_rows(valid_, first);
        scorefn::clear_invalid(valid, first, count, results_.log_prob);
        scorefn::clear_invalid(valid, first, count, results_.entropy);
        scorefn::clear_invalid(valid, first, count, results_.term);
        for (const Vector<T>& writes : results_.writes) scorefn::clear_invalid(valid, first, count, writes);
    }

    // The sums of a context to sums[0 .. kMostTerms - 1].
    static void add_sums(const ObjectiveContext<T>& context, double* sums) {
        for (int i = 0; i < kMostTerms; ++i) sums[i] += fold_lanes<T>(context.sums[i]);
    }
    void set_sums(const double* sums) const { std::copy_n(sums, kMostTerms, results_.sums); }

private:
    bool is_own() const { return objective_.place == Objective::kOwn; }
    static void own_coefficients(void* context, std::int64_t first, int count, const T* log_prob,
                                 T* derivative) {
        constexpr int most = 64 / sizeof(T);
        Context& of_samples = *static_cast<Context*>(static_cast<ObjectiveContext<T>*>(context));
        const auto& own = of_samples.own->own;
        for (int i = 0; i < count; i += most) {
            const int rows = std::min(most, count - i);
            double log_probs[most] = {}, values[most] = {}, derivatives[most] = {};
            std::copy_n(log_prob + i, rows, log_probs);
            own.function(own.context, of_samples.first + first + i, rows, log_probs, values, derivatives);
            for (int r = 0; r < rows; ++r) {
                const bool counts = is_valid(of_samples.valid, first + i + r);
                of_samples.sums[0][r] += counts ? values[r] : 0.0;
                derivative[i + r] = counts ? static_cast<T>(derivatives[r]) : T(0);
            }
        }
    }

    const Objective& objective_;
    ObjectiveResults<T>& results_;
    const Vector<const bool> valid_;
    const Coefficients<T> coefficients_;
};

}  // namespace scorefn
