"""Threads that get in each other's way: kernels launched at once, BLAS beneath other threads, torch on little data."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock

from threadpoolctl import threadpool_limits

one_launch = Lock()
"""One parallel kernel at a time: what every launch of a kernel with `parallel=True` is wrapped in.

Where neither OpenMP nor TBB is installed, numba falls back on a layer of threads of its own (`workqueue`) that ends
the whole process when two threads launch kernels at once, as models fitted side by side do. A kernel occupies all
cores anyway, so that waiting for the other costs nothing.
"""


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Inside, BLAS computes on one thread: for code with threads of its own, or whose bits must not depend on theirs.

    The limit is of the whole process. Blocks that overlap, as of models fitted side by side, share it: the first to
    be entered sets it, and the last to be left puts back what was before.
    """
    _blas_limit.enter()
    try:
        yield
    finally:
        _blas_limit.leave()


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Inside, this thread's torch computes on one thread: for operations so small that sharing them out costs more.

    On a machine with other work to do it costs hundredfold: torch's threads wait for each other by spinning, and the
    one that is waited for does not get a core. Threads that start while a block is open would inherit its limit
    for good; therefore overlapping blocks put back what was before the first of them.
    """
    import torch  # noqa: PLC0415  (takes a second: only who uses it pays)

    _torch_limit.enter(torch.get_num_threads())
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(_torch_limit.leave())


class _TorchLimit:
    """How many blocks are open, and what was before the first."""

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
    """The limit of one thread, and how many blocks it holds for.

    All calls come from one thread: threadpoolctl obeys only the first thread that ever limits OpenBLAS (since 3.8), and
    leaves what others ask of it undone without a word.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._blocks = 0
        self._caller = ThreadPoolExecutor(1, thread_name_prefix="blas-limit")

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
