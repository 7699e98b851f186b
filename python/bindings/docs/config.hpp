#pragma once

namespace scorefn::python::docs {

inline constexpr const char* version =
R"(version()
--

Version of the C++ core, "major.minor.patch".

Returns
-------
str

Examples
--------
>>> from scorefn import _core
>>> len(_core.version().split("."))
3
)";

inline constexpr const char* compiler =
R"(compiler()
--

Name and version of the compiler that built the C++ core.

Returns
-------
str

Examples
--------
>>> from scorefn import _core
>>> name = _core.compiler()
)";

inline constexpr const char* openmp =
R"(openmp()
--

Date of the OpenMP specification that the C++ core was built with, in the form yyyymm.

Returns
-------
int

Examples
--------
>>> from scorefn import _core
>>> _core.openmp() >= 201511  # OpenMP 4.5
True
)";

inline constexpr const char* available_isas =
R"(available_isas()
--

The instruction sets that this build has kernels for and that this CPU can run, slowest first.

Returns
-------
tuple of str

Examples
--------
>>> from scorefn import _core
>>> _core.current_isa() in _core.available_isas()
True
)";

inline constexpr const char* current_isa =
R"(current_isa()
--

The instruction set in use: the best available, or the one that the environment variable SCOREFN_ISA names.

Returns
-------
str

Raises
------
RuntimeError
    SCOREFN_ISA names an unknown instruction set, or one that this CPU cannot run.

Examples
--------
>>> from scorefn import _core
>>> _core.current_isa() in _core.available_isas()
True
)";

}  // namespace scorefn::python::docs
