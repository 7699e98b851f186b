from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ._core import set_thread_local_num_threads


@contextmanager
def threads(num_threads: int) -> Iterator[None]:
    """Use at most this many threads within the block, for calls of the calling thread alone.

    Comes before `set_num_threads` and the environment variables; an argument ``num_threads=`` comes
    before it. Blocks may be nested, and the context manager may decorate a function. Coroutines
    share their thread: one that awaits within a block leaves the setting to others.

    Parameters
    ----------
    num_threads : int
        At least 1. Calls may use fewer, see `get_num_threads`.

    Raises
    ------
    TypeError
        Not an int.
    ValueError
        Less than 1.

    Examples
    --------
    >>> import scorefn
    >>> with scorefn.threads(1):
    ...     scorefn.get_num_threads()
    1
    """
    if num_threads is None:
        raise TypeError("num_threads must be an int, got NoneType")
    previous = set_thread_local_num_threads(num_threads)
    try:
        yield
    finally:
        set_thread_local_num_threads(previous)
