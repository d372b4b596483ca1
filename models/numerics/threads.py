"""Limits for threads that slow each other down or end the process: numba kernels, BLAS and torch."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock

from threadpoolctl import threadpool_limits

one_launch = Lock()
"""Lock to hold while a numba kernel with `parallel=True` runs.

Without OpenMP and TBB numba uses its own threading layer (`workqueue`), which ends the whole process when two threads
launch kernels at once, as models fitted side by side do. A kernel occupies all cores, so waiting costs no time.
"""


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread: for code with threads of its own, or whose bits must not depend on their number.

    The limit holds for the whole process. Blocks that overlap, as of models fitted side by side, share it: the first
    one sets it, and the last one to be left restores the limit that was there before.
    """
    _blas_limit.enter()
    try:
        yield
    finally:
        _blas_limit.leave()


def limit_blas(threads: int) -> None:
    """Limit BLAS to a number of threads, for the rest of the process; `one_blas_thread` goes lower and comes back."""
    _blas_limit.keep(threads)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Limit torch to one thread, in this thread of Python: for operations too small to be worth sharing out.

    On a busy machine several threads take up to a hundred times as long: torch's threads wait for each other by
    spinning, and the one they wait for gets no core. A thread that starts inside a block inherits its limit for good;
    therefore overlapping blocks restore the limit that was there before the first of them.
    """
    import torch  # noqa: PLC0415  (importing it takes a second)

    _torch_limit.enter(torch.get_num_threads())
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(_torch_limit.leave())


class _TorchLimit:
    """Number of open blocks, and the number of threads before the first of them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._blocks = self._before = 0

    def enter(self, threads: int) -> None:
        with self._lock:
            if self._blocks == 0:
                self._before = threads
            self._blocks += 1

    def leave(self) -> int:
        with self._lock:
            self._blocks -= 1
            return self._before


class _BlasLimit:
    """The limit to one thread, and the number of open blocks.

    One thread makes all calls: since 3.8 threadpoolctl obeys only the first thread that ever limits OpenBLAS, and
    silently ignores the others.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._blocks = 0
        self._caller = ThreadPoolExecutor(1, thread_name_prefix="blas-limit")

    def keep(self, threads: int) -> None:
        self._caller.submit(threadpool_limits, threads, "blas").result()

    def enter(self) -> None:
        with self._lock:
            if self._blocks == 0:
                self._limits = self._caller.submit(threadpool_limits, 1, "blas").result()
            self._blocks += 1

    def leave(self) -> None:
        with self._lock:
            self._blocks -= 1
            if self._blocks == 0:
                self._caller.submit(self._limits.restore_original_limits).result()


_torch_limit = _TorchLimit()
_blas_limit = _BlasLimit()
