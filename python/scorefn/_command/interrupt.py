"""Signals that end a program, as requests to finish properly."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupt:
    """Which signal asked to stop, if one did."""

    signal: signal.Signals | None = None

    @property
    def requested(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """What a shell reports for a command that the signal ended; 0 without a signal."""
        return 0 if self.signal is None else 128 + self.signal


@contextmanager
def deferred_interrupt() -> Iterator[Interrupt]:
    """Ctrl-C, SIGTERM and SIGHUP set `signal`, so that no update or file is cut in two.

    The second Ctrl-C is a KeyboardInterrupt, as usual. Another SIGTERM or SIGHUP changes nothing:
    ``timeout`` and a closed terminal send two. One that is ignored (``nohup``) stays ignored.
    """
    interrupt = Interrupt()

    def handle(signum: int, frame: FrameType | None) -> None:
        interrupt.signal = interrupt.signal or signal.Signals(signum)
        if signum == signal.SIGINT:
            signal.signal(signal.SIGINT, previous[signal.SIGINT])

    handled = [
        number
        for number in SIGNALS
        if number == signal.SIGINT or signal.getsignal(number) == signal.SIG_DFL
    ]
    previous = {number: signal.getsignal(number) for number in handled}
    for number in handled:
        signal.signal(number, handle)
    try:
        yield interrupt
    finally:
        for number in handled:
            signal.signal(number, previous[number])
