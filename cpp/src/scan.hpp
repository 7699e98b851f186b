// The backward scan over time that all credit stands on, one for each environment:
//     x_t = u_t + v_t x_{t+1},  x_T = 0
// A formula makes u and v of the numbers of a step. Steps that are not valid are passed over. Each environment is worked on
// alone, so the bits do not depend on the number of threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <scorefn/credit.hpp>

#include "check.hpp"
#include "runtime/memory.hpp"
#include "runtime/parallel.hpp"
#include "policies/rows.hpp"

namespace scorefn {

// A number that a formula reads of each step, and its place in a buffer. No data: 0.
template <class T>
struct StepInput {
    const char* name;
    Matrix<const T> values;
    double (StepBuffer::*place)[StepBuffer::size];
    typename StepRow<T>::Numbers StepRow<T>::* in_row = nullptr;
    bool may_be_minus_infinity = false;
};

// Formula: `num_inputs`; `truncates_last`, whether the last valid step counts as truncated; reads(input, terminated,
// truncated), whether a valid step needs that input; `has_rows`, whether there is scan_row(kernels, row, width,
// carried); `num_carried`, how many numbers an environment carries; scan(kernels, buffer, times, width, carried), whether all numbers
// are good.
template <class T, class Formula>
class Scan {
public:
    using Inputs = StepInput<T>[Formula::num_inputs];

    // No data in `out`: only a look at the numbers. `advantages`: a second result, if there is data.
    Scan(const EpisodeSteps<T>& steps, const Inputs& inputs, const Formula& formula, const Matrix<T>& out,
         const Matrix<T>& advantages)
        : num_steps_(steps.rewards.rows),
          num_environments_(steps.rewards.cols),
          steps_(steps),
          inputs_(inputs),
          formula_(formula),
          out_(out),
          advantages_(advantages) {
        for (auto& bad : first_bad_) bad = num_steps_ * num_environments_;
    }

    void run(int num_threads) {
        if (num_steps_ == 0 || num_environments_ == 0) return;
        // Wide enough for long stretches of memory, narrow enough to share out.
        const std::int64_t widest = formula_.num_carried == 1 ? 8192 : StepBuffer::size,
                           width = std::clamp(num_environments_ / 16 / 64 * 64, kShortestRow, widest);
        parallel_for((num_environments_ + width - 1) / width, num_threads, [&](std::int64_t i) {
            scan_environments(i * width, std::min(width, num_environments_ - i * width));
        });
        for (int k = 0; k < Formula::num_inputs; ++k) throw_if_bad(inputs_[k], first_bad_[k]);
    }

private:
    // Fewer environments are worked on several times at once.
    static constexpr std::int64_t kShortestRow = 128;

    // Neighbouring environments, and what is carried from each of their steps to the one before it.
    struct Environments {
        std::int64_t first, count, num_without_valid;
        Zeros<double> x;
        Zeros<bool> has_valid;

        Environments(std::int64_t first, std::int64_t count, std::int64_t num_carried)
            : first(first),
              count(count),
              num_without_valid(count),
              x(count * num_carried),
              has_valid(count) {}
    };
    // Where a buffer lies.
    struct Place {
        std::int64_t time, times, environment, width;

        std::int64_t count() const { return times * width; }
    };

    void scan_environments(std::int64_t first, std::int64_t count) {
        Environments environments(first, count, formula_.num_carried);
        const Array<StepBuffer> memory(1);
        StepBuffer& buffer = memory[0];
        for (const auto& input : inputs_)
            if (!input.values) std::fill_n(buffer.*input.place, StepBuffer::size, 0.0);
        if (!steps_.terminated) std::fill_n(buffer.terminated, StepBuffer::size, 0.0);
        if (!steps_.truncated) std::fill_n(buffer.truncated, StepBuffer::size, 0.0);
        if (!steps_.valid) std::fill_n(buffer.valid, StepBuffer::size, 1.0);
        const bool is_row = count >= kShortestRow && have_rows();
        const std::int64_t width = std::min(count, StepBuffer::size),
                           times = is_row ? 1 : StepBuffer::size / width;
        for (std::int64_t end = num_steps_; end > 0; end -= times) {
            if (end / times % 64 == 0 || formula_.num_carried > 64) check_interrupt();
            const std::int64_t begin = std::max<std::int64_t>(0, end - times);
            const std::int64_t together = is_row && !needs_flags(environments) ? count : width;
            for (std::int64_t e = 0; e < count; e += together)
                scan_buffer(buffer, {begin, end - begin, first + e, std::min(together, count - e)},
                            environments, is_row);
        }
        table_.store_fence();
    }

