"""The memory roofline: how fast this machine copies, measured again and again through a run."""

from __future__ import annotations

import statistics
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import numpy as np

COPIED = 64 << 20  # bytes, which are read and written: more than a cache holds
RECENT = 15  # copies that the bandwidth of the moment is the median of


class Roofline:
    """Copies an array in as many threads as scorefn has; NumPy lets them run side by side."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads)
        source = np.ones(COPIED, dtype=np.uint8)
        target = np.zeros_like(source)
        self._parts = list(
            zip(np.array_split(target, threads), np.array_split(source, threads), strict=True)
        )
        self._recent: deque[float] = deque(maxlen=RECENT)
        for _ in range(RECENT):
            self.measure()

    def __enter__(self) -> Roofline:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown()

    def measure(self) -> None:
        start = time.perf_counter()
        for copied in [self._pool.submit(np.copyto, *part) for part in self._parts]:
            copied.result()
        self._recent.append(2 * COPIED / (time.perf_counter() - start))

    @property
    def bandwidth(self) -> float:
        """Bytes a second of late, those read and those written."""
        return statistics.median(self._recent)
