"""Numbers for people."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Three digits and a unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{_three_digits(seconds / size)} {unit}"
    return f"{_three_digits(seconds / 1e-9)} ns"


def ratio(value: float) -> str:
    """At least two digits."""
    return (
        f"{value:.0f}x" if value >= 99.5 else f"{value:.1f}x" if value >= 9.95 else f"{value:.2f}x"
    )


def ulp(error: float) -> str:
    """Two digits from a thousand on."""
    if error < 9.95:
        return f"{error:.2g}"
    if error < 1000:
        return f"{error:.0f}"
    return (
        f"{error / 1e3:.2g}k"
        if error < 99_500
        else f"{error:.0e}".replace("e+0", "e").replace("e+", "e")
    )


def memory(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"


def size(number: int) -> str:
    return f"{number:,}".replace(",", "\N{NO-BREAK SPACE}")


def _three_digits(value: float) -> str:
    return (
        f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
    )
