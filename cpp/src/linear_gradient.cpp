// Features are streamed in blocks of rows that stay in cache: logits = x @ coef, then g = the gradient with respect to
// them, then sums += x^T @ g. The products and sums are in double; only the blocks at work exist at a time.

#include <scorefn/gradient.hpp>
#include <vector>

#include "rows.hpp"

namespace scorefn {
namespace {

constexpr std::int64_t kMostBlockRows = 256;

// One block of samples. x is in double, (rows, features); logits and g are (rows, actions).
template <class T>
struct Block {
    std::int64_t first = 0, rows = 0;
    std::vector<double> x;
    std::vector<T> logits, g;
    std::int64_t action[kMostBlockRows];
    T weight[kMostBlockRows];

    Block(std::int64_t rows, std::int64_t features, std::int64_t actions)
        : x(static_cast<std::size_t>(rows * features)),
          logits(static_cast<std::size_t>(rows * actions)),
          g(logits.size()) {}
};

template <class T>
class LinearGradient {
public:
    const std::int64_t num_samples, num_features, num_actions, block_rows;

    // `block_size`: about how many features and logits of a block.
    LinearGradient(const Matrix<const T>& features, const Matrix<const T>& coef, const IndexVector& actions,
                   const RealVector& weights, const GradientOptions& options, std::int64_t block_size)
        : num_samples(features.rows),
          num_features(coef.rows),
          num_actions(coef.cols),
          block_rows(std::clamp<std::int64_t>(block_size / (coef.rows + coef.cols), 16, kMostBlockRows)),
          features_(features),
          actions_(actions),
          weights_(weights),
          options_(options) {
        coef_.reserve(static_cast<std::size_t>(num_features * num_actions));
        for (std::int64_t f = 0; f < num_features; ++f)
            for (std::int64_t k = 0; k < num_actions; ++k) coef_.push_back(coef(f, k));
    }

    Block<T> make_block() const { return Block<T>(block_rows, num_features, num_actions); }

    // The block of the samples from `first` on, up to `end`.
    void load_block(Block<T>& block, std::int64_t first, std::int64_t end) {
        block.first = first;
        block.rows = std::min(block_rows, end - first);
        load(actions_, first, block.rows, block.action);
        load(weights_, first, block.rows, block.weight);
        if (!in_range(block.action, block.rows, num_actions)) {
            actions_changed_ = true;
            std::fill_n(block.action, block.rows, 0);
        }
        double* x = block.x.data();
        for (std::int64_t i = first; i < first + block.rows; ++i)
            for (std::int64_t f = 0; f < num_features; ++f) *x++ = static_cast<double>(features_(i, f));
    }

    // logits and g of the block's rows begin .. end - 1.
    void score_rows(Block<T>& block, std::int64_t begin, std::int64_t end) {
        const Kernels<T>& kernel = kernels().of<T>();
        double* const x = block.x.data() + begin * num_features;
        T* const logits = block.logits.data() + begin * num_actions;
        kernel.linear_logits(x, coef_.data(), end - begin, num_features, num_actions, logits);

        LogitRows<T> rows =
            logit_rows(Matrix<const T>(logits, end - begin, num_actions), options_.where, 0, end - begin);
        if (rows.where) rows.where += (block.first + begin) * rows.where_row_stride;
        const std::int64_t bad = kernel.weighted_log_prob_gradient(
            rows, block.weight + begin,
            {block.action + begin, static_cast<T>(options_.entropy_coef), nullptr, nullptr},
            {block.g.data() + begin * num_actions, num_actions, num_actions, 1}, false,
            thread_scratch(scratch_bytes(num_actions)));
        if (bad >= 0) blame(block.first + begin + bad);

        // A weight of 0 contributes 0 even where a feature is not finite.
        for (std::int64_t r = begin; r < end && options_.entropy_coef == 0; ++r)
            if (block.weight[r] == 0) std::fill_n(block.x.data() + r * num_features, num_features, 0.0);
    }

    // sums[f, :] += the block's x[:, f] @ g, for the features begin .. end - 1.
    void accumulate(const Block<T>& block, std::int64_t begin, std::int64_t end, double* sums) const {
        kernels().of<T>().linear_accumulate(block.x.data(), block.g.data(), block.rows, num_features,
                                            num_actions, begin, end, sums);
    }

    void throw_if_bad() const {
        if (first_bad_ < num_samples) throw_no_allowed_action("features", first_bad_, " @ coef");
        if (actions_changed_) throw std::runtime_error("actions were changed during the call");
    }

private:
    void blame(std::int64_t row) {
        std::int64_t seen = first_bad_;
        while (row < seen && !first_bad_.compare_exchange_weak(seen, row)) {}
    }

