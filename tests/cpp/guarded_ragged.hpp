// A call for ragged rows whose arrays lie right before or right after a page that may not be touched.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <scorefn/scorefn.hpp>
#include <vector>

#include "guarded_memory.hpp"

// The results of sample, kl_divergence and an objective with a term, for rows of these lengths.
template <class T>
class GuardedRagged {
public:
    GuardedRagged(const std::vector<std::int32_t>& lengths, bool at_end) : at_end_(at_end) {
        const auto rows = static_cast<std::int64_t>(lengths.size());
        std::vector<std::int32_t> begins = {0};
        for (const std::int32_t length : lengths) begins.push_back(begins.back() + length);
        const std::int64_t size = begins.back();
        const auto number = [](std::int64_t i) { return static_cast<T>(i * 31 % 29) / T(3) - T(5); };
        const Vector<T> z = filled<T>(size, number), q = filled<T>(size, [&](auto i) { return -number(i); });
        const Vector<bool> where = filled<bool>(
            size, [&](auto i) { return i % 4 != 1 || std::binary_search(begins.begin(), begins.end(), i); });
        const Vector<std::int32_t> offsets = filled<std::int32_t>(
            rows + 1, [&](std::int64_t i) { return begins[static_cast<std::size_t>(i)]; });
        const Vector<std::int16_t> actions = filled<std::int16_t>(rows, [](auto) { return std::int16_t{0}; });
        const Vector<double> weights =
            filled<double>(rows, [](std::int64_t i) { return 0.5 * static_cast<double>(i % 3); });
        const Vector<bool> valid = filled<bool>(rows, [](std::int64_t i) { return i % 5 != 2; });

        scorefn::ObjectiveOptions<T> options;
        options.where = {where.data, 1, size};
        options.valid = valid;
        options.num_threads = 1;
        options.entropy_coef = 0.25;
        options.term = {scorefn::AllActions::reverse_kl, {q.data, 1, size}, scorefn::RealVector(weights)};
        const scorefn::RaggedRows<const T> logits{z, offsets};
        const auto zeros = [this](std::int64_t count) { return result<T>(count); };
        kl_divergence(logits, q, zeros(rows), options);
        sample(logits, {{1, 2}}, result<std::int64_t>(rows), zeros(rows), zeros(rows), options);
        scorefn::ObjectiveResults<T> results;
        results.log_prob = zeros(rows), results.entropy = zeros(rows), results.term = zeros(rows);
        results.writes[0] = zeros(rows);
        score_gradient(logits, actions, scorefn::ClippedSurrogate{weights, weights}, zeros(size), results,
                       options);
    }

    std::vector<char> bytes() const {
        std::vector<char> all;
        for (const auto& [data, count] : results_) all.insert(all.end(), data, data + count);
        return all;
    }

private:
    template <class E>
    using Vector = scorefn::Vector<E>;

    template <class E, class Number>
    Vector<E> filled(std::int64_t count, Number number) {
        E* const data = region(used_++).place<E>(count, at_end_);
        for (std::int64_t i = 0; i < count; ++i) data[i] = number(i);
        return {data, count};
    }
    template <class E>
    Vector<E> result(std::int64_t count) {
        const Vector<E> zeros = filled<E>(count, [](auto) { return E(0); });
        results_.push_back(
            {reinterpret_cast<const char*>(zeros.data), count * static_cast<std::int64_t>(sizeof(E))});
        return zeros;
    }

    const bool at_end_;
    int used_ = 0;
    std::vector<std::pair<const char*, std::int64_t>> results_;
};
