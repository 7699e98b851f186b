// The parts of the kernel of sample, compiled with an ISA's flags as cpp/src/kernels/kernels.cpp is, and so with nothing in
// it that another file may define too.
#pragma GCC diagnostic ignored "-Wunused-function"  // not every function of the kernels is used here

#include "sample_kernels.hpp"

#include "kernels/functions/sample.inl"

namespace scorefn {
namespace {

// A tile of copies of the row, or of the row alone, over and over.
template <class T>
void invert(const T* logits, std::int64_t cols, const double* u, std::int64_t count, std::int64_t* actions,
            bool alone, void* scratch) {
    constexpr int size = Lanes<T>::size;
    const LogitRows<T> copies{logits, is_short(cols) && !alone ? size : 1, cols, 0, 1, nullptr, 0, 0};
    double* const cdf = reinterpret_cast<double*>(Buffers<T>(scratch, cols).more);
    for_each_tile(copies, false, scratch, [&](auto& rows) SCOREFN_INLINE_LAMBDA {
        const Widened<T> total = rows.cumulative_sums(cdf).total();
        for (std::int64_t i = 0; i < count; i += rows.count) {
            double us[size] = {};
            for (int r = 0; r < rows.count && i + r < count; ++r) us[r] = u[i + r];
            Actions<T> drawn;
            draw(rows, cdf, total, Widened<T>::load(us), drawn.index);
            for (int r = 0; r < rows.count && i + r < count; ++r) actions[i + r] = drawn.index[r];
        }
    });
}

void philox(const std::uint32_t (&counter)[4], const std::uint32_t (&key)[2], std::uint32_t (&words)[4]) {
    const auto all = [&](int i) { return Words::splat(counter[i]); };
    const Philox random(all(0), all(1), all(2), all(3), std::uint64_t{key[1]} << 32 | key[0]);
    for (int i = 0; i < 4; ++i) {
        std::uint64_t lanes[8];
        random.word[i].store(lanes);
        words[i] = static_cast<std::uint32_t>(lanes[7]);
    }
}

void mix(const std::uint64_t (&words)[2], std::uint64_t (&mixed)[2]) {
    const DrawKey key(words);
    mixed[0] = key.key, mixed[1] = key.offset;
}

void eight_uniforms(const std::uint64_t (&mixed)[2], std::uint64_t first, std::uint64_t draw,
                    double (&u)[8]) {
    DrawKey key({0, 0});
    key.key = mixed[0], key.offset = mixed[1];
    uniforms(key, load_row_numbers({}, static_cast<std::int64_t>(first)), draw).store(u);
}

}  // namespace
}  // namespace scorefn

#define JOIN_(x) sample_kernels_##x
#define JOIN(x) JOIN_(x)

extern const SampleKernels JOIN(SCOREFN_ISA_NAME);
const SampleKernels JOIN(SCOREFN_ISA_NAME) = {scorefn::invert<float>, scorefn::invert<double>,
                                              scorefn::philox, scorefn::mix, scorefn::eight_uniforms};
