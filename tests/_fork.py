"""A process that uses scorefn and has children.

``python _fork.py MODULES USE START TARGET EXPECTED`` imports MODULES in their order, uses scorefn
as USE says, and while it does so starts children as START says, which run TARGET. EXPECTED is the
hash of the right answers. It ends with 0 and "done" if all has gone well.
"""

from __future__ import annotations

import hashlib
import importlib
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import numpy as np

# The children that multiprocessing starts anew run this again, under another name.
if __name__ in ("__main__", "__mp_main__"):
    MODULES, USE, START, TARGET, EXPECTED = sys.argv[1:]
    for module in MODULES.split():
        importlib.import_module(module)

import scorefn
from _backoff import back_off
from _functions import ARGUMENTS, call, inputs_for
from scorefn import _core

Target = Callable[[], None]

LARGE = inputs_for(12_000, 18, np.float32)  # in seven blocks, one of which is one thread's work
RNG = np.random.default_rng(0)


def answers(num_threads: int) -> str:
    """A hash of every function's results."""
    digest = hashlib.sha256()
    for function in ARGUMENTS:
        results = call(function, LARGE, num_threads=num_threads)
        for result in results if isinstance(results, tuple) else (results,):
            if result is not None:  # a result that was not asked for
                digest.update(np.ascontiguousarray(result))
    return digest.hexdigest()


def threads() -> set[str]:
    return set(os.listdir("/proc/self/task"))


def threads_of_a_call(num_threads: int) -> int:
    """The most threads seen to work on a call, of as many calls as it takes to see them all."""
    ended, counts = threading.Event(), [0]

    def watch() -> None:
        # One that has ended may be listed for a while yet, so a number of threads says nothing.
        others = before | {str(threading.get_native_id())}
        while not ended.is_set():
            counts.append(len(threads() - others))

    before = threads()
    watcher = threading.Thread(target=watch)
    watcher.start()
    until = time.monotonic() + 20.0
    while (1 + max(counts) < num_threads or len(counts) < 20) and time.monotonic() < until:
        _core.share_again()  # on a busy machine, too
        call("score_gradient", LARGE, num_threads=num_threads)
    ended.set()
    watcher.join()
    return 1 + max(counts)


# --- What a child does ----------------------------------------------------------------------------


def check() -> None:
    """The parent's bits, by as many threads as are asked for."""
    assert threads_of_a_call(1) == 1
    assert threads_of_a_call(3) >= 3
    assert answers(3) == EXPECTED
    assert answers(1) == EXPECTED
    scorefn.sample(LARGE["logits"], rng=RNG)  # whose lock nobody holds


def show_default() -> None:
    # At once: two processes of a pool write here.
    os.write(1, f"{scorefn.get_num_threads()}\n".encode())


def show_settings() -> None:
    with scorefn.threads(4):
        show_default()
    scorefn.set_num_threads(3)
    show_default()


TARGETS: dict[str, Target] = {
    "check": check,
    "show_default": show_default,
    "show_settings": show_settings,
}

# --- What the parent does when it starts a child --------------------------------------------------


@contextmanager
def after_a_call() -> Iterator[None]:
    assert answers(3) == EXPECTED
    yield


@contextmanager
def after_a_call_of_another_thread() -> Iterator[None]:
    in_a_thread(partial(answers, 3))
    yield


@contextmanager
def backed_off() -> Iterator[None]:
    back_off()
    yield


@contextmanager
def in_flight() -> Iterator[None]:
    """Another thread calls all the time; it holds the GIL only between its calls."""
    begun, ended = threading.Event(), threading.Event()

    def call_on_and_on() -> None:
        while not ended.is_set():
            call("score_gradient", LARGE, num_threads=2)
            call("sample", LARGE, num_threads=2, rng=RNG)
            begun.set()

    caller = threading.Thread(target=call_on_and_on)
    caller.start()
    begun.wait()
    try:
        yield
    finally:
        ended.set()
        caller.join()


