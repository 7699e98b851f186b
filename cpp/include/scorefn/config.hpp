#pragma once

#include <string>
#include <vector>

namespace scorefn {

// Major.minor.patch of this build.
const char* version();
// Name and version of the compiler of this build.
const char* compiler();
// The OpenMP specification date (yyyymm) of this build.
int openmp();
// The instruction sets this CPU can run, worst first.
std::vector<std::string> available_isas();
// The one in use: the best, or the one that SCOREFN_ISA names (unknown or unsupported: std::runtime_error).
std::string current_isa();

}  // namespace scorefn
