# OpenMP::OpenMP_CXX or, if the compiler has no OpenMP, what to do about that: in SCOREFN_NO_OPENMP.
find_package(OpenMP QUIET COMPONENTS CXX)
if(NOT OpenMP_CXX_FOUND)
  string(CONCAT SCOREFN_NO_OPENMP
    "scorefn needs OpenMP, which ${CMAKE_CXX_COMPILER} (${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}) lacks. "
    "For Clang, install its runtime: libomp-dev on Debian and Ubuntu (libomp-14-dev for clang++-14, say), libomp-devel on "
    "Fedora. Or compile with GCC, which has OpenMP: -DCMAKE_CXX_COMPILER=g++")
endif()
