"""The memory roofline: how fast this machine copies, measured again and again through a run."""

from __future__ import annotations

import statistics
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import numpy as np

LEAST, MOST = 64 << 20, 256 << 20  # bytes that are read, and written: more than most caches hold
RECENT = 15  # copies that the bandwidth of the moment is the median of


class Roofline:
    """Copies an array in as many threads as scorefn has; NumPy lets them run side by side."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads)
        self._threads = threads
        self._source = self._target = np.empty(0, dtype=np.uint8)
        self._recent: deque[float] = deque(maxlen=RECENT)
        self.move(0)

    def __enter__(self) -> Roofline:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown()

    def move(self, moved: int) -> None:
        """From now on copy as many bytes as a workload moves: caches help both alike."""
        copied = min(max(moved // 2, LEAST), MOST)
        if copied > self._source.size:
            self._source = np.ones(copied, dtype=np.uint8)
            self._target = np.zeros_like(self._source)
        self._copied = copied
        source, target = (
            np.array_split(array[:copied], self._threads) for array in (self._source, self._target)
        )
        self._parts = list(zip(target, source, strict=True))
        self._recent.clear()
        for _ in range(3):
            self.measure()

    def measure(self) -> None:
        start = time.perf_counter()
        for copied in [self._pool.submit(np.copyto, *part) for part in self._parts]:
            copied.result()
        self._recent.append(2 * self._copied / (time.perf_counter() - start))

    @property
    def bandwidth(self) -> float:
        """Bytes a second of late, those read and those written."""
        return statistics.median(self._recent)
