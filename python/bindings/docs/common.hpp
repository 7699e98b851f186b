// Paragraphs that several docstrings share; macros, so that the compiler joins them with their neighbours.
#pragma once

#define SCOREFN_DOC_HALF                                                                            \
    "    Half precision is read as float32; its results are float32 too, but for an `out` of the\n" \
    "    same half precision.\n"

#define SCOREFN_DOC_LOGITS                                                                      \
    "logits : (..., num_actions) array of float16, bfloat16, float32 or float64\n"              \
    "    Unnormalised log-probabilities, any number of leading axes. -inf forbids an action.\n" \
    SCOREFN_DOC_HALF

#define SCOREFN_DOC_AXIS        \
    "axis : int, default -1\n"  \
    "    The axis of the actions.\n"

#define SCOREFN_DOC_WHERE                                                                      \
    "where : bool array, optional\n"                                                           \
    "    True where an action is allowed: of the shape of the logits, or (num_actions,) for\n" \
    "    all rows. What the others hold is never used.\n"

#define SCOREFN_DOC_WEIGHT_FACTOR                                                              \
    "    The factor of each sample: its return or advantage, say. A weight of 0 adds exactly\n" \
    "    0, even in a row of NaN.\n"

#define SCOREFN_DOC_GRADIENT_OPTIONS                                                           \
    "entropy_coef : float, default 0.0\n"                                                      \
    "    Adds `entropy_coef` times the sum of the entropies to the objective.\n"               \
    "accumulate : bool, default False\n"                                                       \
    "    Add the gradient to `out`, which must be given, instead of replacing what it holds.\n"    \
    "    All of it or, after an error or Ctrl-C, none.\n"

#define SCOREFN_DOC_OUT_LIKE(name)                                                                \
    "out : array of the shape and dtype of `" name "`, or float32 for half precision, optional\n" \
    "    Where to write the result; may be `" name "` itself. Left as it was if\n"                \
    "    the call fails; Ctrl-C may leave it written in part.\n"

#define SCOREFN_DOC_OUT_ROWS                                                                  \
    "out : (...) array of the dtype of the logits, or float32 for half precision, optional\n" \
    "    Where to write the result. Left as it was if the call fails; Ctrl-C may leave it\n" \
    "    written in part.\n"

#define SCOREFN_DOC_NUM_THREADS                                                                \
    "num_threads : int, optional\n"                                                            \
    "    The most to use, at least 1. By default what `get_num_threads` says. The result does not\n" \
    "    depend on it.\n"

#define SCOREFN_DOC_RAISES                                             \
    "TypeError\n"                                                      \
    "    An argument of the wrong kind or dtype.\n"                    \
    "ValueError\n"                                                     \
    "    A wrong shape or value, or a row without an allowed action.\n"

#define SCOREFN_DOC_RAISES_INDEX(names) \
    "IndexError\n"                      \
    "    " names " out of range.\n"
