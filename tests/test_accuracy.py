"""Contract C2: errors in units in the last place (ULP), on rows that are hard to be exact on.

The exact values come from mpmath with 50 digits for the hard rows, and from long doubles with
11 more bits than float64 for a million random entries. ``python tests/test_accuracy.py`` prints the
largest error of every function.
"""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

import scorefn
from _functions import DTYPES, Array
from scorefn.testing import ulp_error

INF = np.inf
CONTRACT = {np.float32: 4, np.float64: 8}

# --- Exact values ---------------------------------------------------------------------------------


def mp(x: Any) -> Any:
    return mpmath.mpf(float(x))


def to_float64(values: list[Any]) -> Array:
    return np.array([float(x) for x in values])


class ExactRow:
    """A row of logits with 50 digits. Equal logits are worked on once, so long rows may have many.

    `p`, `log_p` and `others` (the 1 - p of an action) are rounded to float64, which for float32
    logits is exact enough, and hold one entry an action.
    """

    def __init__(self, z: Array) -> None:
        values, self.entry, counts = np.unique(z, return_inverse=True, return_counts=True)
        self.counts = [int(count) for count in counts]
        with mpmath.workdps(50):
            top = mp(values[-1])
            # d = z - max z; the sum of all terms but the largest is kept apart from its 1
            self.d = [mp(value) - top for value in values]
            self.terms = [mpmath.exp(d) for d in self.d]
            self.rest = mpmath.fsum(
                count * term for count, term in zip(self.counts[:-1], self.terms[:-1], strict=True)
            ) + (self.counts[-1] - 1)
            self.total = 1 + self.rest
            self.log_total = mpmath.log1p(self.rest)
            self.mp_p = [term / self.total for term in self.terms]
            self.mp_log_p = [d - self.log_total for d in self.d]
            others = [(self.total - term) / self.total for term in self.terms[:-1]]
            self.logsumexp = top + self.log_total
            self.p = to_float64(self.mp_p)[self.entry]
            self.log_p = to_float64(self.mp_log_p)[self.entry]
            self.others = to_float64([*others, self.rest / self.total])[self.entry]

    @property
    def entropy(self) -> Any:
        with mpmath.workdps(50):
            products = zip(self.counts, self.terms, self.d, strict=True)
            weighted = (count * term * d for count, term, d in products if term > 0)
            return self.log_total - mpmath.fsum(weighted) / self.total

    def score(self, action: int) -> Array:
        score = -self.p
        score[action] = self.others[action]
        return score


def exact_kl_divergence(p: ExactRow, q: ExactRow) -> Any:
    pairs = np.unique(np.stack([p.entry, q.entry]), axis=1, return_counts=True)
    with mpmath.workdps(50):
        return mpmath.fsum(
            int(count) * p.mp_p[i] * (p.mp_log_p[i] - q.mp_log_p[j])
            for (i, j), count in zip(pairs[0].T, pairs[1], strict=True)
            if p.mp_p[i] > 0
        )


# --- Hard rows ------------------------------------------------------------------------------------

# Both layouts of the kernels, whole and broken vectors.
COLS = [2, 3, 6, 8, 16, 18, 32, 33, 64, 100, 1000]


def rows_of(cols: int, dtype: Any) -> dict[str, Array]:
    """Rows of `cols` logits, `cols` at least 2."""
    rng = np.random.default_rng(cols)
    spread = 100.0 if dtype is np.float32 else 700.0
    # exp(-lowest) is about the smallest subnormal number
    normal, lowest = (87.3, 103.9) if dtype is np.float32 else (708.3, 745.1)

    def below_a_dominant(others: Any) -> Array:
        row = np.empty(cols)
        row[:] = others
        row[rng.integers(cols)] = 0.0
        return row

    tied = rng.normal(size=cols) - 5.0
    tied[[0, -1]] = 4.0
    rows = {
        "dominant": below_a_dominant(-20.0 - 3.0 * rng.random(cols)),
        "nearly_deterministic": below_a_dominant(-0.9 * normal + rng.random(cols)),
        "almost_a_tie": below_a_dominant(-(2.0**-20) * rng.random(cols)),
        "equal": np.full(cols, 0.3),
        "ties_of_the_maximum": tied,
        "shifted_up": 1e4 + rng.normal(size=cols),
        "shifted_down": -1e4 + rng.normal(size=cols),
        "spread_evenly": np.linspace(-spread, spread, cols),
        "spread_randomly": rng.uniform(-spread, spread, cols),
        "tiny_logits": rng.normal(size=cols) * np.finfo(dtype).tiny,
        "huge_logits": np.resize([1.0, -1.0, 0.5, 0.99], cols) * float(np.finfo(dtype).max),
        "subnormal": below_a_dominant(-rng.uniform(normal, lowest, cols)),
        "all_just_subnormal": below_a_dominant(-normal - 1.0),
        "all_deeply_subnormal": below_a_dominant(-lowest + 3.0),
        "all_at_the_smallest": below_a_dominant(-lowest - 0.3),
        # The probabilities round to 0, but their sum may not.
        "all_below_the_smallest": below_a_dominant(-lowest - 2.0),
        "forbidden": np.where(rng.random(cols) < 0.4, -INF, rng.normal(size=cols)),
    }
    rows["forbidden"][0] = 1.0
    return {name: row.astype(dtype) for name, row in rows.items()}


