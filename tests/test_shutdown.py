"""The end of the interpreter while daemon threads are in a call: they stop, and the process ends.

Before Python 3.14 such a thread is unwound where it asks for the GIL: after the computation, in
NumPy's copy of an input, in the Python code that makes a result.
"""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import sys, threading, time
import numpy as np
import scorefn

z = np.zeros((3_000, 1_000), np.float32)
few, actions = np.zeros((2, 3)), [0, 1]
CALLS = {
    "softmax": lambda: scorefn.softmax(z, num_threads=2),
    "softmax of float16": lambda: scorefn.softmax(half),
    "softmax of swapped bytes": lambda: scorefn.softmax(swapped),
    "sample": lambda: scorefn.sample(few),
    "policy_gradient": lambda: scorefn.policy_gradient(few, actions, [1.0, 2.0]),
}
half, swapped = z.astype(np.float16), z.astype(">f4")

def call_on_and_on():
    while True:
        CALLS[sys.argv[1]]()

for _ in range(4):
    threading.Thread(target=call_on_and_on, daemon=True).start()
time.sleep(0.3)
"""


@pytest.mark.parametrize(
    "call",
    ["softmax", "softmax of float16", "softmax of swapped bytes", "sample", "policy_gradient"],
)
def test_daemon_threads_in_calls(call: str) -> None:
    for _ in range(3):
        result = subprocess.run(
            [sys.executable, "-c", SCRIPT, call],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (result.returncode, result.stderr) == (0, "")
