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
        if (p_.function > Function::score) return;
        for (std::int64_t i = 0; i < p_.rows; ++i) {
            const bool is_bad = p_.is_bad(p_.logits, i);
            switch (p_.function) {
                case Function::log_softmax:
                case Function::softmax:
                case Function::score:
                    for (std::int64_t j = 0; j < p_.cols; ++j) check_entry(i, j, is_bad);
                    break;
                case Function::logsumexp:
                    require(is_bad ? is_nan(i) : std::isfinite(result(i)), "logsumexp");
                    break;
                case Function::log_prob: check_log_prob(i, is_bad); break;
                case Function::entropy: require(is_bad ? is_nan(i) : is_entropy(result(i)), "entropy"); break;
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
    bool is_entropy(double x) const {
        return x >= 0 && x <= std::log(static_cast<double>(p_.cols)) * (1 + 1e-6);
    }

    void check_entry(std::int64_t i, std::int64_t j, bool is_bad) const {
        const double x = result(i * p_.cols + j);
        const bool is_log = p_.function == Function::log_softmax;
        if (!p_.is_allowed(p_.logits, i, j)) {
            if (!is_bad)
                require(x == (is_log ? -std::numeric_limits<double>::infinity() : 0), "a forbidden entry");
            return;
        }
        if (is_bad) return require(std::isnan(x), "a row with NaN");
        const double least = is_log                           ? -std::numeric_limits<double>::infinity()
                             : p_.function == Function::score ? -1
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
        for (std::size_t d = 0; d < draws; ++d) {
            const auto at = i * static_cast<std::int64_t>(draws) + static_cast<std::int64_t>(d);
            const auto action = static_cast<std::int64_t>(result(at, of_actions));
            require(action >= 0 && action < p_.cols, "a drawn action out of range");
            require(p_.is_allowed(p_.logits, i, action), "a forbidden action is drawn");
            require(result(at) <= 0, "log_prob of a drawn action");
        }
    }

    const Problem<T>& p_;
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