def wide_rows(dtype: Any) -> dict[str, Array]:
    """A hundred thousand and a million logits: a sum must not lose digits as a row grows."""
    rng = np.random.default_rng(0)
    some = rng.normal(scale=3.0, size=500)
    one_of_many = np.zeros(100_000)
    one_of_many[777] = 30.0
    return {
        "equal_1e5": np.full(100_000, 0.3, dtype),
        "dominant_1e5": one_of_many.astype(dtype),
        "wide_1e6": rng.choice(some, 1_000_000).astype(dtype),
        "equal_1e6": np.full(1_000_000, -7.7, dtype),
        "subnormal_1e5": np.append(
            np.full(99_999, -100.0 if dtype is np.float32 else -740.0), 0.0
        ).astype(dtype),
    }


def hard_rows(dtype: Any) -> dict[str, Array]:
    rows = {f"{name}_{cols}": row for cols in COLS for name, row in rows_of(cols, dtype).items()}
    return {**rows, **wide_rows(dtype)}


every_set_of_rows = pytest.mark.parametrize(
    ("dtype", "rows"),
    [
        pytest.param(dtype, rows, id=f"{np.dtype(dtype)}-{cols}")
        for dtype in DTYPES
        for cols, rows in [
            *((cols, rows_of(cols, dtype)) for cols in COLS),
            *((name, {name: row}) for name, row in wide_rows(dtype).items()),
        ]
    ],
)