@contextmanager
def set_num_threads() -> Iterator[None]:
    scorefn.set_num_threads(3)
    yield


USES: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "unused": nullcontext,
    "after_a_call": after_a_call,
    "after_a_call_of_another_thread": after_a_call_of_another_thread,
    "backed_off": backed_off,
    "in_flight": in_flight,
    "set_num_threads": set_num_threads,
    "threads": partial(scorefn.threads, 3),
}

# --- How a child starts ---------------------------------------------------------------------------


def in_a_thread(target: Target) -> None:
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()


def fork(target: Target) -> None:
    child = os.fork()
    if child == 0:
        try:
            target()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def fork_twice(target: Target) -> None:
    def target_of_child() -> None:
        target()
        fork(target)

    fork(target_of_child)


def fork_in_a_thread(target: Target) -> None:
    failures: list[BaseException] = []

    def body() -> None:
        try:
            fork(target)
        except BaseException as failure:
            failures.append(failure)

    in_a_thread(body)
    assert not failures


def fork_in_a_thread_that_ends(target: Target) -> None:
    """The child has this thread alone, and ends with it."""
    children: list[int] = []

    def body() -> None:
        assert answers(3) == EXPECTED
        child = os.fork()
        if child != 0:
            children.append(child)
            return
        try:
            target()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)

    in_a_thread(body)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0


def process(method: str, target: Target) -> None:
    child = multiprocessing.get_context(method).Process(target=target)  # type: ignore[attr-defined]
    child.start()
    child.join()
    assert child.exitcode == 0


def pool(method: str, target: Target) -> None:
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, context, initializer=target) as executor:
        assert len(set(executor.map(answers, [1, 2, 3]))) == 1


def environments(method: str, target: Target) -> None:
    import gymnasium

    class Environment(gymnasium.Env[int, int]):
        observation_space = action_space = gymnasium.spaces.Discrete(2)

        def reset(self, **_: object) -> tuple[int, dict[str, object]]:
            target()
            return 0, {}

        def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, object]]:
            scorefn.sample(LARGE["logits"], rng=action)
            return action, 0.0, False, False, {}

    workers = gymnasium.vector.AsyncVectorEnv([Environment] * 2, context=method)
    workers.reset()
    workers.step(np.array([0, 1]))
    workers.close()


def command_of_child() -> list[str]:
    return [sys.executable, __file__, MODULES, "unused", "itself", TARGET, EXPECTED]


def new_program(target: Target) -> None:
    subprocess.run(command_of_child(), check=True, stdout=subprocess.DEVNULL)


def posix_spawn(target: Target) -> None:
    quietly = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    child = os.posix_spawn(sys.executable, command_of_child(), os.environ, file_actions=quietly)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def itself(target: Target) -> None:
    target()


STARTS: dict[str, Callable[[Target], None]] = {
    "fork": fork,
    "fork_twice": fork_twice,
    "fork_in_a_thread": fork_in_a_thread,
    "fork_in_a_thread_that_ends": fork_in_a_thread_that_ends,
    **{
        f"{start.__name__}_{method}": partial(start, method)
        for start in (process, pool, environments)
        for method in ("fork", "forkserver", "spawn")
    },
    "new_program": new_program,
    "posix_spawn": posix_spawn,
    "itself": itself,
}


def use_threads_of_others() -> None:
    """PyTorch and scikit-learn bring OpenMP libraries of their own."""
    if "torch" in sys.modules:
        sys.modules["torch"].ones(1_000_000).sum()
    if "sklearn.cluster" in sys.modules:
        sys.modules["sklearn.cluster"].KMeans(3, n_init=1).fit(LARGE["logits"])


if __name__ == "__main__":
    # What Python says of a fork in a process with threads is what is tested here.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    use_threads_of_others()
    with USES[USE]():
        STARTS[START](TARGETS[TARGET])
    assert answers(3) == EXPECTED  # the parent goes on
    print("done")
