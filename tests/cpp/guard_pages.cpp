// Every array of a call lies once right before and once right after a page that may not be touched, so that reading or
// writing one element too many ends the program, whatever the optimiser made of it. The results may depend neither on
// where the arrays lie nor on their strides, and what lies between the rows of a result must stay as it was.
//
// SCOREFN_ISA chooses the kernels; 77 says that the CPU does not have them.
#include <cstdio>

#include "guarded_arrays.hpp"
#include "wanted_isa.hpp"

namespace {

long calls = 0;

template <class T>
void test(Function function, int objective, const Values<T>& values, const Shape& shape,
          const Variant& variant, int layouts) {
    std::vector<char> expected;
    for (int layout = 0; layout < layouts; ++layout)
        for (const bool at_end : {true, false}) {
            constexpr const char* masks[] = {"no mask", "mask", "one mask for all rows"};
            const Layouts& l = kLayouts[layout];
            std::snprintf(running, sizeof running,
                          "%s of %s, %d rows, %d actions, %d features, %s%s%s%s, arrays %s, %s",
                          kFunctionNames[static_cast<int>(function)],
                          sizeof(T) == sizeof(float) ? "float" : "double", static_cast<int>(shape.rows),
                          static_cast<int>(shape.cols), static_cast<int>(shape.features),
                          masks[static_cast<int>(variant.masked)], variant.has_entropies ? ", entropies" : "",
                          variant.accumulate ? ", accumulate" : "", variant.bad_row ? ", a bad row" : "",
                          l.name, at_end ? "before the page" : "after the page");
            ++calls;
            GuardedArrays<T> arrays(values, shape, function, objective, variant, l, at_end);
            try {
                call<T>(function, arrays);
            } catch (const NoAllowedAction&) {
                check(variant.bad_row, __FILE__, __LINE__, std::string("no allowed action: ") + running);
                continue;
            }
            const std::vector<char>& got = arrays.finish();
            if (layout == 0 && at_end) expected = got;
            check(got == expected, __FILE__, __LINE__, std::string("other results: ") + running);
        }
}

// With and without entropies, accumulated or not, where the function has these options.
template <class T>
void test_options(Function function, int objective, const Values<T>& values, const Shape& shape,
                  Masked masked, bool bad_row, int layouts) {
    for (const bool accumulate : {false, true})
        for (const bool has_entropies : {false, true})
            if (has_gradient_options(function) || (!accumulate && !has_entropies))
                test(function, objective, values, shape, {masked, has_entropies, accumulate, bad_row},
                     layouts);
}

template <class T>
void test_shape(const Shape& shape, int layouts) {
    const Values<T> with_nan(shape, false, true), numbers(shape, false, false);
    for_every_function([&](Function function, int objective) {
        if (objective > 0 && shape.rows != 17) return;  // they differ in what they make of a tile
        const Values<T>& values = is_sample(function) ? numbers : with_nan;
        const int most = is_of_features(function) ? kCommonLayouts : layouts;
        for (const Masked masked : {Masked::no, Masked::each_row, Masked::all_rows_alike})
            test_options(function, objective, values, shape, masked, false,
                         masked == Masked::all_rows_alike ? kCommonLayouts : most);
    });
}

template <class T>
void test_rows_of(std::int64_t cols) {
    std::vector<std::int64_t> row_counts = {1, 2, 15, 16, 17, 33, 300};
    if (cols > 67) row_counts = {1, 2, 17, 33};
    if (cols > 1000) row_counts = {1, 3};
    for (const std::int64_t rows : row_counts) {
        const int layouts = rows == 300 || cols > 1000 ? kCommonLayouts
                            : rows == 17               ? kAllLayouts
                                                       : kPaddedLayouts;
        test_shape<T>({rows, cols, 1 + (cols * 5 + rows) % 19}, layouts);
    }
    const Shape shape{17, cols, 1};
    const Values<T> with_nan(shape, true, true), numbers(shape, true, false);
    for_every_function([&](Function function, int objective) {
        if (!is_of_features(function))
            test_options(function, objective, is_sample(function) ? numbers : with_nan, shape, Masked::no,
                         true, 1);
    });
}

template <class T>
void test_all() {
    std::vector<std::int64_t> lengths;
    for (std::int64_t n = 1; n <= 67; ++n) lengths.push_back(n);
    // Around the longest row in one split, of doubles and of floats; ragged rows are up to twice as long.
    for (const int n : {127, 128, 129, 520, 1023, 1024, 1025, 2047, 2048, 2049, 4097}) lengths.push_back(n);
    for (const std::int64_t cols : lengths) test_rows_of<T>(cols);
    for (const std::int64_t features : lengths)
        for (const int cols : {1, 3, 4, 8, 17, 33}) {
            if (features > 129 && cols > 8) continue;
            const Shape shape{features > 129 ? 2 : 17, cols, features};
            const Values<T> values(shape, false, true);
            test_options(Function::linear_gradient, 0, values, shape, Masked::no, false, kCommonLayouts);
        }
}

}  // namespace

int main() {
    if (!cpu_has_wanted_isa()) return 77;
    report_faults();

    test_all<float>();
    test_all<double>();
    std::printf("%s: %ld calls\n", current_isa().c_str(), calls);
    return failures();
}
