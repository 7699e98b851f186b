"""Print the polynomial coefficients used in exp.inl, log_ratio.inl and kl_divergence.inl.

Each is the Chebyshev interpolant (within a hair of the minimax polynomial) of a function that is
smooth once its leading terms are divided out, computed with 60 digits by mpmath and rounded once.
The one of exp for float, which has no term to spare, is minimax in what it adds to exp itself.
"""

import mpmath as mp
import numpy as np

mp.mp.dps = 60


def chebyshev_fit(function, low, high, degree):
    """Coefficients, lowest order first, of the degree-n interpolant at the Chebyshev nodes."""
    n = degree + 1
    nodes = [mp.cos(mp.pi * (2 * i + 1) / (2 * n)) for i in range(n)]
    nodes = [(low + high) / 2 + (high - low) / 2 * x for x in nodes]
    vandermonde = mp.matrix(n, n)
    values = mp.matrix(n, 1)
    for i, x in enumerate(nodes):
        values[i] = function(x)
        for j in range(n):
            vandermonde[i, j] = x**j
    coefficients = list(mp.lu_solve(vandermonde, values))

    def relative_error(x):
        return abs(mp.polyval(coefficients[::-1], x) / function(x) - 1)

    worst = max(relative_error(low + (high - low) * mp.mpf(i) / 2000) for i in range(2001))
    return coefficients, worst


def exp_tail(r):
    """(exp(r) - 1 - r) / r^2"""
    return (
        mp.nsum(lambda k: r**k / mp.factorial(k + 2), [0, 40])
        if abs(r) < 1e-3
        else (mp.expm1(r) - r) / r**2
    )


def exp_fit(half_range, degree, iterations=200, points=2000):
    """p with the least max |r^2 p(r) - (exp(r) - 1 - r)| / exp(r), by Lawson's rule."""
    x = half_range * np.cos(np.pi * (np.arange(points) + 0.5) / points)
    wanted = np.array([float(exp_tail(mp.mpf(v))) for v in x])
    powers = np.vander(x / half_range, degree + 1, increasing=True)
    scale, weights = x**2 / np.exp(x), np.full(points, 1.0 / points)
    for _ in range(iterations):
        row = np.sqrt(weights) * scale
        c, *_ = np.linalg.lstsq(powers * row[:, None], wanted * row, rcond=None)
        error = np.abs((powers @ c - wanted) * scale)
        weights *= error
        weights /= weights.sum()
    return list(np.float32(c / half_range ** np.arange(degree + 1))), error.max()


def log_tail(z):
    """(2 atanh(s) - 2 s) / s^3 with z = s^2"""
    if z == 0:
        return mp.mpf(2) / 3
    s = mp.sqrt(z)
    return (2 * mp.atanh(s) - 2 * s) / s**3


def show(name, fit):
    coefficients, worst = fit
    print(f"// {name}: relative error {mp.nstr(worst, 3)}")
    for c in coefficients:
        print(f"    {float(c):.17g},")


half_ln2 = mp.log(2) / 2 * mp.mpf("1.0001")
largest_s = mp.mpf(1) / 5 * mp.mpf("1.002")  # m is at most 3 / 2
show("exp, float", exp_fit(float(mp.log(2) / 2) * 1.001, 4))
show("exp, double", chebyshev_fit(exp_tail, -half_ln2, half_ln2, 10))
show("log_ratio, float", chebyshev_fit(log_tail, mp.mpf(0), largest_s**2, 3))
show("log_ratio, double", chebyshev_fit(log_tail, mp.mpf(0), largest_s**2, 7))
for name, degree in (("float", 9), ("double", 16)):
    fit = chebyshev_fit(lambda d: exp_tail(-d), mp.mpf(-2), mp.mpf(2), degree)
    show(f"kl_divergence, {name}", fit)