    // Whether the numbers of neighbouring environments lie one after the other.
    bool have_rows() const {
        bool so = Formula::has_rows && out_ && out_.col_stride == 1 &&
                  (!advantages_ || advantages_.col_stride == 1);
        for (const auto& input : inputs_) so &= !input.values || input.values.col_stride == 1;
        return so;
    }

    static bool marks_last(const Environments& environments) {
        return Formula::truncates_last && environments.num_without_valid > 0;
    }
    bool needs_flags(const Environments& environments) const {
        return steps_.terminated || steps_.truncated || steps_.valid || marks_last(environments);
    }

    // Without flags a row may be longer than the buffer.
    void scan_buffer(StepBuffer& buffer, const Place& at, Environments& environments, bool is_row) {
        if (steps_.terminated) load(steps_.terminated, at, buffer.terminated);
        if (steps_.truncated) load(steps_.truncated, at, buffer.truncated);
        if (steps_.valid) load(steps_.valid, at, buffer.valid);
        const StepBuffer* const flags = needs_flags(environments) ? &buffer : nullptr;
        const bool has_marks = marks_last(environments);
        if (has_marks) truncate_last(buffer, at, environments);
        double* const x =
            environments.x.data() + (at.environment - environments.first) * formula_.num_carried;
        // An input that is not finite makes u so; the reverse need not hold, as u may overflow.
        if (!(is_row ? scan_row(flags, at, x) : scan_steps(buffer, at, x))) find_bad(buffer, at);
        if (has_marks && !steps_.truncated) std::fill_n(buffer.truncated, at.count(), 0.0);
    }

    bool scan_row(const StepBuffer* flags, const Place& at, double* x) const {
        StepRow<T> row{};
        row.flags = flags;
        row.out = &out_(at.time, at.environment);
        if (advantages_) row.advantages = &advantages_(at.time, at.environment);
        row.is_nontemporal = goes_past_caches(out_);
        for (const auto& input : inputs_)
            if (input.values)
                row.*input.in_row = {&input.values(at.time, at.environment),
                                     &input.values(std::max<std::int64_t>(at.time - 1, 0), at.environment)};
        if constexpr (Formula::has_rows) return formula_.scan_row(numbers_, row, at.width, x);
        return false;
    }
    bool scan_steps(StepBuffer& buffer, const Place& at, double* x) const {
        for (const auto& input : inputs_)
            if (input.values) load(input.values, at, buffer.*input.place);
        const bool is_good = formula_.scan(table_, buffer, at.times, at.width, x);
        if (out_) store(buffer.u, out_, at);
        if (advantages_) store(buffer.advantages, advantages_, at);
        return is_good;
    }

    static void truncate_last(StepBuffer& buffer, const Place& at, Environments& environments) {
        bool* const has_valid = environments.has_valid.data() + at.environment - environments.first;
        for (std::int64_t t = at.times - 1; t >= 0; --t) {
            for (std::int64_t e = 0; e < at.width; ++e) {
                const std::int64_t i = t * at.width + e;
                if (has_valid[e] || buffer.valid[i] == 0) continue;
                has_valid[e] = true;
                --environments.num_without_valid;
                buffer.truncated[i] = 1.0;
            }
        }
    }

    // visit(first element of the array, its stride, first element of the buffer, how many), for runs of equal stride.
    template <class Element, class Visit>
    static void for_each_run(const Matrix<Element>& x, const Place& at, Visit visit) {
        const std::int64_t start = at.time * x.row_stride + at.environment * x.col_stride;
        if (at.width == 1) return visit(start, x.row_stride, std::int64_t{0}, at.times);
        if (x.col_stride * at.width == x.row_stride)
            return visit(start, x.col_stride, std::int64_t{0}, at.count());
        for (std::int64_t t = 0; t < at.times; ++t)
            visit(start + t * x.row_stride, x.col_stride, t * at.width, at.width);
    }

