// libFuzzer's target: bytes become one call of the public API, with any sizes, strides, dtypes, values and indices. It runs
// twice, plainly and as described, and both must give the same bits or the same error, the one that the contract says.
#include "call.hpp"

namespace {

template <class T>
class Check {
public:
    Check(const Problem<T>& problem, const Outcome& outcome) : p_(problem), outcome_(outcome) {}

    // The ranges of the results of the functions that are a row's own, and their values where these are known.
    void run() const {
        if (function_ > Function::score) return;
        for (std::int64_t i = 0; i < p_.rows; ++i) {
            if (!p_.counts(i)) {
                check_nothing(i);
                continue;
            }
            const bool is_bad = p_.is_bad(p_.logits, i);
            switch (function_) {
                case Function::log_softmax:
                case Function::softmax:
                case Function::score:
                    for (std::int64_t j = 0; j < p_.length(i); ++j) check_entry(i, j, is_bad);
                    break;
                case Function::logsumexp:
                    require(is_bad ? is_nan(i) : std::isfinite(result(i)), "logsumexp");
                    break;
                case Function::log_prob: check_log_prob(i, is_bad); break;
                case Function::entropy: require(is_bad ? is_nan(i) : is_entropy(i), "entropy"); break;
                case Function::kl_divergence:
                    require(is_bad || p_.is_bad(p_.other_logits, i) ? is_nan(i) : result(i) >= 0,
                            "kl_divergence");
                    break;
                case Function::sample: check_draws(i); break;
                default: break;
            }
        }
    }

private:
    double result(std::int64_t i, std::size_t of = 0) const {
        return outcome_.results[of][static_cast<std::size_t>(i)];
    }
    bool is_nan(std::int64_t i) const { return std::isnan(result(i)); }
    bool is_entropy(std::int64_t i) const {
        return result(i) >= 0 && result(i) <= std::log(static_cast<double>(p_.length(i))) * (1 + 1e-6);
    }

    // A row that does not count: its results are 0.
    void check_nothing(std::int64_t i) const {
        const auto require_zeros = [&](std::size_t of, std::int64_t first, std::int64_t count) {
            for (std::int64_t j = first; j < first + count; ++j)
                require(result(j, of) == 0, "a row that does not count");
        };
        switch (function_) {
            case Function::log_softmax:
            case Function::softmax:
            case Function::score: return require_zeros(0, p_.begin(i), p_.length(i));
            case Function::sample:
                for (std::size_t of = 0; of < outcome_.results.size(); ++of)
                    require_zeros(of, i * width(of), is_ragged(p_.function) ? 1 : width(of));
                return;
            default: return require_zeros(0, i, 1);
        }
    }
    // Results of each row.
    std::int64_t width(std::size_t of) const {
        return static_cast<std::int64_t>(outcome_.results[of].size()) / p_.rows;
    }
    void check_entry(std::int64_t i, std::int64_t j, bool is_bad) const {
        const double x = result(p_.begin(i) + j);
        const bool is_log = function_ == Function::log_softmax;
        if (!p_.is_allowed(p_.logits, i, j)) {
            if (!is_bad)
                require(x == (is_log ? -std::numeric_limits<double>::infinity() : 0), "a forbidden entry");
            return;
        }
        if (is_bad) return require(std::isnan(x), "a row with NaN");
        const double least = is_log                         ? -std::numeric_limits<double>::infinity()
                             : function_ == Function::score ? -1
                                                            : 0;
        require(x >= least && x <= (is_log ? 0 : 1), "an entry out of range");
    }
    void check_log_prob(std::int64_t i, bool is_bad) const {
        const double x = result(i);
        if (is_bad)
            return require(std::isnan(x) || !p_.is_allowed(p_.logits, i, p_.actions.at(i)), "a row with NaN");
        const bool is_forbidden = !p_.is_allowed(p_.logits, i, p_.actions.at(i));
        require(is_forbidden ? x == -std::numeric_limits<double>::infinity() : x <= 0, "log_prob");
    }
    void check_draws(std::int64_t i) const {
        const std::size_t of_actions = outcome_.results.size() - 1,
                          draws = outcome_.results[of_actions].size() / static_cast<std::size_t>(p_.rows);
        for (std::size_t d = 0; d < (is_ragged(p_.function) ? 1 : draws); ++d) {
            const auto at = i * static_cast<std::int64_t>(draws) + static_cast<std::int64_t>(d);
            const auto action = static_cast<std::int64_t>(result(at, of_actions));
            require(action >= 0 && action < p_.length(i), "a drawn action out of range");
            require(p_.is_allowed(p_.logits, i, action), "a forbidden action is drawn");
            require(result(at) <= 0, "log_prob of a drawn action");
        }
    }

    const Problem<T>& p_;
    const Function function_ = dense(p_.function);
    const Outcome& outcome_;
};

template <class T>
void run(Bytes& bytes) {
    const auto problem = Problem<T>::read(bytes);
    const Outcome plain = Arrays<T>(problem, true).outcome();
    const std::string expected = problem.expected_error();
    require(expected == "?" || plain.error == expected, "the error is another");
    if (plain.error.empty()) Check<T>(problem, plain).run();
    require(Arrays<T>(problem, false).outcome() == plain, "the outcome depends on more than the values");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Bytes bytes(data, size);
    bytes.one_in(2) ? run<double>(bytes) : run<float>(bytes);
    return 0;
}
