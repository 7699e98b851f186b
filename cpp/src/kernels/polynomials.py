"""Print the polynomial coefficients used in exp.inl, log1p.inl and kl_divergence.inl.

Each is the Chebyshev interpolant (within a hair of the minimax polynomial) of a function that is
smooth once its leading terms are divided out, computed with 60 digits by mpmath and rounded once.
"""

import mpmath as mp

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
largest_s = (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1) * mp.mpf("1.0001")
show("exp, float", chebyshev_fit(exp_tail, -half_ln2, half_ln2, 5))
show("exp, double", chebyshev_fit(exp_tail, -half_ln2, half_ln2, 10))
show("log1p", chebyshev_fit(log_tail, mp.mpf(0), largest_s**2, 7))
show("kl_divergence", chebyshev_fit(lambda d: exp_tail(-d), mp.mpf(-0.5), mp.mpf(0.5), 12))
