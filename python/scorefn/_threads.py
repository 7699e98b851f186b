from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ._core import set_thread_local_num_threads


@contextmanager
def threads(num_threads: int) -> Iterator[None]:
    """Set the largest number of threads within a ``with`` block, for the calling thread only.

    It takes precedence over `set_num_threads` and the environment variables; an argument
    ``num_threads=`` takes precedence over it. Blocks may be nested, and the context manager may
    decorate a function. Do not await within a block: coroutines share their thread, so others would
    run with this setting.

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
