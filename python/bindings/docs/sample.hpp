#pragma once

#include "common.hpp"

namespace scorefn::python::docs {

inline constexpr const char* sample =
R"(sample(logits, *, rng=None, num_samples=None, entropy=False, where=None, valid=None, offsets=None, out=None, num_threads=None)
--

Draw actions and return them with their log-probabilities, in one pass.

Parameters
----------
)" SCOREFN_DOC_LOGITS
R"(rng : numpy.random.Generator, int seed or None
    The source of randomness. A call advances a Generator by two 64-bit words. A call that fails for the values
    of a row advances it too; a call that fails for another reason does not. A seed stands for
    ``numpy.random.default_rng(seed)`` and None for ``numpy.random.default_rng()``.
num_samples : int, optional
    Number of independent draws from each row. By default there is one draw, and no axis for it.
entropy : bool, default False
    Whether to return the entropies of the rows too, computed in the same pass.
)" SCOREFN_DOC_WHERE SCOREFN_DOC_VALID SCOREFN_DOC_OFFSETS
R"(out : tuple (actions, log_prob), optional
    An int64 array and one of the dtype of `logits`, or float32 for half precision. Both have the shape of the
    result. Left as they were if the call fails.
)" SCOREFN_DOC_NUM_THREADS
R"(
Returns
-------
Sample
    Named tuple of ``actions`` (int64) and ``log_prob`` (the dtype of `logits`), of shape (...), or
    (..., num_samples) if `num_samples` is given.
SampleWithEntropy
    If `entropy` is true: a named tuple with ``entropy`` (the dtype of `logits`) as a third member, of shape
    (...) whatever `num_samples`. The other two are the same as without it.

Raises
------
)" SCOREFN_DOC_RAISES
R"(    Or a row with NaN or +inf in an allowed slot: no action can be drawn from it.

Notes
-----
Inverse of the cumulative distribution: the first action a with pi_0 + ... + pi_a > u. The uniform u of draw d
of row i is a function of (key, i, d) alone, by the counter-based generator Philox4x32-10 [1]_; the key is the
only thing taken from `rng`. So the draws depend neither on the number of threads nor on the instruction set.
`scorefn.testing.philox_uniforms` is that function. Different keys give independent draws.

u is a multiple of 2^-53 in [0, 1), each equally likely, and the sums are taken in double: an action of
probability 0 is never drawn, and every other one has its share of the 2^53 uniforms, to within rounding,
wherever it stands. One of a probability far below 2^-53 has one uniform or none: as the first action it is
drawn with probability 2^-53, which is the least there is, elsewhere as a rule never.

References
----------
.. [1] Salmon, Moraes, Dror & Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3", SC '11.

Examples
--------
>>> import numpy as np
>>> import scorefn
>>> actions, log_prob = scorefn.sample(np.zeros((1000, 4)), rng=0)
>>> actions.shape, bool(np.allclose(log_prob, np.log(1 / 4)))
((1000,), True)
>>> round(float(scorefn.sample(np.zeros(4), rng=0, entropy=True).entropy), 3)  # log 4
1.386
>>> int(scorefn.sample([-np.inf, 0.0]).actions)
1
)";

}  // namespace scorefn::python::docs