def errors_of(z: Array) -> dict[str, float]:
    """The largest error in ULP of each function of a row of logits."""
    exact = ExactRow(z)
    largest, least = int(np.argmax(z)), int(np.argmin(np.where(z > -INF, z, INF)))
    actions = np.unique([0, 1, z.size // 2, z.size - 1, largest, least])
    return {
        "log_softmax": ulp_error(scorefn.log_softmax(z), exact.log_p).max(),
        "softmax": ulp_error(scorefn.softmax(z), exact.p).max(),
        "log_prob": max(ulp_error(scorefn.log_prob(z, a), exact.log_p[a]) for a in actions),
        "score": max(
            ulp_error(scorefn.score(z, a), exact.score(a)).max() for a in actions if z[a] > -INF
        ),
        "entropy": entropy_error(
            scorefn.entropy(z), float(exact.entropy), exact.p, exact.log_p
        ).max(),
        "logsumexp": logsumexp_error(
            scorefn.logsumexp(z), float(exact.logsumexp), z.max(), float(exact.log_total)
        ).max(),
    }


@every_set_of_rows
def test_every_entry_is_within_the_contract(dtype, rows):
    for name, z in rows.items():
        errors = errors_of(z)
        # One ULP of the logarithm, one of the sum, and half of one for the rounded exact value.
        assert errors["logsumexp"] <= 2.5, (name, errors)
        assert max(errors.values()) <= CONTRACT[dtype], (name, errors)


@every_set_of_rows
def test_log_prob_keeps_its_relative_accuracy_to_the_end(dtype, rows):
    """Every action of a short row, among them those with log pi(a) near 0 and near -inf."""
    for name, row in rows.items():
        z = row[:100] if row.max() == row[:100].max() else np.append(row[:99], row.max())
        actions = np.arange(z.size)
        log_prob = scorefn.log_prob(np.tile(z, (z.size, 1)), actions)
        assert ulp_error(log_prob, ExactRow(z).log_p).max() <= CONTRACT[dtype], name


# --- Functions with bounds of their own -----------------------------------------------------------


def logsumexp_error(actual: Array, exact: Any, largest: Any, log_total: Any) -> Array:
    """In ULP of the larger one of |max z| and log sum_k exp(z_k - max z).

    The result is their sum: where they cancel it is near 0, and has no relative accuracy.
    """
    larger = np.maximum(np.abs(largest), log_total).astype(actual.dtype)
    ulp = np.maximum(
        larger - np.nextafter(larger, actual.dtype.type(0.0)),
        np.finfo(actual.dtype).smallest_subnormal,
    )
    return np.abs(actual.astype(np.float64) - np.asarray(exact, np.float64)) / ulp


def entropy_error(actual: Array, exact: Any, p: Array, log_p: Array) -> Array:
    """In ULP, after what the probabilities below the smallest normal number may add to the error:

    each may be wrong by one subnormal step, times its |log p|. Nothing cancels, as every term of
    the entropy is >= 0.
    """
    info = np.finfo(actual.dtype)
    step = float(info.smallest_subnormal)
    is_subnormal = (p < info.tiny) & (log_p > np.log(step) - 40.0)  # below, p log p is nothing
    allowed = step * np.where(is_subnormal, -log_p, 0.0).sum(axis=-1)
    exact = np.asarray(exact, np.float64)
    error = np.maximum(np.abs(actual.astype(np.float64) - exact) - allowed, 0.0)
    return np.asarray(error / np.spacing(exact.astype(actual.dtype)), np.float64)


def kl_cases(dtype: Any) -> dict[str, tuple[Array, Array]]:
    """Pairs of rows: near each other, far, and hard ones of one length."""
    pairs = {}
    for cols in (2, 6, 18, 33, 100):
        rng = np.random.default_rng(cols)
        z = rng.normal(scale=2.0, size=cols)
        for distance in (1e-7, 1e-5, 1e-3, 0.1, 0.5, 2.0, 20.0):
            pairs[f"near_{distance}_{cols}"] = (z, z + distance * rng.normal(size=cols))
        rows = rows_of(cols, dtype)
        for other in ("dominant", "equal", "spread_randomly", "ties_of_the_maximum"):
            for name in sorted(set(rows) - {"forbidden", "huge_logits"}):
                pairs[f"{name}_{other}_{cols}"] = (rows[name], rows[other])
        # So near that one ULP of a logsumexp is more than they differ by.
        z = z.astype(dtype)
        pairs[f"shifted_{cols}"] = (z, z + dtype(100.0))
        pairs[f"one_ulp_{cols}"] = (z, np.where(np.arange(cols) == 1, np.nextafter(z, dtype(9)), z))
        for scale in (1e-3, 1e-6):
            for distance in (1e-10, 1e-8, 1e-4):
                small = (scale * z).astype(dtype)
                near = small + distance * rng.normal(size=cols)
                pairs[f"small_{scale}_{distance}_{cols}"] = (small, near)
    return {name: (p.astype(dtype), q.astype(dtype)) for name, (p, q) in pairs.items()}


def kl_error(z_p: Array, z_q: Array) -> float:
    """In ULP of the divergence, which is as small as d^2, with d the distance of the rows."""
    with mpmath.workdps(80):
        exact = exact_kl_divergence(ExactRow(z_p), ExactRow(z_q))
        error = float(abs(mp(scorefn.kl_divergence(z_p, z_q)) - exact))
    return error / float(np.spacing(z_p.dtype.type(float(exact))))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_kl_divergence(dtype):
    for name, (z_p, z_q) in kl_cases(dtype).items():
        assert kl_error(z_p, z_q) <= CONTRACT[dtype], name


@pytest.mark.parametrize("dtype", DTYPES)
def test_kl_divergence_of_equal_rows_is_exactly_0(dtype):
    for name, z in hard_rows(dtype).items():
        assert scorefn.kl_divergence(z, z) == 0.0, name
        assert scorefn.kl_divergence(z, z + dtype(0.0)) == 0.0, name


# --- A million random entries ---------------------------------------------------------------------


class LongDoubleRows:
    """Rows without -inf in long double, where z - max z is a sum high + low without an error."""

    def __init__(self, logits: Array) -> None:
        assert np.finfo(np.longdouble).nmant >= 63, "the reference needs 11 bits more than float64"
        z = logits.astype(np.float64)
        top = np.argmax(z, axis=1)[:, None]
        largest = np.take_along_axis(z, top, axis=1)
        high = z - largest
        minus = high - z
        low = (z - (high - minus)) - (minus + largest)  # Knuth's two-sum
        d = high.astype(np.longdouble) + low
        terms = np.exp(high.astype(np.longdouble)) * (1 + low.astype(np.longdouble))
        rest_terms = terms.copy()
        np.put_along_axis(rest_terms, top, 0, axis=1)
        rest = rest_terms.sum(axis=1, keepdims=True)
        self.total = 1 + rest
        self.p = terms / self.total
        self.log_total = np.log1p(rest)
        self.log_p = d - self.log_total
        self.others = (self.total - terms) / self.total
        np.put_along_axis(self.others, top, rest / self.total, axis=1)
        self.entropy = self.log_total[:, 0] - (terms * d).sum(axis=1) / self.total[:, 0]


SWEEP = [(cols, scale) for cols in (2, 6, 18, 33, 127, 1000) for scale in (0.1, 1.0, 10.0, 100.0)]


def sweep_errors(dtype: Any, entries: int, seed: int = 0) -> dict[str, float]:
    """The largest error in ULP of each function over `entries` random logits."""
    worst: dict[str, float] = {}
    for cols, scale in SWEEP:
        rng = np.random.default_rng([seed, cols, int(10 * scale)])
        z = rng.normal(scale=scale, size=(entries // len(SWEEP) // cols, cols)).astype(dtype)
        actions = rng.integers(cols, size=len(z))
        exact = LongDoubleRows(z)
        rows = np.arange(len(z))
        score = -exact.p
        score[rows, actions] = exact.others[rows, actions]
        largest, log_total = z.max(axis=1), exact.log_total[:, 0]
        errors = {
            "log_softmax": ulp_error(scorefn.log_softmax(z), exact.log_p),
            "softmax": ulp_error(scorefn.softmax(z), exact.p),
            "log_prob": ulp_error(scorefn.log_prob(z, actions), exact.log_p[rows, actions]),
            "score": ulp_error(scorefn.score(z, actions), score),
            "entropy": entropy_error(scorefn.entropy(z), exact.entropy, exact.p, exact.log_p),
            "logsumexp": logsumexp_error(
                scorefn.logsumexp(z), largest + log_total, largest, log_total
            ),
        }
        for name, error in errors.items():
            worst[name] = max(worst.get(name, 0.0), float(error.max(initial=0.0)))
    return worst


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_million_random_entries(dtype):
    errors = sweep_errors(dtype, 1_000_000)
    assert max(errors.values()) <= CONTRACT[dtype], errors


def test_the_long_double_reference_is_exact():
    """Against mpmath, to a hundredth of a float64 ULP before rounding."""
    far_from_subnormal = np.longdouble(2.0) ** 300
    rng = np.random.default_rng(1)
    for scale in (1.0, 30.0, 200.0):
        z = rng.normal(scale=scale, size=(1, 50))
        exact, row = LongDoubleRows(z), ExactRow(z[0])
        for actual, expected in [(exact.p, row.mp_p), (exact.log_p, row.mp_log_p)]:
            for x, i in zip(actual[0] * far_from_subnormal, row.entry, strict=True):
                with mpmath.workdps(50):
                    high = float(x)
                    error = (mp(high) + mp(x - high)) / mp(far_from_subnormal) - expected[i]
                    assert abs(error) <= 0.01 * mp(np.spacing(abs(float(expected[i]))))


# --- The table ------------------------------------------------------------------------------------


def print_table() -> None:
    for dtype in DTYPES:
        worst: dict[str, tuple[float, str]] = {}
        for name, z in hard_rows(dtype).items():
            for function, error in errors_of(z).items():
                worst[function] = max(worst.get(function, (0.0, "")), (float(error), name))
        worst["kl_divergence"] = max(
            (kl_error(*pair), name) for name, pair in kl_cases(dtype).items()
        )
        sweep = sweep_errors(dtype, 1_000_000)
        print(f"\n{np.dtype(dtype)}: max ULP error    hard rows    1e6 random entries")
        for function, (error, name) in worst.items():
            random = f"{sweep[function]:8.2f}" if function in sweep else 8 * " "
            print(f"  {function:32} {error:8.2f}  {random}   {name}")


if __name__ == "__main__":
    print_table()
