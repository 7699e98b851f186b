# Included by the project's CMakeLists.txt for run.py: a mutant is compiled in half the time if it is optimised little, and
# no bit depends on that.
function(mutants_optimise_little)
  get_property(core DIRECTORY cpp PROPERTY BUILDSYSTEM_TARGETS)
  get_property(tests DIRECTORY tests/cpp PROPERTY BUILDSYSTEM_TARGETS)
  set(targets ${core} ${tests})
  list(FILTER targets INCLUDE REGEX "_core$|_kernels_")
  foreach(target IN LISTS targets)
    target_compile_options(${target} PRIVATE -O1)
  endforeach()
endfunction()
cmake_language(DEFER CALL mutants_optimise_little)