    const Matrix<const T>& features_;
    const IndexVector& actions_;
    const RealVector& weights_;
    const GradientOptions& options_;
    std::vector<T> coef_;  // contiguous
    std::atomic<std::int64_t> first_bad_{num_samples};
    std::atomic<bool> actions_changed_{false};
};

// Few parameters: chunks of samples in parallel, each with sums of its own, merged in a fixed tree. A chunk has no
// fewer samples than there are parameters, so the sums take no more memory than the features.
template <class T>
std::vector<double> sum_over_chunks(LinearGradient<T>& gradient, std::int64_t per_chunk, int num_threads) {
    const std::int64_t parameters = gradient.num_features * gradient.num_actions;
    const std::int64_t chunks = std::max<std::int64_t>(1, (gradient.num_samples + per_chunk - 1) / per_chunk);
    std::vector<double> sums(static_cast<std::size_t>(chunks * parameters));
    parallel_for(chunks, num_threads, [&](std::int64_t chunk) {
        Block<T> block = gradient.make_block();
        const std::int64_t end = std::min(gradient.num_samples, (chunk + 1) * per_chunk);
        for (std::int64_t first = chunk * per_chunk; first < end; first += gradient.block_rows) {
            gradient.load_block(block, first, end);
            gradient.score_rows(block, 0, block.rows);
            gradient.accumulate(block, 0, gradient.num_features, sums.data() + chunk * parameters);
        }
    });
    merge_tree(sums.data(), chunks, parameters, num_threads);
    return sums;
}

// Many parameters: one set of sums; the rows of each block in parallel, then its features.
template <class T>
std::vector<double> sum_over_blocks(LinearGradient<T>& gradient, int num_threads) {
    constexpr std::int64_t kRows = 4, kFeatures = 16;
    std::vector<double> sums(static_cast<std::size_t>(gradient.num_features * gradient.num_actions));
    Block<T> block = gradient.make_block();
    for (std::int64_t first = 0; first < gradient.num_samples; first += gradient.block_rows) {
        gradient.load_block(block, first, gradient.num_samples);
        parallel_for((block.rows + kRows - 1) / kRows, num_threads, [&](std::int64_t i) {
            gradient.score_rows(block, i * kRows, std::min(block.rows, (i + 1) * kRows));
        });
        parallel_for((gradient.num_features + kFeatures - 1) / kFeatures, num_threads, [&](std::int64_t i) {
            gradient.accumulate(block, i * kFeatures, std::min(gradient.num_features, (i + 1) * kFeatures),
                                sums.data());
        });
    }
    return sums;
}

}  // namespace

template <class T>
void linear_gradient(Matrix<const T> features, Matrix<const T> coef, IndexVector actions, RealVector weights,
                     Matrix<T> out, const GradientOptions& options) {
    if (coef.cols < 1) throw std::invalid_argument("coef must have at least one action, got 0");
    require_shape("coef", coef.rows, coef.cols, features.cols, coef.cols);
    require_shape("out", out.rows, out.cols, coef.rows, coef.cols);
    require_size("actions", actions.size, features.rows);
    require_size("weights", weights.size, features.rows);
    if (options.where)
        require_shape("where", options.where.rows, options.where.cols, features.rows, coef.cols);
    require_in_range("actions", actions, coef.cols, "actions", options.num_threads);

    // Which of the two depends on the shapes alone, so the bits do not depend on the number of threads. A block of
    // one thread stays in its cache; one that all threads share is large enough to be worth sharing.
    constexpr std::int64_t kSmallestChunk = 4096, kSharedBlock = 1 << 20;
    const std::int64_t parameters = coef.rows * coef.cols;
    const bool in_chunks = parameters <= std::max(kSmallestChunk, features.rows);
    LinearGradient<T> gradient(features, coef, actions, weights, options,
                               in_chunks ? kElementsPerBlock : kSharedBlock);
    const std::vector<double> sums =
        in_chunks ? sum_over_chunks(gradient, std::max(kSmallestChunk, parameters), options.num_threads)
                  : sum_over_blocks(gradient, options.num_threads);
    gradient.throw_if_bad();

    const double* sum = sums.data();
    for (std::int64_t f = 0; f < out.rows; ++f)
        for (std::int64_t k = 0; k < out.cols; ++k, ++sum)
            out(f, k) = static_cast<T>(options.accumulate ? out(f, k) + *sum : *sum);
}

#define SCOREFN_INSTANTIATE(T)                                                                          \
    template void linear_gradient(Matrix<const T>, Matrix<const T>, IndexVector, RealVector, Matrix<T>, \
                                  const GradientOptions&);
SCOREFN_INSTANTIATE(float)
SCOREFN_INSTANTIATE(double)

}  // namespace scorefn
