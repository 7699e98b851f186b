// For programs that ctest runs once an ISA, which end with 77, "skipped", where the CPU lacks it.
#pragma once

#include <stdlib.h>

#include <algorithm>
#include <scorefn/config.hpp>

inline bool cpu_has_wanted_isa() {
    const auto isas = scorefn::available_isas();
    const char* const wanted = getenv("SCOREFN_ISA");
    return !wanted || std::find(isas.begin(), isas.end(), wanted) != isas.end();
}
