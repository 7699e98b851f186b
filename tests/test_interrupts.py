"""Ctrl-C during a call, each in a process of its own: a signal that comes late would end pytest."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

# Every call takes minutes, and no memory: its rows or samples are all the same.
SCRIPT = """
import faulthandler, os, signal, sys, threading, time
faulthandler.dump_traceback_later(120, exit=True)  # of a call that nothing ends, with the GIL, too
import numpy as np
import scorefn
import scorefn.testing

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background
ROWS, COLS, SAMPLES = 1 << 27, 2048, 1 << 33
row = np.linspace(-1, 1, COLS, dtype=np.float32)
logits = np.broadcast_to(row, (ROWS, COLS))
actions = np.broadcast_to(np.int64(1), ROWS)
many = np.broadcast_to(np.int64(1), SAMPLES)
weights = np.broadcast_to(np.float32(1), SAMPLES)
features = np.broadcast_to(np.float32(0.5), (SAMPLES, 64))
coef = np.zeros((64, 3), np.float32)
sevens = np.full((64, 3), 7, np.float32)
rng = np.random.default_rng(3)

CALLS = {
    "logsumexp": lambda: scorefn.logsumexp(logits),
    "log_prob": lambda: scorefn.log_prob(logits, actions),
    "log_prob of samples": lambda: scorefn.log_prob(logits[:1], many[None, : 1 << 27]),
    "entropy": lambda: scorefn.entropy(logits),
    "kl_divergence": lambda: scorefn.kl_divergence(logits, logits),
    "sample": lambda: scorefn.sample(logits, rng=rng),
    "score_gradient": lambda: scorefn.score_gradient(row, many, weights),
    "tabular_gradient": lambda: scorefn.tabular_gradient(
        coef, many, many, weights, out=sevens, accumulate=True
    ),
    "linear_gradient": lambda: scorefn.linear_gradient(
        features, coef, many, weights, out=sevens, accumulate=True
    ),
}

def interrupt():
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
"""

RAISES = """
with scorefn.threads(int(sys.argv[2])):
    for time in range(2):
        interrupt()
        try:
            CALLS[sys.argv[1]]()
        except KeyboardInterrupt:
            print("interrupted")
assert (sevens == 7).all()
expected = scorefn.testing.logsumexp(row.astype(np.float64))
assert abs(scorefn.logsumexp(logits[:100_000]) - expected).max() < 1e-5
"""

# A handler that raises something else, one that does not raise, and a call outside the main thread.
OTHER_HANDLERS = """
class Enough(Exception):
    pass

def enough(signum, frame):
    raise Enough

signal.signal(signal.SIGINT, enough)
interrupt()
try:
    CALLS["entropy"]()
except Enough:
    print("enough")

seen = []
signal.signal(signal.SIGINT, lambda signum, frame: seen.append(scorefn.softmax(row[:3]).sum()))
interrupt()
calls = 0
while not seen:
    result = scorefn.logsumexp(logits[:20_000])
    calls += 1
    assert (result == result[0]).all()
print("seen")

signal.signal(signal.SIGINT, signal.default_int_handler)
done = []
def work():
    while not stop.is_set():
        done.append(scorefn.logsumexp(logits[:50_000])[-1])
    ended.set()
stop, ended = threading.Event(), threading.Event()
threading.Thread(target=work).start()
interrupt()
try:
    ended.wait()  # not join(), which Python before 3.13 ends by saying that the thread has ended
except KeyboardInterrupt:
    print("interrupted the main thread")
stop.set()
ended.wait()
assert len(set(done)) == 1
"""

# Handlers that call what was interrupted, whose scratch memory is theirs, too.
CALLING_HANDLERS = """
rng = np.random.default_rng(1)
x, coef = rng.normal(size=(4_000, 600)).astype(np.float32), rng.normal(size=(600, 300))
long = rng.normal(size=(1, 2_000_000))
mask = rng.random(long.shape) < 0.9
ones = np.ones(4_000, np.int64)
COMPUTE = {
    "linear_gradient": lambda: scorefn.linear_gradient(x, coef.astype(np.float32), ones, x[:, 0]),
    "long row": lambda: scorefn.softmax(long, where=mask),
}
others = [rng.normal(size=(40, n)) for n in (300, 20_000)]
called = []

def handler(signum, frame):
    called.append(scorefn.log_softmax(others[len(called) % 2]).sum())
    scorefn.softmax(long[:, : 1_000_000], where=mask[:, : 1_000_000])
    signal.setitimer(signal.ITIMER_REAL, 0.01)

compute = COMPUTE[sys.argv[1]]
with scorefn.threads(int(sys.argv[2])):
    expected = compute()
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    until = time.monotonic() + 60
    while len(called) < 20 and time.monotonic() < until:
        assert (compute() == expected).all()
    signal.setitimer(signal.ITIMER_REAL, 0)
assert called
print("right")
"""


def run(script: str, *arguments: str) -> list[str]:
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT + script, *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split("\n")[:-1]


@pytest.mark.parametrize("num_threads", [1, 2])
@pytest.mark.parametrize(
    "function",
    [
        "logsumexp",
        "log_prob",
        "log_prob of samples",
        "entropy",
        "kl_divergence",
        "sample",
        "score_gradient",
        "tabular_gradient",
        "linear_gradient",
    ],
)
def test_ctrl_c_comes_through(function: str, num_threads: int) -> None:
    """Twice; what was to be added to is untouched, and the next call is right."""
    assert run(RAISES, function, str(num_threads)) == ["interrupted"] * 2


@pytest.mark.parametrize("num_threads", [1, 2])
@pytest.mark.parametrize("function", ["linear_gradient", "long row"])
def test_a_handler_may_call_scorefn(function: str, num_threads: int) -> None:
    assert run(CALLING_HANDLERS, function, str(num_threads)) == ["right"]


def test_other_handlers() -> None:
    assert run(OTHER_HANDLERS) == ["enough", "seen", "interrupted the main thread"]