    void load(const Matrix<const T>& x, const Place& at, double* to) const {
        for_each_run(x, at,
                     [&](std::int64_t from, std::int64_t stride, std::int64_t first, std::int64_t count) {
            if (stride == 1) return numbers_.load_numbers(x.data + from, count, to + first);
            for (std::int64_t i = 0; i < count; ++i)
                to[first + i] = static_cast<double>(x.data[from + i * stride]);
        });
    }
    void load(const Matrix<const bool>& x, const Place& at, double* to) const {
        const unsigned char* const flags = bytes_of(x);
        for_each_run(x, at,
                     [&](std::int64_t from, std::int64_t stride, std::int64_t first, std::int64_t count) {
            if (stride == 1) return table_.load_flags(flags + from, count, to + first);
            for (std::int64_t i = 0; i < count; ++i)
                to[first + i] = flags[from + i * stride] != 0 ? 1.0 : 0.0;
        });
    }
    void store(const double* x, const Matrix<T>& out, const Place& at) const {
        for_each_run(out, at,
                     [&](std::int64_t to, std::int64_t stride, std::int64_t first, std::int64_t count) {
            if (stride == 1) return numbers_.store_numbers(x + first, count, out.data + to);
            for (std::int64_t i = 0; i < count; ++i) out.data[to + i * stride] = static_cast<T>(x[first + i]);
        });
    }

    void find_bad(StepBuffer& buffer, const Place& at) {
        if (at.count() > StepBuffer::size) {
            for (std::int64_t e = 0; e < at.width; e += StepBuffer::size)
                find_bad(buffer, {at.time, 1, at.environment + e, std::min(StepBuffer::size, at.width - e)});
            return;
        }
        for (const auto& input : inputs_)
            if (input.values) load(input.values, at, buffer.*input.place);
        for (std::int64_t i = 0; i < at.count(); ++i) {
            if (buffer.valid[i] == 0) continue;
            const std::int64_t step =
                (at.time + i / at.width) * num_environments_ + at.environment + i % at.width;
            for (int k = 0; k < Formula::num_inputs; ++k)
                if (!is_good(inputs_[k], (buffer.*inputs_[k].place)[i]) &&
                    formula_.reads(k, buffer.terminated[i] != 0, buffer.truncated[i] != 0))
                    lower(first_bad_[k], step);
        }
    }
    static bool is_good(const StepInput<T>& input, double x) {
        return std::isfinite(x) || (input.may_be_minus_infinity && x < 0);
    }
    void throw_if_bad(const StepInput<T>& input, std::int64_t step) const {
        if (step == num_steps_ * num_environments_) return;
        const T x = input.values(step / num_environments_, step % num_environments_);
        const char* const got = x != x ? "nan" : x < 0 ? "-inf" : "inf";
        const char* const expected = input.may_be_minus_infinity ? "finite or -inf" : "finite";
        throw BadValue({input.name, step, std::string(" must be ") + expected + ", got " + got});
    }

    const std::int64_t num_steps_, num_environments_;
    const EpisodeSteps<T>& steps_;
    const Inputs& inputs_;
    const Formula& formula_;
    const Matrix<T> out_, advantages_;
    const KernelTable& table_ = kernels();
    const Kernels<T>& numbers_ = table_.of<T>();
    std::atomic<std::int64_t> first_bad_[Formula::num_inputs];
};

template <class T, class Formula>
void scan(const EpisodeSteps<T>& steps, const StepInput<T> (&inputs)[Formula::num_inputs],
          const Formula& formula, const Matrix<T>& out, const ScanOptions& options,
          const Matrix<T>& advantages = {}) {
    if (!options.may_write_on_error)
        Scan<T, Formula>(steps, inputs, formula, {}, {}).run(options.num_threads);
    Scan<T, Formula>(steps, inputs, formula, out, advantages).run(options.num_threads);
}

}  // namespace scorefn
