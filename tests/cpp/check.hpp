// Checks for test programs: a failed one prints where and what, and the program goes on. main ends with
// `return failures();`.
#pragma once

#include <cmath>
#include <cstddef>
#include <iomanip>
#include <iostream>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

inline int& failures() {
    static int count = 0;
    return count;
}

inline void check(bool passed, const char* file, int line, const std::string& what) {
    if (passed) return;
    std::cerr << file << ":" << line << ": " << what << "\n";
    failures() = 1;
}

// Whether each entry differs from the expected by at most `units` times 2^-24 or 2^-53 of it, which is half an
// ULP to one. NaN is near NaN.
template <class T>
bool near(const std::vector<T>& got, const std::vector<double>& expected, double units) {
    const double tolerance = units * std::numeric_limits<T>::epsilon() / 2;
    bool all = got.size() == expected.size();
    for (std::size_t i = 0; all && i < got.size(); ++i) {
        const double x = got[i], y = expected[i];
        all = x == y || (std::isnan(x) && std::isnan(y)) || std::abs(x - y) <= tolerance * std::abs(y);
    }
    return all;
}

template <class Error, class Call>
std::string message_of(Call&& call) {
    try {
        call();
    } catch (const Error& error) {
        return error.what();
    } catch (const std::exception& error) {
        return std::string("an error of another type: ") + error.what();
    }
    return "no error";
}

template <class T>
std::string text(const std::vector<T>& values) {
    std::ostringstream all;
    all << std::setprecision(17);
    for (const T& x : values) all << (&x == values.data() ? "" : ", ") << x;
    return all.str();
}

#define CHECK(condition) check(bool(condition), __FILE__, __LINE__, #condition)
// CHECK_NEAR(4, got, {0.25, 0.75})
#define CHECK_NEAR(units, got, ...)                                      \
    do {                                                                 \
        const std::vector<double> expected __VA_ARGS__;                  \
        check(near(got, expected, units), __FILE__, __LINE__,            \
              #got " is " + text(got) + ", expected " + text(expected)); \
    } while (false)
// CHECK_THROWS(std::invalid_argument, "the message", call(1, 2))
#define CHECK_THROWS(Error, message, ...)                                                      \
    do {                                                                                       \
        const std::string thrown = message_of<Error>([&] { __VA_ARGS__; });                    \
        check(thrown == message, __FILE__, __LINE__, #__VA_ARGS__ " throws '" + thrown + "'"); \
    } while (false)
