#include <scorefn/config.hpp>

namespace scorefn {

const char* version() { return SCOREFN_VERSION; }

const char* compiler() {
#if defined(__clang__)
    return "Clang " __clang_version__;
#elif defined(__GNUC__)
    return "GCC " __VERSION__;
#else
    return "unknown";
#endif
}

int openmp() { return _OPENMP; }

}  // namespace scorefn
