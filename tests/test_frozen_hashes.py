"""Results keep their bits from one version to the next: hashes of them are part of the repository.

    python tests/test_frozen_hashes.py

writes them anew. A change of `frozen_hashes.json` is a change of results: whoever reviews it asks
why, and CHANGELOG.md says so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scorefn
from _functions import ARGUMENTS, call
from _scans import SCANS, arguments_of, scan
from test_reproducibility import big_inputs, sha256, variants

PATH = Path(__file__).with_name("frozen_hashes.json")
COLS = [1, 3, 17, 64, 129, 4099]


def hashes_of_function(function: str, cols: int, dtype: Any) -> tuple[str, str]:
    inputs = big_inputs(function, cols, dtype)
    options = [kinds for _, kinds in variants(function, inputs)]
    results = [sha256(call(function, inputs, num_threads=2, **kinds)) for kinds in options]
    named = [inputs[name] for name in ARGUMENTS[function]]
    return sha256(tuple(named)), sha256(tuple(map(np.array, results)))


def hashes_of_scan(function: str, cols: int, dtype: Any) -> tuple[str, str]:
    rng = np.random.default_rng(cols)
    rewards, values, next_values = rng.normal(size=(3, 50, cols)).astype(dtype)
    terminated, truncated = rng.random((2, 50, cols)) < 0.1
    ends = {"terminated": terminated, "truncated": truncated}
    if function not in ("discounted_returns", "gae"):
        arguments = arguments_of(function, cols, (50, cols), dtype)
        arrays = tuple(x for x in arguments.values() if isinstance(x, np.ndarray))
        return sha256(arrays), sha256(scan(function, arguments))
    if function == "discounted_returns":
        result = scorefn.credit.discounted_returns(rewards, 0.9, next_values=next_values, **ends)
    else:
        result = scorefn.credit.gae(
            rewards, values, next_values, discount=0.9, gae_lambda=0.8, **ends
        )
    return sha256((rewards, values, next_values, terminated, truncated)), sha256(result)


def hashes(function: str, cols: int, dtype: Any) -> str:
    """The first digits of the hash of the inputs and of that of all results."""
    of = hashes_of_scan if function in SCANS else hashes_of_function
    inputs, results = of(function, cols, dtype)
    return f"{inputs[:8]} {results[:16]}"


CASES = [
    (function, dtype, cols)
    for function in [*ARGUMENTS, *SCANS]
    for dtype in ("float32", "float64")
    for cols in COLS
]


@pytest.mark.parametrize(("function", "dtype", "cols"), CASES)
def test_results_are_those_of_the_version_before(function: str, dtype: str, cols: int) -> None:
    frozen = json.loads(PATH.read_text())[f"{function} {dtype} {cols}"]
    now = hashes(function, cols, np.dtype(dtype).type)
    if now.split()[0] != frozen.split()[0]:
        pytest.skip("another NumPy or C library makes other inputs")
    assert now == frozen


def test_no_hash_is_left_over() -> None:
    assert list(json.loads(PATH.read_text())) == [" ".join(map(str, case)) for case in CASES]


if __name__ == "__main__":
    found = {
        f"{f} {dtype} {cols}": hashes(f, cols, np.dtype(dtype).type) for f, dtype, cols in CASES
    }
    PATH.write_text(json.dumps(found, indent=0) + "\n")
