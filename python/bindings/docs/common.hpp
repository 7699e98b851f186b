// Paragraphs that several docstrings share. They are macros, so the compiler joins them with their neighbours.
#pragma once

#define SCOREFN_DOC_HALF                                                                            \
    "    Half precision is read as float32. Its results are float32 too, except in an `out` of\n" \
    "    the same half precision.\n"

#define SCOREFN_DOC_LOGITS                                                                      \
    "logits : (..., num_actions) array of float16, bfloat16, float32 or float64\n"              \
    "    Unnormalised log-probabilities, any number of leading axes. -inf forbids an action.\n" \
    SCOREFN_DOC_HALF

#define SCOREFN_DOC_AXIS        \
    "axis : int, default -1\n"  \
    "    The axis of the actions.\n"

#define SCOREFN_DOC_WHERE                                                                      \
    "where : array of bool, or of int8 or uint8 of 0 and 1, optional\n"                        \
    "    True where an action is allowed. The shape is that of the logits, or (num_actions,) if\n" \
    "    all rows share the mask. The logits of other actions are never used.\n"

#define SCOREFN_DOC_VALID                                                                            \
    "valid : array of bool, or of int8 or uint8 of 0 and 1, optional\n"                              \
    "    True where a sample counts; by default all do. One flag for each action or, without\n"      \
    "    actions, for each row. The other samples, such as padding, may hold anything. They add\n"   \
    "    exactly 0 to every sum, and their results are 0.\n"

#define SCOREFN_DOC_OFFSETS                                                                          \
    "offsets : (num_rows + 1,) integer array, optional\n"                                             \
    "    Rows with different numbers of actions: row i has the logits offsets[i], ...,\n"             \
    "    offsets[i + 1] - 1 of flat ones. The offsets rise from 0 to the number of logits, and each\n" \
    "    row has an action. What has an entry for each logit is then flat, too. Rows have the bits\n"  \
    "    that they have without it, in an array of rows of their length.\n"

// Of the functions that take several samples per row.
#define SCOREFN_DOC_ACTIONS                                                                       \
    "actions : (...) or (..., num_samples) array of any integer dtype\n"                          \
    "    From 0 to num_actions - 1. One action per row, or several per row on an axis at the\n"   \
    "    end, as `sample` draws them.\n"

#define SCOREFN_DOC_WEIGHTS_DTYPE "float16, bfloat16, float32, float64 or integers"

#define SCOREFN_DOC_WEIGHT_FACTOR                                                              \
    "    The factor of each sample, for example its return or advantage. A weight of 0 adds\n" \
    "    exactly 0, even in a row of NaN.\n"

#define SCOREFN_DOC_GRADIENT_OPTIONS                                                           \
    "entropy_coef : float, default 0.0\n"                                                      \
    "    Adds `entropy_coef` times the sum of the entropies over the samples to the objective.\n" \
    "accumulate : bool, default False\n"                                                       \
    "    Add the gradient to `out`, which must be given, instead of replacing its values. An\n"    \
    "    error or Ctrl-C leaves `out` as it was.\n"

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
    "    The largest number to use, at least 1. By default that of `get_num_threads`. The result\n" \
    "    does not depend on it.\n"

#define SCOREFN_DOC_RAISES                                             \
    "TypeError\n"                                                      \
    "    An argument of the wrong kind or dtype.\n"                    \
    "ValueError\n"                                                     \
    "    A wrong shape or value, or a row without an allowed action.\n"

#define SCOREFN_DOC_RAISES_INDEX(names) \
    "IndexError\n"                      \
    "    " names " out of range.\n"
