# The instruction sets that the kernels are compiled for, worst first: name, compiler flags, and the C++ expression
# that says at run time whether the CPU has them. The only place that names an -m flag.

set(SCOREFN_ISA_LIST baseline)
set(SCOREFN_FLAGS_baseline "")
set(SCOREFN_CHECK_baseline "true")

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  add_compile_options(-mfpmath=sse)  # never x87, which rounds twice
  list(APPEND SCOREFN_ISA_LIST avx2 avx512)
  set(SCOREFN_FLAGS_avx2 -mavx2 -mfma)
  set(SCOREFN_CHECK_avx2 "(__builtin_cpu_supports(\"avx2\") && __builtin_cpu_supports(\"fma\"))")
  set(SCOREFN_FLAGS_avx512 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl)
  set(SCOREFN_CHECK_avx512
      "(__builtin_cpu_supports(\"fma\") && __builtin_cpu_supports(\"avx512f\") && __builtin_cpu_supports(\"avx512bw\") && __builtin_cpu_supports(\"avx512dq\") && __builtin_cpu_supports(\"avx512vl\"))")
endif()

set(SCOREFN_ONLY_ISAS "" CACHE STRING "Those of the instruction sets to compile for, if not for all")
if(SCOREFN_ONLY_ISAS)
  set(SCOREFN_ISA_LIST ${SCOREFN_ONLY_ISAS})
endif()
