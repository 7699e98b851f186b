"""What was measured on: what a reader has to know of the machine and the libraries."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import scorefn
from scorefn.bench.load import doubts
from scorefn.bench.results import Results
from scorefn.bench.solutions import Solution


def describe_environment(solutions: Sequence[Solution]) -> dict[str, Any]:
    config = asdict(scorefn.show_config())
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cpus": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "load_average": os.getloadavg()[0],
        "threads": config["num_threads"],
        "isa": config["isa"],
        "compiler": config["compiler"],
        "python": config["python"],
        "versions": {solution.name: solution.version for solution in solutions},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def headline(results: Results) -> str:
    """What was measured on in a line or two."""
    environment = results.environment
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    return (
        f"{machine(results)}, load average {environment['load_average']:.1f} at the start"
        f"{', quick' if results.settings.quick else ''}; "
        f"{versions}; Python {environment['python']}"
    )


def warning(results: Results) -> str | None:
    """That the machine was too busy for times that one can believe, if it was."""
    found = doubts([row.load for row in results.rows], results.settings.threads)
    return f"Do not believe these times: {', and '.join(found)}." if found else None


def machine(results: Results) -> str:
    environment = results.environment
    return (
        f"{environment['cpu']}, {environment['isa']}, {environment['threads']} threads, "
        f"{results.settings.dtype}, {environment['date'][:10]}"
    )
